// raft/log/log_impl.h: the log while it runs: queues, batches, segments.
// Recovery (recovery.h) creates it.
//
// This file decides which record is written when. record.h has the formats,
// log_state.h the state of each group.
#ifndef QUORATE_RAFT_LOG_LOG_IMPL_H_
#define QUORATE_RAFT_LOG_LOG_IMPL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "env/alarm.h"
#include "env/destruction.h"
#include "env/env.h"
#include "env/fifo.h"
#include "env/loop.h"
#include "env/time.h"
#include "env/tracer.h"
#include "raft/log/callback_queue.h"
#include "raft/log/end_mark.h"
#include "raft/log/entry_reader.h"
#include "raft/log/files/ballast.h"
#include "raft/log/files/file_remover.h"
#include "raft/log/files/zero_fill.h"
#include "raft/log/log.h"
#include "raft/log/log_state.h"
#include "raft/log/record.h"
#include "raft/log/segment_opener.h"
#include "raft/log/spare_segment.h"

namespace quorate::raft {

// Logs the first failure, and each one whose code differs from that of the last
// line. While the code stays the same, it logs one failure per interval.
// Messages of one code may differ: they have names and numbers of the attempt.
class RepeatedWarning {
 public:
  static constexpr Duration kInterval = Seconds(600);

  // Both outlive the object.
  RepeatedWarning(env::Loop& loop, env::Tracer& tracer)
      : loop_(loop), tracer_(tracer) {}

  // An attempt failed. `what` begins the line.
  void Log(absl::string_view what, const absl::Status& why) {
    const MonoTime now = loop_.ReadClock().mono;
    if (why.code() == logged_ && now < again_at_) return;
    logged_ = why.code();
    again_at_ = now + kInterval;
    if (!tracer_.Logs(env::Severity::kWarning)) return;
    tracer_.Log(env::Severity::kWarning,
                absl::StrCat(what, ": ", why.ToString()));
  }
  // The next failure is logged. Call when an attempt has succeeded.
  void Reset() { logged_ = absl::StatusCode::kOk; }

 private:
  env::Loop& loop_;
  env::Tracer& tracer_;
  absl::StatusCode logged_ = absl::StatusCode::kOk;
  MonoTime again_at_ = MonoTime::Min();
};

class LogImpl final : public Log {
 public:
  // The result of recovery: the stream is durable so far, and `current` is the
  // new current segment.
  struct Start {
    LogState state;
    std::map<GroupKey, RecoveredGroup> recovered;
    std::set<GroupKey> dropped;
    SegmentOpener::Opened current;
    uint64_t allocated_bytes = 0;  // Size of the file of `current`.
    uint64_t write_number = 0;     // Number of the last durable write.
    std::vector<UnusedFile> unused;
  };
  LogImpl(env::Env& env, const LogOptions& options, Start start);

  std::map<GroupKey, RecoveredGroup>& recovered() override {
    return recovered_;
  }
  std::set<GroupKey>& dropped() override { return dropped_; }
  uint64_t start_number() const override { return start_number_; }
  void Append(GroupKey group, const HardState* hard_state, Index commit,
              const EntryList& entries, Done done) override;
  void SetLogStart(GroupKey group, const LogStart& log_start,
                   bool discard_suffix, Done done) override;
  void Fence(GroupKey group, const absl::Status& why, Done done) override;
  void Drop(GroupKey group, Leaves leaves, Done done) override;
  void Witness(Done done) override;
  void Read(GroupKey group, Index after, ReadDone done) override;
  uint64_t BytesToRead(GroupKey group, Index after) const override;
  size_t places(GroupKey group) const override;
  void OnUnreadable(Unreadable handler) override {
    unreadable_ = std::move(handler);
  }
  void OnDurableWrite(DurableWrite handler) override {
    on_durable_write_ = std::move(handler);
  }
  void OnPlacesFreed(PlacesFreed handler) override {
    places_freed_ = std::move(handler);
  }
  bool GiveBackUnused() override;
  absl::Status status() const override { return status_; }
  Counters counters() const override;

 private:
  // One addition that waits to be written.
  struct Item {
    RecordType type = RecordType::kAppend;
    std::optional<HardState> hard_state;
    Index commit;
    EntryList entries;
    size_t entries_written = 0;
    LogStart log_start;
    bool discard_suffix = false;
    absl::Status why;  // The reason of a fence.
    Leaves leaves = Leaves::kNothing;
    Done done;
  };
  // The waiting additions of one group. Those of an idle group take no memory.
  struct Queue {
    GroupKey key;
    Fifo<Item, 0> items;
    bool dropping = false;
    absl::Status fenced;  // It is fenced, or will be.
  };
  // Number of entries and size of the next record of an item. Those of a drop
  // are one: they are in one write.
  struct NextRecord {
    size_t entries = 0;
    size_t bytes = 0;
  };
  void Enqueue(GroupKey group, Item item);
  // OK if `group` may be written; else the reason why not.
  absl::Status Refusal(GroupKey group) const;
  void CallLater(Done done, absl::Status status);
  void ScheduleFlush();
  void Flush();
  bool HasWork() const;
  // The hard state of the next record of an item; null if it has none.
  static const HardState* NextHardState(const Item& item);
  NextRecord Measure(const Item& item) const;
  // Puts records of `queue` into the batch, up to `share_bytes`. False: the
  // batch is full.
  bool TakeShare(Queue& queue, size_t share_bytes, bool* took);
  // Moves the first queue behind the other ready queues, or removes it if it
  // is empty.
  void NextQueue();
  void Write(Queue& queue, const NextRecord& record);
  void WriteAppend(GroupKey key, const HardState* hard_state, Index commit,
                   const EntryList& entries);
  void WriteDrop(GroupKey key, Leaves leaves);
  // The entries of the group from `first` on are about to be replaced.
  void NoteReplaced(GroupKey key, Index first);
  bool Fits(size_t record_bytes) const;
  void FillBatch();
  EntryRange RangeOf(GroupKey key, const LiveEntries::Span& span) const;
  // Rewrites the entries that were read, and reads the next ones.
  void RewriteLiveRecords();
  // False: the batch has no room for all of them.
  bool WriteRewritten();
  bool WriteRewritten(GroupLog& group, EntryList& entries);
  void BeginRewriting(const Segment* segment);
  void ReadForRewrite();
  void OnReadForRewrite(const std::vector<EntryRange>& read,
                        EntryReader::Result result);
  void OnRewriteReadFailed(const std::vector<EntryRange>& read,
                           const absl::Status& why);
  // All live entries of the segment were rewritten, except skipped_.
  void EndPass();
  void ReportSkipped();
  void EndRewriting();
  void WriteBatch();
  // A witness is to be written as soon as the log has no other work.
  bool WitnessIsDue() const;
  // Writes a witness. If this segment has no room for it, the next one begins:
  // its opening shows how far this one is durable, too. Requires: the batch has
  // begun, and is empty.
  void WriteWitness();
  void OnIdleAlarm();
  // Calls the callbacks of Witness if there is nothing left to write.
  void AnswerWitnesses();
  void OnWritten(absl::Status status);
  void Fail(const absl::Status& status, const char* what);

  // The offset at which the present segment must end.
  uint64_t SegmentEnd() const;
  void Roll();
  void OnRolled(absl::StatusOr<SegmentOpener::Opened> opened, uint64_t number,
                uint64_t allocated_bytes);
  // Takes a segment that is not needed any more.
  void KeepOrRemove(UnusedFile file);
  // Requires: there is one.
  UnusedFile TakeLongestUnused();
  // Begins to prepare the next segment, if it is time.
  void PrepareSpare();
  // How much of the next segment may be filled by now, about.
  uint64_t SpareLimit() const;
  void OnSpare(SpareSegment::Result spare);
  void Reclaim();
  // Frees spans of removed entries, a bounded number in a turn. Returns groups
  // of which none waits any more.
  std::vector<GroupKey> FreeRemoved();
  void OnFreeTimer();

  env::Disk& disk_;
  env::Loop& loop_;
  env::Tracer& tracer_;
  env::Buggify& buggify_;
  // In this batch each record has one entry.
  bool one_entry_records_ = false;
  const LogOptions options_;

  LogState state_;
  std::map<GroupKey, RecoveredGroup> recovered_;
  std::set<GroupKey> dropped_;
  absl::Status status_;
  Counters counters_;

  std::map<GroupKey, Queue> queues_;
  // Queues that are not empty, in the order in which they are served.
  std::deque<Queue*> ready_;

  // The current segment.
  std::unique_ptr<env::File> file_;
  uint32_t segment_seed_ = 0;
  uint64_t position_ = 0;  // Offset of the next record.
  uint64_t opening_end_ = 0;
  uint64_t allocated_end_ = 0;  // Bytes before it are allocated on disk.
  uint64_t write_number_ = 0;

  BatchWriter writer_;
  // True from when a batch is built until it is durable. No other batch begins
  // meanwhile.
  bool writing_ = false;
  size_t batch_bytes_ = 0;     // Size of the batch.
  std::vector<Done> written_;  // Callbacks of the batch, in order.

  // The last durable write of the present segment is not the opening, and no
  // record follows it.
  bool unwitnessed_ = false;
  bool writing_witness_ = false;  // The batch is a witness.
  MonoTime written_at_ = MonoTime::Min();
  MonoTime write_began_;  // The last durable write.
  bool idle_ = false;     // There was no work for LogOptions::witness_delay.
  std::vector<Done> witness_dones_;
  env::Alarm idle_alarm_;
  std::unique_ptr<EndMarkWriter> end_mark_;  // Null after the log has failed.

  // The oldest segment, while its live entries are being rewritten; else null.
  const Segment* rewriting_ = nullptr;
  // Its spans before this place were read. Those through the other place are
  // read one at a time.
  SpanPlace rewrite_next_;
  SpanPlace alone_through_;
  std::unique_ptr<EntryReader> rewrite_reader_;
  // Entries that were read and are to be written.
  struct Rewrite {
    GroupKey key;
    EntryList entries;
  };
  std::deque<Rewrite> rewrite_;
  MonoTime rewrite_retry_at_ = MonoTime::Min();
  // Entries of this segment that could not be read, and why not.
  struct Skipped {
    EntryRange range;
    absl::Status why;
  };
  std::vector<Skipped> skipped_;
  // How often the entries from this index on could not be read, while they are
  // in the oldest segment.
  std::map<std::pair<GroupKey, Index>, int> failed_reads_;
  Unreadable unreadable_;
  DurableWrite on_durable_write_;
  PlacesFreed places_freed_;

  uint64_t next_read_ = 0;
  std::map<uint64_t, std::unique_ptr<EntryReader>> reads_;

  // Each run opens a new segment first. This is its number.
  const uint64_t start_number_;
  // The next segment: its number, then its file once it is ready. Null maker:
  // it is ready, or not begun.
  uint64_t last_number_ = 0;  // The largest number that a file has or had.
  std::unique_ptr<SpareSegment> spare_maker_;
  SpareSegment::Result spare_;  // Ready if it has a file.
  MonoTime spare_retry_at_ = MonoTime::Min();
  env::Pending spare_retry_;
  bool lacks_descriptors_ = false;  // The last attempt did.
  RepeatedWarning spare_warning_;
  // The present segment is as long as it may become.
  bool roll_waits_ = false;

  std::deque<UnusedFile> unused_;
  FileRemover remover_;
  std::unique_ptr<SegmentOpener> opener_;
  Ballast ballast_;
  Destruction destruction_;

  env::Pending flush_pending_;
  bool flush_scheduled_ = false;
  env::Pending write_pending_;
  env::Pending free_pending_;
  bool freeing_ = false;  // The next turn frees spans.
  CallbackQueue callbacks_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LOG_IMPL_H_
