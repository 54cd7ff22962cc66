#include "raft/core/quorum.h"

namespace quorate::raft {
namespace {

VoteResult MajorityResult(const std::vector<Member>& voters,
                          const Tally& tally) {
  size_t granted = 0;
  size_t missing = 0;
  for (const Member& voter : voters) {
    const Vote vote = tally.vote(voter.replica);
    if (vote == Vote::kGranted) ++granted;
    if (vote == Vote::kMissing) ++missing;
  }
  const size_t needed = MajoritySize(voters.size());
  if (granted >= needed) return VoteResult::kWon;
  return granted + missing >= needed ? VoteResult::kPending : VoteResult::kLost;
}

}  // namespace

void Tally::Record(ReplicaId voter, bool granted) {
  if (vote(voter) == Vote::kMissing) answers_.push_back({voter, granted});
}

Vote Tally::vote(ReplicaId voter) const {
  for (const Answer& answer : answers_) {
    if (answer.voter == voter) {
      return answer.granted ? Vote::kGranted : Vote::kRejected;
    }
  }
  return Vote::kMissing;
}

VoteResult Tally::Result(const Configuration& configuration) const {
  if (configuration.voters.empty()) return VoteResult::kLost;
  const VoteResult incoming = MajorityResult(configuration.voters, *this);
  if (configuration.outgoing_voters.empty()) return incoming;
  const VoteResult outgoing =
      MajorityResult(configuration.outgoing_voters, *this);
  if (incoming == VoteResult::kLost || outgoing == VoteResult::kLost) {
    return VoteResult::kLost;
  }
  return incoming == VoteResult::kWon && outgoing == VoteResult::kWon
             ? VoteResult::kWon
             : VoteResult::kPending;
}

void Tally::AddTo(CoreDigest* digest) const {
  digest->Add(uint64_t{answers_.size()});
  for (const Answer& answer : answers_) {
    digest->Add(answer.voter);
    digest->Add(uint64_t{answer.granted});
  }
}

}  // namespace quorate::raft
