#include "raft/log/live_entries.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "env/check.h"

namespace quorate::raft {
namespace {

constexpr Index kLastIndex(~uint64_t{0});
// A span has at most this many times the bytes of its entries, and so many
// more. Otherwise a reader would read much of other groups. To read so many
// more takes a disk hardly longer than to read a single page.
constexpr uint64_t kReadFactor = 4;
constexpr uint64_t kReadBytesMore = 16 << 10;

// The entries [first, last] of `span`. Its bytes count in proportion, so that
// an entry has at least one.
LiveEntries::Span PartOf(const LiveEntries::Span& span, Index first,
                         Index last) {
  LiveEntries::Span part = span;
  part.first = first;
  part.count = static_cast<uint32_t>(last - first + 1);
  part.bytes =
      static_cast<uint32_t>(uint64_t{span.bytes} * part.count / span.count);
  return part;
}

}  // namespace

const LiveEntries::Span* LiveEntries::Find(Index index) const {
  if (index < begin_) return nullptr;
  const auto next = spans_.upper_bound(index);
  if (next == spans_.begin()) return nullptr;
  const Span& span = *std::prev(next);
  return index <= span.last() ? &span : nullptr;
}

const LiveEntries::Span* LiveEntries::FirstIn(const Segment* segment,
                                              Index from, Index through) const {
  from = std::max(from, begin_);
  auto it = spans_.upper_bound(from);
  if (it != spans_.begin()) --it;
  for (; it != spans_.end() && it->first <= through; ++it) {
    if (it->place.segment == segment && it->last() >= from) return &*it;
  }
  return nullptr;
}

void LiveEntries::Append(const Span& span) {
  if (span.count == 0) return;
  if (!empty()) CHECK_EQ(span.first, last() + 1);
  Add(span);
}

void LiveEntries::TruncateFrom(Index first) {
  Remove(std::max(first, begin_), kLastIndex);
}

void LiveEntries::DropThrough(Index last) {
  if (last < begin_) return;
  const Span* const cut = Find(last);
  if (cut != nullptr && cut->last() > last) Remove(cut->first, last);
  begin_ = last + 1;
}

LiveEntries LiveEntries::RemoveAll() {
  LiveEntries removed(key_);
  removed.begin_ = kLastIndex;
  removed.spans_.swap(spans_);
  return removed;
}

size_t LiveEntries::FreeRemoved(size_t most) {
  size_t freed = 0;
  auto it = spans_.begin();
  for (; freed < most && it != spans_.end() && !IsLive(*it); ++it, ++freed) {
    it->place.segment->live_bytes -= it->bytes;
    it->place.segment->spans.erase(PlaceOf(*it));
  }
  spans_.erase(spans_.begin(), it);
  return freed;
}

void LiveEntries::Move(const Span& span) {
  CHECK(Find(span.first) != nullptr && Find(span.last()) != nullptr)
      << span.first << " to " << span.last();
  Remove(span.first, span.last());
  Add(span);
}

void LiveEntries::Remove(Index first, Index last) {
  auto it = spans_.upper_bound(first);
  if (it != spans_.begin() && std::prev(it)->last() >= first) --it;
  while (it != spans_.end() && it->first <= last) {
    const Span span = *it;
    it = spans_.erase(it);
    span.place.segment->live_bytes -= span.bytes;
    span.place.segment->spans.erase(PlaceOf(span));
    const auto keep = [&](Index from, Index to) {
      const Span part = PartOf(span, from, to);
      part.place.segment->live_bytes += part.bytes;
      part.place.segment->spans.insert(PlaceOf(part));
      it = std::next(spans_.insert(part).first);
    };
    if (span.first < first) keep(span.first, first - 1);
    if (span.last() > last) keep(last + 1, span.last());
  }
}

void LiveEntries::Add(const Span& span) {
  CHECK_GE(span.bytes, span.count);
  span.place.segment->live_bytes += span.bytes;
  const auto next = spans_.lower_bound(span.first);
  if (next != spans_.begin()) {
    const Span& before = *std::prev(next);
    const uint64_t range = span.place.end - before.place.begin;
    if (IsLive(before) && before.last() + 1 == span.first &&
        before.place.segment == span.place.segment &&
        before.place.end <= span.place.begin && range <= kSpanBytesMax &&
        range <= kReadFactor * (before.bytes + span.bytes) + kReadBytesMore) {
      before.count += span.count;
      before.bytes += span.bytes;
      before.place.end = span.place.end;
      return;
    }
  }
  spans_.insert(next, span);
  span.place.segment->spans.insert(PlaceOf(span));
}

}  // namespace quorate::raft
