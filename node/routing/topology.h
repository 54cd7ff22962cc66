// node/routing/topology.h: the cluster as its clients see it: one role for each address.
//
// A node is a master with exactly the slots whose groups it leads; one that leads nothing is a replica of one master. While a
// group has no known leader the last one stands in; if its replica there does not work, another one does.
#ifndef QUORATE_NODE_ROUTING_TOPOLOGY_H_
#define QUORATE_NODE_ROUTING_TOPOLOGY_H_

#include <string>
#include <string_view>
#include <vector>

#include "env/ids.h"
#include "node/config/config.h"
#include "node/protocol/resp_writer.h"
#include "node/routing/router.h"
#include "shardctrl/map.h"

namespace quorate::node {

// "127.0.0.1:7001" → {"127.0.0.1", 7001}; brackets of IPv6 go.
struct HostPort {
  std::string host;
  int64_t port = 0;
};
HostPort SplitAddress(std::string_view address);

class Topology {
 public:
  struct Node {
    const NodeConfig* config = nullptr;
    std::string id;  // 40 hex digits.
    // Led by it; empty for replicas.
    std::vector<SlotRange> slots;
    // Zero for a master.
    NodeId master;
    // It answers, and is not refused.
    bool linked = true;
    // It is not linked, or none of the replicas that it holds works.
    bool failed = false;
  };

  // Both outlive it. `map` is the configuration's.
  Topology(const Config& config, const shardctrl::ShardMap& map,
           Router& router);

  // As of now; valid until the next call.
  const std::vector<Node>& nodes();
  const Node& self();
  const Node* Find(std::string_view id);
  // The group's leader, or the one that stands in; zero if this node's replica is the only one and does not work, or if no
  // leader can be a peer of this node.
  NodeId LeaderOf(GroupId group);
  // Of all 16384, those whose group has a leader at this moment as far as known.
  uint32_t slots_with_leader();

  // The replies of CLUSTER SLOTS, SHARDS and NODES; kept until the view changes.
  std::string_view SlotsReply(int version);
  std::string_view ShardsReply(int version);
  std::string_view NodesText();

 private:
  void Refresh();
  // Who stands for the group's leader now.
  NodeId LeaderToList(const shardctrl::Group& group) const;
  // Whether the node answers and its replica of the group, if it holds one, works.
  bool Works(NodeId node, GroupId group) const;
  // Works, and a replica is there.
  bool Serves(NodeId node, const shardctrl::Group& group) const;
  void RefreshNode(Node& node);
  void WriteNode(const Node& node, RespWriter& reply) const;
  std::string MakeSlotsReply(int version) const;
  std::string MakeShardsReply(int version) const;
  std::string MakeNodesText() const;

  const Config& config_;
  const shardctrl::ShardMap& map_;
  Router& router_;
  uint64_t version_ = 0;         // Of the view, when nodes_ was made.
  std::vector<NodeId> leaders_;  // By position of the group in the map.
  std::vector<Node> nodes_;
  std::string slots_replies_[2];
  std::string shards_replies_[2];
  std::string nodes_text_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_TOPOLOGY_H_
