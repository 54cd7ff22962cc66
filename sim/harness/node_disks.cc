#include "sim/harness/node_disks.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "sim/choices/choices.h"
#include "sim/choices/sim_time.h"
#include "sim/harness/replica_views.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kFrom("disks.damaged_from");
// Most runs are longer. In the others fewer disks are damaged.
constexpr Duration kFromMax = Seconds(50);

}  // namespace

void NodeDisks::AddTo(ScheduleOptions* options, std::function<bool()> may) {
  if (may == nullptr) {
    const SimTime from =
        SimTime() +
        world_.choices().Between(kFrom, ChoiceKey{}, Duration(0), kFromMax);
    may = [this, from] { return world_.now() >= from; };
  }
  if (options->budget.disks_damaged != 0u) {
    options->damage_limit = [this](MachineId machine, std::string_view file) {
      return limits_.Of(machine, file);
    };
  }
  options->may_damage = [this, may = std::move(may)](MachineId machine) {
    return may() && CanSpareDisk(NodeOn(machine));
  };
  options->on_damaged = [this](MachineId machine, const std::string& file) {
    const size_t node = NodeOn(machine);
    if (file.empty()) {
      OnLost(node);
    } else if (disks_[node] == State::kSound) {
      disks_[node] = State::kDamaged;
    }
  };
}

void NodeDisks::AddUnsparedTo(ScheduleOptions* options) {
  if (options->budget.disks_damaged.value_or(0) == 0) return;
  options->damage_limit = [this](MachineId machine, std::string_view file) {
    const auto newest = world_.NewestDurableWrite(machine, file);
    return newest.has_value() ? newest->begin : 0;
  };
  options->on_damaged = [this](MachineId machine, const std::string& file) {
    if (!file.empty()) disks_[NodeOn(machine)] = State::kDamaged;
  };
}

// A sound node that is down may hold groups of which no other one knows.
bool NodeDisks::CanSpareDisk(size_t node) const {
  std::set<GroupId> groups;
  for (size_t i = 0; i < disks_.size(); ++i) {
    const raft::Host* const host = host_(i);
    if (host == nullptr) {
      if (!bad(i)) return false;
      continue;
    }
    for (const GroupId group : host->groups()) groups.insert(group);
    if (bad(i)) continue;
    for (const auto& [group, replicas] : host->failed()) groups.insert(group);
  }
  return std::all_of(groups.begin(), groups.end(), [&](GroupId group) {
    const auto cores = ReplicasOf(group, disks_.size(), host_);
    return CanSpare(cores, node, [&](size_t i) {
      return !bad(i) &&
             host_(i)->condition(group) != raft::Host::Condition::kNotHeld;
    });
  });
}

size_t NodeDisks::FirstBad() const {
  return std::find_if(disks_.begin(), disks_.end(),
                      [](State disk) { return disk != State::kSound; }) -
         disks_.begin();
}

void NodeDisks::Erase(size_t node) {
  world_.EraseDisk(machines_[node]);
  OnLost(node);
}

size_t NodeDisks::NodeOn(MachineId machine) const {
  return std::find(machines_.begin(), machines_.end(), machine) -
         machines_.begin();
}

}  // namespace quorate::sim
