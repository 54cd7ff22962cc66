#include "sim/harness/replica_views.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "env/ids.h"
#include "raft/core/configuration.h"
#include "sim/schedule/majority_stays.h"

namespace quorate::sim {

size_t LeaderAmong(Replicas replicas) {
  size_t leader = replicas.size();
  raft::Term latest;
  for (size_t i = 0; i < replicas.size(); ++i) {
    const raft::Core* core = replicas[i];
    if (core == nullptr || core->role() != raft::RoleKind::kLeader) continue;
    if (core->term() >= latest) leader = i;
    latest = std::max(latest, core->term());
  }
  return leader;
}

bool ReplicasAgree(Replicas replicas,
                   absl::FunctionRef<bool(size_t)> must_work) {
  const size_t leader = LeaderAmong(replicas);
  if (leader == replicas.size()) return false;
  const raft::Index end = replicas[leader]->last().index;
  for (size_t i = 0; i < replicas.size(); ++i) {
    if (!must_work(i)) continue;
    if (replicas[i] == nullptr ||
        replicas[i]->leader() != replicas[leader]->leader() ||
        replicas[i]->applied_index() != end) {
      return false;
    }
  }
  return true;
}

std::vector<const raft::Core*> ReplicasOf(
    GroupId group, size_t nodes,
    absl::FunctionRef<const raft::Host*(size_t)> host) {
  std::vector<const raft::Core*> replicas;
  for (size_t i = 0; i < nodes; ++i) {
    const raft::Host* const on = host(i);
    const bool works = on != nullptr && on->group_status(group).ok();
    replicas.push_back(works ? on->core(group) : nullptr);
  }
  return replicas;
}

bool CanSpare(Replicas replicas, size_t node,
              absl::FunctionRef<bool(size_t)> stays) {
  const size_t leader = LeaderAmong(replicas);
  if (leader == replicas.size()) return false;
  const raft::Core& leading = *replicas[leader];
  const raft::Configuration& present = leading.configuration();
  if (!leading.CanServeReads() || !present.outgoing_voters.empty() ||
      leading.configuration_index() > leading.commit_index()) {
    return false;
  }
  std::set<ReplicaId> left;
  for (size_t i = 0; i < replicas.size(); ++i) {
    if (i == node || !stays(i)) continue;
    const raft::Core* const core = replicas[i];
    if (core == nullptr) return false;
    if (!raft::IsMember(present, core->replica())) continue;
    if (core->configuration() != present) return false;
    left.insert(core->replica());
  }
  return MajorityStays(present, [&](const raft::Member& member) {
    return left.contains(member.replica);
  });
}

bool HasMemberOn(const raft::Configuration& configuration, NodeId node) {
  bool has = false;
  raft::ForEachMember(configuration, [&](const raft::Member& member) {
    has |= member.node == node;
  });
  return has;
}

std::string DescribeReplica(const raft::Core* replica) {
  if (replica == nullptr) return "no replica works";
  return absl::StrCat(std::string(raft::RoleName(replica->role())), " of term ",
                      replica->term().value(), ", applied ",
                      replica->applied_index().value(), " of ",
                      replica->last().index.value());
}

}  // namespace quorate::sim
