#include "raft/core/log_view.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {
// Marks are at least so far from each other, in bytes or in entries.
constexpr size_t kMarkBytes = 64 << 10;
constexpr uint64_t kMarkEntries = 1024;
}  // namespace

LogView::LogView(const LogStart& start, Index configured,
                 Configuration configuration) {
  CHECK_LE(start.position.index, configured);
  Reset(start, Configuration());
  SetConfiguration(configured, std::move(configuration));
}

void LogView::SetConfiguration(Index configured, Configuration configuration) {
  configurations_.clear();
  configured_ = configured;
  if (configuration == kNoConfiguration) return;
  configurations_.push_back({configured, std::move(configuration)});
}

Term LogView::TermAt(Index index) const {
  if (index == last_.index) return last_.term;
  if (index == evicted()) return resident_.position.term;
  if (index < start_.position.index || index > last_.index) return Term();
  return index < evicted() ? EvictedTermAt(index)
                           : entries_[OffsetOf(index)].term;
}

Term LogView::EvictedTermAt(Index index) const {
  if (index == start_.position.index) return start_.position.term;
  const std::vector<LogPosition>& terms = evicted_->terms;
  const auto next = std::upper_bound(
      terms.begin(), terms.end(), index,
      [](Index i, const LogPosition& first) { return i < first.index; });
  CHECK(next != terms.begin()) << index;
  return std::prev(next)->term;
}

WallTime LogView::LogTimeAt(Index index) const {
  if (index == last_.index) return last_log_time_;
  if (index == evicted()) return resident_.log_time;
  return At(index).log_time;
}

const Entry& LogView::At(Index index) const {
  CHECK_GT(index, evicted());
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
  return slice->AppendByBytes(entries_, OffsetBehind(after, through),
                              through - after, bytes_max);
}

Index LogView::CutBefore(Index through, size_t bytes) const {
  CHECK_GE(through, start_.position.index);
  CHECK_LE(through, last_.index);
  size_t left = bytes;
  Index cut = through;
  if (cut > evicted()) {
    const size_t end = cut - evicted();
    const size_t kept = entries_.CountBefore(end, &left);
    cut = cut - kept;
    if (kept < end) return cut;
  }
  if (!evicted_.has_value()) return start_.position.index;
  size_t behind = bytes - left;
  const std::vector<Mark>& marks = evicted_->marks;
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    if (mark->start.position.index > cut) continue;
    cut = mark->start.position.index;
    behind += mark->bytes;
    if (behind > bytes) return cut;
  }
  return start_.position.index;
}

size_t LogView::BytesThrough(Index index) const {
  if (index <= start_.position.index) return 0;
  if (index >= evicted()) return evicted_bytes() + BytesIn(evicted(), index);
  size_t bytes = 0;
  for (const Mark& mark : evicted_->marks) {
    if (mark.start.position.index > index) break;
    bytes += mark.bytes;
  }
  return bytes;
}

Index LogView::CutToKeep(size_t bytes) const {
  Index cut = evicted();
  size_t behind = resident_bytes_;
  for (auto it = entries_.begin(); behind > bytes; ++it) {
    behind -= it->size_bytes();
    cut = cut + 1;
  }
  return cut;
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
  if (entry.kind == EntryKind::kConfiguration && entry.index > configured_) {
    auto decoded = DecodeConfiguration(entry.payload.view());
    const bool known =
        decoded.ok() && entry.version == kEntryVersion && entry.flags == 0;
    if (known) {
      // Their copy is not needed: they are the end of the payload.
      Buffer& parameters = decoded->parameters;
      if (!parameters.empty()) {
        parameters =
            entry.payload.Suffix(entry.payload.size() - parameters.size());
      }
      configurations_.push_back({entry.index, *std::move(decoded)});
    } else if (unknown_configuration_ == Index()) {
      unknown_configuration_ = entry.index;
    }
  }
  last_ = entry.position();
  last_log_time_ = entry.log_time;
  resident_bytes_ += entry.size_bytes();
}

void LogView::TruncateFrom(Index first) {
  CHECK_GT(first, evicted());
  CHECK_LE(first, last_.index);
  resident_bytes_ -= BytesIn(first - 1, last_.index);
  last_log_time_ = LogTimeAt(first - 1);
  last_ = {TermAt(first - 1), first - 1};
  RemoveLast(entries_.size() - OffsetOf(first));
  while (configuration_index() > configured_ &&
         configuration_index() >= first) {
    configurations_.pop_back();
  }
  if (first <= unknown_configuration_) unknown_configuration_ = Index();
}

size_t LogView::FindConflict(const EntryList& entries, size_t from) const {
  size_t offset = from;
  for (auto it = entries.At(from); it != entries.end(); ++it) {
    if (!Matches(it->position())) break;
    ++offset;
  }
  return offset;
}

void LogView::RemoveFirst(size_t count) {
  removed_.AppendSlice(entries_, entries_.begin(), count);
  entries_.RemovePrefix(count);
}

void LogView::RemoveLast(size_t count) {
  const size_t left = entries_.size() - count;
  removed_.AppendSlice(entries_, entries_.At(left), count);
  entries_.Truncate(left);
}

void LogView::AddMark(size_t bytes) {
  resident_bytes_ -= bytes;
  evicted_->bytes += bytes;
  std::vector<Mark>& marks = evicted_->marks;
  // The last mark moves while few entries are behind the one before.
  const Index before = marks.size() < 2
                           ? start_.position.index
                           : marks[marks.size() - 2].start.position.index;
  if (!marks.empty() && marks.back().bytes + bytes <= kMarkBytes &&
      evicted() - before <= kMarkEntries) {
    marks.back().start = resident_;
    marks.back().bytes += bytes;
  } else {
    marks.push_back({resident_, bytes});
  }
}

void LogView::EvictTo(Index index) {
  CHECK_GE(index, evicted());
  CHECK_LE(index, last_.index);
  const size_t count = index - evicted();
  if (count == 0) return;
  std::vector<LogPosition>& terms = evicted_.Mutable().terms;
  auto it = entries_.begin();
  while (evicted() < index) {
    const Index from = evicted();
    size_t bytes = 0;
    do {
      if (it->term != (terms.empty() ? Term() : terms.back().term)) {
        terms.push_back(it->position());
      }
      bytes += it->size_bytes();
      resident_.position = it->position();
      resident_.log_time = it->log_time;
      resident_.latest = std::max(resident_.latest, it->bounded_latest());
      ++it;
    } while (evicted() < index && bytes < kMarkBytes &&
             evicted() - from < kMarkEntries);
    AddMark(bytes);
  }
  RemoveFirst(count);
}

void LogView::DropMarksThrough(Index index) {
  if (!evicted_.has_value()) return;
  auto& [marks, terms, bytes] = *evicted_;
  auto end = marks.begin();
  for (; end != marks.end() && end->start.position.index <= index; ++end) {
    bytes -= end->bytes;
    start_ = end->start;
  }
  marks.erase(marks.begin(), end);
  // The first position that is left may be that of a removed entry.
  auto first = terms.begin();
  while (first != terms.end() && std::next(first) != terms.end() &&
         std::next(first)->index <= start_.position.index + 1) {
    ++first;
  }
  terms.erase(terms.begin(), first);
}

void LogView::CompactTo(Index index) {
  CHECK_GE(index, start_.position.index);
  CHECK_LE(index, last_.index);
  DropMarksThrough(index);
  if (index > evicted()) {
    const size_t count = index - evicted();
    const EntryList::Totals totals = entries_.TotalsOf(0, count);
    resident_ = {.position = {TermAt(index), index},
                 .log_time = LogTimeAt(index),
                 .latest = std::max(resident_.latest, totals.latest)};
    resident_bytes_ -= totals.size_bytes;
    RemoveFirst(count);
    start_ = resident_;
    evicted_.reset();
  }
  while (configurations_.size() > 1 &&
         configurations_[1].index <= start_.position.index) {
    configurations_.erase(configurations_.begin());
  }
}

void LogView::Reset(const LogStart& start, Configuration configuration) {
  RemoveFirst(entries_.size());
  resident_bytes_ = 0;
  evicted_.reset();
  SetConfiguration(start.position.index, std::move(configuration));
  unknown_configuration_ = Index();
  start_ = resident_ = start;
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
  CHECK_GE(index, configured_);
  CHECK_GE(index, start_.position.index);
  CHECK_LE(index, last_.index);
  auto placed = configurations_.rbegin();
  while (placed != configurations_.rend() && placed->index > index) ++placed;
  return placed == configurations_.rend() ? kNoConfiguration
                                          : placed->configuration;
}

}  // namespace quorate::raft
