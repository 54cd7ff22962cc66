// The memory that checks and explanations take, counted where it is allocated,
// against the budget.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/models/expiring_kv.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/queue.h"
#include "lincheck/models/set.h"
#include "lincheck/testing/live_bytes.h"

namespace quorate::lincheck {
namespace {

constexpr uint64_t kBudget = 32 << 20;

// A user's own model: how often each word was noted, and all notes in order.
struct Notes {
  using State = std::pair<std::map<std::string, int>, std::vector<std::string>>;
  State Initial() const { return {}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == 1) {
      return !op.known() ||
             op.result ==
                 Value::Integer(static_cast<int64_t>(state.second.size()));
    }
    const std::string word(op.argument.bytes());
    ++state.first[word];
    state.second.push_back(word);
    return true;
  }
  bool IsRead(const Operation& op) const { return op.function == 1; }
  std::string_view Name(uint8_t function) const {
    return function == 0 ? "note" : function == 1 ? "count" : "?";
  }
  std::string Describe(const State&) const { return "notes"; }
};

// Many things at once whose order matters, and an answer that none of their
// orders gives.
template <typename M>
void ExpectWithinBudget(uint8_t change, uint8_t look, Value seen) {
  constexpr int kChanges = 30;
  History history;
  const uint32_t partition = history.Partition("x");
  for (int i = 0; i < kChanges; ++i) {
    history.Add({.invoke = 1,
                 .ret = i % 2 == 0 ? 100 : kNever,
                 .client = static_cast<uint32_t>(i),
                 .partition = partition,
                 .function = change,
                 .argument = history.String(
                     "a text that is too long to be kept in place " +
                     std::to_string(i))});
  }
  history.Add({.invoke = 101,
               .ret = 102,
               .client = kChanges,
               .partition = partition,
               .function = look,
               .result = seen});
  const ModelOf<M> model;
  BeginPeak();
  const size_t before = LiveBytes();
  const Verdict verdict =
      Check(history, model, {.bytes_max = kBudget, .explain = false});
  // It was the budget that ended it, and it was kept.
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_GT(PeakBytes() - before, kBudget / 2);
  EXPECT_LT(PeakBytes() - before, kBudget * 3 / 2);
}

TEST(Memory, Queue_KeepsToBudget) {
  ExpectWithinBudget<Queue>(Queue::kEnqueue, Queue::kLength,
                            Value::Integer(31));
}
TEST(Memory, Set_KeepsToBudget) {
  ExpectWithinBudget<Set>(Set::kAdd, Set::kRead, Value::Integer(31));
}
TEST(Memory, ExpiringKv_KeepsToBudget) {
  ExpectWithinBudget<ExpiringKv>(Kv::kAppend, Kv::kGet, Value::Integer(31));
}
TEST(Memory, ModelOfOnesOwn_KeepsToBudget) {
  ExpectWithinBudget<Notes>(0, 1, Value::Integer(31));
}

}  // namespace
}  // namespace quorate::lincheck
