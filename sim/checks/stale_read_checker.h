// sim/checks/stale_read_checker.h: checks reads that may be stale (READONLY
// connections).
//
// A stale read returns a committed value, which may be old. It is not older
// than the state that its replica had when the read was sent, unless the
// replica has started again since. A replica that has not applied the move of a
// slot may lack all later writes. Once it has, the answer has all writes of
// before the move, whichever replica gives it. With a bound
// (QUORATE.CONSISTENCY BOUNDED) it has every write that was committed that long
// before it was sent.
#ifndef QUORATE_SIM_CHECKS_STALE_READ_CHECKER_H_
#define QUORATE_SIM_CHECKS_STALE_READ_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "raft/core/types.h"
#include "sim/checks/committed_states.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

class StaleReadChecker {
 public:
  using Position = CommittedStates::Position;
  using Report = absl::AnyInvocable<void(std::string)>;

  // `states` outlives the checker.
  StaleReadChecker(const CommittedStates* states, Report violate)
      : states_(states), violate_(std::move(violate)) {}

  // The monotonic time that the node's clock has lost from a time on; zero: the
  // most of any node. Without the function bounds are not checked.
  void SetLost(absl::AnyInvocable<Duration(NodeId, SimTime since)> lost) {
    lost_ = std::move(lost);
  }
  // The states have taken a committed entry.
  void OnEntry(GroupId group, raft::Index index, SimTime now);
  // The replica's state is that after the entry `index`. Zero: it starts.
  void OnApplied(NodeId node, GroupId group, raft::Index index);

  // The destination of the move applied its activation, at `index`.
  void OnMoved(const kv::MovePlan& plan, raft::Index index);

  // A read, and the state of its replica when it was sent.
  struct Sent {
    NodeId node;  // Zero: any node may answer.
    // Zero: any may answer, since the node does not know that the slot moved.
    GroupId group;
    // It asks for a number, such as TTL. Numbers are not checked.
    bool number = false;
    uint64_t starts = 0;
    Position applied = 0;
    // The last position when the slot moved, if no replica of the node may
    // still have the slot as a former owner. It counts while none starts.
    Position moved = 0;
    uint64_t node_starts = 0;
    // The answer must have the writes that were committed by then.
    std::optional<SimTime> newest_missing = {};
  };
  // `founder` is the group that owns the slot before it moves.
  Sent Send(NodeId node, GroupId founder, Slot slot) const;
  // The read returned. Before the first entry nothing is checked.
  void OnReply(const Sent& sent, const std::string& key,
               const ClientReply& reply);
  uint64_t checked() const { return checked_; }

 private:
  struct Replica {
    uint64_t starts = 0;
    raft::Index applied;
  };

  // The last position that the answer may not lack.
  Position BoundOf(const Sent& sent);

  const CommittedStates* const states_;
  Report violate_;
  absl::AnyInvocable<Duration(NodeId, SimTime)> lost_;
  struct Entry {
    SimTime committed;
    Position last = 0;  // The last one through the entry.
  };
  // For each group, by index - 1.
  std::map<GroupId, std::vector<Entry>> entries_;
  std::map<std::pair<NodeId, GroupId>, Replica> replicas_;
  // The group that owns a slot since the entry `index`.
  struct Owner {
    GroupId group;
    raft::Index index;
    Position before = 0;  // The last position of all groups by then.
    // Those before, with their last entry then. A replica that has not applied
    // it may still have the slot, and its node may not know the new owner.
    std::map<GroupId, raft::Index> former = {};
  };
  std::map<Slot, Owner> moved_;
  // Whether the node may answer as a former owner.
  bool IsBehind(NodeId node, const Owner& owner) const;
  // How often a replica of the node has started.
  uint64_t StartsOn(NodeId node) const;
  uint64_t checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_STALE_READ_CHECKER_H_
