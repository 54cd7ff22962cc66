// raft/core/log_view.h: the log as the core sees it: a boundary that a snapshot
// covers, and the entries after it, in memory.
//
// It answers what is where; the rules of when to append, truncate or commit are
// the core's. The configurations in the log are kept beside the entries that
// carry them, so that whatever happens to an entry happens to its configuration
// (thesis 4.1: a server uses the latest configuration in its log).
#ifndef QUORATE_RAFT_CORE_LOG_VIEW_H_
#define QUORATE_RAFT_CORE_LOG_VIEW_H_

#include <vector>

#include "absl/types/span.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

class LogView {
 public:
  // What stands before the first entry.
  struct Start {
    LogPosition position;
    WallTime log_time{0};
    Configuration configuration;
  };

  explicit LogView(Start start);

  // The one accessor of the end of the log: the last entry's position, or the
  // boundary's when there is none.
  LogPosition last() const;
  const LogPosition& start() const { return start_.position; }
  Index first_index() const { return start_.position.index + 1; }

  // Term at `index`, or zero outside [boundary, last].
  Term TermAt(Index index) const;
  // Log time at `index`. Requires: boundary <= index <= last.
  WallTime LogTimeAt(Index index) const;
  // Requires: boundary < index <= last.
  const Entry& At(Index index) const;
  // True if `position` is the boundary's or an entry's.
  bool Matches(LogPosition position) const;
  // The entries (after, through]. Requires: boundary <= after <= through <=
  // last. Valid until the log changes.
  absl::Span<const Entry> Slice(Index after, Index through) const;
  // The longest prefix of (after, last] of at most `bytes_max` bytes, but one
  // entry at least if there is one.
  absl::Span<const Entry> SliceByBytes(Index after, size_t bytes_max) const;

  // Adds one entry. Requires: its index follows last(), its term and log time
  // do not fall, and a configuration decodes.
  void Append(Entry entry);
  // Removes every entry from `first` on. Requires: boundary < first <= last.
  void TruncateFrom(Index first);
  // The first of `entries` that the log does not hold, as an offset into it
  // (its size if all are there). Requires: they follow an entry the log has.
  size_t FindConflict(absl::Span<const Entry> entries) const;

  // Moves the boundary up to `index`, forgetting entries. Requires: boundary
  // <= index <= last.
  void CompactTo(Index index);
  // Forgets everything and begins again after a snapshot.
  void Reset(Start start);

  // Where to look next after a conflict: the last position at or before
  // `index` whose term is not above `term`; (0, 0) if that lies before the
  // boundary. Both sides apply it in turn, which skips whole terms.
  LogPosition FindConflictByTerm(Index index, Term term) const;

  const Configuration& configuration() const {
    return configurations_.back().configuration;
  }
  // Requires: boundary <= index <= last.
  const Configuration& ConfigurationAt(Index index) const;

 private:
  struct Placed {
    Index index;
    Configuration configuration;
  };

  size_t OffsetOf(Index index) const { return head_ + (index - first_index()); }

  Start start_;  // Its configuration is configurations_.front().
  // Entry `first_index()` is entries_[head_]; what is before was forgotten and
  // is erased in bulk.
  std::vector<Entry> entries_;
  size_t head_ = 0;
  // Invariant: not empty, sorted by index; the first one is in effect at the
  // boundary.
  std::vector<Placed> configurations_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_LOG_VIEW_H_
