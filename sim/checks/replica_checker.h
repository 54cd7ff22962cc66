// sim/checks/replica_checker.h: the rules about replicas that every run must
// keep, whatever faults it has.
//
// The checker observes every role, applied entry and restored snapshot of every
// replica. For each group it keeps the committed log as a chain of hashes and
// compares each replica with it. It does not know how replicas are driven.
#ifndef QUORATE_SIM_CHECKS_REPLICA_CHECKER_H_
#define QUORATE_SIM_CHECKS_REPLICA_CHECKER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/core/testing/invariants.h"
#include "raft/core/types.h"
#include "sim/checks/state_witness.h"

namespace quorate::sim {

class ReplicaChecker {
 public:
  using Report = absl::AnyInvocable<void(std::string)>;
  explicit ReplicaChecker(Report violate) : violate_(std::move(violate)) {}

  // Checks the rules of the core (raft/core/testing/invariants.h) on the real
  // objects, at every step.
  void OnStart(NodeId node, GroupId group, const raft::Core& core);
  // A replica was created from a copy of its disk. Returns the violation, or an
  // empty string. The checker learns nothing from it.
  std::string CheckRecovered(GroupId group, const raft::Core& core) const;
  // The node has dropped its replica of the group.
  void OnDropped(NodeId node, GroupId group);
  // The groups of which a replica has started on the node and was not dropped.
  // A disk that recovers must have each of them.
  std::vector<GroupId> GroupsOf(NodeId node) const;
  void OnWritten(NodeId node, GroupId group, const raft::WriteToken& token);
  void OnStep(NodeId node, GroupId group, const raft::Core& core,
              const raft::Output& output);

  // Checks that a term of a group has at most one leader (Raft paper, Election
  // Safety).
  void OnLeader(NodeId node, GroupId group, raft::Term term);

  // Checks that a new leader has every entry known to be committed (Leader
  // Completeness). `term_at` returns the term of its entry at an index, or zero
  // if it has none. Entries through `boundary` are in its snapshot.
  template <typename TermAt>
  void OnLeaderLog(NodeId node, GroupId group, raft::Term term,
                   raft::Index boundary, TermAt&& term_at) {
    const Group& state = groups_[group];
    // A leader of a later term may have committed more before this one began.
    if (!state.leaders.empty() && state.leaders.rbegin()->first > term) return;
    const std::vector<Committed>& log = state.log;
    for (size_t i = boundary.value(); i < log.size(); ++i) {
      const raft::Index index(i + 1);
      if (term_at(index) == log[i].term) continue;
      ReportMissing(node, group, term, index, log[i].term, term_at(index));
      return;
    }
  }

  // A replica applied `entry`. Checks that all replicas apply the same entries,
  // in order and without a gap (State Machine Safety). Returns true if no
  // replica had applied it before.
  bool OnApplied(NodeId node, GroupId group, const raft::Entry& entry);
  // The replica's state is now that of a snapshot.
  void OnRestored(NodeId node, GroupId group, raft::LogPosition position);
  // The node started: it applies entries from its snapshot on.
  void OnBoot(NodeId node);

  // The digest of a replica's state after applying through `index`. Checks that
  // it is equal on all replicas.
  void OnDigest(NodeId node, GroupId group, raft::Index index, uint64_t digest);
  // The digest that every replica must have after the entry at `index`, which
  // was applied. Call it before the first OnDigest of that index.
  void ExpectDigest(GroupId group, raft::Index index, uint64_t digest);
  // The first place at which states differed. None: there is none.
  const StatePlace& diverged() const { return diverged_; }
  // Before the first event: passes what it observes to a witness, which
  // explains the violation that the run before had at its place. `state`
  // returns the state of a replica in words.
  using DescribeState = absl::AnyInvocable<std::string(NodeId, GroupId)>;
  void Explain(std::unique_ptr<StateWitness> witness, DescribeState state) {
    witness_ = std::move(witness);
    describe_state_ = std::move(state);
  }
  // From now on the digests of the replica are not compared, or again. A fault
  // made its state wrong.
  void ExcuseState(NodeId node, GroupId group, bool excused);
  // Whether replicas reported this digest after `index`, or none at all. For
  // states of changed copies: the checker learns nothing from them.
  bool DigestMatches(GroupId group, raft::Index index, uint64_t digest) const;

  // The window of leaders on the node
  // (raft::ClusterInvariants::SetSendWindow). Call it for every node, or none.
  void SetSendWindow(NodeId node, uint64_t bytes) {
    send_windows_.resize(std::max<size_t>(send_windows_.size(), node.value()));
    send_windows_[node.value() - 1] = bytes;
  }

  // ---- Durability of committed entries.
  // The voting members of the group, until it commits others.
  void SetVoters(GroupId group, std::vector<NodeId> voters);
  // The replica has, or had when it stopped, the entries of the group's log
  // through `last`. OnRecovered is for a replica that has just recovered: it
  // checks that a majority of voters still has every committed entry.
  void OnHolds(NodeId node, GroupId group, raft::LogPosition last);
  void OnRecovered(NodeId node, GroupId group, raft::LogPosition last);

  // Whether a majority of the voters, of which each is `sound` and none is
  // `node`, has what a log that ends with `last` has.
  bool HeldWithout(NodeId node, GroupId group, raft::LogPosition last,
                   absl::FunctionRef<bool(NodeId)> sound) const;
  // The disk of the node, which is down, now has an older state. No group needs
  // what it lost.
  void OnOlderDisk(NodeId node);

  // A replica of a node that started does not work, for the reason `why`. That
  // is a violation, whatever the reason, unless a fault excuses it.
  void OnReplicaNotStarted(NodeId node, GroupId group, const absl::Status& why,
                           bool excused);
  // The node did not start, or stopped by itself. That is a violation unless a
  // fault excuses it.
  void OnNodeStopped(NodeId node, const absl::Status& why, bool excused);

  // Whether the level of the group rose above `known` in a configuration that
  // does not name the replica. A program that knows no more halts it then.
  bool RoseWithout(GroupId group, ReplicaId replica, raft::Level known) const;
  // Whether the last committed change of the group's configuration names no
  // replica of the node. Its replica may be dropped then.
  bool LeftOut(GroupId group, NodeId node) const;
  // A digest of what it knows: the committed log and the leaders of all terms.
  uint64_t Digest() const;
  // The last index known to be committed.
  raft::Index committed(GroupId group) const;
  // Size of the committed entries behind `after`.
  uint64_t BytesBehind(GroupId group, raft::Index after) const;
  uint64_t leader_changes() const { return leader_changes_; }
  // How many terms of the group have had a leader, and the node that led in the
  // last of them. Zero: none.
  size_t leaderships(GroupId group) const;
  NodeId last_leader(GroupId group) const;
  uint64_t applied_entries() const { return applied_entries_; }
  uint64_t digests_compared() const { return digests_compared_; }
  // How often a restart was followed by a count of who holds what is committed.
  uint64_t majorities_checked() const { return majorities_checked_; }

 private:
  struct Committed {
    raft::Term term;
    uint64_t hash = 0;
    // Digest of the state after this entry, if `has_digest`.
    uint64_t digest = 0;
    bool has_digest = false;
    bool is_expected = false;    // It is that of ExpectDigest.
    uint64_t bytes_through = 0;  // Size of all entries so far.
  };
  struct Group {
    raft::ClusterInvariants invariants;
    std::map<NodeId, ReplicaId> replicas;  // The newest of each node.
    // All that started, those included that were dropped.
    std::map<NodeId, std::set<ReplicaId>> ever;
    std::vector<Committed> log;                         // [i] is index i + 1.
    std::map<raft::Level, raft::Configuration> levels;  // The first of each.
    // The last one that was committed as an entry.
    std::optional<raft::Configuration> configuration;
    std::map<raft::Term, NodeId> leaders;
    // The last index since the node's start.
    std::map<NodeId, raft::Index> applied;
    std::map<NodeId, raft::LogPosition> holds;
    // Nodes whose replica took the place of one that a fault has damaged, and
    // does not hold all entries yet. The damaged one casts no vote any more.
    std::set<NodeId> replaced;
    std::set<NodeId> wrong;  // See ExcuseState.
    std::vector<NodeId> voters;
  };

  void ReportMissing(NodeId node, GroupId group, raft::Term term,
                     raft::Index index, raft::Term committed, raft::Term found);
  void ReportInvariant(NodeId node, GroupId group,
                       const std::string& violation);
  void CheckMajority(NodeId node, GroupId id, const Group& group);

  Report violate_;
  StatePlace diverged_;
  std::unique_ptr<StateWitness> witness_;  // Null: none explains.
  DescribeState describe_state_;
  std::map<GroupId, Group> groups_;
  std::vector<uint64_t> send_windows_;  // By node id - 1.
  uint64_t leader_changes_ = 0;
  uint64_t applied_entries_ = 0;
  uint64_t digests_compared_ = 0;
  uint64_t majorities_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_REPLICA_CHECKER_H_
