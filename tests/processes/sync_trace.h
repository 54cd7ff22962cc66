// tests/processes/sync_trace.h: what the preloaded library wrote down, and the
// judge of it: no acknowledgement leaves before a quorum's disks have the write.
#ifndef QUORATE_TESTS_PROCESSES_SYNC_TRACE_H_
#define QUORATE_TESTS_PROCESSES_SYNC_TRACE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::tests {

// One node's trace.
struct SyncTrace {
  // When a token was first durable there, in nanoseconds.
  std::map<std::string, int64_t> synced;
  // When a token was first sent from each local port.
  std::map<int, std::map<std::string, int64_t>> sent;
};

SyncTrace ParseSyncTrace(std::string_view text);

// A write, and the token by which its acknowledgement can be told.
struct AcknowledgedWrite {
  std::string token;
  std::string told_by;
};

struct SyncJudgement {
  // Writes whose acknowledgement was seen leaving.
  int judged = 0;
  // In words, those that left too early.
  std::vector<std::string> early;
};

// `resp_ports` are the ports for clients, by node, in the order of `traces`.
SyncJudgement JudgeSyncs(const std::vector<SyncTrace>& traces,
                         const std::vector<int>& resp_ports, int quorum,
                         const std::vector<AcknowledgedWrite>& writes);

}  // namespace quorate::tests

#endif  // QUORATE_TESTS_PROCESSES_SYNC_TRACE_H_
