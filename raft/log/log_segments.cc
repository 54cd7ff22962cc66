// The part of LogImpl that begins segments and frees them.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/log/log_impl.h"

namespace quorate::raft {
namespace {

// Number of unused files that are kept to be overwritten. Others are removed.
// Snapshots of a few groups free as many at a time by default. Without them
// each further segment is filled with zeros first, so the disk writes
// everything twice.
constexpr size_t kUnusedFilesMax = 16;
// Rewriting begins when files take more than kSpaceFactor times the bytes of
// live entries plus LogOptions::slack_segments segments.
constexpr uint64_t kSpaceFactor = 4;
// The next segment is prepared when this part of the present one is written.
constexpr uint64_t kSpareAfterPart = 16;
// From then on it is filled so many times as fast as the present one. Zeros at
// the full speed of the disk would delay each write of the log.
constexpr uint64_t kSparePace = 2;
// After an error, a spare segment is tried again so much later.
constexpr Duration kSpareRetry = Seconds(1);
// While no next segment is ready, the present one grows up to this many times
// its size, and not beyond kSegmentEndMax.
constexpr uint64_t kGrowthFactor = 32;
constexpr uint64_t kSegmentEndMax = uint64_t{2} << 30;
constexpr size_t kZeroBytesMin = 64 << 10;
// A turn frees so many spans of removed entries, or this part of all spans. The
// part keeps pace with turns that remove more than the number.
constexpr size_t kTurnSpans = 1024;
constexpr size_t kTurnPart = 256;

}  // namespace

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

uint64_t LogImpl::SpareLimit() const {
  if (roll_waits_) return options_.segment_bytes;
  return kSparePace * (position_ - opening_end_) -
         options_.segment_bytes / kSpareAfterPart;
}

void LogImpl::PrepareSpare() {
  const bool due = roll_waits_ || position_ - opening_end_ >=
                                      options_.segment_bytes / kSpareAfterPart;
  if (!status_.ok() || !due || spare_.file != nullptr) return;
  if (spare_maker_ != nullptr) return spare_maker_->RaiseLimit(SpareLimit());
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
  spare_maker_->RaiseLimit(SpareLimit());
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
  if (rewriting_ == nullptr && !state_.has_removed() &&
      witness_dones_.empty() && segments.size() > 1 &&
      segments.front()->live_bytes > 0 &&
      loop_.ReadClock().mono >= rewrite_retry_at_ &&
      (state_.file_bytes() >
           kSpaceFactor * state_.live_bytes() +
               options_.slack_segments * options_.segment_bytes ||
       buggify_.Fire("log.rewrite_early"))) {
    BeginRewriting(segments.front().get());
  }
}

// While spans wait, their segments count as live and stay. Nothing is rewritten
// meanwhile, since it would be for their sake.
std::vector<GroupKey> LogImpl::FreeRemoved() {
  const size_t most = buggify_.Fire("log.few_spans_freed")
                          ? 1
                          : std::max(kTurnSpans, state_.spans() / kTurnPart);
  std::vector<GroupKey> ended = state_.FreeRemoved(most);
  freeing_ = state_.has_removed();
  if (freeing_) {
    if (rewriting_ != nullptr) EndRewriting();
    tracer_.Sometimes("log.removed_spans_wait");
    free_pending_ = loop_.At(loop_.ReadClock().mono, [this] { OnFreeTimer(); });
  }
  return ended;
}

// A segment is freed only when the records that removed its entries are
// durable. If a write is in flight, its end calls Reclaim.
void LogImpl::OnFreeTimer() {
  if (!status_.ok()) return;
  if (writing_) tracer_.Sometimes("log.spans_freed_during_a_write");
  for (const GroupKey& key : FreeRemoved()) {
    callbacks_.Add([this, key] {
      if (places_freed_ != nullptr) places_freed_(key);
    });
  }
  if (freeing_ || writing_ || opener_ != nullptr || position_ == opening_end_) {
    return;
  }
  Reclaim();
  if (HasWork()) ScheduleFlush();
}

}  // namespace quorate::raft
