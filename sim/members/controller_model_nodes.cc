// Commands about nodes: their names and places, tokens, stores and silence.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sim/members/controller_model.h"

namespace quorate::sim {

using shardctrl::NodeState;
using shardctrl::ReportedAddresses;
using shardctrl::TokenDigest;

namespace {

constexpr StoreIncarnation kNoStore{};
constexpr WallTime kNever{0};

std::set<std::string> ListOf(const ReportedAddresses& all) {
  std::set<std::string> list = {all.peer, all.resp, all.resp_cluster, all.http,
                                all.admin};
  list.erase("");
  return list;
}

bool ShareOne(const ReportedAddresses& a, const ReportedAddresses& b) {
  const std::set<std::string> of_b = ListOf(b);
  for (const std::string& one : ListOf(a)) {
    if (of_b.contains(one)) return true;
  }
  return false;
}

}  // namespace

shardctrl::NodeRecord* ControllerModel::Present(NodeId id) {
  const auto node = next_.nodes.find(id);
  if (node == next_.nodes.end()) return nullptr;
  return node->second.state == NodeState::kRemoved ? nullptr : &node->second;
}

bool ControllerModel::NameTaken(NodeId id, const std::string& name) const {
  return std::any_of(next_.nodes.begin(), next_.nodes.end(), [&](auto& one) {
    return one.first != id && one.second.state != NodeState::kRemoved &&
           one.second.name == name;
  });
}

void ControllerModel::Forget(NodeRecord* node) const {
  node->state = NodeState::kRemoved;
  node->silent_since = log_time_;
  node->token = TokenDigest();
  node->addresses = ReportedAddresses();
}

ControllerModel::Verdict ControllerModel::GiveToken(NodeRecord* node,
                                                    const TokenDigest& token,
                                                    Duration valid_for) const {
  node->token = token;
  node->token_expires = log_time_ + valid_for;
  return {.node = node->id, .token_expires = node->token_expires};
}

ControllerModel::Verdict ControllerModel::Do(const Command::AddNode& add) {
  const NodeId id = next_.next_node;
  const std::string name =
      add.name.empty() ? absl::StrCat("n", id.value()) : add.name;
  if (next_.nodes.size() >= shardctrl::kNodesMax || NameTaken(id, name)) {
    return Refused();
  }
  next_.next_node = NodeId(id.value() + 1);
  NodeRecord& node = next_.nodes[id];
  node.id = id;
  node.name = name;
  node.zone = add.zone;
  node.host = add.host;
  node.weight = add.weight;
  node.role = add.role;
  return GiveToken(&node, add.token, add.valid_for);
}

ControllerModel::Verdict ControllerModel::Do(const Command::SetNode& set) {
  NodeRecord* const node = Present(set.node);
  if (node == nullptr) return Refused();
  const NodeRecord before = *node;
  node->name = set.name.value_or(node->name);
  node->zone = set.zone.value_or(node->zone);
  node->host = set.host.value_or(node->host);
  node->weight = set.weight.value_or(node->weight);
  if (*node == before) return AlreadySo();
  if (NameTaken(set.node, node->name)) return Refused();
  return Plan() ? Refused() : Verdict();
}

ControllerModel::Verdict ControllerModel::Do(const Command::DrainNode& drain) {
  NodeRecord* const node = Present(drain.node);
  if (node == nullptr) return Refused();
  if (node->state == NodeState::kDraining) return AlreadySo();
  if (NeverJoined(*node)) return Refused();
  // A group without a majority cannot give up its replica.
  for (const auto& [id, group] : next_.groups) {
    const raft::Configuration* const known = Known(group);
    if (known != nullptr && Names(*known, drain.node) &&
        !HasMajority(next_, *known)) {
      return Refused();
    }
  }
  node->state = NodeState::kDraining;
  return Plan() ? Refused() : Verdict();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::UndrainNode& undrain) {
  NodeRecord* const node = Present(undrain.node);
  if (node == nullptr) return Refused();
  if (node->state != NodeState::kDraining) return AlreadySo();
  // The next store of a node that was replaced has not come.
  const bool awaited = node->store == kNoStore && !IsUnboundFounder(*node);
  node->state = awaited ? NodeState::kJoining : NodeState::kUp;
  node->leaving = false;
  node->lost = false;
  node->empty = false;
  return Plan() ? Refused() : Verdict();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::RemoveNode& remove) {
  const auto found = next_.nodes.find(remove.node);
  if (found == next_.nodes.end()) return Refused();
  NodeRecord& node = found->second;
  if (node.state == NodeState::kRemoved) return AlreadySo();
  if (node.leaving && node.lost >= remove.lost) return AlreadySo();
  if (NeverJoined(node)) {
    Forget(&node);
    return {};
  }
  if (remove.lost && IsNeeded(next_, remove.node)) return Refused();
  node.state = NodeState::kDraining;
  node.leaving = true;
  if (remove.lost) node.lost = true;
  return Plan() ? Refused() : Verdict();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReplaceNode& replace) {
  NodeRecord* const node = Present(replace.node);
  if (node == nullptr || node->leaving) return Refused();
  if (node->store != kNoStore) {
    if (IsNeeded(next_, replace.node)) return Refused();
    node->former_store = node->store;
    node->store = kNoStore;
    if (node->state == NodeState::kUp) node->state = NodeState::kJoining;
    node->start_number = 0;
    node->silent_since = kNever;
    node->dead = false;
    if (Plan()) return Refused();
  }
  return GiveToken(node, replace.token, replace.valid_for);
}

ControllerModel::Verdict ControllerModel::Do(const Command::BindNode& bind) {
  NodeRecord* const node = Present(bind.node);
  if (node == nullptr) return Refused();
  if (node->store == bind.store) return AlreadySo();
  if (node->store != kNoStore) return Refused();
  for (const auto& [id, other] : next_.nodes) {
    if (other.store == bind.store || other.former_store == bind.store) {
      return Refused();
    }
  }
  const bool valid = !node->token.empty() && node->token == bind.token &&
                     log_time_ < node->token_expires;
  if (!valid) return Refused();
  node->store = bind.store;
  node->token = TokenDigest();
  if (node->state == NodeState::kJoining) node->state = NodeState::kUp;
  Plan();
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportNode& report) {
  NodeRecord* const node = Present(report.node);
  if (node == nullptr) return Refused();
  const bool founder = IsUnboundFounder(*node);
  if (founder) node->store = report.store;
  if (node->store != report.store) return Refused();
  const bool newer = report.start_number > node->start_number ||
                     (report.start_number == node->start_number &&
                      !(report.addresses == node->addresses));
  if (!newer) return founder ? Verdict() : AlreadySo();
  node->start_number = report.start_number;
  node->addresses = report.addresses;
  // Another node had the machine before.
  for (auto& [id, other] : next_.nodes) {
    if (id != report.node && ShareOne(other.addresses, node->addresses)) {
      other.addresses = ReportedAddresses();
    }
  }
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportSilence& report) {
  NodeRecord* const node = Present(report.node);
  if (node == nullptr) return Refused();
  if (NeverJoined(*node)) return AlreadySo();
  if (node->silent_since == kNever) {
    node->silent_since = std::max(log_time_, WallTime(1));
    // Voters on their way to it go to other nodes.
    if (WaitsForSilentNode(next_)) Plan();
    return {};
  }
  if (!TakesVoters(*node) || !HoldsReplicas(next_, report.node)) {
    return AlreadySo();
  }
  if (next_.repair_after == Duration() ||
      log_time_ - node->silent_since < next_.repair_after) {
    return AlreadySo();
  }
  // One node is rebuilt after another.
  for (const auto& [id, other] : next_.nodes) {
    if (id != report.node && other.dead && HoldsReplicas(next_, id)) {
      return Refused();
    }
  }
  if (IsNeeded(next_, report.node)) return Refused();
  node->dead = true;
  return Plan() ? Refused() : Verdict();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportSign& report) {
  NodeRecord* const node = Present(report.node);
  if (node == nullptr) return Refused();
  if (node->silent_since == kNever) return AlreadySo();
  bool plans = node->dead;
  node->dead = false;
  node->silent_since = kNever;
  // It holds no replica, or some group lacks one.
  if (TakesVoters(*node)) {
    plans |= !HoldsReplicas(next_, report.node);
    for (const auto& [id, group] : next_.groups) {
      const uint32_t replicas = id == shardctrl::kControllerGroup
                                    ? ControllerReplicas()
                                    : group.replicas;
      plans |= WantedVoters(group).size() < replicas;
    }
  }
  if (plans || WaitsForSilentNode(next_)) Plan();
  return {};
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::ReportEmpty& report) {
  NodeRecord* const node = Present(report.node);
  if (node == nullptr || node->store != report.store) return Refused();
  if (!node->leaving || node->empty) return AlreadySo();
  node->empty = true;
  return {};
}

// A node that leaves goes once no configuration names it, and it has said that
// it has no replica, or cannot say so.
void ControllerModel::RemoveDrainedNodes() {
  std::vector<NodeId> removed;
  for (auto& [id, node] : next_.nodes) {
    const bool nothing_there =
        node.empty || node.lost || node.store == kNoStore;
    if (node.leaving && node.state == NodeState::kDraining && nothing_there &&
        !HoldsReplicas(next_, id)) {
      Forget(&node);
    }
    if (node.state == NodeState::kRemoved) removed.push_back(id);
  }
  // The oldest ones leave the list.
  for (size_t i = 0; i + shardctrl::kRemovedNodesMax < removed.size(); ++i) {
    next_.nodes.erase(removed[i]);
  }
}

}  // namespace quorate::sim
