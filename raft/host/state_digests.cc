#include "raft/host/state_digests.h"

#include <algorithm>

#include "env/check.h"

namespace quorate::raft {

// Zero stands for an unknown digest.
void StateDigests::Keep(Index index, uint64_t digest) {
  CHECK(Wants(index));
  Fifo<StateDigest>& kept = comparison_.Mutable().kept;
  CHECK(kept.empty() || kept.back().index < index);
  kept.push_back({index, std::max<uint64_t>(digest, 1)});
  if (kept.size() > kKeptMax) kept.pop_front();
}

uint64_t StateDigests::At(Index index) const {
  if (!comparison_.has_value()) return 0;
  const Fifo<StateDigest>& kept = comparison_->kept;
  const auto at = std::lower_bound(
      kept.begin(), kept.end(), index,
      [](const StateDigest& one, Index wanted) { return one.index < wanted; });
  return at != kept.end() && at->index == index ? at->digest : 0;
}

StateDigest StateDigests::Question(MonoTime now) {
  if (!comparison_.has_value()) return {};
  Comparison& c = *comparison_;
  const bool due = c.settled || now - c.asked_at >= patience_;
  if (!c.kept.empty() && due && c.kept.back().index > c.question.index) {
    c.question = {c.kept.back().index, 0};
    c.asked_at = now;
    c.settled = false;
    c.answers.clear();
  }
  return c.question;
}

bool StateDigests::Settled(MonoTime now) const {
  if (!comparison_.has_value()) return true;
  const Comparison& c = *comparison_;
  if (!c.kept.empty() && c.kept.back().index > c.question.index) return false;
  return c.settled || now - c.asked_at >= patience_;
}

bool StateDigests::Answer(ReplicaId from, const StateDigest& answer) {
  const Index asked =
      comparison_.has_value() ? comparison_->question.index : Index();
  return answer.index == asked && answer.digest != 0 &&
         comparison_.Mutable().answers.insert({from, answer.digest}).second;
}

StateDigests::Verdict StateDigests::Compare(
    ReplicaId self, absl::Span<const ReplicaId> members) {
  Verdict verdict;
  Comparison& c = comparison_.Mutable();
  c.answers[self] = At(c.question.index);
  absl::btree_map<uint64_t, size_t> votes;
  size_t answered = 0;
  for (const ReplicaId member : members) {
    const auto answer = c.answers.find(member);
    if (answer == c.answers.end() || answer->second == 0) continue;
    ++answered;
    const size_t same = ++votes[answer->second];
    if (same > members.size() / 2) verdict.agreed = answer->second;
  }
  c.settled = answered == members.size();
  c.question.digest = verdict.agreed;
  verdict.tie = verdict.agreed == 0 && votes.size() > 1;
  if (verdict.agreed == 0) return verdict;
  for (const ReplicaId member : members) {
    const auto answer = c.answers.find(member);
    if (answer != c.answers.end() && answer->second != 0 &&
        answer->second != verdict.agreed) {
      verdict.odd.push_back(member);
    }
  }
  return verdict;
}

}  // namespace quorate::raft
