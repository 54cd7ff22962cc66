#include "node/controller/copy_report.h"

#include <algorithm>

#include "kv/moves/copy_reader.h"
#include "shardctrl/partition.h"

namespace quorate::node {

using shardctrl::MoveProgress;

CopyReport::CopyReport(NodeId driver, raft::Term term,
                       const MoveProgress& earlier)
    : progress_(earlier) {
  progress_.driver = driver;
  progress_.term = term;
}

void CopyReport::SetPhases(MovePhase source, MovePhase destination) {
  progress_.source = std::max(progress_.source, source);
  progress_.destination = std::max(progress_.destination, destination);
}

void CopyReport::OnBegun(uint32_t slots) {
  progress_.slots_done = slots;
  slot_stream_bytes_ = 0;
  slots_bytes_ = 0;
  slots_counted_ = 0;
}

void CopyReport::OnTaken(const kv::StagePlace& place, size_t bytes) {
  stream_bytes_ += bytes;
  if (place.slots < progress_.slots_done) return;  // A late answer.
  slot_stream_bytes_ =
      place.slots == progress_.slots_done ? slot_stream_bytes_ + bytes : 0;
  progress_.slots_done = place.slots;
}

void CopyReport::CountBytes(MonoTime now, const kv::MovePlan& plan,
                            const kv::Store& store) {
  const auto size_of = [&](uint32_t index) {
    const Slot slot = kv::SlotAt(plan, index);
    return store.size_bytes(SlotRange{slot, slot});
  };
  for (; slots_counted_ < progress_.slots_done; ++slots_counted_) {
    slots_bytes_ += size_of(slots_counted_);
  }
  progress_.bytes_done = slots_bytes_;
  copied_ = slots_counted_ == kv::SlotCountOf(plan);
  if (copied_) {
    progress_.bytes_total = slots_bytes_;
    return;
  }
  progress_.bytes_done += std::min(slot_stream_bytes_, size_of(slots_counted_));
  // Clients may add keys.
  if (IsDue(now)) progress_.bytes_total = kv::BytesOf(plan, store);
  progress_.bytes_total = std::max(progress_.bytes_total, progress_.bytes_done);
}

void CopyReport::OnHeld(MoveId move, const ClusterUsage& usage) {
  uint64_t commands = 0;
  for (const auto& [node, its] : usage) {
    for (const HeldCommands& held : its.held) {
      if (held.move != move) continue;
      commands += held.commands;
      progress_.longest_pause =
          std::max(progress_.longest_pause, held.longest_pause);
    }
  }
  progress_.held_requests = std::max(progress_.held_requests, commands);
}

std::optional<MoveProgress> CopyReport::Next(MonoTime now, Duration write_pause,
                                             const std::string& problem) {
  progress_.write_pause = write_pause;
  const auto pauses = std::pair(progress_.longest_pause, progress_.write_pause);
  if (!new_phase() && pauses == reported_pauses_ && !IsDue(now)) {
    return std::nullopt;
  }
  if (reported_.has_value() && now > *reported_) {
    const uint64_t fresh = stream_bytes_ - reported_stream_bytes_;
    const int64_t ms = std::max<int64_t>((now - *reported_).ms(), 1);
    progress_.bytes_per_second = fresh * 1000 / static_cast<uint64_t>(ms);
  }
  ++progress_.report;
  progress_.problem = problem;
  reported_ = now;
  reported_stream_bytes_ = stream_bytes_;
  reported_phases_ = PhasesNow();
  reported_pauses_ = pauses;
  return progress_;
}

}  // namespace quorate::node
