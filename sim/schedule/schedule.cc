#include "sim/schedule/schedule.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "env/check.h"
#include "sim/disk/disk_image.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kFamily("swarm.family");
constexpr ChoiceSite kRate("swarm.rate");
constexpr ChoiceSite kFrequency("swarm.frequency");
constexpr ChoiceSite kBreakable("swarm.breakable");
constexpr ChoiceSite kLaneBytes("swarm.lane_bytes");
constexpr ChoiceSite kClockDraw("swarm.clock");
constexpr ChoiceSite kWindow("schedule.window");
constexpr ChoiceSite kPick("schedule.pick");
constexpr ChoiceSite kLength("schedule.length");
constexpr ChoiceSite kStart("schedule.start");
constexpr ChoiceSite kDrop("schedule.drop");

constexpr std::array<std::string_view, kFaultFamilies> kNames = {
    "delay",     "loss",       "duplication",   "corruption",    "partition",
    "clog",      "streams",    "process_crash", "machine_crash", "pause",
    "disk_slow", "disk_error", "disk_full",     "disk_rot",      "disk_wipe",
    "clock",     "buggify",
};

constexpr FaultFamily kWindowFamilies[] = {
    FaultFamily::kDelay,        FaultFamily::kPartition,
    FaultFamily::kClog,         FaultFamily::kStreams,
    FaultFamily::kProcessCrash, FaultFamily::kMachineCrash,
    FaultFamily::kPause,        FaultFamily::kDiskSlow,
    FaultFamily::kDiskError,    FaultFamily::kDiskFull,
    FaultFamily::kDiskRot,      FaultFamily::kDiskWipe,
    FaultFamily::kClock,
};

// How much fits on a lane of a link, by draw, when links clog.
constexpr size_t kLaneBytesMax[] = {8 << 20, 64 << 10, 8 << 10, 2 << 10};

// Mean seconds between two windows of a family, by draw.
constexpr uint32_t kMeanSeconds[] = {12, 8, 5, 3};

}  // namespace

std::string_view FaultFamilyName(FaultFamily family) {
  return kNames[static_cast<size_t>(family)];
}

Schedule::Schedule(World* world, ScheduleOptions options)
    : world_(world), options_(std::move(options)) {
  CHECK(!options_.nodes.empty());
}

void Schedule::Note(const std::string& what) {
  entries_.push_back({world_->now(), what});
}

// ---- The whole run

void Schedule::Begin() {
  DrawFamilies();
  DrawBreakable();
  SetMessageRates();
  SetNodeRates();
  if (on(FaultFamily::kClock)) SetClocks();
  PlanWindows();
  world_->SetMarkHook(
      [this](MachineId node, std::string_view mark) { OnMark(node, mark); });
}

void Schedule::DrawFamilies() {
  std::string names;
  for (size_t i = 0; i < kFaultFamilies; ++i) {
    const auto family = static_cast<FaultFamily>(i);
    const bool never =
        std::find(options_.without.begin(), options_.without.end(), family) !=
            options_.without.end() ||
        ((family == FaultFamily::kDiskRot ||
          family == FaultFamily::kDiskWipe) &&
         options_.rot_limit == nullptr);
    on_[i] =
        !never && world_->choices().Chance(kFamily, i, 0, options_.family_on);
    if (on_[i]) names += " " + std::string(kNames[i]);
  }
  Note("families:" + (names.empty() ? " none" : names));
}

// A random set of nodes that holds at most a minority of each group.
void Schedule::DrawBreakable() {
  std::vector<std::pair<uint64_t, MachineId>> order;
  for (MachineId node : options_.nodes) {
    order.emplace_back(
        world_->choices().Below(kBreakable, node.value(), 0, 1'000'000), node);
  }
  std::stable_sort(
      order.begin(), order.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [priority, node] : order) {
    std::vector<MachineId> wider = breakable_;
    wider.push_back(node);
    bool fits = true;
    for (const auto& group : options_.groups) {
      size_t broken = 0;
      for (MachineId member : group) {
        broken += std::count(wider.begin(), wider.end(), member);
      }
      fits &= broken * 2 < group.size();
    }
    if (fits) breakable_ = std::move(wider);
  }
}

Ratio Schedule::DrawRate(FaultFamily family, uint64_t which, Ratio most) {
  if (!on(family)) return {};
  // Rare, some, many: a third each.
  const uint64_t step = world_->choices().Below(
      kRate, static_cast<uint64_t>(family) << 8 | which, 0, 3);
  const uint32_t divisor = step == 0 ? 25 : step == 1 ? 5 : 1;
  return {most.numerator, most.denominator * divisor};
}

void Schedule::SetMessageRates() {
  NetworkOptions& network = world_->network_options();
  network.jitter = DrawRate(FaultFamily::kDelay, 0, {1, 2});
  network.spike = DrawRate(FaultFamily::kDelay, 1, {1, 50});
  network.loss = DrawRate(FaultFamily::kLoss, 0, {1, 10});
  network.duplicate = DrawRate(FaultFamily::kDuplication, 0, {1, 10});
  network.reorder = DrawRate(FaultFamily::kDuplication, 1, {1, 10});
  network.replay = DrawRate(FaultFamily::kDuplication, 2, {1, 20});
  network.corrupt = DrawRate(FaultFamily::kCorruption, 0, {1, 50});
  if (on(FaultFamily::kClog)) {
    network.lane_bytes_max = kLaneBytesMax[world_->choices().Below(
        kLaneBytes, 0, 0, std::size(kLaneBytesMax))];
  }
  StreamOptions& streams = world_->stream_options();
  streams.jitter = DrawRate(FaultFamily::kStreams, 0, {1, 4});
  streams.split = DrawRate(FaultFamily::kStreams, 1, {1, 3});
  streams.reset = DrawRate(FaultFamily::kStreams, 2, {1, 200});
  if (on(FaultFamily::kStreams)) {
    // Closes with bytes on their way are rare: half of them or more.
    streams.lost_tail = {
        1, 1 + static_cast<uint32_t>(world_->choices().Below(
                   kRate, static_cast<uint64_t>(FaultFamily::kStreams) << 8 | 3,
                   0, 2))};
  }
  streams.refuse = DrawRate(FaultFamily::kStreams, 4, {1, 10});
  streams.hang = DrawRate(FaultFamily::kStreams, 5, {1, 20});
}

void Schedule::SetNodeRates() {
  if (on(FaultFamily::kBuggify)) {
    world_->buggify_options().active = {1, 2};
    world_->buggify_options().fire = DrawRate(FaultFamily::kBuggify, 0, {1, 4});
  }
  for (MachineId node : options_.nodes) {
    DiskOptions& disk = world_->disk_options(node);
    disk.jitter = DrawRate(FaultFamily::kDiskSlow, 0, {1, 2});
    disk.slow = DrawRate(FaultFamily::kDiskSlow, 1, {1, 100});
    LoopOptions& loop = world_->loop_options(node);
    loop.hiccup = DrawRate(FaultFamily::kPause, 0, {1, 500});
    loop.timers_first = DrawRate(FaultFamily::kDelay, 2, {1, 2});
  }
}

void Schedule::SetClocks() {
  for (MachineId node : options_.nodes) {
    SimClock& clock = world_->clock(node);
    const auto draw = [&](uint64_t which, uint64_t bound) {
      return static_cast<int64_t>(
          world_->choices().Below(kClockDraw, node.value(), which, bound));
    };
    // Up to 1000 ppm either way: ten times what a bad crystal does.
    const int64_t ppm = draw(0, 2001);
    if (ppm != 0) {
      clock.SetMonoDrift(world_->now(), ppm - 1000);
      world_->faults().Count(Fault::kClockDrift);
    }
    // Honest: within the bound that the clock states.
    constexpr int64_t kBoundsMs[] = {10, 1, 100};
    clock.SetWallErrorBound(
        Milliseconds(kBoundsMs[draw(2, std::size(kBoundsMs))]));
    const int64_t bound = clock.wall_error_bound().ns();
    const int64_t offset = draw(1, 2 * static_cast<uint64_t>(bound) + 1);
    if (offset != 0) {
      clock.SetWallOffset(Duration(offset - bound));
      world_->faults().Count(Fault::kClockOffset);
    }
    if (draw(3, 3) == 1) {
      clock.SetWallLatestKnown(false);
      world_->faults().Count(Fault::kClockUndisciplined);
    }
    world_->ClockChanged(node);
  }
}

void Schedule::PlanWindows() {
  const auto seconds =
      static_cast<uint64_t>(options_.length.ns() / Seconds(1).ns());
  for (FaultFamily family : kWindowFamilies) {
    if (!on(family)) continue;
    const uint64_t frequency = world_->choices().Below(
        kFrequency, static_cast<uint64_t>(family), 0, std::size(kMeanSeconds));
    const Ratio rate{1, kMeanSeconds[frequency]};
    for (uint64_t second = 0; second < seconds; ++second) {
      const Window window{family, second};
      if (!world_->choices().Chance(kWindow, window.entity(), 0, rate)) {
        continue;
      }
      const Duration within = world_->choices().Between(
          kStart, window.entity(), 0, Duration(0), Seconds(1) - Nanoseconds(1));
      world_->At(world_->now() + Seconds(static_cast<int64_t>(second)) + within,
                 [this, window] {
                   if (!liveness_) Open(window);
                 });
    }
  }
}

// ---- Choices within a window

uint64_t Schedule::Pick(const Window& window, uint64_t which, uint64_t bound) {
  return world_->choices().Below(kPick, window.entity(), which, bound);
}

Duration Schedule::Length(const Window& window, Duration least, Duration most) {
  return world_->choices().Between(kLength, window.entity(), 0, least, most);
}

MachineId Schedule::PickNode(const Window& window) {
  return options_.nodes[Pick(window, 0, options_.nodes.size())];
}

bool Schedule::PickBreakable(const Window& window, MachineId* node) {
  if (breakable_.empty()) return false;
  *node = breakable_[Pick(window, 0, breakable_.size())];
  return true;
}

void Schedule::After(Duration length, MachineId node,
                     absl::AnyInvocable<void()> undo) {
  world_->At(world_->now() + length,
             [this, node, undo = std::move(undo)]() mutable {
               if (!Stays(node)) undo();
             });
}

void Schedule::Open(const Window& window) {
  switch (window.family) {
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
      return OpenRot(window);
    case FaultFamily::kDiskWipe:
      return OpenWipe(window);
    case FaultFamily::kClock:
      return OpenClock(window);
    default:
      return;
  }
}

// ---- Windows of the network

void Schedule::Block(MachineId from, MachineId to,
                     std::vector<std::pair<MachineId, MachineId>>* cut) {
  if (from != to) cut->emplace_back(from, to);
}

void Schedule::Cut(Duration length, const char* name,
                   std::vector<std::pair<MachineId, MachineId>> cut) {
  std::string what = std::string("partition ") + name + ":";
  for (const auto& [from, to] : cut) {
    world_->BlockLink(from, to);
    what += " " + Name(from) + ">" + Name(to);
  }
  Note(what);
  world_->At(world_->now() + length, [this, cut = std::move(cut)] {
    // Healing the core took its links out already.
    if (liveness_) return;
    for (const auto& [from, to] : cut) world_->UnblockLink(from, to);
    Note("partition ends");
  });
}

void Schedule::OpenPartition(const Window& window) {
  const std::vector<MachineId>& nodes = options_.nodes;
  std::vector<std::pair<MachineId, MachineId>> cut;
  const MachineId one = PickNode(window);
  const Duration length = Length(window, Milliseconds(100), Seconds(8));
  FaultCounters& faults = world_->faults();
  switch (Pick(window, 1, 5)) {
    case 0:  // One node from all others, both ways.
      for (MachineId node : nodes) {
        Block(one, node, &cut);
        Block(node, one, &cut);
      }
      faults.Count(Fault::kPartitionIsolate);
      return Cut(length, "isolate", std::move(cut));
    case 1:  // Two sides.
      for (size_t i = 0; i < nodes.size(); ++i) {
        for (size_t j = 0; j < nodes.size(); ++j) {
          const uint64_t side_i = Pick(window, 16 + i, 2);
          const uint64_t side_j = Pick(window, 16 + j, 2);
          if (side_i != side_j) Block(nodes[i], nodes[j], &cut);
        }
      }
      faults.Count(Fault::kPartition);
      return Cut(length, "two sides", std::move(cut));
    case 2:  // One is not heard, or hears nothing.
      for (MachineId node : nodes) {
        if (Pick(window, 2, 2) == 0) {
          Block(one, node, &cut);
        } else {
          Block(node, one, &cut);
        }
      }
      faults.Count(Fault::kPartitionOneWay);
      return Cut(length, "one way", std::move(cut));
    case 3:  // Two sides that both reach the bridge.
      for (size_t i = 0; i < nodes.size(); ++i) {
        for (size_t j = 0; j < nodes.size(); ++j) {
          if (nodes[i] == one || nodes[j] == one) continue;
          const uint64_t side_i = Pick(window, 16 + i, 2);
          const uint64_t side_j = Pick(window, 16 + j, 2);
          if (side_i != side_j) Block(nodes[i], nodes[j], &cut);
        }
      }
      faults.Count(Fault::kPartitionBridge);
      return Cut(length, "bridge", std::move(cut));
    default: {  // One client or node from one node.
      std::vector<MachineId> all = nodes;
      all.insert(all.end(), options_.clients.begin(), options_.clients.end());
      const MachineId other = all[Pick(window, 3, all.size())];
      Block(one, other, &cut);
      Block(other, one, &cut);
      faults.Count(Fault::kPartition);
      return Cut(length, "pair", std::move(cut));
    }
  }
}

void Schedule::OpenClog(const Window& window) {
  const MachineId one = PickNode(window);
  const MachineId other =
      options_.nodes[Pick(window, 1, options_.nodes.size())];
  const SimTime end =
      world_->now() + Length(window, Milliseconds(50), Seconds(3));
  const auto clog = [this, end](MachineId from, MachineId to) {
    if (from != to && !liveness_) world_->ClogLink(from, to, end);
  };
  if (Pick(window, 2, 2) == 0) {
    clog(one, other);
    return Note("clog " + Name(one) + ">" + Name(other));
  }
  // All that one hears, and a moment later all that it says, or the other way round: questions arrive, the answers do not.
  const bool deaf = Pick(window, 3, 2) == 0;
  const auto all = [this, one, clog](bool to_one) {
    for (const MachineId node : options_.nodes) {
      to_one ? clog(node, one) : clog(one, node);
    }
  };
  all(deaf);
  world_->At(
      world_->now() + Milliseconds(static_cast<int64_t>(Pick(window, 4, 200))),
      [all, deaf] { all(!deaf); });
  Note("clog all links of " + Name(one));
}

void Schedule::OpenSlowLink(const Window& window) {
  const MachineId from = PickNode(window);
  const MachineId to = options_.nodes[Pick(window, 1, options_.nodes.size())];
  if (from == to) return;
  const Duration extra =
      Milliseconds(1 + static_cast<int64_t>(Pick(window, 2, 100)));
  world_->SlowLink(from, to, extra);
  world_->faults().Count(Fault::kMessageSpike);
  Note("slow " + Name(from) + ">" + Name(to));
  After(Length(window, Milliseconds(500), Seconds(10)), to,
        [this, from, to] { world_->SlowLink(from, to, Duration(0)); });
}

void Schedule::OpenReset(const Window& window) {
  const MachineId node = PickNode(window);
  world_->ResetStreams(node);
  Note("reset streams of " + Name(node));
}

// ---- Windows of processes

void Schedule::RestartIfDown(MachineId node) {
  world_->CrashAfterCalls(node, 0, CrashKind::kProcess);
  world_->CrashAtDiskOperation(node, 0, CrashKind::kProcess);
  if (world_->running(node)) return;
  world_->Restart(node);
  Note("restart " + Name(node));
}

void Schedule::Recycle(MachineId node) {
  if (world_->running(node)) world_->Crash(node, CrashKind::kProcess);
  RestartIfDown(node);
}

void Schedule::OpenCrash(const Window& window, CrashKind kind) {
  const char* name = kind == CrashKind::kMachine ? "machine" : "process";
  std::vector<MachineId> victims = {PickNode(window)};
  // One time in sixteen all of them at once: what was acknowledged must survive that too.
  if (Pick(window, 3, 16) == 15) victims = options_.nodes;
  const Duration length = Length(window, Milliseconds(10), Seconds(5));
  for (MachineId node : victims) {
    if (!world_->running(node)) continue;
    const uint64_t point = 1 + Pick(window, 2, 60);
    // Half of them while the disk is at work: that is when writes are torn.
    switch (Pick(window, 1, 4)) {
      case 0:
        world_->Crash(node, kind);
        break;
      case 1:
        world_->CrashAfterCalls(node, point, kind);
        break;
      default:
        world_->CrashAtDiskOperation(node, 1 + point % 8, kind);
    }
    Note(std::string("crash of the ") + name + " " + Name(node));
    After(length, node, [this, node] { RestartIfDown(node); });
  }
}

void Schedule::OpenPause(const Window& window) {
  const MachineId node = PickNode(window);
  const Duration length = Length(window, Milliseconds(10), Seconds(4));
  if (Pick(window, 1, 2) == 0) {
    world_->PauseAfterCalls(node, 1 + Pick(window, 2, 40), length);
    Note("pause in a turn " + Name(node));
    return;
  }
  if (!world_->running(node) || world_->paused(node)) return;
  world_->Pause(node);
  Note("pause " + Name(node));
  After(length, node, [this, node] { world_->Resume(node); });
}

// ---- Windows of disks

void Schedule::OpenStall(const Window& window) {
  const MachineId node = PickNode(window);
  world_->StallDisk(
      node, world_->now() + Length(window, Milliseconds(50), Seconds(5)));
  Note("stalled disk " + Name(node));
}

void Schedule::OpenDiskError(const Window& window) {
  MachineId node;
  if (!PickBreakable(window, &node)) return;
  constexpr World::DiskOperation kKinds[] = {
      World::DiskOperation::kAny, World::DiskOperation::kWrite,
      World::DiskOperation::kSync, World::DiskOperation::kRead};
  const World::DiskOperation kind = kKinds[Pick(window, 1, 4)];
  world_->FailDiskOperation(node, kind, 1 + Pick(window, 2, 20),
                            Pick(window, 3, 2) == 1);
  broken_.insert(node);
  Note("disk errors " + Name(node));
  // Most of what a node reads it reads when it starts.
  if (kind == World::DiskOperation::kRead) Recycle(node);
  // The node may have stopped itself: a supervisor starts it again on a disk that works.
  After(Length(window, Milliseconds(200), Seconds(5)), node, [this, node] {
    world_->HealDisk(node);
    Recycle(node);
  });
}

void Schedule::OpenDiskFull(const Window& window) {
  MachineId node;
  if (!PickBreakable(window, &node)) return;
  uint64_t used = 0;
  for (const std::string& file : world_->DiskFiles(node)) {
    used += world_->DiskFileSize(node, file);
  }
  world_->disk_options(node).capacity_bytes = used + Pick(window, 1, 4096);
  broken_.insert(node);
  Note("disk full " + Name(node));
  After(Length(window, Milliseconds(200), Seconds(5)), node, [this, node] {
    world_->disk_options(node).capacity_bytes = DiskOptions().capacity_bytes;
    Recycle(node);
  });
}

Schedule::Files Schedule::ReadFiles(MachineId node) const {
  Files files;
  for (const std::string& file : world_->DiskFiles(node)) {
    files.emplace_back(file, world_->ReadDiskFile(node, file));
  }
  return files;
}

void Schedule::OpenRot(const Window& window) {
  MachineId one;
  if (!PickBreakable(window, &one)) return;
  // Sometimes all that may be damaged at once, and with it what was not synced.
  const bool all = Pick(window, 4, 4) == 3;
  const CrashKind kind =
      Pick(window, 5, 2) == 1 ? CrashKind::kMachine : CrashKind::kProcess;
  const std::vector<MachineId> victims =
      all ? breakable_ : std::vector<MachineId>{one};
  const Duration delay = Length(window, Milliseconds(10), Seconds(2));
  for (MachineId node : victims) {
    if (wiped_.contains(node)) continue;
    // What is written from now on may turn out lost.
    Files before = ReadFiles(node);
    After(delay, node,
          [this, window, node, kind, delay, before = std::move(before)] {
            if (liveness_) return;
            // Damage is found when it is read: the process ends, and starts again.
            if (world_->running(node)) world_->Crash(node, kind);
            Damage(window, node, before);
            After(delay, node, [this, node] { RestartIfDown(node); });
          });
  }
}

void Schedule::Damage(const Window& window, MachineId node,
                      const Files& before) {
  const std::vector<std::string> files = world_->DiskFiles(node);
  // Lost writes are drawn most: there is not always one to lose.
  const Window here = window.Part(node, 0);
  const uint64_t kind = std::min<uint64_t>(Pick(here, 6, 4), 2);
  const uint64_t first = Pick(here, 1, std::max<size_t>(files.size(), 1));
  // Not every file has a place for every damage: the first one that has.
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& file = files[(first + i) % files.size()];
    const uint64_t limit = options_.rot_limit(node, file);
    const Window attempt = window.Part(node, i + 1);
    const bool done = kind == 0 ? FlipBit(attempt, node, file, limit)
                      : kind == 1
                          ? Misdirect(attempt, node, file, limit)
                          : MakeStale(attempt, node, file, limit, before);
    if (!done) continue;
    constexpr const char* kWhat[] = {"bit rot ", "misdirected write ",
                                     "lost write "};
    rotten_.insert(node);
    Note(kWhat[kind] + Name(node) + " " + file);
    return;
  }
}

bool Schedule::FlipBit(const Window& window, MachineId node,
                       const std::string& file, uint64_t limit) {
  return limit > 0 && world_->FlipDiskBit(node, file, Pick(window, 2, limit),
                                          static_cast<int>(Pick(window, 3, 8)));
}

// A whole sector becomes what another place holds.
bool Schedule::Misdirect(const Window& window, MachineId node,
                         const std::string& file, uint64_t limit) {
  const uint64_t sectors = limit / kSectorBytes;
  const Files files = ReadFiles(node);
  const std::string& source = files[Pick(window, 7, files.size())].second;
  const uint64_t sources = source.size() / kSectorBytes;
  if (sectors == 0 || sources == 0) return false;
  const std::string bytes =
      source.substr(Pick(window, 8, sources) * kSectorBytes, kSectorBytes);
  if (!world_->OverwriteDisk(node, file,
                             Pick(window, 2, sectors) * kSectorBytes, bytes)) {
    return false;
  }
  world_->faults().Count(Fault::kDiskMisdirected);
  return true;
}

// A whole sector is again what it was when the window began: zeros if the file did not reach so far.
bool Schedule::MakeStale(const Window& window, MachineId node,
                         const std::string& file, uint64_t limit,
                         const Files& before) {
  std::string old;
  for (const auto& [name, bytes] : before) {
    if (name == file) old = bytes;
  }
  const std::string now = world_->ReadDiskFile(node, file);
  old.resize(now.size());
  std::vector<uint64_t> written;
  for (uint64_t at = 0; at + kSectorBytes <= limit; at += kSectorBytes) {
    if (now.compare(at, kSectorBytes, old, at, kSectorBytes) != 0) {
      written.push_back(at);
    }
  }
  if (written.empty()) return false;
  const uint64_t at = written[Pick(window, 2, written.size())];
  if (!world_->OverwriteDisk(node, file, at, old.substr(at, kSectorBytes))) {
    return false;
  }
  world_->faults().Count(Fault::kDiskStale);
  return true;
}

// A disk that is gone: who has lost what it promised must not take part again, so once a run, late, and for good.
void Schedule::OpenWipe(const Window& window) {
  MachineId node;
  const auto seconds =
      static_cast<uint64_t>(options_.length.ns() / Seconds(1).ns());
  if (!wiped_.empty() || window.second < seconds / 2 ||
      !PickBreakable(window, &node)) {
    return;
  }
  if (world_->running(node)) world_->Crash(node, CrashKind::kMachine);
  world_->WipeDisk(node);
  wiped_.insert(node);
  rotten_.insert(node);
  Note("disk lost " + Name(node));
  After(Length(window, Milliseconds(10), Seconds(5)), node,
        [this, node] { RestartIfDown(node); });
}

// ---- Windows of clocks

void Schedule::OpenClock(const Window& window) {
  const MachineId node = PickNode(window);
  SimClock& clock = world_->clock(node);
  switch (Pick(window, 1, 3)) {
    case 0: {
      const auto bound = static_cast<uint64_t>(
          std::max<int64_t>(0, clock.wall_error_bound().ns()));
      clock.SetWallOffset(
          Duration(static_cast<int64_t>(Pick(window, 2, 2 * bound + 1)) -
                   static_cast<int64_t>(bound)));
      world_->faults().Count(Fault::kClockStep);
      Note("wall clock step " + Name(node));
      break;
    }
    case 1:
      clock.JumpMono(world_->now(),
                     Milliseconds(static_cast<int64_t>(Pick(window, 2, 5000))));
      world_->faults().Count(Fault::kClockStep);
      Note("clock jump " + Name(node));
      break;
    default:
      if (clock.frozen()) return;
      clock.SetFrozen(world_->now(), true);
      world_->faults().Count(Fault::kClockFreeze);
      Note("clock freeze " + Name(node));
      After(Length(window, Milliseconds(10), Seconds(2)), node, [this, node] {
        if (!world_->clock(node).frozen()) return;
        world_->clock(node).SetFrozen(world_->now(), false);
        world_->ClockChanged(node);
      });
  }
  world_->ClockChanged(node);
}

// ---- Healing

std::vector<MachineId> Schedule::BeginLiveness() {
  CHECK(!liveness_);
  // Leaves out nodes, the rotten ones first, as long as each group keeps a majority of sound ones.
  std::vector<MachineId> order(rotten_.begin(), rotten_.end());
  for (MachineId node : options_.nodes) {
    if (!rotten_.contains(node)) order.push_back(node);
  }
  core_.insert(options_.nodes.begin(), options_.nodes.end());
  for (MachineId node : order) {
    if (!world_->choices().Chance(kDrop, node.value(), 0, {3, 4})) continue;
    core_.erase(node);
    for (const auto& group : options_.groups) {
      size_t sound = 0;
      for (MachineId member : group) {
        sound += core_.contains(member) && !rotten_.contains(member) ? 1 : 0;
      }
      if (sound * 2 <= group.size()) core_.insert(node);
    }
  }
  liveness_ = true;
  BeginCalm();
  world_->network_options() = NetworkOptions();
  world_->stream_options() = StreamOptions();
  world_->buggify_options().active = {};
  std::vector<MachineId> well(core_.begin(), core_.end());
  well.insert(well.end(), options_.clients.begin(), options_.clients.end());
  std::string what = "liveness phase, core:";
  for (MachineId node : core_) what += " " + Name(node);
  Note(what);
  for (MachineId a : well) {
    for (MachineId b : well) world_->HealLink(a, b);
  }
  for (MachineId node : core_) HealNode(node);
  PlanAftershocks();
  for (MachineId node : options_.nodes) {
    if (core_.contains(node)) continue;
    // Stays as it is, and no armed crash changes that.
    world_->CrashAfterCalls(node, 0, CrashKind::kProcess);
    world_->CrashAtDiskOperation(node, 0, CrashKind::kProcess);
    // Out of reach, or it might lead those that hear it while others, or the clients, do not: no majority protocol promises
    // progress then.
    if (std::find(on_.begin(), on_.end(), true) == on_.end()) continue;
    for (MachineId sound : well) {
      world_->BlockLink(node, sound);
      world_->BlockLink(sound, node);
    }
  }
  return {core_.begin(), core_.end()};
}

void Schedule::HealNode(MachineId node) {
  world_->HealDisk(node);
  DiskOptions& disk = world_->disk_options(node);
  disk = DiskOptions();
  world_->loop_options(node) = LoopOptions();
  SimClock& clock = world_->clock(node);
  if (clock.frozen()) clock.SetFrozen(world_->now(), false);
  world_->ClockChanged(node);
  world_->PauseAfterCalls(node, 0, Duration(0));
  if (world_->paused(node)) world_->Resume(node);
  // What stopped itself on a bad disk comes back on a good one.
  if (broken_.contains(node)) {
    Recycle(node);
  } else {
    RestartIfDown(node);
  }
}

void Schedule::HealAll() {
  CHECK(liveness_);
  ended_ = true;
  BeginCalm();
  world_->HealNetwork();
  for (MachineId node : options_.nodes) {
    if (core_.insert(node).second) HealNode(node);
  }
  Note("all healed");
}

}  // namespace quorate::sim
