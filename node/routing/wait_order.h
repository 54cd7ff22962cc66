// node/routing/wait_order.h: the order in which sinks wait for room in the
// queue of one group, and the pauses of writers of slots that move.
//
// It knows sinks, but neither requests nor the size of the queue.
#ifndef QUORATE_NODE_ROUTING_WAIT_ORDER_H_
#define QUORATE_NODE_ROUTING_WAIT_ORDER_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/time.h"
#include "node/routing/request_sink.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// A sink without room gets a ticket, its place in the order. It keeps the
// ticket until the queue accepts one of its requests. When it waits again, it
// gets a new ticket behind all others. So each sink that waits gets its turn,
// however many requests the others send.
//
// A woken sink may be unable to retry, for lack of room for its replies. It
// stays in front of others until the end of the turn, then lets them pass.
//
// Invariants: `places_` has each sink at most once, under its ticket. The sink
// counts it in blocked_queues while it waits and is not woken.
class WaitOrder {
 public:
  // `loop` outlives the object. `retry` is called when sinks that waited for
  // others only may retry; it leads to WakeAll.
  WaitOrder(env::Loop& loop, GroupId group, absl::AnyInvocable<void()> retry);

  // False if `sink` waits until WakeAll: the queue is full, or others are to
  // have their turn first.
  bool Pass(RequestSink* sink, bool full);
  // A request of `sink` was accepted or answered.
  void GiveUpPlace(RequestSink* sink);
  // `sink` waits no longer, since it is closed.
  void Forget(RequestSink* sink) { Remove(sink); }
  // Calls OnUnblocked on the waiting sinks, in order.
  void WakeAll();
  bool empty() const { return places_.empty(); }

 private:
  struct Place {
    RequestSink* sink;
    bool woken = false;  // OnUnblocked was called, and it did not wait again.
  };

  // 0: none.
  uint64_t TicketOf(RequestSink* sink) const;
  void Remove(RequestSink* sink);
  // Takes the woken sinks out of the order. They keep their tickets.
  void EndWake();

  env::Loop& loop_;
  const GroupId group_;
  absl::AnyInvocable<void()> retry_;
  absl::btree_map<uint64_t, Place> places_;  // By ticket.
  uint64_t last_ticket_ = 0;
  // Since the last WakeAll, a sink had to wait only for others.
  bool passed_over_ = false;
  env::Pending end_wake_;
};

// Slows the writers of slots that move, so that they change fewer keys than are
// copied. A connection writes to such slots at most once in each pause. Until
// then it takes no request, as when a group has no room. Reads, and writes to
// other slots, are not slowed.
class SlowWriters {
 public:
  struct Slowed {
    SlotRange slots;
    Duration pause;
  };

  // `loop` outlives the object.
  explicit SlowWriters(env::Loop& loop) : loop_(loop) {}

  // The ranges of slots that have slow writers from now on, ascending.
  void Set(std::vector<Slowed> slowed);
  bool empty() const { return slowed_.empty(); }
  // True if `sink` may write to the slot now. If not, its OnUnblocked follows.
  bool Admit(RequestSink* sink, Slot slot);
  // `sink` waits no longer, since it is closed.
  void Forget(RequestSink* sink);

 private:
  struct Waiting {
    RequestSink* sink;
    MonoTime until;
  };

  void Wake();
  void WakeAt(MonoTime at);

  env::Loop& loop_;
  std::vector<Slowed> slowed_;
  std::vector<Waiting> waiting_;    // In the order of their coming.
  MonoTime due_ = MonoTime::Max();  // When timer_ calls Wake.
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_WAIT_ORDER_H_
