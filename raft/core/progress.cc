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

void Inflights::FreeThrough(Index match) {
  while (!sent_.empty() && sent_.front().last <= match) {
    bytes_ -= sent_.front().bytes;
    sent_.pop_front();
  }
}

void Inflights::Clear() {
  sent_.clear();
  bytes_ = 0;
}

Progress::Progress(NodeId node, Index next, MonoTime now)
    : node_(node), next_(next), last_contact_(now) {
  CHECK_GT(next, Index(0));
}

void Progress::Become(State state) {
  state_ = state;
  probe_outstanding_ = false;
  inflights_.Clear();
  pending_snapshot_ = PendingSnapshot();
  retry_at_ = MonoTime::Max();
}

void Progress::BecomeProbe() {
  Become(State::kProbe);
  next_ = match_ + 1;
}

void Progress::ProbeAgain() {
  CHECK(state_ == State::kProbe);
  probe_outstanding_ = false;
  retry_at_ = MonoTime::Max();
}

void Progress::BecomeReplicate() {
  Become(State::kReplicate);
  next_ = match_ + 1;
}

void Progress::BecomeSnapshot(const SnapshotDescriptor& snapshot) {
  CHECK_GT(snapshot.position.index, match_);
  Become(State::kSnapshot);
  next_ = match_ + 1;
  pending_snapshot_.snapshot = snapshot;
}

bool Progress::CanAppend(const Inflights::Limits& limits) const {
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
  if (state_ == State::kProbe) {
    probe_outstanding_ = true;
    retry_at_ = retry_at;
    return;
  }
  if (last < next_) return;  // It carries no entries, so it needs no reply.
  if (inflights_.empty()) retry_at_ = retry_at;
  inflights_.Add(last, bytes);
  next_ = last + 1;
}

bool Progress::Acknowledged(Index index, MonoTime retry_at) {
  const bool news = index > match_;
  if (news) {
    match_ = index;
    next_ = std::max(next_, match_ + 1);
  }
  switch (state_) {
    case State::kProbe:
      // Even an old acknowledgement shows that the follower is reachable and
      // agrees at `index`.
      BecomeReplicate();
      break;
    case State::kReplicate:
      inflights_.FreeThrough(match_);
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

bool Progress::Rejected(Index previous, Index hint) {
  // The follower has acknowledged entries through match_: the reply is old.
  if (previous <= match_) return false;
  if (state_ == State::kSnapshot) return false;
  // One probe is outstanding; the reply to an earlier one is stale.
  if (state_ == State::kProbe && previous + 1 != next_) return false;
  if (state_ == State::kReplicate && previous >= next_) return false;
  Become(State::kProbe);
  next_ = std::max(match_ + 1, std::min(previous, hint + 1));
  return true;
}

void Progress::ConfirmReadRound(ReadRound round) {
  read_round_ = std::max(read_round_, round);
}

void Progress::CommitSent(Index commit) {
  commit_sent_ = std::max(commit_sent_, commit);
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
