// sim/schedule/schedule_options.h: the families of faults and what a schedule
// of them is given.
#ifndef QUORATE_SIM_SCHEDULE_SCHEDULE_OPTIONS_H_
#define QUORATE_SIM_SCHEDULE_SCHEDULE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/random.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

// Faults that are switched on or off together for a whole run.
enum class FaultFamily : uint8_t {
  // Message jitter and spikes, slow links.
  kDelay,
  kLoss,
  // Duplicates, reordering, replay of old messages.
  kDuplication,
  // Flipped bits on the wire.
  kCorruption,
  kPartition,
  kClog,
  // Splits, resets, lost tails, refused and hanging connects.
  kStreams,
  kProcessCrash,
  kMachineCrash,
  // Pauses and slow turns.
  kPause,
  kDiskSlow,
  kDiskError,
  kDiskFull,
  // Flipped bits, misdirected and lost writes.
  kDiskRot,
  // A whole disk is erased, for the rest of the run.
  kDiskWipe,
  kClock,
  kBuggify,
  // The state of a replica becomes wrong.
  kMemory,
  // A node starts from an older copy of its disk.
  kOldDisk,
};
inline constexpr size_t kFaultFamilies =
    static_cast<size_t>(FaultFamily::kOldDisk) + 1;
std::string_view FaultFamilyName(FaultFamily family);
// The names, with commas between them.
std::string FaultFamilyNames(const std::vector<FaultFamily>& families);
// The families of a text such as "loss,clock". kInvalidArgument has the first
// unknown name and the known ones.
absl::StatusOr<std::vector<FaultFamily>> ParseFaultFamilies(
    std::string_view text);
// All families that are not listed.
std::vector<FaultFamily> OtherFaultFamilies(
    const std::vector<FaultFamily>& families);

// The failures that the programs of a group survive, in numbers of its members.
// The default is that of consensus.
struct FaultBudget {
  // Clients are served, although so many nodes are down or out of reach for
  // good. Empty: a minority.
  std::optional<uint32_t> nodes_down{};
  // So many disks have errors, or no room, for a while. Empty: a minority.
  std::optional<uint32_t> disks_failing{};
  // So many of these disks have some stored bytes that are wrong from then on.
  // Their programs must detect that, and may end for good. Empty: those that
  // the groups of a raft::Host can spare, and none without a raft::Host.
  std::optional<uint32_t> disks_damaged{};
  // So many of these disks lose everything, once each. Such a node starts with
  // an empty disk.
  uint32_t disks_lost = 0;
  // All nodes may lose power at once. Then the disks lose what is not durable.
  bool power_loss = true;
};

struct ScheduleOptions {
  // The machines that faults may hit.
  std::vector<MachineId> nodes;
  std::vector<MachineId> clients{};
  // The nodes that serve clients together, such as the voting replicas of a
  // group. Each group must be able to do so, by the budget.
  std::vector<std::vector<MachineId>> groups{};
  FaultBudget budget{};
  // How long the safety phase lasts.
  Duration length = Seconds(60);
  // Families that are never on.
  std::vector<FaultFamily> without{};
  // Families that other runs of the subject may have, and this one cannot.
  std::vector<FaultFamily> elsewhere{};
  // The probability that each other family is on. Empty: each run draws it.
  std::optional<Ratio> family_on{};
  // The most by which a clock without a stated error is wrong.
  Duration wrong_clock_max = Seconds(2 * 3600);
  // The leader of one group, which `draw` selects. Zero: it has none. Null: no
  // fault aims at leaders.
  absl::AnyInvocable<MachineId(uint64_t draw) const> leader{};
  // Stops the machine's program as an operator does: it finishes its requests
  // and ends by itself. Once in each incarnation. Null: programs only crash.
  absl::AnyInvocable<void(MachineId)> stop{};
  // Makes the state of a program wrong in memory; `draw` selects how. Returns
  // false if that is not possible now. Null: no memory is wrong.
  absl::AnyInvocable<bool(MachineId, uint64_t draw)> spoil_state{};
  // Whether the machine, which is down, may start from these files of before.
  // The caller then puts them back. Null: no disk is put back.
  using Files = std::vector<std::pair<std::string, std::string>>;
  absl::AnyInvocable<bool(MachineId, const Files& older)> put_back{};
  // Whether no majority can make progress yet, so that the liveness phase needs
  // all nodes. Null: a majority of each group always can.
  absl::AnyInvocable<bool() const> needs_all_nodes{};
  // Whether a group waits for a leader that gives the machine's vote to a new
  // replica. Null: no machine loses its vote but by damage for good.
  absl::AnyInvocable<bool(MachineId) const> lacks_voter{};
  // How many leading bytes of a file may be damaged so that recovery can tell
  // the damage from a torn tail. No protocol survives damage that recovery
  // cannot detect. Null: no disk is damaged.
  absl::AnyInvocable<uint64_t(MachineId, std::string_view file)> damage_limit{};
  // Whether the machine's disk may be damaged or erased at this moment. Null: a
  // minority of each of `groups` may be at any time, for good.
  absl::AnyInvocable<bool(MachineId)> may_damage{};
  // Called afterwards. An empty name stands for all files, which are erased.
  absl::AnyInvocable<void(MachineId, const std::string& file)> on_damaged{};
};

// The families that a schedule with these options may have.
std::vector<FaultFamily> PossibleFaultFamilies(const ScheduleOptions& options);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_SCHEDULE_OPTIONS_H_
