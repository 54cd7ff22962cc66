#include "lincheck/online.h"

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/brute_force.h"
#include "lincheck/models/kv.h"
#include "lincheck/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// Feeds a whole history in order of time; invocations before returns at the
// same time.
Result Feed(const History& history, OnlineChecker* checker) {
  struct Event {
    Time time;
    int kind;  // 0: invoke, 1: return, 2: found to be unknown.
    size_t op;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < history.operations().size(); ++i) {
    const Operation& op = history.operations()[i];
    events.push_back({op.invoke, 0, i});
    events.push_back(op.known() ? Event{op.ret, 1, i}
                                : Event{op.invoke + 500, 2, i});
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tuple(a.time, a.kind, a.op) < std::tuple(b.time, b.kind, b.op);
  });
  std::vector<OnlineChecker::Ticket> tickets(history.operations().size());
  for (const Event& event : events) {
    const Operation& op = history.operations()[event.op];
    if (event.kind == 0) {
      tickets[event.op] =
          checker->Invoke(history.partition_name(op.partition), event.time, op);
    } else if (event.kind == 1) {
      checker->Return(tickets[event.op], event.time, op.result);
    } else {
      checker->LeaveUnknown(tickets[event.op], event.time);
    }
  }
  checker->Finish();
  return checker->result();
}

RC_GTEST_PROP(OnlineProperty, SmallHistories_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  for (int i = 0; i < 1000; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 2 + random() % 7,
                 .unique_values = random() % 2 == 0,
                 .spoiled_percent = random() % 3 == 0 ? 0 : 20});
    OnlineChecker checker(model);
    RC_ASSERT((Feed(history, &checker) == Result::kOk) ==
              LinearizableByBruteForce(history.operations(), model));
  }
}

RC_GTEST_PROP(OnlineProperty, LongHistories_AgreeWithTheWholeCheck,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  const History history =
      RandomKvHistory(random, {.operations = 600,
                               .clients = 6,
                               .partitions = 5,
                               .unknown_percent = 3,
                               .unique_values = true,
                               .spoiled_percent = random() % 2 == 0 ? 0 : 1});
  OnlineChecker checker(model);
  const Result online = Feed(history, &checker);
  const Verdict whole =
      Check(history, model, {.nodes_max = 200'000, .explain = false});
  if (online == Result::kUnknown || whole.result == Result::kUnknown) {
    RC_DISCARD();
  }
  RC_ASSERT(online == whole.result);
  RC_ASSERT(checker.violations().size() == whole.wrong.size());
}

TEST(Online, Violation_SaysWhatCannotBePlaced) {
  const ModelOf<Kv> model;
  ValueArena arena;
  OnlineChecker checker(model);
  const auto put = checker.Invoke(
      "k", 1,
      {.client = 7, .function = Kv::kPut, .argument = arena.String("new")});
  checker.Return(put, 2, {});
  const auto get = checker.Invoke("k", 3, {.client = 8, .function = Kv::kGet});
  checker.Return(get, 4, arena.String("old"));
  EXPECT_TRUE(checker.violations().empty());  // Something may still begin at 4.
  checker.Finish();
  ASSERT_EQ(checker.violations().size(), 1u);
  const OnlineViolation& violation = checker.violations()[0];
  EXPECT_EQ(violation.partition, "k");
  EXPECT_EQ(violation.operation.client, 8u);
  EXPECT_NE(violation.reason.find("state can only have been \"new\""),
            std::string::npos)
      << violation.reason;
}

TEST(Online, Withdrawn_HasNoEffect) {
  const ModelOf<Kv> model;
  ValueArena arena;
  OnlineChecker checker(model);
  const auto put = checker.Invoke(
      "k", 1, {.function = Kv::kPut, .argument = arena.String("refused")});
  checker.Withdraw(put, 2);
  const auto get = checker.Invoke("k", 3, {.function = Kv::kGet});
  checker.Return(get, 4, arena.String("refused"));
  checker.Finish();
  EXPECT_EQ(checker.result(), Result::kViolation);
}

TEST(Online, LongRunning_KeepsFewConfigurations) {
  std::mt19937_64 random(3);
  const ModelOf<Kv> model;
  const History history = RandomKvHistory(random, {.operations = 20'000,
                                                   .clients = 8,
                                                   .partitions = 20,
                                                   .unknown_percent = 0,
                                                   .unique_values = true});
  OnlineChecker checker(model);
  EXPECT_EQ(Feed(history, &checker), Result::kOk);
  EXPECT_LE(checker.configurations(), 20u * 8u);
  EXPECT_EQ(checker.judged(), 20'000u);
}

TEST(Online, ConfigurationBudgetSpent_SaysUnknown) {
  const ModelOf<Kv> model;
  ValueArena arena;
  OnlineChecker checker(model, {.configurations_max = 100});
  std::vector<OnlineChecker::Ticket> tickets;
  for (uint32_t i = 0; i < 10; ++i) {
    tickets.push_back(checker.Invoke("k", 1,
                                     {.client = i,
                                      .function = Kv::kAppend,
                                      .argument = arena.String(std::string(
                                          1, static_cast<char>('a' + i)))}));
  }
  for (const auto& ticket : tickets) checker.Return(ticket, 2, {});
  checker.Finish();
  EXPECT_EQ(checker.result(), Result::kUnknown);
  EXPECT_EQ(checker.given_up(), 1u);
}

}  // namespace
}  // namespace quorate::lincheck
