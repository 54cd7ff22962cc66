// node/routing/forward_channel.h: forwarded batches take effect in the order in which they were sent, or not at all.
//
// A batch on its way to another node may arrive late: after its sender gave it up, after later batches went another way, after
// the receiver lost its leadership and won it again. So a node opens a channel at the leader before it forwards to it and
// numbers its batches there. A leader takes a batch only in a channel that it opened itself, in its present term, and only above
// all numbers it took there before. Two batches of one sender then are in one channel, where numbers order them, or in channels
// of two terms, where the log does: what is appended in the older term after the newer one began is never committed; or the
// older one's channel was closed before the newer one's was opened.
#ifndef QUORATE_NODE_ROUTING_FORWARD_CHANNEL_H_
#define QUORATE_NODE_ROUTING_FORWARD_CHANNEL_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/btree_map.h"
#include "raft/core/types.h"

namespace quorate::node {

// The place of a batch in a channel.
struct ForwardStamp {
  raft::Term term;       // Of the leadership that opened the channel.
  uint64_t channel = 0;  // 0: none.
  uint64_t number = 0;   // Rising, from 1.
};

// The leader's side, of one group.
class ForwardChannels {
 public:
  // Beyond so many the oldest is closed; its sender opens another.
  static constexpr size_t kChannelsMax = 1024;

  // A new channel, for a leader in `term`. Closes `instead`, if it is open.
  ForwardStamp Open(raft::Term term, const ForwardStamp& instead);
  // True if a leader in `term` may take a batch so stamped, once.
  bool Take(raft::Term term, const ForwardStamp& stamp);

 private:
  void Enter(raft::Term term);

  raft::Term term_;
  uint64_t opened_ = 0;
  absl::btree_map<uint64_t, uint64_t> taken_;  // By channel: the last number.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_FORWARD_CHANNEL_H_
