// node/peers/forward_channel.h: forwarded batches take effect in the order in
// which they were sent, or not at all.
//
// A forwarded batch may arrive late: after its sender gave up, after later
// batches went elsewhere, or after the receiver lost leadership and regained
// it. So a node opens a channel at the leader before it forwards, and numbers
// its batches in that channel. A leader accepts a batch only in a channel that
// it opened in its present term. The batch's number must be above all numbers
// that the leader accepted in that channel.
//
// Two batches of one sender are therefore ordered in one of these ways:
// - They are in one channel: their numbers order them.
// - Their channels belong to two terms: if both are committed, the entry of the
//   older term comes first in the log.
// - Their channels belong to one term: the older channel was closed before the
//   newer one was opened.
#ifndef QUORATE_NODE_PEERS_FORWARD_CHANNEL_H_
#define QUORATE_NODE_PEERS_FORWARD_CHANNEL_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/btree_map.h"
#include "raft/core/types.h"

namespace quorate::node {

// The position of a batch in a channel.
struct ForwardStamp {
  raft::Term term;       // The term of the leader that opened the channel.
  uint64_t channel = 0;  // 0: no channel.
  uint64_t number = 0;   // Counts up from 1.
  // The process that opened the channel (node/peers/peer_answers.h).
  uint64_t life = 0;
};

// The leader's side of the channels of one group.
class ForwardChannels {
 public:
  // Above `channels_max` the oldest channel is closed; its sender opens
  // another.
  explicit ForwardChannels(size_t channels_max) : channels_max_(channels_max) {}

  // Opens a channel for a leader in `term`. Closes `replaces` if it is open.
  ForwardStamp Open(raft::Term term, const ForwardStamp& replaces);
  // True, once, if a leader in `term` may accept a batch with this stamp.
  bool Take(raft::Term term, const ForwardStamp& stamp);
  // True while the channel of an accepted batch is open in `term`.
  bool IsOpen(raft::Term term, const ForwardStamp& stamp) const;
  // Closes a channel in which a batch was refused: no later batch may overtake
  // the refused one, which its sender sends again in another channel.
  void Close(const ForwardStamp& stamp);

 private:
  void Enter(raft::Term term);

  const size_t channels_max_;
  raft::Term term_;
  uint64_t opened_ = 0;
  // The last accepted number, by channel.
  absl::btree_map<uint64_t, uint64_t> taken_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_FORWARD_CHANNEL_H_
