// The faults of a schedule that have no windows: those that hit a node in the middle of something rare, and the short ones
// after healing.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/choices/trace_hash.h"
#include "sim/schedule/schedule.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kMoment("schedule.moment");
constexpr ChoiceSite kAftershock("schedule.aftershock");

// Of what may hit a node at a rare moment.
constexpr FaultFamily kMomentFamilies[] = {
    FaultFamily::kProcessCrash, FaultFamily::kMachineCrash, FaultFamily::kPause,
    FaultFamily::kDiskSlow,     FaultFamily::kPartition,
};

// When the core is healed, so long single nodes are still hit, and so often.
constexpr Duration kAftershocks = Seconds(4);
constexpr Duration kAftershockMax = Milliseconds(1500);
constexpr Ratio kAftershockChance{1, 3};

}  // namespace

uint64_t Schedule::Pick(const Moment& moment, uint64_t which, uint64_t bound) {
  return world_->choices().Below(kMoment, moment.mark, moment.draw(which),
                                 bound);
}

// A node that does something rare may be hit within its next few steps: what is half done then is what is easily got wrong. The
// first time is the likeliest.
void Schedule::OnMark(MachineId node, std::string_view mark) {
  const bool over = liveness_ && world_->now() >= moments_until_;
  if (over || Stays(node) ||
      std::find(options_.nodes.begin(), options_.nodes.end(), node) ==
          options_.nodes.end()) {
    return;
  }
  std::vector<FaultFamily> families;
  for (const FaultFamily family : kMomentFamilies) {
    // Nothing would end a cut in the liveness phase.
    if (family == FaultFamily::kPartition && liveness_) continue;
    if (on(family)) families.push_back(family);
  }
  if (families.empty()) return;
  // After healing all begins anew, and what goes wrong stays to be seen. Once more when those come back that stayed away: they
  // lack the most, so snapshots go to them.
  const uint64_t entity = HashBytes(mark) + calms_;
  const Moment moment{entity, moments_[entity]++};
  if (!liveness_ && on(FaultFamily::kPartition)) EndCuts(moment);
  const Ratio chance{
      1, static_cast<uint32_t>((liveness_ ? 3 : 6) + 4 * moment.count)};
  if (!world_->choices().Chance(kMoment, moment.mark, moment.draw(0), chance)) {
    return;
  }
  // Some mistakes need two things at once.
  const uint64_t hits = Pick(moment, 1, 3) == 0 ? 2 : 1;
  for (uint64_t hit = 0; hit < hits; ++hit) {
    const uint64_t first = 4 + 4 * hit;
    const FaultFamily family = families[Pick(moment, first, families.size())];
    Note(Name(node) + " is hit at " + std::string(mark) + ": " +
         std::string(FaultFamilyName(family)));
    HitAtMoment(node, family, moment, first + 1);
  }
}

// Recovery comes at a bad time, too: who returns just when the leader's log was cut needs a snapshot, and has a log of its own that
// goes on behind it.
void Schedule::EndCuts(const Moment& moment) {
  constexpr uint64_t kWaitMax = 60;  // In milliseconds; one time in three.
  const uint64_t draw = Pick(moment, 2, 3 * kWaitMax);
  if (draw < 2 * kWaitMax) return;
  const Duration wait = Milliseconds(static_cast<int64_t>(draw % kWaitMax));
  world_->At(world_->now() + wait, [this] {
    if (liveness_) return;
    bool any = false;
    for (const MachineId from : options_.nodes) {
      for (const MachineId to : options_.nodes) {
        if (from == to || !world_->blocked(from, to)) continue;
        world_->UnblockLink(from, to);
        any = true;
      }
    }
    if (any) Note("all partitions end at a moment");
  });
}

// Draws three times, beginning with `first`.
void Schedule::HitAtMoment(MachineId node, FaultFamily family,
                           const Moment& moment, uint64_t first) {
  const Duration length = world_->choices().Between(
      kMoment, moment.mark, moment.draw(first), Milliseconds(10),
      liveness_ ? kAftershockMax : Seconds(3));
  const auto pick = [&](uint64_t which, uint64_t bound) {
    return Pick(moment, first + which, bound);
  };
  switch (family) {
    case FaultFamily::kPause:
      world_->PauseAfterCalls(node, 1 + pick(1, 30), length);
      return;
    case FaultFamily::kDiskSlow:
      world_->StallDisk(node, world_->now() + length);
      return;
    case FaultFamily::kPartition: {
      const uint64_t way = pick(1, 3);
      std::vector<std::pair<MachineId, MachineId>> cut;
      for (const MachineId other : options_.nodes) {
        if (way != 0) Block(node, other, &cut);
        if (way != 1) Block(other, node, &cut);
      }
      return Cut(length, "at a moment", std::move(cut));
    }
    default:
      break;
  }
  const CrashKind kind = family == FaultFamily::kMachineCrash
                             ? CrashKind::kMachine
                             : CrashKind::kProcess;
  if (pick(2, 2) == 0) {
    world_->CrashAtDiskOperation(node, 1 + pick(1, 4), kind);
  } else {
    world_->CrashAfterCalls(node, 1 + pick(1, 30), kind);
  }
  After(length, node, [this, node] { RestartIfDown(node); });
}

void Schedule::BeginCalm() {
  ++calms_;
  moments_until_ = world_->now() + kAftershocks;
}

// Where everybody else is well for good, what one short fault leaves behind is not swept away by the next one. One at a time,
// so that the core keeps its majorities.
void Schedule::PlanAftershocks() {
  const std::vector<MachineId> core(core_.begin(), core_.end());
  const bool crashes =
      on(FaultFamily::kProcessCrash) || on(FaultFamily::kMachineCrash);
  const bool cuts = on(FaultFamily::kPartition) && core.size() > 1;
  SimTime at = world_->now();
  for (uint64_t i = 0; at < world_->now() + kAftershocks; ++i) {
    const auto draw = [&](uint64_t which, uint64_t bound) {
      return world_->choices().Below(kAftershock, i, which, bound);
    };
    at = at + world_->choices().Between(kAftershock, i, 0, Milliseconds(50),
                                        Seconds(1));
    const Duration length = world_->choices().Between(
        kAftershock, i, 1, Milliseconds(10), kAftershockMax);
    const bool hits =
        world_->choices().Chance(kAftershock, i, 2, kAftershockChance);
    const bool cut = cuts && (!crashes || draw(3, 2) == 0);
    if (!hits || (!cut && !crashes)) continue;
    const uint64_t first = draw(4, core.size());
    const MachineId one = core[first];
    if (!cut) {
      world_->At(at, [this, one] {
        if (ended_ || !world_->running(one)) return;
        world_->Crash(one, CrashKind::kProcess);
        Note("aftershock: crash of the process " + Name(one));
      });
      world_->At(at + length, [this, one] { RestartIfDown(one); });
    } else {
      const MachineId other =
          core[(first + 1 + draw(5, core.size() - 1)) % core.size()];
      world_->At(at, [this, one, other] {
        if (ended_) return;
        world_->BlockLink(one, other);
        Note("aftershock: " + Name(other) + " does not hear " + Name(one));
      });
      world_->At(at + length, [this, one, other] {
        if (world_->blocked(one, other)) world_->UnblockLink(one, other);
      });
    }
    at = at + length;
  }
  world_->At(world_->now() + kAftershocks, [this] { ended_ = true; });
}

}  // namespace quorate::sim
