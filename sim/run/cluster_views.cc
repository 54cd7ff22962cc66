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
        [this](size_t node, const NodeView* view) {
          problems_[node] = CheckView(node, view);
          if (!problems_[node].empty()) return false;
          if (!view->metrics.has_value()) {
            problems_[node] = "was not asked for /metrics yet";
          }
          return true;
        });
    client_ = client.get();
    return client;
  });
}

bool ClusterViews::AreTrue() {
  for (size_t node = 0; node < problems_.size(); ++node) {
    const NodeId id = cluster_.nodes()[node].id;
    if (cluster_.server(id) != nullptr && !problems_[node].empty()) {
      return false;
    }
  }
  if (client_ != nullptr) std::exchange(client_, nullptr)->Stop();
  return true;
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

ClusterTruth::Node ClusterViews::TruthOf(const node::NodeConfig& node) const {
  const node::Server* const server = cluster_.server(node.id);
  bool any = !cluster_.HasReplica(node.id) && server != nullptr;
  bool all = server != nullptr && server->host().status().ok();
  for (const GroupMembers& shard : cluster_.stores()) {
    if (!shard.Has(node.id)) continue;
    const bool works = HasWorkingReplica(node.id, shard.group);
    any = any || works;
    all = all && works;
  }
  return {.address = node.resp_cluster,
          .works = any,
          .ready = all,
          .runs = server != nullptr};
}

ClusterTruth::Replica ClusterViews::ReplicaOn(NodeId node,
                                              GroupId group) const {
  using Condition = raft::Host::Condition;
  const raft::Host& host = cluster_.server(node)->host();
  const raft::Core* const core = host.core(group);
  ClusterTruth::Replica replica{.node = node.value() - 1,
                                .has_log = core != nullptr};
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

std::optional<ClusterTruth> ClusterViews::Truth() const {
  ClusterTruth truth;
  for (const node::NodeConfig& node : cluster_.nodes()) {
    truth.nodes.push_back(TruthOf(node));
  }
  for (const GroupMembers& shard : cluster_.stores()) {
    const NodeId leader = cluster_.LeaderOf(shard.group);
    if (leader == NodeId()) return std::nullopt;
    ClusterTruth::Group& group = truth.groups.emplace_back();
    group.id = shard.group.value();
    group.slots = shard.slots;
    group.leader = leader.value() - 1;
    for (const NodeId member : shard.members()) {
      if (cluster_.server(member) == nullptr) continue;
      group.replicas.push_back(ReplicaOn(member, shard.group));
      if (member != leader && HasWorkingReplica(member, shard.group)) {
        group.others.push_back(member.value() - 1);
      }
    }
  }
  return truth;
}

std::string ClusterViews::CheckView(size_t node, const NodeView* view) const {
  if (view == nullptr) return "does not answer";
  const std::optional<ClusterTruth> truth = Truth();
  if (!truth.has_value()) return "a group has no leader";
  for (const std::string& wrong :
       {CheckSlots(*truth, view->slots), CheckNodes(*truth, node, view->nodes),
        CheckReadiness(*truth, node, view->ready_status),
        CheckClusterInfo(*truth, view->cluster_info),
        CheckInfo(*truth, node, view->info),
        view->metrics.has_value() ? CheckMetrics(*truth, node, *view->metrics)
                                  : std::string()}) {
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace quorate::sim
