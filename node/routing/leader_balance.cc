#include "node/routing/leader_balance.h"

#include <algorithm>
#include <utility>

namespace quorate::node {
namespace {

// The interval of checks. Each group has at most one transfer per pause. The
// pause begins with this value and doubles up to the maximum.
constexpr Duration kInterval = Milliseconds(500);
constexpr Duration kPauseMax = Seconds(300);
// A follower with at most this lag catches up before the next heartbeat.
constexpr uint64_t kLagMax = 64;

}  // namespace

LeaderBalance::LeaderBalance(env::Env& env, const Config& config,
                             const ClusterMap& cluster, raft::Host& host,
                             Router& router)
    : env_(env),
      config_(config),
      cluster_(cluster),
      host_(host),
      router_(router) {
  OnMapChanged();
}

void LeaderBalance::OnMapChanged() {
  MakePreferences();
  OnLeadershipChanged();
}

void LeaderBalance::SetGivesAway(bool gives_away) {
  gives_away_ = gives_away;
  preferences_.clear();
  OnMapChanged();
}

// A preference that stays keeps its pause.
void LeaderBalance::MakePreferences() {
  const std::vector<Preference> before = std::exchange(preferences_, {});
  const auto add = [&](GroupId group, NodeId preferred) {
    const auto same = std::ranges::find_if(before, [&](const auto& old) {
      return old.group == group && old.preferred == preferred;
    });
    preferences_.push_back(
        same != before.end()
            ? *same
            : Preference{group, preferred, MonoTime::Min(), kInterval});
  };
  if (gives_away_) {
    for (const GroupId group : host_.groups()) add(group, NodeId());
    return;
  }
  for (const shardctrl::Group& group : cluster_.shards().groups()) {
    const NodeId preferred = group.preferred_leader;
    if (preferred == NodeId() || preferred == config_.node) continue;
    add(group.id, preferred);
  }
}

ReplicaId LeaderBalance::CaughtUp(GroupId group, NodeId wanted,
                                  bool also_busy) const {
  const raft::Core* core = std::as_const(host_).core(group);
  if (core == nullptr || !core->CanServeReads()) return ReplicaId();
  const uint64_t last = core->last().index.value();
  const auto& voters = core->configuration().voters;
  for (const auto& follower : core->followers()) {
    const bool votes = std::any_of(
        voters.begin(), voters.end(),
        [&](const auto& voter) { return voter.replica == follower.replica; });
    if (votes && (wanted == NodeId() || follower.node == wanted) &&
        follower.active && env_.transport.link(follower.node).open &&
        !router_.view().gives_away(follower.node) &&
        (also_busy || !follower.wants_no_entries) &&
        follower.state == "replicate" &&
        follower.match.value() + kLagMax >= last) {
      return follower.replica;
    }
  }
  return ReplicaId();
}

bool LeaderBalance::Leads(GroupId group) const {
  const raft::Core* const core = std::as_const(host_).core(group);
  return core != nullptr && core->role() == raft::RoleKind::kLeader;
}

void LeaderBalance::OnLeadershipChanged() {
  if (armed_ || stopped_) return;
  // Any group may come to be led here.
  const bool any =
      gives_away_ || std::any_of(preferences_.begin(), preferences_.end(),
                                 [&](const Preference& preference) {
                                   return Leads(preference.group);
                                 });
  if (!any) return;
  armed_ = true;
  timer_ = env_.loop.At(env_.loop.ReadClock().mono + kInterval, [this] {
    armed_ = false;
    Tick();
  });
}

void LeaderBalance::Tick() {
  if (stopped_) return;
  if (gives_away_) MakePreferences();
  const MonoTime now = env_.loop.ReadClock().mono;
  for (Preference& preference : preferences_) {
    if (!Leads(preference.group) ||
        (now < preference.not_before &&
         !env_.buggify.Fire("node.leadership_given_early"))) {
      continue;
    }
    const ReplicaId to = CaughtUp(preference.group, preference.preferred);
    if (to == ReplicaId()) continue;
    preference.not_before = now + preference.pause;
    preference.pause = std::min(preference.pause * 2, kPauseMax);
    ++transfers_;
    host_.TransferLeadership(preference.group, to);
  }
  OnLeadershipChanged();
}

void LeaderBalance::TransferAllLeaderships() {
  stopped_ = true;
  timer_.Cancel();
  for (const GroupId group : host_.groups()) {
    const raft::Core* core = std::as_const(host_).core(group);
    if (core == nullptr || core->transferring()) continue;
    ReplicaId to = CaughtUp(group, NodeId());
    // Without a transfer the group would have no leader for a while.
    if (to == ReplicaId()) to = CaughtUp(group, NodeId(), true);
    if (to == ReplicaId()) continue;
    ++transfers_;
    host_.TransferLeadership(group, to);
  }
}

}  // namespace quorate::node
