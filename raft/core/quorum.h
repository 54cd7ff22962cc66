// raft/core/quorum.h: majorities, single and joint (thesis 4.3).
//
// QuorumValue decides which index is replicated, which read round is confirmed
// and since when a leader is in contact.
#ifndef QUORATE_RAFT_CORE_QUORUM_H_
#define QUORATE_RAFT_CORE_QUORUM_H_

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "env/check.h"
#include "env/ids.h"
#include "raft/core/core_digest.h"
#include "raft/core/types.h"

namespace quorate::raft {

// Voters needed out of `size`: more than half.
constexpr size_t MajoritySize(size_t size) { return size / 2 + 1; }

// The largest value that a majority of `voters` has reached.
// `value_of(ReplicaId)` returns the value of a voter. Requires: at least one
// voter.
template <typename Value, typename ValueOf>
Value MajorityValue(const std::vector<Member>& voters,
                    const ValueOf& value_of) {
  CHECK(!voters.empty());
  absl::InlinedVector<Value, 8> values;
  for (const Member& voter : voters) values.push_back(value_of(voter.replica));
  std::sort(values.begin(), values.end(), std::greater<Value>());
  return values[MajoritySize(values.size()) - 1];
}

// The largest value that majorities of both halves of a configuration have
// reached; `none` if there is no voter.
template <typename Value, typename ValueOf>
Value QuorumValue(const Configuration& configuration, Value none,
                  const ValueOf& value_of) {
  if (configuration.voters.empty()) return none;
  const Value incoming = MajorityValue<Value>(configuration.voters, value_of);
  if (configuration.outgoing_voters.empty()) return incoming;
  return std::min(
      incoming, MajorityValue<Value>(configuration.outgoing_voters, value_of));
}

enum class Vote : uint8_t { kMissing, kGranted, kRejected };
enum class VoteResult : uint8_t { kPending, kWon, kLost };

// The votes of one campaign. The first reply of each voter counts.
class Tally {
 public:
  void Record(ReplicaId voter, bool granted);
  Vote vote(ReplicaId voter) const;
  // Won once majorities of both halves have granted their votes. Lost once one
  // half cannot reach a majority any more, or if there is no voter.
  VoteResult Result(const Configuration& configuration) const;
  void AddTo(CoreDigest* digest) const;

 private:
  struct Answer {
    ReplicaId voter;
    bool granted = false;
  };
  std::vector<Answer> answers_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_QUORUM_H_
