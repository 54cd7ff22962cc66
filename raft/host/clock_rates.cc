#include "raft/host/clock_rates.h"

#include <cstdlib>
#include <utility>

namespace quorate::raft {

void ClockRates::Heard(NodeId node, uint64_t process, MonoTime sent,
                       const Now& now) {
  if (std::exchange(disruptions_, now.disruptions) != now.disruptions) {
    peers_.clear();
  }
  Peer& peer = peers_[node];
  if (peer.windows.empty() || peer.process != process) {
    peer = {.process = process};
  }
  const Quickest message{.arrived = now.mono, .offset = sent - now.mono};
  if (peer.windows.empty() || now.mono >= peer.window_ends) {
    peer.ahead_ppm = RateOf(peer);
    if (peer.windows.size() == kWindowsMax) peer.windows.pop_front();
    peer.windows.push_back(message);
    peer.window_ends = now.mono + kWindow;
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

bool ClockRates::MostDiffer(int64_t ppm_max) const {
  size_t known = 0;
  size_t differ = 0;
  for (const auto& [node, peer] : peers_) {
    if (!peer.ahead_ppm.has_value()) continue;
    ++known;
    differ += std::abs(*peer.ahead_ppm) > ppm_max ? 1 : 0;
  }
  return differ * 2 > known;
}

}  // namespace quorate::raft
