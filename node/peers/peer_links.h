// node/peers/peer_links.h: the links of a node to all other nodes, in both
// directions, over the transport between peers.
#ifndef QUORATE_NODE_PEERS_PEER_LINKS_H_
#define QUORATE_NODE_PEERS_PEER_LINKS_H_

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/transport.h"
#include "node/config/config.h"
#include "node/peers/peer_answers.h"
#include "node/peers/peer_link.h"

namespace quorate::node {

class PeerLinks final : public env::Transport::Receiver {
 public:
  // `env` and `config` outlive the object.
  PeerLinks(env::Env& env, const Config& config);
  PeerLinks(const PeerLinks&) = delete;
  PeerLinks& operator=(const PeerLinks&) = delete;

  // Takes requests of other nodes from now on. Until then their messages are
  // dropped. `on_room` is called when a link that lacked room may have some.
  void Start(PeerAnswers::Handler handler, absl::AnyInvocable<void()> on_room);

  // Requires: `node` is another node of the configuration.
  PeerLink& To(NodeId node);
  const PeerCounters& counters() const { return counters_; }
  // Bytes of requests without an answer, in both directions, and of answers
  // that are not sent.
  size_t held_bytes() const;

 private:
  struct Peer {
    std::unique_ptr<PeerLink> link;
    std::unique_ptr<PeerAnswers> answers;
  };

  void OnMessage(NodeId from, StoreIncarnation incarnation,
                 Buffer message) override;
  void OnLaneHasRoom(NodeId to, env::Lane lane) override;
  void OnLaneOpened(NodeId to, env::Lane lane) override;
  void OnLaneClosed(NodeId to, env::Lane lane) override;

  env::Env& env_;
  const Config& config_;
  PeerCounters counters_;
  PeerAnswers::Handler handler_;  // Null before Start.
  absl::AnyInvocable<void()> on_room_;
  absl::btree_map<NodeId, Peer> peers_;
  bool malformed_logged_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_PEER_LINKS_H_
