// node/routing/wait_order.h: the order in which sinks wait for room in the
// queue of one group.
//
// It knows sinks, but neither requests nor the size of the queue.
#ifndef QUORATE_NODE_ROUTING_WAIT_ORDER_H_
#define QUORATE_NODE_ROUTING_WAIT_ORDER_H_

#include <cstdint>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "node/routing/request_sink.h"

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

  // True if `sink` has to wait, even with room, until others have had their
  // turn.
  bool IsBehindOthers(RequestSink* sink) const;
  // `sink` waits until WakeAll. `has_room`: it waits for others only.
  void Wait(RequestSink* sink, bool has_room);
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
  uint64_t TicketOf(RequestSink* sink) const {
    const ConnectionOrder* const order = sink->routing().FindOrder(group_);
    return order == nullptr ? 0 : order->ticket;
  }
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

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_WAIT_ORDER_H_
