#include "node/config/bootstrap_plan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/check.h"
#include "kv/store/parameters.h"
#include "node/base/text.h"
#include "node/config/map_parts.h"
#include "shardctrl/controller/founding.h"

namespace quorate::node {

using raft::BootstrapPlan;
using raft::GroupPlan;

namespace {

std::string ListOf(std::string_view noun, absl::Span<const NodeId> nodes) {
  if (nodes.empty()) return Concat("no ", noun);
  std::string text = Concat(noun, nodes.size() == 1 ? " " : "s ");
  for (size_t i = 0; i < nodes.size(); ++i) {
    Append(&text, i == 0 ? "" : ", ", nodes[i]);
  }
  return text;
}

// Those of stores: the file does not name the group of the controller.
std::string GroupsOf(const BootstrapPlan& plan) {
  size_t count = 0;
  std::string ids;
  for (const GroupPlan& group : plan.groups) {
    if (group.machine_kind != kv::kStoreKind) continue;
    Append(&ids, count++ == 0 ? "" : ", ", group.group);
  }
  return Concat(count, " group", count == 1 ? "" : "s", " (", ids, ")");
}

bool SameGroups(const BootstrapPlan& a, const BootstrapPlan& b) {
  if (a.groups.size() != b.groups.size()) return false;
  for (size_t i = 0; i < a.groups.size(); ++i) {
    if (a.groups[i].group != b.groups[i].group) return false;
  }
  return true;
}

std::string Differs(std::string_view key, std::string_view today,
                    std::string_view founded) {
  return Concat("key '", key, "': the file says ", today,
                ", the founded cluster has ", founded);
}

std::string Described(const KeyDivision& division) {
  return Concat(PartitionerName(division.partitioner), " with ",
                division.slot_count, " slots");
}

absl::StatusOr<kv::Parameters> FirstParameters(const BootstrapPlan& plan) {
  for (const GroupPlan& group : plan.groups) {
    if (group.machine_kind == kv::kStoreKind)
      return kv::DecodeParameters(group.parameters.view());
  }
  return absl::FailedPreconditionError("the cluster has no store");
}

// All groups of a cluster are founded with one division.
absl::Status CheckOneDivision(const BootstrapPlan& founded) {
  const auto first = FirstParameters(founded);
  if (!first.ok()) return first.status();
  for (const GroupPlan& group : founded.groups) {
    if (group.machine_kind != kv::kStoreKind) continue;
    const auto other = kv::DecodeParameters(group.parameters.view());
    if (!other.ok()) return other.status();
    if (other->division != first->division) {
      return absl::DataLossError(
          "the groups of this data directory were founded with different "
          "partitioners, slots or split keys");
    }
  }
  return absl::OkStatus();
}

std::vector<SlotRange> SlotsOf(const GroupPlan& group) {
  const auto parameters = kv::DecodeParameters(group.parameters.view());
  return parameters.ok() ? kv::RangesOf(parameters->owned)
                         : std::vector<SlotRange>();
}

std::vector<kv::SlotRun> FoundingRuns(absl::Span<const SlotRange> ranges) {
  std::vector<kv::SlotRun> runs;
  for (const SlotRange& range : ranges) {
    runs.push_back({.first = range.first,
                    .last = range.last,
                    .epoch = kv::kFoundingEpoch});
  }
  return runs;
}

// A group with the nodes of its members. Their stores and replicas report
// themselves.
shardctrl::ClusterFounding::Group FoundedGroup(const GroupPlan& plan,
                                               std::string name) {
  shardctrl::ClusterFounding::Group group{.id = plan.group,
                                          .name = std::move(name)};
  for (const NodeId node : plan.voters) {
    group.configuration.voters.push_back({.node = node});
  }
  for (const NodeId node : plan.learners) {
    group.configuration.learners.push_back({.node = node});
  }
  return group;
}

// The group of the controller, whose first state is the founded cluster. Its
// voters are the first nodes that hold any.
void AddController(const shardctrl::ShardMap& map, const KeyDivision& division,
                   const kv::Rules& rules, BootstrapPlan* plan) {
  shardctrl::ClusterFounding founding{.partitioner = division.partitioner,
                                      .slot_count = division.slot_count,
                                      .default_replicas = 1};
  GroupPlan controller{.group = shardctrl::kControllerGroup,
                       .machine_kind = shardctrl::kControllerKind};
  for (const shardctrl::Node& node : map.nodes()) {
    const bool votes =
        std::ranges::any_of(plan->groups, [&](const auto& group) {
          return std::ranges::count(group.voters, node.id) > 0;
        });
    founding.nodes.push_back({.id = node.id,
                              .name = node.name,
                              .role = node.read_only
                                          ? shardctrl::NodeRole::kReadOnly
                                      : votes ? shardctrl::NodeRole::kData
                                              : shardctrl::NodeRole::kRouter});
    if (votes) controller.voters.push_back(node.id);
  }
  controller.voters.resize(
      shardctrl::ControllerReplicas(controller.voters.size()));
  for (const GroupPlan& group : plan->groups) {
    const shardctrl::Group* const row = map.FindGroup(group.group);
    founding.groups.push_back(FoundedGroup(group, row->name));
    founding.default_replicas = std::max(
        founding.default_replicas, static_cast<uint32_t>(group.voters.size()));
  }
  founding.created_groups = {
      .machine_kind = kv::kStoreKind,
      .parameters = std::string(
          kv::EncodeParameters({.division = division, .rules = rules}).view())};
  founding.groups.push_back(FoundedGroup(controller, "controller"));
  for (const shardctrl::Assignment& slots : map.assignments()) {
    founding.slots.push_back(slots);
  }
  auto state = shardctrl::FoundCluster(std::move(founding));
  CHECK(state.ok()) << Message(state.status());
  controller.parameters = Buffer::Copy(shardctrl::EncodeState(*state));
  plan->groups.push_back(std::move(controller));
}

}  // namespace

BootstrapPlan MakeBootstrapPlan(const shardctrl::ShardMap& map,
                                const KeyDivision& division,
                                const kv::Rules& rules) {
  CHECK(map.partitioner() == division.partitioner);
  CHECK_EQ(map.slot_count(), division.slot_count);
  BootstrapPlan plan;
  for (const shardctrl::Group& group : map.groups()) {
    plan.groups.push_back(
        {.group = group.id,
         .voters = group.voters,
         .learners = group.non_voters,
         .machine_kind = kv::kStoreKind,
         .parameters = kv::EncodeParameters(
             {.division = division,
              .rules = rules,
              .owned = FoundingRuns(map.RangesOf(group.id))})});
  }
  AddController(map, division, rules, &plan);
  return plan;
}

absl::Status CheckAgainstBootstrap(const BootstrapPlan& today,
                                   const BootstrapPlan& founded) {
  if (founded.Find(shardctrl::kControllerGroup) == nullptr) {
    return absl::FailedPreconditionError(
        "the cluster of this data directory was founded without a controller, "
        "which this program needs. Copy its keys into a new cluster");
  }
  const auto now = FirstParameters(today);
  if (!now.ok()) return now.status();
  const auto then = FirstParameters(founded);
  if (!then.ok()) return then.status();
  if (now->division == then->division) return CheckOneDivision(founded);
  const bool same_counts =
      now->division.partitioner == then->division.partitioner &&
      now->division.slot_count == then->division.slot_count;
  if (same_counts) {
    return absl::FailedPreconditionError(
        "key 'founding.split_keys': the configuration file has other split "
        "keys than the cluster of this data directory was founded with. They "
        "never change: restore the key");
  }
  return absl::FailedPreconditionError(Concat(
      "key 'founding.partitioner': the configuration file says ",
      Described(now->division), ", but the cluster of this data directory was ",
      "founded with ", Described(then->division),
      ". This never changes: restore the keys of [founding]"));
}

std::string DifferenceFromBootstrap(const Config& config,
                                    const BootstrapPlan& today,
                                    const BootstrapPlan& founded) {
  // The key of a difference depends on the file: [sharding] and [[nodes]], or
  // [[shards]].
  const bool even = config.even.has_value();
  if (!SameGroups(today, founded)) {
    return Differs(even ? "sharding.groups" : "shards[].idx", GroupsOf(today),
                   GroupsOf(founded));
  }
  for (size_t i = 0; i < founded.groups.size(); ++i) {
    const GroupPlan& now = today.groups[i];
    const GroupPlan& then = founded.groups[i];
    if (now.learners != then.learners) {
      return Differs("nodes[].read_only",
                     ListOf("read-only node", now.learners),
                     ListOf("read-only node", then.learners));
    }
    if (now.voters != then.voters) {
      std::string_view key = "shards[].replicas";
      if (even)
        key = config.even->replicas == 0 ? "nodes[].id" : "sharding.replicas";
      const std::string group = Concat("group ", then.group, " with ");
      return Differs(key, Concat(group, ListOf("voting node", now.voters)),
                     Concat(group, ListOf("voting node", then.voters)));
    }
    // The file has no epochs.
    const std::vector<SlotRange> slots = SlotsOf(now);
    const std::vector<SlotRange> owned = SlotsOf(then);
    if (slots != owned) {
      const std::string group = Concat("group ", then.group, " with slots ");
      return Differs(even ? "sharding.groups" : "shards[].slots",
                     Concat(group, shardctrl::FormatSlotRanges(slots)),
                     Concat(group, shardctrl::FormatSlotRanges(owned)));
    }
  }
  return {};
}

kv::Rules FoundedRules(const BootstrapPlan& founded) {
  const auto parameters = FirstParameters(founded);
  CHECK(parameters.ok()) << Message(parameters.status());
  return parameters->rules;
}

shardctrl::ShardMap::Parts FoundedParts(const Config& config,
                                        const BootstrapPlan& founded) {
  shardctrl::ShardMap::Parts parts = MapParts(config);
  parts.groups.clear();
  parts.assignments.clear();
  std::vector<NodeId> learners;
  for (const GroupPlan& plan : founded.groups) {
    if (plan.machine_kind != kv::kStoreKind) continue;
    const auto parameters = kv::DecodeParameters(plan.parameters.view());
    if (!parameters.ok()) continue;
    parts.partitioner = parameters->division.partitioner;
    parts.slot_count = parameters->division.slot_count;
    // The files of other nodes may be those of the founding. Nodes that prefer
    // different leaders would take the leadership from each other.
    parts.groups.push_back({.id = plan.group,
                            .name = Concat("g", plan.group),
                            .voters = plan.voters,
                            .non_voters = plan.learners});
    for (const SlotRange& slots : kv::RangesOf(parameters->owned)) {
      parts.assignments.push_back({slots, plan.group});
    }
    learners.insert(learners.end(), plan.learners.begin(), plan.learners.end());
  }
  for (const NodeId id : founded.Nodes()) {
    const auto known = std::ranges::find(parts.nodes, id, &shardctrl::Node::id);
    if (known == parts.nodes.end()) {
      parts.nodes.push_back({.id = id, .name = Concat("n", id)});
    }
  }
  for (shardctrl::Node& node : parts.nodes) {
    node.read_only = std::ranges::count(learners, node.id) > 0;
  }
  return parts;
}

}  // namespace quorate::node
