// sim/schedule/disk_damage.h: damages and erases what disks store. The limits
// on damage keep the run recoverable (ScheduleOptions::damage_limit).
#ifndef QUORATE_SIM_SCHEDULE_DISK_DAMAGE_H_
#define QUORATE_SIM_SCHEDULE_DISK_DAMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "sim/disk/disk_image.h"
#include "sim/schedule/fault_context.h"
#include "sim/schedule/fault_window.h"
#include "sim/schedule/swarm.h"

namespace quorate::sim {

class DiskDamage {
 public:
  DiskDamage(FaultContext* context, const Swarm* swarm)
      : context_(context), swarm_(swarm) {}

  // False while the cluster may still have to be founded, which needs all
  // nodes. No disk is damaged then.
  bool MayLoseNodes() const;

  // Damages one sector or block of one disk fault target, or of all of them.
  void OpenDamage(const FaultWindow& window);
  // Copies a disk. Later the node starts from the copy.
  void OpenOldDisk(const FaultWindow& window);
  // Erases one whole disk.
  void OpenErase(const FaultWindow& window);

  // Records that bytes of a file cannot be read any more. Without a name: that
  // any part of the node may be wrong.
  void AddDamaged(MachineId node, const std::string& file = "");
  // Whether one more disk may be damaged, and it may be that of the node.
  bool MayDamage(MachineId node) const;

  // The nodes whose disk was damaged or erased, with the names of the damaged
  // files. An empty name stands for all files. Replicas that need the files may
  // be fenced for the rest of the run, or fail to start.
  using Damaged = absl::btree_map<MachineId, absl::btree_set<std::string>>;
  const Damaged& damaged() const { return damaged_; }
  // The nodes whose disk was erased. They must not start.
  const absl::btree_set<MachineId>& erased() const { return erased_; }

 private:
  // Names and contents.
  using Files = ScheduleOptions::Files;

  Files ReadFiles(MachineId node) const;
  // Replaces all files of a machine that is down.
  void PutBack(MachineId node, const Files& files);
  // Does it as soon as the disk may be damaged, for which it tries so often.
  void OnceAllowed(MachineId node, int tries, absl::AnyInvocable<void()> then);
  // Damages the disk, and starts the node again after the time `down`.
  void RestartDamaged(const FaultWindow& window, MachineId node, CrashKind kind,
                      Duration down, const std::vector<FileContents>& before);
  void Erase(MachineId node, Duration down);
  // Damages one stored sector or block of a machine that is down. `before` has
  // its files as they were when the fault window began.
  void Damage(const FaultWindow& window, MachineId node,
              const std::vector<FileContents>& before);
  // A file of a machine that is down, of which the first `limit` bytes may be
  // damaged.
  struct Place {
    MachineId node;
    const std::string& file;
    uint64_t limit;
    const std::vector<FileContents>& before;
  };
  // Each kind of damage returns false if the file has no place for it.
  bool FlipBit(const FaultWindow& window, const Place& place);
  bool Misdirect(const FaultWindow& window, const Place& place);
  bool MakeStale(const FaultWindow& window, const Place& place);
  bool TearBlock(const FaultWindow& window, const Place& place);
  // Replaces one of the pieces of `size` bytes that were written since `before`
  // by replace(its content then).
  bool ReplaceWritten(
      const FaultWindow& window, const Place& place, size_t size, Fault fault,
      absl::FunctionRef<std::string(std::string_view old)> replace);

  FaultContext* const context_;
  const Swarm* const swarm_;
  Damaged damaged_;
  absl::btree_set<MachineId> erased_;
  size_t erasures_ = 0;
  bool put_back_ = false;  // Some node started from an older disk.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_DISK_DAMAGE_H_
