#include "raft/log/log_impl.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::raft {
namespace {

// After an error, rewriting is tried again so much later.
constexpr Duration kRewriteRetry = Seconds(1);
// Entries that cannot be read so often are reported, and tried again later.
constexpr int kUnreadableReads = 3;
constexpr Duration kUnreadableRetry = Seconds(10);
// One read to rewrite entries has at most so many bytes, or one record.
constexpr uint64_t kRewriteReadBytesMax = 1 << 20;
// A write beyond the allocated space allocates up to the next multiple of it.
constexpr uint64_t kAllocationUnit = 64 << 10;
constexpr size_t kWitnessBytes = RecordBytes(0);

}  // namespace

LogImpl::LogImpl(env::Env& env, const LogOptions& options, Start start)
    : disk_(env.disk),
      loop_(env.loop),
      tracer_(env.tracer),
      buggify_(env.buggify),
      options_(options),
      state_(std::move(start.state)),
      recovered_(std::move(start.recovered)),
      dropped_(std::move(start.dropped)),
      write_number_(start.write_number),
      idle_alarm_(env.loop, [this] { OnIdleAlarm(); }),
      end_mark_(std::make_unique<EndMarkWriter>(
          env, options.cluster, options.store, options.witness_delay * 2,
          [this] { AnswerWitnesses(); })),
      start_number_(state_.current()->number),
      last_number_(start_number_),
      spare_warning_(env.loop, env.tracer),
      remover_(env, "log"),
      ballast_(env, options_.ballast_bytes),
      callbacks_(env.loop) {
  file_ = std::move(start.current.file);
  for (UnusedFile& file : start.unused) KeepOrRemove(std::move(file));
  position_ = opening_end_ = start.current.end;
  allocated_end_ = std::max(position_, start.allocated_bytes);
  counters_.durable_writes = start.current.writes;
  counters_.written_bytes = start.current.written_bytes;
  segment_seed_ =
      SegmentSeed(options_.cluster, options_.store, state_.current()->number);
}

Log::Counters LogImpl::counters() const {
  Counters counters = counters_;
  counters.segments = state_.segments().size();
  return counters;
}

absl::Status LogImpl::Refusal(GroupKey group) const {
  if (!status_.ok()) return status_;
  const auto queue = queues_.find(group);
  if (queue != queues_.end() && queue->second.dropping) {
    return absl::FailedPreconditionError(absl::StrCat(
        "group ", group.group.value(), " is being dropped from this log"));
  }
  if (queue != queues_.end() && !queue->second.fenced.ok()) {
    return queue->second.fenced;
  }
  const GroupLog* known = state_.Find(group);
  return known == nullptr ? absl::OkStatus() : known->fenced;
}

void LogImpl::Append(GroupKey group, const HardState* hard_state, Index commit,
                     const EntryList& entries, Done done) {
  ++counters_.appends;
  const absl::Status refusal = Refusal(group);
  if (!refusal.ok()) return CallLater(std::move(done), refusal);
  Item item;
  item.type = RecordType::kAppend;
  if (hard_state != nullptr) item.hard_state = *hard_state;
  item.commit = commit;
  item.entries = entries;
  for (const Entry& entry : entries) {
    CHECK_LE(entry.payload.size(), kEntryPayloadBytesMax);
  }
  item.done = std::move(done);
  Enqueue(group, std::move(item));
}

void LogImpl::SetLogStart(GroupKey group, const LogStart& log_start,
                          bool discard_suffix, Done done) {
  const absl::Status refusal = Refusal(group);
  if (!refusal.ok()) return CallLater(std::move(done), refusal);
  Item item;
  item.type = RecordType::kLogStart;
  item.log_start = log_start;
  item.discard_suffix = discard_suffix;
  item.done = std::move(done);
  Enqueue(group, std::move(item));
}

// The state at the end of the stream, with the mark of a fence, as recovery
// writes it for a group that it fences.
void LogImpl::Fence(GroupKey group, const absl::Status& why, Done done) {
  const absl::Status refusal = Refusal(group);
  if (!refusal.ok()) return CallLater(std::move(done), refusal);
  Item item;
  item.type = RecordType::kState;
  item.why = absl::DataLossError(why.message());
  item.done = std::move(done);
  Enqueue(group, std::move(item));
  queues_.at(group).fenced = absl::DataLossError(why.message());
}

void LogImpl::Drop(GroupKey group, Leaves leaves, Done done) {
  // A fenced group may be dropped: its damaged records are then not needed.
  const absl::Status refusal = Refusal(group);
  if (!status_.ok() || absl::IsFailedPrecondition(refusal)) {
    return CallLater(std::move(done), refusal);
  }
  Item item;
  item.type = RecordType::kDrop;
  item.leaves = leaves;
  item.done = std::move(done);
  Enqueue(group, std::move(item));
  queues_.at(group).dropping = true;
}

void LogImpl::Witness(Done done) {
  if (!status_.ok()) return CallLater(std::move(done), status_);
  witness_dones_.push_back(std::move(done));
  // Rewriting would go on for a while. The part that is written is valid.
  if (rewriting_ != nullptr) EndRewriting();
  if (!unwitnessed_) end_mark_->Write();
  AnswerWitnesses();
  ScheduleFlush();
}

void LogImpl::Enqueue(GroupKey group, Item item) {
  Queue& queue = queues_[group];
  queue.key = group;
  if (queue.items.empty()) ready_.push_back(&queue);
  queue.items.push_back(std::move(item));
  ScheduleFlush();
}

void LogImpl::CallLater(Done done, absl::Status status) {
  if (done == nullptr) return;
  callbacks_.Add([done = std::move(done),
                  status = std::move(status)]() mutable { done(status); });
}

EntryRange LogImpl::RangeOf(GroupKey key, const LiveEntries::Span& span) const {
  const uint64_t segment = span.place.segment->number;
  // A span grows with the write that is under way.
  const bool under_way =
      span.place.segment == state_.current() && span.place.end > position_;
  return {key,
          span.first,
          span.count,
          segment,
          SegmentSeed(options_.cluster, options_.store, segment),
          span.place.begin,
          under_way ? std::max(span.place.begin, position_) : span.place.end,
          under_way};
}

void LogImpl::Read(GroupKey group, Index after, ReadDone done) {
  const LiveEntries::Span* span = state_.FindSpan(group, after + 1);
  if (span == nullptr) {
    callbacks_.Add([done = std::move(done)]() mutable {
      done(absl::NotFoundError("the log does not have the entry"));
    });
    return;
  }
  EntryRange range = RangeOf(group, *span);
  range.count -= after + 1 - range.first;
  range.first = after + 1;
  Segment* const segment = span->place.segment;
  ++segment->readers;
  const uint64_t number = next_read_++;
  reads_[number] = std::make_unique<EntryReader>(
      disk_, std::vector<EntryRange>{range},
      [this, number, segment,
       done = std::move(done)](EntryReader::Result result) mutable {
        --segment->readers;
        const auto reader = reads_.extract(number);
        if (!result.ok()) return done(result.status());
        done(std::move(result->front()));
      });
}

uint64_t LogImpl::BytesToRead(GroupKey group, Index after) const {
  const LiveEntries::Span* span = state_.FindSpan(group, after + 1);
  return span == nullptr ? 0 : span->place.end - span->place.begin;
}

size_t LogImpl::places(GroupKey group) const {
  const GroupLog* known = state_.Find(group);
  return known == nullptr ? 0 : known->live.spans();
}

bool LogImpl::HasWork() const {
  return !ready_.empty() || !rewrite_.empty() ||
         (rewriting_ != nullptr && rewrite_reader_ == nullptr);
}

void LogImpl::ScheduleFlush() {
  if (flush_scheduled_ || writing_ || opener_ != nullptr || !status_.ok()) {
    return;
  }
  flush_scheduled_ = true;
  flush_pending_ = loop_.Defer([this] {
    flush_scheduled_ = false;
    Flush();
  });
}

void LogImpl::Flush() {
  if (writing_ || opener_ != nullptr || !status_.ok()) return;
  if (!HasWork() && !WitnessIsDue()) return;
  if (!ready_.empty() && position_ > opening_end_) {
    const size_t bytes = Measure(ready_.front()->items.front()).bytes;
    if (position_ + bytes > SegmentEnd() ||
        (spare_.file != nullptr && buggify_.Fire("log.early_roll"))) {
      return Roll();
    }
  }
  one_entry_records_ = buggify_.Fire("log.record_of_one_entry");
  const SegmentOffset place{state_.current()->number, position_};
  writer_.Start(segment_seed_, place, place, write_number_ + 1);
  FillBatch();
  if (state_.has_removed() && !freeing_) FreeRemoved();
  if (rewriting_ != nullptr) RewriteLiveRecords();
  if (writer_.size_bytes() == 0) {
    if (HasWork()) return Roll();
    if (WitnessIsDue()) WriteWitness();
    return;
  }
  WriteBatch();
}

const HardState* LogImpl::NextHardState(const Item& item) {
  const bool first = item.entries_written == 0;
  return first && item.hard_state.has_value() ? &*item.hard_state : nullptr;
}

LogImpl::NextRecord LogImpl::Measure(const Item& item) const {
  NextRecord record;
  size_t body = 0;
  const size_t body_max = one_entry_records_ ? 0 : options_.record_bytes_max;
  if (item.type == RecordType::kAppend) {
    body = EntriesBodyBytes(AppendFlags(NextHardState(item), item.commit), {});
    for (auto it = item.entries.At(item.entries_written);
         it != item.entries.end(); ++it) {
      const size_t bytes = kEntryHeaderBytes + it->payload.size();
      if (record.entries > 0 && body + bytes > body_max) break;
      body += bytes;
      ++record.entries;
    }
  } else if (item.type == RecordType::kLogStart) {
    body = EncodeLogStartBody(item.log_start).size();
  } else if (item.type == RecordType::kState) {
    body = EncodeStateBody({}).size();
  }
  record.bytes = RecordBytes(body);
  if (item.leaves == Leaves::kBlank) {
    record.bytes += RecordBytes(EntriesBodyBytes(kFlagHardState, {}));
  }
  return record;
}

bool LogImpl::Fits(size_t record_bytes) const {
  const size_t size = writer_.size_bytes();
  if (size == 0) {
    // The first record of a segment always fits, also into a small segment.
    return position_ == opening_end_ ||
           position_ + record_bytes <= SegmentEnd();
  }
  return size + record_bytes <= options_.batch_bytes_max &&
         position_ + size + record_bytes <= SegmentEnd();
}

void LogImpl::NextQueue() {
  Queue* queue = ready_.front();
  ready_.pop_front();
  if (!queue->items.empty()) {
    ready_.push_back(queue);
  } else {
    queues_.erase(GroupKey(queue->key));
  }
}

void LogImpl::FillBatch() {
  const bool small = buggify_.Fire("log.small_batch");
  while (!ready_.empty()) {
    bool took = false;
    const bool room =
        TakeShare(*ready_.front(), small ? 1 : options_.group_bytes_max, &took);
    if (took) NextQueue();
    if (!room || small) return;
  }
}

bool LogImpl::TakeShare(Queue& queue, size_t share_bytes, bool* took) {
  size_t taken = 0;
  while (!queue.items.empty()) {
    const NextRecord record = Measure(queue.items.front());
    if (!Fits(record.bytes)) return false;
    if (*took && taken + record.bytes > share_bytes) break;
    Write(queue, record);
    *took = true;
    taken += record.bytes;
  }
  return true;
}

void LogImpl::Write(Queue& queue, const NextRecord& record) {
  Item& item = queue.items.front();
  const GroupKey key = queue.key;
  switch (item.type) {
    case RecordType::kAppend: {
      const HardState* hard_state = NextHardState(item);
      const EntryList entries =
          item.entries.Slice(item.entries_written, record.entries);
      WriteAppend(key, hard_state, item.commit, entries);
      item.entries_written += record.entries;
      if (item.entries_written < item.entries.size()) return;
      break;
    }
    case RecordType::kLogStart: {
      if (item.discard_suffix) NoteReplaced(key, Index(1));
      GroupLog& group = state_.group(key);
      // A log start older than the recorded one changes nothing.
      if (!item.discard_suffix &&
          item.log_start.position.index < group.log_start.position.index) {
        item.log_start = group.log_start;
      }
      writer_.Add(item.type,
                  item.discard_suffix ? kFlagDiscardSuffix : uint16_t{0}, key,
                  EncodeLogStartBody(item.log_start));
      state_.SetLogStart(group, item.log_start, item.discard_suffix);
      break;
    }
    case RecordType::kState: {
      GroupLog& group = state_.group(key);
      StateBody state = group.state();
      state.fenced = true;
      writer_.Add(item.type, 0, key, EncodeStateBody(state));
      state_.Fence(group, item.why);
      break;
    }
    case RecordType::kDrop:
      WriteDrop(key, item.leaves);
      break;
    default:
      CHECK(false) << "no item has type " << static_cast<int>(item.type);
  }
  written_.push_back(std::move(item.done));
  queue.items.pop_front();
}

void LogImpl::WriteAppend(GroupKey key, const HardState* hard_state,
                          Index commit, const EntryList& entries) {
  if (!entries.empty()) NoteReplaced(key, entries.front().index);
  const uint64_t begin = position_ + writer_.size_bytes();
  writer_.AddEntries(RecordType::kAppend, key, hard_state, commit, entries);
  state_.Append(state_.group(key), hard_state, commit, entries, begin,
                position_ + writer_.size_bytes());
}

// Rewriting leaves out the entries that it read before they were replaced.
void LogImpl::NoteReplaced(GroupKey key, Index first) {
  if (rewrite_reader_ == nullptr && rewrite_.empty()) return;
  const GroupLog* const group = state_.Find(key);
  if (group == nullptr || group->live.empty() ||
      group->live.FirstIn(rewriting_, first, group->live.last()) == nullptr) {
    return;
  }
  tracer_.Sometimes("log.suffix_replaced_during_a_rewrite");
}

// A later write begins only when both records are durable. So a drop without
// its blank group is the last record of the log, and no record behind it proves
// it durable. Recovery copies it into the next opening, and says that the
// replica was dropped.
void LogImpl::WriteDrop(GroupKey key, Leaves leaves) {
  writer_.Add(RecordType::kDrop, 0, key, {});
  state_.Drop(key);
  recovered_.erase(key);
  if (leaves == Leaves::kNothing) return;
  const HardState blank;
  WriteAppend(key, &blank, Index(), {});
}

void LogImpl::RewriteLiveRecords() {
  if (!WriteRewritten()) return;
  if (rewrite_reader_ == nullptr) ReadForRewrite();
}

bool LogImpl::WriteRewritten() {
  for (; !rewrite_.empty(); rewrite_.pop_front()) {
    Rewrite& next = rewrite_.front();
    if (state_.Find(next.key) == nullptr) continue;
    if (!WriteRewritten(state_.group(next.key), next.entries)) return false;
  }
  return true;
}

// Entries that were removed or replaced since they were read are left out.
bool LogImpl::WriteRewritten(GroupLog& group, EntryList& entries) {
  while (!entries.empty()) {
    const Index first = entries.front().index;
    const LiveEntries::Span* span =
        group.live.FirstIn(rewriting_, first, entries.back().index);
    if (span == nullptr) return true;
    if (span->first > first) {
      entries.RemovePrefix(span->first - first);
      continue;
    }
    EntryList run;
    const size_t bytes = run.AppendByBytes(
        entries, 0,
        std::min<uint64_t>(span->last() - first + 1, entries.size()),
        options_.rewrite_bytes_max);
    if (!Fits(RecordBytes(EntriesBodyBytes(0, run)))) return false;
    const uint64_t begin = position_ + writer_.size_bytes();
    writer_.AddEntries(RecordType::kRewrite, group.key(), nullptr, Index(),
                       run);
    const RecordPlace place{state_.current(), begin,
                            position_ + writer_.size_bytes()};
    group.live.Move({first, place, static_cast<uint32_t>(run.size()),
                     static_cast<uint32_t>(bytes)});
    entries.RemovePrefix(run.size());
  }
  return true;
}

void LogImpl::BeginRewriting(const Segment* segment) {
  rewriting_ = segment;
  rewrite_next_ = alone_through_ = SpanPlace();
}

// One read and one write have many spans: a segment may have one of each group.
void LogImpl::ReadForRewrite() {
  std::vector<EntryRange> ranges;
  size_t bytes = 0;
  for (auto it = rewriting_->spans.lower_bound(rewrite_next_);
       it != rewriting_->spans.end(); ++it) {
    const LiveEntries::Span* span = state_.Find(it->key)->live.Find(it->first);
    const bool alone = !(alone_through_ < *it);
    if (!ranges.empty() &&
        (alone || bytes + span->bytes > options_.rewrite_bytes_max ||
         span->place.end - ranges.front().begin > kRewriteReadBytesMax)) {
      break;
    }
    bytes += span->bytes;
    ranges.push_back(RangeOf(it->key, *span));
    rewrite_next_ = {it->begin, it->first + 1, it->key};
    if (alone) break;
  }
  if (ranges.empty()) return EndPass();
  rewrite_reader_ = std::make_unique<EntryReader>(
      disk_, ranges, [this, ranges](EntryReader::Result result) {
        OnReadForRewrite(ranges, std::move(result));
      });
}

void LogImpl::OnReadForRewrite(const std::vector<EntryRange>& read,
                               EntryReader::Result result) {
  const std::unique_ptr<EntryReader> reader = std::move(rewrite_reader_);
  if (!result.ok()) return OnRewriteReadFailed(read, result.status());
  for (size_t i = 0; i < read.size(); ++i) {
    rewrite_.push_back({read[i].key, std::move((*result)[i])});
  }
  ScheduleFlush();
}

// Bytes that are lost concern few of the ranges, so each is read alone then.
// Other errors may pass.
void LogImpl::OnRewriteReadFailed(const std::vector<EntryRange>& read,
                                  const absl::Status& why) {
  tracer_.Sometimes("log.rewrite_failed");
  if (!absl::IsDataLoss(why) && !absl::IsNotFound(why)) {
    tracer_.Log(
        env::Severity::kError,
        absl::StrCat("log: cannot rewrite an old segment: ", why.ToString()));
    EndRewriting();
    rewrite_retry_at_ = loop_.ReadClock().mono + kRewriteRetry;
    return;
  }
  if (read.size() == 1) {
    skipped_.push_back({read.front(), why});
  } else {
    const auto place = [](const EntryRange& range) {
      return SpanPlace{range.begin, range.first, range.key};
    };
    rewrite_next_ = place(read.front());
    alone_through_ = place(read.back());
  }
  ScheduleFlush();
}

void LogImpl::EndPass() {
  if (!skipped_.empty()) return ReportSkipped();
  CHECK_EQ(rewriting_->live_bytes, 0u);
  EndRewriting();
  tracer_.Sometimes("log.segment_rewritten");
}

void LogImpl::ReportSkipped() {
  const Skipped& first = skipped_.front();
  tracer_.Log(
      env::Severity::kError,
      absl::StrCat("log: ", SegmentName(rewriting_->number),
                   " takes room until snapshots replace entries that cannot be "
                   "read: ",
                   skipped_.size(), " ranges; the first one is ",
                   first.range.count, " entries from ",
                   first.range.first.value(), " of group ",
                   first.range.key.group.value(), ": ", first.why.ToString()));
  Duration retry = kRewriteRetry;
  for (Skipped& skipped : skipped_) {
    const EntryRange& range = skipped.range;
    if (++failed_reads_[{range.key, range.first}] < kUnreadableReads) continue;
    retry = kUnreadableRetry;
    tracer_.Sometimes("log.unreadable_reported");
    callbacks_.Add([this, key = range.key,
                    last = range.first + (range.count - 1),
                    why = std::move(skipped.why)] {
      if (unreadable_ != nullptr) unreadable_(key, last, why);
    });
  }
  EndRewriting();
  rewrite_retry_at_ = loop_.ReadClock().mono + retry;
}

void LogImpl::EndRewriting() {
  rewriting_ = nullptr;
  skipped_.clear();
  rewrite_reader_.reset();
  rewrite_.clear();
}

bool LogImpl::WitnessIsDue() const {
  return unwitnessed_ && (idle_ || !witness_dones_.empty());
}

// The write before it is complete, since one is in flight at a time.
void LogImpl::WriteWitness() {
  if (position_ + kWitnessBytes > allocated_end_) {
    CHECK(spare_.file != nullptr) << "WriteBatch left room";
    return Roll();
  }
  writer_.Add(RecordType::kWitness, 0, GroupKey{}, {});
  writing_witness_ = true;
  ++counters_.witnesses;
  tracer_.Sometimes("log.witness");
  WriteBatch();
}

void LogImpl::OnIdleAlarm() {
  // The end of the write sets the alarm again.
  if (writing_ || !unwitnessed_) return;
  const MonoTime idle_from = written_at_ + options_.witness_delay;
  if (loop_.ReadClock().mono < idle_from) {
    return idle_alarm_.SetFor(idle_from);
  }
  idle_ = true;
  ScheduleFlush();
}

void LogImpl::AnswerWitnesses() {
  if (writing_ || opener_ != nullptr || unwitnessed_ || HasWork()) return;
  if (end_mark_ != nullptr && end_mark_->writing()) return;
  for (Done& done : witness_dones_) {
    CallLater(std::move(done), absl::OkStatus());
  }
  witness_dones_.clear();
}

void LogImpl::WriteBatch() {
  writing_ = true;
  batch_bytes_ = writer_.size_bytes();
  ++write_number_;
  ++counters_.durable_writes;
  counters_.written_bytes += batch_bytes_;
  std::vector<Buffer> pieces = writer_.Take();
  const uint64_t end = position_ + batch_bytes_;
  // A witness finds room, also if the disk is full then: here or, if it is
  // ready, in the next segment.
  const bool leave_room = !writing_witness_ && spare_.file == nullptr;
  const uint64_t needed = end + (leave_room ? kWitnessBytes : 0);
  uint64_t allocated = std::max(allocated_end_, needed);
  if (needed > allocated_end_) {
    if (needed < options_.segment_bytes) {
      // Most of the following writes then change no size and no blocks.
      allocated = std::min((needed / kAllocationUnit + 1) * kAllocationUnit,
                           options_.segment_bytes);
    }
    for (Buffer& zeros : ZeroPieces(allocated - end)) {
      pieces.push_back(std::move(zeros));
    }
  }
  write_began_ = loop_.ReadClock().mono;
  write_pending_ = file_->Write(position_, pieces, env::Durability::kDurable,
                                [this, allocated](absl::Status status) {
                                  if (status.ok()) allocated_end_ = allocated;
                                  OnWritten(std::move(status));
                                });
}

void LogImpl::OnWritten(absl::Status status) {
  // After a failure nothing is acknowledged and no file is freed.
  if (!status_.ok()) return;
  if (!status.ok()) return Fail(status, "a durable write");
  writing_ = false;
  if (on_durable_write_ != nullptr) {
    on_durable_write_(loop_.ReadClock().mono - write_began_, batch_bytes_);
  }
  position_ += batch_bytes_;
  state_.current()->file_bytes = allocated_end_;
  unwitnessed_ = !std::exchange(writing_witness_, false);
  idle_ = false;
  if (!unwitnessed_) {
    // A witness that is lost is no loss of anything else.
    end_mark_->Write();
  } else {
    end_mark_->Note({state_.current()->number, position_});
    written_at_ = loop_.ReadClock().mono;
    idle_alarm_.SetFor(written_at_ + options_.witness_delay);
  }
  Reclaim();
  PrepareSpare();
  AnswerWitnesses();
  if (HasWork() || WitnessIsDue()) ScheduleFlush();
  Destruction::Watch watch(&destruction_);
  auto written = std::move(written_);
  written_.clear();
  for (Done& done : written) {
    if (done != nullptr) done(absl::OkStatus());
    if (watch.destroyed()) return;
  }
}

void LogImpl::Fail(const absl::Status& status, const char* what) {
  if (!status_.ok()) return;
  status_ = absl::Status(
      status.code(),
      absl::StrCat("the log stopped at ", SegmentName(state_.current()->number),
                   ": ", what, " failed: ", status.message(),
                   "; nothing is acknowledged until a restart"));
  if (tracer_.Logs(env::Severity::kError)) {
    tracer_.Log(env::Severity::kError,
                absl::StrCat("log: ", std::string(status_.message())));
  }
  writing_ = true;  // The log never writes again.
  spare_maker_.reset();
  end_mark_.reset();
  for (Done& done : written_) CallLater(std::move(done), status_);
  written_.clear();
  for (Done& done : witness_dones_) CallLater(std::move(done), status_);
  witness_dones_.clear();
  for (Queue* queue : ready_) {
    for (; !queue->items.empty(); queue->items.pop_front()) {
      CallLater(std::move(queue->items.front().done), status_);
    }
  }
  ready_.clear();
  queues_.clear();
}

}  // namespace quorate::raft
