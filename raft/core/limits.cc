// A replica that holds too much refuses proposals of its callers and entries of
// its leader. A leader notes which followers want no entries.
#include <algorithm>
#include <utility>

#include "raft/core/core_impl.h"

namespace quorate::raft {

// ---- Proposals.

// The room closes until all that it refused would fit. Otherwise smaller
// proposals that a caller made later would be taken, and the earlier one could
// not be repeated.
bool Core::Impl::LacksRoom(Leader& leader, size_t size_bytes,
                           Refused::Reason* reason) {
  const size_t most = std::max(size_bytes, leader.refused_bytes);
  const bool lacks = HasNoRoomFor(leader, most, reason);
  leader.refused_bytes = lacks ? most : 0;
  return lacks;
}

// A first proposal always fits, whatever its size.
bool Core::Impl::HasNoRoomFor(Leader& leader, size_t size_bytes,
                              Refused::Reason* reason) {
  const auto exceeds = [size_bytes](size_t held, size_t max) {
    return held > 0 && held + size_bytes > max;
  };
  if (exceeds(leader.unwritten_bytes, options_->unwritten_bytes_max) ||
      !MayWrite(proposed_bytes_ + size_bytes)) {
    *reason = Refused::Reason::kTooMuchUnwritten;
    leader.give_away_at = std::min(leader.give_away_at,
                                   now_.mono + options_->election_timeout_max);
    return true;
  }
  if (exceeds(leader.uncommitted_bytes, options_->uncommitted_bytes_max) ||
      (leader.uncommitted_bytes > 0 && Fires("raft.proposal_refused"))) {
    *reason = Refused::Reason::kTooMuchUncommitted;
    return true;
  }
  const size_t unapplied = leader.uncommitted_bytes + unapplied_bytes_;
  if (exceeds(unapplied, options_->unapplied_bytes_max) ||
      (unapplied > 0 && !MayLag())) {
    *reason = Refused::Reason::kTooMuchUnapplied;
    return true;
  }
  return false;
}

// So much is not written that this replica should not lead.
bool Core::Impl::DiskIsBehind(const Leader& leader) const {
  return leader.unwritten_bytes > options_->unwritten_bytes_max / 2 ||
         !MayWrite(1);
}

// ---- Entries of the leader.

// Entries that are not committed do not count as backlog. They may have to be
// appended before any of those before them are committed.
bool Core::Impl::WantsNoEntries() const {
  return apply_backlog_bytes() > options_->unapplied_bytes_max ||
         !MayWrite(1) || (apply_backlog_bytes() > 0 && !MayLag()) ||
         (halted() && context_.gate != nullptr &&
          !context_.gate->MayGrowHalted()) ||
         (apply_backlog_bytes() > 0 && Fires("raft.no_entries_early"));
}

// The rejection ends the leader's pipeline: entries behind the refused ones
// would not follow those that are here. Its flag keeps the leader from sending
// them again at once.
void Core::Impl::RefuseEntries(const Message& message, Index matched) {
  Message reply = NewMessage(MessageType::kAppendReply, message.from);
  reply.reject = true;
  reply.number = message.number;
  reply.hint = {log_.TermAt(matched), matched};
  Send(std::move(reply));
}

void Core::Impl::AddWish(Message* reply) {
  reply->no_entries = WantsNoEntries();
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower != nullptr && follower->leader == reply->to) {
    follower->asked_for_none = reply->no_entries;
  }
}

// The leader sends entries at once then. If this reply is lost, that to the
// next heartbeat says the same.
void Core::Impl::AskForEntries() {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->asked_for_none || !MayReplyUnasked() ||
      WantsNoEntries()) {
    return;
  }
  AckMatch(AppendNumber(), commit_);
}

bool Core::Impl::MayReplyUnasked() const {
  return !installing() && hard_state_ == durable_hard_state_;
}

// ---- The leader's notes.

// The acceptance of an append may have waited for a disk. The follower's wish
// can be another one by now, so only a reply without a number ends it.
void Core::Impl::TakeWish(const Message& message, Progress& member) {
  if (message.no_entries) {
    member.set_wants_no_entries(true);
  } else if (message.number == AppendNumber() && member.wants_no_entries()) {
    member.set_wants_no_entries(false);
    leader_role().send_due = true;
  }
}

}  // namespace quorate::raft
