// raft/transport/seen_starts.h: the latest start of each peer's store that this
// node has admitted, and what it proves (decision 0114). Pure.
//
// It also has the stores of each peer that the cluster has given up.
// One store of each peer is remembered: groups refuse the messages of another
// one. Used only by the transport.
#ifndef QUORATE_RAFT_TRANSPORT_SEEN_STARTS_H_
#define QUORATE_RAFT_TRANSPORT_SEEN_STARTS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "env/ids.h"
#include "env/transport.h"
#include "raft/transport/handshake.h"

namespace quorate::raft {

class SeenStarts {
 public:
  enum class Verdict { kRefused, kKnown, kNew };

  // An earlier program of this node saw it.
  void Recall(NodeId node, const env::SeenStart& seen);
  void Forget(NodeId node) {
    seen_.erase(node);
    given_up_.erase(node);
  }

  // As in env::PeerAddress.
  void SetGivenUp(NodeId node, std::vector<StoreIncarnation> stores);
  bool IsGivenUp(NodeId node, StoreIncarnation store) const;

  // Remembers a start of the peer. kRefused, and no effect, if it lacks one
  // that was seen. kKnown: it was the latest one already.
  Verdict Take(NodeId node, const env::SeenStart& start,
               const env::EarlierStarts& earlier);
  // The number of the latest start of the peer.
  uint64_t NumberOf(NodeId node) const;
  // Whether the refusal of a peer proves that this program must end. A peer
  // that lacks a start of its own, as this node knows, is not believed.
  bool Believes(NodeId node, const HelloReply& refusal) const;

 private:
  std::map<NodeId, env::SeenStart> seen_;
  std::map<NodeId, std::vector<StoreIncarnation>> given_up_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_SEEN_STARTS_H_
