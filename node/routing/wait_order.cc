#include "node/routing/wait_order.h"

#include <utility>
#include <vector>

namespace quorate::node {

WaitOrder::WaitOrder(env::Loop& loop, GroupId group,
                     absl::AnyInvocable<void()> retry)
    : loop_(loop), group_(group), retry_(std::move(retry)) {}

bool WaitOrder::IsBehindOthers(RequestSink* sink) const {
  if (places_.empty()) return false;
  const uint64_t ticket = TicketOf(sink);
  return ticket == 0 || places_.begin()->first < ticket;
}

void WaitOrder::Wait(RequestSink* sink, bool has_room) {
  if (has_room) passed_over_ = true;
  uint64_t& ticket = sink->routing().OrderOf(group_).ticket;
  if (ticket == 0) ticket = ++last_ticket_;
  const auto [place, added] = places_.try_emplace(ticket, Place{sink});
  if (!added && !place->second.woken) return;
  place->second.woken = false;
  ++sink->routing().blocked_queues;
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

}  // namespace quorate::node
