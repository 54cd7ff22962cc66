// sim/cluster/wrong_state.h: replicas whose state in memory is another one than
// that of their group, because of a fault of memory or a wrong state machine.
//
// The change is one that no client observes: the replica notes a removal from a
// slot without keys. The product must fence a replica that differs from a
// majority (docs/decisions/0051-replicas-compare-their-states.md). Until then a
// snapshot of it has the wrong state, so its machine is lost as soon as the
// replica leads or its program ends. Where members change, the groups may no
// longer spare the machine by then. So the state is mended instead.
#ifndef QUORATE_SIM_CLUSTER_WRONG_STATE_H_
#define QUORATE_SIM_CLUSTER_WRONG_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/store/store.h"
#include "raft/host/state_machine.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

// Changes the state so that its digest is another one. `draw` selects the slot.
// Returns false and changes nothing if no slot of the group is free for that.
bool SpoilState(kv::Store* store, GroupId group, uint64_t draw);
// Takes such changes back. Returns false if there is none.
bool MendState(kv::Store* store);

// Knows which replicas have a wrong state, and checks that exactly these are
// fenced for it.
class WrongStates {
 public:
  using Report = absl::AnyInvocable<void(std::string)>;
  explicit WrongStates(Report violate) : violate_(std::move(violate)) {}

  // The state of the replica after the entry `index` is wrong from now on. Its
  // group compares states at multiples of `interval`, which is not zero.
  void Add(NodeId node, GroupId group, ReplicaId replica, raft::Index index,
           uint64_t interval);
  // The replica applied the entry.
  void OnApplied(NodeId node, GroupId group, raft::Index index, SimTime now);
  // A snapshot of the leader replaced the state.
  void OnRestored(NodeId node, GroupId group);
  // Its wrong state, or that of a snapshot from elsewhere, was mended.
  void OnMended(NodeId node, GroupId group);
  // Checks that a fence for another state hits a wrong replica only.
  void OnFenced(NodeId node, GroupId group, const absl::Status& why);
  // Checks that the alarm of another state is about a wrong replica.
  void OnDiffer(NodeId node, GroupId group);
  // The replica is gone, and what its disk had of it unless the program ends
  // soon.
  void OnDropped(NodeId node, GroupId group);
  // A start of the node found the replica on the disk. Returns whether it is
  // one that was dropped, which is wrong still.
  bool OnStart(NodeId node, GroupId group, ReplicaId replica);
  // A replica works after a start. Checks that no start before it had found the
  // fence on the disk. Returns whether the fence was lost with the program.
  bool OnWorks(NodeId node, GroupId group);
  // The replica did not start because of a fence.
  void OnFencedAtStart(NodeId node, GroupId group);

  // Checks that no wrong replica has been at work for `bound` since it applied
  // an entry at which states are compared. No fault began or ended since
  // `calm_since`. `connected` returns whether all members of the group exchange
  // messages and work.
  using Connected = absl::FunctionRef<bool(NodeId, GroupId)>;
  void Check(SimTime now, SimTime calm_since, Duration bound,
             Connected connected);

  // Whether the state is wrong and the replica was not fenced.
  bool IsWrong(NodeId node, GroupId group) const;
  // Whether some replica of the node is wrong and was not fenced.
  bool HasWrong(NodeId node) const;
  // The groups in which some replica was wrong.
  const std::set<GroupId>& groups() const { return groups_; }

 private:
  enum class State : uint8_t { kWrong, kRestored, kFenced };
  struct Replica {
    ReplicaId replica;
    raft::Index since;
    uint64_t interval = 0;
    State state = State::kWrong;
    bool fence_is_durable = false;
    // When it first applied an entry at which states are compared, if it did
    // since the last fault.
    std::optional<SimTime> compared_at;
  };
  // Null: the replica was never wrong.
  Replica* Find(NodeId node, GroupId group);

  Report violate_;
  std::map<std::pair<NodeId, GroupId>, Replica> replicas_;
  // Those that were dropped.
  std::map<std::pair<NodeId, GroupId>, Replica> dropped_;
  // The groups in which some replica was wrong.
  std::set<GroupId> groups_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_WRONG_STATE_H_
