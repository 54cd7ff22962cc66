#include "sim/world/branches.h"

#include <algorithm>
#include <utility>

#include "env/random.h"
#include "sim/network/network.h"
#include "sim/network/stream_net.h"
#include "sim/state/sim_state.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {
// The number of parts is 2^(nodes - 1).
constexpr size_t kNodesInPartsMax = 8;

uint64_t Mixed(uint64_t hash, uint64_t value) {
  return Mix64(hash ^ Mix64(value + 0x9e3779b97f4a7c15));
}
}  // namespace

void WithoutLatencies(WorldOptions* options) {
  options->network.latency_min = Duration();
  options->streams.latency_min = Duration();
  options->disk.read_latency = Duration();
  options->disk.write_latency = Duration();
  options->disk.sync_latency = Duration();
  options->loop.turn_cost = Duration();
  options->loop.input_cost = Duration();
}

Branches::Branches(const BranchOptions& options, SimState* state,
                   Network* network, StreamNet* streams)
    : options_(options),
      state_(*state),
      network_(*network),
      streams_(*streams) {
  state_.branching = true;
}

// A turn that waits for its machine, and an action of the harness, are no
// inputs of a machine.
bool Branches::HasTurn(const EventQueue::Pending& pending) {
  return pending.event.kind != kEventWake &&
         (pending.event.kind != kEventAction || pending.event.target != 0);
}

bool Branches::IsPrompt(const EventQueue::Pending& pending) const {
  return pending.event.kind == kEventWake ||
         (options_.prompt_disks && pending.event.kind == kEventDisk);
}

Branches::Actor Branches::ActorOf(const QueuedEvent& event) const {
  switch (event.kind) {
    case kEventMessage: {
      if (copies_.contains(event.argument)) return {7, event.argument};
      const NetworkMessage& message = *network_.Find(event.argument);
      return {event.kind, uint64_t{message.from.value()} << 34 |
                              uint64_t{message.to.value()} << 2 |
                              static_cast<uint64_t>(message.lane)};
    }
    case kEventPipe:
    case kEventConnect:
      return {event.kind + 8 * uint64_t{event.target}, event.argument};
    default:
      return {event.kind, event.target};
  }
}

MachineId Branches::MachineOf(const QueuedEvent& event) const {
  switch (event.kind) {
    case kEventMessage:
      return network_.Find(event.argument)->to;
    case kEventPipe:
      return streams_.ReceiverOf(event);
    case kEventAction:
      return MachineId();
    default:
      return MachineId(event.target);
  }
}

std::optional<size_t> Branches::PlaceOf(MachineId machine) const {
  const auto found =
      std::find(options_.nodes.begin(), options_.nodes.end(), machine);
  if (found == options_.nodes.end()) return std::nullopt;
  return found - options_.nodes.begin();
}

bool Branches::Separates(uint64_t parts, const QueuedEvent& event) const {
  const NetworkMessage& message = *network_.Find(event.argument);
  const std::optional<size_t> from = PlaceOf(message.from);
  const std::optional<size_t> to = PlaceOf(message.to);
  return from.has_value() && to.has_value() &&
         ((parts >> *from ^ parts >> *to) & 1) != 0;
}

// Messages that were never sent.
void Branches::RemoveDead() {
  std::erase_if(pending_, [this](const EventQueue::Pending& pending) {
    if (pending.event.kind != kEventMessage ||
        network_.Find(pending.event.argument) != nullptr) {
      return false;
    }
    state_.queue.Cancel(pending.handle);
    return true;
  });
}

const std::vector<BranchWay>& Branches::List(
    SimTime end, absl::AnyInvocable<bool(MachineId) const>& running) {
  ways_.clear();
  state_.queue.List(&pending_);
  RemoveDead();
  if (pending_.empty() || pending_.front().time > end) return ways_;
  const SimTime now = std::max(state_.now, pending_.front().time);
  const EventQueue::Pending* first = &pending_.front();
  for (const EventQueue::Pending& pending : pending_) {
    if (pending.time > now) break;
    if (!IsPrompt(pending)) continue;
    first = &pending;
    break;
  }
  ways_.push_back({.event = *first});
  if (!HasTurn(*first)) return ways_;
  AddCrash(*first, running);
  if (IsPrompt(*first)) return ways_;
  if (first->event.kind == kEventMessage) AddFates(*first);
  AddOthers(*first);
  return ways_;
}

void Branches::AddCrash(const EventQueue::Pending& first,
                        absl::AnyInvocable<bool(MachineId) const>& running) {
  const MachineId machine = MachineOf(first.event);
  if (options_.crashes == 0 || !PlaceOf(machine).has_value() ||
      !running(machine)) {
    return;
  }
  ways_.push_back({.kind = BranchWay::Kind::kCrash,
                   .event = first,
                   .crashes = machine,
                   .budget = &BranchOptions::crashes});
}

void Branches::AddFates(const EventQueue::Pending& first) {
  const bool separated = Separates(parts_, first.event);
  if (!separated && options_.losses > 0) {
    ways_.push_back({.kind = BranchWay::Kind::kLose,
                     .event = first,
                     .budget = &BranchOptions::losses});
  }
  if (!separated && options_.duplicates > 0) {
    ways_.push_back({.kind = BranchWay::Kind::kDuplicate,
                     .event = first,
                     .budget = &BranchOptions::duplicates});
  }
  const size_t nodes = options_.nodes.size();
  if (options_.cuts == 0 || nodes < 2 || nodes > kNodesInPartsMax) return;
  // The first node is always in part 0.
  for (uint64_t parts = 0; parts < uint64_t{1} << nodes; parts += 2) {
    if (Separates(parts, first.event) == separated) continue;
    ways_.push_back({.kind = BranchWay::Kind::kCut,
                     .event = first,
                     .parts = parts,
                     .budget = &BranchOptions::cuts});
  }
}

// Another event comes first: of this instant, or a timer. Each actor's first
// one alone, since its events keep their order.
void Branches::AddOthers(const EventQueue::Pending& first) {
  if (options_.delays == 0 && options_.timeouts == 0) return;
  const SimTime now = std::max(state_.now, first.time);
  std::set<Actor> seen = {ActorOf(first.event)};
  for (const EventQueue::Pending& pending : pending_) {
    const bool late = pending.time > now;
    if (late && first.event.kind != kEventTimers) break;
    if (!HasTurn(pending) || (late && pending.event.kind != kEventTimers) ||
        !seen.insert(ActorOf(pending.event)).second) {
      continue;
    }
    uint32_t BranchOptions::*const budget =
        late ? &BranchOptions::timeouts : &BranchOptions::delays;
    if (options_.*budget == 0) continue;
    ways_.push_back({.event = pending, .budget = budget});
  }
}

// Between machines there are the pending events: their machine, and their place
// in the order of their actor.
uint64_t Branches::State(const DigestOfMachine& digest_of) const {
  uint64_t hash = Mixed(*digest_of(MachineId()), parts_);
  // Leaders send heartbeats at multiples of an interval, and an execution ends
  // at some time.
  hash = Mixed(hash, static_cast<uint64_t>(state_.now.ns()));
  for (const uint32_t left :
       {options_.delays, options_.timeouts, options_.losses,
        options_.duplicates, options_.cuts, options_.crashes}) {
    hash = Mixed(hash, left);
  }
  uint64_t sum = 0;
  for (uint32_t i = 1; i <= state_.machines; ++i) {
    const std::optional<uint64_t> digest = digest_of(MachineId(i));
    sum += digest.has_value()
               ? Mixed(2 * i, *digest)
               : Mixed(2 * i + 1, state_.hash.history(MachineId(i)));
  }
  std::vector<std::pair<Actor, uint64_t>> places;
  for (const EventQueue::Pending& pending : pending_) {
    const QueuedEvent& event = pending.event;
    const Actor actor =
        copies_.contains(event.argument) && event.kind == kEventMessage
            ? Actor(7, 0)
            : ActorOf(event);
    auto place =
        std::find_if(places.begin(), places.end(),
                     [&](const auto& one) { return one.first == actor; });
    if (place == places.end()) {
      place = places.insert(places.end(), {actor, 0});
    }
    // Copies have no order.
    uint64_t one = Mixed(Mixed(actor.first, actor.second),
                         actor.first == 7 ? 0 : place->second++);
    // A time that has come is over.
    one = Mixed(one, static_cast<uint64_t>(
                         std::max(pending.time - state_.now, Duration()).ns()));
    if (event.kind == kEventMessage) {
      const NetworkMessage& message = *network_.Find(event.argument);
      one =
          Mixed(one, uint64_t{message.from.value()} << 32 | message.to.value());
      one = Mixed(one, HashBytes(message.bytes.view()));
    }
    // The earliest of all is the default, so their order matters while not each
    // one may come first.
    sum = options_.delays == BranchOptions::kUnlimited ? sum + one
                                                       : Mixed(sum, one);
  }
  return Mixed(hash, sum);
}

bool Branches::Take(const BranchWay& way) {
  if (way.budget != nullptr &&
      options_.*way.budget != BranchOptions::kUnlimited)
    --(options_.*way.budget);
  const QueuedEvent& event = way.event.event;
  switch (way.kind) {
    case BranchWay::Kind::kCrash:
      return false;
    case BranchWay::Kind::kLose:
      network_.Lose(event.argument, Fault::kMessageLost);
      state_.queue.Cancel(way.event.handle);
      return false;
    case BranchWay::Kind::kDuplicate:
      copies_.insert(network_.Duplicate(event.argument));
      break;
    case BranchWay::Kind::kCut:
      parts_ = way.parts;
      break;
    case BranchWay::Kind::kRun:
      break;
  }
  state_.now = std::max(state_.now, way.event.time);
  if (event.kind == kEventMessage && Separates(parts_, event)) {
    network_.Lose(event.argument, Fault::kMessageBlocked);
    state_.queue.Cancel(way.event.handle);
    return false;
  }
  state_.queue.Cancel(way.event.handle);
  return true;
}

}  // namespace quorate::sim
