// raft/host/outbox.h: collects the messages of a turn to each node into as few
// transport messages as possible.
//
// So the heartbeats of all groups between two nodes travel together. Appends
// use the lane of requests, snapshot chunks the bulk lane, and all other
// messages the control lane. Used only by the host; knows nothing of the state
// of groups.
#ifndef QUORATE_RAFT_HOST_OUTBOX_H_
#define QUORATE_RAFT_HOST_OUTBOX_H_

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "env/env.h"
#include "raft/host/envelope.h"

namespace quorate::raft {

class Outbox {
 public:
  // `env` and `cluster` outlive the Outbox. `cluster` is right from the first
  // message on.
  Outbox(env::Env& env, const ClusterId& cluster, NodeId self)
      : env_(env),
        cluster_(cluster),
        self_(self),
        process_(env.random.Bits("raft.process", self.value(), 0)) {}

  // Queues a message to a replica on node `to`. It leaves at the end of this
  // turn.
  void Add(NodeId to, GroupId group, const Message& message);
  // Sends node `to` something on the control lane at the end of this turn, even
  // if there is no message.
  void AddPulse(NodeId to);
  // When something was last sent to node `to`.
  MonoTime LastSent(NodeId to) const {
    const auto found = sent_.find(to);
    return found == sent_.end() ? MonoTime::Min() : found->second.last;
  }
  // The bytes of all messages to node `to`. Some of them may be lost.
  uint64_t SentBytes(NodeId to) const {
    const auto found = sent_.find(to);
    return found == sent_.end() ? 0 : found->second.bytes;
  }
  // Drops the queued messages and sends no more.
  void Stop();

 private:
  using Destination = std::pair<NodeId, env::Lane>;
  static env::Lane LaneOf(const Message& message);
  void FlushLater();
  void Flush();
  void Send(const Destination& destination, EnvelopeBuilder* envelope);

  env::Env& env_;
  const ClusterId& cluster_;
  const NodeId self_;
  const uint64_t process_;  // A random number of this process.
  bool stopped_ = false;
  // Ordered, so that the order of sending is the same in every run.
  std::map<Destination, EnvelopeBuilder> envelopes_;
  std::set<NodeId> pulses_;
  struct Sent {
    MonoTime last = MonoTime::Min();
    uint64_t bytes = 0;
  };
  std::map<NodeId, Sent> sent_;
  bool flush_pending_ = false;
  env::Pending flush_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_OUTBOX_H_
