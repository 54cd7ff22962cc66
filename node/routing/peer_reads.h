// node/routing/peer_reads.h: reads of one group that nodes without a replica
// forward to the leader. They cost no log entry.
//
// The leader confirms a read point, then evaluates the reads of the batch on
// its own state. Knows neither sinks nor connections.
#ifndef QUORATE_NODE_ROUTING_PEER_READS_H_
#define QUORATE_NODE_ROUTING_PEER_READS_H_

#include <cstdint>

#include "env/buffer.h"
#include "kv/command/command.h"
#include "kv/store/store.h"
#include "node/peers/peer_message.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/long_work.h"
#include "node/routing/queue_parts.h"

namespace quorate::node {

class PeerReads {
 public:
  // All outlive the object.
  PeerReads(const QueueParts& parts, GroupLeadership& leadership,
            const Forwarding& forwarding, LongWork& long_work)
      : parts_(parts),
        leadership_(leadership),
        forwarding_(forwarding),
        long_work_(long_work) {}

  // Answers with the results of the first reads of the batch, or with
  // kNotExecuted and the leader's name if this node does not lead. There is no
  // result only if the first read needs an entry. The rest is left out:
  // - after bounds.entry_result_bytes and one result more
  // - after the work of a few thousand keys
  // - from the first read on for which a key is due by now, but not by log time
  // - from the first read of many keys on, unless it is alone
  void Serve(Buffer batch, PeerDone done);

 private:
  // A read of many keys, over several turns.
  struct LongAnswer;

  // True if the read is answered alone and in pieces.
  bool IsLong(const kv::CommandView& command) const;
  void ServeNow(Buffer batch, PeerDone done);
  // Does the next piece. Returns true if the read is answered.
  bool ServePiece(LongAnswer& answer);
  bool Begin(LongAnswer& answer);
  Buffer EvaluateReads(const kv::Store& store, const Buffer& batch,
                       uint64_t* work) const;

  const QueueParts& parts_;
  GroupLeadership& leadership_;
  const Forwarding& forwarding_;
  LongWork& long_work_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_PEER_READS_H_
