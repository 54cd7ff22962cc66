// node/cluster/peer_dialer.h: chooses the address at which this node dials each
// other node.
//
// Several addresses of a node may be known, and all are hints. The dialer tries
// one after the other until a handshake proves that the node answers there.
#ifndef QUORATE_NODE_CLUSTER_PEER_DIALER_H_
#define QUORATE_NODE_CLUSTER_PEER_DIALER_H_

#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/time.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "raft/host/host.h"

namespace quorate::node {

// The addresses of a node are tried in this order:
// - the one of its newest report;
// - the one of the file, which an operator may have edited;
// - the one of the map;
// - each of the seeds, whichever node answers there.
//
// An address at which another node has answered is left out. A newer report is
// tried at once.
class PeerDialer {
 public:
  // The time for which one address is tried. A dial that works takes less than
  // the greatest one, and mostly less than the least. Where others are known,
  // it begins with the least, and each round doubles it.
  static constexpr Duration kPatienceMin = Milliseconds(500);
  static constexpr Duration kPatienceMax = Seconds(2);

  // All outlive the object.
  PeerDialer(env::Env& env, raft::Host& host, const Config& config,
             const ClusterMap& cluster);
  PeerDialer(const PeerDialer&) = delete;
  PeerDialer& operator=(const PeerDialer&) = delete;

  // Begins to choose. Requires: the host has started.
  void Start();
  // Reports that nodes or addresses of the map changed.
  void OnClusterChanged();

 private:
  struct Target {
    std::string address;  // It is dialled. Empty: none is known.
    std::vector<StoreIncarnation> given_up;  // As in env::PeerAddress.
    std::string newest;  // The peer address of the newest report.
    // When the address was chosen, or the link was last open.
    MonoTime since;
    Duration patience = kPatienceMin;
  };

  void Tick();
  // Chooses an address for each node, and tells the host of changes.
  void Choose();
  void ChooseFor(NodeId node, MonoTime now);
  std::vector<std::string> AddressesOf(NodeId node) const;
  bool AnotherAnswers(NodeId node, const std::string& address) const;
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  raft::Host& host_;
  const Config& config_;
  const ClusterMap& cluster_;
  bool started_ = false;
  absl::btree_map<NodeId, Target> targets_;
  env::Pending timer_;
  env::Pending deferred_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLUSTER_PEER_DIALER_H_
