// The digest of a replica's state. It covers all that a Step reads, but for the
// options, the context and log times.
#include <algorithm>

#include "raft/core/core_impl.h"

namespace quorate::raft {

uint64_t Core::Impl::Digest(MonoTime now) const {
  CoreDigest digest(now, options_->election_timeout_max * 2);
  digest.Add(context_.replica);
  digest.Add(campaigns_);
  digest.Add(next_read_id_);
  digest.Add(hard_state_);
  digest.Add(written_hard_state_);
  digest.Add(durable_hard_state_);
  digest.Add(uint64_t{held_.size()});
  for (const Message& message : held_) digest.Add(message);
  AddLog(&digest);
  digest.Add(commit_);
  digest.Add(applied_);
  digest.Add(halted_at_);
  digest.Add(uint64_t{apply_backlog_});
  digest.Add(durable_);
  digest.Add(epoch_);
  digest.Add(snapshot().position);
  digest.Add(uint64_t{incoming_snapshot_.has_value()});
  if (incoming_snapshot_.has_value()) {
    digest.Add(incoming_snapshot_->snapshot.position);
    digest.Add(incoming_snapshot_->staged);
    digest.Add(incoming_snapshot_->accepted);
    digest.Add(incoming_snapshot_->number);
    digest.Add(incoming_snapshot_->term);
    digest.Add(uint64_t{incoming_snapshot_->refused});
    digest.Add(uint64_t{incoming_snapshot_->installing});
  }
  digest.Add(promised_until_);
  AddRole(&digest);
  return digest.value();
}

void Core::Impl::AddLog(CoreDigest* digest) const {
  digest->Add(log_.start());
  digest->Add(log_.last());
  digest->Add(log_.evicted());
  for (const Entry& entry : log_.Slice(log_.evicted(), log_.last().index)) {
    digest->Add(entry);
  }
}

void Core::Impl::AddRole(CoreDigest* digest) const {
  digest->Add(static_cast<uint64_t>(role()));
  if (const Leader* leader = LeaderOrNull()) {
    return AddLeader(*leader, digest);
  }
  digest->Add(election_deadline_);
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    digest->Add(follower->leader);
    digest->Add(follower->last_contact);
    digest->Add(follower->quiet_from);
    digest->Add(follower->quiet_until);
    digest->Add(uint64_t{follower->asked_for_none});
    digest->Add(uint64_t{follower->reads.size()});
    for (const ForwardedRead& read : follower->reads) {
      digest->Add(read.tag);
      digest->Add(read.read_id);
      digest->Add(uint64_t{read.by_round});
      digest->Add(read.retry_at);
      digest->Add(read.expires_at);
      digest->Add(uint64_t{read.answered});
      digest->Add(read.index);
    }
  } else if (const auto* pre = std::get_if<PreCandidate>(&role_)) {
    pre->tally.AddTo(digest);
  } else {
    const auto& candidate = std::get<Candidate>(role_);
    candidate.tally.AddTo(digest);
    digest->Add(uint64_t{candidate.forced});
    digest->Add(candidate.hold_until);
  }
}

void Core::Impl::AddLeader(const Leader& leader, CoreDigest* digest) const {
  for (const Progress& member : leader.members) member.AddTo(digest);
  digest->Add(leader.last_append);
  digest->Add(uint64_t{leader.send_backlog});
  digest->Add(uint64_t{leader.uncommitted_bytes});
  digest->Add(uint64_t{leader.unwritten_bytes});
  digest->Add(uint64_t{leader.refused_bytes});
  digest->Add(leader.give_away_at);
  digest->Add(leader.hold_until);
  digest->Add(leader.lease_after);
  digest->Add(uint64_t{leader.lease_released});
  digest->Add(leader.heartbeat_at);
  digest->Add(leader.quiet_from);
  digest->Add(leader.quorum_check_at);
  digest->Add(leader.notification_at);
  digest->Add(leader.notification_commit);
  digest->Add(leader.read_round);
  digest->Add(leader.round_index);
  digest->Add(std::max(leader.ask_all_at, now_.mono));
  digest->Add(leader.ask_others_at);
  digest->Add(leader.round_began_at);
  digest->Add(static_cast<uint64_t>(leader.last_round.ns()));
  for (const auto* reads :
       {&leader.round_reads, &leader.waiting_reads, &leader.later_reads}) {
    digest->Add(uint64_t{reads->size()});
    for (const PendingRead& read : *reads) {
      digest->Add(read.from);
      digest->Add(read.id);
      digest->Add(uint64_t{read.by_round});
      digest->Add(read.expires_at);
    }
  }
  digest->Add(uint64_t{leader.confirmed_reads.size()});
  for (const auto& [tag, index] : leader.confirmed_reads) {
    digest->Add(tag);
    digest->Add(index);
  }
  digest->Add(leader.transfer ? leader.transfer->to : ReplicaId());
  if (leader.transfer) digest->Add(leader.transfer->deadline);
}

}  // namespace quorate::raft
