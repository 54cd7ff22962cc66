#include "node/admin/admin_json.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "node/base/text.h"
#include "node/http/http_parameters.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/map.h"

namespace quorate::node {
namespace {

using shardctrl::ClusterState;

constexpr std::string_view kNoLeader =
    "has no leader: no node that answers leads it now; if that lasts, see "
    "docs/operate/members.md, A lost majority";

constexpr std::string_view kLacksDisk =
    "its disk has no room for snapshots, so it gives its leaderships away: "
    "free "
    "space there, see docs/operate/failures.md";

Json TextOrNull(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

Json IdOrNull(NodeId node) {
  return node == NodeId() ? Json() : Json(node.value());
}

Json TimeOrNull(WallTime time) {
  return time == WallTime(0) ? Json() : Json(time.ms());
}

Json Ids(const std::vector<NodeId>& nodes) {
  Json ids = Json::array();
  for (const NodeId node : nodes) ids.push_back(node.value());
  return ids;
}

// The wait that holds the bulk work of the node back, or null.
Json BrakeOf(NodeId node, const ClusterUsage& usage) {
  const auto found = usage.find(node);
  if (found == usage.end()) return Json();
  return TextOrNull(std::string(env::BulkBrakeName(found->second.brake)));
}

bool Leads(const NodeUsage& node, GroupId group) {
  return std::ranges::binary_search(node.leads, group);
}

// The node that says that it leads the group; zero: none does.
NodeId LeaderAmong(const ClusterUsage& usage, GroupId group) {
  const auto found = std::ranges::find_if(
      usage, [&](const auto& node) { return Leads(node.second, group); });
  return found == usage.end() ? NodeId() : found->first;
}

// `from` leads the group.
Json MoveJson(NodeId from, const FilledReplica& filled,
              const ClusterUsage& usage) {
  return {
      {"group", filled.group.value()}, {"from", from.value()},
      {"node", filled.node.value()},   {"held_back_by", BrakeOf(from, usage)},
      {"bytes", filled.bytes},         {"bytes_total", filled.bytes_total}};
}

// The replicas that are on their way to or from the node.
Json MovesOf(const ClusterState& state, NodeId node,
             const ClusterUsage& usage) {
  Json moves = Json::array();
  for (const auto& [leader, its] : usage) {
    for (const FilledReplica& filled : its.filled) {
      const shardctrl::GroupRecord* const group = state.FindGroup(filled.group);
      const bool leaves =
          group != nullptr && group->WantedOn(node) == nullptr &&
          group->Configuration() != nullptr &&
          std::any_of(
              group->Configuration()->voters.begin(),
              group->Configuration()->voters.end(),
              [&](const raft::Member& voter) { return voter.node == node; });
      if (filled.node == node || leaves) {
        moves.push_back(MoveJson(leader, filled, usage));
      }
    }
  }
  return moves;
}

Json NodeJson(const ClusterState& state, const shardctrl::NodeRow& row,
              const ClusterUsage& usage) {
  Json bytes;
  Json disk_free;
  Json disk_size;
  Json problem = TextOrNull(row.problem);
  if (const auto own = usage.find(row.id); own != usage.end()) {
    bytes = own->second.bytes;
    if (const DiskRoom& disk = own->second.disk; disk.size_bytes > 0) {
      disk_free = disk.free_bytes;
      disk_size = disk.size_bytes;
    }
    if (own->second.lacks_disk && row.problem.empty()) problem = kLacksDisk;
  }
  return {{"id", row.id.value()},
          {"name", row.name},
          {"role", row.role},
          {"state", row.state},
          {"addresses",
           {{"resp", row.addresses.resp},
            {"resp_cluster", row.addresses.resp_cluster},
            {"http", row.addresses.http},
            {"peer", row.addresses.peer},
            {"admin", row.addresses.admin}}},
          {"zone", row.zone},
          {"host", row.host},
          {"weight", row.weight},
          {"replicas", row.replicas},
          {"leaders", row.leaders},
          {"bytes", bytes},
          {"disk_free_bytes", disk_free},
          {"disk_size_bytes", disk_size},
          {"held_back_by", BrakeOf(row.id, usage)},
          {"moves", MovesOf(state, row.id, usage)},
          {"removed_ms", TimeOrNull(row.removed)},
          {"problem", problem}};
}

// The state names the leader that reported itself last. Zero: it says that it
// leads no longer, and no other node says that it does.
NodeId PresentLeader(const shardctrl::GroupRow& row,
                     const ClusterUsage& usage) {
  if (row.leader == NodeId() || !usage.contains(row.leader)) return row.leader;
  if (Leads(usage.at(row.leader), row.id)) return row.leader;
  return LeaderAmong(usage, row.id);
}

Json GroupJson(const shardctrl::GroupRow& row, const ClusterUsage& usage) {
  const NodeId leader = PresentLeader(row, usage);
  // If so, it says that it leads.
  const bool answers = leader != NodeId() && usage.contains(leader);
  const bool none = leader == NodeId() && row.leader != NodeId();
  const std::string_view problem =
      none && row.problem.empty() ? kNoLeader : std::string_view(row.problem);
  Json moves = Json::array();
  for (const auto& [node, its] : usage) {
    for (const FilledReplica& filled : its.filled) {
      if (filled.group == row.id)
        moves.push_back(MoveJson(node, filled, usage));
    }
  }
  return {{"id", row.id.value()},
          {"name", row.name},
          {"leader", IdOrNull(leader)},
          {"leader_answers", answers},
          {"preferred", IdOrNull(row.preferred)},
          {"replicas", row.replicas},
          {"weight", row.weight},
          {"voters", Ids(row.voters)},
          {"learners", Ids(row.learners)},
          {"wanted", Ids(row.wanted)},
          {"slots", shardctrl::FormatSlotRanges(row.slots)},
          {"settled", row.settled},
          {"retiring", row.retiring},
          {"recovering", IdOrNull(row.recovering)},
          {"moves", std::move(moves)},
          {"problem", TextOrNull(problem)}};
}

// Whether the replicas of a silent node are rebuilt on other nodes.
std::string SilenceText(const ClusterState& state,
                        const shardctrl::NodeRecord& node) {
  const std::string name = Concat("node ", node.id, " is silent");
  if (!shardctrl::HoldsReplicas(state, node.id)) {
    return name + " and has no replicas";
  }
  if (state.repair_after == Duration()) {
    return name + "; its replicas stay there, since repair is off";
  }
  const std::string obstacle = shardctrl::RepairObstacle(state, node.id);
  return obstacle.empty()
             ? Concat(name, "; its replicas are rebuilt on other nodes after ",
                      state.repair_after.ms() / 1000, " s of silence")
             : Concat(name, "; its replicas are not rebuilt: ", obstacle);
}

}  // namespace

Json NodesJson(ClusterId cluster, const ClusterState& state,
               const ClusterUsage& usage) {
  Json rows = Json::array();
  for (const shardctrl::NodeRow& row : shardctrl::NodeRows(state)) {
    rows.push_back(NodeJson(state, row, usage));
  }
  return {{"version", state.version.value()},
          {"cluster", cluster.value()},
          {"nodes", std::move(rows)}};
}

Json GroupsJson(const ClusterState& state, const ClusterUsage& usage) {
  Json rows = Json::array();
  for (const shardctrl::GroupRow& row : shardctrl::GroupRows(state)) {
    rows.push_back(GroupJson(row, usage));
  }
  return {{"version", state.version.value()}, {"groups", std::move(rows)}};
}

Json SurvivorsJson(const ClusterState& state,
                   const shardctrl::GroupRecord& group,
                   const shardctrl::Survivors& survivors) {
  const shardctrl::RecoveryPlan plan =
      shardctrl::PlanRecovery(state, group, survivors);
  Json rows = Json::array();
  for (const auto& [node, survivor] : survivors) {
    if (survivor.replica == ReplicaId()) continue;
    rows.push_back(
        {{"node", node.value()},
         {"last_term", survivor.last.term.value()},
         {"last_index", survivor.last.index.value()},
         {"commit_index", survivor.commit.value()},
         {"generation", survivor.configuration.generation},
         {"works", survivor.works},
         {"held", survivor.held},
         {"voter", shardctrl::MayBeChosen(state, group, node, survivor)}});
  }
  const NodeId choice =
      plan.command.has_value() ? plan.command->node : NodeId();
  return {{"group", group.id.value()},  {"generation", plan.generation},
          {"choice", IdOrNull(choice)}, {"survivors", std::move(rows)},
          {"lost", Ids(plan.lost)},     {"text", plan.text}};
}

Json MovesJson(const ClusterState& state, const ClusterUsage& usage) {
  Json rows = Json::array();
  for (const shardctrl::MoveRow& row : shardctrl::MoveRows(state)) {
    const shardctrl::MoveProgress& progress = row.progress;
    rows.push_back(
        {{"id", row.id.value()},
         {"from", row.from.value()},
         {"to", row.to.value()},
         {"slots", shardctrl::FormatSlotRanges(row.slots)},
         {"slot_count", row.slot_count},
         {"phase", row.phase},
         {"slots_done", progress.slots_done},
         {"bytes_done", progress.bytes_done},
         {"bytes_total", progress.bytes_total},
         {"bytes_per_second", row.bytes_per_second},
         {"seconds_left",
          row.seconds_left.has_value() ? Json(*row.seconds_left) : Json()},
         {"held_requests", progress.held_requests},
         // A pause that is known is not zero.
         {"longest_pause_ms",
          (progress.longest_pause + Milliseconds(1) - Nanoseconds(1)).ms()},
         {"write_pause_ms", progress.write_pause.ms()},
         {"held_back_by", row.bytes_per_second > 0
                              ? BrakeOf(LeaderAmong(usage, row.from), usage)
                              : Json()},
         {"ended_ms", TimeOrNull(row.ended)},
         {"problem", TextOrNull(row.problem)}});
  }
  return {{"version", state.version.value()}, {"moves", std::move(rows)}};
}

Json SlotsJson(const ClusterState& state) {
  Json rows = Json::array();
  for (const shardctrl::AssignedRun& run : state.slots) {
    rows.push_back({{"first", run.slots.first.value()},
                    {"last", run.slots.last.value()},
                    {"group", run.group.value()},
                    {"epoch", run.epoch.value()}});
  }
  return {{"version", state.version.value()}, {"slots", std::move(rows)}};
}

Json RepairJson(const ClusterState& state) {
  Json now = Json::array();
  for (const shardctrl::NodeRecord& node : state.nodes) {
    if (node.state == shardctrl::NodeState::kRemoved) continue;
    if (node.dead) {
      now.push_back(
          Concat("node ", node.id, " counts as dead; its replicas ",
                 shardctrl::HoldsReplicas(state, node.id)
                     ? std::string("are rebuilt on other nodes")
                     : Concat("were rebuilt on other nodes. Start it, or type "
                              "quoratectl node remove ",
                              node.id, " --lost")));
    } else if (node.silent_since > WallTime{0}) {
      now.push_back(SilenceText(state, node));
    }
  }
  Json after;
  if (state.repair_after > Duration()) after = state.repair_after.ms();
  return {{"after_ms", after}, {"now", std::move(now)}};
}

Json HistoryJson(const ClusterState& state) {
  Json rows = Json::array();
  for (const shardctrl::HistoryEntry& entry : state.history) {
    rows.push_back({{"version", entry.version.value()},
                    {"time_ms", entry.log_time.ms()},
                    {"command", entry.text}});
  }
  return {{"version", state.version.value()}, {"history", std::move(rows)}};
}

Json ParseBody(std::string_view text, std::string* why) {
  if (text.empty()) return Json::object();
  // The members of each object that is not complete. Readers differ in which of
  // two members of one name they take, so neither is what the client meant.
  std::vector<std::set<std::string>> open;
  const auto see = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event != Json::parse_event_t::key) return true;
    const std::string name = value.get<std::string>();
    if (!open.back().insert(name).second && why->empty()) {
      *why = Concat("member '", Shown(name), "' is given twice");
    }
    return true;
  };
  Json body = Json::parse(text, see, /*allow_exceptions=*/false);
  if (!body.is_object()) *why = "the body is no JSON object";
  return why->empty() ? body : Json();
}

std::string JsonText(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace quorate::node
