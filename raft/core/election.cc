// Terms, votes, roles and leadership transfer (Raft paper 5.2, 5.4.1; thesis
// 3.10, 4.2.3, 6.2, 9.6).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

// The only place where a term begins and the vote is cleared.
void Core::Impl::SetTerm(Term term) {
  CHECK_GT(term, hard_state_.term);
  hard_state_ = {term, ReplicaId()};
  held_ = std::vector<Message>();
  campaigns_ = 0;
  Emit(Event::Kind::kTermChanged);
}

void Core::Impl::SetVote(ReplicaId replica) {
  CHECK_EQ(hard_state_.voted_for, ReplicaId());
  hard_state_.voted_for = replica;
}

// The timeout is drawn for each term and campaign, so that two candidates that
// collided once are unlikely to collide again (Raft paper 5.2).
void Core::Impl::SetElectionTimer(MonoTime from) {
  const uint64_t entity =
      context_.replica.value() << 32 | context_.group.value();
  election_deadline_ =
      from + random_.Between(options_->election_timeout_min,
                             options_->election_timeout_max,
                             "raft.election_timeout", entity,
                             Mix64(hard_state_.term.value()) + campaigns_);
}

// No other candidate may disturb a leader within the least election timeout of
// its last contact. A leader always has contact to itself; check-quorum ends
// its role in time.
bool Core::Impl::HasRecentLeaderContact() const {
  if (leads()) return true;
  const Follower* follower = std::get_if<Follower>(&role_);
  return follower != nullptr && follower->leader != ReplicaId() &&
         now_.mono - LeaderContact() < options_->election_timeout_min;
}

// The last message of the leader, or the last pulse of its node while the group
// is quiet.
MonoTime Core::Impl::LeaderContact() const {
  const Follower& follower = std::get<Follower>(role_);
  if (follower.quiet_from == MonoTime::Max()) return follower.last_contact;
  const MonoTime pulse =
      context_.gate->LastPulse(follower.leader, follower.quiet_from);
  return std::max(follower.last_contact, std::min(pulse, follower.quiet_until));
}

// The leader ended with its process. While the pulses were fresh, no timer of
// this replica looked, so all followers would campaign at once.
void Core::Impl::EndTrustInEndedProcess() {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->quiet_from == MonoTime::Max() ||
      context_.gate->LastPulse(follower->leader, follower->quiet_from) !=
          MonoTime::Min()) {
    return;
  }
  follower->quiet_from = MonoTime::Max();
  if (now_.mono >= election_deadline_) SetElectionTimer(now_.mono);
}

void Core::Impl::LeaveRole() {
  if (leads()) FailReads();
  if (std::holds_alternative<Follower>(role_)) FailForwardedReads();
}

void Core::Impl::BecomeFollower(Term term, ReplicaId new_leader) {
  CHECK_GE(term, hard_state_.term);
  const RoleKind old_role = role();
  const ReplicaId old_leader = leader();
  // Replies that a leader still owes belong to its old term.
  LeaveRole();
  if (term > hard_state_.term) SetTerm(term);
  role_ = Follower();
  std::get<Follower>(role_).leader = new_leader;
  // A candidate of a newer term does not reset the timer of a voter that has
  // not granted its vote (Raft paper 5.2).
  if (old_role == RoleKind::kLeader || new_leader != ReplicaId()) {
    ResetElectionTimer();
  }
  if (old_role != RoleKind::kFollower) Emit(Event::Kind::kRoleChanged);
  if (old_leader != new_leader) Emit(Event::Kind::kLeaderKnown);
}

// Thesis 9.6: asks whether an election could be won before starting a term.
// Changes nothing but the role.
void Core::Impl::BecomePreCandidate() {
  const ReplicaId old_leader = leader();
  LeaveRole();
  role_ = PreCandidate();
  ++campaigns_;
  ResetElectionTimer();
  Emit(Event::Kind::kRoleChanged);
  if (old_leader != ReplicaId()) Emit(Event::Kind::kLeaderKnown);
  for (const ReplicaId voter : VoterReplicas(log_.configuration())) {
    if (voter == context_.replica) continue;
    Message message = NewMessage(MessageType::kPreVote, voter);
    message.term = hard_state_.term + 1;
    message.last_log = log_.last();
    Send(std::move(message));
  }
  CountPreVote(context_.replica, true);
}

// The requests leave after the write that holds the own vote, and the own vote
// counts when that write is durable. Otherwise a candidate could crash, forget
// its vote, and collect votes for a log that it lost.
void Core::Impl::BecomeCandidate(const Message* order) {
  CHECK(IsNeededInElections());
  const ReplicaId old_leader = leader();
  LeaveRole();
  Candidate candidate;
  candidate.forced = order != nullptr;
  // A leader that gives its leadership away has given up its lease.
  candidate.hold_until =
      now_.mono + Widened(candidate.forced ? order->promised : PromiseLeft());
  role_ = std::move(candidate);
  SetTerm(hard_state_.term + 1);
  SetVote(context_.replica);
  ResetElectionTimer();
  Emit(Event::Kind::kRoleChanged);
  if (old_leader != ReplicaId()) Emit(Event::Kind::kLeaderKnown);
  for (const ReplicaId voter : VoterReplicas(log_.configuration())) {
    if (voter == context_.replica) continue;
    Message message = NewMessage(MessageType::kVote, voter);
    message.last_log = log_.last();
    message.forced = order != nullptr;
    Send(std::move(message));
  }
}

// Log time goes on from the newest that this replica and its voters know. The
// voters include one of each majority that confirmed a read.
void Core::Impl::BecomeLeader() {
  CHECK(std::holds_alternative<Candidate>(role_));
  CHECK(!installing());
  known_log_time_ =
      std::max(known_log_time_, std::get<Candidate>(role_).log_time);
  Leader state;
  const LogPosition last = log_.last();
  RefreshMembers(state, last.index + 1);
  state.uncommitted_bytes = log_.BytesIn(commit_, last.index);
  const Index written = std::max(durable_, log_.start().index);
  state.unwritten_bytes = log_.BytesIn(written, last.index);
  state.anchor_mono = now_.mono;
  state.anchor_log_time = std::max(log_.LogTimeAt(last.index), known_log_time_);
  // Log time has to begin somewhere. Later it does not follow a clock whose
  // error is not known (docs/decisions/0034).
  const bool begins = state.anchor_log_time <= WallTime();
  const WallTime reading =
      begins ? now_.wall.earliest : now_.wall.bounded_earliest();
  state.anchor_log_time = std::max(state.anchor_log_time, reading);
  const MonoTime hold_until = std::get<Candidate>(role_).hold_until;
  if (now_.mono < hold_until) state.hold_until = hold_until;
  state.heartbeat_at = NextHeartbeat();
  state.quorum_check_at = now_.mono + options_->election_timeout_max;
  role_ = Boxed(std::move(state));
  Emit(Event::Kind::kRoleChanged);
  Emit(Event::Kind::kLeaderKnown);
  // An entry of the own term allows earlier entries to be committed (Raft paper
  // 5.4.2, 8).
  AppendOwn(EntryKind::kNoop, Buffer());
}

// Thesis 4.2.2: a voter of the configuration before the newest one, too, while
// that one may not be committed. It may have the only log that the others can
// vote for. Its own vote does not count then.
bool Core::Impl::IsNeededInElections() const {
  if (IsHeld()) return false;
  if (IsVoter(log_.configuration(), context_.replica)) return true;
  const Index newest = log_.configuration_index();
  return newest > commit_ &&
         IsVoter(log_.ConfigurationAt(newest - 1), context_.replica);
}

// Nothing of a campaign would leave before the hard state is durable. A
// snapshot that is being installed is ahead of the log of this replica. A
// replica that does not know the members cannot count their votes.
bool Core::Impl::MayCampaign() const {
  return IsNeededInElections() && !installing() && !halted() &&
         hard_state_ == durable_hard_state_ &&
         log_.unknown_configuration() == Index();
}

void Core::Impl::ElectionTimeout() {
  if (Follower* follower = std::get_if<Follower>(&role_)) {
    const MonoTime contact = LeaderContact();
    if (contact > follower->last_contact) {
      follower->last_contact = contact;
      SetElectionTimer(contact);
      if (now_.mono < election_deadline_) return;
    }
  }
  if (!MayCampaign()) {
    ResetElectionTimer();
    return;
  }
  BecomePreCandidate();
}

// A sender that is no voter would only fill the tally.
VoteResult Core::Impl::Count(Tally& tally, ReplicaId voter, bool granted) {
  if (IsVoter(log_.configuration(), voter)) tally.Record(voter, granted);
  return tally.Result(log_.configuration());
}

void Core::Impl::CountPreVote(ReplicaId voter, bool granted) {
  switch (Count(std::get<PreCandidate>(role_).tally, voter, granted)) {
    case VoteResult::kWon:
      return BecomeCandidate(/*order=*/nullptr);
    case VoteResult::kLost:
      return BecomeFollower(hard_state_.term, ReplicaId());
    case VoteResult::kPending:
      return;
  }
}

void Core::Impl::CountVote(ReplicaId voter, bool granted) {
  switch (Count(std::get<Candidate>(role_).tally, voter, granted)) {
    case VoteResult::kWon:
      return BecomeLeader();
    case VoteResult::kLost:
      return BecomeFollower(hard_state_.term, ReplicaId());
    case VoteResult::kPending:
      return;
  }
}

bool Core::Impl::AcceptLeader(const Message& message) {
  const ReplicaId known = leader();
  if (known != ReplicaId() && known != message.from) {
    DropInvalid();  // Two leaders in one term.
    return false;
  }
  if (known == ReplicaId()) BecomeFollower(hard_state_.term, message.from);
  Follower& follower = std::get<Follower>(role_);
  follower.last_contact = now_.mono;
  follower.quiet_from = MonoTime::Max();
  Promise();
  ResetElectionTimer();
  return true;
}

// Changes neither term nor vote nor timer (thesis 9.6).
void Core::Impl::OnPreVote(const Message& message) {
  Wake();  // The sender misses its leader.
  const bool disturbs = HasRecentLeaderContact() && message.from != leader();
  const bool grant = message.term > hard_state_.term && !disturbs &&
                     !joining() && message.last_log >= log_.last();
  Message reply = NewMessage(MessageType::kPreVoteReply, message.from);
  if (grant) reply.term = message.term;
  reply.reject = !grant;
  Send(std::move(reply));
}

void Core::Impl::OnPreVoteReply(const Message& message) {
  if (!std::holds_alternative<PreCandidate>(role_)) return;
  if (!message.reject && message.term != hard_state_.term + 1) return;
  CountPreVote(message.from, !message.reject);
}

// Raft paper 5.2, 5.4.1: at most one vote per term, and only for a candidate
// whose log is at least as up to date. Last terms are compared first. A learner
// with entries votes, too: a configuration that it lacks may name it a voter.
void Core::Impl::OnVote(const Message& message) {
  const bool free = hard_state_.voted_for == ReplicaId() ||
                    hard_state_.voted_for == message.from;
  const bool grant = free && !joining() && leader() == ReplicaId() &&
                     message.last_log >= log_.last();
  if (grant) {
    if (hard_state_.voted_for == ReplicaId()) SetVote(message.from);
    if (!std::holds_alternative<Follower>(role_)) {
      BecomeFollower(hard_state_.term, ReplicaId());
    }
    ResetElectionTimer();
  }
  Message reply = NewMessage(MessageType::kVoteReply, message.from);
  reply.reject = !grant;
  reply.log_time = known_log_time_;
  reply.promised = PromiseLeft();
  Send(std::move(reply));
}

void Core::Impl::OnVoteReply(const Message& message) {
  Candidate* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr) return;
  if (message.promised < Duration() ||
      message.promised > log_.configuration().lease_length) {
    return DropInvalid();
  }
  candidate->log_time = std::max(candidate->log_time, message.log_time);
  if (!candidate->forced) {
    candidate->hold_until =
        std::max(candidate->hold_until, now_.mono + Widened(message.promised));
  }
  CountVote(message.from, !message.reject);
}

// ---- Leadership transfer (thesis 3.10).

void Core::Impl::OnTransferRequested(const TransferRequested& event) {
  Leader* leader = LeaderOrNull();
  if (leader == nullptr || event.to == context_.replica ||
      !IsVoter(log_.configuration(), event.to)) {
    Emit(Event::Kind::kTransferAbandoned);
    return;
  }
  Wake();
  leader->transfer =
      LeadershipTransfer{event.to, now_.mono + options_->election_timeout_max};
  // Entries that were sent may be lost, and the next question far off.
  Progress* target = FindMember(event.to);
  if (target != nullptr && target->match() != log_.last().index) {
    Retry(*target);
  }
  ContinueLeadershipTransfer();
}

// The disk of this leader is slower than those of its followers. The voter with
// the longest log takes over. If it does not, this replica asks again while its
// disk is behind. If other groups have filled the disk, this log may be durable
// here: a voter that has all of it takes over.
void Core::Impl::GiveAwayLeadership() {
  Leader& leader = leader_role();
  // Other groups had filled the disk, and have room again.
  if (leader.unwritten_bytes == 0 && !DiskIsBehind(leader)) {
    leader.give_away_at = MonoTime::Max();
    return;
  }
  leader.give_away_at = now_.mono + options_->election_timeout_max;
  if (leader.transfer) return;
  const Progress* best = nullptr;
  for (const Progress& member : leader.members) {
    if (!IsVoter(log_.configuration(), member.replica()) ||
        IsInactive(member) || member.wants_no_entries() ||
        (member.match() <= durable_ && member.match() < log_.last().index)) {
      continue;
    }
    if (best == nullptr || member.match() > best->match()) best = &member;
  }
  if (best == nullptr) return;
  Emit(Event::Kind::kGivesLeadershipAway);
  OnTransferRequested({best->replica()});
}

// Sends kTimeoutNow to the target once its disk has the whole log, and again
// with each heartbeat. The term makes a second kTimeoutNow harmless.
void Core::Impl::ContinueLeadershipTransfer() {
  Leader& leader = leader_role();
  if (!leader.transfer) return;
  const Progress* target = FindMember(leader.transfer->to);
  if (target == nullptr || target->match() != log_.last().index) return;
  Message order = NewMessage(MessageType::kTimeoutNow, target->replica());
  if (now_.mono < leader.hold_until) {
    order.promised = leader.hold_until - now_.mono;
  }
  leader.lease_released = true;
  Send(std::move(order));
}

// Campaigns at once, without a pre-vote, because the leader requested it.
void Core::Impl::OnTimeoutNow(const Message& message) {
  // A transfer behind another one may have added drift.
  if (message.promised < Duration() ||
      message.promised > log_.configuration().lease_length * 2) {
    return DropInvalid();
  }
  if (leader() != message.from || !MayCampaign()) return;
  BecomeCandidate(&message);
}

// In a term that has no other vote of this replica, so the vote is free.
// Messages of earlier terms no longer count: none waits (SetTerm).
void Core::Impl::OnHoldRequested() {
  if (IsHeld()) return;
  BecomeFollower(hard_state_.term + 1, ReplicaId());
  SetVote(kHeldVote);
}

// A majority of voters, with this leader, has been in contact since then.
MonoTime Core::Impl::QuorumContact() const {
  return QuorumValue<MonoTime>(
      log_.configuration(), MonoTime::Max(), [this](ReplicaId replica) {
        if (replica == context_.replica) return now_.mono;
        const Progress* member = FindMember(replica);
        return member == nullptr ? MonoTime::Min() : LastContact(*member);
      });
}

// Thesis 6.2: a leader that cannot reach a majority for an election timeout
// steps down. Learners do not count.
void Core::Impl::CheckQuorum() {
  Leader& leader = leader_role();
  leader.quorum_check_at = QuorumContact() + options_->election_timeout_max;
  if (now_.mono < leader.quorum_check_at) return;
  if (quiet()) {
    Wake();
    leader.quorum_check_at = now_.mono + options_->election_timeout_max;
    return;
  }
  Emit(Event::Kind::kStepDownNoQuorum);
  BecomeFollower(hard_state_.term, ReplicaId());
}

}  // namespace quorate::raft
