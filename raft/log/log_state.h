// raft/log/log_state.h: the state that the log on disk describes: groups, their
// live entries, and the segments that hold them.
//
// The state changes only when a record is put into a write, so it is always the
// state at the end of the stream. It has the places of the entries, not their
// payloads. Pure values, no I/O.
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
#include "raft/log/live_entries.h"
#include "raft/log/log.h"
#include "raft/log/record.h"

namespace quorate::raft {

struct GroupLog {
  explicit GroupLog(GroupKey key) : live(key) {}

  GroupKey key() const { return live.key(); }

  HardState hard_state;
  Index commit;  // The greatest of any addition.
  LogStart log_start;
  LiveEntries live;
  absl::Status fenced;

  Index last() const {
    return live.empty() ? log_start.position.index : live.last();
  }
  StateBody state() const;
};

class LogState {
 public:
  // Returns the group; adds it if there is none.
  GroupLog& group(GroupKey key);
  // Returns null if there is no such group.
  const GroupLog* Find(GroupKey key) const;
  // Where the entry is; null if it is not live.
  const LiveEntries::Span* FindSpan(GroupKey key, Index index) const;

  // Oldest first. The last one is being written.
  std::deque<std::unique_ptr<Segment>>& segments() { return segments_; }
  const std::deque<std::unique_ptr<Segment>>& segments() const {
    return segments_;
  }
  Segment* current() { return segments_.back().get(); }
  const Segment* current() const { return segments_.back().get(); }
  void AddSegment(uint64_t number, uint64_t file_bytes);

  // Applies the meaning of a record in the bytes [begin, end) of the current
  // segment. An append removes the spans of entries that it replaces at once:
  // their number is that of entries which are not committed.
  void Append(GroupLog& group, const HardState* hard_state, Index commit,
              const EntryList& entries, uint64_t begin, uint64_t end);
  void SetLogStart(GroupLog& group, const LogStart& log_start,
                   bool discard_suffix);
  // Its entries are needed no more.
  void Fence(GroupLog& group, const absl::Status& why);
  void Drop(GroupKey key);

  // Spans of removed entries wait until they are freed.
  bool has_removed() const { return !removed_.empty() || !shortened_.empty(); }
  // Frees up to `most` of them. Returns groups of which none waits any more.
  std::vector<GroupKey> FreeRemoved(size_t most);
  // The number of spans, with those that wait.
  size_t spans() const;

  std::vector<std::pair<GroupKey, StateBody>> States() const;

  size_t live_bytes() const;
  uint64_t file_bytes() const;

 private:
  void RemoveAll(GroupLog& group);

  std::map<GroupKey, GroupLog> groups_;
  // Groups whose first spans wait, and the spans of logs that ended as a whole.
  std::set<GroupKey> shortened_;
  std::vector<LiveEntries> removed_;
  std::deque<std::unique_ptr<Segment>> segments_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LOG_STATE_H_
