// Changes of the configuration (thesis 4): one at a time, and through joint
// consensus (thesis 4.3) if the voters change. Members, level and all else that
// a configuration has change here alone.
#include <algorithm>
#include <utility>

#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {
namespace {

bool Contains(const std::vector<Member>& members, const Member& member) {
  return std::any_of(members.begin(), members.end(), [&](const Member& one) {
    return one.replica == member.replica;
  });
}

// A replica keeps its node and its store.
bool SameReplicas(const Configuration& a, const Configuration& b) {
  bool same = true;
  ForEachMember(b, [&](const Member& member) {
    const Member* before = FindMember(a, member.replica);
    same &= before == nullptr || SamePlace(*before, member);
  });
  return same;
}

// The first half of a change of voters. A voter that becomes a learner votes in
// the old half until joint consensus ends.
Configuration Joint(const Configuration& present, const Configuration& target) {
  Configuration joint = target;
  joint.outgoing_voters = present.voters;
  joint.learners.clear();
  for (const Member& learner : target.learners) {
    const bool votes = Contains(present.voters, learner);
    (votes ? joint.next_learners : joint.learners).push_back(learner);
  }
  return joint;
}

// The second half.
Configuration WithoutOutgoing(const Configuration& joint) {
  Configuration target = joint;
  target.outgoing_voters.clear();
  target.next_learners.clear();
  target.learners.insert(target.learners.end(), joint.next_learners.begin(),
                         joint.next_learners.end());
  SortMembers(&target.learners);
  return target;
}

}  // namespace

void Core::Impl::OnChangeConfiguration(const ChangeConfiguration& change) {
  std::optional<Refused::Reason> refusal;
  if (!leads()) {
    refusal = Refused::Reason::kNotLeader;
  } else if (change.base != log_.configuration_index()) {
    refusal = Refused::Reason::kConfigurationIsNewer;
  } else {
    refusal = Change(change.target);
  }
  if (refusal.has_value()) {
    out_->refused.push_back({change.tag, *refusal});
  } else {
    out_->proposed.push_back({change.tag, log_.last()});
  }
}

// A change waits until the one before is committed, so that majorities of
// configurations that are in effect at once overlap. It also waits for a commit
// of this term: an earlier leader may have appended another change (thesis 4.1
// and its published bug fix).
std::optional<Refused::Reason> Core::Impl::RefuseAnyChange() const {
  const Leader& leader = leader_role();
  if (leader.transfer) return Refused::Reason::kTransferInProgress;
  if (!CanServeReads()) return Refused::Reason::kNothingCommittedInTerm;
  if (log_.configuration_index() > commit_ ||
      !log_.configuration().outgoing_voters.empty()) {
    return Refused::Reason::kChangeInProgress;
  }
  return std::nullopt;
}

std::optional<Refused::Reason> Core::Impl::RefuseTarget(
    const Configuration& target) {
  const Configuration& present = log_.configuration();
  if (target == present) return Refused::Reason::kConfigurationIsTheSame;
  if (!ValidateConfiguration(target).ok() || !target.outgoing_voters.empty() ||
      !target.next_learners.empty() ||
      target.lease_length != present.lease_length ||
      target.lease_drift_ppm != present.lease_drift_ppm ||
      target.level < present.level || target.raft_level != present.raft_level ||
      target.generation != present.generation ||
      target.machine_kind != present.machine_kind ||
      target.hash_key != present.hash_key ||
      target.parameters.view() != present.parameters.view() ||
      !SameReplicas(present, target)) {
    return Refused::Reason::kConfigurationIsInvalid;
  }
  if (target.level > present.level && target.level > KnownLevel(target)) {
    return Refused::Reason::kLevelIsNotKnown;
  }
  for (const Member& voter : target.voters) {
    if (!Contains(present.voters, voter) && !HasCaughtUp(voter.replica)) {
      return Refused::Reason::kVoterHasNotCaughtUp;
    }
  }
  return std::nullopt;
}

std::optional<Refused::Reason> Core::Impl::Change(const Configuration& target) {
  std::optional<Refused::Reason> refusal = RefuseAnyChange();
  if (!refusal.has_value()) refusal = RefuseTarget(target);
  if (refusal.has_value()) return refusal;
  const Configuration& present = log_.configuration();
  AppendConfiguration(target.voters == present.voters ? target
                                                      : Joint(present, target));
  return std::nullopt;
}

// The configuration takes effect at once (thesis 4.1).
void Core::Impl::AppendConfiguration(const Configuration& configuration) {
  AppendOwn(EntryKind::kConfiguration, EncodeConfiguration(configuration));
  RefreshMembers(leader_role(), log_.last().index);
  ConfirmRound();  // Voters whose answers it awaited may have left.
}

// Members that stay keep their progress.
void Core::Impl::RefreshMembers(Leader& leader, Index next) const {
  std::vector<Progress> members;
  for (const ReplicaId replica : MemberReplicas(log_.configuration())) {
    if (replica == context_.replica) continue;
    const auto known = std::find_if(
        leader.members.begin(), leader.members.end(),
        [&](const Progress& member) { return member.replica() == replica; });
    if (known != leader.members.end()) {
      members.push_back(std::move(*known));
    } else {
      members.emplace_back(replica, next, leader.last_append + 1, now_.mono);
    }
  }
  leader.members = std::move(members);
}

// A new voter must not hold commits back (thesis 4.2.1). So it is a learner
// first, until it lacks no more of the committed entries than one append has.
// Its disk has the configuration that names it. Without any entry it would not
// vote, and a group of few members could not do without its vote.
bool Core::Impl::HasCaughtUp(ReplicaId replica) const {
  const Progress* member = FindMember(replica);
  if (member == nullptr || IsInactive(*member) || member->match() == Index() ||
      member->match() < log_.configuration_index()) {
    return false;
  }
  if (member->match() >= commit_) return true;
  return member->match() >= log_.evicted() &&
         log_.BytesIn(member->match(), commit_,
                      options_->append_bytes_max + 1) <=
             options_->append_bytes_max;
}

// The highest level that the programs of all members know. A member that has
// not answered in this term has announced nothing.
Level Core::Impl::KnownLevel(const Configuration& configuration) {
  Level level = context_.known_level;
  for (const ReplicaId replica : MemberReplicas(configuration)) {
    if (replica == context_.replica) continue;
    const Progress* member = FindMember(replica);
    level =
        std::min(level, member == nullptr ? Level() : member->known_level());
  }
  return level;
}

// Joint consensus ends once it is committed. When that is committed, too, a
// leader that is no voter steps down. Called at the end of a step, when nothing
// refers to the members.
void Core::Impl::ContinueChange() {
  const Leader* leader = LeaderOrNull();
  if (leader == nullptr || log_.configuration_index() > commit_) return;
  const Configuration& present = log_.configuration();
  if (!present.outgoing_voters.empty()) {
    // A target of a transfer must have the whole log.
    if (CanServeReads() && !leader->transfer) {
      AppendConfiguration(WithoutOutgoing(present));
    }
    return;
  }
  if (!IsVoter(present, context_.replica)) LeaveLeadership();
}

// Thesis 4.2.2. The voter with the longest log campaigns at once, so that the
// group does not wait for an election timeout.
void Core::Impl::LeaveLeadership() {
  const Progress* best = nullptr;
  for (const Progress& member : leader_role().members) {
    if (!IsVoter(log_.configuration(), member.replica()) ||
        IsInactive(member) || member.match() == Index()) {
      continue;
    }
    if (best == nullptr || member.match() > best->match()) best = &member;
  }
  if (best != nullptr) {
    Send(NewMessage(MessageType::kTimeoutNow, best->replica()));
  }
  BecomeFollower(hard_state_.term, ReplicaId());
}

}  // namespace quorate::raft
