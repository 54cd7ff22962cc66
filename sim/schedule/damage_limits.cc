#include "sim/schedule/damage_limits.h"

#include <algorithm>
#include <optional>
#include <string>

#include "env/little_endian.h"

namespace quorate::sim {
namespace {

// The parts of docs/reference/formats/log.md that are needed here.
constexpr std::string_view kLogPrefix = "log-";
constexpr std::string_view kSnapshotPrefix = "snap-";
constexpr uint64_t kSegmentHeaderBytes = 64;
constexpr uint64_t kRecordHeaderBytes = 48;
constexpr uint64_t kRecordAlignment = 8;
constexpr uint64_t kTypeOffset = 4;
constexpr char kOpened = 6;
constexpr char kWitness = 7;

// The type of the record at the offset. 0: the file ends before.
char TypeAt(std::string_view bytes, uint64_t offset) {
  return offset + kRecordHeaderBytes <= bytes.size()
             ? bytes[offset + kTypeOffset]
             : '\0';
}

// Where the opening of a segment ends. 0: it is not complete, or damaged.
uint64_t OpeningEnd(std::string_view bytes) {
  uint64_t offset = kSegmentHeaderBytes;
  while (true) {
    const char type = TypeAt(bytes, offset);
    if (type <= 0 || type > kOpened) return 0;
    const uint64_t body = LoadFixed<uint32_t>(bytes.data() + offset);
    offset += kRecordHeaderBytes + (body + kRecordAlignment - 1) /
                                       kRecordAlignment * kRecordAlignment;
    if (type == kOpened) return offset;
  }
}

}  // namespace

void DamageLimits::AfterTurn(MachineId machine, Duration witness_delay) {
  if (!world_.running(machine)) return;  // It died in this turn.
  Idle& idle = idle_[machine];
  const LogWrites& writes = world_.log_writes(machine);
  const MonoTime now = world_.clock(machine).Mono(world_.now());
  const uint64_t incarnation = world_.incarnation(machine);
  // After an error the log writes nothing any more.
  if (writes != idle.writes || writes.begun != writes.reported ||
      incarnation != idle.incarnation || world_.disk_failures(machine) > 0) {
    idle = {.incarnation = incarnation, .writes = writes, .since = now};
  } else if (writes.reported > 0 && now >= idle.since + witness_delay) {
    ++idle.turns;
  }
}

uint64_t DamageLimits::Of(MachineId machine, std::string_view file) const {
  if (file.starts_with(kLogPrefix)) return OfLog(machine, file);
  // Snapshots have their length and a checksum for each block.
  return file.starts_with(kSnapshotPrefix) ? world_.DiskFileSize(machine, file)
                                           : 0;
}

uint64_t DamageLimits::OfLog(MachineId machine, std::string_view file) const {
  const std::optional<ByteExtent> newest =
      world_.NewestDurableWrite(machine, file);
  // The log has not opened the file since it has this name.
  if (!newest.has_value()) return 0;
  const std::string bytes = world_.ReadDiskFile(machine, file);
  // A write may end with zeros for later ones. They are worth no damage.
  const uint64_t end =
      bytes.find_last_not_of('\0', std::max<uint64_t>(newest->end, 1) - 1) + 1;
  if (IsClosed(machine, file)) return end;
  const uint64_t opening_end = OpeningEnd(bytes);
  // If its opening cannot be read, the segment before it counts as the last.
  if (opening_end == 0 || newest->begin < opening_end) return 0;
  const bool may_be_damaged =
      TypeAt(bytes, newest->begin) != kWitness && WitnessIsDue(machine);
  return may_be_damaged ? end : newest->begin;
}

bool DamageLimits::IsClosed(MachineId machine, std::string_view file) const {
  for (const std::string& later : world_.DiskFiles(machine)) {
    if (!later.starts_with(kLogPrefix) || later <= file) continue;
    const std::optional<ByteExtent> newest =
        world_.NewestDurableWrite(machine, later);
    if (!newest.has_value()) continue;
    const uint64_t opening_end =
        OpeningEnd(world_.ReadDiskFile(machine, later));
    if (opening_end > 0 && newest->end >= opening_end) return true;
  }
  return false;
}

bool DamageLimits::WitnessIsDue(MachineId machine) const {
  const auto idle = idle_.find(machine);
  return idle != idle_.end() &&
         idle->second.incarnation == world_.incarnation(machine) &&
         idle->second.turns >= kIdleTurns;
}

}  // namespace quorate::sim
