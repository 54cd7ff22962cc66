// raft/log/log_impl.h: the log while it runs: queues, batches, segments. Recovery (recovery.h) makes it.
//
// Formats are record.h's, what each group has is log_state.h's; this file decides what is written when.
#ifndef QUORATE_RAFT_LOG_LOG_IMPL_H_
#define QUORATE_RAFT_LOG_LOG_IMPL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/env.h"
#include "raft/log/callback_queue.h"
#include "raft/log/log.h"
#include "raft/log/log_state.h"
#include "raft/log/record.h"
#include "raft/log/segment_opener.h"

namespace quorate::raft {

// A file that no segment of the chain needs; the next segment may overwrite it.
struct UnusedFile {
  std::string name;
  uint64_t bytes = 0;
};

class LogImpl final : public Log {
 public:
  // What recovery hands over: the stream up to now is durable, and `file` is the new current segment.
  struct Start {
    LogState state;
    std::map<GroupKey, RecoveredGroup> recovered;
    absl::Status unknown_groups_fenced;
    SegmentOpener::Opened current;
    uint64_t write_number = 0;  // Of the last durable write.
    std::vector<UnusedFile> unused;
  };
  LogImpl(env::Env& env, const LogOptions& options, Start start);
  ~LogImpl() override;

  std::map<GroupKey, RecoveredGroup>& recovered() override {
    return recovered_;
  }
  absl::Status unknown_groups_fenced() const override {
    return unknown_groups_fenced_;
  }
  void Append(GroupKey group, const HardState* hard_state,
              absl::Span<const Entry> entries, Done done) override;
  void SetLogStart(GroupKey group, LogPosition log_start, bool discard_suffix,
                   Done done) override;
  void Drop(GroupKey group, Done done) override;
  absl::Status status() const override { return status_; }
  Counters counters() const override;

 private:
  // One addition waiting to be written.
  struct Item {
    RecordType type = RecordType::kAppend;
    std::optional<HardState> hard_state;
    std::vector<Entry> entries;
    size_t entries_written = 0;
    LogPosition log_start;
    bool discard_suffix = false;
    Done done;
  };
  // What one group has waiting. Stays when it is empty, with its room.
  struct Queue {
    GroupKey key;
    std::vector<Item> items;
    size_t head = 0;  // Items before it are written.
    bool dropping = false;
    bool empty() const { return head == items.size(); }
    Item& front() { return items[head]; }
    void Pop();
  };
  // The next record of an item: so many entries, so many bytes.
  struct NextRecord {
    size_t entries = 0;
    size_t bytes = 0;
  };

  void Enqueue(GroupKey group, Item item);
  // Why `group` may not be written; OK if it may.
  absl::Status Refusal(GroupKey group) const;
  void CallLater(Done done, absl::Status status);
  void ScheduleFlush();
  void Flush();
  bool HasWork() const;
  NextRecord Measure(const Item& item) const;
  // Puts what fits of `queue` into the batch, up to its share. False: the batch is full.
  bool TakeShare(Queue& queue, size_t share_bytes, bool* took);
  // Ends the turn of the first queue: it goes behind the others, or out if it is empty.
  void NextQueue();
  void Write(Queue& queue, const NextRecord& record);
  bool Fits(size_t record_bytes) const;
  void FillBatch();
  void RewriteLiveRecords();
  void RewriteGroup(GroupLog& group, size_t* budget);
  void WriteBatch();
  void IssueWrite();
  void OnWritten(absl::Status status);
  void Fail(const absl::Status& status, const char* what);

  void Roll();
  void OnRolled(absl::StatusOr<SegmentOpener::Opened> opened,
                uint64_t recycled_bytes);
  void Preallocate();
  void OnPreallocated(uint64_t end);
  void Reclaim();
  void RemoveUnused();

  env::Disk& disk_;
  env::Loop& loop_;
  env::Tracer& tracer_;
  env::Buggify& buggify_;
  const LogOptions options_;

  LogState state_;
  std::map<GroupKey, RecoveredGroup> recovered_;
  absl::Status unknown_groups_fenced_;
  absl::Status status_;
  Counters counters_;

  std::map<GroupKey, Queue> queues_;
  std::deque<Queue*>
      ready_;  // Those that are not empty, in the order of their turns.

  // The current segment.
  std::unique_ptr<env::File> file_;
  uint32_t segment_seed_ = 0;
  uint64_t position_ = 0;  // Where the next record goes.
  uint64_t opening_end_ = 0;
  uint64_t preallocated_end_ = 0;  // Bytes before it are allocated on disk.
  uint64_t write_number_ = 0;

  BatchWriter writer_;
  bool writing_ =
      false;  // A batch is built; nothing else is begun until it is durable.
  bool waiting_for_preallocation_ =
      false;  // It waits until zeros are written where part of it goes.
  size_t batch_bytes_ = 0;     // Its size.
  std::vector<Done> written_;  // Of what is in flight, in order.

  // Bringing forward what the oldest segment still holds; null: not needed.
  const Segment* rewriting_ = nullptr;
  GroupKey rewrite_cursor_;

  std::deque<UnusedFile> unused_;
  bool removing_ = false;
  bool preallocating_ = false;
  Buffer zeros_;
  std::unique_ptr<SegmentOpener> opener_;
  bool* destroyed_ = nullptr;  // Set by the destructor while callbacks run.

  env::Pending flush_pending_;
  bool flush_scheduled_ = false;
  env::Pending write_pending_;
  env::Pending preallocation_pending_;
  env::Pending remove_pending_;
  CallbackQueue callbacks_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LOG_IMPL_H_
