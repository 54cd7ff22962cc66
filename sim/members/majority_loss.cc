#include "sim/members/majority_loss.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "node/server.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"

namespace quorate::sim {
namespace {

struct Voter {
  size_t place = 0;
  const raft::Core* core = nullptr;
};
using Voters = std::map<GroupId, std::vector<Voter>>;

// Nullopt if a voter does not work, or if a configuration is under way.
std::optional<Voters> VotersOf(const Cluster& cluster,
                               const MemberRules& rules) {
  Voters voters;
  for (size_t i = 0; i < cluster.places().size(); ++i) {
    const node::Server* const server = cluster.ServerAt(i);
    if (server == nullptr) {
      if (cluster.places().HasStore(i)) return std::nullopt;
      continue;
    }
    for (const GroupId group : server->host().groups()) {
      const raft::Core* const core = server->host().core(group);
      const raft::Configuration* const committed = rules.Committed(group);
      if (core == nullptr || committed == nullptr ||
          !server->host().group_status(group).ok() ||
          core->configuration() != *committed) {
        return std::nullopt;
      }
      if (raft::IsVoter(*committed, core->replica())) {
        voters[group].push_back({i, core});
      }
    }
  }
  for (const GroupId group : rules.groups()) {
    const raft::Configuration& committed = *rules.Committed(group);
    if (!committed.outgoing_voters.empty() ||
        voters[group].size() != committed.voters.size()) {
      return std::nullopt;
    }
  }
  return voters;
}

bool HasAll(const raft::Core& core, const std::vector<Voter>& all) {
  return core.applied_index() > raft::Index(0) &&
         core.configuration_index() <= core.applied_index() &&
         core.durable_index() == core.last().index &&
         std::all_of(all.begin(), all.end(), [&](const Voter& other) {
           return other.core->last() <= core.last() &&
                  other.core->commit_index() <= core.applied_index();
         });
}

}  // namespace

MajorityLoss PlanMajorityLoss(const Cluster& cluster, const MemberRules& rules,
                              GroupId group, size_t survivor,
                              absl::FunctionRef<bool(size_t)> stays) {
  const std::optional<Voters> voters = VotersOf(cluster, rules);
  if (!voters.has_value() || !voters->contains(group)) return {};
  std::set<size_t> lost;
  const std::vector<Voter>& of_group = voters->at(group);
  for (const Voter& voter : of_group) {
    if ((of_group.size() - lost.size()) * 2 <= of_group.size()) break;
    if (voter.place != survivor) lost.insert(voter.place);
  }
  MajorityLoss loss;
  for (const auto& [id, all] : *voters) {
    std::vector<Voter> left;
    for (const Voter& voter : all) {
      if (!lost.contains(voter.place)) left.push_back(voter);
    }
    if (left.size() * 2 > all.size()) continue;
    const bool whole =
        std::all_of(left.begin(), left.end(), [&](const Voter& voter) {
          return stays(voter.place) && HasAll(*voter.core, all);
        });
    if (left.empty() || !whole) return {};
    loss.groups.push_back(id);
  }
  if (loss.groups.empty()) return {};
  loss.places.assign(lost.begin(), lost.end());
  return loss;
}

}  // namespace quorate::sim
