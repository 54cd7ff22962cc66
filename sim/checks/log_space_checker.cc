#include "sim/checks/log_space_checker.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void LogSpaceChecker::Check(SimTime now, NodeId node, const Use& use) {
  ++checked_;
  const uint64_t bound =
      kFactor * use.live_bytes +
      (use.slack_segments + kKeptSegments) * use.segment_bytes +
      use.largest_file_bytes;
  if (use.file_bytes <= bound) return Excuse(node);
  const SimTime since = exceeds_since_.try_emplace(node, now).first->second;
  if (now - since < kFreeMax) return;
  violate_(absl::StrCat(
      "resources: node ", node.value(), " has ", use.file_bytes,
      " bytes of log files since ", since.ms(), " ms; with ", use.live_bytes,
      " bytes of live entries at most ", bound, " are allowed"));
}

}  // namespace quorate::sim
