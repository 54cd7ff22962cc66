// raft/core/log_view.h: the log of a replica: its start, which a snapshot
// covers, and the entries after the start.
//
// The last entries are in memory, in the blocks of an EntryList, which Outputs
// share. Their payloads keep no message alive in which they came. Of the
// entries before, which were evicted, the log on disk has the payloads, and
// LogView has the terms and the configurations. It has their times at some
// marks, where the log may be cut.
//
// The core decides when to append, truncate or commit. LogView keeps the
// configurations of the log beside their entries, so that a configuration is
// removed with its entry. A server uses the latest configuration in its log
// (thesis 4.1).
#ifndef QUORATE_RAFT_CORE_LOG_VIEW_H_
#define QUORATE_RAFT_CORE_LOG_VIEW_H_

#include <utility>
#include <vector>

#include "env/boxed.h"
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
  // The last evicted entry, or start() if none was evicted.
  Index evicted() const { return resident_.position.index; }

  // Term at `index`, or zero outside [start, last].
  Term TermAt(Index index) const;
  // Log time at `index`. Requires: evicted <= index <= last.
  WallTime LogTimeAt(Index index) const;
  // The entry at `index`. Requires: evicted < index <= last.
  const Entry& At(Index index) const;
  // True if `position` is start() or the position of an entry.
  bool Matches(LogPosition position) const;
  // The entries (after, through]. Requires: evicted <= after <= through <=
  // last.
  EntryList Slice(Index after, Index through) const {
    return entries_.Slice(OffsetBehind(after, through), through - after);
  }
  // Adds the longest prefix of (after, through] of at most `bytes_max` bytes to
  // `slice`, and at least one entry if there is any. Returns its size.
  size_t SliceByBytes(Index after, Index through, size_t bytes_max,
                      EntryList* slice) const;
  // Sum of size_bytes over (after, through], or a part of it that is at least
  // `enough`. Requires: as for Slice.
  size_t BytesIn(Index after, Index through, size_t enough = SIZE_MAX) const {
    return entries_
        .TotalsOf(OffsetBehind(after, through), through - after, enough)
        .size_bytes;
  }
  // Sum of size_bytes of the entries in memory, and of all entries.
  size_t resident_bytes() const { return resident_bytes_; }
  size_t size_bytes() const { return evicted_bytes() + resident_bytes_; }
  // The first index where the log may start such that the entries (index,
  // through] have about `bytes` or fewer. Requires: start <= through <= last.
  Index CutBefore(Index through, size_t bytes) const;
  // Size of the entries (start, index]; zero if there are none. Among evicted
  // entries it counts those up to the last mark that is not behind `index`.
  size_t BytesThrough(Index index) const;
  // The first index behind which the entries have at most `bytes`, among those
  // in memory. Takes time for the entries before it alone.
  Index CutToKeep(size_t bytes) const;

  // Adds one entry. Requires: its index follows last(), its term and log time
  // do not fall.
  void Append(Entry entry);
  // Adds the entries from offset `from` on, with the requirements of each.
  void Append(const EntryList& entries, size_t from);
  // Like Append, but shares the blocks of `entries`. For entries whose payloads
  // keep nothing else alive, as after recovery.
  void Adopt(const EntryList& entries);
  // Removes every entry from `first` on. Requires: evicted < first <= last.
  void TruncateFrom(Index first);
  // Offset of the first of `entries`, from offset `from` on, that the log does
  // not hold; entries.size() if it holds all. Requires: entry `from` follows a
  // position that Matches.
  size_t FindConflict(const EntryList& entries, size_t from) const;

  // Frees the entries through `index`, which stay in the log. Requires: evicted
  // <= index <= last.
  void EvictTo(Index index);
  // Removes the entries through `index`, where the log then starts. Among
  // evicted entries it starts at the last mark that is not behind `index`.
  // Requires: start <= index <= last.
  void CompactTo(Index index);
  // Removes everything and starts after a snapshot.
  void Reset(const LogStart& start, Configuration configuration);
  // The entries that left the memory since the last call. They may be many, and
  // freeing them takes time for each.
  EntryList TakeRemoved() { return std::exchange(removed_, EntryList()); }

  // Returns the position to compare next after a conflict. It is the last
  // position at or before `index` whose term is at most `term`, or (0, 0) if
  // that position is before start(). Leader and follower call this function in
  // turn, which skips whole terms.
  LogPosition FindConflictByTerm(Index index, Term term) const;

  const Configuration& configuration() const {
    return configurations_.empty() ? kNoConfiguration
                                   : configurations_.back().configuration;
  }
  // The entry of configuration(); at most start() if that is not in the log.
  Index configuration_index() const {
    return configurations_.empty() ? configured_ : configurations_.back().index;
  }
  // The first configuration in the log that this program cannot decode, since a
  // newer one wrote it; zero if there is none. It has no effect.
  Index unknown_configuration() const { return unknown_configuration_; }
  // The configuration in effect at `index`. Requires: start and configured <=
  // index <= last.
  const Configuration& ConfigurationAt(Index index) const;

 private:
  struct Placed {
    Index index;
    Configuration configuration;
  };
  // In effect before the first entry of a group.
  static constexpr Configuration kNoConfiguration = {};
  // A place among evicted entries where the log may be cut.
  struct Mark {
    LogStart start;    // A log that begins there.
    size_t bytes = 0;  // Of the entries behind the mark before, or start().
  };
  struct Evicted {
    std::vector<Mark> marks;
    // The first positions of terms among evicted entries. The first one may be
    // that of an entry before start_.
    std::vector<LogPosition> terms;
    size_t bytes = 0;  // The sum over `marks`.
  };

  size_t evicted_bytes() const {
    return evicted_.has_value() ? evicted_->bytes : 0;
  }
  size_t OffsetOf(Index index) const { return index - evicted() - 1; }
  size_t OffsetBehind(Index after, Index through) const {
    CHECK_GE(after, evicted());
    CHECK_LE(after, through);
    CHECK_LE(through, last_.index);
    return after - evicted();
  }
  // Begins the list of configurations.
  void SetConfiguration(Index configured, Configuration configuration);
  // Checks the next entry and takes all that follows from it but the entry.
  void Admit(const Entry& entry);
  // Removes `count` entries in memory from offset 0 or up to the end.
  void RemoveFirst(size_t count);
  void RemoveLast(size_t count);
  // Adds a mark at the end of the evicted entries, which have `bytes` since the
  // mark before.
  void AddMark(size_t bytes);
  void DropMarksThrough(Index index);
  Term EvictedTermAt(Index index) const;

  LogStart start_;
  // The entries in memory, as a log of their own. It begins at the last mark,
  // or at start_ if there is no mark.
  LogStart resident_;
  EntryList entries_;
  EntryList removed_;
  size_t resident_bytes_ = 0;
  Boxed<Evicted> evicted_;  // None: there are no evicted entries.
  LogPosition last_;
  WallTime last_log_time_;
  // Sorted by index, without kNoConfiguration. The first is in effect at
  // start(), or from its own index on if that is greater.
  std::vector<Placed> configurations_;
  // A configuration with a greater index came with an entry of the log.
  Index configured_;
  Index unknown_configuration_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_LOG_VIEW_H_
