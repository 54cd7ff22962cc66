#include "raft/host/state_digests.h"

#include <algorithm>

#include "env/check.h"

namespace quorate::raft {

// Zero stands for an unknown digest.
void StateDigests::Keep(Index index, uint64_t digest) {
  CHECK(Wants(index));
  CHECK(kept_.empty() || kept_.back().index < index);
  kept_.push_back({index, std::max<uint64_t>(digest, 1)});
  if (kept_.size() > kKeptMax) kept_.pop_front();
}

uint64_t StateDigests::At(Index index) const {
  const auto at = std::lower_bound(kept_.begin(), kept_.end(), index,
                                   [](const StateDigest& kept, Index wanted) {
                                     return kept.index < wanted;
                                   });
  return at != kept_.end() && at->index == index ? at->digest : 0;
}

StateDigest StateDigests::Question(MonoTime now) {
  const bool due = settled_ || now - asked_at_ >= patience_;
  if (!kept_.empty() && due && kept_.back().index > question_.index) {
    question_ = {kept_.back().index, 0};
    asked_at_ = now;
    settled_ = false;
    answers_.clear();
  }
  return question_;
}

bool StateDigests::Settled(MonoTime now) const {
  if (!kept_.empty() && kept_.back().index > question_.index) return false;
  return settled_ || now - asked_at_ >= patience_;
}

bool StateDigests::Answer(ReplicaId from, const StateDigest& answer) {
  return answer.index == question_.index && answer.digest != 0 &&
         answers_.insert({from, answer.digest}).second;
}

StateDigests::Verdict StateDigests::Compare(
    ReplicaId self, absl::Span<const ReplicaId> members) {
  Verdict verdict;
  answers_[self] = At(question_.index);
  absl::btree_map<uint64_t, size_t> votes;
  size_t answered = 0;
  for (const ReplicaId member : members) {
    const auto answer = answers_.find(member);
    if (answer == answers_.end() || answer->second == 0) continue;
    ++answered;
    const size_t same = ++votes[answer->second];
    if (same > members.size() / 2) verdict.agreed = answer->second;
  }
  settled_ = answered == members.size();
  question_.digest = verdict.agreed;
  verdict.tie = verdict.agreed == 0 && votes.size() > 1;
  if (verdict.agreed == 0) return verdict;
  for (const ReplicaId member : members) {
    const auto answer = answers_.find(member);
    if (answer != answers_.end() && answer->second != 0 &&
        answer->second != verdict.agreed) {
      verdict.odd.push_back(member);
    }
  }
  return verdict;
}

}  // namespace quorate::raft
