#include "node/routing/wait_order.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace quorate::node {

WaitOrder::WaitOrder(env::Loop& loop, GroupId group,
                     absl::AnyInvocable<void()> retry)
    : loop_(loop), group_(group), retry_(std::move(retry)) {}

uint64_t WaitOrder::TicketOf(RequestSink* sink) const {
  const ConnectionOrder* const order = sink->routing().FindOrder(group_);
  return order == nullptr ? 0 : order->ticket;
}

bool WaitOrder::Pass(RequestSink* sink, bool full) {
  if (!full) {
    if (places_.empty()) return true;
    const uint64_t mine = TicketOf(sink);
    if (mine != 0 && mine <= places_.begin()->first) return true;
    passed_over_ = true;
  }
  uint64_t& ticket = sink->routing().OrderOf(group_).ticket;
  if (ticket == 0) ticket = ++last_ticket_;
  const auto [place, added] = places_.try_emplace(ticket, Place{sink});
  if (!added && !place->second.woken) return false;
  place->second.woken = false;
  ++sink->routing().blocked_queues;
  return false;
}

void WaitOrder::Remove(RequestSink* sink) {
  const auto place = places_.find(TicketOf(sink));
  if (place == places_.end()) return;
  if (!place->second.woken) --sink->routing().blocked_queues;
  places_.erase(place);
}

void WaitOrder::GiveUpPlace(RequestSink* sink) {
  if (last_ticket_ == 0 || TicketOf(sink) == 0) return;
  Remove(sink);
  sink->routing().FindOrder(group_)->ticket = 0;
}

void WaitOrder::WakeAll() {
  if (places_.empty()) return;
  std::vector<RequestSink*> sinks;
  for (auto& [ticket, place] : places_) {
    if (std::exchange(place.woken, true)) continue;
    --place.sink->routing().blocked_queues;
    sinks.push_back(place.sink);
  }
  passed_over_ = false;
  for (RequestSink* sink : sinks) sink->OnUnblocked();
  // Deferred behind the work that OnUnblocked deferred: the sinks retry first.
  end_wake_ = loop_.Defer([this] { EndWake(); });
}

void WaitOrder::EndWake() {
  absl::erase_if(places_, [](const auto& entry) { return entry.second.woken; });
  if (std::exchange(passed_over_, false) && !places_.empty()) retry_();
}

void SlowWriters::Set(std::vector<Slowed> slowed) {
  slowed_ = std::move(slowed);
}

bool SlowWriters::Admit(RequestSink* sink, Slot slot) {
  const auto range = std::ranges::lower_bound(
      slowed_, slot, {}, [](const Slowed& one) { return one.slots.last; });
  if (range == slowed_.end() || slot < range->slots.first) return true;
  const MonoTime now = loop_.ReadClock().mono;
  MonoTime& next = sink->routing().next_slow_write;
  if (next <= now) {
    next = now + range->pause;
    return true;
  }
  // A pause that was longer before ends with this one.
  next = std::min(next, now + range->pause);
  if (std::exchange(sink->routing().waits_to_write, true)) return false;
  ++sink->routing().blocked_queues;
  waiting_.push_back({sink, next});
  WakeAt(next);
  return false;
}

void SlowWriters::Forget(RequestSink* sink) {
  if (!std::exchange(sink->routing().waits_to_write, false)) return;
  --sink->routing().blocked_queues;
  std::erase_if(waiting_, [&](const Waiting& one) { return one.sink == sink; });
}

void SlowWriters::WakeAt(MonoTime at) {
  if (at >= due_) return;
  due_ = at;
  timer_ = loop_.At(at, [this] {
    due_ = MonoTime::Max();
    Wake();
  });
}

void SlowWriters::Wake() {
  const MonoTime now = loop_.ReadClock().mono;
  std::vector<RequestSink*> ready;
  MonoTime next = MonoTime::Max();
  std::erase_if(waiting_, [&](const Waiting& one) {
    if (one.until <= now) {
      ready.push_back(one.sink);
      return true;
    }
    next = std::min(next, one.until);
    return false;
  });
  if (next != MonoTime::Max()) WakeAt(next);
  for (RequestSink* const sink : ready) {
    sink->routing().waits_to_write = false;
    --sink->routing().blocked_queues;
  }
  for (RequestSink* const sink : ready) sink->OnUnblocked();
}

}  // namespace quorate::node
