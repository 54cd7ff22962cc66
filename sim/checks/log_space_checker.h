// sim/checks/log_space_checker.h: checks that the files of a node's log do not
// grow without end.
//
// The product rewrites old segments when files take more than four times the
// bytes of live entries, and some segments more. The checker gets sizes of
// files from the simulated disk, and sizes of entries from what the replicas
// applied.
#ifndef QUORATE_SIM_CHECKS_LOG_SPACE_CHECKER_H_
#define QUORATE_SIM_CHECKS_LOG_SPACE_CHECKER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class LogSpaceChecker {
 public:
  // Segments are freed within this time.
  static constexpr Duration kFreeMax = Seconds(20);
  static constexpr uint64_t kFactor = 4;
  // Segments beside those of LogOptions::slack_segments. 16 that were emptied
  // and the next one are kept, each of up to twice the usual size.
  static constexpr uint64_t kKeptSegments = 34;

  // The log of one node at one moment.
  struct Use {
    uint64_t file_bytes = 0;          // The segments.
    uint64_t largest_file_bytes = 0;  // One that grew stays while it is used.
    uint64_t live_bytes = 0;          // Entries behind the starts of the logs.
    uint64_t segment_bytes = 0;       // log.segment_bytes.
    uint64_t slack_segments = 0;      // LogOptions::slack_segments.
  };

  using Report = absl::AnyInvocable<void(std::string)>;
  explicit LogSpaceChecker(Report violate) : violate_(std::move(violate)) {}

  void Check(SimTime now, NodeId node, const Use& use);
  // The node does not run, or a fault keeps it from freeing segments.
  void Excuse(NodeId node) { exceeds_since_.erase(node); }
  uint64_t checked() const { return checked_; }

 private:
  Report violate_;
  // The nodes whose files take too much, and since when.
  std::map<NodeId, SimTime> exceeds_since_;
  uint64_t checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LOG_SPACE_CHECKER_H_
