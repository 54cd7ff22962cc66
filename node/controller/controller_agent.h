// node/controller/controller_agent.h: the part of a node in its cluster. It
// follows the controller's state, and makes it the map of this node. It takes
// the actions that the state wants (shardctrl/controller/reconcile.h).
//
// The actions follow from the state and from the host alone. So one that
// failed, or that a crash cut off, is taken again later.
#ifndef QUORATE_NODE_CONTROLLER_CONTROLLER_AGENT_H_
#define QUORATE_NODE_CONTROLLER_CONTROLLER_AGENT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "node/admin/controller_access.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/connections/context.h"
#include "node/controller/controller_link.h"
#include "node/routing/live_view.h"
#include "raft/host/host.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/reconcile.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

class ControllerAgent final : public ControllerAccess {
 public:
  // The agent looks at its host after changes, and this often while a wish has
  // not come true. Nodes without a replica of the controller, or with one that
  // is behind, ask for a newer state this often.
  static constexpr Duration kInterval = Milliseconds(500);
  // It looks at least this often: it looks at all groups.
  static constexpr Duration kSettledInterval = Seconds(5);
  // At least this often for an election timeout after the start. Replicas that
  // the cluster gave up while the node was away should not lead before that. A
  // node that lost all connections may be removed. It looks as often at first.
  static constexpr Duration kIntervalAlone = Milliseconds(50);
  // After a change it waits so long for further ones, unless slots have other
  // owners: then commands wait.
  static constexpr Duration kSoon = Milliseconds(20);
  // New stores that are being decided about at a time.
  static constexpr size_t kAdmissionsMax = 64;
  // The word of the controller that a store is that of its node holds so long.
  static constexpr Duration kBoundFor = Seconds(2);
  // A node that is still silent is reported again this often.
  static constexpr Duration kSilenceInterval = Seconds(5);

  // The part of a NodeUsage that the agent does not know itself.
  struct Measures {
    std::function<uint64_t()> stored_bytes;  // Keys and values of this node.
    std::function<uint64_t()> memory_left;
    // The size is zero until it is known.
    std::function<DiskRoom()> disk;
    std::function<bool()> lacks_disk;
    std::function<HeldCommands(const shardctrl::SlotMove&)> held;
  };

  // All outlive the object.
  ControllerAgent(env::Env& env, raft::Host& host, const Config& config,
                  ClusterMap& cluster, LiveView& view, PeerLinks& links,
                  Measures measures);
  ControllerAgent(const ControllerAgent&) = delete;
  ControllerAgent& operator=(const ControllerAgent&) = delete;

  // Called when the agent looks at its host.
  void SetStateObserver(std::function<void()> observer) {
    on_state_ = std::move(observer);
  }
  // Begins to work. Requires: the host has started.
  void Start(shardctrl::ReportedAddresses own);
  // The node stops: it takes no further action.
  void Stop();
  // Reports that a replica of this node changed: its role, its configuration,
  // its condition, or an entry of the controller's group that it applied.
  // Cheap, callable from the host's observer.
  void OnChanged(GroupId group);
  // A question of another node.
  void Answer(Buffer request, PeerDone done) {
    link_.Answer(std::move(request), std::move(done));
  }
  bool idle() const { return link_.idle(); }
  // Why the cluster has this node no longer. Empty: it has, as far as is known.
  std::string_view removed() const;

  // Whether a new store becomes one of the cluster (raft::HostOptions::admit).
  // The controller decides it: until its answer has come, kUnavailable.
  absl::Status Admit(const raft::JoinRequest& request);
  // The nodes, groups and slots, for a store that is admitted
  // (raft::HostOptions::welcome).
  std::string Welcome() const;

  // ControllerAccess.
  void Execute(shardctrl::ControllerCommand command, bool dry_run,
               Answered done) override;
  void Refresh(absl::AnyInvocable<void(absl::Status)> done) override;
  const shardctrl::ClusterState& state() const override;
  void AskUsage(absl::AnyInvocable<void(ClusterUsage)> done) override;
  void AskSurvivors(
      GroupId group,
      absl::AnyInvocable<void(shardctrl::Survivors)> done) override;
  void RecoverController(NodeId node, ReplicaId replica, uint64_t generation,
                         absl::AnyInvocable<void(absl::Status)> done) override;
  NodeId self() const override { return config_.node; }
  ClusterId cluster() const override { return host_.identity().cluster; }
  std::string peer_address() const override { return own_.peer; }
  std::pair<uint64_t, uint64_t> Secret(std::string_view key) override;

 private:
  using Action = shardctrl::ReconcileAction;
  // An action for a group, or a report about a node, that is under way.
  struct Busy {
    Action::Kind kind = {};
    GroupId group = {};
    NodeId node = {};
    friend auto operator<=>(const Busy&, const Busy&) = default;
  };

  void WorkAt(MonoTime at);
  void Work();
  void Reconcile();
  void NoteMembers();
  // Takes the state of this node's replica of the controller, or asks others.
  void FollowState();
  // The node that has a state of a later recovery of the controller; zero: none
  // is known. This node's own replica of it may be one that was given up.
  NodeId KnowsRecovery() const;
  void TakeState(const Buffer& bytes);
  // Nodes refuse one that the cluster has removed, or whose store it has given
  // up. They are asked whether that is so: then this node gives its replicas
  // up. Others like them might come back and be a majority with them.
  // If it is not so, their map helps a node of which all that it knows are
  // gone. A node that knows none and is in no group asks at the seeds.
  void AskRefusing();
  void OnRefusingAnswer(const absl::StatusOr<Buffer>& bytes);
  // Notes that the cluster has this node, or its store, no longer.
  void GiveUp();
  void UpdateMap();
  // Unless the map of this node is as new.
  void SetMap(shardctrl::ShardMap::Parts parts);
  // True if slots have other owners than in the map.
  bool SlotsMoved() const { return state().slots != mapped_slots_; }
  void ReportAddresses();
  // The controller's leader reports nodes that are silent, refused or stopped,
  // and those that work again.
  void ReportSilence();
  void Report(shardctrl::ControllerCommand::Body body, Busy busy);
  void Bind(const raft::JoinRequest& request);
  void Act(Action action);
  void RecoverOnceOthersAreHeld(Action action, Busy busy);
  // The nodes of its voters, as the controller knows them.
  std::vector<NodeId> VotersOf(GroupId group) const;
  bool GiveUpDamaged(Busy busy);
  void Began(Busy busy) { busy_.insert(busy); }
  // The call returns what the host should call at the end of an action.
  absl::AnyInvocable<void(absl::Status)> Ended(Busy busy);
  void End(Busy busy, const absl::Status& status);
  shardctrl::HostView View() const;
  NodeUsage Usage() const;
  shardctrl::Survivor Held(GroupId group) const;
  // From this node's replica.
  void RecoverOwn(ReplicaId replica, uint64_t generation,
                  ControllerLink::Finished done);
  // Calls ask(node, answered) for each node that is alive.
  template <typename Answers, typename Ask>
  void AskAll(Ask ask, absl::AnyInvocable<void(Answers)> done) const;
  // False if the host has no replica of the group to speak of.
  bool Describe(GroupId group, shardctrl::HostedReplica* replica) const;
  std::vector<NodeId> Candidates() const;
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  raft::Host& host_;
  const Config& config_;
  ClusterMap& cluster_;
  LiveView& view_;
  const Measures measures_;
  std::function<void()> on_state_ = [] {};
  ControllerLink link_;
  shardctrl::ReportedAddresses own_;
  // The newest state that another node sent. Empty at first.
  shardctrl::ClusterState received_ = {.version = shardctrl::MapVersion()};
  // The latest version that an answer to a command had.
  shardctrl::MapVersion told_;
  // The version that the map was made of.
  shardctrl::MapVersion mapped_;
  std::vector<shardctrl::AssignedRun> mapped_slots_;
  bool asks_ = false;  // A question for the state is under way.
  MonoTime started_;
  // When another node was last seen to be connected.
  MonoTime connected_;
  // The question of AskRefusing that is under way, and the number of them.
  bool asks_refusing_ = false;
  size_t refusing_questions_ = 0;
  env::Pending refusing_call_;
  absl::btree_set<Busy> busy_;
  // The last reports that were sent about groups that this node leads.
  absl::btree_map<GroupId, shardctrl::ReportedConfiguration> group_reports_;
  // When the silence of a node was reported last.
  absl::btree_map<NodeId, MonoTime> silence_reported_;
  // New stores about which the controller is asked; and those that it refuses,
  // with its reason. One that is forgotten makes the node ask again.
  absl::btree_map<StoreIncarnation, env::Pending> asking_;
  absl::btree_map<StoreIncarnation, std::string> refused_;
  // When the controller said that these are the stores of their nodes.
  absl::btree_map<StoreIncarnation, MonoTime> bound_;
  uint64_t draws_ = 0;
  bool working_ = false;
  // Reconcile may find something to do.
  bool changed_ = true;
  MonoTime looked_at_;
  MonoTime due_ = MonoTime::Max();
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_CONTROLLER_AGENT_H_
