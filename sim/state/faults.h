// sim/state/faults.h: the kinds of faults and their names. A run counts them
// from its stream of events.
#ifndef QUORATE_SIM_STATE_FAULTS_H_
#define QUORATE_SIM_STATE_FAULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sim/choices/sim_time.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {

// Each kind has a name, a counter, and a row in docs/testing/fault-model.md.
enum class Fault : uint8_t {
  kMessageJitter,
  kMessageSpike,
  kMessageLost,
  kMessageDuplicated,
  kMessageReordered,
  kMessageReplayed,
  kMessageCorrupted,
  kMessageBlocked,   // A partition blocked it.
  kMessageOverflow,  // The lane was full.
  kPartition,        // Partitions that began, by shape:
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
  kCrashInTurn,  // A crash after some env call within a turn.
  kCrashAtDiskOperation,
  kRestart,
  kPause,
  kPauseInTurn,
  kSlowTurn,
  kClientCrash,  // The process or the machine of a client.
  kClientPause,
  kTurnShuffled,    // The inputs of a turn ran in another order.
  kDiskSectorLost,  // A crash of the machine left old contents.
  kDiskWriteTorn,   // Some sectors of a write are old, some new.
  kDiskEntryLost,   // A directory operation was lost.
  kDiskReadError,
  kDiskWriteError,
  kDiskSyncError,
  kDiskWritebackError,  // A sync reported the error of an earlier write.
  kDiskFull,
  kDiskOpenLimit,  // A file could not be opened: no descriptor was left.
  kDiskSlow,
  kDiskStalled,
  kDiskBitRot,
  kDiskMisdirected,  // A sector has bytes of another place.
  kDiskStale,        // A sector has its contents before a write.
  kDiskBlockTorn,    // A write took the whole block around it along.
  kDiskWiped,
  kClockOffset,
  kClockDrift,
  kClockStep,
  kClockFreeze,
  kClockRestart,        // A reboot began a new monotonic clock.
  kClockUndisciplined,  // The clock states no latest end.
  kClockBound,          // The clock states another error.
  kClockWrong,          // A clock without a stated error is wrong by hours.
  kBuggify,
  kStateSpoilt,  // The state of a replica became wrong in memory.
  kDiskPutBack,  // A node starts from an older copy of its disk.
};
inline constexpr size_t kFaultKinds =
    static_cast<size_t>(Fault::kDiskPutBack) + 1;

// A stable name such as "message_lost", for output and documents.
std::string_view FaultName(Fault fault);

// Adds faults to the stream of events of a run.
class FaultCounters {
 public:
  // Both outlive the object.
  FaultCounters(const SimTime* now, TraceHash* trace)
      : now_(now), trace_(trace) {}
  FaultCounters(const FaultCounters&) = delete;
  FaultCounters& operator=(const FaultCounters&) = delete;

  // The fault hits `machine`, or no machine alone (0).
  void Count(Fault fault, MachineId machine = MachineId()) {
    trace_->AddNamed(*now_, machine, TraceKind::kFault, FaultName(fault));
    ++counts_[static_cast<size_t>(fault)];
  }
  uint64_t count(Fault fault) const {
    return counts_[static_cast<size_t>(fault)];
  }

 private:
  const SimTime* const now_;
  TraceHash* const trace_;
  std::array<uint64_t, kFaultKinds> counts_{};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_FAULTS_H_
