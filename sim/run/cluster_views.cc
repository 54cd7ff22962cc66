#include "sim/run/cluster_views.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "node/server.h"
#include "raft/host/host.h"

namespace quorate::sim {

void ClusterViews::Begin() {
  // The client asks for tables of slots, which only hash slots have.
  if (cluster_.division().partitioner != Partitioner::kHashSlots) return;
  problems_.assign(cluster_.nodes().size(), "has not answered yet");
  const MachineId machine =
      world_.AddMachine({.name = "view_client", .client = true});
  world_.Start(machine, [this](env::Env& env) {
    auto client = std::make_shared<ViewClient>(
        env, cluster_.resp_cluster_addresses(), cluster_.http_addresses(),
        [this](size_t place, const NodeView* view) {
          problems_[place] = CheckView(Places::NumberOf(place), view);
          if (!problems_[place].empty()) return false;
          if (!view->metrics.has_value()) {
            problems_[place] = "was not asked for /metrics yet";
          }
          return true;
        });
    client_ = client.get();
    return client;
  });
}

bool ClusterViews::AreTrue() {
  for (const auto& [number, id] : Present()) {
    if (!problems_.empty() && cluster_.server(number) != nullptr &&
        !problems_[Places::PlaceWith(number)].empty()) {
      return false;
    }
  }
  if (client_ != nullptr) std::exchange(client_, nullptr)->Stop();
  return true;
}

std::map<NodeId, NodeId> ClusterViews::Present() const {
  std::map<NodeId, NodeId> present;
  if (members_ == nullptr) {
    for (const node::NodeConfig& node : cluster_.nodes()) {
      present.emplace(node.id, node.id);
    }
    return present;
  }
  for (const NodeId id : members_()) {
    const NodeId number = cluster_.NumberOf(id);
    if (number != NodeId()) present.emplace(number, id);
  }
  return present;
}

std::string ClusterViews::Describe() const {
  std::string text;
  for (size_t node = 0; client_ != nullptr && node < problems_.size(); ++node) {
    if (problems_[node].empty()) continue;
    absl::StrAppend(&text, "view of node ", node + 1, ": ", problems_[node],
                    "\n");
  }
  return text;
}

bool ClusterViews::HasWorkingReplica(NodeId node, GroupId group) const {
  const node::Server* const server = cluster_.server(node);
  return server != nullptr && server->host().group_status(group).ok();
}

ClusterTruth::Node ClusterViews::TruthOf(NodeId node, NodeId id) const {
  const node::Server* const server = cluster_.server(node);
  bool any = !cluster_.HasReplica(node) && server != nullptr;
  bool all = server != nullptr && server->host().status().ok();
  for (const GroupMembers& shard : cluster_.stores()) {
    if (!shard.Has(node)) continue;
    const bool works = HasWorkingReplica(node, shard.group);
    any = any || works;
    all = all && works;
  }
  return {.id = id.value(),
          .address = cluster_.nodes()[Places::PlaceWith(node)].resp_cluster,
          .works = any,
          .ready = all,
          .runs = server != nullptr};
}

ClusterTruth::Replica ClusterViews::ReplicaOn(NodeId node,
                                              GroupId group) const {
  using Condition = raft::Host::Condition;
  const raft::Host& host = cluster_.server(node)->host();
  const raft::Core* const core = host.core(group);
  ClusterTruth::Replica replica{.has_log = core != nullptr};
  if (core != nullptr) {
    replica.term = core->term().value();
    replica.commit = core->commit_index().value();
    replica.applied = core->applied_index().value();
    replica.last = core->last().index.value();
  }
  switch (host.condition(group)) {
    case Condition::kWorks:
      break;
    case Condition::kHalted:
      replica.state = "halted";
      break;
    case Condition::kFenced:
      replica.state = "fenced";
      break;
    case Condition::kStopped:
    case Condition::kNotHeld:
      replica.state = "stopped";
      break;
  }
  return replica;
}

std::optional<ClusterTruth> ClusterViews::Truth(
    std::map<NodeId, size_t>* places) const {
  ClusterTruth truth;
  for (const auto& [number, id] : Present()) {
    places->emplace(number, truth.nodes.size());
    truth.nodes.push_back(TruthOf(number, id));
  }
  for (const GroupMembers& shard : cluster_.stores()) {
    const NodeId leader = cluster_.LeaderOf(shard.group);
    if (!places->contains(leader)) return std::nullopt;
    ClusterTruth::Group& group = truth.groups.emplace_back();
    group.id = shard.group.value();
    group.slots = shard.slots;
    group.leader = places->at(leader);
    for (const NodeId member : shard.members()) {
      if (cluster_.server(member) == nullptr) continue;
      if (!places->contains(member)) return std::nullopt;
      const size_t place = places->at(member);
      group.replicas.push_back(ReplicaOn(member, shard.group));
      group.replicas.back().node = place;
      if (member != leader && HasWorkingReplica(member, shard.group)) {
        group.others.push_back(place);
      }
    }
  }
  return truth;
}

std::string ClusterViews::CheckView(NodeId node, const NodeView* view) const {
  if (view == nullptr) return "does not answer";
  std::map<NodeId, size_t> places;
  const std::optional<ClusterTruth> truth = Truth(&places);
  if (!truth.has_value()) return "a group has no leader in the cluster";
  const auto self = places.find(node);
  if (self == places.end()) return "it is not in the cluster";
  for (const std::string& wrong :
       {CheckSlots(*truth, view->slots),
        CheckNodes(*truth, self->second, view->nodes),
        CheckReadiness(*truth, self->second, view->ready_status),
        CheckClusterInfo(*truth, view->cluster_info),
        CheckInfo(*truth, self->second, view->info),
        view->metrics.has_value()
            ? CheckMetrics(*truth, self->second, *view->metrics)
            : std::string()}) {
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace quorate::sim
