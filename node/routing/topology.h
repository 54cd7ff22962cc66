// node/routing/topology.h: the cluster as clients see it, with one role for
// each address.
//
// A node is a master with exactly the slots whose groups it leads. A node that
// leads nothing is a replica of one master. While a group has no known leader,
// its last leader is listed; if the replica there does not work, another
// replica is listed.
#ifndef QUORATE_NODE_ROUTING_TOPOLOGY_H_
#define QUORATE_NODE_ROUTING_TOPOLOGY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/ids.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/protocol/resp_writer.h"
#include "node/routing/router.h"
#include "shardctrl/map.h"

namespace quorate::node {

class Topology {
 public:
  struct Node {
    // Valid until the next change of the ClusterMap.
    const NodeConfig* config = nullptr;
    std::string id;  // 40 hex digits.
    // The slots that the node leads; empty for replicas.
    std::vector<SlotRange> slots;
    // Zero for a master.
    NodeId master;
    // The node answers and is not refused.
    bool linked = true;
    // The node has no link, or none of its replicas works.
    bool failed = false;
  };

  // All outlive it.
  Topology(const Config& config, const ClusterMap& cluster, Router& router);

  // Reports that nodes, groups, slots or addresses changed.
  void OnClusterChanged();

  // The present nodes whose addresses are known; valid until the next call.
  const std::vector<Node>& nodes();
  const Node& self();
  const Node* Find(std::string_view id);
  // The number of slots whose group has a known leader.
  uint32_t slots_with_leader();

  // The replies of CLUSTER SLOTS, SHARDS and NODES; kept until the view
  // changes. `all`: that of QUORATE.SLOTS.
  std::string_view SlotsReply(int version, bool all = false);
  std::string_view ShardsReply(int version);
  std::string_view NodesText();

 private:
  void Refresh();
  const shardctrl::ShardMap& map() const { return cluster_.shards(); }
  // The group's leader, or the node listed in its place. Zero if this node has
  // the only replica and it does not work, or if no leader can be a peer of
  // this node.
  NodeId LeaderOf(GroupId group);
  // The node to list as the leader of the group at this position.
  NodeId LeaderToList(size_t group) const;
  // The group's position in the map; the number of groups if it is unknown.
  size_t PositionOf(GroupId group) const;
  // The node's position in nodes_; the number of nodes if it is unknown.
  size_t PositionOf(NodeId node) const;
  // Notes which nodes hold a replica of each group.
  void RefreshHolders();
  // Gives each node the slots whose group it leads.
  void RefreshSlots();
  // True if the node answers and its replica of the group, if it has one,
  // works.
  bool Works(NodeId node, GroupId group) const;
  void RefreshNode(Node& node);
  void WriteNode(const Node& node, RespWriter& reply) const;
  // The addresses of one group, as positions in nodes_.
  struct Listing {
    size_t master = 0;  // The size of nodes_ if no node is listed.
    // Nodes without slots whose master is this one, and whose replica of the
    // group works; or all whose replica works. Ascending.
    std::vector<size_t> replicas;
    bool operator==(const Listing&) const = default;
  };
  Listing ListingOf(size_t position, bool all) const;
  std::string MakeSlotsReply(int version, bool all) const;
  std::string MakeShardsReply(int version) const;
  std::string MakeNodesText() const;

  const Config& config_;
  const ClusterMap& cluster_;
  Router& router_;
  // The version of the view from which nodes_ was made. None: the map changed.
  std::optional<uint64_t> version_;
  std::vector<NodeId> leaders_;  // By the group's position in the map.
  // By the same positions: the places in nodes_ of the nodes with a replica of
  // the group, ascending.
  std::vector<std::vector<size_t>> holders_;
  // The groups of leaders_, ascending.
  std::vector<GroupId> groups_;
  // The positions of the groups of the map's assignments.
  std::vector<size_t> assigned_;
  std::vector<bool> has_slots_;  // By the same positions.
  std::vector<Node> nodes_;
  std::string slots_replies_[2][2];  // The second index: all.
  std::string shards_replies_[2];
  std::string nodes_text_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_TOPOLOGY_H_
