#include "sim/run/calm_phase.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sim/run/bounds.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kPatientOperator("operator.waits_for_agreement");
constexpr ChoiceSite kLateReader("operator.client_reads_late");

}  // namespace

CalmPhase::CalmPhase(World* world, const Shape* shape, Cluster* cluster,
                     ClusterChecks* checks, Recorder* recorder,
                     ClientFleet* clients,
                     std::function<std::vector<NodeId>()> members,
                     bool defaults)
    : world_(*world),
      shape_(*shape),
      cluster_(*cluster),
      checks_(*checks),
      recorder_(*recorder),
      clients_(*clients),
      members_(std::move(members)),
      defaults_(defaults),
      repeated_work_(
          [this](std::string what) { world_.Violate(std::move(what)); }),
      rolling_restart_(world, cluster) {}

AvailabilityChecker::CalmBounds CalmPhase::Bounds() const {
  return CalmBoundsOf(world_, shape_, cluster_, defaults_);
}

void CalmPhase::RestartAll(const std::vector<MachineId>& working) {
  std::vector<NodeId> nodes;
  for (const node::NodeConfig& node : cluster_.nodes()) {
    if (!MayNotWork(node.id)) nodes.push_back(node.id);
  }
  // A patient operator waits until all replicas agree and all nodes have links.
  // Then the others serve during a stop as they do in the calm.
  const bool patient =
      world_.choices().Chance(kPatientOperator, ChoiceKey{}, {3, 4});
  rolling_restart_.Begin(
      std::move(nodes),
      [this, patient, &working] {
        return !patient ||
               (clients_.AskedAll() && checks_.Settled(working) && Linked());
      },
      [this, patient](NodeId node) {
        clients_.AddToNumbers();
        if (patient) AskDuringAStop(node);
      });
}

void CalmPhase::AskDuringAStop(NodeId stopping) {
  // Without connections no node learns that its request to one that ended is
  // lost.
  if (!shape_.peer_streams) return;
  const AvailabilityChecker::CalmBounds bounds = Bounds();
  std::vector<NodeId> nodes;
  for (const NodeId node : PatientNodes(bounds.attempt)) {
    if (node != stopping) nodes.push_back(node);
  }
  std::vector<MachineId> others = cluster_.machines();
  std::erase(others, cluster_.machine(stopping));
  std::set<GroupId> without;
  for (const GroupMembers& shard : cluster_.stores()) {
    if (!checks_.HasMajority(shard.group, others)) without.insert(shard.group);
  }
  const bool any_serves =
      std::ranges::any_of(cluster_.stores(), [&](const GroupMembers& shard) {
        return !shard.slots.empty() && !without.contains(shard.group);
      });
  if (nodes.empty() || !any_serves) return;
  world_.CountMark(cluster_.machine(stopping), "operator.asked_during_a_stop");
  const bool late_reader =
      world_.choices().Chance(kLateReader, ChoiceKey{stopping.value()}, {1, 2});
  clients_.AskDuringAStop(nodes, without, bounds.attempt,
                          late_reader ? stopping : NodeId());
}

bool CalmPhase::MayNotWork(NodeId node) const {
  if (cluster_.MayNotWork(node)) return true;
  if (members_ == nullptr) return false;
  const std::vector<NodeId> nodes = members_();
  return std::ranges::none_of(
      nodes, [&](NodeId id) { return cluster_.NumberOf(id) == node; });
}

std::vector<NodeId> CalmPhase::PatientNodes(Duration attempt) const {
  std::vector<NodeId> nodes;
  for (const node::NodeConfig& node : cluster_.nodes()) {
    const node::TimeoutsConfig& timeouts =
        cluster_.configs()[node.id.value() - 1].timeouts;
    if (!MayNotWork(node.id) &&
        std::min(timeouts.leader_wait, timeouts.proxy) >= attempt) {
      nodes.push_back(node.id);
    }
  }
  return nodes;
}

void CalmPhase::Begin() {
  begun_ = true;
  AvailabilityChecker::CalmBounds bounds = Bounds();
  const std::vector<NodeId> nodes = PatientNodes(bounds.attempt);
  for (const node::NodeConfig& node : cluster_.nodes()) {
    if (recorder_.MayBeReadOnly(node.id)) bounds.read_only.insert(node.id);
    if (MayNotWork(node.id)) {
      bounds.excused.insert(node.id);
    } else if (std::find(nodes.begin(), nodes.end(), node.id) == nodes.end()) {
      bounds.impatient.insert(node.id);
    }
  }
  recorder_.availability().BeginCalm(bounds);
  checks_.BeginCalm();
  repeated_work_.Begin(WindowsOfLeaders(cluster_));
  clients_.AddToNumbers();
  if (nodes.empty()) return;
  clients_.AskInCalm(nodes, bounds.attempt, [this](Duration taken) {
    recorder_.availability().AddCalmAnswer(taken);
  });
}

void CalmPhase::AskWhileSlotsMove() {
  const Duration bound = Bounds().attempt + FrozenMax(world_, shape_, cluster_);
  const std::vector<NodeId> nodes = PatientNodes(bound);
  if (nodes.empty()) return;
  clients_.AskWhileSlotsMove(nodes, bound);
}

void CalmPhase::OnStep(GroupId group, const raft::Core& core,
                       const raft::Output& output) {
  repeated_work_.OnStep(group, core, output, [&](ReplicaId replica) {
    return cluster_.FindReplica(group, replica);
  });
}

bool CalmPhase::End() {
  if (!std::exchange(begun_, false)) return false;
  recorder_.availability().EndCalm();
  repeated_work_.End();
  cluster_.EndShadows();
  checks_.EndCalm();
  return true;
}

}  // namespace quorate::sim
