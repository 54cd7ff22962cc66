// raft/log/log_state.h: the state that the log on disk describes: groups, their
// live entries, and the segments that hold them.
//
// The state changes only when a record is put into a write, so it is always the
// state at the end of the stream. Entries share their payloads with the core.
// Pure values, no I/O.
#ifndef QUORATE_RAFT_LOG_LOG_STATE_H_
#define QUORATE_RAFT_LOG_LOG_STATE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "raft/log/log.h"
#include "raft/log/record.h"

namespace quorate::raft {

// A segment file of the chain.
struct Segment {
  uint64_t number = 0;
  uint64_t file_bytes = 0;
  size_t live_bytes = 0;  // Bytes of entries whose newest record is here.
};

// The entries of one group after its log start, in the blocks of its core, each
// with the segment of its newest record.
class LiveEntries {
 public:
  // Consecutive entries; `offset` counts from the first live entry.
  struct Extent {
    size_t offset = 0;
    size_t count = 0;
  };

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const EntryList& entries() const { return entries_; }
  // The first entries whose newest record is in `segment`.
  Extent FirstIn(const Segment* segment) const;

  void Append(const EntryList& entries, Segment* segment);
  // Keeps the first `size` entries.
  void Truncate(size_t size);
  void DropFront(size_t count);
  // Records that the newest records of the entries are now in `segment`.
  void Move(Extent extent, Segment* segment);

 private:
  // Consecutive entries in one segment.
  struct Run {
    Segment* segment;
    size_t count;
  };

  size_t BytesOf(Extent extent) const;
  // Adds a run, or entries to the last run if its segment is the same one.
  static void Add(std::vector<Run>* runs, Run run);

  EntryList entries_;
  std::vector<Run> runs_;  // Their counts sum up to size().
};

struct GroupLog {
  GroupKey key;
  HardState hard_state;
  LogStart log_start;
  LiveEntries live;
  absl::Status fenced;

  Index last() const {
    return live.empty() ? log_start.position.index
                        : live.entries().back().index;
  }
  StateBody state() const;
};

class LogState {
 public:
  // Returns the group; adds it if there is none.
  GroupLog& group(GroupKey key);
  // Returns null if there is no such group.
  const GroupLog* Find(GroupKey key) const;
  std::map<GroupKey, std::unique_ptr<GroupLog>>& groups() { return groups_; }

  // Oldest first. The last one is being written.
  std::deque<std::unique_ptr<Segment>>& segments() { return segments_; }
  const std::deque<std::unique_ptr<Segment>>& segments() const {
    return segments_;
  }
  Segment* current() { return segments_.back().get(); }
  void AddSegment(uint64_t number, uint64_t file_bytes);

  // Applies the meaning of a record in the current segment.
  void Append(GroupLog& group, const HardState* hard_state,
              const EntryList& entries);
  void SetLogStart(GroupLog& group, const LogStart& log_start,
                   bool discard_suffix);
  void Drop(GroupKey key);

  std::vector<std::pair<GroupKey, StateBody>> States() const;

  size_t live_bytes() const;
  uint64_t file_bytes() const;

 private:
  std::map<GroupKey, std::unique_ptr<GroupLog>> groups_;
  std::deque<std::unique_ptr<Segment>> segments_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LOG_STATE_H_
