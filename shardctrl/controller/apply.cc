#include "shardctrl/controller/apply.h"

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/siphash.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/slot_moves.h"
#include "shardctrl/controller/token.h"
#include "shardctrl/controller/wishes.h"
#include "shardctrl/controller/words.h"

namespace quorate::shardctrl {
namespace {

using Answer = ControllerAnswer;
using Command = ControllerCommand;
constexpr auto Done = Answer::Done;
constexpr auto AlreadySo = Answer::AlreadySo;
constexpr auto Refused = Answer::Refused;

// Executes one command. Each overload of operator() either changes the state
// and returns kDone, or leaves the state as it was.
class Execution {
 public:
  Execution(WallTime log_time, ClusterState* state)
      : log_time_(log_time), state_(*state) {}

  Answer operator()(const Command::AddNode& add);
  Answer operator()(const Command::SetNode& set);
  Answer operator()(const Command::DrainNode& drain);
  Answer operator()(const Command::UndrainNode& undrain);
  Answer operator()(const Command::RemoveNode& remove);
  Answer operator()(const Command::ReplaceNode& replace);
  Answer operator()(const Command::CreateGroups& create);
  Answer operator()(const Command::SetGroup& set);
  Answer operator()(const Command::TransferGroup& transfer);
  Answer operator()(const Command::SetRepair& set);
  Answer operator()(const Command::RecoverGroup& recover);
  Answer operator()(const Command::BindNode& bind);
  Answer operator()(const Command::ReportNode& report);
  Answer operator()(const Command::ReportGroup& report);
  Answer operator()(const Command::ReportReplica& report);
  Answer operator()(const Command::ReportSilence& report);
  Answer operator()(const Command::ReportSign& report);
  Answer operator()(const Command::ReportEmpty& report);
  // The commands of slot_moves.h.
  template <typename Other>
  Answer operator()(const Other& command) {
    return ChangeMoves(command, log_time_, &state_);
  }

 private:
  // Changes a copy of the state and plans its replicas. The copy becomes the
  // state unless a group would lack replicas.
  Answer Wish(std::string text, const std::function<void(ClusterState*)>& set);
  Answer SetToken(NodeId id, const TokenDigest& token, Duration valid_for,
                  std::string text);
  Answer NoteRecovery(const ReportedConfiguration& fresh, GroupRecord* group);
  std::string NameTaken(NodeId id, const std::string& name) const;

  const WallTime log_time_;
  ClusterState& state_;
};

// The node, unless it is unknown or removed.
NodeRecord* Present(ClusterState* state, NodeId id) {
  NodeRecord* node = state->FindNode(id);
  return node == nullptr || node->state == NodeState::kRemoved ? nullptr : node;
}

Answer NoSuchNode(NodeId id) {
  return Refused(
      absl::StrCat("there is no ", NodeText(id),
                   ", or it is removed; the command node list shows all"));
}

void AppendTolerance(uint32_t replicas, std::string* text) {
  const std::string tolerance = ToleranceText(replicas);
  if (!tolerance.empty()) absl::StrAppend(text, "; ", tolerance);
}

// True if both have one of the addresses.
bool HaveOne(const ReportedAddresses& a, const ReportedAddresses& b) {
  const std::string* const of_a[] = {&a.peer, &a.resp, &a.resp_cluster, &a.http,
                                     &a.admin};
  const std::string* const of_b[] = {&b.peer, &b.resp, &b.resp_cluster, &b.http,
                                     &b.admin};
  for (const std::string* one : of_a) {
    for (const std::string* other : of_b) {
      if (!one->empty() && *one == *other) return true;
    }
  }
  return false;
}

// A node that has never had a store.
bool NeverJoined(const NodeRecord& node) {
  return node.state == NodeState::kJoining &&
         node.former_store == StoreIncarnation();
}

void Forget(WallTime log_time, NodeRecord* node) {
  node->state = NodeState::kRemoved;
  node->silent_since = log_time;
  node->token = TokenDigest{};
  node->addresses = ReportedAddresses{};
}

Answer Execution::Wish(std::string text,
                       const std::function<void(ClusterState*)>& set) {
  ClusterState next = state_;
  set(&next);
  std::vector<std::string> steps = PlanWishes(&next);
  std::string shortage = NewShortage(state_, next);
  if (!shortage.empty()) return Refused(std::move(shortage));
  state_ = std::move(next);
  Answer answer = Done(std::move(text));
  answer.SetSteps(std::move(steps));
  return answer;
}

std::string Execution::NameTaken(NodeId id, const std::string& name) const {
  for (const NodeRecord& node : state_.nodes) {
    if (node.id != id && node.name == name &&
        node.state != NodeState::kRemoved) {
      std::string text =
          absl::StrCat(NodeText(node.id), " has the name ", name);
      if (!NeverJoined(node)) return text;
      return absl::StrCat(text,
                          " and has not joined yet; for a new token of it, "
                          "type quoratectl node replace ",
                          node.id.value());
    }
  }
  return "";
}

Answer Execution::operator()(const Command::AddNode& add) {
  const NodeId id = state_.next_node;
  NodeRecord node{
      .id = id,
      .name = add.name.empty() ? absl::StrCat("n", id.value()) : add.name,
      .zone = add.zone,
      .host = add.host,
      .weight = add.weight,
      .role = add.role,
      .token = add.token,
      .token_expires = log_time_ + add.valid_for};
  if (state_.nodes.size() >= kNodesMax) {
    return Refused(absl::StrCat("a cluster has at most ", kNodesMax, " nodes"));
  }
  if (std::string taken = NameTaken(id, node.name); !taken.empty()) {
    return Refused(taken);
  }
  Answer answer = Done(absl::StrCat(NodeText(id), " is registered"));
  answer.node = id;
  answer.token_expires = node.token_expires;
  state_.next_node = NodeId(id.value() + 1);
  state_.nodes.push_back(std::move(node));
  return answer;
}

Answer Execution::operator()(const Command::SetNode& set) {
  const NodeRecord* node = Present(&state_, set.node);
  if (node == nullptr) return NoSuchNode(set.node);
  NodeRecord changed = *node;
  if (set.name) changed.name = *set.name;
  if (set.zone) changed.zone = *set.zone;
  if (set.host) changed.host = *set.host;
  if (set.weight) changed.weight = *set.weight;
  if (changed == *node) return AlreadySo("nothing differs");
  if (std::string taken = NameTaken(set.node, changed.name); !taken.empty()) {
    return Refused(taken);
  }
  return Wish(absl::StrCat(NodeText(set.node), " is changed"),
              [&](ClusterState* next) { *next->FindNode(set.node) = changed; });
}

Answer Execution::operator()(const Command::DrainNode& drain) {
  const NodeRecord* node = Present(&state_, drain.node);
  const std::string name = NodeText(drain.node);
  if (node == nullptr) return NoSuchNode(drain.node);
  if (node->leaving) return AlreadySo(name + " is being removed");
  if (node->state == NodeState::kDraining) return AlreadySo(name + " drains");
  if (NeverJoined(*node)) {
    return Refused(absl::StrCat(name,
                                " has not joined yet; to withdraw it, "
                                "type quoratectl node remove ",
                                drain.node.value()));
  }
  if (std::string held = HeldByLostMajority(state_, drain.node);
      !held.empty()) {
    return Refused(held);
  }
  return Wish(name + " drains", [&](ClusterState* next) {
    next->FindNode(drain.node)->state = NodeState::kDraining;
  });
}

Answer Execution::operator()(const Command::UndrainNode& undrain) {
  const NodeRecord* node = Present(&state_, undrain.node);
  if (node == nullptr) return NoSuchNode(undrain.node);
  const std::string name = NodeText(undrain.node);
  if (node->state != NodeState::kDraining) {
    return AlreadySo(name + " does not drain");
  }
  return Wish(name + " takes replicas again", [&](ClusterState* next) {
    NodeRecord* changed = next->FindNode(undrain.node);
    const bool comes =
        changed->store == StoreIncarnation() && !changed->IsUnboundFounder();
    changed->state = comes ? NodeState::kJoining : NodeState::kUp;
    changed->leaving = changed->lost = changed->empty = false;
  });
}

Answer Execution::operator()(const Command::RemoveNode& remove) {
  const NodeRecord* node = state_.FindNode(remove.node);
  const std::string name = NodeText(remove.node);
  if (node == nullptr) return NoSuchNode(remove.node);
  if (node->state == NodeState::kRemoved)
    return AlreadySo(name + " is removed");
  if (node->leaving && (node->lost || !remove.lost)) {
    return AlreadySo(name + " is being removed");
  }
  if (NeverJoined(*node)) {
    Forget(log_time_, state_.FindNode(remove.node));
    return Done(name + " is removed");
  }
  if (remove.lost) {
    if (std::string lost = LostMajority(state_, remove.node); !lost.empty()) {
      return Refused(lost);
    }
  }
  return Wish(name + " is being removed", [&](ClusterState* next) {
    NodeRecord* changed = next->FindNode(remove.node);
    changed->state = NodeState::kDraining;
    changed->leaving = true;
    changed->lost |= remove.lost;
  });
}

Answer Execution::SetToken(NodeId id, const TokenDigest& token,
                           Duration valid_for, std::string text) {
  NodeRecord* node = state_.FindNode(id);
  node->token = token;
  node->token_expires = log_time_ + valid_for;
  Answer answer = Done(std::move(text));
  answer.node = id;
  answer.token_expires = node->token_expires;
  return answer;
}

Answer Execution::operator()(const Command::ReplaceNode& replace) {
  const NodeRecord* node = Present(&state_, replace.node);
  const std::string name = NodeText(replace.node);
  if (node == nullptr) return NoSuchNode(replace.node);
  if (node->leaving) {
    return Refused(absl::StrCat(name,
                                " is being removed; to keep it, type "
                                "quoratectl node undrain ",
                                replace.node.value(), " first"));
  }
  if (node->store == StoreIncarnation()) {
    return SetToken(replace.node, replace.token, replace.valid_for,
                    name + " has a new token; an earlier one is void");
  }
  if (std::string lost = LostMajority(state_, replace.node); !lost.empty()) {
    return Refused(lost);
  }
  const std::string text =
      name +
      " waits for its new store; the replicas on the old one are given "
      "up";
  Answer wished = Wish(text, [&](ClusterState* next) {
    NodeRecord* changed = next->FindNode(replace.node);
    changed->former_store = std::exchange(changed->store, StoreIncarnation());
    if (changed->state == NodeState::kUp) changed->state = NodeState::kJoining;
    changed->start_number = 0;
    changed->silent_since = WallTime(0);
    changed->dead = false;
  });
  if (wished.outcome != Answer::Outcome::kDone) return wished;
  Answer answer =
      SetToken(replace.node, replace.token, replace.valid_for, text);
  answer.steps = std::move(wished.steps);
  return answer;
}

Answer Execution::operator()(const Command::CreateGroups& create) {
  if (state_.groups.size() + create.count > kGroupsMax) {
    return Refused(
        absl::StrCat("a cluster has at most ", kGroupsMax, " groups"));
  }
  const size_t of_data = std::count_if(
      state_.groups.begin(), state_.groups.end(),
      [](const auto& group) { return group.id != kControllerGroup; });
  if (of_data + create.count > state_.slot_count) {
    return Refused(absl::StrCat("there are ", state_.slot_count, " slots and ",
                                of_data,
                                " groups: a cluster has at most as many groups "
                                "as slots"));
  }
  const uint32_t replicas =
      create.replicas == 0 ? state_.default_replicas : create.replicas;
  std::vector<GroupId> ids;
  Answer answer = Wish("", [&](ClusterState* next) {
    const auto taken = [&](const std::string& name) {
      return std::any_of(
          next->groups.begin(), next->groups.end(),
          [&](const GroupRecord& group) { return group.name == name; });
    };
    for (uint32_t i = 0; i < create.count; ++i) {
      const GroupId id = next->next_group;
      next->next_group = GroupId(id.value() + 1);
      std::string name = absl::StrCat("g", id.value());
      while (taken(name)) name += "-new";
      const auto behind =
          std::find_if(next->groups.begin(), next->groups.end(),
                       [&](const GroupRecord& group) { return group.id > id; });
      next->groups.insert(behind, {.id = id,
                                   .name = name,
                                   .replicas = replicas,
                                   .weight = create.weight,
                                   .awaits_share = true});
      ids.push_back(id);
    }
  });
  if (answer.outcome == Answer::Outcome::kDone) {
    answer.text = ids.size() == 1
                      ? GroupText(ids[0]) + " is being created"
                      : absl::StrCat(ids.size(), " groups are being created");
    AppendTolerance(replicas, &answer.text);
    answer.groups = std::move(ids);
  }
  return answer;
}

Answer Execution::operator()(const Command::SetGroup& set) {
  const GroupRecord* group = state_.FindGroup(set.group);
  if (group == nullptr) return NoSuchGroup(set.group);
  if (set.group == kControllerGroup) {
    return Refused(
        "the controller's group owns no slots. The number of its replicas "
        "follows from the number of data nodes: five nodes have five, three "
        "nodes three, fewer nodes one");
  }
  GroupRecord changed = *group;
  std::string text = GroupText(set.group);
  if (set.replicas) {
    changed.replicas = *set.replicas;
    absl::StrAppend(&text, " shall have ", *set.replicas,
                    *set.replicas == 1 ? " replica" : " replicas");
  }
  if (set.weight) {
    changed.weight = *set.weight;
    absl::StrAppend(&text, set.replicas ? ", and" : "", " has the weight ",
                    *set.weight);
  }
  if (changed == *group) return AlreadySo(text);
  if (changed.replicas != group->replicas) {
    if (std::string lost = NoMajority(state_, *group); !lost.empty()) {
      return Refused(std::move(lost));
    }
    AppendTolerance(changed.replicas, &text);
  }
  if (changed.weight != group->weight && !group->retiring) {
    absl::StrAppend(&text, "; to move slots by it, type quoratectl rebalance");
  }
  return Wish(
      text, [&](ClusterState* next) { *next->FindGroup(set.group) = changed; });
}

Answer Execution::operator()(const Command::TransferGroup& transfer) {
  GroupRecord* group = state_.FindGroup(transfer.group);
  if (group == nullptr) return NoSuchGroup(transfer.group);
  if (transfer.group == kControllerGroup) {
    return Refused(
        "the controller's group elects its leader by itself; to keep it off a "
        "node, drain the node");
  }
  const WantedReplica* wanted = group->WantedOn(transfer.to);
  const NodeRecord* node = state_.FindNode(transfer.to);
  if (node == nullptr) return NoSuchNode(transfer.to);
  const std::string name = NodeText(transfer.to);
  if (wanted == nullptr || wanted->purpose != ReplicaPurpose::kVoter) {
    return Refused(absl::StrCat(name, " shall hold no voter of ",
                                GroupText(transfer.group)));
  }
  if (node->silent_since != WallTime(0)) {
    return Refused(name + " does not answer; start it first");
  }
  if (group->preferred_leader == transfer.to) {
    return AlreadySo(absl::StrCat(name, " shall lead ",
                                  GroupText(transfer.group), " already"));
  }
  group->preferred_leader = transfer.to;
  return Done(absl::StrCat(name, " shall lead ", GroupText(transfer.group)));
}

Answer Execution::operator()(const Command::SetRepair& set) {
  const std::string text =
      set.after == Duration()
          ? std::string("nodes that do not answer keep their replicas")
          : absl::StrCat("nodes that do not answer are given up after ",
                         set.after.ms() / 1000, " seconds");
  if (state_.repair_after == set.after) return AlreadySo(text);
  state_.repair_after = set.after;
  return Done(text);
}

Answer Execution::operator()(const Command::RecoverGroup& recover) {
  GroupRecord* group = state_.FindGroup(recover.group);
  if (group == nullptr) return NoSuchGroup(recover.group);
  const std::string name = GroupText(recover.group);
  if (recover.group == kControllerGroup || !group->reported.has_value()) {
    return Refused(name +
                   " cannot be recovered: it is the controller's own, or has "
                   "never had a leader");
  }
  const NodeRecord* node = Present(&state_, recover.node);
  if (node == nullptr) return NoSuchNode(recover.node);
  if (node->store != recover.store) {
    return Refused(absl::StrCat(NodeText(recover.node), " has another store"));
  }
  if (recover.planned != group->reported->position) {
    return Refused(name + " has other members since; ask again");
  }
  const raft::Configuration& known = group->reported->configuration;
  const VoterCount count =
      CountVoters(state_, known, recover.broken, recover.replica);
  if (count.majority) {
    return Refused(absl::StrCat(name, " has ", count.working, " of ",
                                count.voters,
                                " voters that work, a majority: nothing of it "
                                "is lost. The controller notices within "
                                "seconds that a node is silent"));
  }
  const WantedReplica* wanted = group->WantedOn(recover.node);
  const bool came = wanted != nullptr && wanted->replica == recover.replica &&
                    wanted->purpose == ReplicaPurpose::kVoter;
  if (!raft::IsVoter(known, recover.replica) && !came) {
    return Refused(absl::StrCat("the replica on ", NodeText(recover.node),
                                " is no voter of ", name));
  }
  uint64_t generation = std::max(recover.generation, known.generation + 1);
  if (group->recovery.has_value()) {
    const GroupRecovery& present = *group->recovery;
    const NodeRecord* chosen = Present(&state_, present.node);
    const std::string text =
        absl::StrCat(name, " is being recovered from ", NodeText(present.node));
    if (present.replica == recover.replica) return AlreadySo(text);
    if (chosen != nullptr && chosen->store == present.store &&
        chosen->silent_since == WallTime(0)) {
      return Refused(text);
    }
    generation = std::max(generation, present.generation + 1);
  }
  group->recovery = GroupRecovery{.node = recover.node,
                                  .store = recover.store,
                                  .replica = recover.replica,
                                  .generation = generation};
  group->wanted = {{.node = recover.node}};
  group->preferred_leader = recover.node;
  return Done(absl::StrCat(name, " goes on from the replica on ",
                           NodeText(recover.node)));
}

Answer Execution::operator()(const Command::BindNode& bind) {
  NodeRecord* node = Present(&state_, bind.node);
  if (node == nullptr) return NoSuchNode(bind.node);
  const std::string name = NodeText(bind.node);
  const std::string remedy = absl::StrCat(
      "type quoratectl node replace ", bind.node.value(), " for a new token");
  if (node->store == bind.store) return AlreadySo(name + " has this store");
  if (node->store != StoreIncarnation()) {
    return Refused(
        absl::StrCat(name, " has another store; if that is gone, ", remedy));
  }
  for (const NodeRecord& other : state_.nodes) {
    if (other.store == bind.store || other.former_store == bind.store) {
      return Refused(absl::StrCat("this store belongs to ", NodeText(other.id),
                                  "; start with an empty directory"));
    }
  }
  if (!SameDigest(node->token, bind.token)) {
    return Refused(
        absl::StrCat("this is not the newest token of ", name, "; ", remedy));
  }
  if (log_time_ >= node->token_expires) {
    return Refused(
        absl::StrCat("the token of ", name, " has expired; ", remedy));
  }
  node->store = bind.store;
  node->token = TokenDigest{};
  if (node->state == NodeState::kJoining) node->state = NodeState::kUp;
  Answer answer = Done(name + " joins");
  answer.SetSteps(PlanWishes(&state_));
  return answer;
}

Answer Execution::operator()(const Command::ReportNode& report) {
  NodeRecord* node = Present(&state_, report.node);
  if (node == nullptr) return NoSuchNode(report.node);
  // It has the store that it was founded with.
  const bool bound = node->IsUnboundFounder();
  if (bound) node->store = report.store;
  if (node->store != report.store) {
    return Refused(absl::StrCat(NodeText(report.node), " has another store"));
  }
  const bool known = report.start_number < node->start_number ||
                     (report.start_number == node->start_number &&
                      report.addresses == node->addresses);
  if (known && !bound) {
    return AlreadySo("these addresses are known, or newer ones");
  }
  node->start_number = report.start_number;
  node->addresses = report.addresses;
  // The machine was that of another node, which is at another place by now.
  for (NodeRecord& other : state_.nodes) {
    if (other.id != report.node && HaveOne(other.addresses, node->addresses)) {
      other.addresses = ReportedAddresses();
    }
  }
  return Done("the addresses are noted");
}

// The replicas of earlier generations are never named again.
Answer Execution::NoteRecovery(const ReportedConfiguration& fresh,
                               GroupRecord* group) {
  if (group->id == kControllerGroup) {
    const uint64_t generations = fresh.configuration.generation -
                                 group->reported->configuration.generation;
    state_.version = MapVersion(state_.version.value() +
                                generations * kVersionsOfAGeneration);
  }
  group->recovery.reset();
  group->reported = fresh;
  for (WantedReplica& wanted : group->wanted) {
    if (raft::IsMember(fresh.configuration, wanted.replica)) continue;
    wanted.store = StoreIncarnation();
    wanted.replica = ReplicaId();
  }
  Answer answer = Done(GroupText(group->id) + " is recovered");
  answer.SetSteps(PlanWishes(&state_));
  return answer;
}

Answer Execution::operator()(const Command::ReportGroup& report) {
  GroupRecord* group = state_.FindGroup(report.group);
  if (group == nullptr) return NoSuchGroup(report.group);
  const ReportedConfiguration& fresh = report.configuration;
  // The leader's state is older than a command that gave up such stores.
  if (fresh.next.has_value() && !MajorityHasStores(state_, *fresh.next)) {
    return Refused("of the next voters of " + GroupText(report.group) +
                   ", too many are on stores that are given up");
  }
  if (group->recovery.has_value() &&
      fresh.configuration.generation < group->recovery->generation) {
    return Refused(GroupText(report.group) + " is being recovered");
  }
  if (group->reported.has_value() &&
      fresh.configuration.generation >
          group->reported->configuration.generation) {
    return NoteRecovery(fresh, group);
  }
  if (!group->reported.has_value() || fresh.IsNewerThan(*group->reported)) {
    group->reported = fresh;
    group->founded = true;
    group->first.reset();
    return Done("the configuration is noted");
  }
  ReportedConfiguration& known = *group->reported;
  if (known.IsNewerThan(fresh) || std::tie(fresh.term, fresh.number) <=
                                      std::tie(known.term, known.number)) {
    return AlreadySo("this is known, or something newer");
  }
  known = fresh;
  return Done("the leader is noted");
}

Answer Execution::operator()(const Command::ReportReplica& report) {
  GroupRecord* group = state_.FindGroup(report.group);
  if (group == nullptr) return NoSuchGroup(report.group);
  const NodeRecord* node = Present(&state_, report.node);
  if (node == nullptr) return NoSuchNode(report.node);
  if (node->store != report.store) {
    return Refused(absl::StrCat(NodeText(report.node), " has another store"));
  }
  // A recovery gave it up: it must not become a member again.
  if (group->reported.has_value() &&
      report.generation < group->reported->configuration.generation) {
    return Refused("the replica is one of an earlier generation");
  }
  // The group was recovered, and this controller does not know. It may be an
  // old one, whose leaders must not learn the ids of recovered replicas.
  if (group->reported.has_value() &&
      report.generation > group->reported->configuration.generation) {
    return Refused("the replica is one of a later generation");
  }
  for (WantedReplica& wanted : group->wanted) {
    if (wanted.node != report.node) continue;
    if (wanted.store == report.store && wanted.replica == report.replica) {
      return AlreadySo("the replica is known");
    }
    wanted.store = report.store;
    wanted.replica = report.replica;
    return Done("the replica is noted");
  }
  return Refused(absl::StrCat(GroupText(report.group),
                              " shall have no replica on ",
                              NodeText(report.node)));
}

Answer Execution::operator()(const Command::ReportSilence& report) {
  NodeRecord* node = Present(&state_, report.node);
  if (node == nullptr) return NoSuchNode(report.node);
  const std::string name = NodeText(report.node);
  if (NeverJoined(*node)) return AlreadySo(name + " has not joined yet");
  if (node->silent_since == WallTime(0)) {
    node->silent_since = std::max(log_time_, WallTime(1));
    Answer answer = Done(name + " does not answer");
    // Replicas that are on their way to it go elsewhere.
    if (WaitsForSilentNode(state_)) answer.SetSteps(PlanWishes(&state_));
    return answer;
  }
  if (!TakesVoters(*node) || !HoldsReplicas(state_, report.node)) {
    return AlreadySo(name + " has no replica to rebuild, or that is under way");
  }
  if (state_.repair_after == Duration() ||
      log_time_ - node->silent_since < state_.repair_after) {
    return AlreadySo(name + " is not given up yet");
  }
  if (std::string obstacle = RepairObstacle(state_, report.node);
      !obstacle.empty()) {
    return Refused(obstacle);
  }
  return Wish(
      name + " is given up: its replicas are rebuilt on other nodes",
      [&](ClusterState* next) { next->FindNode(report.node)->dead = true; });
}

Answer Execution::operator()(const Command::ReportSign& report) {
  NodeRecord* node = Present(&state_, report.node);
  if (node == nullptr) return NoSuchNode(report.node);
  if (node->silent_since == WallTime(0)) return AlreadySo("the node answers");
  const bool dead = std::exchange(node->dead, false);
  node->silent_since = WallTime(0);
  Answer answer = Done(NodeText(report.node) + " answers again");
  if (dead || IsNeeded(state_, *node) || WaitsForSilentNode(state_)) {
    answer.SetSteps(PlanWishes(&state_));
  }
  return answer;
}

Answer Execution::operator()(const Command::ReportEmpty& report) {
  NodeRecord* node = Present(&state_, report.node);
  if (node == nullptr) return NoSuchNode(report.node);
  const std::string name = NodeText(report.node);
  if (node->store != report.store) {
    return Refused(name + " has another store");
  }
  if (!node->leaving || node->empty) return AlreadySo(name + " may go");
  node->empty = true;
  return Done(name + " has no replica");
}

// Makes entry 1 of a group that is being created once all its replicas are
// known. It is made once: all of them start with it.
void Compose(const ClusterState& state, GroupRecord* group) {
  const GroupTemplate& made = state.created_groups;
  raft::Configuration first;
  for (const WantedReplica& wanted : group->wanted) {
    if (wanted.replica == ReplicaId()) return;
    const bool votes = wanted.purpose == ReplicaPurpose::kVoter;
    (votes ? first.voters : first.learners)
        .push_back({.replica = wanted.replica,
                    .node = wanted.node,
                    .store = wanted.store});
  }
  raft::SortMembers(&first.voters);
  raft::SortMembers(&first.learners);
  first.machine_kind = made.machine_kind;
  // The founding drew the key, and levels have risen since. The groups of the
  // founding know both, and their lease. One of them reports itself soon.
  bool knows_key = false;
  for (const GroupRecord& other : state.groups) {
    const raft::Configuration* const known = other.Configuration();
    if (known == nullptr || known->machine_kind != made.machine_kind) continue;
    first.level = std::max(first.level, known->level);
    first.hash_key = known->hash_key;
    first.lease_length = known->lease_length;
    first.lease_drift_ppm = known->lease_drift_ppm;
    knows_key = true;
  }
  if (!knows_key) return;
  first.parameters = Buffer::Copy(made.parameters);
  // Two stores may have drawn one id, or a report may be wrong.
  if (raft::ValidateConfiguration(first).ok()) group->first = std::move(first);
}

void ComposeGroups(ClusterState* state) {
  for (GroupRecord& group : state->groups) {
    if (group.founded || group.first.has_value()) continue;
    Compose(*state, &group);
  }
}

// Nodes that leave are removed once no group has a replica on them. Their disks
// may be erased then, so each must have said that it has none.
void RemoveDrainedNodes(WallTime log_time, ClusterState* state) {
  size_t removed = 0;
  for (NodeRecord& node : state->nodes) {
    const bool says_so =
        node.empty || node.lost || node.store == StoreIncarnation();
    if (node.leaving && node.state == NodeState::kDraining && says_so &&
        !HoldsReplicas(*state, node.id)) {
      Forget(log_time, &node);
    }
    if (node.state == NodeState::kRemoved) ++removed;
  }
  for (auto node = state->nodes.begin(); removed > kRemovedNodesMax;) {
    if (node->state == NodeState::kRemoved) {
      node = state->nodes.erase(node);
      --removed;
    } else {
      ++node;
    }
  }
}

template <typename T>
void KeepNewest(size_t count, std::vector<T>* list) {
  if (list->size() <= count) return;
  list->erase(list->begin(), list->end() - static_cast<std::ptrdiff_t>(count));
}

void Remember(const Command& command, uint64_t digest, WallTime log_time,
              const Answer& answer, ClusterState* state) {
  if (IsOperatorsCommand(command)) {
    state->history.push_back({state->version, log_time, Describe(command)});
    KeepNewest(kHistoryMax, &state->history);
  }
  if (command.operation.empty()) return;
  std::erase_if(state->operations, [&](const FinishedOperation& one) {
    return log_time - one.log_time > kOperationsKept;
  });
  state->operations.push_back(
      {command.operation, log_time, digest, EncodeAnswer(answer)});
  KeepNewest(kOperationsMax, &state->operations);
}

}  // namespace

ControllerAnswer ApplyCommand(const ControllerCommand& command,
                              WallTime log_time, ClusterState* state) {
  const uint64_t digest = SipHash(SipKey{}, EncodeCommand(command));
  for (const FinishedOperation& one : state->operations) {
    if (command.operation.empty() || !(one.id == command.operation)) continue;
    if (one.command != digest) {
      return {.outcome = Answer::Outcome::kRefused,
              .text = "another command had this operation id",
              .version = state->version};
    }
    auto answer = DecodeAnswer(one.answer);
    CHECK(answer.ok()) << answer.status().ToString();
    return *std::move(answer);
  }
  Answer answer = std::visit(Execution(log_time, state), command.body);
  if (answer.outcome != Answer::Outcome::kDone) {
    answer.version = state->version;
    return answer;
  }
  ++state->version;
  answer.version = state->version;
  ComposeGroups(state);
  ShareSlots(log_time, state);
  EndMoves(log_time, state);
  RemoveDrainedNodes(log_time, state);
  Remember(command, digest, log_time, answer, state);
  return answer;
}

ControllerAnswer DryRun(const ClusterState& state, ControllerCommand command,
                        WallTime log_time) {
  ClusterState copy = state;
  return ApplyCommand(command, log_time, &copy);
}

}  // namespace quorate::shardctrl
