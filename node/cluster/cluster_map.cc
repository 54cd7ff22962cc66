#include "node/cluster/cluster_map.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/host_port.h"
#include "node/base/text.h"
#include "node/config/map_parts.h"

namespace quorate::node {
namespace {

shardctrl::ShardMap MapOf(const Config& config) {
  auto map = shardctrl::ShardMap::Create(MapParts(config));
  CHECK(map.ok()) << Message(map.status());
  return *std::move(map);
}

bool IsWellFormed(const NodeAddresses& report) {
  for (const std::string* address :
       {&report.peer, &report.resp, &report.resp_cluster, &report.http}) {
    if (address->size() > kAddressBytesMax || !ParseHostPort(*address).ok()) {
      return false;
    }
  }
  return true;
}

}  // namespace

ClusterMap::ClusterMap(const Config& config)
    : config_(config),
      shards_(MapOf(config)),
      slots_(kv::MakeSlotStrategy(config.division)) {
  MakeNodes();
}

const NodeConfig* ClusterMap::FindNode(NodeId node) const {
  const auto found =
      std::ranges::lower_bound(nodes_, node, {}, &NodeConfig::id);
  return found == nodes_.end() || found->id != node ? nullptr : &*found;
}

void ClusterMap::SetMap(shardctrl::ShardMap map) {
  CHECK_GT(map.version(), shards_.version());
  CHECK(map.partitioner() == shards_.partitioner());
  CHECK_EQ(map.slot_count(), shards_.slot_count());
  shards_ = std::move(map);
  first_ = false;
  MakeNodes();
  const auto gone = [this](const auto& entry) {
    return FindNode(entry.first) == nullptr;
  };
  absl::erase_if(reports_, gone);
  absl::erase_if(heard_, gone);
  Tell(Change::kMap);
}

void ClusterMap::SetFirstMap(shardctrl::ShardMap map,
                             const KeyDivision& division) {
  CHECK(map.partitioner() == division.partitioner);
  CHECK_EQ(map.slot_count(), division.slot_count);
  shards_ = std::move(map);
  slots_ = kv::MakeSlotStrategy(division);
  MakeNodes();
  Tell(Change::kMap);
}

void ClusterMap::SetRemoved() {
  removed_ = true;
  Tell(Change::kNodes);
}

void ClusterMap::SetMembers(absl::btree_set<NodeId> members) {
  // Those of the map are nodes anyway.
  for (const shardctrl::Node& node : shards_.nodes()) members.erase(node.id);
  members.erase(config_.node);
  if (members == members_) return;
  members_ = std::move(members);
  MakeNodes();
  Tell(Change::kNodes);
}

bool ClusterMap::LearnFromItself(const NodeAddresses& report) {
  const auto known = reports_.find(report.node);
  if (known != reports_.end() && known->second.store == report.store &&
      known->second.start > report.start) {
    return false;
  }
  if (!IsWellFormed(report)) return false;
  heard_[report.node] = report.store;
  return Learn(report);
}

bool ClusterMap::LearnFromOther(const NodeAddresses& report) {
  if (report.node == config_.node || report.node == NodeId() ||
      !IsWellFormed(report)) {
    return false;
  }
  const auto known = reports_.find(report.node);
  const auto heard = heard_.find(report.node);
  if ((heard != heard_.end() && heard->second != report.store) ||
      (known != reports_.end() && !IsNewer(report, known->second))) {
    return false;
  }
  return Learn(report);
}

bool ClusterMap::Learn(const NodeAddresses& report) {
  if (reports_.size() >= kReportsMax && !reports_.contains(report.node)) {
    return false;
  }
  NodeAddresses& known = reports_[report.node];
  if (known == report) return false;
  known = report;
  const bool unknown = FindNode(report.node) == nullptr;
  if (unknown && !first_) return true;
  MakeNodes();
  Tell(unknown ? Change::kNodes : Change::kAddresses);
  return true;
}

void ClusterMap::FillIn(NodeConfig* row) const {
  const auto report = reports_.find(row->id);
  if (report == reports_.end()) {
    const auto hint =
        std::ranges::find(config_.nodes, row->id, &NodeConfig::id);
    if (!row->peer.empty() || hint == config_.nodes.end()) return;
    row->peer = hint->peer;
    row->resp = hint->resp;
    row->resp_cluster = hint->resp_cluster;
    row->http = hint->http;
    return;
  }
  row->peer = report->second.peer;
  row->resp = report->second.resp;
  row->resp_cluster = report->second.resp_cluster;
  row->http = report->second.http;
}

absl::btree_set<NodeId> ClusterMap::OtherNodes() const {
  absl::btree_set<NodeId> nodes = members_;
  if (first_) {
    for (const auto& [node, report] : reports_) nodes.insert(node);
  }
  nodes.insert(config_.node);
  return nodes;
}

void ClusterMap::MakeNodes() {
  nodes_.clear();
  for (const shardctrl::Node& node : shards_.nodes()) {
    NodeConfig& row = nodes_.emplace_back(
        NodeConfig{.id = node.id,
                   .resp = node.resp_address,
                   .resp_cluster = node.resp_cluster_address,
                   .http = node.http_address,
                   .peer = node.peer_address,
                   .read_only = node.read_only,
                   .zone = node.zone});
    if (node.id != config_.node) {
      FillIn(&row);
      continue;
    }
    row = config_.self();
    row.read_only = node.read_only;
    row.zone = node.zone;
  }
  const auto place = [this](NodeId node) {
    return std::ranges::lower_bound(nodes_, node, {}, &NodeConfig::id);
  };
  for (const NodeId node : OtherNodes()) {
    if (FindNode(node) != nullptr) continue;
    NodeConfig row{.id = node};
    if (node == config_.node) row = config_.self();
    if (node != config_.node) FillIn(&row);
    nodes_.insert(place(node), std::move(row));
  }
}

}  // namespace quorate::node
