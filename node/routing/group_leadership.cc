#include "node/routing/group_leadership.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "node/routing/hosted_store.h"

namespace quorate::node {

uint32_t GroupLeadership::rules() const {
  const raft::Core* const core = parts_.host.core(group_);
  const raft::Level level =
      core == nullptr
          ? std::max(parts_.host.founded_level(), parts_.view.level(group_))
          : std::max(core->configuration().level, raft::Level(1));
  return static_cast<uint32_t>(
      std::min(level, parts_.config.known_level()).value());
}

// A replica that joins the group may know nothing of it yet. One that leaves it
// is dropped later.
bool GroupLeadership::TakesPart(const raft::Core& core) {
  const raft::Configuration& now = core.configuration();
  const auto named = [&](const std::vector<raft::Member>& members) {
    return std::ranges::any_of(members, [&](const raft::Member& member) {
      return member.replica == core.replica();
    });
  };
  return core.role() == raft::RoleKind::kLeader || named(now.voters) ||
         named(now.learners) || named(now.next_learners);
}

// A replica that was left out hears nothing more, so it may not know that. The
// controller, which has it dropped, may have no leader. As a learner it trusts
// its last leader for ever.
bool GroupLeadership::LeftBehind(const raft::Core& core) {
  const bool hears = core.role() == raft::RoleKind::kLeader ||
                     (parts_.host.leader(group_) != NodeId() &&
                      parts_.view.leader(group_).term <= core.term());
  if (hears) {
    left_behind_ = false;
    unheard_since_ = MonoTime::Max();
  } else if (!left_behind_) {
    const bool reached = parts_.view.ReachableLeader(group_) != NodeId();
    unheard_since_ =
        reached ? std::min(unheard_since_, MonoNow()) : MonoTime::Max();
    left_behind_ = reached && MonoNow() - unheard_since_ >= Patience();
  }
  return left_behind_;
}

GroupLeadership::GroupLeadership(const QueueParts& parts, GroupId group)
    : parts_(parts), group_(group) {}

kv::PointTime GroupLeadership::ReadTime() const {
  const raft::Core* const core = hosted_ ? parts_.host.core(group_) : nullptr;
  if (core == nullptr) return {};
  return {.known = core->read_log_time(), .present = core->present_log_time()};
}

void GroupLeadership::NoteReadPoint(MonoTime asked) {
  const raft::Core* const core = parts_.host.core(group_);
  if (core == nullptr) return;
  read_point_asked_ = asked;
  read_point_of_ = core->replica();
}

bool GroupLeadership::MayReadStale(Duration staleness_max) const {
  if (!applied_of_leader_) return false;
  if (staleness_max == kAnyStaleness) return true;
  const raft::Core* const core = parts_.host.core(group_);
  return core != nullptr && core->replica() == read_point_of_ &&
         MonoNow() - read_point_asked_ <= staleness_max;
}

bool GroupLeadership::MayAnswerStale(Slot slot, Duration staleness_max) const {
  if (staleness_max == Duration() || kind() == Leadership::Kind::kSelf ||
      !MayReadStale(staleness_max)) {
    return false;
  }
  const kv::Store* const here = store();
  return here != nullptr && here->Owns(slot);
}

ReplicaId GroupLeadership::replica() const {
  const raft::Core* const core = parts_.host.core(group_);
  return core == nullptr ? ReplicaId() : core->replica();
}

const kv::Store* GroupLeadership::store() const {
  return hosted_ ? HostedStore(std::as_const(parts_.host), group_) : nullptr;
}

// A halted, fenced, stopped or refused replica counts as absent. Its core keeps
// its last state, which may be that of a leader.
void GroupLeadership::Refresh() {
  Leadership now;
  // A host that stopped reports so for every group.
  if (parts_.host.status().ok()) {
    placed_ = parts_.host.condition(group_) != raft::Host::Condition::kNotHeld;
  }
  const bool removed = parts_.cluster.removed();
  const bool works = placed_ && !removed &&
                     parts_.view.OwnStatus(group_).ok() &&
                     TakesPart(*parts_.host.core(group_));
  if (!works) {
    left_behind_ = false;
    unheard_since_ = MonoTime::Max();
  }
  hosted_ = works && !LeftBehind(*parts_.host.core(group_));
  if (!hosted_) {
    // The other nodes refuse one that was removed before it knows why.
    const bool away = removed || (!placed_ && !parts_.view.CutOff(group_).ok());
    const NodeId leader =
        away ? AnotherNode() : parts_.view.ReachableLeader(group_);
    if (leader != NodeId()) {
      now = {Leadership::Kind::kRemote, leader,
             parts_.view.leader(group_).term};
    }
  } else {
    const raft::Core& core = *parts_.host.core(group_);
    if (core.role() == raft::RoleKind::kLeader) {
      now = {Leadership::Kind::kSelf, parts_.config.node, core.term()};
    } else if (const NodeId leader = parts_.host.leader(group_);
               leader != parts_.config.node &&
               parts_.cluster.FindNode(leader) != nullptr) {
      now = {Leadership::Kind::kRemote, leader, core.term()};
    }
    parts_.view.LearnLeader(group_, core.term(), now.leader);
    applied_of_leader_ = applied_of_leader_ ||
                         (core.leader() != ReplicaId() &&
                          core.TermAt(core.applied_index()) == core.term());
  }
  if (now == known_) return;
  known_ = now;
  known_since_ = MonoNow();
  retry_at_ = MonoTime::Min();
  parts_.leadership_changed();
}

// With another replica the request is passed on or held until one leads.
bool GroupLeadership::Alone() const {
  const raft::Core* const core = parts_.host.core(group_);
  if (core != nullptr && !core->configuration().voters.empty()) {
    const auto& voters = core->configuration().voters;
    return voters.size() == 1 && voters.front().node == parts_.config.node;
  }
  const shardctrl::Group* const wanted =
      parts_.cluster.shards().FindGroup(group_);
  return wanted != nullptr && wanted->voters.size() == 1 &&
         wanted->voters.front() == parts_.config.node;
}

NodeId GroupLeadership::AnotherNode() const {
  std::vector<NodeId> nodes = {parts_.view.leader(group_).node};
  if (const auto* group = parts_.cluster.shards().FindGroup(group_)) {
    nodes.push_back(group->preferred_leader);
    nodes.insert(nodes.end(), group->voters.begin(), group->voters.end());
  }
  const auto found = std::ranges::find_if(nodes, [this](NodeId node) {
    return node != parts_.config.node &&
           parts_.cluster.FindListed(node) != nullptr;
  });
  return found == nodes.end() ? NodeId() : *found;
}

absl::Status GroupLeadership::Unservable() const {
  if (ended_) return absl::UnavailableError("the group is no more");
  if (parts_.cluster.removed()) {
    return absl::FailedPreconditionError(
        "the cluster has removed this node. The request was not executed, and "
        "this connection is closed: connect to another node");
  }
  if (hosted_) return absl::OkStatus();
  return Alone() ? parts_.view.OwnStatus(group_) : parts_.view.CutOff(group_);
}

RequestFailure GroupLeadership::MakeFailure(RequestFailure::Kind kind,
                                            Slot slot,
                                            const absl::Status& why) const {
  return {kind, slot, group_, known_.leader, why};
}

}  // namespace quorate::node
