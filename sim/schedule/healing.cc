#include "sim/schedule/healing.h"

#include <algorithm>
#include <string>

#include "env/check.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kDrop("schedule.drop");
// The string is the name in tapes.
constexpr ChoiceSite kPostHealFault("schedule.aftershock");

constexpr Ratio kPostHealFaultChance{1, 3};

}  // namespace

// Starts with all nodes and tries to leave out each one, the damaged ones
// first. A node stays in if more members of a group would be down, damaged or
// without a vote than the budget allows. All stay in until the cluster is
// founded.
absl::btree_set<MachineId> Healing::DrawHealed() {
  const DiskDamage::Damaged& damaged = damage_->damaged();
  std::vector<MachineId> order;
  for (const auto& [node, files] : damaged) order.push_back(node);
  for (MachineId node : context_->nodes()) {
    if (!damaged.contains(node)) order.push_back(node);
  }
  absl::btree_set<MachineId> healed(context_->nodes().begin(),
                                    context_->nodes().end());
  const auto& needs_all = context_->options().needs_all_nodes;
  if (needs_all != nullptr && needs_all()) return healed;
  const auto& lacks_voter = context_->options().lacks_voter;
  const auto votes = [&](MachineId node) {
    return healed.contains(node) && !damaged.contains(node) &&
           (lacks_voter == nullptr || !lacks_voter(node));
  };
  for (MachineId node : order) {
    if (!context_->choices().Chance(kDrop, node.value(), 0, {3, 4})) continue;
    healed.erase(node);
    for (const auto& group : context_->options().groups) {
      const auto sound =
          static_cast<size_t>(std::ranges::count_if(group, votes));
      const size_t size = group.size();
      if (sound + context_->NodesDownMax(size) < size) healed.insert(node);
    }
  }
  return healed;
}

std::vector<MachineId> Healing::HealMajorities() {
  context_->BeginLiveness(DrawHealed());
  const absl::btree_set<MachineId>& healed = context_->healed();
  World& world = context_->world();
  triggers_->BeginHealing();
  context_->RestoreNetwork();
  world.buggify_options().active = {};
  std::vector<MachineId> reachable(healed.begin(), healed.end());
  const std::vector<MachineId>& clients = context_->options().clients;
  reachable.insert(reachable.end(), clients.begin(), clients.end());
  std::string what = "liveness phase, healed nodes:";
  for (MachineId node : healed) what += " " + context_->Name(node);
  context_->Note(what);
  for (MachineId a : reachable) {
    for (MachineId b : reachable) world.HealLink(a, b);
  }
  for (MachineId node : healed) HealNode(node);
  PlanPostHealFaults();
  for (MachineId node : context_->nodes()) {
    if (!healed.contains(node)) Isolate(node, reachable);
  }
  return {healed.begin(), healed.end()};
}

// The node keeps its faults, and crashes that were armed do not happen. It must
// be out of reach: it could lead the nodes that hear it while others, or the
// clients, do not. No majority protocol promises progress then.
void Healing::Isolate(MachineId node, const std::vector<MachineId>& others) {
  World& world = context_->world();
  world.CrashAfterCalls(node, 0, CrashKind::kProcess);
  world.CrashAtDiskOperation(node, 0, CrashKind::kProcess);
  if (!swarm_->any_on()) return;
  for (MachineId other : others) {
    world.BlockLink(node, other);
    world.BlockLink(other, node);
  }
}

void Healing::HealNode(MachineId node) {
  World& world = context_->world();
  world.HealDisk(node);
  context_->RestoreMachine(node);
  SimClock& clock = world.clock(node);
  if (clock.frozen()) clock.SetFrozen(world.now(), false);
  world.ClockChanged(node);
  world.PauseAfterCalls(node, 0, Duration(0));
  if (world.paused(node)) world.Resume(node);
  // A program that is still stopping would be down later.
  if (context_->IsStopping(node)) {
    context_->KillAndRestart(node);
  } else {
    context_->RestartIfDown(node);
  }
}

void Healing::HealAll() {
  CHECK(context_->liveness());
  post_heal_faults_end_ = true;
  triggers_->BeginHealing();
  context_->world().HealNetwork();
  for (MachineId node : context_->nodes()) {
    if (context_->AddHealed(node)) HealNode(node);
  }
  context_->world().choices().EndFaults();
  context_->Note("all healed");
}

// One short fault after the other, so that the healed nodes keep their
// majorities. No later fault hides the effects of an earlier one.
void Healing::PlanPostHealFaults() {
  World& world = context_->world();
  const std::vector<MachineId> nodes(context_->healed().begin(),
                                     context_->healed().end());
  const bool crashes = swarm_->on(FaultFamily::kProcessCrash) ||
                       swarm_->on(FaultFamily::kMachineCrash);
  const bool blocks = swarm_->on(FaultFamily::kPartition) && nodes.size() > 1;
  SimTime at = world.now();
  for (uint64_t i = 0; at < world.now() + kPostHealFaults; ++i) {
    Choices& choices = context_->choices();
    const auto draw = [&](uint64_t which, uint64_t bound) {
      return choices.Below(kPostHealFault, i, which, bound);
    };
    at = at +
         choices.Between(kPostHealFault, i, 0, Milliseconds(50), Seconds(1));
    const Duration length = choices.Between(
        kPostHealFault, i, 1, Milliseconds(10), kPostHealFaultMax);
    const bool hits =
        choices.Chance(kPostHealFault, i, 2, kPostHealFaultChance);
    const bool block = blocks && (!crashes || draw(3, 2) == 0);
    if (!hits || (!block && !crashes)) continue;
    const uint64_t first = draw(4, nodes.size());
    if (block) {
      const uint64_t second =
          (first + 1 + draw(5, nodes.size() - 1)) % nodes.size();
      PlanBlock(nodes[first], nodes[second], at, length);
    } else {
      PlanCrash(nodes[first], at, length);
    }
    at = at + length;
  }
  world.At(world.now() + kPostHealFaults,
           [this] { post_heal_faults_end_ = true; });
}

void Healing::PlanCrash(MachineId node, SimTime at, Duration length) {
  World& world = context_->world();
  world.At(at, [this, node, &world] {
    if (post_heal_faults_end_ || !world.running(node)) return;
    world.Crash(node, CrashKind::kProcess);
    context_->Note(
        "post-heal fault: crash of the process " + context_->Name(node), node);
  });
  world.At(at + length, [this, node] { context_->RestartIfDown(node); });
}

void Healing::PlanBlock(MachineId from, MachineId to, SimTime at,
                        Duration length) {
  World& world = context_->world();
  world.At(at, [this, from, to, &world] {
    if (post_heal_faults_end_) return;
    world.BlockLink(from, to);
    context_->Note("post-heal fault: " + context_->Name(to) +
                   " does not hear " + context_->Name(from));
  });
  world.At(at + length, [from, to, &world] {
    if (world.blocked(from, to)) world.UnblockLink(from, to);
  });
}

}  // namespace quorate::sim
