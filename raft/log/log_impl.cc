#include "raft/log/log_impl.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::raft {
namespace {

// Number of unused files that are kept to be overwritten. Others are removed.
// Snapshots free as many at a time by default. Without them each further
// segment is filled with zeros first, so the disk writes everything twice.
constexpr size_t kUnusedFilesMax = 4;
// Rewriting begins when files take more than kSpaceFactor times the bytes of
// live entries plus LogOptions::slack_segments segments.
constexpr uint64_t kSpaceFactor = 4;
// The next segment is prepared when this part of the present one is written.
constexpr uint64_t kSpareAfterPart = 16;
// After an error, a spare segment and rewriting are tried again so much later.
constexpr Duration kSpareRetry = Seconds(1);
constexpr Duration kRewriteRetry = Seconds(1);
// Entries that cannot be read so often are reported, and tried again later.
constexpr int kUnreadableReads = 3;
constexpr Duration kUnreadableRetry = Seconds(10);
// One read to rewrite entries has at most so many bytes, or one record.
constexpr uint64_t kRewriteReadBytesMax = 1 << 20;
// While no next segment is ready, the present one grows up to this many times
// its size, and not beyond kSegmentEndMax.
constexpr uint64_t kGrowthFactor = 32;
constexpr uint64_t kSegmentEndMax = uint64_t{2} << 30;
// A write beyond the allocated space allocates up to the next multiple of it.
constexpr uint64_t kAllocationUnit = 64 << 10;
constexpr size_t kZeroBytesMin = 64 << 10;
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
      write_number_(start.write_number),
      idle_alarm_(env.loop, [this] { OnIdleAlarm(); }),
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

void LogImpl::Drop(GroupKey group, Done done) {
  // A fenced group may be dropped: its damaged records are then not needed.
  const absl::Status refusal = Refusal(group);
  if (!status_.ok() || absl::IsFailedPrecondition(refusal)) {
    return CallLater(std::move(done), refusal);
  }
  Item item;
  item.type = RecordType::kDrop;
  item.done = std::move(done);
  Enqueue(group, std::move(item));
  queues_.at(group).dropping = true;
}

void LogImpl::Witness(Done done) {
  if (!status_.ok()) return CallLater(std::move(done), status_);
  witness_dones_.push_back(std::move(done));
  // Rewriting would go on for a while. The part that is written is valid.
  if (rewriting_ != nullptr) EndRewriting();
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
  return {key,
          span.first,
          span.count,
          segment,
          SegmentSeed(options_.cluster, options_.store, segment),
          span.place.begin,
          span.place.end};
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
      const uint64_t begin = position_ + writer_.size_bytes();
      writer_.AddEntries(item.type, key, hard_state, item.commit, entries);
      state_.Append(state_.group(key), hard_state, item.commit, entries, begin,
                    position_ + writer_.size_bytes());
      item.entries_written += record.entries;
      if (item.entries_written < item.entries.size()) return;
      break;
    }
    case RecordType::kLogStart: {
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
      writer_.Add(item.type, 0, key, {});
      state_.Drop(key);
      recovered_.erase(key);
      break;
    default:
      CHECK(false) << "no item has type " << static_cast<int>(item.type);
  }
  written_.push_back(std::move(item.done));
  queue.items.pop_front();
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
  position_ += batch_bytes_;
  state_.current()->file_bytes = allocated_end_;
  unwitnessed_ = !std::exchange(writing_witness_, false);
  idle_ = false;
  if (unwitnessed_) {
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

uint64_t LogImpl::SegmentEnd() const {
  if (spare_.file != nullptr) return allocated_end_;
  return std::min(options_.segment_bytes * kGrowthFactor, kSegmentEndMax);
}

void LogImpl::Roll() {
  if (spare_.file == nullptr) {
    roll_waits_ = true;
    return PrepareSpare();
  }
  const uint64_t allocated_bytes = spare_.made.bytes;
  SegmentOpening opening;
  opening.header = {options_.cluster,
                    options_.store,
                    ParseSegmentName(spare_.made.name),
                    {state_.current()->number, position_}};
  opening.write_number = ++write_number_;
  opening.states = state_.States();
  opener_ = std::make_unique<SegmentOpener>(
      std::move(spare_.file), opening, options_.batch_bytes_max,
      [this, number = opening.header.number,
       allocated_bytes](absl::StatusOr<SegmentOpener::Opened> opened) {
        OnRolled(std::move(opened), number, allocated_bytes);
      });
}

void LogImpl::OnRolled(absl::StatusOr<SegmentOpener::Opened> opened,
                       uint64_t number, uint64_t allocated_bytes) {
  if (!opened.ok()) return Fail(opened.status(), "beginning the next segment");
  tracer_.Sometimes("log.segment_begun");
  file_ = std::move(opened->file);
  position_ = opening_end_ = opened->end;
  allocated_end_ = std::max(position_, allocated_bytes);
  state_.AddSegment(number, allocated_end_);
  segment_seed_ = SegmentSeed(options_.cluster, options_.store, number);
  counters_.durable_writes += opened->writes;
  counters_.written_bytes += opened->written_bytes;
  opener_.reset();
  unwitnessed_ = idle_ = false;
  AnswerWitnesses();
  ScheduleFlush();
}

void LogImpl::KeepOrRemove(UnusedFile file) {
  if (unused_.size() >= kUnusedFilesMax ||
      file.bytes > 2 * options_.segment_bytes) {
    remover_.Remove(std::move(file.name));
  } else {
    unused_.push_back(std::move(file));
  }
}

// A shorter file must grow, which a full disk does not allow.
UnusedFile LogImpl::TakeLongestUnused() {
  const auto longest = std::max_element(
      unused_.begin(), unused_.end(),
      [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  UnusedFile file = std::move(*longest);
  unused_.erase(longest);
  return file;
}

bool LogImpl::GiveBackUnused() {
  const bool next_is_made = spare_.file != nullptr || spare_maker_ != nullptr;
  if (!status_.ok() || unused_.size() <= (next_is_made ? 0 : 1)) return false;
  std::deque<UnusedFile> kept;
  if (!next_is_made) kept.push_back(TakeLongestUnused());
  for (UnusedFile& file : unused_) remover_.Remove(std::move(file.name));
  unused_ = std::move(kept);
  tracer_.Sometimes("log.unused_files_given_back");
  return true;
}

void LogImpl::PrepareSpare() {
  const bool due = roll_waits_ || position_ - opening_end_ >=
                                      options_.segment_bytes / kSpareAfterPart;
  if (!status_.ok() || !due || spare_.file != nullptr ||
      spare_maker_ != nullptr) {
    return;
  }
  if ((!roll_waits_ || lacks_descriptors_) &&
      loop_.ReadClock().mono < spare_retry_at_) {
    if (!roll_waits_) return;
    tracer_.Sometimes("log.roll_waits_for_descriptors");
    spare_retry_ = loop_.At(spare_retry_at_, [this] { PrepareSpare(); });
    return;
  }
  SpareSegment::Options options;
  options.number = ++last_number_;
  options.bytes = options_.segment_bytes;
  options.piece_bytes =
      buggify_.Fire("log.small_preallocation")
          ? kZeroBytesMin
          : std::max(options_.preallocation_bytes_max, kZeroBytesMin);
  if (!unused_.empty() && !buggify_.Fire("log.new_file")) {
    options.recycled = TakeLongestUnused();
    tracer_.Sometimes("log.segment_recycled");
  }
  spare_maker_ = std::make_unique<SpareSegment>(
      disk_, options,
      [this, recycled = options.recycled.name](SpareSegment::Result spare) {
        spare_maker_.reset();
        if (!spare.status.ok() && !recycled.empty()) remover_.Remove(recycled);
        OnSpare(std::move(spare));
      });
}

void LogImpl::OnSpare(SpareSegment::Result spare) {
  if (spare.status.ok()) {
    spare_ = std::move(spare);
    roll_waits_ = false;
    spare_warning_.Reset();
    return ScheduleFlush();
  }
  tracer_.Sometimes("log.spare_discarded");
  if (spare.lacks_descriptors != lacks_descriptors_) spare_warning_.Reset();
  spare_warning_.Log(absl::StrCat("log: cannot prepare ", spare.made.name),
                     spare.status);
  spare_retry_at_ = loop_.ReadClock().mono + kSpareRetry;
  if (spare.reusable) {
    unused_.push_front(std::move(spare.made));
  } else {
    remover_.Remove(std::move(spare.made.name));
  }
  lacks_descriptors_ = spare.lacks_descriptors;
  // If the roll waits, that sets the timer.
  if (lacks_descriptors_) return PrepareSpare();
  if (absl::IsResourceExhausted(spare.status) && GiveBackUnused()) {
    return remover_.SyncDirectory([this](absl::Status) {
      spare_retry_at_ = MonoTime::Min();
      PrepareSpare();
    });
  }
  if (roll_waits_) Fail(spare.status, "preparing the next segment");
}

// Called only when a record behind the opening of the current segment is
// durable. Before that, recovery cannot distinguish damage to the opening from
// an unfinished opening. It would then fall back on the segments that are freed
// here.
void LogImpl::Reclaim() {
  CHECK_GT(position_, opening_end_);
  auto& segments = state_.segments();
  while (segments.size() > 1 && segments.front()->live_bytes == 0 &&
         segments.front()->readers == 0) {
    if (rewriting_ == segments.front().get()) EndRewriting();
    UnusedFile file{SegmentName(segments.front()->number),
                    segments.front()->file_bytes};
    segments.pop_front();
    failed_reads_.clear();
    KeepOrRemove(std::move(file));
  }
  if (rewriting_ == nullptr && witness_dones_.empty() && segments.size() > 1 &&
      segments.front()->live_bytes > 0 &&
      loop_.ReadClock().mono >= rewrite_retry_at_ &&
      (state_.file_bytes() >
           kSpaceFactor * state_.live_bytes() +
               options_.slack_segments * options_.segment_bytes ||
       buggify_.Fire("log.rewrite_early"))) {
    BeginRewriting(segments.front().get());
  }
}

}  // namespace quorate::raft
