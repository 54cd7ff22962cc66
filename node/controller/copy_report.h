// node/controller/copy_report.h: what the leader of a source tells the
// controller of a move that is open: how far it is, and why it stands still.
#ifndef QUORATE_NODE_CONTROLLER_COPY_REPORT_H_
#define QUORATE_NODE_CONTROLLER_COPY_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "env/ids.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "kv/store/store.h"
#include "node/admin/controller_access.h"
#include "raft/core/types.h"
#include "shardctrl/controller/move.h"
#include "shardctrl/move.h"

namespace quorate::node {

class CopyReport {
 public:
  // The progress is reported this often, and with each phase and pause.
  static constexpr Duration kInterval = Seconds(1);

  // Goes on where an earlier leader stopped.
  CopyReport(NodeId driver, raft::Term term,
             const shardctrl::MoveProgress& earlier);

  // Of the groups, as far as they are known. They only rise: what a new leader
  // knows may be older than what an earlier one reported.
  void SetPhases(MovePhase source, MovePhase destination);
  MovePhase source() const { return progress_.source; }
  // The destination has all slots. Changes may be left.
  bool copied() const { return copied_; }
  // The phases were not reported yet.
  bool new_phase() const { return PhasesNow() != reported_phases_; }

  // The bytes of the slots, unless they are known.
  void SetTotal(uint64_t bytes) {
    if (progress_.bytes_total == 0) progress_.bytes_total = bytes;
  }
  // The destination has so many slots, and the copy goes on behind them.
  void OnBegun(uint32_t slots);
  // It took a piece of so many bytes.
  void OnTaken(const kv::StagePlace& place, size_t bytes);
  // The bytes of the slots, as they are at the source now. So the sum is that
  // of all slots in the end, also if several leaders copied them.
  void CountBytes(MonoTime now, const kv::MovePlan& plan,
                  const kv::Store& store);
  // Commands that wait for the move, at all nodes.
  void OnHeld(MoveId move, const ClusterUsage& usage);

  // Nullopt: the controller knows it all, or will hear of it soon.
  std::optional<shardctrl::MoveProgress> Next(MonoTime now,
                                              Duration write_pause,
                                              const std::string& problem);

 private:
  bool IsDue(MonoTime now) const {
    return !reported_.has_value() || now - *reported_ >= kInterval;
  }

  using Phases = std::tuple<MovePhase, MovePhase, bool>;
  Phases PhasesNow() const {
    return {progress_.source, progress_.destination, copied_};
  }

  shardctrl::MoveProgress progress_;
  bool copied_ = false;
  std::optional<MonoTime> reported_;
  // Bytes that the destination took: of all pieces, of those of its present
  // slot, and of the keys of so many whole slots.
  uint64_t stream_bytes_ = 0;
  uint64_t slot_stream_bytes_ = 0;
  uint64_t slots_bytes_ = 0;
  uint32_t slots_counted_ = 0;
  // As reported last.
  uint64_t reported_stream_bytes_ = 0;
  std::optional<Phases> reported_phases_;
  std::pair<Duration, Duration> reported_pauses_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_COPY_REPORT_H_
