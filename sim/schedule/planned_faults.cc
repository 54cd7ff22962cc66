#include "sim/schedule/planned_faults.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace quorate::sim {
namespace {

constexpr ChoiceSite kFrequency("swarm.frequency");
constexpr ChoiceSite kWindow("schedule.window");
constexpr ChoiceSite kStart("schedule.start");

// The families whose faults begin and end. The others are rates for the whole
// run.
constexpr FaultFamily kWindowFamilies[] = {
    FaultFamily::kDelay,        FaultFamily::kPartition,
    FaultFamily::kClog,         FaultFamily::kStreams,
    FaultFamily::kProcessCrash, FaultFamily::kMachineCrash,
    FaultFamily::kPause,        FaultFamily::kDiskSlow,
    FaultFamily::kDiskError,    FaultFamily::kDiskFull,
    FaultFamily::kDiskRot,      FaultFamily::kDiskWipe,
    FaultFamily::kClock,        FaultFamily::kMemory,
    FaultFamily::kOldDisk,
};

// Mean seconds between two fault windows of a family, by draw.
constexpr uint32_t kMeanSeconds[] = {8, 5, 3, 2};

// Crashes that follow in a storm of restarts.
constexpr int64_t kStormCrashes = 4;
// One window of so many makes a state wrong.
constexpr uint64_t kWindowsPerWrongState = 3;
// A program that is told to stop has ended after this time.
constexpr Duration kStopMax = Seconds(5);

}  // namespace

void PlannedFaults::Plan() {
  const auto seconds =
      static_cast<uint64_t>(context_->options().length.ns() / Seconds(1).ns());
  for (FaultFamily family : kWindowFamilies) {
    if (!swarm_->on(family)) continue;
    const uint64_t frequency = context_->choices().Below(
        kFrequency, static_cast<uint64_t>(family), 0, std::size(kMeanSeconds));
    const Ratio rate{1, kMeanSeconds[frequency]};
    for (uint64_t second = 0; second < seconds; ++second) {
      const FaultWindow window(context_, family, second);
      if (!context_->choices().Chance(kWindow, window.entity(), 0, rate)) {
        continue;
      }
      const Duration within = context_->choices().Between(
          kStart, window.entity(), 0, Duration(0), Seconds(1) - Nanoseconds(1));
      const SimTime begin = context_->world().now() +
                            Seconds(static_cast<int64_t>(second)) + within;
      if (quiet_->Covers(begin)) continue;
      context_->world().At(begin, [this, window] {
        if (!context_->liveness()) Open(window);
      });
    }
  }
}

void PlannedFaults::Open(const FaultWindow& window) {
  switch (window.family()) {
    case FaultFamily::kDelay:
      return OpenSlowLink(window);
    case FaultFamily::kPartition:
      return OpenPartition(window);
    case FaultFamily::kClog:
      return OpenClog(window);
    case FaultFamily::kStreams:
      return OpenReset(window);
    case FaultFamily::kProcessCrash:
      return OpenCrash(window, CrashKind::kProcess);
    case FaultFamily::kMachineCrash:
      return OpenCrash(window, CrashKind::kMachine);
    case FaultFamily::kPause:
      return OpenPause(window);
    case FaultFamily::kDiskSlow:
      return OpenStall(window);
    case FaultFamily::kDiskError:
      return OpenDiskError(window);
    case FaultFamily::kDiskFull:
      return OpenDiskFull(window);
    case FaultFamily::kDiskRot:
      return damage_->OpenDamage(window);
    case FaultFamily::kDiskWipe:
      return damage_->OpenErase(window);
    case FaultFamily::kClock:
      return OpenClock(window);
    case FaultFamily::kMemory:
      return OpenWrongState(window);
    case FaultFamily::kOldDisk:
      return damage_->OpenOldDisk(window);
    default:
      return;
  }
}

// ---- The network

// Puts each machine but `bridge` on one of two sides, and cuts all links
// between the sides.
void PlannedFaults::CutSides(const FaultWindow& window,
                             const std::vector<MachineId>& machines,
                             MachineId bridge, FaultContext::Links* cut) {
  std::vector<uint64_t> sides;
  for (size_t i = 0; i < machines.size(); ++i) {
    sides.push_back(window.Pick(16 + i, 2));
  }
  for (size_t i = 0; i < machines.size(); ++i) {
    for (size_t j = 0; j < machines.size(); ++j) {
      if (machines[i] == bridge || machines[j] == bridge) continue;
      if (sides[i] != sides[j]) {
        FaultContext::AddLink(machines[i], machines[j], cut);
      }
    }
  }
}

void PlannedFaults::OpenPartition(const FaultWindow& window) {
  const std::vector<MachineId>& nodes = context_->nodes();
  const std::vector<MachineId>& clients = context_->options().clients;
  FaultContext::Links cut;
  const MachineId one = window.PickNode();
  // In half of the partitions clients are cut off like nodes.
  const bool cuts_clients = window.Pick(4, 2) == 1;
  const auto with_clients = [&](std::vector<MachineId> machines) {
    if (cuts_clients) {
      machines.insert(machines.end(), clients.begin(), clients.end());
    }
    return machines;
  };
  const Duration length = window.Length(Milliseconds(100), Seconds(12));
  FaultCounters& faults = context_->world().faults();
  switch (window.Pick(1, 5)) {
    case 0:  // One node is cut off from all others, both ways.
      for (MachineId node : with_clients(nodes)) {
        FaultContext::AddLink(one, node, &cut);
        FaultContext::AddLink(node, one, &cut);
      }
      faults.Count(Fault::kPartitionIsolate, one);
      return context_->Partition(length, "isolate", std::move(cut));
    case 1:  // Two sides. Clients are on both.
      CutSides(window, with_clients(nodes), MachineId(), &cut);
      faults.Count(Fault::kPartition);
      return context_->Partition(length, "two sides", std::move(cut));
    case 2: {  // All links from one node, or all links to it.
      const bool mute = window.Pick(2, 2) == 0;
      for (MachineId node : with_clients(nodes)) {
        mute ? FaultContext::AddLink(one, node, &cut)
             : FaultContext::AddLink(node, one, &cut);
      }
      faults.Count(Fault::kPartitionOneWay, one);
      return context_->Partition(length, "one way", std::move(cut));
    }
    case 3:  // Two sides; both reach one bridge node.
      CutSides(window, with_clients(nodes), one, &cut);
      faults.Count(Fault::kPartitionBridge, one);
      return context_->Partition(length, "bridge", std::move(cut));
    default: {  // One node and one other node or client.
      std::vector<MachineId> all = nodes;
      all.insert(all.end(), clients.begin(), clients.end());
      const MachineId other = all[window.Pick(3, all.size())];
      FaultContext::AddLink(one, other, &cut);
      FaultContext::AddLink(other, one, &cut);
      faults.Count(Fault::kPartition);
      return context_->Partition(length, "pair", std::move(cut));
    }
  }
}

void PlannedFaults::OpenClog(const FaultWindow& window) {
  const MachineId one = window.PickNode();
  const MachineId other =
      context_->nodes()[window.Pick(1, context_->nodes().size())];
  const SimTime end =
      context_->world().now() + window.Length(Milliseconds(50), Seconds(3));
  const auto clog = [this, end](MachineId from, MachineId to) {
    if (from != to && !context_->liveness())
      context_->world().ClogLink(from, to, end);
  };
  if (window.Pick(2, 2) == 0) {
    clog(one, other);
    return context_->Note("clog " + context_->Name(one) + ">" +
                          context_->Name(other));
  }
  // Clogs all links to the node and, up to 200 ms later, all links from it, or
  // in the other order. Meanwhile requests arrive and their replies do not.
  const bool deaf = window.Pick(3, 2) == 0;
  const auto all = [this, one, clog](bool to_one) {
    for (const MachineId node : context_->nodes()) {
      to_one ? clog(node, one) : clog(one, node);
    }
  };
  all(deaf);
  context_->world().At(
      context_->world().now() +
          Milliseconds(static_cast<int64_t>(window.Pick(4, 200))),
      [all, deaf] { all(!deaf); });
  context_->Note("clog all links of " + context_->Name(one));
}

void PlannedFaults::OpenSlowLink(const FaultWindow& window) {
  const MachineId from = window.PickNode();
  const MachineId to =
      context_->nodes()[window.Pick(1, context_->nodes().size())];
  const Duration extra =
      Milliseconds(1 + static_cast<int64_t>(window.Pick(2, 100)));
  // In one window of four all links of the node are slow, both ways.
  const bool all = window.Pick(3, 4) == 3;
  FaultContext::Links links;
  for (const MachineId other : context_->nodes()) {
    if (all || other == to) FaultContext::AddLink(from, other, &links);
    if (all) FaultContext::AddLink(other, from, &links);
  }
  if (links.empty()) return;
  context_->world().faults().Count(Fault::kMessageSpike, to);
  context_->Note(all ? "slow links of " + context_->Name(from)
                     : "slow " + context_->Name(from) + ">" +
                           context_->Name(to));
  const Duration length = window.Length(Milliseconds(500), Seconds(10));
  for (const auto& [sender, receiver] : links) {
    context_->world().SlowLink(sender, receiver, extra);
    context_->After(length, receiver,
                    [this, sender = sender, receiver = receiver] {
                      context_->world().SlowLink(sender, receiver, Duration(0));
                    });
  }
}

void PlannedFaults::OpenReset(const FaultWindow& window) {
  const MachineId node = window.PickNode();
  context_->world().ResetStreams(node);
  context_->Note("reset streams of " + context_->Name(node), node);
}

// ---- Processes

void PlannedFaults::OpenCrash(const FaultWindow& window, CrashKind kind) {
  const char* name = kind == CrashKind::kMachine ? "machine" : "process";
  const std::vector<MachineId> victims = PickVictims(window);
  const Duration length = window.Length(Milliseconds(10), Seconds(5));
  const bool storm = window.Pick(4, 8) == 7;
  for (MachineId node : victims) {
    if (!context_->world().running(node)) continue;
    if (storm) PlanStorm(window, node, length, kind);
    // Each node has a point of its own.
    const uint64_t point = 1 + window.Pick(2, 60);
    // Half of the crashes come during a disk operation, which tears writes.
    switch (window.Pick(1, 5)) {
      case 0:
        context_->world().Crash(node, kind);
        break;
      case 4:
        if (context_->options().stop != nullptr) {
          context_->Stop(node);
          context_->Note("stop of " + context_->Name(node), node);
          context_->After(length + kStopMax, node,
                          [this, node] { context_->RestartIfDown(node); });
          continue;
        }
        [[fallthrough]];
      case 1:
        context_->world().CrashAfterCalls(node, point, kind);
        break;
      default:
        context_->world().CrashAtDiskOperation(node, 1 + point % 8, kind);
    }
    context_->Plan(
        std::string("crash of the ") + name + " " + context_->Name(node), node);
    context_->After(length, node,
                    [this, node] { context_->RestartIfDown(node); });
  }
}

// The program crashes again and again soon after its restarts.
void PlannedFaults::PlanStorm(const FaultWindow& window, MachineId node,
                              Duration length, CrashKind kind) {
  const Duration gap =
      Milliseconds(20 + static_cast<int64_t>(window.Pick(5, 600)));
  for (int64_t i = 1; i <= kStormCrashes; ++i) {
    const Duration at = length + gap * i;
    context_->world().At(context_->world().now() + at, [this, node, kind] {
      if (context_->liveness() || !context_->world().running(node)) return;
      context_->world().Crash(node, kind);
      context_->Note("crash in a storm of restarts " + context_->Name(node),
                     node);
    });
    context_->After(at + gap / 2, node,
                    [this, node] { context_->RestartIfDown(node); });
  }
}

// One node, the nodes of its host or of its rack, or all nodes. Acknowledged
// writes must survive each.
std::vector<MachineId> PlannedFaults::PickVictims(const FaultWindow& window) {
  const MachineId node = window.PickNode();
  switch (window.Pick(3, 16)) {
    case 15:
      return context_->nodes();
    case 14:
      return swarm_->InRackOf(node);
    case 13:
    case 12:
    case 11:
    case 10:
      return swarm_->OnHostOf(node);
    default:
      return {node};
  }
}

void PlannedFaults::OpenPause(const FaultWindow& window) {
  const std::vector<MachineId> victims = PickVictims(window);
  const Duration length = window.Length(Milliseconds(10), Seconds(4));
  if (victims.size() == 1 && window.Pick(1, 2) == 0) {
    const MachineId node = victims[0];
    context_->world().PauseAfterCalls(node, 1 + window.Pick(2, 40), length);
    context_->Note("pause in a turn " + context_->Name(node), node);
    return;
  }
  for (const MachineId node : victims) {
    if (!context_->world().running(node) || context_->world().paused(node)) {
      continue;
    }
    context_->world().Pause(node);
    context_->Note("pause " + context_->Name(node), node);
    context_->After(length, node,
                    [this, node] { context_->world().Resume(node); });
  }
}

// ---- Disks

void PlannedFaults::OpenStall(const FaultWindow& window) {
  const SimTime end =
      context_->world().now() + window.Length(Milliseconds(50), Seconds(5));
  for (const MachineId node : PickVictims(window)) {
    const std::string file =
        context_->FileToStall(node, [&](uint64_t which, uint64_t bound) {
          return window.Pick(1 + which, bound);
        });
    context_->world().StallDisk(node, end, file);
    context_->Note("stalled disk " + context_->Name(node) +
                   (file.empty() ? "" : " " + file));
  }
}

void PlannedFaults::OpenDiskError(const FaultWindow& window) {
  MachineId node;
  if (!swarm_->PickDiskFaultTarget(window, &node)) return;
  World& world = context_->world();
  constexpr World::DiskOperation kKinds[] = {
      World::DiskOperation::kAny, World::DiskOperation::kWrite,
      World::DiskOperation::kSync, World::DiskOperation::kRead};
  switch (const uint64_t what = window.Pick(1, std::size(kKinds) + 5)) {
    case std::size(kKinds):
      LimitOpenFiles(window, node);
      break;
    case std::size(kKinds) + 1:
      MakeUnreadable(window, node, /*whole=*/false);
      // A node reads most at its start, so it is restarted.
      context_->KillAndRestart(node);
      break;
    case std::size(kKinds) + 2:
      // The running node must do without the file, for the rest of the safety
      // phase.
      return MakeUnreadable(window, node, /*whole=*/true);
    case std::size(kKinds) + 3:
      SetErrorRates(window, node);
      context_->Note("transient disk errors " + context_->Name(node), node);
      break;
    case std::size(kKinds) + 4:
      // Few writes are not durable.
      world.disk_options(node).writeback_error = {1, 2};
      context_->Note("failing write-back " + context_->Name(node), node);
      break;
    default:
      world.FailDiskOperation(node, kKinds[what], 1 + window.Pick(2, 20),
                              window.Pick(3, 2) == 1);
      context_->Note("disk errors " + context_->Name(node), node);
      if (kKinds[what] == World::DiskOperation::kRead) {
        context_->KillAndRestart(node);
      }
  }
  // The program may have stopped itself. A supervisor starts it again on a
  // disk that works.
  context_->After(window.Length(Milliseconds(200), Seconds(5)), node,
                  [this, node] {
                    World& world = context_->world();
                    DiskOptions& disk = world.disk_options(node);
                    disk.read_error = disk.write_error = {};
                    disk.sync_error = disk.writeback_error = {};
                    world.HealDisk(node);
                    context_->KillAndRestart(node);
                  });
}

// In half of the windows the node starts with few descriptors.
void PlannedFaults::LimitOpenFiles(const FaultWindow& window, MachineId node) {
  const bool starts = window.Pick(3, 2) == 1;
  if (starts) context_->KillAndRestart(node);
  context_->world().LimitOpenFiles(node, window.Pick(2, starts ? 6 : 3));
  context_->Note("no descriptors " + context_->Name(node), node);
}

// Reads of a file, or of some of its bytes, fail. That may fence a replica for
// good.
void PlannedFaults::MakeUnreadable(const FaultWindow& window, MachineId node,
                                   bool whole) {
  World& world = context_->world();
  const std::vector<std::string> files = world.DiskFiles(node);
  if (context_->options().damage_limit == nullptr || !damage_->MayLoseNodes() ||
      !damage_->MayDamage(node) || files.empty()) {
    return;
  }
  const std::string& file = files[window.Pick(2, files.size())];
  const uint64_t size = world.DiskFileSize(node, file);
  const uint64_t offset = whole ? 0 : window.Pick(3, size + 1);
  world.MakeUnreadable(node, file, offset,
                       whole ? UINT64_MAX / 2 : 1 + window.Pick(4, 8192));
  damage_->AddDamaged(node, file);
  context_->Note((whole ? "unreadable file of " : "unreadable bytes of ") +
                     context_->Name(node) + " " + file,
                 node);
}

// Each operation of one kind fails with a probability.
void PlannedFaults::SetErrorRates(const FaultWindow& window, MachineId node) {
  constexpr uint32_t kOneIn[] = {100, 20, 5};
  const Ratio rate{1, kOneIn[window.Pick(2, std::size(kOneIn))]};
  DiskOptions& disk = context_->world().disk_options(node);
  switch (window.Pick(3, 3)) {
    case 0:
      disk.write_error = rate;
      break;
    case 1:
      disk.sync_error = rate;
      break;
    default:
      disk.read_error = rate;
  }
}

void PlannedFaults::OpenDiskFull(const FaultWindow& window) {
  MachineId node;
  if (!swarm_->PickDiskFaultTarget(window, &node)) return;
  uint64_t used = 0;
  for (const std::string& file : context_->world().DiskFiles(node)) {
    used += context_->world().DiskFileSize(node, file);
  }
  context_->world().disk_options(node).capacity_bytes =
      used + window.Pick(1, 4096);
  // In one of three the disk reports room, as with a quota.
  context_->world().disk_options(node).unusable_bytes =
      window.Pick(4, 3) == 2 ? uint64_t{1} << 30 : 0;
  context_->Note("disk full " + context_->Name(node), node);
  // In one window of three the node starts on the full disk.
  if (window.Pick(2, 3) == 2) context_->KillAndRestart(node);
  // In one of three a node that did not stop itself goes on.
  const bool restarts = window.Pick(3, 3) != 2;
  context_->After(window.Length(Milliseconds(200), Seconds(5)), node,
                  [this, node, restarts] {
                    DiskOptions& disk = context_->world().disk_options(node);
                    disk.capacity_bytes = DiskOptions().capacity_bytes;
                    disk.unusable_bytes = 0;
                    if (restarts) {
                      context_->KillAndRestart(node);
                    } else {
                      context_->RestartIfDown(node);
                    }
                  });
}

// ---- Memory

// At most one replica in a run: its node is lost to the group, like a node with
// a damaged disk.
void PlannedFaults::OpenWrongState(const FaultWindow& window) {
  MachineId node;
  if (spoilt_ || window.Pick(1, kWindowsPerWrongState) != 0 ||
      !swarm_->PickDiskFaultTarget(window, &node) ||
      damage_->erased().contains(node) || !context_->world().running(node) ||
      !context_->options().spoil_state(node, window.Pick(2, UINT64_MAX))) {
    return;
  }
  spoilt_ = true;
  damage_->AddDamaged(node);
  context_->world().faults().Count(Fault::kStateSpoilt, node);
  context_->Note("wrong state in the memory of " + context_->Name(node), node);
}

// ---- Clocks

void PlannedFaults::OpenClock(const FaultWindow& window) {
  const MachineId node = window.PickNode();
  SimClock& clock = context_->world().clock(node);
  switch (window.Pick(1, 5)) {
    case 3: {
      // A daemon becomes more or less certain of the clock. The offset is
      // within the new bound.
      constexpr int64_t kBoundsMs[] = {10, 1, 100, 1'000};
      const Duration widest = Milliseconds(kBoundsMs[window.Pick(3, 4)]);
      const auto bound = static_cast<uint64_t>(widest.ns());
      clock.SetWallErrorBound(context_->world().now(), widest);
      clock.SetWallOffset(
          Duration(static_cast<int64_t>(window.Pick(2, 2 * bound + 1)) -
                   static_cast<int64_t>(bound)));
      context_->world().faults().Count(Fault::kClockBound, node);
      context_->Note("another clock error bound " + context_->Name(node), node);
      break;
    }
    case 4:
      // No daemon disciplines the clock, so it may be wrong by hours.
      if (!clock.wall_latest_known()) {
        const int64_t most =
            context_->options().wrong_clock_max.ns() / Seconds(1).ns();
        clock.SetWallOffset(
            Seconds(static_cast<int64_t>(window.Pick(2, 2 * most)) - most));
        context_->world().faults().Count(Fault::kClockWrong, node);
        context_->Note("wrong wall clock " + context_->Name(node), node);
        break;
      }
      [[fallthrough]];
    case 0: {
      const auto bound = static_cast<uint64_t>(
          std::max<int64_t>(0, clock.wall_error_bound().ns()));
      clock.SetWallOffset(
          Duration(static_cast<int64_t>(window.Pick(2, 2 * bound + 1)) -
                   static_cast<int64_t>(bound)));
      context_->world().faults().Count(Fault::kClockStep, node);
      context_->Note("wall clock step " + context_->Name(node), node);
      break;
    }
    case 1:
      clock.JumpMono(context_->world().now(),
                     Milliseconds(static_cast<int64_t>(window.Pick(2, 5000))));
      context_->world().faults().Count(Fault::kClockStep, node);
      context_->Note("clock jump " + context_->Name(node), node);
      break;
    default:
      if (clock.frozen()) return;
      clock.SetFrozen(context_->world().now(), true);
      context_->world().faults().Count(Fault::kClockFreeze, node);
      context_->Note("clock freeze " + context_->Name(node), node);
      context_->After(window.Length(Milliseconds(10), Seconds(2)), node,
                      [this, node] {
                        if (!context_->world().clock(node).frozen()) return;
                        context_->world().clock(node).SetFrozen(
                            context_->world().now(), false);
                        context_->world().ClockChanged(node);
                      });
  }
  context_->world().ClockChanged(node);
}

}  // namespace quorate::sim
