// sim/schedule/schedule.h: a random schedule of faults for one run, within a budget that leaves the run recoverable.
//
// Swarm testing: each family of faults is on or off for the whole run, with a rate drawn for it, because faults that are all on
// at once hide what each of them alone would show. Windows (a partition from here to there, a crash and its restart) are drawn
// per second of virtual time, by key: removing one leaves the others as they were.
//
// Safety phase: everything may fail. Liveness phase: a randomly chosen majority of each group, and the clients, are healed for
// good; every other node stays as it is and out of their reach, and all must finish. docs/testing/fault-model.md tells what each fault does and when a run can
// recover from it.
//
//   Schedule schedule(&world, {.nodes = …, .groups = …, .length = Seconds(60)});
//   schedule.Begin();
//   world.RunFor(Seconds(60));
//   schedule.BeginLiveness();
//   … run until everything is done, within a bound.
#ifndef QUORATE_SIM_SCHEDULE_SCHEDULE_H_
#define QUORATE_SIM_SCHEDULE_SCHEDULE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "sim/world/world.h"

namespace quorate::sim {

enum class FaultFamily : uint8_t {
  kDelay,  // Message jitter and spikes, slow links.
  kLoss,
  kDuplication,  // Duplicates, reordering, replay of old messages.
  kCorruption,   // Bit flips on the wire.
  kPartition,
  kClog,
  kStreams,  // Splits, resets, lost tails, refused and hanging connects.
  kProcessCrash,
  kMachineCrash,
  kPause,  // Pauses and slow turns.
  kDiskSlow,
  kDiskError,
  kDiskFull,
  kDiskRot,   // Flipped bits, misdirected and lost writes.
  kDiskWipe,  // All of it is gone, for good.
  kClock,
  kBuggify,
};
inline constexpr size_t kFaultFamilies =
    static_cast<size_t>(FaultFamily::kBuggify) + 1;
std::string_view FaultFamilyName(FaultFamily family);

struct ScheduleOptions {
  // The machines that faults may hit.
  std::vector<MachineId> nodes;
  std::vector<MachineId> clients{};
  // The voting replicas of each group: what must keep a majority.
  std::vector<std::vector<MachineId>> groups{};
  Duration length = Seconds(60);  // Of the safety phase.
  // A family that is never on.
  std::vector<FaultFamily> without{};
  // How likely each other family is on.
  Ratio family_on{1, 2};
  // How many leading bytes of a file may rot such that the damage can be told from a torn tail: what recovery cannot detect no
  // protocol survives. Null: nothing rots, and no disk is lost.
  absl::AnyInvocable<uint64_t(MachineId, std::string_view file)> rot_limit{};
};

class Schedule {
 public:
  Schedule(World* world, ScheduleOptions options);
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  // Draws the families, sets the rates and plans every window. The nodes must exist; they need not run yet.
  void Begin();
  // Heals the core and all clients, ends the rest of the plan. Returns the core: a majority of each group. For some seconds more
  // single nodes of it are still hit, by one short fault after the other.
  std::vector<MachineId> BeginLiveness();
  // Heals every machine, for a final comparison of all replicas. Windows have ended; who does something rare in the first seconds,
  // as those do that come back, may still be hit by one short fault. After BeginLiveness.
  void HealAll();

  bool on(FaultFamily family) const { return on_[static_cast<size_t>(family)]; }
  // The nodes whose disks may be damaged: at most a minority of each group.
  const std::vector<MachineId>& breakable() const { return breakable_; }
  // The nodes of whose disk some was damaged or all was lost: their replicas may be fenced for the rest of the run, or not start.
  const absl::btree_set<MachineId>& rotten() const { return rotten_; }
  // Those of whose disk all was lost: they must not start.
  const absl::btree_set<MachineId>& wiped() const { return wiped_; }

  // What was done, for people and pictures, in order.
  struct Entry {
    SimTime time;
    std::string what;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  // Names one window in choices: family and second; and for what befalls several nodes at once, or is tried again, which of them.
  struct Window {
    FaultFamily family;
    uint64_t second;
    uint64_t part = 0;
    uint64_t entity() const {
      return part << 40 | static_cast<uint64_t>(family) << 32 | second;
    }
    Window Part(MachineId node, uint64_t attempt) const {
      return {family, second, node.value() << 12 | attempt};
    }
  };

  // Names in choices what happens when a mark is reached once more.
  struct Moment {
    uint64_t mark;
    uint64_t count;
    uint64_t draw(uint64_t which) const { return 16 * count + which; }
  };

  void DrawFamilies();
  void DrawBreakable();
  void SetMessageRates();
  void SetNodeRates();
  void SetClocks();
  void PlanWindows();
  // Begins one window; its parts choose target, shape and length.
  void Open(const Window& window);
  void OpenPartition(const Window& window);
  void OpenClog(const Window& window);
  void OpenSlowLink(const Window& window);
  void OpenReset(const Window& window);
  void OpenCrash(const Window& window, CrashKind kind);
  // The node reached a rare moment.
  void OnMark(MachineId node, std::string_view mark);
  void HitAtMoment(MachineId node, FaultFamily family, const Moment& moment,
                   uint64_t first);
  // Perhaps ends all partitions, while what reached the moment is half done.
  void EndCuts(const Moment& moment);
  void OpenPause(const Window& window);
  void OpenStall(const Window& window);
  void OpenDiskError(const Window& window);
  void OpenDiskFull(const Window& window);
  void OpenRot(const Window& window);
  void OpenWipe(const Window& window);
  void OpenClock(const Window& window);

  // A ratio between 1/1000 and `most`, by steps.
  Ratio DrawRate(FaultFamily family, uint64_t which, Ratio most);
  uint64_t Pick(const Window& window, uint64_t which, uint64_t bound);
  uint64_t Pick(const Moment& moment, uint64_t which, uint64_t bound);
  Duration Length(const Window& window, Duration least, Duration most);
  MachineId PickNode(const Window& window);
  bool PickBreakable(const Window& window, MachineId* node);
  // Damages one stored sector of a machine that is down. `before` is what its files were when the window began.
  using Files = std::vector<std::pair<std::string, std::string>>;
  Files ReadFiles(MachineId node) const;
  void Damage(const Window& window, MachineId node, const Files& before);
  bool FlipBit(const Window& window, MachineId node, const std::string& file,
               uint64_t limit);
  bool Misdirect(const Window& window, MachineId node, const std::string& file,
                 uint64_t limit);
  bool MakeStale(const Window& window, MachineId node, const std::string& file,
                 uint64_t limit, const Files& before);
  // Undoes a window's effect on `node` when it ends, unless the node is to stay as it is.
  void After(Duration length, MachineId node, absl::AnyInvocable<void()> undo);
  void Block(MachineId from, MachineId to,
             std::vector<std::pair<MachineId, MachineId>>* cut);
  void Cut(Duration length, const char* name,
           std::vector<std::pair<MachineId, MachineId>> cut);
  void RestartIfDown(MachineId node);
  // A supervisor ends a node that stopped working and starts it again.
  void Recycle(MachineId node);
  void HealNode(MachineId node);
  void PlanAftershocks();
  // Healing begins: moments count anew, and end some seconds later.
  void BeginCalm();
  bool Stays(MachineId node) const {
    return liveness_ && !core_.contains(node);
  }
  void Note(const std::string& what);
  std::string Name(MachineId node) const { return world_->name(node); }

  World* const world_;
  ScheduleOptions options_;
  std::array<bool, kFaultFamilies> on_{};
  std::vector<MachineId> breakable_;
  absl::btree_set<MachineId> rotten_;
  absl::btree_set<MachineId> wiped_;
  absl::btree_set<MachineId>
      broken_;  // Ran on a failing disk, perhaps again after a restart.
  absl::btree_set<MachineId> core_;
  bool liveness_ = false;
  bool ended_ = false;     // No aftershocks any more.
  uint64_t calms_ = 0;     // How often healing began.
  SimTime moments_until_;  // The last one's; before, moments have no end.
  absl::btree_map<uint64_t, uint64_t> moments_;  // How often each was reached.
  std::vector<Entry> entries_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_SCHEDULE_H_
