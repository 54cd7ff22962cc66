#include "raft/core/progress.h"

#include <algorithm>

#include "env/check.h"

namespace quorate::raft {

bool Inflights::Full(const Limits& limits) const {
  return sent_.size() >= limits.messages || bytes_ >= limits.bytes;
}

void Inflights::Add(Index last, size_t bytes) {
  if (!sent_.empty()) CHECK_GE(last, sent_.back().last);
  sent_.push_back({last, bytes});
  bytes_ += bytes;
}

void Inflights::FreeThrough(Index durable) {
  auto it = sent_.begin();
  for (; it != sent_.end() && it->last <= durable; ++it) bytes_ -= it->bytes;
  sent_.erase(sent_.begin(), it);
}

void Inflights::DropAfter(Index index) {
  while (!sent_.empty() && sent_.back().last > index) {
    bytes_ -= sent_.back().bytes;
    sent_.pop_back();
  }
}

void Inflights::Clear() {
  sent_.clear();
  bytes_ = 0;
}

Progress::Progress(ReplicaId replica, Index next, AppendNumber number,
                   MonoTime now)
    : replica_(replica),
      match_known_from_(number),
      next_(next),
      current_from_(number),
      last_contact_(now) {
  CHECK_GT(next, Index(0));
}

void Progress::Become(State state, AppendNumber number) {
  state_ = state;
  current_from_ = number;
  probe_outstanding_ = false;
  pending_snapshot_.reset();
  retry_at_ = MonoTime::Max();
}

void Progress::BecomeReplicate(AppendNumber number) {
  Become(State::kReplicate, number);
  inflights_.Clear();
  next_ = match_ + 1;
}

void Progress::BecomeSnapshot(const SnapshotDescriptor& snapshot,
                              AppendNumber number) {
  CHECK_GT(snapshot.position.index, match_);
  Become(State::kSnapshot, current_from_);
  inflights_.Clear();
  next_ = match_ + 1;
  pending_snapshot_ =
      Boxed(PendingSnapshot{.snapshot = snapshot, .current_from = number});
  catch_up_ = CatchUp();
}

bool Progress::PendingSnapshot::MaySendMore(uint64_t bytes_max) const {
  if (next == snapshot.size_bytes) return false;
  const uint64_t in_flight = next - staged;
  return in_flight == 0 ||
         (!probing && in_flight < std::min(bytes_max, window));
}

void Progress::PendingSnapshot::Accepted(uint64_t offset, uint64_t written) {
  next = std::max(next, offset);
  const uint64_t widened = window + (std::max(staged, written) - staged);
  window = std::max(window, widened);
  staged = std::max(staged, written);
  probing = false;
}

void Progress::PendingSnapshot::GoTo(uint64_t offset, uint64_t written,
                                     AppendNumber number) {
  window = std::min(window, next - staged) / 2;
  next = offset;
  staged = written;
  current_from = number;
  // It may have more in a staging file, and says so once it gets a chunk.
  probing = offset == 0;
}

size_t Progress::CatchUpOffset() const {
  const EntryList& entries = catch_up_.entries;
  if (entries.empty() || next_ < entries.front().index ||
      next_ > entries.back().index) {
    return entries.size();
  }
  return next_ - entries.front().index;
}

bool Progress::CanAppend(const Inflights::Limits& limits) const {
  if (lost_durable_) return false;
  switch (state_) {
    case State::kProbe:
      return !probe_outstanding_;
    case State::kReplicate:
      return !inflights_.Full(limits);
    case State::kSnapshot:
      return false;
  }
  return false;
}

void Progress::AppendSent(Index last, size_t bytes, MonoTime retry_at) {
  CHECK(state_ != State::kSnapshot);
  CHECK_GE(last + 1, next_);
  if (last >= next_) {
    inflights_.Add(last, bytes);
    next_ = last + 1;
  }
  probe_outstanding_ = state_ == State::kProbe;
  if (probe_outstanding_ || !inflights_.empty()) {
    retry_at_ = std::min(retry_at_, retry_at);
  }
}

bool Progress::Acknowledged(const Reply& reply, AppendNumber next,
                            MonoTime retry_at) {
  if (lost_durable_) return false;
  const bool news = reply.durable > match_;
  if (news) {
    match_ = reply.durable;
    match_known_from_ = next;
    next_ = std::max(next_, match_ + 1);
    inflights_.FreeThrough(match_);
  }
  const bool current = reply.number >= current_from_;
  if (current) current_from_ = reply.number;
  switch (state_) {
    case State::kProbe:
      if (!current) break;
      // The logs agree, so the entries behind `received` may follow.
      state_ = State::kReplicate;
      probe_outstanding_ = false;
      next_ = std::max(next_, reply.received + 1);
      retry_at_ = inflights_.empty() ? MonoTime::Max() : retry_at;
      break;
    case State::kReplicate:
      if (inflights_.empty()) {
        retry_at_ = MonoTime::Max();
      } else if (news) {
        retry_at_ = retry_at;
      }
      break;
    case State::kSnapshot:
      break;  // The core decides whether the snapshot is still needed.
  }
  return news;
}

Progress::Rejection Progress::Rejected(AppendNumber number, Index hint,
                                       Index agreed, AppendNumber next) {
  if (number >= match_known_from_ && hint < match_) {
    lost_durable_ = true;
    Become(State::kProbe, next);
    match_ = Index();
    inflights_.Clear();
    catch_up_ = CatchUp();
    return Rejection::kLostDurable;
  }
  if (number < current_from_ || state_ == State::kSnapshot) {
    return Rejection::kStale;
  }
  Become(State::kProbe, next);
  next_ = std::clamp(agreed + 1, match_ + 1, next_);
  inflights_.DropAfter(next_ - 1);
  return Rejection::kWentBack;
}

void Progress::ConfirmReadRound(ReadRound round) {
  read_round_ = std::max(read_round_, round);
}

void Progress::CommitSent(Index commit) {
  commit_sent_ = std::max(commit_sent_, commit);
}

void Inflights::AddTo(CoreDigest* digest) const {
  digest->Add(uint64_t{sent_.size()});
  for (const Sent& sent : sent_) {
    digest->Add(sent.last);
    digest->Add(uint64_t{sent.bytes});
  }
}

void Progress::AddTo(CoreDigest* digest) const {
  digest->Add(replica_);
  digest->Add(static_cast<uint64_t>(state_));
  digest->Add(match_);
  digest->Add(match_known_from_);
  digest->Add(answered_);
  digest->Add(next_);
  digest->Add(current_from_);
  digest->Add(uint64_t{lost_durable_});
  digest->Add(uint64_t{probe_outstanding_});
  inflights_.AddTo(digest);
  const PendingSnapshot none;
  const PendingSnapshot& pending =
      pending_snapshot_.has_value() ? *pending_snapshot_ : none;
  digest->Add(pending.snapshot.position);
  digest->Add(pending.next);
  digest->Add(pending.staged);
  digest->Add(pending.current_from);
  digest->Add(uint64_t{pending.probing});
  digest->Add(pending.window);
  digest->Add(uint64_t{pending.reading});
  digest->Add(pending.read_offset);
  digest->Add(static_cast<uint64_t>(catch_up_.read));
  digest->Add(catch_up_.after);
  digest->Add(retry_at_);
  digest->Add(last_contact_);
  digest->Add(uint64_t{wants_no_entries_});
  digest->Add(read_round_);
  digest->Add(uint64_t{quick_});
  digest->Add(known_level_);
  digest->Add(commit_sent_);
}

std::string_view ProgressStateName(Progress::State state) {
  switch (state) {
    case Progress::State::kProbe:
      return "probe";
    case Progress::State::kReplicate:
      return "replicate";
    case Progress::State::kSnapshot:
      return "snapshot";
  }
  return "invalid";
}

}  // namespace quorate::raft
