#include "sim/schedule/fault_triggers.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {

// The string is the name in tapes.
constexpr ChoiceSite kTrigger("schedule.moment");

// A lane of a transport over byte streams has no room.
constexpr std::string_view kLaneFull = "net.transport.lane_full";
// A fault may make a difference from here on (env::Tracer).
constexpr std::string_view kWindow = "window.";
// The streams are reset within this time, in microseconds.
constexpr uint64_t kResetWaitMax = 3'000;

// The families from which a trigger draws.
constexpr FaultFamily kTriggerFamilies[] = {
    FaultFamily::kProcessCrash, FaultFamily::kMachineCrash, FaultFamily::kPause,
    FaultFamily::kDiskSlow,     FaultFamily::kPartition,
};

}  // namespace

uint64_t FaultTriggers::Pick(const FaultTrigger& trigger, uint64_t which,
                             uint64_t bound) const {
  return context_->choices().Below(kTrigger, trigger.mark, trigger.draw(which),
                                   bound);
}

// The node that reached the mark in half of the cases, else a leader or any
// node. A rare moment of one replica is a rare moment of its peers, too. Some
// bugs need faults of two nodes at once. So the second hit has a draw of its
// own, and hits a leader in half of the cases.
MachineId FaultTriggers::Victim(MachineId node, const FaultTrigger& trigger,
                                uint64_t hit) const {
  const std::vector<MachineId>& nodes = context_->nodes();
  const uint64_t draw = Pick(trigger, hit == 0 ? 3 : 12, 4 * nodes.size());
  const uint64_t quarter = draw / nodes.size();
  if (quarter < (hit == 0 ? 2 : 1)) return node;
  const MachineId leader = context_->Leader(draw);
  const MachineId other = quarter < 3 && leader != MachineId()
                              ? leader
                              : nodes[draw % nodes.size()];
  return context_->KeepsFaults(other) ? node : other;
}

void FaultTriggers::OnMark(MachineId node, std::string_view mark) {
  const bool liveness = context_->liveness();
  const bool over = liveness && context_->world().now() >= until_;
  const std::vector<MachineId>& nodes = context_->nodes();
  if (over || context_->KeepsFaults(node) ||
      std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
    return;
  }
  std::vector<FaultFamily> families;
  for (const FaultFamily family : kTriggerFamilies) {
    // Partitions do not end by themselves in the liveness phase.
    if (family == FaultFamily::kPartition && liveness) continue;
    if (swarm_->on(family)) families.push_back(family);
  }
  // Each healing begins new counts. Nodes that return then are furthest behind
  // and receive snapshots, so faults are likely to hit a transfer.
  const uint64_t entity = HashBytes(mark) + healings_;
  const FaultTrigger trigger{entity, counts_[entity]++};
  const bool window = mark.starts_with(kWindow);
  if (window || mark == kLaneFull) MaybeResetStreams(node, trigger);
  if (families.empty()) return;
  if (!liveness && swarm_->on(FaultFamily::kPartition)) {
    MaybeEndPartitions(trigger);
  }
  const uint64_t one_in =
      window ? 3 + 2 * trigger.count : (liveness ? 3 : 6) + 4 * trigger.count;
  const Ratio chance{1, static_cast<uint32_t>(one_in)};
  if (!context_->choices().Chance(kTrigger, trigger.mark, trigger.draw(0),
                                  chance)) {
    return;
  }
  const uint64_t hits = Pick(trigger, 1, 2) == 0 ? 2 : 1;
  for (uint64_t hit = 0; hit < hits; ++hit) {
    const MachineId victim = Victim(node, trigger, hit);
    const uint64_t first = 4 + 4 * hit;
    const FaultFamily family = families[Pick(trigger, first, families.size())];
    context_->Note(context_->Name(victim) + " is hit at " + std::string(mark) +
                   ": " + std::string(FaultFamilyName(family)));
    Inject(victim, family, trigger, first + 1);
  }
}

// Healing at a bad time is a fault, too. A node that returns just when the
// leader has cut its log needs a snapshot, and its own log may have entries
// beyond that snapshot.
void FaultTriggers::MaybeEndPartitions(const FaultTrigger& trigger) {
  // The longest wait, in milliseconds. A third of the draws are waits.
  constexpr uint64_t kWaitMax = 60;
  const uint64_t draw = Pick(trigger, 2, 3 * kWaitMax);
  if (draw < 2 * kWaitMax) return;
  const Duration wait = Milliseconds(static_cast<int64_t>(draw % kWaitMax));
  World& world = context_->world();
  world.At(world.now() + wait, [this] {
    if (context_->liveness() || !context_->EndPartitions()) return;
    context_->Note("all partitions end at a trigger");
  });
}

// Messages of a full lane wait at their groups. The connection is lost before
// the lane has room again. In a window requests are sent again, and late copies
// of them arrive.
void FaultTriggers::MaybeResetStreams(MachineId node,
                                      const FaultTrigger& trigger) {
  const Ratio chance{1, static_cast<uint32_t>(4 + 2 * trigger.count)};
  if (!swarm_->on(FaultFamily::kStreams) ||
      !context_->choices().Chance(kTrigger, trigger.mark, trigger.draw(13),
                                  chance)) {
    return;
  }
  World& world = context_->world();
  const uint64_t wait = Pick(trigger, 14, kResetWaitMax);
  world.At(world.now() + Microseconds(static_cast<int64_t>(wait)),
           [this, node] {
             context_->world().ResetStreams(node);
             context_->world().CountMark(node, "schedule.reset_at_a_mark");
           });
}

void FaultTriggers::Inject(MachineId node, FaultFamily family,
                           const FaultTrigger& trigger, uint64_t first) {
  World& world = context_->world();
  const Duration length = context_->choices().Between(
      kTrigger, trigger.mark, trigger.draw(first), Milliseconds(10),
      context_->liveness() ? kPostHealFaultMax : Seconds(3));
  const auto pick = [&](uint64_t which, uint64_t bound) {
    return Pick(trigger, first + which, bound);
  };
  switch (family) {
    case FaultFamily::kPause:
      world.PauseAfterCalls(node, 1 + pick(1, 30), length);
      // An idle node makes few calls. No fault may come after the last ones.
      if (context_->liveness()) {
        world.At(world.now() + length, [&world, node] {
          world.PauseAfterCalls(node, 0, Duration(0));
        });
      }
      return;
    case FaultFamily::kDiskSlow:
      world.StallDisk(
          node, world.now() + length,
          context_->FileToStall(node, [&](uint64_t which, uint64_t bound) {
            return pick(1 + which, bound);
          }));
      return;
    case FaultFamily::kPartition: {
      const uint64_t way = pick(1, 3);
      FaultContext::Links links;
      for (const MachineId other : context_->nodes()) {
        if (way != 0) FaultContext::AddLink(node, other, &links);
        if (way != 1) FaultContext::AddLink(other, node, &links);
      }
      return context_->Partition(length, "at a trigger", std::move(links));
    }
    default:
      break;
  }
  const CrashKind kind = family == FaultFamily::kMachineCrash
                             ? CrashKind::kMachine
                             : CrashKind::kProcess;
  if (pick(2, 2) == 0) {
    world.CrashAtDiskOperation(node, 1 + pick(1, 4), kind);
  } else {
    world.CrashAfterCalls(node, 1 + pick(1, 30), kind);
  }
  context_->After(length, node,
                  [this, node] { context_->RestartIfDown(node); });
}

void FaultTriggers::BeginHealing() {
  ++healings_;
  until_ = context_->world().now() + kPostHealFaults;
}

}  // namespace quorate::sim
