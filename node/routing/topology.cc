#include "node/routing/topology.h"

#include <algorithm>

#include "absl/container/btree_map.h"
#include "env/check.h"
#include "env/host_port.h"
#include "env/random.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

// Every node computes the ids of all nodes alike.
std::string NodeIdText(ClusterId cluster, NodeId node) {
  constexpr char kDigits[] = "0123456789abcdef";
  const Random random(cluster.value());
  std::string text;
  for (uint64_t word = 0; word < 3; ++word) {
    uint64_t bits = random.Bits("node.cluster_id", node.value(), word);
    for (int i = 0; i < 16 && text.size() < 40; ++i) {
      text.push_back(kDigits[bits & 15]);
      bits >>= 4;
    }
  }
  return text;
}

}  // namespace

Topology::Topology(const Config& config, const ClusterMap& cluster,
                   Router& router)
    : config_(config), cluster_(cluster), router_(router) {
  OnClusterChanged();
}

// Groups that stay keep the node that is listed as their leader.
void Topology::OnClusterChanged() {
  version_.reset();
  nodes_.clear();
  for (const NodeConfig& node : cluster_.nodes()) {
    if (cluster_.FindListed(node.id) == nullptr) continue;
    nodes_.push_back({&node, NodeIdText(config_.cluster, node.id), {}, {}});
  }
  absl::btree_map<GroupId, NodeId> before;
  for (size_t i = 0; i < groups_.size(); ++i) before[groups_[i]] = leaders_[i];
  groups_.clear();
  leaders_.clear();
  for (const shardctrl::Group& group : map().groups()) {
    const auto listed = before.find(group.id);
    groups_.push_back(group.id);
    leaders_.push_back(listed != before.end() ? listed->second
                       : group.preferred_leader != NodeId()
                           ? group.preferred_leader
                           : group.voters.front());
  }
  assigned_.clear();
  has_slots_.assign(groups_.size(), false);
  for (const shardctrl::Assignment& assignment : map().assignments()) {
    assigned_.push_back(PositionOf(assignment.group));
    has_slots_[assigned_.back()] = true;
  }
}

bool Topology::Works(NodeId node, GroupId group) const {
  const LiveView& view = router_.view();
  return view.alive(node) && !Unfit(view.replica(group, node));
}

NodeId Topology::LeaderToList(size_t position) const {
  const shardctrl::Group& group = map().groups()[position];
  const LiveView& view = router_.view();
  if (!cluster_.removed() && !view.CutOff(group.id).ok()) return NodeId();
  const NodeId known = view.leader(group.id).node;
  if (known != NodeId() && view.Holds(known, group.id) &&
      !Unfit(view.replica(group.id, known))) {
    return known;
  }
  std::vector<NodeId> replicas;
  if (group.preferred_leader != NodeId()) {
    replicas.push_back(group.preferred_leader);
  }
  replicas.insert(replicas.end(), group.voters.begin(), group.voters.end());
  // A replica may be somewhere else than the map wants it.
  for (const size_t holder : holders_[position]) {
    const NodeConfig& node = *nodes_[holder].config;
    if (!node.read_only) replicas.push_back(node.id);
  }
  NodeId other;
  for (const NodeId replica : replicas) {
    if (Works(replica, group.id)) return replica;
    if (other == NodeId() && replica != config_.node) other = replica;
  }
  return other;
}

void Topology::RefreshHolders() {
  holders_.assign(groups_.size(), {});
  for (size_t node = 0; node < nodes_.size(); ++node) {
    for (const GroupId group :
         router_.view().GroupsOn(nodes_[node].config->id)) {
      const size_t position = PositionOf(group);
      if (position < holders_.size()) holders_[position].push_back(node);
    }
  }
}

// One pass over the slots, whatever the number of nodes.
void Topology::RefreshSlots() {
  absl::btree_map<NodeId, Node*> by_id;
  for (Node& node : nodes_) {
    node.slots.clear();
    by_id[node.config->id] = &node;
  }
  const auto assignments = map().assignments();
  for (size_t i = 0; i < assignments.size(); ++i) {
    const auto leader = by_id.find(leaders_[assigned_[i]]);
    if (leader == by_id.end()) continue;
    shardctrl::AppendSlots(assignments[i].slots, &leader->second->slots);
  }
}

void Topology::RefreshNode(Node& node) {
  const NodeId id = node.config->id;
  node.master = NodeId();
  node.linked = router_.view().alive(id) && router_.view().refusal(id).empty();
  // Groups of other kinds have no slots, and clients know nothing of them. A
  // replica that its group has left here does not count for them either.
  std::vector<GroupId> groups = router_.view().GroupsOn(id);
  const std::vector<GroupId> named = map().GroupsOn(id);
  std::erase_if(groups, [&](GroupId group) {
    return PositionOf(group) == groups_.size() ||
           (!Works(id, group) && !std::ranges::binary_search(named, group));
  });
  // A client that reads at replicas looks for those of the groups with slots.
  std::ranges::stable_partition(
      groups, [&](GroupId group) { return has_slots_[PositionOf(group)]; });
  const auto working = std::ranges::find_if(
      groups, [&](GroupId group) { return Works(id, group); });
  node.failed = !node.linked || (!groups.empty() && working == groups.end());
  if (!node.slots.empty() || groups.empty()) return;
  // A node that leads nothing is a replica of the leader of the first group
  // whose replica works here, if possible of one with slots. Without such a
  // replica it is a master without slots.
  node.master = LeaderOf(working == groups.end() ? groups.front() : *working);
  if (node.master == id) node.master = NodeId();
}

void Topology::Refresh() {
  if (version_ == router_.view().version()) return;
  version_ = router_.view().version();
  RefreshHolders();
  for (size_t i = 0; i < leaders_.size(); ++i) leaders_[i] = LeaderToList(i);
  RefreshSlots();
  for (Node& node : nodes_) RefreshNode(node);
  for (std::string* text :
       {&slots_replies_[0][0], &slots_replies_[0][1], &slots_replies_[1][0],
        &slots_replies_[1][1], &shards_replies_[0], &shards_replies_[1],
        &nodes_text_}) {
    text->clear();
  }
}

const std::vector<Topology::Node>& Topology::nodes() {
  Refresh();
  return nodes_;
}

const Topology::Node& Topology::self() {
  for (const Node& node : nodes()) {
    if (node.config->id == config_.node) return node;
  }
  CHECK(false) << "node " << config_.node << " is not configured";
  return nodes_.front();
}

const Topology::Node* Topology::Find(std::string_view id) {
  for (const Node& node : nodes()) {
    if (node.id == id) return &node;
  }
  return nullptr;
}

NodeId Topology::LeaderOf(GroupId group) {
  Refresh();
  const size_t position = PositionOf(group);
  return position == leaders_.size() ? NodeId() : leaders_[position];
}

size_t Topology::PositionOf(GroupId group) const {
  const auto found = std::ranges::lower_bound(groups_, group);
  return found == groups_.end() || *found != group
             ? groups_.size()
             : static_cast<size_t>(found - groups_.begin());
}

size_t Topology::PositionOf(NodeId node) const {
  const auto found = std::ranges::lower_bound(
      nodes_, node, {}, [](const Node& each) { return each.config->id; });
  return found == nodes_.end() || found->config->id != node
             ? nodes_.size()
             : static_cast<size_t>(found - nodes_.begin());
}

uint32_t Topology::slots_with_leader() {
  uint32_t count = 0;
  for (const shardctrl::Assignment& assignment : map().assignments()) {
    GroupQueue* queue = router_.FindQueue(assignment.group);
    const Leadership& leadership = queue->leadership();
    if (leadership.kind == Leadership::Kind::kSelf ||
        (leadership.kind == Leadership::Kind::kRemote &&
         Works(leadership.leader, assignment.group))) {
      count += assignment.slots.size();
    }
  }
  return count;
}

void Topology::WriteNode(const Node& node, RespWriter& reply) const {
  const HostPort address = *ParseHostPort(node.config->resp_cluster);
  reply.Array(4);
  reply.Bulk(address.host);
  reply.Integer(address.port);
  reply.Bulk(node.id);
  // The name is that of Valkey.
  reply.Map(node.config->zone.empty() ? 0 : 1);
  if (node.config->zone.empty()) return;
  reply.Bulk("availability-zone");
  reply.Bulk(node.config->zone);
}

Topology::Listing Topology::ListingOf(size_t position, bool all) const {
  const GroupId group = groups_[position];
  const NodeId leader = leaders_[position];
  Listing listing = {.master = PositionOf(leader), .replicas = {}};
  for (const size_t node : holders_[position]) {
    const bool listed =
        all ? node != listing.master : nodes_[node].master == leader;
    if (listed && Works(nodes_[node].config->id, group)) {
      listing.replicas.push_back(node);
    }
  }
  return listing;
}

std::string Topology::MakeSlotsReply(int version, bool all) const {
  // A group can have thousands of ranges: its listing, and the nodes of its
  // rows, are made once.
  std::vector<Listing> listings;
  std::vector<std::string> nodes(leaders_.size());
  for (size_t i = 0; i < leaders_.size(); ++i) {
    const Listing& listing = listings.emplace_back(ListingOf(i, all));
    if (listing.master == nodes_.size()) continue;
    RespWriter writer(&nodes[i], version);
    WriteNode(nodes_[listing.master], writer);
    for (const size_t replica : listing.replicas) {
      WriteNode(nodes_[replica], writer);
    }
  }
  // One row for each range of one listing.
  struct Row {
    SlotRange slots;
    size_t group;
  };
  std::vector<Row> rows;
  const auto assignments = map().assignments();
  for (size_t i = 0; i < assignments.size(); ++i) {
    const Listing& listing = listings[assigned_[i]];
    const SlotRange& slots = assignments[i].slots;
    if (listing.master == nodes_.size()) continue;
    if (!rows.empty() && listings[rows.back().group] == listing &&
        rows.back().slots.last.value() + 1u == slots.first.value()) {
      rows.back().slots.last = slots.last;
    } else {
      rows.push_back({slots, assigned_[i]});
    }
  }
  std::string text;
  RespWriter reply(&text, version);
  reply.Array(rows.size());
  for (const Row& row : rows) {
    reply.Array(3 + listings[row.group].replicas.size());
    reply.Integer(row.slots.first.value());
    reply.Integer(row.slots.last.value());
    reply.Raw(nodes[row.group]);
  }
  return text;
}

std::string Topology::MakeShardsReply(int version) const {
  std::string text;
  RespWriter reply(&text, version);
  std::vector<const Node*> masters;
  for (const Node& node : nodes_) {
    if (node.master == NodeId()) masters.push_back(&node);
  }
  reply.Array(masters.size());
  for (const Node* master : masters) {
    std::vector<const Node*> members = {master};
    for (const Node& node : nodes_) {
      if (node.master == master->config->id) members.push_back(&node);
    }
    reply.Map(2);
    reply.Bulk("slots");
    reply.Array(master->slots.size() * 2);
    for (const SlotRange& range : master->slots) {
      reply.Integer(range.first.value());
      reply.Integer(range.last.value());
    }
    reply.Bulk("nodes");
    reply.Array(members.size());
    for (const Node* member : members) {
      const HostPort address = *ParseHostPort(member->config->resp_cluster);
      reply.Map(7);
      reply.Bulk("id");
      reply.Bulk(member->id);
      reply.Bulk("port");
      reply.Integer(address.port);
      reply.Bulk("ip");
      reply.Bulk(address.host);
      reply.Bulk("endpoint");
      reply.Bulk(address.host);
      reply.Bulk("role");
      reply.Bulk(member == master ? "master" : "replica");
      reply.Bulk("replication-offset");
      reply.Integer(0);
      reply.Bulk("health");
      reply.Bulk(member->failed ? "fail" : "online");
    }
  }
  return text;
}

std::string Topology::MakeNodesText() const {
  std::string text;
  for (const Node& node : nodes_) {
    const HostPort address = *ParseHostPort(node.config->resp_cluster);
    const bool myself = node.config->id == config_.node;
    const bool master = node.master == NodeId();
    std::string_view master_id = "-";
    for (const Node& other : nodes_) {
      if (!master && other.config->id == node.master) master_id = other.id;
    }
    Append(&text, node.id, ' ', FormatBareHostPort(address.host, address.port),
           '@', ParseHostPort(node.config->peer)->port, ' ',
           myself ? "myself," : "", master ? "master" : "slave",
           node.failed ? ",fail" : "", ' ', master_id, " 0 0 ", node.config->id,
           ' ', node.linked ? "connected" : "disconnected");
    // A client would take other slots for those of its own hash.
    if (map().partitioner() != Partitioner::kHashSlots) {
      text.push_back('\n');
      continue;
    }
    for (const SlotRange& range : node.slots) {
      Append(&text, ' ', range.first);
      if (range.first != range.last) Append(&text, '-', range.last);
    }
    text.push_back('\n');
  }
  return text;
}

std::string_view Topology::SlotsReply(int version, bool all) {
  Refresh();
  std::string& reply = slots_replies_[version >= 3 ? 1 : 0][all ? 1 : 0];
  if (reply.empty()) reply = MakeSlotsReply(version, all);
  return reply;
}

std::string_view Topology::ShardsReply(int version) {
  Refresh();
  std::string& reply = shards_replies_[version >= 3];
  if (reply.empty()) reply = MakeShardsReply(version);
  return reply;
}

std::string_view Topology::NodesText() {
  Refresh();
  if (nodes_text_.empty()) nodes_text_ = MakeNodesText();
  return nodes_text_;
}

}  // namespace quorate::node
