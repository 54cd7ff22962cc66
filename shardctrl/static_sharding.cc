#include "shardctrl/static_sharding.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/number.h"

namespace quorate::shardctrl {
namespace {

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("sharding: ", what));
}

std::vector<NodeId> NodesThat(const std::vector<Node>& nodes, bool read_only) {
  std::vector<NodeId> ids;
  for (const Node& node : nodes) {
    if (node.read_only == read_only) ids.push_back(node.id);
  }
  return ids;
}

// "host:port" with `offset` added to the port.
absl::StatusOr<std::string> OffsetPort(std::string_view address,
                                       uint16_t offset) {
  const size_t colon = address.rfind(':');
  uint16_t port = 0;
  if (colon == std::string_view::npos || colon == 0 ||
      !ParseInteger(address.substr(colon + 1), &port) || port == 0) {
    return Wrong(absl::StrCat("\"", std::string(address),
                              "\" is no address: expected \"host:port\""));
  }
  const uint32_t moved = uint32_t{port} + offset;
  if (moved > 65535) {
    return Wrong(absl::StrCat("\"", std::string(address), "\": port ", port,
                              " plus ", offset, " is beyond 65535"));
  }
  return absl::StrCat(std::string(address.substr(0, colon + 1)), moved);
}

// Turns [[shards]] into nodes and groups.
class ShardTable {
 public:
  explicit ShardTable(StaticSharding* sharding)
      : sharding_(*sharding), make_nodes_(sharding->nodes.empty()) {}

  absl::Status Expand() {
    std::vector<StaticShard>& shards = sharding_.shards;
    std::stable_sort(shards.begin(), shards.end(),
                     [](const StaticShard& a, const StaticShard& b) {
                       return a.idx < b.idx;
                     });
    for (uint32_t i = 0; i < shards.size(); ++i) {
      if (shards[i].idx != i) {
        return Wrong(absl::StrCat("shards need each idx from 0 to ",
                                  shards.size() - 1, " once; there is ",
                                  shards[i].idx, " in place of ", i));
      }
      const absl::Status status = ExpandOne(shards[i]);
      if (!status.ok()) return status;
    }
    sharding_.shards.clear();
    return absl::OkStatus();
  }

 private:
  absl::Status ExpandOne(const StaticShard& shard) {
    StaticGroup group;
    group.id = GroupId(shard.idx + 1);
    group.name = shard.name;
    std::vector<std::string> addresses = {shard.address};
    addresses.insert(addresses.end(), shard.replicas.begin(),
                     shard.replicas.end());
    for (const std::string& address : addresses) {
      const absl::StatusOr<const Node*> node = NodeAt(address);
      if (!node.ok()) return node.status();
      std::vector<NodeId>& replicas =
          (*node)->read_only ? group.non_voters : group.voters;
      if (std::find(replicas.begin(), replicas.end(), (*node)->id) !=
          replicas.end()) {
        return Wrong(absl::StrCat("shard \"", shard.name, "\" names address ",
                                  address, " twice"));
      }
      replicas.push_back((*node)->id);
    }
    sharding_.groups.push_back(std::move(group));
    return absl::OkStatus();
  }

  // The node with this address among its own; a new one if nodes are made here.
  absl::StatusOr<const Node*> NodeAt(const std::string& address) {
    for (const Node& node : sharding_.nodes) {
      if (address == node.http_address || address == node.resp_address ||
          address == node.peer_address) {
        return &node;
      }
    }
    if (!make_nodes_) {
      return Wrong(absl::StrCat("no node has the address ", address));
    }
    const absl::StatusOr<std::string> resp =
        OffsetPort(address, sharding_.resp_port_offset);
    if (!resp.ok()) return resp.status();
    const absl::StatusOr<std::string> peer =
        OffsetPort(address, sharding_.peer_port_offset);
    if (!peer.ok()) return peer.status();
    const auto id = static_cast<uint32_t>(sharding_.nodes.size() + 1);
    sharding_.nodes.push_back({.id = NodeId(id),
                               .name = absl::StrCat("n", id),
                               .peer_address = *peer,
                               .resp_address = *resp,
                               .http_address = address});
    return &sharding_.nodes.back();
  }

  StaticSharding& sharding_;
  const bool make_nodes_;
};

absl::Status CheckOneWay(const StaticSharding& sharding) {
  const int ways = (sharding.group_count.has_value() ? 1 : 0) +
                   (sharding.groups.empty() ? 0 : 1) +
                   (sharding.shards.empty() ? 0 : 1);
  if (ways == 1) return absl::OkStatus();
  return Wrong(absl::StrCat(
      ways == 0 ? "nothing says" : "more than one thing says",
      " how keys are divided: expected one of a count of groups, a table of "
      "groups, a table of shards"));
}

absl::Status CheckCount(size_t count, uint32_t count_max,
                        std::string_view what) {
  if (count >= 1 && count <= count_max) return absl::OkStatus();
  return Wrong(absl::StrCat("there may be 1 to ", count_max, " ",
                            std::string(what), ", not ", count));
}

absl::Status AddGroups(const StaticSharding& sharding, ShardMap::Parts* parts) {
  for (size_t i = 0; i < sharding.groups.size(); ++i) {
    const StaticGroup& wanted = sharding.groups[i];
    Group group;
    group.id = wanted.id == GroupId{} ? GroupId(static_cast<uint32_t>(i + 1))
                                      : wanted.id;
    group.name =
        wanted.name.empty() ? absl::StrCat("g", group.id.value()) : wanted.name;
    group.voters = wanted.voters;
    group.non_voters = wanted.non_voters;
    // A group whose replicas were named has no others.
    if (group.voters.empty()) {
      group.voters = NodesThat(sharding.nodes, /*read_only=*/false);
      if (group.non_voters.empty()) {
        group.non_voters = NodesThat(sharding.nodes, /*read_only=*/true);
      }
    }
    for (const std::string& text : wanted.slots) {
      const absl::StatusOr<std::vector<SlotRange>> ranges =
          ParseSlotRanges(text, parts->slot_count);
      if (!ranges.ok()) {
        return Wrong(absl::StrCat("group \"", group.name,
                                  "\": ", ranges.status().message()));
      }
      for (const SlotRange& range : *ranges) {
        parts->assignments.push_back({.slots = range, .group = group.id});
      }
    }
    parts->groups.push_back(std::move(group));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Assignment> AssignEvenly(uint32_t slot_count,
                                     absl::Span<const GroupId> groups) {
  CHECK(!groups.empty());
  std::vector<Assignment> assignments;
  const auto count = static_cast<uint32_t>(groups.size());
  uint32_t next = 0;
  for (uint32_t i = 0; i < count && next < slot_count; ++i) {
    const uint32_t size = slot_count / count + (i < slot_count % count ? 1 : 0);
    assignments.push_back(
        {.slots = {Slot(static_cast<uint16_t>(next)),
                   Slot(static_cast<uint16_t>(next + size - 1))},
         .group = groups[i]});
    next += size;
  }
  return assignments;
}

absl::StatusOr<ShardMap> BuildStaticMap(StaticSharding sharding) {
  absl::Status status = CheckOneWay(sharding);
  if (!status.ok()) return status;
  if (sharding.group_count.has_value()) {
    status = CheckCount(*sharding.group_count, kStaticGroupsMax, "groups");
    if (!status.ok()) return status;
    sharding.groups.resize(*sharding.group_count);
  } else if (!sharding.shards.empty()) {
    status = CheckCount(sharding.shards.size(), kStaticShardsMax, "shards");
    if (status.ok()) status = ShardTable(&sharding).Expand();
    if (!status.ok()) return status;
  }
  status = CheckCount(sharding.groups.size(), kStaticGroupsMax, "groups");
  if (!status.ok()) return status;

  ShardMap::Parts parts;
  parts.partitioner = sharding.partitioner;
  parts.slot_count = sharding.partitioner == Partitioner::kHashSlots
                         ? kHashSlotCount
                         : static_cast<uint32_t>(sharding.groups.size());
  status = AddGroups(sharding, &parts);
  if (!status.ok()) return status;
  parts.nodes = std::move(sharding.nodes);
  if (parts.assignments.empty()) {
    std::vector<GroupId> ids;
    for (const Group& group : parts.groups) ids.push_back(group.id);
    std::sort(ids.begin(), ids.end());
    parts.assignments = AssignEvenly(parts.slot_count, ids);
  }
  return ShardMap::Create(std::move(parts));
}

}  // namespace quorate::shardctrl
