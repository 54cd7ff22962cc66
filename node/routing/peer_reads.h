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
#include "kv/command/result.h"
#include "kv/store/store.h"
#include "node/peers/answer_room.h"
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
        short_work_(parts.loop, parts.work),
        long_work_(long_work) {}

  // Answers with the results of the first reads of the batch, or with
  // kNotExecuted and the leader's name if this node does not lead. There is no
  // result only if the first read needs an entry. The rest is left out:
  // - after bounds.entry_result_bytes and one result more
  // - after the work of a few thousand keys or a few hundred KiB
  // - from the first read on for which a key is due by the log time of the read
  //   point, but not by that of the last entry
  // - from the first read of many keys or bytes on, unless it is alone
  // `room` outlives `done`.
  void Serve(Buffer batch, PeerDone done, AnswerRoom& room);

 private:
  // The answer of a read of many keys or bytes, over several turns.
  struct LongAnswer;
  struct Evaluated {
    Buffer results;
    uint64_t work = 0;         // In units of TurnWork.
    bool begins_long = false;  // The first read is long. There is no result.
  };

  // True if the read is answered alone and in pieces.
  bool HasManyKeys(const kv::CommandView& command) const;
  bool HasManyBytes(const kv::ResultView& result) const;
  // Once the turn has time and the link has room.
  void ServeSoon(Buffer batch, PeerDone done, AnswerRoom& room);
  void ServeNow(Buffer batch, PeerDone done, AnswerRoom& room);
  // Does the next piece. Returns true if the read is answered.
  bool ServePiece(LongAnswer& answer);
  bool Begin(LongAnswer& answer);
  // A command that is no read, or not of this store, is kMalformed.
  Evaluated EvaluateReads(const kv::Store& store, const Buffer& batch) const;

  const QueueParts& parts_;
  GroupLeadership& leadership_;
  const Forwarding& forwarding_;
  LongWork short_work_;  // Answers that are made in one turn.
  LongWork& long_work_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_PEER_READS_H_
