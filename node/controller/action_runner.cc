#include "node/controller/action_runner.h"

#include <string>

#include "node/base/text.h"
#include "node/controller/windows.h"

namespace quorate::node {

using shardctrl::ControllerCommand;

void ActionRunner::Report(ControllerCommand::Body body, Busy busy) {
  if (busy_.contains(busy)) return;
  Begin(busy);
  controller_.Execute(
      {{}, std::move(body)}, /*dry_run=*/false,
      [this, busy](const absl::StatusOr<shardctrl::ControllerAnswer>& answer) {
        End(busy, answer.status());
      });
}

const shardctrl::ReportedConfiguration* ActionRunner::Sent(
    GroupId group, raft::Term term) const {
  const auto sent = sent_.find(group);
  return sent != sent_.end() && sent->second.term == term ? &sent->second
                                                          : nullptr;
}

ActionRunner::Finished ActionRunner::Ended(Busy busy) {
  return [this, busy](const absl::Status& status) { End(busy, status); };
}

void ActionRunner::End(Busy busy, const absl::Status& status) {
  busy_.erase(busy);
  if (status.ok()) return changed_(busy.group);
  const std::string what =
      busy.group != GroupId()
          ? Concat("group ", busy.group)
          : Concat("node ",
                   busy.node != NodeId() ? busy.node : controller_.self());
  tracer_.Log(env::Severity::kInfo,
              Concat(what, ": ", Message(status), "; it is tried again"));
}

// A damaged replica is given up where the others do without it. It promised
// things that it may have lost, so it has no vote, and its place is free.
// Returns whether there is one. Another one may be prepared beside it already:
// damage of the log brings back what was dropped.
bool ActionRunner::GiveUpDamaged(Busy busy) {
  const GroupId group = busy.group;
  if (!replicas_.damaged(group)) return false;
  if (replicas_.leader(group) == NodeId()) return true;
  Begin(busy);
  tracer_.Log(env::Severity::kWarning,
              Concat("group ", group, ": the damaged replica here is ",
                     "given up, and the others fill a new one"));
  replicas_.drop(group, Ended(busy));
  return true;
}

void ActionRunner::Run(Action action) {
  using Kind = Action::Kind;
  const Busy busy = {.kind = action.kind, .group = action.group};
  if (busy_.contains(busy)) return;
  tracer_.Sometimes(WindowOf(action.kind));
  tracer_.Log(env::Severity::kDebug,
              Concat("group ", action.group, ": ", action.why));
  switch (action.kind) {
    case Kind::kPrepare:
      // That replica would be given up.
      if (busy_.contains({.kind = Kind::kFound, .group = action.group})) return;
      if (GiveUpDamaged(busy)) return;
      Begin(busy);
      return replicas_.prepare(
          action.group, [this, busy](const absl::StatusOr<ReplicaId>& id) {
            End(busy, id.status());
          });
    case Kind::kReportReplica:
      return Report(
          ControllerCommand::ReportReplica{.group = action.group,
                                           .node = controller_.self(),
                                           .store = replicas_.store(),
                                           .replica = action.replica,
                                           .generation = action.generation},
          busy);
    case Kind::kReportGroup:
      sent_[action.group] = action.report;
      return Report(
          ControllerCommand::ReportGroup{
              .group = action.group, .configuration = std::move(action.report)},
          busy);
    case Kind::kFound:
      if (GiveUpDamaged(busy)) return;
      Begin(busy);
      return replicas_.found(action.group, std::move(action.configuration),
                             Ended(busy));
    case Kind::kJoin:
      if (GiveUpDamaged(busy)) return;
      Begin(busy);
      return replicas_.join(action.group, action.replica,
                            std::move(action.configuration), Ended(busy));
    case Kind::kChange:
      Begin(busy);
      return replicas_.change(action.group, action.base,
                              std::move(action.configuration), Ended(busy));
    case Kind::kTransfer:
      return replicas_.transfer(action.group, action.replica);
    case Kind::kDrop:
      Begin(busy);
      return replicas_.drop(action.group, Ended(busy));
    case Kind::kReportEmpty:
      return Report(ControllerCommand::ReportEmpty{.node = controller_.self(),
                                                   .store = replicas_.store()},
                    busy);
    case Kind::kRecover:
      if (!replicas_.may_recover()) return;
      Begin(busy);
      return replicas_.recover(std::move(action), Ended(busy));
    case Kind::kHold:
      return replicas_.hold(action.group, action.replica);
  }
}

}  // namespace quorate::node
