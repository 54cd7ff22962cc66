#include "node/config/bootstrap_check.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

std::string ListOf(std::string_view noun, absl::Span<const NodeId> nodes) {
  if (nodes.empty()) return Concat("no ", noun);
  std::string text = Concat(noun, nodes.size() == 1 ? " " : "s ");
  for (size_t i = 0; i < nodes.size(); ++i) {
    Append(&text, i == 0 ? "" : ", ", nodes[i]);
  }
  return text;
}

std::string GroupsOf(const BootstrapRecord& record) {
  std::string text = Concat(record.groups.size(), " group",
                            record.groups.size() == 1 ? "" : "s", " (");
  for (size_t i = 0; i < record.groups.size(); ++i) {
    Append(&text, i == 0 ? "" : ", ", record.groups[i].group);
  }
  return text + ")";
}

bool SameGroups(const BootstrapRecord& a, const BootstrapRecord& b) {
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

}  // namespace

absl::Status CheckAgainstBootstrap(const Config& config,
                                   const BootstrapRecord& today,
                                   const BootstrapRecord& stored) {
  // The key of a contradiction depends on the file: [sharding] and [[nodes]],
  // or [[shards]].
  const bool even = config.even.has_value();
  if (today.cluster != stored.cluster) {
    return Contradiction("cluster.id", Concat("cluster ", today.cluster),
                         Concat("cluster ", stored.cluster));
  }
  if (today.partitioner != stored.partitioner ||
      today.slot_count != stored.slot_count) {
    return Contradiction("sharding",
                         Concat(PartitionerName(today.partitioner), " with ",
                                today.slot_count, " slots"),
                         Concat(PartitionerName(stored.partitioner), " with ",
                                stored.slot_count, " slots"));
  }
  if (today.read_only != stored.read_only) {
    return Contradiction("nodes[].read_only",
                         ListOf("read-only node", today.read_only),
                         ListOf("read-only node", stored.read_only));
  }
  if (!SameGroups(today, stored)) {
    return Contradiction(even ? "sharding.groups" : "shards[].idx",
                         GroupsOf(today), GroupsOf(stored));
  }
  for (size_t i = 0; i < stored.groups.size(); ++i) {
    const BootstrapGroup& now = today.groups[i];
    const BootstrapGroup& then = stored.groups[i];
    const std::string group = Concat("group ", then.group, " with ");
    if (now.voters != then.voters) {
      std::string_view key = "shards[].replicas";
      if (even)
        key = config.even->replicas == 0 ? "nodes[].id" : "sharding.replicas";
      return Contradiction(key,
                           Concat(group, ListOf("voting node", now.voters)),
                           Concat(group, ListOf("voting node", then.voters)));
    }
    if (now.slots != then.slots) {
      return Contradiction(
          even ? "sharding.groups" : "shards[].slots",
          Concat(group, "slots ", shardctrl::FormatSlotRanges(now.slots)),
          Concat(group, "slots ", shardctrl::FormatSlotRanges(then.slots)));
    }
  }
  if (today != stored) {
    return absl::FailedPreconditionError(
        "this program derives other hash keys from the configuration file than "
        "this data directory was bootstrapped with: start the program that "
        "bootstrapped it");
  }
  return absl::OkStatus();
}

}  // namespace quorate::node
