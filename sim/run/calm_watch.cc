#include "sim/run/calm_watch.h"

#include <algorithm>

#include "env/check.h"
#include "env/random.h"

namespace quorate::sim {
namespace {

// Faults after which requests may wait.
constexpr Fault kDisturbing[] = {
    Fault::kMessageSpike,         Fault::kMessageLost,
    Fault::kMessageCorrupted,     Fault::kMessageOverflow,
    Fault::kLinkClogged,          Fault::kStreamReset,
    Fault::kStreamLostTail,       Fault::kStreamHalfOpen,
    Fault::kConnectHang,          Fault::kPause,
    Fault::kPauseInTurn,          Fault::kCrashInTurn,
    Fault::kCrashAtDiskOperation, Fault::kRestart,
    Fault::kDiskReadError,        Fault::kDiskWriteError,
    Fault::kDiskSyncError,        Fault::kDiskFull,
    Fault::kDiskStalled,          Fault::kClockStep,
    Fault::kClockFreeze,          Fault::kBuggify,
};

}  // namespace

void CalmWatch::Look() {
  const uint64_t fingerprint = Fingerprint();
  const bool changed = fingerprint != fingerprint_;
  // The parts depend on nothing else.
  if (changed) {
    fingerprint_ = fingerprint;
    divided_ = FindParts();
  }
  const uint64_t disturbances = Disturbances();
  if (changed || disturbances != disturbances_ || !divided_) {
    disturbances_ = disturbances;
    since_ = world_->now();
  }
}

// Counts only grow, so their sum changes with each of them.
uint64_t CalmWatch::Disturbances() const {
  const FaultCounters& faults = world_->faults();
  uint64_t disturbances = 0;
  for (const Fault fault : kDisturbing) disturbances += faults.count(fault);
  return disturbances;
}

uint64_t CalmWatch::Fingerprint() const {
  uint64_t hash = 0;
  for (const MachineId a : nodes_) {
    uint64_t of_node = world_->incarnation(a) << 1 | (Works(a) ? 1 : 0);
    for (const MachineId b : nodes_) {
      of_node = of_node << 1 | (world_->blocked(a, b) ? 1 : 0);
    }
    hash = Mix64(hash ^ of_node);
  }
  return hash;
}

bool CalmWatch::Works(MachineId node) const {
  return world_->running(node) && !world_->paused(node) &&
         !world_->clock(node).frozen();
}

bool CalmWatch::Connected(MachineId a, MachineId b) const {
  return a == b || (!world_->blocked(a, b) && !world_->blocked(b, a));
}

bool CalmWatch::FindParts() {
  std::vector<MachineId> working;
  for (const MachineId node : nodes_) {
    if (Works(node)) working.push_back(node);
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    parts_[i].clear();
    if (!Works(nodes_[i])) continue;
    for (const MachineId other : working) {
      // A link in one direction lets a node disturb others.
      if (world_->blocked(nodes_[i], other) !=
          world_->blocked(other, nodes_[i])) {
        return false;
      }
      if (Connected(nodes_[i], other)) parts_[i].push_back(other);
    }
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (const MachineId other : parts_[i]) {
      if (PartOf(other) != parts_[i]) return false;
    }
  }
  return true;
}

const std::vector<MachineId>& CalmWatch::PartOf(MachineId node) const {
  const auto place = std::find(nodes_.begin(), nodes_.end(), node);
  CHECK(place != nodes_.end()) << "machine " << node << " is no node";
  return parts_[place - nodes_.begin()];
}

}  // namespace quorate::sim
