#include "lincheck/history.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::lincheck {
namespace {

TEST(History, ManyOperations_StayInTheirOrder) {
  History history;
  const uint32_t key = history.Partition("k");
  for (Time t = 0; t < 100'000; ++t) {
    history.Add({.invoke = t, .ret = t + 1, .partition = key});
  }
  ASSERT_EQ(history.operations().size(), 100'000u);
  for (size_t i = 0; i < history.operations().size(); ++i) {
    ASSERT_EQ(history.operations()[i].invoke, static_cast<Time>(i));
  }
}

TEST(History, OneOfItsOwnOperations_CanBeAddedAgain) {
  History history;
  history.Add({.invoke = 7, .ret = 8, .partition = history.Partition("k")});
  for (int i = 0; i < 1000; ++i) history.Add(history.operations()[0]);
  EXPECT_EQ(history.operations().back().invoke, 7);
}

TEST(History, StringAskedForAgain_IsKeptOnce) {
  History history;
  const Value first = history.String("seen");
  EXPECT_EQ(history.String("seen").bytes().data(), first.bytes().data());
  // However many others there are, each stays what it is.
  std::vector<Value> all;
  for (int i = 0; i < 50'000; ++i) {
    all.push_back(history.String(std::to_string(i)));
    EXPECT_EQ(history.String(std::to_string(i / 2)).bytes(),
              std::to_string(i / 2));
  }
  for (int i = 0; i < 50'000; ++i) {
    ASSERT_EQ(all[i].bytes(), std::to_string(i));
  }
  EXPECT_EQ(first.bytes(), "seen");
}

TEST(History, LargeInteger_BecomesItsDigits) {
  History history;
  constexpr int64_t kMost = Value::kIntegerMax;
  EXPECT_TRUE(history.Integer(kMost) == kMost);
  EXPECT_EQ(history.Integer(kMost + 1).bytes(), std::to_string(kMost + 1));
  EXPECT_EQ(history.Integer(-kMost - 1).bytes(), std::to_string(-kMost - 1));
}

TEST(History, Moved_TakesEverythingAlong) {
  History history;
  const uint32_t key = history.Partition("k");
  history.Add({.ret = 1, .partition = key, .result = history.String("seen")});
  History moved = std::move(history);
  EXPECT_EQ(moved.operations()[0].result.bytes(), "seen");
  history = History();
  EXPECT_TRUE(history.operations().empty());
  history.Add({.partition = history.Partition("other")});
  EXPECT_EQ(history.operations().size(), 1u);
}

}  // namespace
}  // namespace quorate::lincheck
