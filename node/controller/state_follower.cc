#include "node/controller/state_follower.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_set.h"
#include "node/base/text.h"
#include "node/controller/store_binder.h"
#include "raft/core/configuration.h"
#include "raft/host/admission.h"
#include "raft/host/bootstrap_record.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::node {

using shardctrl::ClusterState;
using shardctrl::kControllerGroup;

// The configurations here may be newer than the map with which this node began.
// Fenced replicas may name nodes that are gone.
void StateFollower::NoteMembers() {
  absl::btree_set<NodeId> members;
  for (const GroupId group : host_.groups()) {
    const raft::Core* const core = host_.core(group);
    if (core == nullptr || !host_.group_status(group).ok()) continue;
    raft::ForEachMember(core->configuration(), [&](const raft::Member& member) {
      members.insert(member.node);
    });
  }
  cluster_.SetMembers(std::move(members));
}

const ClusterState& StateFollower::state() const {
  const shardctrl::ControllerMachine* const machine = link_.machine();
  return machine != nullptr && machine->state().version > received_.version
             ? machine->state()
             : received_;
}

std::vector<NodeId> StateFollower::Candidates() const {
  std::vector<NodeId> nodes;
  const auto add = [&](NodeId node) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
      nodes.push_back(node);
    }
  };
  if (link_.follows()) add(config_.node);
  const shardctrl::GroupRecord* const group =
      state().FindGroup(kControllerGroup);
  if (group != nullptr && group->reported.has_value()) {
    for (const raft::Member& voter : group->reported->configuration.voters) {
      if (voter.node != config_.node) add(voter.node);
    }
  }
  // Others know where it is.
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id != config_.node) add(node.id);
  }
  return nodes;
}

NodeId StateFollower::KnowsRecovery() const {
  const LiveView::NewestMap newest = view_.newest_map();
  const uint64_t own = state().version.value();
  return newest.version.value() / shardctrl::kVersionsOfAGeneration >
                 own / shardctrl::kVersionsOfAGeneration
             ? newest.node
             : NodeId();
}

// A node with an old state reports again and again what the controller knows.
// Each report is one more entry that its replica of the controller lacks.
void StateFollower::Follow() {
  NodeId from = KnowsRecovery();
  const bool behind = state().version < told_;
  if (from == NodeId() && link_.follows() && !behind) return;
  if (from == NodeId() && !link_.follows()) from = view_.newest_map().node;
  if (!asked_.insert(from).second) return;
  link_.AskHint(
      from, state().version,
      [this, from, before = state().version](std::optional<Buffer> answer) {
        asked_.erase(from);
        if (answer.has_value()) Take(*answer);
        // Another version may have been reported meanwhile.
        if (working_ && before < state().version && !link_.follows() &&
            state().version < view_.newest_map().version) {
          Follow();
        }
      });
}

void StateFollower::Take(const Buffer& bytes) {
  if (bytes.size() == 0) return;
  auto state = shardctrl::DecodeState(bytes.view());
  if (!state.ok() || state->version <= this->state().version) return;
  // The lost majority may have made it. This node has just recovered the
  // controller, whose version rises with the first report of that.
  const raft::Core* const core = host_.core(kControllerGroup);
  const shardctrl::GroupRecord* const group =
      state->FindGroup(kControllerGroup);
  if (core != nullptr && group != nullptr && group->reported.has_value() &&
      group->reported->configuration.generation <
          core->configuration().generation) {
    return;
  }
  received_ = *std::move(state);
  changed_();
}

void StateFollower::AskRefusing() {
  if (asks_refusing_ || cluster_.removed()) return;
  std::vector<std::string> refusing;
  bool alone = !link_.follows();
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id == config_.node || node.peer.empty()) continue;
    alone = false;
    const env::HandshakeRefusal refusal = env_.transport.link(node.id).refusal;
    if (refusal == env::HandshakeRefusal::kUnknownNode ||
        refusal == env::HandshakeRefusal::kOtherNode ||
        refusal == env::HandshakeRefusal::kOtherStore) {
      refusing.push_back(node.peer);
    }
    // The node was looked for at the seeds, too.
    if (refusal == env::HandshakeRefusal::kOtherNode) {
      refusing.insert(refusing.end(), config_.seeds.begin(),
                      config_.seeds.end());
    }
  }
  // It founded the cluster alone, and gave its replicas away.
  if (alone) refusing = config_.seeds;
  if (refusing.empty()) return;
  asks_refusing_ = true;
  refusing_call_ = env_.transport.AskForAdmission(
      {.node = config_.node, .incarnation = host_.identity().incarnation},
      refusing[refusing_questions_++ % refusing.size()],
      raft::EncodeAdmissionRequest({.address = own_address_}),
      [this](const absl::StatusOr<Buffer>& bytes) { OnRefusingAnswer(bytes); });
}

void StateFollower::OnRefusingAnswer(const absl::StatusOr<Buffer>& bytes) {
  asks_refusing_ = false;
  if (!bytes.ok()) return;
  const auto answer = raft::DecodeAdmissionAnswer(*bytes);
  if (!answer.ok() || answer->kind != raft::AdmissionAnswer::Kind::kAdmitted ||
      answer->cluster != host_.identity().cluster) {
    return;
  }
  const auto record = raft::DecodeBootstrapRecord(answer->record);
  if (!record.ok()) return;
  const auto known = shardctrl::DecodeState(record->welcome);
  // One from before this store was bound does not know it.
  if (!known.ok() || known->version < state().version ||
      known->version < cluster_.shards().version()) {
    return;
  }
  const shardctrl::NodeRecord* const node = known->FindNode(config_.node);
  // Until another store has taken its place, this one may lead its groups away.
  const bool removed =
      node != nullptr && (node->state == shardctrl::NodeState::kRemoved ||
                          (!node->IsUnboundFounder() &&
                           node->store != host_.identity().incarnation));
  // All nodes that this one knows may be gone. A welcome lacks the reports of
  // groups, so the state of its version must follow.
  shardctrl::ShardMap::Parts parts = shardctrl::MapOf(*known);
  parts.version = shardctrl::MapVersion(known->version.value() - 1);
  SetMap(std::move(parts));
  if (removed) GiveUp();
}

void StateFollower::GiveUp() {
  if (cluster_.removed()) return;
  env_.tracer.Log(env::Severity::kError, kRemovedText);
  cluster_.SetRemoved();
  changed_();
}

void StateFollower::UpdateMap() {
  const ClusterState& now = state();
  if (now.version <= mapped_) return;
  mapped_ = now.version;
  const bool moved = SlotsMoved();
  if (moved) mapped_slots_ = now.slots;
  cluster_.SetGivenUp(shardctrl::GivenUpStores(now));
  if (IsGivenUp(now, config_.node, host_.identity().incarnation)) GiveUp();
  SetMap(shardctrl::MapOf(now));
  if (moved && link_.leads()) view_.TellMap();
}

void StateFollower::SetMap(shardctrl::ShardMap::Parts parts) {
  if (parts.version <= cluster_.shards().version()) return;
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  if (!map.ok()) {
    return env_.tracer.Log(
        env::Severity::kError,
        Concat("the controller's map is not valid: ", Message(map.status())));
  }
  cluster_.SetMap(*std::move(map));
}

}  // namespace quorate::node
