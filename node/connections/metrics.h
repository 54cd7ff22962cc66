// node/connections/metrics.h: counters and histograms of one node, and their
// text in Prometheus form.
// Plain values that the sessions write. Metrics of groups, logs and stores are
// read from these when the text is written (node/pages/metrics_page.h).
#ifndef QUORATE_NODE_CONNECTIONS_METRICS_H_
#define QUORATE_NODE_CONNECTIONS_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/key_reads.h"
#include "kv/command/store_totals.h"
#include "node/commands/command_table.h"

namespace quorate::node {

// Counts durations below fixed bounds.
class LatencyHistogram {
 public:
  // Upper bounds, in microseconds; the last bucket has none.
  static constexpr std::array<int64_t, 15> kBoundsUs = {
      50,     100,    250,     500,     1'000,   2'500,     5'000,    10'000,
      25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 5'000'000};

  void Add(Duration duration);
  uint64_t count() const { return count_; }
  Duration sum() const { return sum_; }
  // Counts of durations at most kBoundsUs[i]; [size] is the count of all
  // durations.
  uint64_t CumulativeCount(size_t i) const;

 private:
  std::array<uint64_t, kBoundsUs.size() + 1> buckets_ = {};
  uint64_t count_ = 0;
  Duration sum_;
};

class Metrics {
 public:
  struct Command {
    uint64_t calls = 0;
    uint64_t failed = 0;  // Answered with an error.
    LatencyHistogram duration;
  };
  struct Connections {
    uint64_t accepted = 0;
    uint64_t rejected = 0;  // Over limits.connections.
    uint64_t closed_stalled = 0;
    uint64_t closed_idle = 0;
    uint64_t protocol_errors = 0;
  };

  void OnCommand(CommandId id, Duration duration, bool failed);
  // `reply` is an error reply, "-CODE …".
  void OnErrorReply(std::string_view reply);
  void OnHttp(std::string_view route, int status, Duration duration);
  // Resets what CONFIG RESETSTAT resets in Redis.
  void Reset();

  const Command& command(CommandId id) const;
  // Error replies by code; at most 128 codes.
  const absl::btree_map<std::string, uint64_t>& errors() const {
    return errors_;
  }
  struct Http {
    LatencyHistogram duration;
    absl::btree_map<int, uint64_t> statuses;
  };
  const absl::btree_map<std::string, Http>& http() const { return http_; }
  uint64_t total_commands() const { return total_commands_; }
  uint64_t total_errors() const { return total_errors_; }

  Connections connections;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t redirects_moved = 0;
  uint64_t leader_changes = 0;
  uint64_t elections = 0;
  uint64_t suffixes_truncated = 0;
  uint64_t lease_reads = 0;
  // Indexes at which replicas had different states.
  uint64_t state_differences = 0;
  uint64_t snapshots_installed = 0;
  // The stores of this node count here.
  kv::KeyReads key_reads;
  // Of groups whose replicas left this node, perhaps to come back.
  std::map<GroupId, kv::StoreTotals> ended_stores;

 private:
  // By CommandId, and empty before the first command. Null: none of its kind.
  std::vector<std::unique_ptr<Command>> commands_;
  absl::btree_map<std::string, uint64_t> errors_;
  absl::btree_map<std::string, Http> http_;
  uint64_t total_commands_ = 0;
  uint64_t total_errors_ = 0;
};

// Writes the text exposition format 0.0.4: one family at a time, HELP and TYPE
// first.
class MetricsText {
 public:
  void Family(std::string_view name, std::string_view type,
              std::string_view help);
  // Writes a sample of the family. `labels` is "a=\"b\",c=\"d\"" or empty.
  void Sample(std::string_view labels, uint64_t value);
  // Writes a sample without labels.
  void Seconds(Duration duration);
  void Samples(std::string_view labels, const LatencyHistogram& histogram);
  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

// "1.5" for 1500 ms: seconds without floating point.
std::string FormatSeconds(Duration duration);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_METRICS_H_
