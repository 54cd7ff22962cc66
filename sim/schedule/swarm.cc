#include "sim/schedule/swarm.h"

#include <algorithm>
#include <string>
#include <utility>

#include "env/check.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kFamilyOn("swarm.family_on");
constexpr ChoiceSite kFamily("swarm.family");
constexpr ChoiceSite kRate("swarm.rate");
constexpr ChoiceSite kDiskFaultTarget("swarm.breakable");
constexpr ChoiceSite kHost("swarm.host");
constexpr ChoiceSite kRack("swarm.rack");
constexpr ChoiceSite kLaneBytes("swarm.lane_bytes");
constexpr ChoiceSite kClockDraw("swarm.clock");

// The capacity of a lane of a link, by draw, when links clog.
constexpr size_t kLaneBytesMax[] = {8 << 20, 64 << 10, 8 << 10, 2 << 10};

// The first draws of a node's host give it a host of its own. The others name
// one of two hosts that several nodes may share.
constexpr uint64_t kOwnHosts = 2;
constexpr uint64_t kSharedHosts = 2;

}  // namespace

void Swarm::Draw() {
  DrawFamilies();
  DrawHosts();
  DrawDiskFaultTargets();
  SetMessageRates();
  SetNodeRates();
  if (on(FaultFamily::kClock)) SetClocks();
}

bool Swarm::any_on() const {
  return std::find(on_.begin(), on_.end(), true) != on_.end();
}

void Swarm::DrawFamilies() {
  const std::vector<FaultFamily>& without = context_->options().without;
  const std::vector<FaultFamily> possible =
      PossibleFaultFamilies(context_->options());
  // The first value is the default.
  constexpr Ratio kFamilyOnRatios[] = {{2, 3}, {4, 5}, {1, 5}, {4, 5}};
  const Ratio family_on =
      context_->options().family_on.has_value()
          ? *context_->options().family_on
          : kFamilyOnRatios[context_->choices().Below(
                kFamilyOn, 0, 0, std::size(kFamilyOnRatios))];
  std::string names;
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    const auto family = static_cast<FaultFamily>(i);
    const bool never =
        std::find(without.begin(), without.end(), family) != without.end() ||
        std::find(possible.begin(), possible.end(), family) == possible.end();
    on_[i] = !never && context_->choices().Chance(kFamily, i, 0, family_on);
    if (on_[i]) names += " " + std::string(FaultFamilyName(family));
  }
  context_->Plan("families:" + (names.empty() ? " none" : names));
}

void Swarm::DrawHosts() {
  std::string shared;
  for (const MachineId node : context_->nodes()) {
    const uint64_t draw = context_->choices().Below(kHost, node.value(), 0,
                                                    kOwnHosts + kSharedHosts);
    const uint64_t host =
        draw < kOwnHosts ? kSharedHosts + node.value() : draw - kOwnHosts;
    const auto neighbour =
        std::find_if(places_.begin(), places_.end(),
                     [host](const Place& place) { return place.host == host; });
    const uint64_t rack = neighbour != places_.end()
                              ? neighbour->rack
                              : context_->choices().Below(kRack, host, 0, 2);
    places_.push_back({.node = node, .host = host, .rack = rack});
    if (host < kSharedHosts) {
      shared += " " + context_->Name(node) + "@" + std::to_string(host);
    }
  }
  if (!shared.empty()) context_->Plan("nodes on shared hosts:" + shared);
}

std::vector<MachineId> Swarm::OnHostOf(MachineId node) const {
  return NodesWith(node, &Place::host);
}

std::vector<MachineId> Swarm::InRackOf(MachineId node) const {
  return NodesWith(node, &Place::rack);
}

std::vector<MachineId> Swarm::NodesWith(MachineId node,
                                        uint64_t Place::*place) const {
  const auto own =
      std::find_if(places_.begin(), places_.end(),
                   [node](const Place& other) { return other.node == node; });
  CHECK(own != places_.end()) << "node " << node;
  std::vector<MachineId> nodes;
  for (const Place& other : places_) {
    if (other.*place == (*own).*place) nodes.push_back(other.node);
  }
  return nodes;
}

// Adds nodes in random order, as long as the budget has room for the targets in
// each group.
void Swarm::DrawDiskFaultTargets() {
  std::vector<std::pair<uint64_t, MachineId>> order;
  for (MachineId node : context_->nodes()) {
    order.emplace_back(
        context_->choices().Below(kDiskFaultTarget, node.value(), 0, 1'000'000),
        node);
  }
  std::stable_sort(
      order.begin(), order.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [priority, node] : order) {
    std::vector<MachineId> wider = disk_fault_targets_;
    wider.push_back(node);
    bool fits = true;
    for (const auto& group : context_->options().groups) {
      size_t targets = 0;
      for (MachineId member : group) {
        targets += std::count(wider.begin(), wider.end(), member);
      }
      fits &= targets <= context_->DisksFailingMax(group.size());
    }
    if (fits) disk_fault_targets_ = std::move(wider);
  }
}

bool Swarm::PickDiskFaultTarget(const FaultWindow& window,
                                MachineId* node) const {
  if (disk_fault_targets_.empty()) return false;
  *node = disk_fault_targets_[window.Pick(0, disk_fault_targets_.size())];
  return true;
}

Ratio Swarm::DrawRate(FaultFamily family, uint64_t which, Ratio most) {
  if (!on(family)) return {};
  const uint64_t step = context_->choices().Below(
      kRate, static_cast<uint64_t>(family) << 8 | which, 0, 3);
  const uint32_t divisor = step == 0 ? 5 : step == 1 ? 2 : 1;
  return {most.numerator, most.denominator * divisor};
}

void Swarm::SetMessageRates() {
  NetworkOptions& network = context_->world().network_options();
  network.jitter = DrawRate(FaultFamily::kDelay, 0, {1, 1});
  network.spike = DrawRate(FaultFamily::kDelay, 1, {1, 20});
  network.loss = DrawRate(FaultFamily::kLoss, 0, {1, 4});
  network.duplicate = DrawRate(FaultFamily::kDuplication, 0, {1, 3});
  network.reorder = DrawRate(FaultFamily::kDuplication, 1, {3, 4});
  network.replay = DrawRate(FaultFamily::kDuplication, 2, {1, 3});
  network.corrupt = DrawRate(FaultFamily::kCorruption, 0, {1, 30});
  if (on(FaultFamily::kClog)) {
    network.lane_bytes_max = kLaneBytesMax[context_->choices().Below(
        kLaneBytes, 0, 0, std::size(kLaneBytesMax))];
  }
  StreamOptions& streams = context_->world().stream_options();
  streams.jitter = DrawRate(FaultFamily::kStreams, 0, {1, 1});
  streams.split = DrawRate(FaultFamily::kStreams, 1, {5, 6});
  streams.reset = DrawRate(FaultFamily::kStreams, 2, {1, 50});
  if (on(FaultFamily::kStreams)) {
    // Few streams are closed while bytes are in flight, so at least half of
    // those lose their tail.
    streams.lost_tail = {
        1, 1 + static_cast<uint32_t>(context_->choices().Below(
                   kRate, static_cast<uint64_t>(FaultFamily::kStreams) << 8 | 3,
                   0, 2))};
  }
  streams.refuse = DrawRate(FaultFamily::kStreams, 4, {1, 10});
  streams.hang = DrawRate(FaultFamily::kStreams, 5, {1, 20});
}

void Swarm::SetNodeRates() {
  if (on(FaultFamily::kBuggify)) {
    context_->world().buggify_options().active = {1, 2};
    context_->world().buggify_options().fire =
        DrawRate(FaultFamily::kBuggify, 0, {1, 3});
  }
  for (MachineId node : context_->nodes()) {
    DiskOptions& disk = context_->world().disk_options(node);
    disk.jitter = DrawRate(FaultFamily::kDiskSlow, 0, {1, 1});
    disk.slow = DrawRate(FaultFamily::kDiskSlow, 1, {1, 30});
    LoopOptions& loop = context_->world().loop_options(node);
    loop.hiccup = DrawRate(FaultFamily::kPause, 0, {1, 250});
    loop.timers_first = DrawRate(FaultFamily::kDelay, 2, {1, 2});
    loop.shuffle = DrawRate(FaultFamily::kDelay, 3, {1, 1});
  }
}

void Swarm::SetClocks() {
  context_->world().clock_options().new_at_boot =
      DrawRate(FaultFamily::kClock, 0, {1, 1});
  for (MachineId node : context_->nodes()) {
    SimClock& clock = context_->world().clock(node);
    const auto draw = [&](uint64_t which, uint64_t bound) {
      return static_cast<int64_t>(
          context_->choices().Below(kClockDraw, node.value(), which, bound));
    };
    // Up to 1000 ppm either way: ten times the drift of a bad crystal.
    const int64_t ppm = draw(0, 2001);
    if (ppm != 0) {
      clock.SetMonoDrift(context_->world().now(), ppm - 1000);
      context_->world().faults().Count(Fault::kClockDrift, node);
    }
    // The offset is within the error bound that the clock states.
    constexpr int64_t kBoundsMs[] = {10, 1, 100};
    clock.SetWallErrorBound(
        context_->world().now(),
        Milliseconds(kBoundsMs[draw(2, std::size(kBoundsMs))]));
    const int64_t bound = clock.wall_error_bound().ns();
    const int64_t offset = draw(1, 2 * static_cast<uint64_t>(bound) + 1);
    if (offset != 0) {
      clock.SetWallOffset(Duration(offset - bound));
      context_->world().faults().Count(Fault::kClockOffset, node);
    }
    if (draw(3, 3) == 1) {
      clock.SetWallLatestKnown(false);
      context_->world().faults().Count(Fault::kClockUndisciplined, node);
    }
    context_->world().ClockChanged(node);
  }
}

}  // namespace quorate::sim
