// sim/harness/node_disks.h: the disks of nodes with a raft::Host: which of them
// the groups can spare at a moment, and which are damaged or lost.
//
// A disk is damaged or erased only while every group that the hosts have keeps
// its majorities without it. So at most a minority of the voters of a group has
// such disks at a time. A disk is sound again when a new replica took the place
// of the one on it.
#ifndef QUORATE_SIM_HARNESS_NODE_DISKS_H_
#define QUORATE_SIM_HARNESS_NODE_DISKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "env/time.h"
#include "raft/host/host.h"
#include "sim/schedule/damage_limits.h"
#include "sim/schedule/schedule_options.h"
#include "sim/world/world.h"

namespace quorate::sim {

class NodeDisks {
 public:
  // Null: the node is down, or starts.
  using HostOf = std::function<const raft::Host*(size_t node)>;

  // Node i + 1 runs on the i-th machine. Both outlive the object.
  NodeDisks(World* world, const std::vector<MachineId>* machines, HostOf host)
      : world_(*world),
        machines_(*machines),
        host_(std::move(host)),
        limits_(world),
        disks_(machines->size()),
        losses_(machines->size()) {}

  // Disks are damaged, and erased as often as the budget says, while groups can
  // spare them and `may` is true. With disks_damaged = 0 none is damaged. Null:
  // no disk is replaced, so they are damaged from a drawn time on.
  void AddTo(ScheduleOptions* options, std::function<bool()> may);
  // For programs without a raft::Host: bytes before the newest durable write of
  // a file are damaged, as the budget says. Such a node need not go on.
  void AddUnsparedTo(ScheduleOptions* options);
  // Call it after each turn of a node whose log writes a witness when it was
  // idle for the delay.
  void AfterTurn(size_t node, Duration witness_delay) {
    limits_.AfterTurn(machines_[node], witness_delay);
  }

  // Whether all groups go on without what is on the disk.
  bool CanSpareDisk(size_t node) const;
  // The disk has wrong bytes, or was erased. A replica need not work there.
  bool bad(size_t node) const { return disks_[node] != State::kSound; }
  bool lost(size_t node) const { return disks_[node] == State::kLost; }
  // How often the disk was lost.
  uint64_t losses(size_t node) const { return losses_[node]; }
  // The first bad one; the number of nodes: there is none.
  size_t FirstBad() const;
  // The operator erases the disk of a node, which must be down.
  void Erase(size_t node);
  // The node has a new replica, or its groups do without it.
  void OnReplaced(size_t node) { disks_[node] = State::kSound; }

 private:
  enum class State : uint8_t { kSound, kDamaged, kLost };

  size_t NodeOn(MachineId machine) const;
  void OnLost(size_t node) {
    disks_[node] = State::kLost;
    ++losses_[node];
  }

  World& world_;
  const std::vector<MachineId>& machines_;
  const HostOf host_;
  DamageLimits limits_;
  std::vector<State> disks_;  // By node.
  std::vector<uint64_t> losses_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_NODE_DISKS_H_
