#include "sim/run/rolling_restart.h"

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// How often the operator looks at the node.
constexpr Duration kLook = Milliseconds(20);

}  // namespace

void RollingRestart::Step() {
  if (done()) return;
  const NodeId node = nodes_[restarted_];
  const MachineId machine = cluster_->machine(node);
  switch (phase_) {
    case Phase::kWorks:
      if (!may_stop_()) break;
      before_stop_(node);
      cluster_->Stop(machine);
      phase_ = Phase::kStops;
      break;
    case Phase::kStops:
      if (world_->running(machine)) break;
      world_->Restart(machine);
      phase_ = Phase::kStarts;
      break;
    case Phase::kStarts:
      if (cluster_->server(node) == nullptr ||
          !cluster_->server(node)->status().ok()) {
        break;
      }
      phase_ = Phase::kWorks;
      if (++restarted_ == nodes_.size()) {
        world_->CountMark(machine, "operator.restarted_one_after_the_other");
      }
      break;
  }
  world_->At(world_->now() + kLook, [this] { Step(); });
}

std::string RollingRestart::Describe() const {
  if (done()) return "";
  return absl::StrCat("node ", nodes_[restarted_].value(),
                      phase_ == Phase::kStarts  ? " does not start again\n"
                      : phase_ == Phase::kStops ? " does not stop\n"
                                                : " may not be stopped yet\n");
}

}  // namespace quorate::sim
