#include "shardctrl/controller/rows.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/slot_moves.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/controller/words.h"

namespace quorate::shardctrl {
namespace {

std::string_view StateName(const ClusterState& state, const NodeRecord& node) {
  switch (node.state) {
    case NodeState::kJoining:
      return "joining";
    case NodeState::kUp:
      return node.silent_since == WallTime(0) ? "up" : "down";
    case NodeState::kDraining:
      if (node.leaving) return "removing";
      return HoldsReplicas(state, node.id) ? "draining" : "drained";
    case NodeState::kRemoved:
      return "removed";
  }
  return "invalid";
}

void AddNodes(const std::vector<raft::Member>& members,
              std::set<NodeId>* nodes) {
  for (const raft::Member& member : members) nodes->insert(member.node);
}

struct MemberIds {
  std::set<NodeId> voters;
  std::set<NodeId> learners;
};

// A node may be both while one of its replicas replaces another.
MemberIds MembersOf(const GroupRecord& group) {
  MemberIds members;
  if (const raft::Configuration* c = group.Configuration(); c != nullptr) {
    AddNodes(c->voters, &members.voters);
    AddNodes(c->learners, &members.learners);
    return members;
  }
  for (const WantedReplica& wanted : group.wanted) {
    const bool votes = wanted.purpose == ReplicaPurpose::kVoter;
    (votes ? members.voters : members.learners).insert(wanted.node);
  }
  return members;
}

std::vector<NodeId> List(const std::set<NodeId>& nodes) {
  return {nodes.begin(), nodes.end()};
}

// Zero: it has not been reported, its node does not answer, or it hears no
// majority of the voters.
NodeId LeaderOf(const ClusterState& state, const GroupRecord& group) {
  if (!group.reported.has_value() || group.recovery.has_value()) {
    return NodeId();
  }
  const NodeRecord* node = state.FindNode(group.reported->leader);
  const bool leads = node != nullptr && node->silent_since == WallTime(0) &&
                     CountVoters(state, group.reported->configuration).majority;
  return leads ? node->id : NodeId();
}

std::string GroupProblem(const ClusterState& state, const GroupRecord& group) {
  if (group.recovery.has_value()) {
    const std::string what = absl::StrCat("is being recovered from node ",
                                          group.recovery->node.value());
    if (ChosenNodeAnswers(state, *group.recovery)) return what;
    return absl::StrCat(what,
                        ", which does not answer: start it, or go on from "
                        "another voter with quoratectl recover ",
                        group.id.value(), " --accept-loss");
  }
  if (const raft::Configuration* c = group.Configuration(); c != nullptr) {
    const VoterCount count = CountVoters(state, *c);
    if (!count.majority) {
      return absl::StrCat(
          "has no majority: ", count.working, " of ", count.voters,
          " voters work; ",
          count.silent.empty()
              ? ""
              : absl::StrCat("start ", NodesText(count.silent), ", or "),
          "see docs/operate/members.md, A lost majority");
    }
  }
  if (const size_t has = group.WantedVoters(); has < group.replicas) {
    return absl::StrCat("only ", has, " of ", group.replicas,
                        " replicas have a place; start the data nodes that are "
                        "down, or add some");
  }
  for (const WantedReplica& wanted : group.wanted) {
    const NodeRecord* node = state.FindNode(wanted.node);
    if (IsSettled(group) || node == nullptr) break;
    if (node->store == StoreIncarnation()) {
      return absl::StrCat("waits for node ", wanted.node.value(), " to join");
    }
    const bool waits =
        wanted.replica == ReplicaId() || WaitsForVoterOn(group, wanted.node);
    if (waits && node->silent_since != WallTime(0)) {
      return absl::StrCat("waits for node ", wanted.node.value(),
                          ", which does not answer");
    }
  }
  return group.reported.has_value() ? group.reported->problem : "";
}

std::string NodeProblem(const ClusterState& state, const NodeRecord& node,
                        const std::vector<GroupRow>& groups) {
  if (node.state == NodeState::kRemoved) return "";
  if (node.state == NodeState::kJoining) {
    return "waits for the first start of its process with the token";
  }
  // Groups often wait for the same: each reason is given once.
  std::vector<std::pair<std::string, std::vector<GroupId>>> waiting;
  bool held = false;
  for (const GroupRow& group : groups) {
    const bool here =
        std::count(group.voters.begin(), group.voters.end(), node.id) +
            std::count(group.learners.begin(), group.learners.end(), node.id) >
        0;
    const bool stays =
        std::count(group.wanted.begin(), group.wanted.end(), node.id) > 0;
    held |= here || stays;
    if (here == stays || group.problem.empty()) continue;
    auto known = std::find_if(
        waiting.begin(), waiting.end(),
        [&](const auto& one) { return one.first == group.problem; });
    if (known == waiting.end()) {
      known = waiting.insert(waiting.end(), {group.problem, {}});
    }
    known->second.push_back(group.id);
  }
  std::vector<std::string> reasons;
  for (const auto& [reason, of] : waiting) {
    reasons.push_back(absl::StrCat(GroupsText(of), ": ", reason));
  }
  if (node.leaving && !held && node.silent_since != WallTime(0)) {
    return absl::StrCat(
        "does not answer, and may have a replica yet: start it, or type "
        "quoratectl node remove ",
        node.id.value(), " --lost");
  }
  if (held && node.silent_since != WallTime(0) && !node.dead) {
    const std::string obstacle = RepairObstacle(state, node.id);
    if (!obstacle.empty()) {
      reasons.push_back(
          absl::StrCat("its replicas are not rebuilt elsewhere: ", obstacle));
    }
  }
  if (reasons.size() > 3) {
    const size_t others = reasons.size() - 3;
    reasons.resize(3);
    reasons.push_back(others == 1 ? std::string("and another reason")
                                  : absl::StrCat("and ", others, " others"));
  }
  return absl::StrJoin(reasons, "; ");
}

std::map<GroupId, std::vector<SlotRange>> SlotsByGroup(
    const ClusterState& state) {
  std::map<GroupId, std::vector<SlotRange>> slots;
  for (const AssignedRun& run : state.slots) {
    AppendSlots(run.slots, &slots[run.group]);
  }
  return slots;
}

std::string_view PhaseName(const SlotMove& move) {
  switch (move.decision) {
    case MoveState::kActivated:
      return move.destination_ended ? "clean" : "activate";
    case MoveState::kCancelled:
      return "undo";
    case MoveState::kOpen:
      break;
  }
  if (move.paused) return "paused";
  const MoveProgress& progress = move.progress;
  switch (progress.source) {
    case MovePhase::kNone:
      return progress.report == 0 ? "waiting" : "prepare";
    case MovePhase::kTracking:
      return progress.slots_done < move.SlotCount() ? "copy" : "delta";
    default:
      return "freeze";
  }
}

// Why the move does not go on now, and what would help. Empty: it goes on.
std::string MoveProblem(const ClusterState& state, const SlotMove& move,
                        const std::vector<MoveId>& running) {
  if (move.decision == MoveState::kCancelled) return move.reason;
  const bool open = move.decision == MoveState::kOpen;
  if (open && move.paused) {
    return absl::StrCat(
        "it was paused; to go on, type quoratectl slots resume ",
        move.id.value());
  }
  for (const GroupId id : {move.from, move.to}) {
    const GroupRecord* const group = state.FindGroup(id);
    if (group == nullptr || LeaderOf(state, *group) != NodeId()) continue;
    const std::string why = GroupProblem(state, *group);
    return absl::StrCat("group ", id.value(), " has no leader",
                        why.empty() ? "" : ": it ", why);
  }
  if (!open || std::ranges::binary_search(running, move.id)) {
    return move.progress.problem;
  }
  for (const SlotMove& other : state.moves) {
    const bool meets = other.TakesPart(move.from) || other.TakesPart(move.to);
    if (meets && std::ranges::binary_search(running, other.id)) {
      return absl::StrCat("it begins after move ", other.id.value(),
                          ": a group takes part in at most ", kMovesOfGroupMax,
                          " moves at a time");
    }
  }
  return "it begins after earlier moves of its groups";
}

}  // namespace

std::string_view RoleName(NodeRole role) {
  switch (role) {
    case NodeRole::kData:
      return "data";
    case NodeRole::kReadOnly:
      return "read-only";
    case NodeRole::kRouter:
      return "router";
  }
  return "invalid";
}

std::vector<MoveRow> MoveRows(const ClusterState& state) {
  std::vector<MoveRow> rows;
  const std::vector<MoveId> running = RunningMoves(state);
  const auto add = [&](const SlotMove& move, std::string_view phase,
                       std::string problem) {
    MoveRow row{.id = move.id,
                .from = move.from,
                .to = move.to,
                .slots = move.slots,
                .slot_count = move.SlotCount(),
                .phase = phase,
                .progress = move.progress,
                .problem = std::move(problem)};
    // The last report may be older than the end of the copy.
    if (move.decision == MoveState::kActivated) {
      row.progress.slots_done = row.slot_count;
      row.progress.bytes_done = row.progress.bytes_total;
    }
    const MoveProgress& progress = move.progress;
    const bool copies = phase == "copy" || phase == "delta";
    if (copies) row.bytes_per_second = progress.bytes_per_second;
    if (row.bytes_per_second > 0 &&
        progress.bytes_total > progress.bytes_done) {
      row.seconds_left =
          (progress.bytes_total - progress.bytes_done) / row.bytes_per_second;
    }
    rows.push_back(std::move(row));
  };
  for (const EndedMove& one : state.ended_moves) {
    const bool done = one.move.decision == MoveState::kActivated;
    add(one.move, done ? "done" : "cancelled", one.move.reason);
    rows.back().ended = one.ended;
  }
  std::stable_sort(
      rows.begin(), rows.end(),
      [](const MoveRow& a, const MoveRow& b) { return a.id < b.id; });
  for (const SlotMove& move : state.moves) {
    add(move, PhaseName(move), MoveProblem(state, move, running));
  }
  return rows;
}

bool IsSettled(const GroupRecord& group) {
  if (!group.reported.has_value()) return false;
  const raft::Configuration& c = group.reported->configuration;
  if (!c.outgoing_voters.empty()) return false;
  const auto is_in = [](const std::vector<raft::Member>& members,
                        const WantedReplica& wanted) {
    return std::any_of(
        members.begin(), members.end(), [&](const raft::Member& member) {
          return member.node == wanted.node && member.replica == wanted.replica;
        });
  };
  for (const WantedReplica& wanted : group.wanted) {
    const bool votes = wanted.purpose == ReplicaPurpose::kVoter;
    if (!is_in(votes ? c.voters : c.learners, wanted)) return false;
  }
  return c.voters.size() + c.learners.size() == group.wanted.size();
}

std::vector<GroupRow> GroupRows(const ClusterState& state) {
  auto slots = SlotsByGroup(state);
  std::vector<GroupRow> rows;
  for (const GroupRecord& group : state.groups) {
    GroupRow row{.id = group.id,
                 .name = group.name,
                 .leader = LeaderOf(state, group),
                 .preferred = group.preferred_leader,
                 .replicas = group.replicas,
                 .weight = group.weight};
    if (group.reported.has_value()) {
      const MemberIds members = MembersOf(group);
      row.voters = List(members.voters);
      row.learners = List(members.learners);
    }
    for (const WantedReplica& wanted : group.wanted) {
      row.wanted.push_back(wanted.node);
    }
    row.slots = std::move(slots[group.id]);
    row.settled = IsSettled(group);
    row.retiring = group.retiring;
    if (group.recovery.has_value()) {
      row.recovering = group.recovery->node;
    }
    row.problem = GroupProblem(state, group);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<NodeRow> NodeRows(const ClusterState& state) {
  const std::vector<GroupRow> groups = GroupRows(state);
  std::map<NodeId, std::pair<uint32_t, uint32_t>> counts;
  // Groups of the founding that may be on any node.
  uint32_t unreported = 0;
  for (const GroupRecord& group : state.groups) {
    const raft::Configuration* c = group.Configuration();
    if (c == nullptr && group.founded) ++unreported;
    if (c == nullptr) continue;
    for (const raft::Member& one : c->voters) ++counts[one.node].first;
    for (const raft::Member& one : c->learners) ++counts[one.node].first;
    if (const NodeId leader = LeaderOf(state, group); leader != NodeId()) {
      ++counts[leader].second;
    }
  }
  std::vector<NodeRow> rows;
  for (const NodeRecord& node : state.nodes) {
    rows.push_back(
        {.id = node.id,
         .name = node.name,
         .role = RoleName(node.role),
         .state = StateName(state, node),
         .addresses = node.addresses,
         .zone = node.zone,
         .host = node.host,
         .weight = node.weight,
         .replicas = counts[node.id].first +
                     (node.state == NodeState::kDraining ? unreported : 0),
         .leaders = counts[node.id].second,
         .removed = node.state == NodeState::kRemoved ? node.silent_since
                                                      : WallTime(0),
         .problem = NodeProblem(state, node, groups)});
  }
  return rows;
}

ShardMap::Parts MapOf(const ClusterState& state) {
  ShardMap::Parts parts;
  parts.version = state.version;
  parts.partitioner = state.partitioner;
  parts.slot_count = state.slot_count;
  std::set<NodeId> known;
  for (const NodeRecord& node : state.nodes) {
    // The store of a node that is replaced may work, and lead its groups away.
    const bool came = node.state == NodeState::kUp ||
                      node.state == NodeState::kDraining ||
                      node.former_store != StoreIncarnation();
    if (node.state == NodeState::kRemoved || !came) continue;
    known.insert(node.id);
    parts.nodes.push_back({.id = node.id,
                           .name = node.name,
                           .peer_address = node.addresses.peer,
                           .resp_address = node.addresses.resp,
                           .resp_cluster_address = node.addresses.resp_cluster,
                           .http_address = node.addresses.http,
                           .read_only = node.role == NodeRole::kReadOnly,
                           .zone = node.zone});
  }
  for (const GroupRecord& group : state.groups) {
    if (group.id == kControllerGroup || !group.founded) continue;
    MemberIds members = MembersOf(group);
    std::erase_if(members.voters,
                  [&](NodeId id) { return !known.contains(id); });
    std::erase_if(members.learners, [&](NodeId id) {
      return !known.contains(id) || members.voters.contains(id);
    });
    const bool leads = members.voters.contains(group.preferred_leader);
    parts.groups.push_back(
        {.id = group.id,
         .name = group.name,
         .voters = List(members.voters),
         .non_voters = List(members.learners),
         .preferred_leader = leads ? group.preferred_leader : NodeId()});
  }
  for (const AssignedRun& run : state.slots) {
    parts.assignments.push_back({.slots = run.slots, .group = run.group});
  }
  parts.slots_move = state.next_move > MoveId(1);
  return parts;
}

}  // namespace quorate::shardctrl
