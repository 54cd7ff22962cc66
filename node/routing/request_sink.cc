#include "node/routing/request_sink.h"

#include <algorithm>

#include "env/check.h"

namespace quorate::node {

ConnectionOrder& RequestSink::RoutingState::Add(GroupId group) {
  std::optional<ConnectionOrder>* idle = nullptr;
  for (std::optional<ConnectionOrder>& order : few_) {
    if (!order.has_value()) return order.emplace(sink_, &totals_, group);
    if (idle == nullptr && order->idle()) idle = &order;
  }
  if (idle != nullptr) return idle->emplace(sink_, &totals_, group);
  if (more_.size() >= forget_at_) {
    ForgetIdle();
    forget_at_ = 2 * more_.size() + kForgetStep;
  }
  auto& added = more_[group];
  added = std::make_unique<ConnectionOrder>(sink_, &totals_, group);
  return *added;
}

void RequestSink::RoutingState::ForEach(
    absl::FunctionRef<void(const ConnectionOrder&)> call) const {
  for (const std::optional<ConnectionOrder>& order : few_) {
    if (order.has_value()) call(*order);
  }
  for (const auto& [group, order] : more_) call(*order);
}

size_t RequestSink::RoutingState::orders() const {
  size_t orders = 0;
  ForEach([&orders](const ConnectionOrder&) { ++orders; });
  return orders;
}

std::vector<GroupId> RequestSink::RoutingState::GroupsOfParked() const {
  std::vector<GroupId> groups;
  if (parked() == 0) return groups;
  ForEach([&groups](const ConnectionOrder& order) {
    if (order.first_parked() != nullptr) groups.push_back(order.group());
  });
  std::ranges::sort(groups);
  return groups;
}

bool RequestSink::RoutingState::SumsAgree() const {
  ConnectionOrder::Totals totals;
  bool agree = true;
  ForEach([&](const ConnectionOrder& order) {
    agree = agree && order.SumsAgree();
    totals.parked += order.count(ConnectionOrder::State::kParked);
    totals.refused += order.count(ConnectionOrder::State::kRefused);
  });
  return agree && totals.parked == totals_.parked &&
         totals.refused == totals_.refused;
}

// The first parked read of a group has its lowest token.
bool RequestSink::RoutingState::WaitsForRoom(uint64_t token) const {
  if (parked() == 0) return false;
  bool waits = false;
  ForEach([&](const ConnectionOrder& order) {
    const ConnectionOrder::Request* const first = order.first_parked();
    waits = waits || (first != nullptr && first->token == token &&
                      order.count(ConnectionOrder::State::kInPieces) == 0);
  });
  return waits;
}

void RequestSink::CheckOrders() const { CHECK(routing_.SumsAgree()); }

}  // namespace quorate::node
