// node/controller/action_runner.h: takes the actions that the controller's
// state wants of a node (shardctrl/controller/reconcile.h).
//
// Each action for a group is under way once. One that failed is begun again
// when the state wants it again.
#ifndef QUORATE_NODE_CONTROLLER_ACTION_RUNNER_H_
#define QUORATE_NODE_CONTROLLER_ACTION_RUNNER_H_

#include <functional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/ids.h"
#include "env/tracer.h"
#include "node/admin/controller_access.h"
#include "raft/core/configuration.h"
#include "raft/core/types.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/reconcile.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

class ActionRunner {
 public:
  using Action = shardctrl::ReconcileAction;
  using Finished = absl::AnyInvocable<void(absl::Status)>;
  // The functions of raft::Host with such names, unless they say otherwise.
  struct Replicas {
    std::function<void(GroupId,
                       absl::AnyInvocable<void(absl::StatusOr<ReplicaId>)>)>
        prepare;
    std::function<void(GroupId, raft::Configuration, Finished)> found;
    std::function<void(GroupId, ReplicaId, raft::Configuration, Finished)> join;
    std::function<void(GroupId, raft::Index, raft::Configuration, Finished)>
        change;
    std::function<void(GroupId, ReplicaId)> transfer;
    std::function<void(GroupId, Finished)> drop;
    std::function<void(GroupId, ReplicaId)> hold;
    // Once no other node may go on without this one.
    std::function<void(Action, Finished)> recover;
    // Whether the node has heard the others since its start.
    std::function<bool()> may_recover;
    std::function<bool(GroupId)> damaged;  // Condition::kFenced.
    // Another node that leads the group, or this one; zero: none is reached.
    std::function<NodeId(GroupId)> leader;
    std::function<StoreIncarnation()> store;
  };
  // An action for a group, or a report about a node, that is under way.
  struct Busy {
    Action::Kind kind = {};
    GroupId group = {};
    NodeId node = {};
    friend auto operator<=>(const Busy&, const Busy&) = default;
  };

  // Both references outlive the object, and it outlives the answers.
  // `changed`: an action has ended, so that the state may want another one.
  ActionRunner(env::Tracer& tracer, ControllerAccess& controller,
               Replicas replicas, std::function<void(GroupId)> changed)
      : tracer_(tracer),
        controller_(controller),
        replicas_(std::move(replicas)),
        changed_(std::move(changed)) {}
  ActionRunner(const ActionRunner&) = delete;
  ActionRunner& operator=(const ActionRunner&) = delete;

  void Run(Action action);
  // Tells the controller, unless the same report is under way.
  void Report(shardctrl::ControllerCommand::Body body, Busy busy);
  // The last report that was sent about a group of which this node leads the
  // term. Null: none was.
  const shardctrl::ReportedConfiguration* Sent(GroupId group,
                                               raft::Term term) const;

 private:
  void Begin(Busy busy) { busy_.insert(busy); }
  Finished Ended(Busy busy);
  void End(Busy busy, const absl::Status& status);
  bool GiveUpDamaged(Busy busy);

  env::Tracer& tracer_;
  ControllerAccess& controller_;
  const Replicas replicas_;
  const std::function<void(GroupId)> changed_;
  absl::btree_set<Busy> busy_;
  absl::btree_map<GroupId, shardctrl::ReportedConfiguration> sent_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_ACTION_RUNNER_H_
