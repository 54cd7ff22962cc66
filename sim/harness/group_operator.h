// sim/harness/group_operator.h: an operator of a simulated cluster.
//
// The operator creates a group while the nodes run, uses it, drops it, and
// creates it again under the same id. Each creation has replicas of its own.
// The operator wants something of each node. A node does it in its own turns,
// however often it crashes:
//
//   the wish           the work of a node
//   a group            prepares a replica, then founds it with the others'
//   other members      votes, learns, or is no member
//   no replica on it   drops the replica; the others keep a majority
//   a replica again    prepares a replica that joins, learns and then votes; it
//                      replaces the node's earlier one
//   no group           drops the replica
//   other peers        has one peer less for a while
//
// Some nodes are late: they are not founded with the cluster. The operator has
// them admitted at some time, and they come into the group as others come back.
// Their disks may be lost. Such a node is admitted again.
//
// Beside that the operator makes mistakes (sim/harness/wrong_requests.h).
//
// These are its rules, beside those of ReplicaChecker and CommandHistory:
//   prepared: an id that a node told is prepared there, or its replica runs.
//   dropped: a replica does not come back after its drop has ended, and has no
//   file then.
//   founded: a node has no replica that the operator did not found there, or
//   let join.
//   admitted: a late node keeps its store, unless its disk was lost.
// Without faults the last wish comes true, see Settled.
#ifndef QUORATE_SIM_HARNESS_GROUP_OPERATOR_H_
#define QUORATE_SIM_HARNESS_GROUP_OPERATOR_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "env/ids.h"
#include "env/random.h"
#include "env/transport.h"
#include "raft/core/types.h"
#include "raft/host/host.h"
#include "sim/checks/replica_checker.h"
#include "sim/harness/command_history.h"
#include "sim/harness/replica_views.h"
#include "sim/harness/state_machine_test.h"
#include "sim/harness/wrong_requests.h"
#include "sim/world/world.h"

namespace quorate::sim {

class GroupOperator {
 public:
  // The group's id, which no plan of a founding names.
  static constexpr GroupId kGroup{2};
  // The group of the founding, which is always there.
  static constexpr GroupId kFounded{1};

  // Node i + 1 runs on the i-th machine. All outlive the operator. Those from
  // the `founders`-th on are late. `host` returns null while a node is down or
  // starts.
  GroupOperator(
      World* world, const std::vector<MachineId>* machines, size_t founders,
      StateMachineTest* test, std::function<raft::Host*(size_t node)> host,
      std::function<std::vector<env::PeerAddress>(size_t node)> peers);

  // ---- Events of nodes.
  // The program of a node begins.
  void OnBoot(size_t node);
  // Call it in turns of a node, many times in a second, once it has started.
  void OnTick(size_t node);
  // The replica with this id was created from its disk.
  void OnRecovered(size_t node, ReplicaId replica);
  // A replica applied the entry first.
  void OnCommitted(size_t node, const raft::Entry& entry);
  // A late node asks for admission (raft::HostOptions::admit).
  absl::Status Admit(const raft::JoinRequest& request);
  // The checker of the replica that the node runs, or ran last.
  ReplicaChecker& CheckerOf(size_t node);

  // ---- The end of a run.
  // From now on the operator wants one thing: that the group is there, or that
  // it is gone. All peers know each other again.
  void Finish();
  // A group that is there must execute one more command from now on.
  void Probe() { executed_ = 0; }
  // The last wish came true: the group has executed a command and its members
  // agree, or no node has anything of it.
  bool Settled();
  // Grows with each step towards that.
  uint64_t progress() const { return progress_; }
  // The state of the group, by node.
  std::string Describe() const;
  // Holds all commands of the present group against its log.
  void CheckHistory();
  uint64_t creations() const { return creations_.size(); }

 private:
  // The replicas that make up the group once.
  struct Creation {
    Creation(World* world, size_t nodes, size_t founders);
    // The present replicas, by node. Those without an id are not prepared yet.
    std::vector<raft::Member> members;
    std::vector<bool> joins;  // By node: its replica joins the others.
    // By node: the replica that joins is to become a voter.
    std::vector<bool> to_vote;
    std::set<ReplicaId> all;  // Those of all nodes, also the earlier ones.
    // Entry 1 of the group, once all ids are known.
    std::optional<raft::Configuration> first;
    bool ran = false;         // All members have run.
    std::vector<bool> ended;  // By node: the operator wants no replica there.
    std::vector<bool> gone;   // By node: the drop has ended.
    ReplicaChecker checker;
    CommandHistory history;
  };
  struct Node {
    bool calls = false;  // A call to its host is under way.
    // The creation to which its replica belongs.
    Creation* creation = nullptr;
    // The peer that it shall not have; its own number: none.
    size_t without = 0;
    size_t now_without = 0;
  };

  void Violate(size_t node, const std::string& rule, const std::string& what);
  void Mark(size_t node, std::string_view mark);
  // Draws what the operator wants next.
  void Act();
  void Create();
  void EndGroup();
  void EndReplica(size_t node);
  // Without the replica on the node, which may be down, a majority is left.
  bool MayLose(size_t node) const;
  bool MayEndReplica(size_t node) const;
  // A node without a replica, from `draw` on, gets one that joins.
  void BeginJoin(uint64_t draw);
  // A late node that is down loses its disk.
  void LoseDisk();
  void CutPeer(uint64_t draw);

  // Brings the node nearer to what the operator wants.
  void Reconcile(size_t node, raft::Host* host);
  void ReconcileMember(size_t node, raft::Host* host, bool held);
  void SetPeers(size_t node, raft::Host* host);
  void Prepare(size_t node, raft::Host* host);
  // Makes entry 1 once all nodes have prepared a replica.
  void Compose();
  void NoteRunning(size_t node);
  void Found(size_t node, raft::Host* host);
  void Join(size_t node, raft::Host* host);
  void Drop(size_t node, raft::Host* host);
  void OnGone(size_t node);
  // None: the group would have no voter.
  std::optional<raft::Configuration> Target(const raft::Configuration& present,
                                            uint64_t roles) const;
  void ChangeMembers(size_t node, raft::Host* host);
  // Brings a replica that joins nearer to its vote.
  void PromoteJoiners(size_t node, raft::Host* host);
  void Change(size_t node, raft::Host* host, raft::Configuration target);
  void Propose(raft::Host* host);

  // The node that leads in the highest term; the number of nodes: none.
  size_t Leader() const { return LeaderAmong(Cores()); }
  std::vector<const raft::Core*> Cores() const;  // By node.
  raft::Host* AnyHost() const;
  // Null: it has no working replica of the group.
  const raft::Core* CoreOn(size_t node) const;
  // The first snapshot of the group on the node's disk; empty: there is none.
  std::string FileOn(size_t node) const;
  bool MayLeaveFiles(size_t node) const;
  // The number of roles that one draw has; further nodes have them again.
  size_t MostRoles() const { return std::min<size_t>(nodes_.size(), 16); }
  bool MembersAgree() const;
  bool NothingIsLeft() const;

  World& world_;
  const std::vector<MachineId>& machines_;
  const size_t founders_;
  StateMachineTest& test_;
  const std::function<raft::Host*(size_t)> host_;
  const std::function<std::vector<env::PeerAddress>(size_t)> peers_;
  std::vector<Node> nodes_;
  WrongRequester mistakes_;
  // All of the run: callbacks of hosts refer to them.
  std::vector<std::unique_ptr<Creation>> creations_;
  ReplicaChecker stranger_;      // Of replicas that the operator did not found.
  Creation* present_ = nullptr;  // The last one. Null: all of it is gone.
  std::set<ReplicaId> gone_;     // Dropped for good.
  bool admits_ = false;
  std::vector<StoreIncarnation> admitted_;  // By node. Zero: none.
  bool acts_ = true;
  bool wants_group_ = false;  // The last wish.
  // The roles that the members shall have, in bits.
  std::optional<uint64_t> roles_;
  NodeId move_to_;  // The node that shall lead. Zero: none.
  SimTime next_act_;
  SimTime next_command_;
  SimTime next_promotion_;
  uint64_t acts_so_far_ = 0;
  uint64_t commands_ = 0;
  uint64_t executed_ = 0;  // Since the last Probe.
  uint64_t progress_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_GROUP_OPERATOR_H_
