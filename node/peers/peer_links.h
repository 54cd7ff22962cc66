// node/peers/peer_links.h: the links of a node to the other nodes of the map,
// in both directions, over the transport between peers.
#ifndef QUORATE_NODE_PEERS_PEER_LINKS_H_
#define QUORATE_NODE_PEERS_PEER_LINKS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/transport.h"
#include "node/base/turn_work.h"
#include "node/cluster/cluster_map.h"
#include "node/cluster/node_addresses.h"
#include "node/config/config.h"
#include "node/peers/peer_answers.h"
#include "node/peers/peer_link.h"
#include "node/peers/peer_message.h"

namespace quorate::node {

// Answers queries of other nodes for the state of this one, and takes their
// answers.
class StatusObserver {
 public:
  // The newest report of `node`, of which only start and changes are read.
  virtual const NodeReport& Known(NodeId node) = 0;
  // `asker` has the store `store`.
  virtual NodeReport Report(NodeId asker, StoreIncarnation store,
                            const StatusQuery& query) = 0;
  // The answer of `node`, which has the store `store`, to a query of this
  // process. The answers of a node are given in the order of their queries;
  // some may be missing.
  virtual void OnReport(NodeId node, StoreIncarnation store,
                        const NodeReport& report) = 0;
  // Messages to `node` have a new way; earlier ones may be lost.
  virtual void OnLinkOpened(NodeId node) = 0;

 protected:
  ~StatusObserver() = default;
};

class PeerLinks final : public env::Transport::Receiver {
 public:
  // All outlive the object.
  PeerLinks(env::Env& env, const Config& config, ClusterMap& cluster,
            TurnWork& work);
  PeerLinks(const PeerLinks&) = delete;
  PeerLinks& operator=(const PeerLinks&) = delete;

  // Takes requests of other nodes from now on. Until then their messages are
  // dropped. `on_room` is called when a link that lacked room may have some.
  // `status` outlives the object.
  void Start(PeerAnswers::Handler handler, absl::AnyInvocable<void()> on_room,
             StatusObserver* status);
  // The addresses that this node tells others with each query. Call once the
  // host has started.
  void SetOwnAddresses(NodeAddresses own) { own_ = std::move(own); }
  // Reports that the map has other nodes. Requests to a node that is gone fail.
  void OnMapChanged();

  // Asks `node` for its report, and answers its last query if that has no
  // answer yet. Query and answer travel in the lane of heartbeats, and may be
  // lost. Requires: `node` is another node, which the map has or had.
  void AskStatus(NodeId node);
  // Asks `node`, and lets it have the report of this node at once. That goes
  // with the question if the last query of `node` has no answer yet. Else it
  // answers the query that comes with the answer.
  void TellStatus(NodeId node);
  // Tells all nodes whether this one gives its leaderships away and takes no
  // others, now and with each query. At first it does not.
  void TellGivesAway(bool gives_away);
  // The process of `node` said so last.
  bool GivesAway(NodeId node) const;
  // True if `node` has asked for an answer at once since the last call.
  bool TakeAsked(NodeId node);

  // Whether `node` is another node, which the map has or had.
  bool Knows(NodeId node) const { return peers_.contains(node); }
  // Requires: Knows(node).
  PeerLink& To(NodeId node);
  const PeerCounters& counters() const { return counters_; }
  // Bytes of requests without an answer, in both directions, and of answers
  // that are not sent.
  size_t held_bytes() const;
  // Every request of this node's clients has its answer, and every answer of
  // this node was sent.
  bool idle() const;

 private:
  struct Peer {
    std::unique_ptr<PeerLink> link;
    std::unique_ptr<PeerAnswers> answers;
    raft::MessageLink way;      // From this node to the other one.
    uint64_t status_asked = 0;  // The number of the last query.
    uint64_t status_taken = 0;  // That of the last query with an answer.
    // The last query of the other node that asked for no answer at once, until
    // it is answered; and the node's store.
    std::optional<StatusQuery> waiting;
    StoreIncarnation store;
    bool asked = false;  // See TakeAsked.
    bool tells = false;  // The next query is answered at once (TellStatus).
    bool gives_away = false;
    // The map has the node no longer. Callbacks may still name the links. The
    // id of a node is not used again, so there are few such peers.
    bool gone = false;
  };

  void AddPeer(NodeId node);
  Peer& PeerOf(NodeId node);
  void OnMessage(NodeId from, StoreIncarnation incarnation,
                 Buffer message) override;
  void OnStatus(NodeId from, StoreIncarnation store, Peer& peer,
                const StatusMessage& message);
  void SendStatus(NodeId to, Peer& peer, StatusMessage::Kind kind);
  void OnStatusAnswer(NodeId from, StoreIncarnation store, Peer& peer,
                      const StatusAnswer& answer);
  void OnLaneHasRoom(NodeId to, env::Lane lane) override;
  void OnLaneOpened(NodeId to, env::Lane lane) override;
  void OnLaneClosed(NodeId to, env::Lane lane) override;

  env::Env& env_;
  const Config& config_;
  ClusterMap& cluster_;
  TurnWork& work_;
  PeerCounters counters_;
  const uint64_t life_;           // A random number of this process, not 0.
  PeerAnswers::Handler handler_;  // Null before Start.
  StatusObserver* status_ = nullptr;
  NodeAddresses own_;
  bool gives_away_ = false;  // This node does.
  absl::AnyInvocable<void()> on_room_;
  // References stay valid: the message of one peer may add another.
  std::map<NodeId, Peer> peers_;
  bool malformed_logged_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_PEER_LINKS_H_
