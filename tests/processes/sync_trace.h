// tests/processes/sync_trace.h: parses the traces of the preloaded library and
// checks them: no acknowledgement is sent before the disks of a quorum have the
// write.
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

// A write, and the token in the reply that acknowledges it.
struct AcknowledgedWrite {
  std::string token;
  std::string reply_token;
};

struct SyncCheck {
  // Writes whose acknowledgement is in the trace.
  int checked = 0;
  // Descriptions of the acknowledgements that were sent too early.
  std::vector<std::string> early;
};

// `resp_ports` are the ports for clients, by node, in the order of `traces`.
SyncCheck CheckSyncs(const std::vector<SyncTrace>& traces,
                     const std::vector<int>& resp_ports, int quorum,
                     const std::vector<AcknowledgedWrite>& writes);

}  // namespace quorate::tests

#endif  // QUORATE_TESTS_PROCESSES_SYNC_TRACE_H_
