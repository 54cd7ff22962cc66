// node/cluster/cluster_map.h: the cluster as this node knows it: the newest
// shard map, and the addresses that nodes reported of themselves.
//
// It is the only source of nodes, groups and addresses for the other parts of a
// node. The configuration file founds a cluster; afterwards it tells this
// node's own addresses, and where others may be found. The map says which
// replicas are wanted. Where replicas are, Raft's configurations say. A node
// that starts has an old map, so it also takes their members for nodes. Until a
// newer map comes, those that reported their addresses are nodes, too.
#ifndef QUORATE_NODE_CLUSTER_CLUSTER_MAP_H_
#define QUORATE_NODE_CLUSTER_CLUSTER_MAP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "kv/slots/slot_strategy.h"
#include "node/cluster/node_addresses.h"
#include "node/config/config.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// The observer is told of each change during the call that makes it. The server
// passes that on to the readers, in the order that it states. None of them may
// change the map in that call.
class ClusterMap {
 public:
  // Reports of further nodes are ignored. A node may have reported its
  // addresses before the map has it. A map without it ends the report.
  static constexpr size_t kReportsMax = 4096;
  enum class Change : uint8_t {
    kMap,        // Nodes, groups or slots.
    kNodes,      // Nodes that the map does not have.
    kAddresses,  // Of nodes that were there before.
  };
  // The first map is that of the file. `config` outlives the object.
  explicit ClusterMap(const Config& config);
  ClusterMap(const ClusterMap&) = delete;
  ClusterMap& operator=(const ClusterMap&) = delete;

  void SetObserver(absl::AnyInvocable<void(Change)> observer) {
    observer_ = std::move(observer);
  }

  const shardctrl::ShardMap& shards() const { return shards_; }
  // The slots of keys. Changes with the first map only.
  const kv::SlotStrategy& slots() const { return *slots_; }
  // The nodes of the map, others as above, and this one, ascending by id. Each
  // has the addresses of its newest report, or else those of the map. Either
  // all are in the form "host:port", or all are empty: not known. Pointers and
  // references are valid until the next change.
  const std::vector<NodeConfig>& nodes() const { return nodes_; }
  // Null for a node that nodes() does not have.
  const NodeConfig* FindNode(NodeId node) const;
  // Null also for a node whose addresses are not known.
  const NodeConfig* FindListed(NodeId node) const {
    const NodeConfig* const found = FindNode(node);
    return found == nullptr || found->peer.empty() ? nullptr : found;
  }
  // This node has the addresses of its configuration.
  const NodeConfig& self() const { return *FindNode(config_.node); }
  // The reports of other nodes, by node.
  const absl::btree_map<NodeId, NodeAddresses>& reports() const {
    return reports_;
  }
  // Whether the node itself has reported its addresses to this process.
  bool heard(NodeId node) const { return heard_.contains(node); }

  // Takes a newer map. Requires: a higher version, with the partitioner and the
  // number of slots of the map before.
  void SetMap(shardctrl::ShardMap map);
  // Replaces the first map by that of the founded cluster, which the file may
  // contradict, and `division` is the one of its founding. Requires: no reader
  // has begun its work.
  void SetFirstMap(shardctrl::ShardMap map, const KeyDivision& division);

  // The cluster has removed this node, or another store has taken its place.
  // From then on this one only tells clients of other nodes.
  bool removed() const { return removed_; }
  void SetRemoved();

  // Takes the nodes that the configurations of the replicas here name. They are
  // nodes of the cluster until the map has them, or no configuration.
  void SetMembers(absl::btree_set<NodeId> members);

  // Stores that the cluster has given up (shardctrl::GivenUpStores). Takes
  // effect with the map that follows.
  using GivenUp = std::map<NodeId, std::vector<StoreIncarnation>>;
  void SetGivenUp(GivenUp stores) { given_up_ = std::move(stores); }
  const GivenUp& given_up() const { return given_up_; }

  // Takes a report. Ignores one that is not newer, or that has a malformed
  // address. Returns whether it was taken.
  //   FromItself: the sender is the node, as the handshake proved. Another
  //     store than before replaces the report.
  //   FromOther: another node, or the cache, has it. A node that was heard
  //     itself knows better.
  bool LearnFromItself(const NodeAddresses& report);
  bool LearnFromOther(const NodeAddresses& report);

 private:
  bool Learn(const NodeAddresses& report);
  // The nodes that the map may lack.
  absl::btree_set<NodeId> OtherNodes() const;
  // Makes nodes_ of the map, the members and the reports.
  void MakeNodes();
  // The addresses of the newest report; or else those of the map, or those of
  // the file. A node of the founding may not have reported so far.
  void FillIn(NodeConfig* row) const;
  void Tell(Change change) {
    if (observer_) observer_(change);
  }

  const Config& config_;
  shardctrl::ShardMap shards_;
  std::unique_ptr<const kv::SlotStrategy> slots_;
  bool first_ = true;  // It is the map with which this node began.
  bool removed_ = false;
  absl::btree_set<NodeId> members_;  // As of SetMembers: not in the map.
  std::vector<NodeConfig> nodes_;
  GivenUp given_up_;
  absl::btree_map<NodeId, NodeAddresses> reports_;
  // The store with which each node was heard.
  absl::btree_map<NodeId, StoreIncarnation> heard_;
  absl::AnyInvocable<void(Change)> observer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLUSTER_CLUSTER_MAP_H_
