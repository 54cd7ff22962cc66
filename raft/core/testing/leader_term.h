// raft/core/testing/leader_term.h: one term of one leader, as the checker of
// the invariants knows it.
#ifndef QUORATE_RAFT_CORE_TESTING_LEADER_TERM_H_
#define QUORATE_RAFT_CORE_TESTING_LEADER_TERM_H_

#include <cstdint>
#include <vector>

#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/core/types.h"

namespace quorate::raft {

// A leader's term: its log, and the acknowledgements that it may have got.
struct LeaderTerm {
  ReplicaId replica;
  // The log at the election: its start, then for each run of entries of one
  // term the first index and the term. Later entries are of the leader's term.
  LogPosition start;
  std::vector<LogPosition> runs;
  // The entries that the leader sent to a member, and the reasons to send some
  // of them again.
  struct Sending {
    ReplicaId member;
    Index last;  // The last entry that it was sent.
    uint64_t went_back = 0;
    // Each rejection and each transfer of a snapshot lets the leader go back
    // once.
    uint64_t reasons = 0;
    // It was sent all entries from `lowest` through `highest`. An append of
    // earlier entries begins another run: the first append of a term may be far
    // ahead of the member's log.
    Index lowest;
    Index highest;
    uint64_t largest_bytes = 0;  // The largest entry that it was sent again.
    uint64_t again_bytes = 0;    // Entries that it was sent again.

    // An append with these entries was sent. Requires: at least one.
    void NoteSent(const EntryList& entries);
  };
  std::vector<Sending> sending;
  Sending& SendingTo(ReplicaId member);
  struct Acknowledged {
    ReplicaId member;
    Index index;  // The last entry that it has acknowledged in this term.
    // The leader's match that was compared last, and the changes of the
    // member's disk at that time.
    Index match;
    uint64_t disk = 0;
  };
  // A group has few members, and leaders look at all of them at each step.
  std::vector<Acknowledged> acknowledged;

  // Null: the member has acknowledged nothing.
  Acknowledged* FindAcknowledged(ReplicaId member);
  // The term of the leader's entry at `index`, or zero if it is not known.
  Term TermAt(Index index) const;
};

// The leader's log at its election.
LeaderTerm LeaderTermOf(ReplicaId replica, const Core& core);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_LEADER_TERM_H_
