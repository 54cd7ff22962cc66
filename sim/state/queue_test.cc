#include "sim/state/queue.h"

#include <map>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::sim {
namespace {

TEST(EventQueue, SameTime_PopsInTheOrderPushed) {
  EventQueue queue;
  for (uint32_t i = 0; i < 100; ++i) queue.Push(SimTime(5), {i, 0, 0});
  SimTime time;
  for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(queue.Pop(&time).kind, i);
  EXPECT_EQ(time, SimTime(5));
  EXPECT_EQ(queue.NextTime(), SimTime::Max());
}

TEST(EventQueue, OldHandle_CancelsNothingNew) {
  EventQueue queue;
  SimTime time;
  const EventQueue::Handle old = queue.Push(SimTime(1), {1, 0, 0});
  queue.Pop(&time);
  queue.Push(SimTime(2), {2, 0, 0});  // In the same slot.
  queue.Cancel(old);
  queue.Cancel(0);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.Pop(&time).kind, 2u);
}

TEST(EventQueue, ManyCancelled_LeaveNoTrace) {
  EventQueue queue;
  std::vector<EventQueue::Handle> handles;
  for (uint32_t i = 0; i < 10000; ++i) {
    handles.push_back(queue.Push(SimTime(i), {i, 0, 0}));
  }
  for (uint32_t i = 0; i < 10000; ++i) {
    if (i % 100 != 7) queue.Cancel(handles[i]);
  }
  EXPECT_EQ(queue.size(), 100u);
  SimTime time;
  for (uint32_t i = 7; i < 10000; i += 100) {
    EXPECT_EQ(queue.Pop(&time).kind, i);
  }
  EXPECT_EQ(queue.size(), 0u);
}

RC_GTEST_PROP(EventQueue, AnyUse_MatchesASortedMap, ()) {
  EventQueue queue;
  // The model of the queue: (time, order) to (number, handle).
  std::map<std::pair<int64_t, uint64_t>,
           std::pair<uint32_t, EventQueue::Handle>>
      model;
  int64_t now = 0;
  uint64_t order = 0;
  const int steps = *rc::gen::inRange(0, 400);
  for (int i = 0; i < steps; ++i) {
    const int what = *rc::gen::inRange(0, 10);
    if (what < 5 || model.empty()) {
      const int64_t time = now + *rc::gen::inRange(0, 20);
      const auto number = static_cast<uint32_t>(order);
      model[{time, order}] = {number,
                              queue.Push(SimTime(time), {number, 0, 0})};
      ++order;
    } else if (what < 7) {
      auto victim = model.begin();
      std::advance(victim, *rc::gen::inRange<size_t>(0, model.size()));
      queue.Cancel(victim->second.second);
      model.erase(victim);
    } else {
      RC_ASSERT(queue.NextTime().ns() == model.begin()->first.first);
      SimTime time;
      RC_ASSERT(queue.Pop(&time).kind == model.begin()->second.first);
      now = model.begin()->first.first;
      RC_ASSERT(time.ns() == now);
      model.erase(model.begin());
    }
    RC_ASSERT(queue.size() == model.size());
  }
}

}  // namespace
}  // namespace quorate::sim
