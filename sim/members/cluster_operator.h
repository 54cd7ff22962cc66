// sim/members/cluster_operator.h: an operator of a simulated cluster whose
// members change. It is a program on a machine of its own, and knows what
// quoratectl knows.
//
// It plays a random script of verbs over the admin addresses of random nodes.
// It adds nodes and starts them, drains, removes and replaces them. It creates
// groups, and changes their replicas and leaders. It moves slots between them,
// and cancels, pauses and resumes such moves. Disks are lost, or move to
// other machines. Nodes come twice, with tokens that are not valid any more, or
// on a copy of another node's directory. Groups lose their majority and are
// recovered. The controller's leader crashes in the
// middle of a verb. A request without an answer is sent again; some are sent
// twice for no reason. Several operators do that at once, and know nothing of
// each other.
//
// At the end one of them brings every node back that waits for a store, and
// resumes moves that are paused. Once all wishes came true it moves slots
// again, without faults.
#ifndef QUORATE_SIM_MEMBERS_CLUSTER_OPERATOR_H_
#define QUORATE_SIM_MEMBERS_CLUSTER_OPERATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/env.h"
#include "env/ids.h"
#include "node/config/config.h"
#include "sim/cluster/cluster.h"
#include "sim/members/admin_client.h"
#include "sim/members/member_rules.h"
#include "sim/members/operator_notes.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct ClusterOperatorOptions {
  uint32_t id = 1;
  Duration interval = Seconds(2);  // Between two verbs.
  uint32_t groups_max = 6;
  // The rate of some moves.
  uint64_t bytes_per_second = 20'000;
};

class ClusterOperator {
 public:
  // All outlive the object.
  ClusterOperator(env::Env& env, World* world, Cluster* cluster,
                  MemberRules* rules, OperatorNotes* notes,
                  const ClusterOperatorOptions& options);
  ClusterOperator(const ClusterOperator&) = delete;
  ClusterOperator& operator=(const ClusterOperator&) = delete;

  // From now on the operator has no new wishes. With `cares` it brings nodes
  // back that wait for a store.
  void Finish(bool cares) {
    acts_ = false;
    cares_ = cares;
  }
  // From now on no disk is given up.
  void EndMending() { mends_disks_ = false; }
  // Begins some moves at once.
  void MoveInCalm();
  // Cancels or pauses a move that is open, if the operator still acts. `number`
  // names the choice.
  void InterruptMove(uint64_t number);
  // No request waits for an answer.
  bool idle() const { return open_ == 0 && recovering_.empty(); }
  uint64_t verbs() const { return verbs_; }
  // The place has a store, which the groups can spare.
  bool MayLoseNow(size_t place) const {
    return rules_.state() != nullptr && places_.HasStore(place) &&
           !places_.IsDamaged(place) && !CreatesGroups() && MayLose(place);
  }

 private:
  using Answered = std::function<void(const OperatorAnswer&)>;
  enum class Verb : uint8_t {
    kAdd,
    kDrain,
    kUndrain,
    kRemove,
    kReplace,
    kReplaceElsewhere,
    kLose,
    kSet,
    kCreate,
    kReplicas,
    kTransfer,
    kMoveDisk,
    kSwapDisks,
    kCopyDirectory,
    kJoinTwice,
    kOldToken,
    kRepair,
    kRestart,
    kKillController,
    kMoveSlots,
    kChangeMove,
    kRebalance,
    kLoseMajority,
    kRetire,
  };
  // How often an operator asks until there is an answer.
  static constexpr uint32_t kAttempts = 12;
  static constexpr uint64_t kVerbs = static_cast<uint64_t>(Verb::kRetire) + 1;

  void Tick();
  void Act();
  void Do(Verb verb, NodeId node, GroupId group);
  void Care();
  void Remove(NodeId node, bool lost);
  // Nodes that are gone for good leave their places.
  void Clear();
  // Asks until there is an answer, at most `attempts` times. `answered` gets it
  // once. `over` is called once no attempt can take effect any more.
  void Ask(OperatorRequest request, uint32_t attempts, Answered answered,
           std::function<void()> over = nullptr);
  // The request has its last answer.
  void End(const std::string& key, bool done, std::function<void()> over);
  // Asks, whatever the answer will be.
  void Tell(OperatorRequest request);
  // `is_moot`: after an attempt without an answer, nothing is left to ask.
  void Try(OperatorRequest request, uint32_t attempts, Answered answered,
           std::function<bool()> is_moot = nullptr);
  void Set(NodeId node);
  void ComeWithOldToken();
  // Old tokens come, or a new node gets two tokens and comes with both.
  void ComeWithTokens();
  // The process starts again at once, or after a while. An operator may make a
  // group smaller meanwhile.
  void Restart(size_t place, GroupId group);
  // Drains or removes the node.
  void Leave(NodeId node, const char* what, std::string body);
  void SetReplicas(GroupId group, uint64_t replicas);
  void Add();
  void ReplaceUnbound();
  void ReplaceElsewhere(NodeId node);
  // Asks for a token, with which the node comes to the place.
  void Replace(NodeId node, size_t to, uint32_t attempts);
  void Lose(NodeId node, bool comes_back);
  void LoseMajority(GroupId group, NodeId survivor);
  // Gives damaged disks up, after a while. One operator does that for all.
  void MendDisks();
  // Asks once: a late request could meet a majority that is away for a moment.
  void Recover(GroupId group);
  // Its disk is gone.
  void GiveUp(NodeId node, size_t place, bool comes_back);
  // The node comes with the token of an answer of `add` or `replace`.
  void Come(const OperatorAnswer& answer, size_t place);
  void MoveDisk(NodeId node);
  void SwapDisks(NodeId node);
  void CopyDirectory(NodeId node);
  void Create();
  // Two nodes come with one token.
  void JoinTwice();
  // Makes three draws, the first one is number `draw`.
  void MoveSlots(GroupId to, uint64_t draw);
  // Cancels, pauses or resumes a move that is open.
  void ChangeMove();
  // The machine of the controller's leader crashes, at some time during the
  // next request.
  void KillController();
  // No operator gives its store up.
  bool Stays(size_t place) const;
  bool AnyIsDamaged() const;
  // The controller does not know yet where a group is.
  bool CreatesGroups() const;
  // Every group keeps a majority of voters that work without the place.
  bool MayLose(size_t place) const;
  // Those that work, and that the controller goes on with.
  using LeftReplicas = std::set<std::pair<GroupId, ReplicaId>>;
  bool ChangesCanSpare(NodeId node, const LeftReplicas& left) const;
  bool WantedCanSpare(GroupId group, const MemberRules::Wanted& wanted,
                      NodeId node, const LeftReplicas& left) const;
  // A node that is not removed; zero: there is none.
  NodeId SomeNode(uint64_t draw) const;
  GroupId SomeGroup(uint64_t draw) const;
  uint64_t Draw(uint64_t which, uint64_t bound);
  // Runs outside of all turns.
  void Soon(std::function<void()> deed);
  std::string NextKey();
  const shardctrl::ClusterState& state() const { return *rules_.state(); }

  env::Env& env_;
  World& world_;
  Cluster& cluster_;
  Places& places_;
  MemberRules& rules_;
  OperatorNotes& notes_;
  const ClusterOperatorOptions options_;
  AdminClient client_;
  bool acts_ = true;
  bool cares_ = false;
  bool mends_disks_ = true;
  uint64_t ticks_ = 0;
  // It is there before the founders have reported their stores.
  const bool hasty_;
  uint64_t verbs_ = 0;
  uint64_t keys_ = 0;
  uint64_t attempts_ = 0;
  size_t open_ = 0;
  std::set<GroupId> recovering_;  // These requests wait for an answer, too.
  // The commands that the operator has got to type, by node. They stay in the
  // history of its shell.
  std::map<NodeId, std::vector<node::JoinConfig>> typed_;
  // When the operator gives up the damaged disk of a node.
  std::map<NodeId, SimTime> mends_;
  // When the operator last cared for a node.
  std::map<NodeId, SimTime> cared_;
  std::map<uint64_t, env::Pending> retries_;
  // The keys of requests of which an attempt had no answer.
  std::set<std::string> unsure_;
  LateRequests late_;
  env::Pending tick_;
  env::Pending away_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_CLUSTER_OPERATOR_H_
