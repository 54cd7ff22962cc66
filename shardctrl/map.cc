#include "shardctrl/map.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quorate::shardctrl {
namespace {

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("shard map: ", what));
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  quoted.append(text);
  quoted.push_back('"');
  return quoted;
}

using Names = absl::flat_hash_set<std::string_view>;

absl::Status CheckNodes(const std::vector<Node>& nodes) {
  Names names;
  Names addresses;
  names.reserve(nodes.size());
  addresses.reserve(4 * nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.id == NodeId{}) return Wrong("a node has id 0");
    if (i > 0 && node.id == nodes[i - 1].id) {
      return Wrong(absl::StrCat("node ", node.id.value(), " is there twice"));
    }
    if (node.name.empty()) {
      return Wrong(absl::StrCat("node ", node.id.value(), " has no name"));
    }
    if (!names.insert(node.name).second) {
      return Wrong(absl::StrCat("two nodes are named ", Quoted(node.name)));
    }
    for (const std::string* address :
         {&node.peer_address, &node.resp_address, &node.resp_cluster_address,
          &node.http_address}) {
      if (!address->empty() && !addresses.insert(*address).second) {
        return Wrong(absl::StrCat("address ", *address,
                                  " is used twice, the second time by node ",
                                  node.id.value()));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckReplicas(const Group& group, const ShardMap::Parts& parts) {
  std::set<NodeId> replicas;
  const auto check = [&](NodeId id, bool voter) -> absl::Status {
    const auto node = std::find_if(parts.nodes.begin(), parts.nodes.end(),
                                   [id](const Node& n) { return n.id == id; });
    if (node == parts.nodes.end()) {
      return Wrong(absl::StrCat("group ", Quoted(group.name),
                                " has a replica on node ", id.value(),
                                ", which is not there"));
    }
    if (voter && node->read_only) {
      return Wrong(absl::StrCat("group ", Quoted(group.name),
                                " has a voter on node ", id.value(),
                                ", which is read-only"));
    }
    if (!replicas.insert(id).second) {
      return Wrong(absl::StrCat("group ", Quoted(group.name),
                                " has two replicas on node ", id.value()));
    }
    return absl::OkStatus();
  };
  for (NodeId id : group.voters) {
    const absl::Status status = check(id, /*voter=*/true);
    if (!status.ok()) return status;
  }
  for (NodeId id : group.non_voters) {
    const absl::Status status = check(id, /*voter=*/false);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckGroups(const ShardMap::Parts& parts) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < parts.groups.size(); ++i) {
    const Group& group = parts.groups[i];
    if (group.id == GroupId{}) return Wrong("a group has id 0");
    if (i > 0 && group.id == parts.groups[i - 1].id) {
      return Wrong(absl::StrCat("group ", group.id.value(), " is there twice"));
    }
    if (group.name.empty()) {
      return Wrong(absl::StrCat("group ", group.id.value(), " has no name"));
    }
    if (!names.insert(group.name).second) {
      return Wrong(absl::StrCat("two groups are named ", Quoted(group.name)));
    }
    if (group.voters.empty()) {
      return Wrong(
          absl::StrCat("group ", Quoted(group.name), " has no voters"));
    }
    if (group.preferred_leader != NodeId{} &&
        std::find(group.voters.begin(), group.voters.end(),
                  group.preferred_leader) == group.voters.end()) {
      return Wrong(absl::StrCat(
          "group ", Quoted(group.name), " prefers as its leader node ",
          group.preferred_leader.value(), ", which is no voter of it"));
    }
    const absl::Status status = CheckReplicas(group, parts);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The assigned ranges by their first slots. They do not overlap.
using Owners = std::map<uint32_t, Assignment>;

// Returns the first range of slots without an owner, for a message, or an empty
// text.
std::string FirstGap(const Owners& owners, uint32_t slot_count) {
  uint32_t next = 0;  // The first slot behind the ranges so far.
  const auto gap = [&](uint32_t end) {
    return end > next ? absl::StrCat(next, "-", end - 1) : std::string();
  };
  for (const auto& [first, owner] : owners) {
    if (first > next) return gap(first);
    next = owner.slots.last.value() + 1u;
  }
  return gap(slot_count);
}

// Returns the range with the first slot of `range` that has an owner, or null.
const Assignment* FirstOverlap(const Owners& owners, SlotRange range) {
  auto behind = owners.upper_bound(range.first.value());
  if (behind != owners.begin()) {
    const Assignment& before = std::prev(behind)->second;
    if (before.slots.last >= range.first) return &before;
  }
  if (behind == owners.end() || behind->first > range.last.value()) {
    return nullptr;
  }
  return &behind->second;
}

absl::Status CheckAssignments(const ShardMap::Parts& parts) {
  Owners owners;
  for (const Assignment& assignment : parts.assignments) {
    const SlotRange range = assignment.slots;
    if (range.last < range.first || range.last.value() >= parts.slot_count) {
      return Wrong(absl::StrCat("there is no range of slots ",
                                range.first.value(), "-", range.last.value(),
                                ": they go from 0 to ", parts.slot_count - 1));
    }
    const bool known = std::any_of(
        parts.groups.begin(), parts.groups.end(),
        [&](const Group& group) { return group.id == assignment.group; });
    if (!known) {
      return Wrong(absl::StrCat("slots ", range.first.value(), "-",
                                range.last.value(), " belong to group ",
                                assignment.group.value(),
                                ", which is not there"));
    }
    if (const Assignment* const taken = FirstOverlap(owners, range)) {
      return Wrong(absl::StrCat(
          "slot ", std::max(range.first, taken->slots.first).value(),
          " belongs to groups ", taken->group.value(), " and ",
          assignment.group.value()));
    }
    owners[range.first.value()] = assignment;
  }
  const std::string gap = FirstGap(owners, parts.slot_count);
  if (gap.empty()) return absl::OkStatus();
  return Wrong(absl::StrCat("slots ", gap, " belong to no group"));
}

// Requires: the assignments have each slot exactly once.
std::vector<Assignment> Merged(std::vector<Assignment> assignments) {
  std::stable_sort(assignments.begin(), assignments.end(),
                   [](const Assignment& a, const Assignment& b) {
                     return a.slots.first < b.slots.first;
                   });
  std::vector<Assignment> merged;
  for (const Assignment& assignment : assignments) {
    if (merged.empty() || merged.back().group != assignment.group) {
      merged.push_back(assignment);
    }
    merged.back().slots.last = assignment.slots.last;
  }
  return merged;
}

template <typename T>
void SortById(std::vector<T>* list) {
  std::stable_sort(list->begin(), list->end(),
                   [](const T& a, const T& b) { return a.id < b.id; });
}

}  // namespace

absl::StatusOr<ShardMap> ShardMap::Create(Parts parts) {
  if (parts.version == MapVersion{}) return Wrong("version 0");
  SortById(&parts.nodes);
  SortById(&parts.groups);
  for (Group& group : parts.groups) {
    std::sort(group.voters.begin(), group.voters.end());
    std::sort(group.non_voters.begin(), group.non_voters.end());
  }
  absl::Status status = CheckSlotCount(parts.partitioner, parts.slot_count);
  if (!status.ok()) return Wrong(std::string(status.message()));
  status = CheckNodes(parts.nodes);
  if (status.ok()) status = CheckGroups(parts);
  ShardMap map;
  if (status.ok()) status = CheckAssignments(parts);
  if (!status.ok()) return status;
  map.parts_ = std::move(parts);
  map.parts_.assignments = Merged(std::move(map.parts_.assignments));
  return map;
}

const Group* ShardMap::FindGroup(GroupId group) const {
  const auto found = std::lower_bound(
      parts_.groups.begin(), parts_.groups.end(), group,
      [](const Group& one, GroupId id) { return one.id < id; });
  return found == parts_.groups.end() || found->id != group ? nullptr : &*found;
}

std::vector<SlotRange> ShardMap::RangesOf(GroupId group) const {
  std::vector<SlotRange> ranges;
  for (const Assignment& assignment : parts_.assignments) {
    if (assignment.group == group) ranges.push_back(assignment.slots);
  }
  return ranges;
}

std::vector<GroupId> ShardMap::GroupsOn(NodeId node) const {
  std::vector<GroupId> groups;
  for (const Group& group : parts_.groups) {
    const auto holds = [node](const std::vector<NodeId>& list) {
      return std::find(list.begin(), list.end(), node) != list.end();
    };
    if (holds(group.voters) || holds(group.non_voters)) {
      groups.push_back(group.id);
    }
  }
  return groups;
}

std::string FormatSlotRanges(absl::Span<const SlotRange> ranges) {
  if (ranges.empty()) return "none";
  return absl::StrJoin(ranges, ",", [](std::string* out, SlotRange range) {
    absl::StrAppend(out, range.first.value());
    if (range.first != range.last) {
      absl::StrAppend(out, "-", range.last.value());
    }
  });
}

void AppendSlots(SlotRange slots, std::vector<SlotRange>* ranges) {
  if (!ranges->empty() &&
      ranges->back().last.value() + 1u == slots.first.value()) {
    ranges->back().last = slots.last;
  } else {
    ranges->push_back(slots);
  }
}

std::optional<std::vector<SlotRange>> ParseSlotRanges(std::string_view text) {
  std::vector<SlotRange> ranges;
  uint32_t number = 0;
  std::optional<uint32_t> first;
  bool digits = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c == ' ') continue;
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<uint32_t>(c - '0');
      if (number >= kHashSlotCount) return std::nullopt;
      digits = true;
      continue;
    }
    if (!digits) return std::nullopt;
    if (c == '-' && !first.has_value()) {
      first = number;
    } else if (c == ',' && first.value_or(number) <= number) {
      ranges.push_back({Slot(static_cast<uint16_t>(first.value_or(number))),
                        Slot(static_cast<uint16_t>(number))});
      first.reset();
    } else {
      return std::nullopt;
    }
    number = 0;
    digits = false;
  }
  return ranges;
}

}  // namespace quorate::shardctrl
