// node/routing/peer_batches.h: the batches of one group that other nodes
// forwarded to this node, which leads the group.
//
// Commands, order and limits of such a batch are those of its sender. This
// object proposes the batch unchanged and returns the result. The stamps of
// batches are node/routing/forwarding.h's.
#ifndef QUORATE_NODE_ROUTING_PEER_BATCHES_H_
#define QUORATE_NODE_ROUTING_PEER_BATCHES_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "env/buffer.h"
#include "env/fifo.h"
#include "node/peers/forward_channel.h"
#include "node/peers/peer_message.h"
#include "node/routing/entries_in_flight.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/queue_parts.h"
#include "raft/host/host.h"

namespace quorate::node {

// Invariant: batches are proposed in the order of Add.
class PeerBatches {
 public:
  // All outlive the object. `wake` requests a Flush of the queue.
  PeerBatches(const QueueParts& parts, GroupLeadership& leadership,
              Forwarding& forwarding, EntriesInFlight& in_flight,
              QueueCounters& counters, absl::AnyInvocable<void()> wake);

  // Adds a batch that `forwarding` has accepted. `done` is called once, unless
  // the object is destroyed first.
  void Add(const ForwardStamp& stamp, Buffer payload, PeerDone done);
  // Proposes the first batch, or answers it if it may not be proposed any more.
  Submission Submit();
  // True if no batch waits.
  bool empty() const { return waiting_.empty(); }

 private:
  struct PeerBatch {
    ForwardStamp stamp;
    Buffer payload;
    PeerDone done;
  };

  const QueueParts& parts_;
  GroupLeadership& leadership_;
  Forwarding& forwarding_;
  EntriesInFlight& in_flight_;
  QueueCounters& counters_;
  absl::AnyInvocable<void()> wake_;
  Fifo<PeerBatch> waiting_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_PEER_BATCHES_H_
