// shardctrl/controller/machine.h: the replicated state machine of the
// controller's group.
//
// Its parameters are its first state (founding.h). Each entry is one command
// (command.h), and its result is the answer. Readers take the state as a value,
// after a linearizable read or as a hint.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_MACHINE_H_
#define QUORATE_SHARDCTRL_CONTROLLER_MACHINE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/host/state_machine.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

class ControllerMachine final : public raft::StateMachine {
 public:
  // `parameters`: those of the group's configuration. `known_level`: that of
  // the program, whose levels count all changes of its machines. Errors are
  // those of DecodeState.
  static absl::StatusOr<std::unique_ptr<ControllerMachine>> Create(
      std::string_view parameters, raft::Level known_level = raft::Level(1));

  Buffer Apply(const raft::Entry& entry, bool wants_result) override;
  raft::Level known_level() const override { return known_level_; }
  raft::Level LevelOf(const Buffer& payload) const override;
  uint64_t WorkOf(const Buffer& payload) const override;
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override;
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor& snapshot) override;
  uint64_t Digest() const override;

  const ClusterState& state() const { return state_; }
  // The state if its version is not `known`, which the caller has; else null.
  const ClusterState* StateUnless(MapVersion known) const {
    return state_.version == known ? nullptr : &state_;
  }

 private:
  ControllerMachine(ClusterState state, raft::Level known_level)
      : state_(std::move(state)), known_level_(known_level) {}

  ClusterState state_;
  const raft::Level known_level_;
  // The digest of the state with this version; version zero: of none.
  mutable MapVersion digested_;
  mutable uint64_t digest_ = 0;
};

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_MACHINE_H_
