// raft/core/testing/written_log.h: the disk of one replica, as the checker of
// the invariants knows it.
#ifndef QUORATE_RAFT_CORE_TESTING_WRITTEN_LOG_H_
#define QUORATE_RAFT_CORE_TESTING_WRITTEN_LOG_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "raft/core/core.h"
#include "raft/core/types.h"

namespace quorate::raft {

// The contents of a replica's disk, derived from its completed writes.
struct WrittenLog {
  struct PendingWrite {
    WriteToken token;
    Index first;  // Of its entries, if it has any.
    std::vector<Term> terms;
    std::vector<Message> after;  // The messages that wait for the write.
  };
  // True once ObserveWritten was called for the replica.
  bool watched = false;
  // The number of changes of the disk. A pending write is none yet.
  uint64_t changes = 1;
  HardState hard_state;
  Index base;
  std::vector<Term> terms;  // [i] is of entry base + 1 + i.
  std::deque<PendingWrite> pending;

  Index last() const { return base + terms.size(); }
  // Requires: base < index <= last().
  Term TermAt(Index index) const { return terms[index - base - 1]; }
  // The last entry that no pending write can replace.
  Index certain() const;
  // Whether the disk may hold the entry. Pending writes may have reached it.
  bool MayHold(LogPosition entry) const;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_WRITTEN_LOG_H_
