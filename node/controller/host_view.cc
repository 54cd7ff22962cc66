#include "node/controller/host_view.h"

#include <utility>

#include "raft/core/configuration.h"

namespace quorate::node {

namespace {

// False if the host has no replica of the group to speak of.
bool Describe(const raft::Host& host, const LiveView& view,
              const ActionRunner& runner, GroupId group,
              shardctrl::HostedReplica* replica) {
  const raft::Core* const core = host.core(group);
  if (core == nullptr) return false;
  replica->group = group;
  replica->replica = core->replica();
  replica->fenced = host.condition(group) == raft::Host::Condition::kFenced;
  replica->held = core->held();
  if (replica->fenced || core->joining()) return true;
  const raft::Index at = core->configuration_index();
  if (at <= core->log_start().index) {
    replica->position = core->log_start();
    replica->compacted = at;
  } else {
    replica->position = {core->TermAt(at), at};
  }
  replica->configuration = core->configuration();
  if (core->role() != raft::RoleKind::kLeader) return true;
  shardctrl::HostedReplica::Leadership leads;
  leads.term = core->term();
  const auto* const sent = runner.Sent(group, leads.term);
  if (sent != nullptr) leads.sent = *sent;
  leads.settled = core->commit_index() >= at && core->CanServeReads() &&
                  !core->transferring() &&
                  core->configuration().outgoing_voters.empty();
  for (const raft::Core::FollowerStatus& member : core->followers()) {
    // A new leader counts its members as active, and knows nothing of them.
    const bool voter = raft::IsVoter(core->configuration(), member.replica);
    leads.members.push_back(
        {.replica = member.replica,
         .answers = member.active && (!voter || member.match > raft::Index()),
         .caught_up = member.caught_up,
         .takes_leadership = !view.gives_away(member.node)});
  }
  replica->leads = std::move(leads);
  return true;
}

}  // namespace

shardctrl::HostView HostViewOf(NodeId self, const raft::Host& host,
                               const LiveView& live,
                               const ActionRunner& runner) {
  shardctrl::HostView view = {.node = self,
                              .store = host.identity().incarnation,
                              .prepared = host.prepared()};
  for (const GroupId group : host.groups()) {
    shardctrl::HostedReplica replica;
    if (Describe(host, live, runner, group, &replica))
      view.replicas.push_back(std::move(replica));
  }
  // One that is halted or stopped may run after the next start.
  for (const auto& [group, replicas] : host.failed()) {
    if (host.condition(group) != raft::Host::Condition::kFenced) continue;
    for (const ReplicaId replica : replicas) {
      view.replicas.push_back(
          {.group = group, .replica = replica, .fenced = true});
    }
  }
  return view;
}

}  // namespace quorate::node
