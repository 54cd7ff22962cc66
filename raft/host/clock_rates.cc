#include "raft/host/clock_rates.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <utility>
#include <vector>

namespace quorate::raft {

void ClockRates::Heard(NodeId node, uint64_t process, MonoTime sent,
                       const Now& now) {
  if (std::exchange(disruptions_, now.disruptions) != now.disruptions) {
    peers_.clear();
    CompareAll();
  }
  Peer& peer = peers_[node];
  if (peer.windows.empty() || peer.process != process) {
    peer = {.process = process};
    CompareAll();
  }
  const Quickest message{.arrived = now.mono, .offset = sent - now.mono};
  if (peer.windows.empty() || now.mono >= peer.window_ends) {
    peer.ahead_ppm = RateOf(peer);
    if (peer.windows.size() == kWindowsMax) peer.windows.pop_front();
    peer.windows.push_back(message);
    peer.window_ends = now.mono + kWindow;
    CompareAll();
  } else if (message.offset > peer.windows.back().offset) {
    peer.windows.back() = message;
  }
}

std::optional<int64_t> ClockRates::RateOf(const Peer& peer) {
  if (peer.windows.empty()) return std::nullopt;
  const Quickest& first = peer.windows.front();
  const Quickest& last = peer.windows.back();
  const Duration span = last.arrived - first.arrived;
  if (span < kSpanMin) return std::nullopt;
  return (first.offset - last.offset).ns() / (span.ns() / 1'000'000);
}

std::optional<int64_t> ClockRates::AheadOf(NodeId node) const {
  const auto found = peers_.find(node);
  return found == peers_.end() ? std::nullopt : found->second.ahead_ppm;
}

void ClockRates::CompareAll() {
  std::vector<int64_t> differences;
  for (const auto& [node, peer] : peers_) {
    if (peer.ahead_ppm.has_value()) {
      differences.push_back(std::abs(*peer.ahead_ppm));
    }
  }
  std::sort(differences.begin(), differences.end(), std::greater<>());
  difference_from_most_ =
      differences.empty() ? 0 : differences[differences.size() / 2];
}

}  // namespace quorate::raft
