// LiveEntries against a model that has the segment of each entry.
#include "raft/log/log_state.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

struct Placed {
  Entry entry;
  Segment* segment;
};

RC_GTEST_PROP(LiveEntriesTest, AnyHistory_AgreesWithTheModel, ()) {
  std::vector<Segment> segments(4);
  LiveEntries live;
  std::vector<Placed> model;
  uint64_t next = 1;
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    Segment* const segment =
        &segments[*rc::gen::inRange<size_t>(0, segments.size())];
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1: {
        EntryList added;
        const auto count = *rc::gen::inRange(0, 20);
        for (int i = 0; i < count; ++i, ++next) {
          added.push_back(TestEntry(1, next, std::string(next % 30, 'p')));
          model.push_back({added.back(), segment});
        }
        live.Append(added, segment);
        break;
      }
      case 2: {
        const auto size = *rc::gen::inRange<size_t>(0, model.size() + 1);
        live.Truncate(size);
        model.resize(size);
        break;
      }
      case 3: {
        const auto count = *rc::gen::inRange<size_t>(0, model.size() + 1);
        live.DropFront(count);
        model.erase(model.begin(),
                    model.begin() + static_cast<ptrdiff_t>(count));
        break;
      }
      default: {
        const auto offset = *rc::gen::inRange<size_t>(0, model.size() + 1);
        const auto count =
            *rc::gen::inRange<size_t>(0, model.size() - offset + 1);
        live.Move({offset, count}, segment);
        for (size_t i = 0; i < count; ++i) model[offset + i].segment = segment;
        break;
      }
    }
    RC_ASSERT(live.size() == model.size());
    for (size_t i = 0; i < model.size(); ++i) {
      RC_ASSERT(live.entries()[i] == model[i].entry);
    }
    for (const Segment& one : segments) {
      size_t bytes = 0;
      LiveEntries::Extent first;
      for (size_t i = 0; i < model.size(); ++i) {
        if (model[i].segment != &one) continue;
        bytes += model[i].entry.size_bytes();
        if (first.count == 0) first.offset = i;
        if (i == first.offset + first.count) ++first.count;
      }
      RC_ASSERT(one.live_bytes == bytes);
      const LiveEntries::Extent found = live.FirstIn(&one);
      RC_ASSERT(found.count == first.count);
      RC_ASSERT(found.offset == first.offset);
    }
  }
}

TEST(LiveEntriesTest, Append_SharesTheEntries) {
  Segment segment;
  EntryList log;
  LiveEntries live;
  for (uint64_t i = 1; i <= 500; ++i) {
    log.push_back(TestEntry(1, i, "payload"));
    live.Append(log.Slice(i - 1, 1), &segment);
    ASSERT_EQ(&live.entries().back(), &log.back());
  }
  EXPECT_EQ(live.entries().allocated_bytes(), log.allocated_bytes());
}

}  // namespace
}  // namespace quorate::raft
