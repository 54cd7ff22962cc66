#include "raft/core/log_view.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::raft {

LogView::LogView(Start start) { Reset(std::move(start)); }

LogPosition LogView::last() const {
  return entries_.size() == head_ ? start_.position
                                  : entries_.back().position();
}

Term LogView::TermAt(Index index) const {
  if (index == start_.position.index) return start_.position.term;
  if (index < start_.position.index || index > last().index) return Term();
  return entries_[OffsetOf(index)].term;
}

WallTime LogView::LogTimeAt(Index index) const {
  if (index == start_.position.index) return start_.log_time;
  return At(index).log_time;
}

const Entry& LogView::At(Index index) const {
  CHECK_GT(index, start_.position.index);
  CHECK_LE(index, last().index);
  return entries_[OffsetOf(index)];
}

bool LogView::Matches(LogPosition position) const {
  return position.index >= start_.position.index &&
         position.index <= last().index &&
         TermAt(position.index) == position.term;
}

absl::Span<const Entry> LogView::Slice(Index after, Index through) const {
  CHECK_GE(after, start_.position.index);
  CHECK_LE(after, through);
  CHECK_LE(through, last().index);
  return absl::MakeConstSpan(entries_).subspan(OffsetOf(after + 1),
                                               through - after);
}

absl::Span<const Entry> LogView::SliceByBytes(Index after,
                                              size_t bytes_max) const {
  const absl::Span<const Entry> all = Slice(after, last().index);
  size_t count = 0;
  size_t bytes = 0;
  while (count < all.size()) {
    bytes += all[count].size_bytes();
    if (count > 0 && bytes > bytes_max) break;
    ++count;
  }
  return all.first(count);
}

void LogView::Append(Entry entry) {
  const LogPosition end = last();
  CHECK_EQ(entry.index, end.index + 1);
  CHECK_GE(entry.term, end.term);
  CHECK_GE(entry.log_time, LogTimeAt(end.index));
  if (entry.kind == EntryKind::kConfiguration) {
    auto decoded = DecodeConfiguration(entry.payload.view());
    CHECK(decoded.ok()) << decoded.status().ToString();
    configurations_.push_back({entry.index, *std::move(decoded)});
  }
  entries_.push_back(std::move(entry));
}

void LogView::TruncateFrom(Index first) {
  CHECK_GT(first, start_.position.index);
  CHECK_LE(first, last().index);
  entries_.resize(OffsetOf(first));
  while (configurations_.size() > 1 && configurations_.back().index >= first) {
    configurations_.pop_back();
  }
}

size_t LogView::FindConflict(absl::Span<const Entry> entries) const {
  size_t offset = 0;
  while (offset < entries.size() && Matches(entries[offset].position()))
    ++offset;
  return offset;
}

void LogView::CompactTo(Index index) {
  CHECK_GE(index, start_.position.index);
  CHECK_LE(index, last().index);
  if (index == start_.position.index) return;
  const Entry& entry = At(index);
  const LogPosition position = entry.position();
  const WallTime log_time = entry.log_time;
  const size_t end = OffsetOf(index) + 1;
  for (; head_ < end; ++head_) entries_[head_].payload = Buffer();
  start_.position = position;
  start_.log_time = log_time;
  while (configurations_.size() > 1 && configurations_[1].index <= index) {
    configurations_.erase(configurations_.begin());
  }
  // At most one entry is moved for each one that is erased.
  if (head_ >= entries_.size() - head_) {
    entries_.erase(entries_.begin(),
                   entries_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

void LogView::Reset(Start start) {
  entries_.clear();
  head_ = 0;
  configurations_.clear();
  configurations_.push_back(
      {start.position.index, std::move(start.configuration)});
  start_.position = start.position;
  start_.log_time = start.log_time;
}

LogPosition LogView::FindConflictByTerm(Index index, Term term) const {
  const LogPosition& base = start_.position;
  const Index from = std::min(index, last().index);
  if (from < base.index || base.term > term) return {};
  const absl::Span<const Entry> entries = Slice(base.index, from);
  // Terms never fall along a log.
  const auto above = std::partition_point(
      entries.begin(), entries.end(),
      [term](const Entry& entry) { return entry.term <= term; });
  if (above == entries.begin()) return base;
  return std::prev(above)->position();
}

const Configuration& LogView::ConfigurationAt(Index index) const {
  CHECK_GE(index, start_.position.index);
  CHECK_LE(index, last().index);
  auto placed = configurations_.rbegin();
  while (placed->index > index) ++placed;
  return placed->configuration;
}

}  // namespace quorate::raft
