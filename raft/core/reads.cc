// Linearizable reads without a log entry (thesis 6.4). The leader notes its
// commit index and confirms by a round of heartbeats that it still leads. It
// answers once that index is applied. Followers ask the leader for an index.
//
// One round is outstanding at a time. A request joins the next round, never the
// outstanding one: the heartbeats of that one may have left before a newer
// leader committed an entry.
//
// A read finds out what is due by the leader's log time at the beginning of the
// round. The heartbeats of the round carry one that is not earlier. So a
// majority knows it when the round is confirmed, and the votes for the next
// leader carry it (decision 0084).
//
// A leader with a lease needs no round (leases.cc).
//
// Any majority confirms a round. So it asks the quick voters first, and the
// others only if these do not answer soon (decision 0075).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

// Thesis 6.4, step 1: until an entry of the own term is committed, the leader
// does not know which earlier entries are.
bool Core::Impl::CanServeReads() const {
  return leads() && log_.TermAt(commit_) == hard_state_.term;
}

void Core::Impl::OnReadRequested(const ReadRequested& event) {
  switch (role()) {
    case RoleKind::kLeader:
      return AddRead({ReplicaId(), event.tag, event.shows_log_time});
    case RoleKind::kFollower:
      return ForwardRead(event);
    case RoleKind::kPreCandidate:
    case RoleKind::kCandidate:
      return ReplyToRead({ReplicaId(), event.tag}, false, Index());
  }
}

void Core::Impl::AddRead(PendingRead read) {
  Leader& leader = leader_role();
  if (leader.waiting_reads.size() + leader.round_reads.size() +
              leader.confirmed_reads.size() >=
          options_->pending_reads_max ||
      Fires("raft.read_refused")) {
    ReplyToRead(read, false, Index());
    return;
  }
  if (!read.by_round && ReadByLease(read)) return;
  read.expires_at = now_.mono + options_->election_timeout_max;
  leader.waiting_reads.push_back(read);
  StartRound();
}

void Core::Impl::AnswerRead(const PendingRead& read, Index index) {
  if (read.from == ReplicaId() && index > applied_) {
    leader_role().confirmed_reads.emplace_back(read.id, index);
  } else {
    ReplyToRead(read, true, index);
  }
}

// A leader may be in contact with a majority and yet commit no entry of its
// term, or get no answer to a round.
void Core::Impl::ExpireReads() {
  Leader& leader = leader_role();
  for (auto* reads : {&leader.round_reads, &leader.waiting_reads}) {
    std::erase_if(*reads, [this](const PendingRead& read) {
      if (now_.mono < read.expires_at) return false;
      ReplyToRead(read, false, Index());
      return true;
    });
  }
  StartRound();
}

// Begins the next round if no round is outstanding and reads are waiting.
void Core::Impl::StartRound() {
  Leader& leader = leader_role();
  if (!leader.round_reads.empty() || leader.waiting_reads.empty() ||
      !CanServeReads()) {
    return;
  }
  leader.round_reads.swap(leader.waiting_reads);
  ++leader.read_round;
  leader.round_index = commit_;
  leader.round_log_time = PresentLogTime();
  leader.round_began_at = now_.mono;
  ConfirmRound();  // A single voter confirms the round at once.
  if (leader.round_reads.empty()) return;
  // The next heartbeat has the number of the round, too.
  if (Fires("raft.round_waits_for_heartbeat")) return Wake();
  if (now_.mono < leader.ask_all_at) return AskQuickVoters();
  leader.ask_all_at = now_.mono + options_->heartbeat_interval;
  BroadcastHeartbeats();
}

void Core::Impl::AskQuickVoters() {
  Leader& leader = leader_role();
  Wake();
  for (Progress& member : leader.members) {
    if (member.quick()) SendHeartbeat(member);
  }
  leader.ask_others_at =
      now_.mono +
      std::max(options_->read_hedge_delay,
               std::min(leader.last_round * 2, options_->heartbeat_interval));
}

void Core::Impl::AskOtherVoters() {
  Leader& leader = leader_role();
  leader.ask_others_at = MonoTime::Max();
  for (Progress& member : leader.members) {
    if (!member.quick() && IsVoter(log_.configuration(), member.replica())) {
      SendHeartbeat(member);
    }
  }
}

void Core::Impl::ConfirmRound() {
  Leader& leader = leader_role();
  if (leader.round_reads.empty()) return;
  const ReadRound confirmed = QuorumValue<ReadRound>(
      log_.configuration(), ReadRound(0), [this, &leader](ReplicaId replica) {
        if (replica == context_.replica) return leader.read_round;
        const Progress* member = FindMember(replica);
        return member == nullptr ? ReadRound(0) : member->read_round();
      });
  if (confirmed >= leader.read_round) FinishRound();
}

void Core::Impl::FinishRound() {
  Leader& leader = leader_role();
  CHECK(CanServeReads());
  // A read by the lease may have been later than the round's beginning.
  read_log_time_ = std::max(read_log_time_, leader.round_log_time);
  for (const PendingRead& read : leader.round_reads) {
    AnswerRead(read, leader.round_index);
  }
  leader.round_reads.clear();
  leader.last_round = now_.mono - leader.round_began_at;
  leader.ask_others_at = MonoTime::Max();
  for (Progress& member : leader.members) {
    member.set_quick(member.read_round() == leader.read_round &&
                     IsVoter(log_.configuration(), member.replica()));
  }
  StartRound();
}

void Core::Impl::ReplyToRead(const PendingRead& read, bool ok, Index index) {
  if (read.from == ReplicaId()) {
    ReadReady ready;
    ready.tag = read.id;
    ready.ok = ok;
    ready.index = index;
    out_->reads.push_back(ready);
    return;
  }
  Message reply = NewMessage(MessageType::kReadIndexReply, read.from);
  reply.reject = !ok;
  reply.read_id = read.id;
  if (ok) {
    reply.read_index = index;
    reply.log_time = read_log_time_;
    reply.present_log_time = std::max(read_log_time_, present_log_time_);
    const Progress* member = FindMember(read.from);
    if (member != nullptr) reply.commit = std::min(commit_, member->match());
  }
  Send(std::move(reply));
}

// Leadership ends before these reads are served. Their callers may ask again.
void Core::Impl::FailReads() {
  Leader& leader = leader_role();
  for (auto* reads :
       {&leader.round_reads, &leader.waiting_reads, &leader.later_reads}) {
    for (const PendingRead& read : *reads) ReplyToRead(read, false, Index());
    reads->clear();
  }
  for (const auto& [tag, index] : leader.confirmed_reads) {
    ReplyToRead({ReplicaId(), tag}, false, Index());
  }
  leader.confirmed_reads.clear();
}

void Core::Impl::ReleaseConfirmedReads() {
  Leader* leader = LeaderOrNull();
  if (leader == nullptr || leader->confirmed_reads.empty()) return;
  std::erase_if(leader->confirmed_reads, [this](const auto& read) {
    if (read.second > applied_) return false;
    ReplyToRead({ReplicaId(), read.first}, true, read.second);
    return true;
  });
}

void Core::Impl::OnReadIndex(const Message& message) {
  const PendingRead read = {message.from, message.read_id, message.forced};
  if (!leads()) {
    ReplyToRead(read, false, Index());
    return;
  }
  const Leader& leader = leader_role();
  if (!read.by_round && now_.mono < LeaseEnd() &&
      leader.later_reads.size() < options_->pending_reads_max) {
    return ReadByLeaseLater(read);
  }
  AddRead(read);
}

// ---- On a follower.

void Core::Impl::ForwardRead(const ReadRequested& event) {
  Follower& follower = std::get<Follower>(role_);
  if (follower.leader == ReplicaId() ||
      follower.reads.size() >= options_->pending_reads_max) {
    ReplyToRead({ReplicaId(), event.tag}, false, Index());
    return;
  }
  ForwardedRead read;
  read.read_id = next_read_id_++;
  read.tag = event.tag;
  read.by_round = event.shows_log_time;
  read.expires_at = now_.mono + options_->election_timeout_max;
  SendReadIndex(read);
  follower.reads.push_back(read);
}

void Core::Impl::SendReadIndex(ForwardedRead& read) {
  read.retry_at = now_.mono + options_->retry_interval;
  Message message = NewMessage(MessageType::kReadIndex, leader());
  message.read_id = read.read_id;
  message.forced = read.by_round;
  Send(std::move(message));
}

void Core::Impl::OnReadIndexReply(const Message& message) {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != message.from) return;
  for (ForwardedRead& read : follower->reads) {
    if (read.read_id != message.read_id || read.answered) continue;
    read.answered = true;
    read.index = message.read_index;
    read.log_time = message.log_time;
    read.present_log_time = message.present_log_time;
    read.retry_at = MonoTime::Max();
    if (message.reject) read.expires_at = now_.mono;
  }
  known_log_time_ = std::max(known_log_time_, message.log_time);
  if (message.commit <= log_.last().index) {
    FollowerCommit(message.commit, message.commit);
  }
  RetryForwardedReads();
  ReleaseForwardedReads();
}

// Sends overdue requests again and fails expired ones.
void Core::Impl::RetryForwardedReads() {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr) return;
  std::erase_if(follower->reads, [this](ForwardedRead& read) {
    if (now_.mono >= read.expires_at) {
      ReplyToRead({ReplicaId(), read.tag}, false, Index());
      return true;
    }
    if (now_.mono >= read.retry_at) SendReadIndex(read);
    return false;
  });
}

void Core::Impl::ReleaseForwardedReads() {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->reads.empty()) return;
  std::erase_if(follower->reads, [this](const ForwardedRead& read) {
    if (!read.answered || read.index > applied_) return false;
    read_log_time_ = std::max(read_log_time_, read.log_time);
    present_log_time_ = std::max(present_log_time_, read.present_log_time);
    ReplyToRead({ReplicaId(), read.tag}, true, read.index);
    return true;
  });
}

void Core::Impl::FailForwardedReads() {
  Follower& follower = std::get<Follower>(role_);
  for (const ForwardedRead& read : follower.reads) {
    ReplyToRead({ReplicaId(), read.tag}, false, Index());
  }
  follower.reads.clear();
}

}  // namespace quorate::raft
