// Commands about groups, their recovery, and reports of their members.
#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "env/buffer.h"
#include "raft/core/configuration.h"
#include "sim/members/controller_model.h"

namespace quorate::sim {

using shardctrl::GroupRecovery;
using shardctrl::kControllerGroup;
using shardctrl::ReplicaPurpose;
using shardctrl::ReportedConfiguration;
using shardctrl::WantedReplica;

namespace {

bool Has(const std::vector<raft::Member>& members, ReplicaId replica) {
  return std::any_of(members.begin(), members.end(),
                     [&](auto& member) { return member.replica == replica; });
}

bool Votes(const raft::Configuration& configuration, ReplicaId replica) {
  return Has(configuration.voters, replica) ||
         Has(configuration.outgoing_voters, replica);
}

bool IsNamed(const raft::Configuration& configuration, ReplicaId replica) {
  return Votes(configuration, replica) ||
         Has(configuration.learners, replica) ||
         Has(configuration.next_learners, replica);
}

// The order of configurations of a group.
auto PlaceOf(const ReportedConfiguration& one) {
  return std::tuple(one.configuration.generation, one.position.term,
                    one.position.index);
}

}  // namespace

ControllerModel::Verdict ControllerModel::Do(
    const Command::CreateGroups& create) {
  const size_t of_data =
      next_.groups.size() - next_.groups.count(kControllerGroup);
  if (next_.groups.size() + create.count > shardctrl::kGroupsMax ||
      of_data + create.count > next_.slots.size()) {
    return Refused();
  }
  Verdict verdict;
  std::set<std::string> names;
  for (const auto& [id, group] : next_.groups) names.insert(group.name);
  for (uint32_t i = 0; i < create.count; ++i) {
    const GroupId id = next_.next_group;
    next_.next_group = GroupId(id.value() + 1);
    GroupRecord& group = next_.groups[id];
    group.id = id;
    group.name = absl::StrCat("g", id.value());
    while (!names.insert(group.name).second) group.name += "-new";
    group.replicas = create.replicas > 0 ? create.replicas : default_replicas_;
    group.weight = create.weight;
    group.awaits_share = true;
    verdict.groups.push_back(id);
  }
  return Plan() ? Refused() : verdict;
}

ControllerModel::Verdict ControllerModel::Do(const Command::SetGroup& set) {
  const auto found = next_.groups.find(set.group);
  if (found == next_.groups.end() || set.group == kControllerGroup) {
    return Refused();
  }
  GroupRecord& group = found->second;
  const uint32_t replicas = set.replicas.value_or(group.replicas);
  const uint32_t weight = set.weight.value_or(group.weight);
  if (replicas == group.replicas && weight == group.weight) return AlreadySo();
  const raft::Configuration* const known = Known(group);
  if (replicas != group.replicas && known != nullptr &&
      !HasMajority(next_, *known)) {
    return Refused();
  }
  group.replicas = replicas;
  group.weight = weight;
  return Plan() ? Refused() : Verdict();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::TransferGroup& transfer) {
  const auto found = next_.groups.find(transfer.group);
  const auto node = next_.nodes.find(transfer.to);
  if (found == next_.groups.end() || node == next_.nodes.end() ||
      transfer.group == kControllerGroup ||
      !WantedVoters(found->second).contains(transfer.to) ||
      node->second.silent_since != WallTime(0)) {
    return Refused();
  }
  if (found->second.preferred_leader == transfer.to) return AlreadySo();
  found->second.preferred_leader = transfer.to;
  return {};
}

ControllerModel::Verdict ControllerModel::Do(const Command::SetRepair& set) {
  if (next_.repair_after == set.after) return AlreadySo();
  next_.repair_after = set.after;
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::RecoverGroup& recover) {
  const auto found = next_.groups.find(recover.group);
  const NodeRecord* const node = Present(recover.node);
  if (found == next_.groups.end() || recover.group == kControllerGroup ||
      !found->second.reported.has_value() || node == nullptr ||
      node->store != recover.store) {
    return Refused();
  }
  GroupRecord& group = found->second;
  const ReportedConfiguration& reported = *group.reported;
  const raft::Configuration& known = reported.configuration;
  if (recover.planned != reported.position ||
      HasMajority(next_, known, recover.broken, recover.replica)) {
    return Refused();
  }
  // A voter that came after the last report is wanted as one.
  const WantedReplica* const wanted = WantedOn(group, recover.node);
  const bool came = wanted != nullptr && wanted->replica == recover.replica &&
                    wanted->purpose == ReplicaPurpose::kVoter;
  if (!came && !Votes(known, recover.replica)) return Refused();
  uint64_t generation = std::max(recover.generation, known.generation + 1);
  if (group.recovery.has_value()) {
    const GroupRecovery& under_way = *group.recovery;
    if (under_way.replica == recover.replica) return AlreadySo();
    const NodeRecord* const chosen = Present(under_way.node);
    if (chosen != nullptr && chosen->store == under_way.store &&
        chosen->silent_since == WallTime(0)) {
      return Refused();
    }
    generation = std::max(generation, under_way.generation + 1);
  }
  group.recovery =
      GroupRecovery{recover.node, recover.store, recover.replica, generation};
  // It has a new id after the recovery.
  WantedReplica only;
  only.node = recover.node;
  group.wanted = {only};
  group.preferred_leader = recover.node;
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportGroup& report) {
  const auto found = next_.groups.find(report.group);
  if (found == next_.groups.end()) return Refused();
  GroupRecord& group = found->second;
  const ReportedConfiguration& fresh = report.configuration;
  const uint64_t generation = fresh.configuration.generation;
  // The leader does not know yet that stores of the next voters are given up.
  if (fresh.next.has_value()) {
    for (const auto* voters :
         {&fresh.next->voters, &fresh.next->outgoing_voters}) {
      size_t count = 0;
      for (const raft::Member& voter : *voters) {
        if (HasStore(next_, voter)) ++count;
      }
      if (!voters->empty() && count * 2 <= voters->size()) return Refused();
    }
  }
  if (group.recovery.has_value() && generation < group.recovery->generation) {
    return Refused();
  }
  if (!group.reported.has_value()) {
    group.reported = fresh;
    group.founded = true;
    group.first.reset();
    return {};
  }
  ReportedConfiguration& known = *group.reported;
  if (generation > known.configuration.generation) {
    NoteRecovery(fresh, &group);
    return {};
  }
  if (PlaceOf(fresh) < PlaceOf(known)) return AlreadySo();
  // A later report of the same configuration, by its leader.
  const bool later = std::tuple(fresh.term, fresh.number) >
                     std::tuple(known.term, known.number);
  if (PlaceOf(fresh) == PlaceOf(known) && !later) return AlreadySo();
  known = fresh;
  group.founded = true;
  group.first.reset();
  return {};
}

// Replicas that the new configuration does not name were given up.
void ControllerModel::NoteRecovery(const ReportedConfiguration& fresh,
                                   GroupRecord* group) {
  if (group->id == kControllerGroup) {
    const uint64_t generations = fresh.configuration.generation -
                                 group->reported->configuration.generation;
    next_.version += generations << 32;
  }
  group->recovery.reset();
  group->reported = fresh;
  for (WantedReplica& wanted : group->wanted) {
    if (IsNamed(fresh.configuration, wanted.replica)) continue;
    wanted.store = StoreIncarnation();
    wanted.replica = ReplicaId();
  }
  Plan();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportReplica& report) {
  const auto found = next_.groups.find(report.group);
  const NodeRecord* const node = Present(report.node);
  if (found == next_.groups.end() || node == nullptr ||
      node->store != report.store) {
    return Refused();
  }
  GroupRecord& group = found->second;
  if (group.reported.has_value() &&
      report.generation != group.reported->configuration.generation) {
    return Refused();
  }
  for (WantedReplica& wanted : group.wanted) {
    if (wanted.node != report.node) continue;
    if (wanted.store == report.store && wanted.replica == report.replica) {
      return AlreadySo();
    }
    wanted.store = report.store;
    wanted.replica = report.replica;
    return {};
  }
  return Refused();
}

// Entry 1 of each group that is being created, once all its wanted replicas
// have their ids.
void ControllerModel::ComposeGroups() {
  raft::Level level(1);
  uint64_t hash_key = 0;
  Duration lease_length;
  uint32_t lease_drift_ppm = 0;
  bool knows_key = false;
  for (auto& [id, group] : next_.groups) {
    const raft::Configuration* const known = Known(group);
    if (known == nullptr ||
        known->machine_kind != created_groups_.machine_kind) {
      continue;
    }
    level = std::max(level, known->level);
    hash_key = known->hash_key;
    lease_length = known->lease_length;
    lease_drift_ppm = known->lease_drift_ppm;
    knows_key = true;
  }
  if (!knows_key) return;
  for (auto& [id, group] : next_.groups) {
    if (group.founded || group.first.has_value()) continue;
    raft::Configuration first;
    bool complete = true;
    for (const WantedReplica& wanted : group.wanted) {
      complete &= wanted.replica != ReplicaId();
      auto& members = wanted.purpose == ReplicaPurpose::kVoter ? first.voters
                                                               : first.learners;
      members.push_back({.replica = wanted.replica,
                         .node = wanted.node,
                         .store = wanted.store});
    }
    if (!complete) continue;
    raft::SortMembers(&first.voters);
    raft::SortMembers(&first.learners);
    first.lease_length = lease_length;
    first.lease_drift_ppm = lease_drift_ppm;
    first.machine_kind = created_groups_.machine_kind;
    first.level = level;
    first.hash_key = hash_key;
    first.parameters = Buffer::Copy(created_groups_.parameters);
    // Two replicas with one id make no configuration.
    if (raft::ValidateConfiguration(first).ok()) group.first = first;
  }
}

}  // namespace quorate::sim
