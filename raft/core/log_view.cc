#include "raft/core/log_view.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::raft {

LogView::LogView(const LogStart& start, Index configured,
                 Configuration configuration) {
  CHECK_LE(start.position.index, configured);
  Reset(start, std::move(configuration));
  configurations_.front().index = configured;
}

Term LogView::TermAt(Index index) const {
  if (index == last_.index) return last_.term;
  if (index == start_.position.index) return start_.position.term;
  if (index < start_.position.index || index > last_.index) return Term();
  return entries_[OffsetOf(index)].term;
}

WallTime LogView::LogTimeAt(Index index) const {
  if (index == last_.index) return last_log_time_;
  if (index == start_.position.index) return start_.log_time;
  return At(index).log_time;
}

const Entry& LogView::At(Index index) const {
  CHECK_GT(index, start_.position.index);
  CHECK_LE(index, last_.index);
  return entries_[OffsetOf(index)];
}

bool LogView::Matches(LogPosition position) const {
  return position.index >= start_.position.index &&
         position.index <= last_.index &&
         TermAt(position.index) == position.term;
}

size_t LogView::SliceByBytes(Index after, Index through, size_t bytes_max,
                             EntryList* slice) const {
  const auto from = entries_.At(OffsetBehind(after, through));
  const uint64_t most = through - after;
  size_t count = 0;
  size_t bytes = 0;
  for (auto it = from; count < most; ++it) {
    const size_t size = it->size_bytes();
    if (count > 0 && bytes + size > bytes_max) break;
    bytes += size;
    ++count;
  }
  slice->AppendSlice(entries_, from, count);
  return bytes;
}

size_t LogView::BytesIn(Index after, Index through) const {
  auto it = entries_.At(OffsetBehind(after, through));
  size_t bytes = 0;
  for (Index i = after; i < through; i = i + 1, ++it) bytes += it->size_bytes();
  return bytes;
}

void LogView::Append(Entry entry) {
  if (entry.payload.block_size() > 2 * entry.payload.size()) {
    entry.payload = Buffer::Copy(entry.payload.view());
  }
  Admit(entry);
  entries_.push_back(std::move(entry));
}

void LogView::Append(const EntryList& entries, size_t from) {
  PayloadCopier copier;
  for (auto it = entries.At(from); it != entries.end(); ++it) {
    Entry entry = *it;
    entry.payload = copier.Take(it, entries.end());
    Admit(entry);
    entries_.push_back(std::move(entry));
  }
}

void LogView::Adopt(const EntryList& entries) {
  for (const Entry& entry : entries) Admit(entry);
  entries_.Append(entries);
}

void LogView::Admit(const Entry& entry) {
  CHECK_EQ(entry.index, last_.index + 1);
  CHECK_GE(entry.term, last_.term);
  CHECK_GE(entry.log_time, last_log_time_);
  if (entry.kind == EntryKind::kConfiguration &&
      entry.index > configurations_.front().index) {
    auto decoded = DecodeConfiguration(entry.payload.view());
    CHECK(decoded.ok()) << decoded.status().ToString();
    configurations_.push_back({entry.index, *std::move(decoded)});
  }
  last_ = entry.position();
  last_log_time_ = entry.log_time;
  size_bytes_ += entry.size_bytes();
}

void LogView::TruncateFrom(Index first) {
  CHECK_GT(first, start_.position.index);
  CHECK_LE(first, last_.index);
  size_bytes_ -= BytesIn(first - 1, last_.index);
  last_log_time_ = LogTimeAt(first - 1);
  last_ = {TermAt(first - 1), first - 1};
  entries_.Truncate(OffsetOf(first));
  while (configurations_.size() > 1 && configurations_.back().index >= first) {
    configurations_.pop_back();
  }
}

size_t LogView::FindConflict(const EntryList& entries, size_t from) const {
  size_t offset = from;
  for (auto it = entries.At(from); it != entries.end(); ++it) {
    if (!Matches(it->position())) break;
    ++offset;
  }
  return offset;
}

void LogView::CompactTo(Index index) {
  CHECK_GE(index, start_.position.index);
  CHECK_LE(index, last_.index);
  if (index == start_.position.index) return;
  const LogPosition position{TermAt(index), index};
  const WallTime log_time = LogTimeAt(index);
  auto it = entries_.begin();
  for (Index i = start_.position.index; i < index; i = i + 1, ++it) {
    size_bytes_ -= it->size_bytes();
    start_.latest = std::max(start_.latest, it->bounded_latest());
  }
  entries_.RemovePrefix(index - start_.position.index);
  start_.position = position;
  start_.log_time = log_time;
  while (configurations_.size() > 1 && configurations_[1].index <= index) {
    configurations_.erase(configurations_.begin());
  }
}

void LogView::Reset(const LogStart& start, Configuration configuration) {
  entries_ = {};
  size_bytes_ = 0;
  configurations_.clear();
  configurations_.push_back({start.position.index, std::move(configuration)});
  start_ = start;
  last_ = start.position;
  last_log_time_ = start.log_time;
}

LogPosition LogView::FindConflictByTerm(Index index, Term term) const {
  const LogPosition& base = start_.position;
  const Index from = std::min(index, last_.index);
  if (from < base.index || base.term > term) return {};
  // Terms never fall along a log. The position at `low` has no higher term.
  Index low = base.index;
  Index high = from;
  while (low < high) {
    const Index middle = low + (high - low + 1) / 2;
    if (TermAt(middle) <= term) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return {TermAt(low), low};
}

const Configuration& LogView::ConfigurationAt(Index index) const {
  CHECK_GE(index, configurations_.front().index);
  CHECK_GE(index, start_.position.index);
  CHECK_LE(index, last_.index);
  auto placed = configurations_.rbegin();
  while (placed->index > index) ++placed;
  return placed->configuration;
}

}  // namespace quorate::raft
