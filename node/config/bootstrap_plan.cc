#include "node/config/bootstrap_plan.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "kv/store/parameters.h"
#include "node/base/text.h"

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

std::string GroupsOf(const BootstrapPlan& plan) {
  std::string text = Concat(plan.groups.size(), " group",
                            plan.groups.size() == 1 ? "" : "s", " (");
  for (size_t i = 0; i < plan.groups.size(); ++i) {
    Append(&text, i == 0 ? "" : ", ", plan.groups[i].group);
  }
  return text + ")";
}

bool SameGroups(const BootstrapPlan& a, const BootstrapPlan& b) {
  if (a.groups.size() != b.groups.size()) return false;
  for (size_t i = 0; i < a.groups.size(); ++i) {
    if (a.groups[i].group != b.groups[i].group) return false;
  }
  return true;
}

// The error for a contradiction between a value of the file and the stored one.
absl::Status Contradiction(std::string_view key, std::string_view today,
                           std::string_view stored) {
  return absl::FailedPreconditionError(Concat(
      "key '", key, "': the configuration file says ", today,
      ", but this data directory was bootstrapped with ", stored,
      ". This cannot be changed after the bootstrap: restore the key, or "
      "bootstrap another cluster in empty directories and copy the keys to it "
      "(docs/operate/failures.md)"));
}

// Compares two plans of one group, apart from its members.
absl::Status CheckParameters(std::string_view slots_key, const GroupPlan& today,
                             const GroupPlan& founded) {
  const auto now = kv::DecodeParameters(today.parameters.view());
  if (!now.ok()) return now.status();
  const auto then = kv::DecodeParameters(founded.parameters.view());
  if (!then.ok()) return then.status();
  if (now->partitioner != then->partitioner ||
      now->slot_count != then->slot_count) {
    return Contradiction("sharding",
                         Concat(PartitionerName(now->partitioner), " with ",
                                now->slot_count, " slots"),
                         Concat(PartitionerName(then->partitioner), " with ",
                                then->slot_count, " slots"));
  }
  // The file has no epochs.
  const std::vector<SlotRange> slots = kv::RangesOf(now->owned);
  const std::vector<SlotRange> owned = kv::RangesOf(then->owned);
  if (slots != owned) {
    const std::string group = Concat("group ", founded.group, " with slots ");
    return Contradiction(slots_key,
                         Concat(group, shardctrl::FormatSlotRanges(slots)),
                         Concat(group, shardctrl::FormatSlotRanges(owned)));
  }
  return absl::OkStatus();
}

// Parameters of the first version have neither a maximum of keys nor epochs.
std::vector<kv::SlotRun> FoundingRuns(const kv::Rules& rules,
                                      absl::Span<const SlotRange> ranges) {
  const bool first = rules.sessions.keys_per_slot_max == 0;
  std::vector<kv::SlotRun> runs;
  for (const SlotRange& range : ranges) {
    runs.push_back({.first = range.first,
                    .last = range.last,
                    .epoch = first ? kv::SlotEpoch() : kv::kFoundingEpoch});
  }
  return runs;
}

}  // namespace

BootstrapPlan MakeBootstrapPlan(const shardctrl::ShardMap& map,
                                const kv::Rules& rules) {
  BootstrapPlan plan;
  for (const shardctrl::Group& group : map.groups()) {
    plan.groups.push_back(
        {.group = group.id,
         .voters = group.voters,
         .learners = group.non_voters,
         .machine_kind = kv::kStoreKind,
         .parameters = kv::EncodeParameters(
             {.partitioner = map.partitioner(),
              .slot_count = map.slot_count(),
              .rules = rules,
              .owned = FoundingRuns(rules, map.RangesOf(group.id))})});
  }
  return plan;
}

absl::Status CheckAgainstBootstrap(const Config& config,
                                   const BootstrapPlan& today,
                                   const BootstrapPlan& founded) {
  // The key of a contradiction depends on the file: [sharding] and [[nodes]],
  // or [[shards]].
  const bool even = config.even.has_value();
  if (!SameGroups(today, founded)) {
    return Contradiction(even ? "sharding.groups" : "shards[].idx",
                         GroupsOf(today), GroupsOf(founded));
  }
  for (size_t i = 0; i < founded.groups.size(); ++i) {
    const GroupPlan& now = today.groups[i];
    const GroupPlan& then = founded.groups[i];
    if (now.learners != then.learners) {
      return Contradiction("nodes[].read_only",
                           ListOf("read-only node", now.learners),
                           ListOf("read-only node", then.learners));
    }
    if (now.voters != then.voters) {
      std::string_view key = "shards[].replicas";
      if (even)
        key = config.even->replicas == 0 ? "nodes[].id" : "sharding.replicas";
      const std::string group = Concat("group ", then.group, " with ");
      return Contradiction(key,
                           Concat(group, ListOf("voting node", now.voters)),
                           Concat(group, ListOf("voting node", then.voters)));
    }
    absl::Status same =
        CheckParameters(even ? "sharding.groups" : "shards[].slots", now, then);
    if (!same.ok()) return same;
  }
  return absl::OkStatus();
}

}  // namespace quorate::node
