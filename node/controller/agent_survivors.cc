// The part of a node that tells others of its replicas, and asks them.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "node/base/text.h"
#include "node/controller/controller_agent.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/recovery.h"

namespace quorate::node {

using shardctrl::kControllerGroup;

NodeUsage ControllerAgent::Usage() const {
  NodeUsage usage{.bytes = measures_.stored_bytes(),
                  .disk = measures_.disk(),
                  .lacks_disk = measures_.lacks_disk(),
                  .memory_left = measures_.memory_left(),
                  .brake = host_.bulk_pace().brake()};
  for (const shardctrl::SlotMove& move : state().moves) {
    const HeldCommands held = measures_.held(move);
    if (held.commands > 0 && usage.held.size() < NodeUsage::kHeldMax) {
      usage.held.push_back(held);
    }
  }
  for (const GroupId group : host_.groups()) {
    const raft::Core* const core = host_.core(group);
    if (core == nullptr) continue;
    if (core->role() == raft::RoleKind::kLeader &&
        usage.leads.size() < shardctrl::kGroupsMax) {
      usage.leads.push_back(group);
    }
    for (const raft::Core::FollowerStatus& member : core->followers()) {
      const bool snapshot = member.snapshot != raft::LogPosition();
      const bool new_one =
          !member.caught_up &&
          !raft::IsVoter(core->configuration(), member.replica);
      if ((!snapshot && !new_one) ||
          usage.filled.size() >= NodeUsage::kFilledMax) {
        continue;
      }
      usage.filled.push_back({.group = group,
                              .node = member.node,
                              .bytes = member.snapshot_staged,
                              .bytes_total = member.snapshot_bytes});
    }
  }
  return usage;
}

shardctrl::Survivor ControllerAgent::Held(GroupId group) const {
  shardctrl::Survivor held{.store = host_.identity().incarnation};
  const raft::Core* const core = host_.core(group);
  if (core == nullptr) return held;
  held.replica = core->replica();
  held.works = host_.group_status(group).ok();
  held.held = core->held();
  held.last = core->last();
  held.commit = core->commit_index();
  held.configuration = core->configuration();
  held.configured = core->configuration_index();
  held.leader = host_.leader(group);
  return held;
}

template <typename Answers, typename Ask>
void ControllerAgent::AskAll(Ask ask,
                             absl::AnyInvocable<void(Answers)> done) const {
  using Answer = typename Answers::mapped_type;
  struct Asked {
    Answers answers;
    size_t open = 1;
    absl::AnyInvocable<void(Answers)> done;
  };
  const auto asked = std::make_shared<Asked>();
  asked->done = std::move(done);
  const auto close = [asked] {
    if (--asked->open == 0) asked->done(std::move(asked->answers));
  };
  for (const NodeConfig& node : cluster_.nodes()) {
    if (!view_.alive(node.id)) continue;
    ++asked->open;
    ask(node.id, [asked, close, id = node.id](std::optional<Answer> answer) {
      if (answer.has_value()) asked->answers[id] = *std::move(answer);
      close();
    });
  }
  close();
}

void ControllerAgent::AskUsage(absl::AnyInvocable<void(ClusterUsage)> done) {
  AskAll<ClusterUsage>(
      [this](NodeId node, auto answered) {
        link_.AskUsage(node, std::move(answered));
      },
      std::move(done));
}

void ControllerAgent::AskSurvivors(
    GroupId group, absl::AnyInvocable<void(shardctrl::Survivors)> done) {
  AskAll<shardctrl::Survivors>(
      [this, group](NodeId node, auto answered) {
        link_.AskReplica(node, group, std::move(answered));
      },
      std::move(done));
}

std::vector<NodeId> ControllerAgent::VotersOf(GroupId group) const {
  std::vector<NodeId> nodes;
  const shardctrl::GroupRecord* const record = state().FindGroup(group);
  const raft::Configuration* const known =
      record == nullptr ? nullptr : record->Configuration();
  if (known == nullptr) return nodes;
  for (const ReplicaId voter : raft::VoterReplicas(*known)) {
    nodes.push_back(raft::NodeOf(*known, voter));
  }
  return nodes;
}

// An old voter that answers and is not held may confirm a write, with others,
// that this replica would never have. A node that is not alive is one of those
// that the operator gave up.
void ControllerAgent::RecoverOnceOthersAreHeld(Action action,
                                               ActionRunner::Finished done) {
  const GroupId group = action.group;
  AskSurvivors(
      group, [this, action = std::move(action), done = std::move(done)](
                 const shardctrl::Survivors& survivors) mutable {
        NodeId unheld = shardctrl::FindUnheldVoter(survivors, self());
        for (const NodeId node : VotersOf(action.group)) {
          const bool silent = !survivors.contains(node);
          if (silent && node != self() && view_.alive(node)) unheld = node;
        }
        if (unheld != NodeId()) {
          env_.tracer.Sometimes("controller.recovery_waits_for_holds");
          return done(absl::UnavailableError(
              Concat("node ", unheld, " does not hold its replica yet")));
        }
        host_.RecoverReplica(
            action.group, action.replica,
            {.generation = action.generation, .known_term = action.known_term},
            std::move(done));
      });
}

void ControllerAgent::RecoverController(
    NodeId node, ReplicaId replica, uint64_t generation,
    absl::AnyInvocable<void(absl::Status)> done) {
  link_.Recover(node, replica, generation, std::move(done));
}

void ControllerAgent::RecoverOwn(ReplicaId replica, uint64_t generation,
                                 ControllerLink::Finished done) {
  const shardctrl::GroupRecord* const group =
      state().FindGroup(kControllerGroup);
  raft::Host::RecoverOptions options{.generation = generation};
  if (group != nullptr && group->reported.has_value()) {
    options.known_term = group->reported->term;
  }
  host_.RecoverReplica(kControllerGroup, replica, options, std::move(done));
}

}  // namespace quorate::node
