// node/routing/forwarding.h: both sides of the forwarding of one group's
// batches: to the leader, and from other nodes to the replica here
// (docs/reference/formats/forwarding.md).
//
// A batch is opaque bytes here. The rules of channels are in
// node/peers/forward_channel.h.
#ifndef QUORATE_NODE_ROUTING_FORWARDING_H_
#define QUORATE_NODE_ROUTING_FORWARDING_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/time.h"
#include "node/peers/forward_channel.h"
#include "node/peers/peer_message.h"
#include "node/routing/group_leadership.h"
#include "node/routing/queue_parts.h"
#include "raft/host/host.h"

namespace quorate::node {

// So long after a node learned of a leader, it awaits answers of former ones. A
// leader that works answers within this, also on a busy machine.
inline constexpr Duration kFormerLeaderWait = Milliseconds(200);

// Invariant: batches to one node leave in one channel at a time, with rising
// numbers. A channel in which a batch was refused, or has an unknown outcome,
// takes no further batch.
class Forwarding {
 public:
  using Done = absl::AnyInvocable<void(const raft::ProposeResult&)>;

  // `parts`, `leadership` and `counters` outlive the object. `wake` requests a
  // Flush of the queue.
  Forwarding(const QueueParts& parts, GroupLeadership& leadership,
             QueueCounters& counters, absl::AnyInvocable<void()> wake);

  // ---- To the leader, which must be another known node.
  // True if a channel to the leader is open.
  bool open() const;
  // True if a batch of this size can be sent to the leader now. If not, a Flush
  // follows once this may have changed.
  bool HasRoom(size_t payload_bytes) const;
  // True if the leader's node owes this node an answer, of whatever group.
  bool awaits_answers() const;
  // Opens a channel to the leader, unless that is under way.
  void Open();
  // Sends a batch to the leader. Requires: open().
  void Send(Buffer payload, Done done);

  // Sends a batch of reads to the leader, without a channel: reads change
  // nothing, so they may be repeated.
  void Read(Buffer payload, Done done);

  // ---- Requests of this node without an answer.
  // Gives up those to former leaders that did not answer within
  // kFormerLeaderWait. Such a leader hangs, or cannot be reached.
  void GiveUpOnFormerLeaders();
  // The time of the next call of it. Max(): none is due.
  MonoTime next_deadline() const {
    return asked_.empty() ? MonoTime::Max() : asked_.begin()->second.give_up_at;
  }
  // From this time on an answer is late: its leader may lead no longer.
  MonoTime late_at() const {
    return asked_.empty() ? MonoTime::Max()
                          : asked_.begin()->second.asked_at + kLate;
  }

  // ---- From other nodes.
  // Opens a channel for batches of another node. kNotExecuted with the leader's
  // name unless this node leads.
  PeerResult OpenForPeer(const ForwardStamp& replaces);
  // True, once, if this node leads and takes the batch with this stamp.
  bool Accept(const ForwardStamp& stamp);
  // True if an accepted batch may be proposed: this node still leads in the
  // term of its channel, in which no batch was refused.
  bool MayPropose(const ForwardStamp& stamp) const;
  // No further batch of the channel is proposed: this one was refused.
  void OnRefused(const ForwardStamp& stamp) { peer_channels_.Close(stamp); }
  // The answer that this node does not lead, at least not in the term of a
  // channel.
  PeerResult NotLeading() const;

 private:
  // A channel to one node that leads the group.
  struct Channel {
    ForwardStamp last;
    bool open = false;
    bool opening = false;
  };

  // A request without an answer.
  struct Asked {
    NodeId node;
    uint64_t number;  // In the link to the node.
    raft::Term term;  // That of the leader that it was sent to.
    MonoTime asked_at;
    // Max(): no leader of a later term is known.
    MonoTime give_up_at = MonoTime::Max();
  };

  static constexpr Duration kLate = Milliseconds(100);

  MonoTime MonoNow() const { return parts_.loop.ReadClock().mono; }
  // Sends a request to the leader.
  void Ask(PeerRequest request, PeerDone done);
  void OnOpened(NodeId leader, const PeerResult& answer);
  void Close(NodeId leader, const ForwardStamp& stamp);
  // Updates the live view from the answer of a node that did not execute a
  // batch.
  void LearnLeader(const PeerResult& answer);

  const QueueParts& parts_;
  GroupLeadership& leadership_;
  QueueCounters& counters_;
  absl::AnyInvocable<void()> wake_;
  // Channels to other nodes, by node.
  absl::btree_map<NodeId, Channel> channels_;
  absl::btree_map<uint64_t, Asked> asked_;  // In the order of asking.
  uint64_t next_asked_ = 1;
  // Channels that other nodes opened here.
  ForwardChannels peer_channels_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_FORWARDING_H_
