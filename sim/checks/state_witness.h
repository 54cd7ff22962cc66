// sim/checks/state_witness.h: explains why two replicas have different states
// after the same entry.
//
// A run keeps digests only. When two differ, a second run of the same choices
// has a witness, which knows the place from the first one. It keeps the states
// at that place in words, the entries before it, and what each replica had
// restored.
#ifndef QUORATE_SIM_CHECKS_STATE_WITNESS_H_
#define QUORATE_SIM_CHECKS_STATE_WITNESS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

// The entry of a group after which two replicas have different states.
struct StatePlace {
  GroupId group;  // Zero: no states differ.
  raft::Index index;

  bool none() const { return group == GroupId(); }
};

class StateWitness {
 public:
  using Clock = absl::AnyInvocable<SimTime() const>;
  // An entry of commands in words. Null: its payload is printed as it is.
  using DescribeEntry = absl::AnyInvocable<std::string(const raft::Entry&)>;

  StateWitness(StatePlace place, Clock clock, DescribeEntry describe = nullptr)
      : place_(place),
        clock_(std::move(clock)),
        describe_(std::move(describe)) {}

  // Events of the run, in order. A node started.
  void OnBoot(NodeId node);
  // The state of a replica is now that of a snapshot.
  void OnRestored(NodeId node, GroupId group, raft::Index index);
  void OnApplied(NodeId node, GroupId group, const raft::Entry& entry);
  // The digest of a replica's state after `index`. Calls `state` for its words
  // if this is the place.
  void OnState(NodeId node, GroupId group, raft::Index index, uint64_t digest,
               absl::FunctionRef<std::string()> state);

  // Lines that follow the violation: the state of `node` at the place is not
  // that of the first replica. Requires: OnState was called for both.
  std::string Explain(NodeId node) const;

 private:
  struct Entry {
    SimTime applied;
    NodeId node;  // The first one that applied it.
    std::string words;
  };
  struct State {
    NodeId node;
    SimTime time;
    std::string words;
    std::string origin;  // The start and the snapshot of its replica, a line.
  };
  struct Replica {
    size_t starts = 0;
    SimTime started;
    raft::Index restored;  // Zero: no snapshot since the start.
    SimTime restored_at;
    std::map<raft::Index, uint64_t> digests;  // Since the start.
  };

  std::string WordsOf(const raft::Entry& entry);
  // The last index before the place after which the replica had the state of
  // the others. Zero: none.
  raft::Index LastEqual(const Replica& replica) const;
  void ExplainEntries(const Replica& replica, std::string* text) const;
  std::string OriginOf(NodeId node) const;

  const StatePlace place_;
  Clock clock_;
  DescribeEntry describe_;
  std::map<raft::Index, Entry> entries_;   // The last ones.
  std::map<raft::Index, uint64_t> first_;  // The first digest of each.
  std::map<NodeId, Replica> replicas_;
  std::vector<State> states_;  // At the place; the last one of a node counts.
};

// Where two states in words differ. Of long ones it has the first line that
// differs, or the bytes around the first difference.
std::string StateDifference(std::string_view one, std::string_view other);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_STATE_WITNESS_H_
