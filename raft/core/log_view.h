// raft/core/log_view.h: the log in memory: its start, which a snapshot covers,
// and the entries after the start.
//
// Entries are in the blocks of an EntryList, which Outputs and the log on disk
// share. Their payloads keep no message alive in which they came.
//
// The core decides when to append, truncate or commit. LogView keeps the
// configurations of the log beside their entries, so that a configuration is
// removed with its entry. A server uses the latest configuration in its log
// (thesis 4.1).
#ifndef QUORATE_RAFT_CORE_LOG_VIEW_H_
#define QUORATE_RAFT_CORE_LOG_VIEW_H_

#include <vector>

#include "env/check.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

class LogView {
 public:
  // `configuration` is the one in effect at `configured`, which is the log
  // start or, after a restart, the position of a snapshot behind it.
  LogView(const LogStart& start, Index configured, Configuration configuration);

  // The last entry's position, or start() if there is no entry.
  LogPosition last() const { return last_; }
  const LogPosition& start() const { return start_.position; }
  const LogStart& log_start() const { return start_; }
  Index first_index() const { return start_.position.index + 1; }

  // Term at `index`, or zero outside [start, last].
  Term TermAt(Index index) const;
  // Log time at `index`. Requires: start <= index <= last.
  WallTime LogTimeAt(Index index) const;
  // The entry at `index`. Requires: start < index <= last.
  const Entry& At(Index index) const;
  // True if `position` is start() or the position of an entry.
  bool Matches(LogPosition position) const;
  // The entries (after, through]. Requires: start <= after <= through <= last.
  EntryList Slice(Index after, Index through) const {
    return entries_.Slice(OffsetBehind(after, through), through - after);
  }
  // Adds the longest prefix of (after, through] of at most `bytes_max` bytes to
  // `slice`, and at least one entry if there is any. Returns its size.
  size_t SliceByBytes(Index after, Index through, size_t bytes_max,
                      EntryList* slice) const;
  // Sum of size_bytes over (after, through]. Requires: as for Slice.
  size_t BytesIn(Index after, Index through) const;
  // Sum of size_bytes of all entries.
  size_t size_bytes() const { return size_bytes_; }

  // Adds one entry. Requires: its index follows last(), its term and log time
  // do not fall, and a configuration decodes.
  void Append(Entry entry);
  // Adds the entries from offset `from` on, with the requirements of each.
  void Append(const EntryList& entries, size_t from);
  // Like Append, but shares the blocks of `entries`. For entries whose payloads
  // keep nothing else alive, as after recovery.
  void Adopt(const EntryList& entries);
  // Removes every entry from `first` on. Requires: start < first <= last.
  void TruncateFrom(Index first);
  // Offset of the first of `entries`, from offset `from` on, that the log does
  // not hold; entries.size() if it holds all. Requires: entry `from` follows a
  // position that Matches.
  size_t FindConflict(const EntryList& entries, size_t from) const;

  // Removes the entries through `index`, where the log then starts. Requires:
  // start <= index <= last.
  void CompactTo(Index index);
  // Removes everything and starts after a snapshot.
  void Reset(const LogStart& start, Configuration configuration);

  // Returns the position to compare next after a conflict. It is the last
  // position at or before `index` whose term is at most `term`, or (0, 0) if
  // that position is before start(). Leader and follower call this function in
  // turn, which skips whole terms.
  LogPosition FindConflictByTerm(Index index, Term term) const;

  const Configuration& configuration() const {
    return configurations_.back().configuration;
  }
  // The entry of configuration(); at most start() if that is not in the log.
  Index configuration_index() const { return configurations_.back().index; }
  // The configuration in effect at `index`. Requires: start and configured <=
  // index <= last.
  const Configuration& ConfigurationAt(Index index) const;

 private:
  struct Placed {
    Index index;
    Configuration configuration;
  };

  size_t OffsetOf(Index index) const { return index - first_index(); }
  size_t OffsetBehind(Index after, Index through) const {
    CHECK_GE(after, start_.position.index);
    CHECK_LE(after, through);
    CHECK_LE(through, last_.index);
    return after - start_.position.index;
  }
  // Checks the next entry and takes all that follows from it but the entry.
  void Admit(const Entry& entry);

  LogStart start_;
  EntryList entries_;
  LogPosition last_;
  WallTime last_log_time_;
  size_t size_bytes_ = 0;
  // Invariant: not empty, sorted by index. The first is in effect at start(),
  // or from its own index on if that is greater.
  std::vector<Placed> configurations_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_LOG_VIEW_H_
