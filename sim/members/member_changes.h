// sim/members/member_changes.h: members and slots of a simulated cluster that
// change all the time: its operators, and what they may expect.
//
// The rules are those of MemberRules. At the end every wish must come true.
// Each group then has the members that are wanted, with all entries, and no
// node has anything else.
#ifndef QUORATE_SIM_MEMBERS_MEMBER_CHANGES_H_
#define QUORATE_SIM_MEMBERS_MEMBER_CHANGES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/group_members.h"
#include "sim/members/change_cuts.h"
#include "sim/members/cluster_operator.h"
#include "sim/members/controller_checker.h"
#include "sim/members/member_rules.h"
#include "sim/members/operator_notes.h"
#include "sim/world/world.h"

namespace quorate::sim {

class MemberChanges {
 public:
  // All outlive the object. The cluster has a controller, and places to spare.
  // Clients may have values of this size.
  MemberChanges(World* world, Cluster* cluster,
                const ControllerChecker* controller, size_t value_bytes);
  MemberChanges(const MemberChanges&) = delete;
  MemberChanges& operator=(const MemberChanges&) = delete;

  // Starts the operators, and appends their machines.
  void Start(std::vector<MachineId>* machines);
  // The first replica applied the entry. The checker of the controller knows
  // the entry.
  void OnCommitted(GroupId group, const raft::Entry& entry);
  // A replica took a step.
  void OnStep(GroupId group, const raft::Core& core);
  // Call it after every turn. Tells the cluster of its members.
  void AfterTurn();
  // Whether the disk of the place may be damaged now. Operators take it for
  // lost from then on, and replace it some time later.
  bool MayDamage(size_t place) const {
    return operators_.front()->MayLoseNow(place);
  }
  // Operators have no new wishes from now on, but that nodes come back.
  void Stop();
  // From now on no fault is left, so no operator gives up a disk.
  void BeginCalm() { operators_.front()->EndMending(); }
  // One operator moves slots, while no fault is left. It is idle once these
  // moves have ended.
  void MoveInCalm();
  bool idle() const;
  // The reason why some wish has not come true; empty: all have.
  std::string Unmet() const;
  // The nodes that the controller counts in.
  std::vector<NodeId> Nodes() const;
  // The configurations of groups that changed.
  uint64_t Progress() const { return rules_.changes(); }
  // The node at the place with this number was without a vote for a while. Or
  // the one before it was, and its last replies may still arrive.
  bool WasReadOnly(NodeId number) const;
  // Some slots have moved, or do.
  bool slots_move() const;
  void Finish() const { rules_.Finish(); }
  const MemberRules& rules() const { return rules_; }
  // For people, in one line.
  std::string Summary() const;
  std::string Describe() const;

 private:
  // The state of a place.
  struct Seen {
    NodeId node;
    bool has_store = false;
    bool runs = false;
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  // When a move takes a step, an operator may cancel or pause an open move.
  void OnMark(std::string_view mark);
  // Notes which replicas work.
  void Look();
  // Whether other nodes live or run anywhere than at the last call.
  bool LostOrCame();
  // Empty: the controller's group has not begun.
  std::vector<GroupMembers> Groups() const;
  // The number of the place where the member has its store; zero: nowhere.
  NodeId NumberOf(const raft::Member& member) const;
  std::string UnmetOfNodes(const shardctrl::ClusterState& state) const;
  std::string UnmetOfGroup(const shardctrl::ClusterState& state,
                           const shardctrl::GroupRecord& group) const;
  std::string UnmetOfPlace(size_t place) const;
  std::string UnmetOfSlots(const shardctrl::ClusterState& state) const;
  // The working replica with this id; null: there is none.
  const raft::Core* Find(GroupId group, ReplicaId replica) const;

  World& world_;
  Cluster& cluster_;
  const size_t value_bytes_;
  MemberRules rules_;
  OperatorNotes notes_;
  ChangeCuts cuts_;
  // Owned by their machines.
  std::vector<ClusterOperator*> operators_;
  // Clients count as idle once moves without faults have ended.
  bool moves_in_calm_ = false;
  bool groups_are_old_ = true;
  std::vector<Seen> seen_;  // By place.
  std::set<NodeId> were_read_only_;
  // The stores that the controller ever took for those of nodes.
  std::set<std::pair<NodeId, StoreIncarnation>> bound_;
  SimTime next_look_;
  uint64_t move_steps_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_MEMBER_CHANGES_H_
