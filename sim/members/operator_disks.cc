// The disks of a cluster: which of them the groups can spare, and how operators
// lose, move and copy them.
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/rows.h"
#include "sim/members/cluster_operator.h"
#include "sim/members/majority_loss.h"
#include "sim/schedule/majority_stays.h"

namespace quorate::sim {

using shardctrl::NodeRecord;

namespace {

// An operator gives a damaged disk up after such a time.
constexpr uint64_t kMendMinMs = 500;
constexpr uint64_t kMendMaxMs = 20'000;

}  // namespace

bool ClusterOperator::Stays(size_t place) const {
  const NodeId id = places_.tenant(place)->node;
  const NodeRecord* const node = state().FindNode(id);
  return node != nullptr && !notes_.IsBeingReplaced(id) &&
         node->store == cluster_.ServerAt(place)->host().identity().incarnation;
}

bool ClusterOperator::CreatesGroups() const {
  return notes_.creating() ||
         std::any_of(state().groups.begin(), state().groups.end(),
                     [](const shardctrl::GroupRecord& group) {
                       return !group.founded && !group.reported.has_value();
                     });
}

// The groups whose members change must come to their wanted ones without it. A
// leader may not know yet that others are wanted by now.
bool ClusterOperator::ChangesCanSpare(NodeId node,
                                      const LeftReplicas& left) const {
  const NodeRecord* const record = state().FindNode(node);
  const bool given_up =
      record != nullptr && record->store == StoreIncarnation();
  for (const shardctrl::GroupRecord& group : state().groups) {
    // A group that has not begun needs all of its first replicas. None is that
    // of a store that was given up before they were known.
    if (rules_.Committed(group.id) == nullptr &&
        (!given_up || group.founded || group.first.has_value())) {
      return false;
    }
    if (shardctrl::IsSettled(group)) continue;
    const auto spares = [&](const MemberRules::Wanted& wanted) {
      return WantedCanSpare(group.id, wanted, node, left);
    };
    const std::vector<MemberRules::Wanted> lately =
        rules_.WantedLately(group.id);
    if (!spares(group.wanted) ||
        !std::all_of(lately.begin(), lately.end(), spares)) {
      return false;
    }
  }
  return true;
}

bool ClusterOperator::WantedCanSpare(GroupId group,
                                     const MemberRules::Wanted& wanted,
                                     NodeId node,
                                     const LeftReplicas& left) const {
  const auto of_node =
      std::find_if(wanted.begin(), wanted.end(),
                   [&](const auto& one) { return one.node == node; });
  if (of_node == wanted.end() || of_node->replica == ReplicaId()) return true;
  // It may become one of two voters at this moment.
  const raft::Configuration* const committed = rules_.Committed(group);
  if (committed != nullptr && committed->voters.size() == 1 &&
      !raft::IsVoter(*committed, of_node->replica)) {
    return false;
  }
  size_t voters = 0, stay = 0;
  for (const shardctrl::WantedReplica& one : wanted) {
    if (one.purpose != shardctrl::ReplicaPurpose::kVoter) continue;
    ++voters;
    if (left.contains({group, one.replica})) ++stay;
  }
  return stay * 2 > voters;
}

// Disks that are lost never come back. So only replicas that run at this moment
// count, and a process that is down may have more configurations than others
// know. A store that an operator gives up counts as lost, though it works: the
// controller refuses to replace another one. For some time a leader does not
// know of the loss. It may make the node one of the voters that are wanted.
// After a drain that may be the only voter of the controller.
bool ClusterOperator::MayLose(size_t place) const {
  if (notes_.LostLately() || notes_.ShrunkLately() || notes_.DrainedLately()) {
    return false;
  }
  LeftReplicas left;
  std::vector<std::pair<GroupId, raft::Configuration>> configurations;
  for (size_t i = 0; i < places_.size(); ++i) {
    const node::Server* const at = cluster_.ServerAt(i);
    if (at == nullptr) {
      if (i != place && places_.HasStore(i)) return false;
      continue;
    }
    for (const GroupId group : at->host().groups()) {
      const raft::Core* const core = at->host().core(group);
      const raft::Configuration* const committed = rules_.Committed(group);
      // Replicas that were left out have old ones.
      if (core == nullptr || committed == nullptr ||
          !raft::IsMember(*committed, core->replica())) {
        continue;
      }
      // By an older configuration no log that lacks the newer one is elected.
      if (!rules_.IsBehind(group, *core)) {
        configurations.emplace_back(group, core->configuration());
      }
      if (i != place && !places_.IsDamaged(i) && Stays(i) &&
          at->host().group_status(group).ok()) {
        left.emplace(group, core->replica());
      }
    }
  }
  if (!ChangesCanSpare(places_.tenant(place)->node, left)) return false;
  for (const GroupId group : rules_.groups()) {
    configurations.emplace_back(group, *rules_.Committed(group));
  }
  return std::all_of(
      configurations.begin(), configurations.end(), [&](const auto& known) {
        return MajorityStays(known.second, [&](const raft::Member& member) {
          return left.contains({known.first, member.replica});
        });
      });
}

bool ClusterOperator::AnyIsDamaged() const {
  for (size_t place = 0; place < places_.size(); ++place) {
    if (places_.IsDamaged(place)) return true;
  }
  return false;
}

void ClusterOperator::Lose(NodeId node, bool comes_back) {
  const size_t place = places_.PlaceOf(node);
  if (place == places_.size() || !MayLose(place)) return;
  Soon([this, place, node, comes_back] {
    // Other operators may have been faster.
    if (places_.PlaceOf(node) != place || !places_.HasStore(place) ||
        CreatesGroups() || !MayLose(place)) {
      return;
    }
    places_.Erase(place);
    GiveUp(node, place, comes_back);
  });
}

// A node may mend itself meanwhile: the other replicas fill a new one.
void ClusterOperator::MendDisks() {
  for (size_t place = 0; place < places_.size(); ++place) {
    if (!places_.IsDamaged(place)) continue;
    const NodeId node = places_.tenant(place)->node;
    const auto [mend, fresh] = mends_.try_emplace(node);
    if (fresh) {
      mend->second =
          world_.now() +
          Milliseconds(static_cast<int64_t>(Draw(11, kMendMaxMs) + kMendMinMs));
    }
    if (world_.now() < mend->second) continue;
    Soon([this, place, node] {
      if (!mends_disks_ || places_.PlaceOf(node) != place ||
          !places_.IsDamaged(place) || CreatesGroups() || !MayLose(place)) {
        return;
      }
      mends_.erase(node);
      places_.Erase(place);
      GiveUp(node, place, /*comes_back=*/true);
    });
  }
}

void ClusterOperator::LoseMajority(GroupId group, NodeId survivor) {
  Soon([this, group, survivor] {
    const size_t stays = places_.PlaceOf(survivor);
    if (stays == places_.size() || CreatesGroups() || notes_.replacing() ||
        notes_.LostLately() || notes_.ShrunkLately() ||
        notes_.DrainedLately() ||
        !std::all_of(state().groups.begin(), state().groups.end(),
                     shardctrl::IsSettled)) {
      return;
    }
    const MajorityLoss loss =
        PlanMajorityLoss(cluster_, rules_, group, stays,
                         [this](size_t place) { return Stays(place); });
    for (const GroupId lost : loss.groups) rules_.OnMajorityLost(lost);
    for (const size_t place : loss.places) {
      const NodeId node = places_.tenant(place)->node;
      places_.Erase(place);
      // Without them the groups might find no room.
      Replace(node, place, kAttempts);
    }
  });
}

// The command has no name, since it follows from the survivors. Operators look
// at what came of each attempt, because a group that went on may lose its
// majority again for a while. They agree who recovers the controller: two nodes
// that recover it both may go different ways.
void ClusterOperator::Recover(GroupId group) {
  recovering_.insert(group);
  Try(
      {.method = "POST",
       .target = absl::StrCat("/v1/groups/", group.value(), "/recover"),
       .body = "{\"accept_loss\":true}"},
      kAttempts,
      [this, group](const OperatorAnswer&) {
        if (group == shardctrl::kControllerGroup) {
          notes_.EndRecoveringController();
        }
        recovering_.erase(group);
      },
      [this, group] {
        const std::vector<GroupId> lost = rules_.lost();
        return std::ranges::find(lost, group) == lost.end();
      });
}

void ClusterOperator::GiveUp(NodeId node, size_t place, bool comes_back) {
  if (comes_back) return Replace(node, place, kAttempts);
  Tell({.method = "POST",
        .target = absl::StrCat("/v1/nodes/", node.value(), "/remove"),
        .body = "{\"lost\":true}"});
}

void ClusterOperator::MoveDisk(NodeId node) {
  Soon([this, node] {
    const size_t from = places_.PlaceOf(node);
    const size_t to = places_.FreePlace(0);
    if (!places_.HasStore(from) || to == places_.size()) return;
    places_.MoveDisk(from, to);
  });
}

// The other one is the next that is there.
void ClusterOperator::SwapDisks(NodeId node) {
  Soon([this, node] {
    const size_t a = places_.PlaceOf(node);
    for (size_t i = 1; i < places_.size(); ++i) {
      const size_t b = (a + i) % places_.size();
      if (!places_.HasStore(a) || !places_.HasStore(b)) continue;
      return places_.SwapDisks(a, b);
    }
  });
}

// The file of the new machine says another node.
void ClusterOperator::CopyDirectory(NodeId node) {
  Soon([this, node] {
    const size_t from = places_.PlaceOf(node);
    const size_t to = places_.FreePlace(0);
    if (!places_.HasStore(from) || to == places_.size()) return;
    for (const NodeRecord& other : state().nodes) {
      if (other.id == node) continue;
      return places_.CopyDisk(
          from, to,
          {.node = other.id, .join = node::JoinConfig(), .refused = true});
    }
  });
}

}  // namespace quorate::sim
