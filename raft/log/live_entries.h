// raft/log/live_entries.h: where the entries of a group are in the log on disk.
// Pure values, no I/O.
#ifndef QUORATE_RAFT_LOG_LIVE_ENTRIES_H_
#define QUORATE_RAFT_LOG_LIVE_ENTRIES_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/btree_set.h"
#include "raft/core/types.h"

namespace quorate::raft {

// A span of LiveEntries, by its place in a segment.
struct SpanPlace {
  uint64_t begin = 0;
  Index first;
  GroupKey key;

  // A record belongs to one group, so the group need not be compared.
  bool operator<(const SpanPlace& other) const {
    return begin != other.begin ? begin < other.begin : first < other.first;
  }
};

// A segment file of the chain.
struct Segment {
  uint64_t number = 0;
  uint64_t file_bytes = 0;
  // Bytes of entries whose newest record is here, and of removed ones whose
  // spans wait. Zero only if there is none.
  size_t live_bytes = 0;
  uint32_t readers = 0;  // The file stays while there are any.
  // The spans of all groups here, with those that wait.
  absl::btree_set<SpanPlace> spans;
};

// The bytes [begin, end) of a segment: whole records.
struct RecordPlace {
  Segment* segment = nullptr;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// The entries of one group after its log start, by the places of their newest
// records. Memory: about 90 bytes for a span. A span is one record, or up to
// kSpanBytesMax of records that are near to each other.
//
// A snapshot removes the spans of a whole log at once. They wait here, and in
// their segments, until FreeRemoved. The other calls do not see them.
class LiveEntries {
 public:
  static constexpr uint64_t kSpanBytesMax = 256 << 10;

  explicit LiveEntries(GroupKey key) : key_(key) {}

  // Entries without a gap, whose newest records are in one place. The place has
  // records of other groups, too, and older ones of the same entries: the last
  // record there counts, as in a replay.
  struct Span {
    Index first;
    // Mutable: a span of the sorted set grows at its end. Its order is that of
    // `first`, which stays.
    mutable RecordPlace place;
    mutable uint32_t count = 0;
    mutable uint32_t bytes = 0;  // An estimate after a part was removed.

    Index last() const { return first + (count - 1); }
  };

  GroupKey key() const { return key_; }
  bool empty() const { return spans_.empty() || !IsLive(*spans_.rbegin()); }
  // Includes those that wait.
  size_t spans() const { return spans_.size(); }
  // Requires: not empty.
  Index last() const { return spans_.rbegin()->last(); }
  // The span that has the entry at `index`; null if there is none.
  const Span* Find(Index index) const;
  // The first span in `segment` that has entries of [from, through]; null if
  // there is none.
  const Span* FirstIn(const Segment* segment, Index from, Index through) const;

  // Entries behind the last one.
  void Append(const Span& span);
  // Removes the entries from `first` on.
  void TruncateFrom(Index first);
  // Removes the entries through `last`. Their spans wait.
  void DropThrough(Index last);
  // Removes all entries. Their spans wait in the result.
  LiveEntries RemoveAll();
  bool has_removed() const {
    return !spans_.empty() && !IsLive(*spans_.begin());
  }
  // Takes up to `most` spans that wait out of their segments, and frees them.
  // Returns their number.
  size_t FreeRemoved(size_t most);
  // The newest records of these entries, which are live, are now in
  // `span.place`.
  void Move(const Span& span);

 private:
  void Remove(Index first, Index last);
  void Add(const Span& span);
  bool IsLive(const Span& span) const { return span.first >= begin_; }
  SpanPlace PlaceOf(const Span& span) const {
    return {span.place.begin, span.first, key_};
  }

  struct ByFirst {
    using is_transparent = void;
    bool operator()(const Span& a, const Span& b) const {
      return a.first < b.first;
    }
    bool operator()(const Span& a, Index b) const { return a.first < b; }
    bool operator()(Index a, const Span& b) const { return a < b.first; }
  };

  const GroupKey key_;
  Index begin_;  // Entries before it are removed. No span has it inside.
  absl::btree_set<Span, ByFirst> spans_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LIVE_ENTRIES_H_
