// sim/checks/move_checker.h: which group accepts commands on a slot, by the
// steps of moves that the groups commit, computed without the store.
//
// The rules are:
// - at most one group accepts commands on a slot: a slot is activated only once
//   its owner is frozen for that move
// - the epochs of a slot rise with its owners
// - a group gives a slot up only once another one has it
// - no move is aborted once its slots have another owner
// - once faults are over, slots that freeze have an owner within a bound
// - the log time of a seal is no earlier than that of its source when it froze
#ifndef QUORATE_SIM_CHECKS_MOVE_CHECKER_H_
#define QUORATE_SIM_CHECKS_MOVE_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "shardctrl/move.h"
#include "shardctrl/partition.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class MoveChecker {
 public:
  using Report = absl::AnyInvocable<void(std::string)>;
  using Clock = absl::AnyInvocable<SimTime()>;

  explicit MoveChecker(Report violate) : violate_(std::move(violate)) {}

  // `owner_of` returns the group that owns a slot before it moves. Without this
  // call each group accepts all slots.
  void SetFounders(absl::AnyInvocable<GroupId(Slot)> owner_of) {
    founder_of_ = std::move(owner_of);
  }
  // `log_time_of` returns the log time of the last entry of a group. Without
  // this call seals are not compared with it.
  void SetLogTimes(absl::AnyInvocable<WallTime(GroupId)> log_time_of) {
    log_time_of_ = std::move(log_time_of);
  }
  // There is no fault while slots are frozen from now on, and each group has a
  // leader. So they are for at most this time.
  void OnCalm(Clock clock, Duration frozen_max) {
    calm_clock_ = std::move(clock);
    frozen_max_ = frozen_max;
  }
  // Whether a command on the slot has an effect behind the last entry of the
  // group.
  bool Accepts(GroupId group, Slot slot);
  // Slots that a group owns from now on. Its log time is at least that of the
  // seal.
  struct Activation {
    kv::MovePlan plan;
    WallTime log_time{0};
  };
  // The first replica of the group applied the step. Nullopt: the owners are as
  // before.
  std::optional<Activation> OnStep(GroupId group, const kv::MoveStep& step);

  // How many steps groups have taken, pieces of copies among them.
  uint64_t steps() const { return steps_; }
  // How many moves were activated, and aborted at a source that was frozen.
  uint64_t activated() const { return activated_; }
  uint64_t thawed() const { return thawed_; }
  // The longest time that slots were frozen without faults.
  Duration frozen_longest() const { return frozen_longest_; }

 private:
  struct Holder {
    GroupId group;
    SlotEpoch epoch;
    MoveId frozen_by = {};  // Zero: it accepts commands.
  };
  // A move at its source.
  struct Source {
    kv::MovePlan plan;
    bool frozen = false;
    std::optional<SimTime> frozen_at = {};  // Nullopt: not without faults.
    WallTime log_time{0};  // That of the group when it was frozen.
  };

  // A piece behind a seal may be a late one, which has no effect. If the seal
  // came too early, another one follows.
  struct Seal {
    WallTime log_time{0};
    bool doubted = false;
  };

  Holder HolderOf(Slot slot);
  void Track(GroupId group, const kv::TrackStep& step);
  void Freeze(GroupId group, MoveId move);
  void CheckSeal(GroupId group, const Source& source, const Seal& seal);
  // The slots have an owner again.
  void CheckFrozen(const Source& source);
  std::optional<Activation> Activate(GroupId group, const kv::MovePlan& plan);
  void Release(GroupId group, const kv::MovePlan& plan);
  void Abort(GroupId group, const kv::MovePlan& plan);
  void Violate(GroupId group, const char* step, const kv::MovePlan& plan,
               const std::string& what);

  Report violate_;
  absl::AnyInvocable<GroupId(Slot)> founder_of_;
  absl::AnyInvocable<WallTime(GroupId)> log_time_of_;
  // Of slots that were frozen or have moved.
  std::map<Slot, Holder> holders_;
  std::map<std::pair<GroupId, MoveId>, Source> sources_;
  // The first seal behind the last piece. The destination takes no other.
  std::map<MoveId, Seal> seals_;
  Clock calm_clock_;  // Null: there are faults.
  Duration frozen_max_;
  Duration frozen_longest_;
  uint64_t steps_ = 0;
  uint64_t activated_ = 0;
  uint64_t thawed_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_MOVE_CHECKER_H_
