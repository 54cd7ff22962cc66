// LiveEntries against a model that has the record of each entry.
#include "raft/log/live_entries.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace quorate::raft {
namespace {

constexpr GroupKey kKey = {GroupId(1), ReplicaId(2)};

struct Model {
  Index first{1};
  std::vector<RecordPlace> entries;

  uint64_t size() const { return entries.size(); }
  Index next() const { return first + entries.size(); }
};

// A record of `count` entries from `first` on, behind all others of its
// segment, and perhaps far behind.
LiveEntries::Span AnyRecord(Index first, uint32_t count,
                            std::vector<Segment>* segments,
                            std::vector<uint64_t>* ends) {
  const auto at = *rc::gen::inRange<size_t>(0, segments->size());
  const uint64_t begin =
      (*ends)[at] + *rc::gen::element<uint64_t>(0, 0, 0, 8, 100'000);
  const uint32_t bytes = count * *rc::gen::element<uint32_t>(64, 100, 5000);
  (*ends)[at] = begin + bytes;
  return {first, {&(*segments)[at], begin, begin + bytes}, count, bytes};
}

// Each span stands once in the list of its segment, at its place.
void CheckSegments(const LiveEntries& live, const LiveEntries& removed,
                   const Model& model, const std::vector<Segment>& segments) {
  size_t spans = 0;
  for (Index at = model.first; at < model.next(); ++spans) {
    const LiveEntries::Span* span = live.Find(at);
    const auto& here = span->place.segment->spans;
    const auto found = here.find({span->place.begin, span->first, kKey});
    RC_ASSERT((found != here.end() && found->key == kKey));
    at = span->last() + 1;
  }
  RC_ASSERT(live.spans() >= spans);
  RC_ASSERT((live.spans() == spans) == !live.has_removed());
  spans = live.spans() + removed.spans();
  for (const Segment& one : segments) spans -= one.spans.size();
  RC_ASSERT(spans == 0u);
}

void Check(const LiveEntries& live, const LiveEntries& removed,
           const Model& model, const std::vector<Segment>& segments) {
  RC_ASSERT(live.empty() == model.entries.empty());
  RC_ASSERT((live.Find(model.first - 1) == nullptr));
  RC_ASSERT((live.Find(model.next()) == nullptr));
  if (!live.empty()) RC_ASSERT(live.last() + 1 == model.next());
  for (uint64_t i = 0; i < model.size(); ++i) {
    const LiveEntries::Span* span = live.Find(model.first + i);
    const RecordPlace& place = model.entries[i];
    RC_ASSERT((span != nullptr));
    RC_ASSERT((span->place.segment == place.segment));
    RC_ASSERT(span->place.begin <= place.begin);
    RC_ASSERT(place.end <= span->place.end);
    // It is one record, or small.
    RC_ASSERT(span->place.end - span->place.begin <=
              std::max(place.end - place.begin, LiveEntries::kSpanBytesMax));
  }
  for (const Segment& one : segments) {
    uint64_t count = 0;
    Index first;
    for (uint64_t i = 0; i < model.size(); ++i) {
      if (model.entries[i].segment != &one) continue;
      if (count++ == 0) first = model.first + i;
    }
    RC_ASSERT(one.live_bytes >= 64 * count);
    RC_ASSERT(one.live_bytes > 0 || count == 0);
    if (!live.has_removed() && !removed.has_removed()) {
      RC_ASSERT((one.live_bytes == 0) == (count == 0));
    }
    const Index last = model.next();
    const LiveEntries::Span* span = live.FirstIn(&one, model.first, last);
    RC_ASSERT((span == nullptr) == (count == 0));
    if (span == nullptr) continue;
    RC_ASSERT(std::max(span->first, model.first) == first);
    RC_ASSERT((live.FirstIn(&one, model.first, first - 1) == nullptr));
    RC_ASSERT((live.FirstIn(&one, model.first, first) == span));
    // From the end of that span on, the next one follows.
    const LiveEntries::Span* next = live.FirstIn(&one, span->last() + 1, last);
    RC_ASSERT((next == nullptr || next->first > span->last()));
  }
  CheckSegments(live, removed, model, segments);
}

RC_GTEST_PROP(LiveEntriesTest, AnyHistory_AgreesWithTheModel, ()) {
  std::vector<Segment> segments(4);
  std::vector<uint64_t> ends(4, 64);
  LiveEntries live(kKey);
  std::optional<LiveEntries> removed(kKey);
  Model model;
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
      case 1:
      case 2: {
        const auto span = AnyRecord(
            model.next(), *rc::gen::inRange<uint64_t>(1, 20), &segments, &ends);
        live.Append(span);
        model.entries.resize(model.size() + span.count, span.place);
        break;
      }
      case 3: {
        const auto size = *rc::gen::inRange<size_t>(0, model.size() + 1);
        live.TruncateFrom(model.first + size);
        model.entries.resize(size);
        break;
      }
      case 4: {
        const auto count = *rc::gen::inRange<size_t>(0, model.size() + 1);
        live.DropThrough(model.first + count - 1);
        model.first = model.first + count;
        model.entries.erase(
            model.entries.begin(),
            model.entries.begin() + static_cast<ptrdiff_t>(count));
        break;
      }
      case 5: {
        const auto most = *rc::gen::inRange<size_t>(1, 10);
        const size_t before = live.spans();
        const size_t freed = live.FreeRemoved(most);
        RC_ASSERT(freed <= most);
        RC_ASSERT(live.spans() == before - freed);
        RC_ASSERT((freed == most || !live.has_removed()));
        removed->FreeRemoved(most);
        break;
      }
      case 6:
        if (removed->spans() > 0) break;
        removed.emplace(live.RemoveAll());
        model.entries.clear();  // Later entries may have the same indexes.
        break;
      default: {
        if (model.entries.empty()) break;
        const auto offset = *rc::gen::inRange<size_t>(0, model.size());
        const auto count =
            *rc::gen::inRange<size_t>(1, model.size() - offset + 1);
        const auto span =
            AnyRecord(model.first + offset, count, &segments, &ends);
        live.Move(span);
        for (size_t i = 0; i < count; ++i) {
          model.entries[offset + i] = span.place;
        }
        break;
      }
    }
    Check(live, *removed, model, segments);
  }
}

// Ten thousand small records of one write after another take few spans.
TEST(LiveEntriesTest, SmallRecords_ShareSpans) {
  Segment segment;
  LiveEntries live(kKey);
  constexpr uint64_t kRecords = 10'000;
  for (uint64_t i = 0; i < kRecords; ++i) {
    live.Append({Index(i + 1), {&segment, i * 150, (i + 1) * 150}, 1, 100});
  }
  EXPECT_LE(live.spans(), kRecords * 150 / LiveEntries::kSpanBytesMax + 1);
}

// Reading the entries of one group must not mean reading all of a segment.
TEST(LiveEntriesTest, RecordsFarFromEachOther_HaveTheirOwnSpans) {
  Segment segment;
  LiveEntries live(kKey);
  for (uint64_t i = 0; i < 10; ++i) {
    live.Append(
        {Index(i + 1), {&segment, i * 20'000, i * 20'000 + 150}, 1, 100});
  }
  for (uint64_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(live.Find(Index(i))->count, 1u);
  }
}

// A snapshot covers a log of 1 GiB that has a small record every 18,000 bytes.
TEST(LiveEntriesTest, SpansOfALongLog_AreFreedAFewAtATime) {
  Segment segment;
  LiveEntries live(kKey);
  constexpr uint64_t kSpans = 60'000;
  for (uint64_t i = 1; i <= kSpans; ++i) {
    live.Append({Index(i), {&segment, i * 18'000, i * 18'000 + 150}, 1, 100});
  }
  live.DropThrough(Index(kSpans - 1));
  EXPECT_EQ(live.Find(Index(kSpans - 1)), nullptr);
  EXPECT_EQ(live.FirstIn(&segment, Index(1), Index(kSpans - 1)), nullptr);
  EXPECT_EQ(segment.spans.size(), kSpans) << "the call frees none";
  for (uint64_t left = kSpans; left > 1; left = segment.spans.size()) {
    EXPECT_EQ(live.FreeRemoved(1000), std::min<uint64_t>(1000, left - 1));
    EXPECT_EQ(segment.live_bytes, segment.spans.size() * 100);
    EXPECT_EQ(live.spans(), segment.spans.size());
    ASSERT_LT(segment.spans.size(), left);
  }
  EXPECT_FALSE(live.has_removed());
  LiveEntries removed = live.RemoveAll();
  EXPECT_TRUE(live.empty());
  EXPECT_EQ(segment.live_bytes, 100u);
  EXPECT_EQ(removed.FreeRemoved(1000), 1u);
  EXPECT_EQ(segment.live_bytes, 0u);
}

}  // namespace
}  // namespace quorate::raft
