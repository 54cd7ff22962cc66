// node/routing/result_room.h: room for the results of commands that travel in
// the batches of one group.
//
// A batch returns its results whether its sinks can send them or not. So their
// sizes are estimated and reserved before a command enters a batch.
#ifndef QUORATE_NODE_ROUTING_RESULT_ROOM_H_
#define QUORATE_NODE_ROUTING_RESULT_ROOM_H_

#include <cstddef>

#include "absl/types/span.h"
#include "kv/command/command.h"
#include "node/routing/connection_order.h"
#include "node/routing/group_leadership.h"
#include "node/routing/queue_parts.h"

namespace quorate::node {

// The BatchQueue reserves these bytes in the node's budget for replies until
// the answer (ConnectionOrder::result_bytes).
class ResultRoom {
 public:
  // Results up to this size are not checked for room: a value fits, and a step
  // of a scan.
  static constexpr size_t kSmallBytes = 2 * kv::kScanBytesMax;

  // Both outlive the object.
  ResultRoom(const QueueParts& parts, const GroupLeadership& leadership)
      : parts_(parts), leadership_(leadership) {}

  // Upper bound of the result of `spec`, in bytes. Exact for the state applied
  // here plus the connection's own writes that are in flight, or may still be
  // executed. Without a replica, the largest value counts. The lookups of an
  // MGET are work of the turn.
  size_t BytesOf(const ConnectionOrder& order,
                 const kv::CommandSpec& spec) const;
  // Upper bound of the result of `specs` as one kAtomic. Its lookups are part
  // of TurnWork::kExecArgument.
  size_t BytesOfAtomic(const ConnectionOrder& order,
                       absl::Span<const kv::CommandSpec> specs) const;
  // True if batches may carry results of this many more bytes for the
  // connection.
  bool Fits(const ConnectionOrder& order, size_t bytes) const;

 private:
  // As BytesOf, behind writes of a transaction of this encoded size.
  size_t BytesBehind(size_t before_bytes, const ConnectionOrder& order,
                     const kv::CommandSpec& spec) const;

  const QueueParts& parts_;
  const GroupLeadership& leadership_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_RESULT_ROOM_H_
