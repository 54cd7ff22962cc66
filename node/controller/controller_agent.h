// node/controller/controller_agent.h: the part of a node in its cluster. It
// follows the controller's state (StateFollower), takes the actions that the
// state wants (ActionRunner), reports about nodes (NodeReports), and lets new
// stores in (StoreBinder). It asks the controller for operators, too.
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

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "node/admin/controller_access.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/connections/context.h"
#include "node/controller/action_runner.h"
#include "node/controller/controller_link.h"
#include "node/controller/node_reports.h"
#include "node/controller/state_follower.h"
#include "node/controller/store_binder.h"
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

  absl::Status Admit(const raft::JoinRequest& request) {
    return binder_.Admit(request, /*closed=*/!working_);
  }
  std::string Welcome() const { return WelcomeOf(state()); }

  // ControllerAccess.
  void Execute(shardctrl::ControllerCommand command, bool dry_run,
               Answered done) override;
  void Refresh(absl::AnyInvocable<void(absl::Status)> done) override;
  const shardctrl::ClusterState& state() const override {
    return follower_.state();
  }
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
  void WorkAt(MonoTime at);
  void Work();
  void Reconcile();
  ActionRunner::Replicas ReplicasOfHost();
  void RecoverOnceOthersAreHeld(Action action, ActionRunner::Finished done);
  // The nodes of its voters, as the controller knows them.
  std::vector<NodeId> VotersOf(GroupId group) const;
  NodeUsage Usage() const;
  shardctrl::Survivor Held(GroupId group) const;
  // From this node's replica.
  void RecoverOwn(ReplicaId replica, uint64_t generation,
                  ControllerLink::Finished done);
  // Calls ask(node, answered) for each node that is alive.
  template <typename Answers, typename Ask>
  void AskAll(Ask ask, absl::AnyInvocable<void(Answers)> done) const;
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  raft::Host& host_;
  const Config& config_;
  ClusterMap& cluster_;
  LiveView& view_;
  const Measures measures_;
  std::function<void()> on_state_ = [] {};
  ControllerLink link_;
  StateFollower follower_;
  ActionRunner runner_;
  NodeReports reports_;
  StoreBinder binder_;
  shardctrl::ReportedAddresses own_;
  MonoTime started_;
  // When another node was last seen to be connected.
  MonoTime connected_;
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
