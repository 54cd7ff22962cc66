// node/routing/peer_reads.h: reads of one group that nodes without a replica
// forward to the leader. They cost no log entry.
//
// The leader confirms a read point, then evaluates the reads of the batch on
// its own state. Knows neither sinks nor connections.
#ifndef QUORATE_NODE_ROUTING_PEER_READS_H_
#define QUORATE_NODE_ROUTING_PEER_READS_H_

#include "env/buffer.h"
#include "env/time.h"
#include "kv/store/store.h"
#include "node/config/config.h"
#include "node/peers/peer_message.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/queue_parts.h"

namespace quorate::node {

class PeerReads {
 public:
  // All outlive the object.
  PeerReads(const QueueParts& parts, GroupLeadership& leadership,
            const Forwarding& forwarding)
      : parts_(parts), leadership_(leadership), forwarding_(forwarding) {}

  // Answers with the results of the first reads of the batch, or with
  // kNotExecuted and the leader's name if this node does not lead. There is no
  // result only if the first read needs an entry. The rest is left out:
  // - after bounds.entry_result_bytes and one result more
  // - after the work of a few thousand keys
  // - from the first read on for which a key is due by now, but not by log time
  void Serve(Buffer batch, PeerDone done);

 private:
  const QueueParts& parts_;
  GroupLeadership& leadership_;
  const Forwarding& forwarding_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_PEER_READS_H_
