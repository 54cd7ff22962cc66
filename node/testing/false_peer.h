// node/testing/false_peer.h: a program that takes the place of one node of a
// cluster. It has the identity of that node.
#ifndef QUORATE_NODE_TESTING_FALSE_PEER_H_
#define QUORATE_NODE_TESTING_FALSE_PEER_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "env/check.h"
#include "env/env.h"
#include "node/base/turn_work.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/peers/node_report.h"
#include "node/peers/peer_links.h"
#include "node/peers/peer_message.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {

// One group with all slots, whose only replica is on the first node.
inline void OneReplica(Config& config) {
  config.shards.push_back({.group = GroupId(1),
                           .name = "g1",
                           .slots = {{0, 16383}},
                           .replicas = {NodeId(1)}});
}

// Talks to the node at position `other` alone.
class FalsePeer : private StatusObserver {
 public:
  FalsePeer(env::Env& env, const env::TransportIdentity& identity,
            const Config& config, size_t other)
      : env_(env),
        config_(config),
        cluster_(config_),
        work_(env.loop, config.bounds.turn_work),
        links_(env, config_, cluster_, work_) {
    const NodeConfig& node = config_.nodes[other];
    CHECK(env.transport
              .Start(identity, config.listen.peer, {{node.id, node.peer}},
                     &links_)
              .ok());
    links_.Start([this](const PeerRequest& request, PeerDone done,
                        AnswerRoom&) { done(Answer(request)); },
                 [] {}, this);
  }
  virtual ~FalsePeer() { env_.transport.Stop(); }

 protected:
  virtual PeerResult Answer(const PeerRequest&) { return {}; }
  NodeReport Report(NodeId, StoreIncarnation, const StatusQuery&) override {
    return {.start = 1, .changes = 1};
  }
  const Config& config() const { return config_; }
  PeerLinks& links() { return links_; }

 private:
  const NodeReport& Known(NodeId) override { return known_; }
  void OnReport(NodeId, StoreIncarnation, const NodeReport&) override {}
  void OnLinkOpened(NodeId) override {}

  env::Env& env_;
  const Config config_;
  ClusterMap cluster_;
  TurnWork work_;
  PeerLinks links_;
  const NodeReport known_;
};

// Crashes `node` and starts a Peer in its place, which the cluster owns.
template <typename Peer>
Peer* ReplaceByFalsePeer(TestCluster& cluster, size_t node, size_t other) {
  const env::TransportIdentity identity =
      cluster.server(node).host().identity();
  cluster.Crash(node);
  Peer* peer = nullptr;
  cluster.world().Start(cluster.machine(node), [&cluster, &peer, identity, node,
                                                other](env::Env& env) {
    auto program =
        std::make_shared<Peer>(env, identity, cluster.config(node), other);
    peer = program.get();
    return program;
  });
  cluster.world().RunFor(Seconds(5));
  return peer;
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_TESTING_FALSE_PEER_H_
