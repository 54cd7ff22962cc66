// raft/host/state_digests.h: compares the states of a group's replicas.
//
// Each replica keeps the digests of its state at indexes that are multiples of
// an interval. The leader asks in its heartbeats for the digest at one of them,
// and tells the digest that a majority of all members has there. A replica that
// has another one is the odd one out. Entries at these indexes are committed,
// so answers of any term can be compared. Pure.
#ifndef QUORATE_RAFT_HOST_STATE_DIGESTS_H_
#define QUORATE_RAFT_HOST_STATE_DIGESTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "env/boxed.h"
#include "env/fifo.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

class StateDigests {
 public:
  // The result of a comparison at one index.
  struct Verdict {
    // The digest of a majority; zero: none is known.
    uint64_t agreed = 0;
    // Members that answered with another digest than the majority, ascending.
    std::vector<ReplicaId> odd;
    // Two members differ, and there is no majority.
    bool tie = false;
  };

  // `interval` zero: nothing is kept or asked. An index is asked for at most
  // `patience` long if answers are missing.
  StateDigests(uint64_t interval, Duration patience)
      : interval_(interval), patience_(patience) {}

  // Whether the digest after the entry `index` is to be kept.
  bool Wants(Index index) const {
    return interval_ != 0 && index.value() % interval_ == 0;
  }
  // Requires: Wants(index); `index` rises.
  void Keep(Index index, uint64_t digest);
  // The digest at `index`; zero if it is not kept.
  uint64_t At(Index index) const;

  // ---- The leader.
  // The question for the next heartbeat: an index, and the digest that a
  // majority has there, or zero. Index zero: nothing to ask.
  StateDigest Question(MonoTime now);
  // Whether nothing is to be asked, or was asked for long enough.
  bool Settled(MonoTime now) const;
  // An answer of a member. An answer to another question changes nothing.
  // Returns true if it is new.
  bool Answer(ReplicaId from, const StateDigest& answer);
  // Compares all answers to the present question. `members` are those of the
  // group; `self` is among them.
  Verdict Compare(ReplicaId self, absl::Span<const ReplicaId> members);

  // The digests kept at a time. An answer for an older index is unknown.
  static constexpr size_t kKeptMax = 64;

 private:
  struct Comparison {
    Fifo<StateDigest> kept;  // Oldest first.
    // The present question, and when it was first asked.
    StateDigest question;
    MonoTime asked_at;
    bool settled = true;  // All members have answered.
    absl::btree_map<ReplicaId, uint64_t> answers;
  };

  const uint64_t interval_;
  const Duration patience_;
  // None until the first digest is kept.
  Boxed<Comparison> comparison_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_STATE_DIGESTS_H_
