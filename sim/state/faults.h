// sim/state/faults.h: the kinds of faults, their names and how often each happened in
// a run.
#ifndef QUORATE_SIM_STATE_FAULTS_H_
#define QUORATE_SIM_STATE_FAULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace quorate::sim {

// One name and counter each; docs/testing/fault-model.md has a row for each.
enum class Fault : uint8_t {
  kMessageJitter,
  kMessageSpike,
  kMessageLost,
  kMessageDuplicated,
  kMessageReordered,
  kMessageReplayed,
  kMessageCorrupted,
  kMessageBlocked,   // By a partition.
  kMessageOverflow,  // The lane was full.
  kPartition,        // Windows begun, by shape:
  kPartitionOneWay,
  kPartitionBridge,
  kPartitionIsolate,
  kLinkClogged,
  kStreamSplit,
  kStreamReset,
  kStreamLostTail,
  kStreamHalfOpen,
  kStreamJitter,
  kConnectRefused,
  kConnectHang,
  kProcessCrash,
  kMachineCrash,
  kCrashInTurn,  // Of the crashes: after some env call within a turn.
  kCrashAtDiskOperation,
  kRestart,
  kPause,
  kPauseInTurn,
  kSlowTurn,
  kDiskSectorLost,  // In a crash of the machine: not durable, old contents.
  kDiskWriteTorn,   // Some sectors of a write old, some new.
  kDiskEntryLost,   // A directory operation.
  kDiskReadError,
  kDiskWriteError,
  kDiskSyncError,
  kDiskFull,
  kDiskSlow,
  kDiskStalled,
  kDiskBitRot,
  kDiskMisdirected,  // A sector holds what was written to another place.
  kDiskStale,        // A sector holds what it held before.
  kDiskWiped,
  kClockOffset,
  kClockDrift,
  kClockStep,
  kClockFreeze,
  kClockUndisciplined,  // No latest end is known.
  kBuggify,
};
inline constexpr size_t kFaultKinds = static_cast<size_t>(Fault::kBuggify) + 1;

// "message_lost" and so on: stable, used in output and documents.
std::string_view FaultName(Fault fault);

class FaultCounters {
 public:
  void Count(Fault fault) { ++counts_[static_cast<size_t>(fault)]; }
  uint64_t count(Fault fault) const {
    return counts_[static_cast<size_t>(fault)];
  }
  uint64_t total() const;

 private:
  std::array<uint64_t, kFaultKinds> counts_{};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_FAULTS_H_
