#include "lincheck/check/checker.h"

#include <algorithm>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "lincheck/links/zones.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/queue.h"
#include "lincheck/search/search.h"
#include "lincheck/search/search_plan.h"
#include "lincheck/testing/brute_force.h"
#include "lincheck/testing/proof.h"
#include "lincheck/testing/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// Each rapidcheck case draws a seed and runs so many small histories from it:
// 100 cases by default.
constexpr int kHistoriesPerCase = 1000;
constexpr SearchOptions kSearch{.nodes_max = 1'000'000, .bytes_max = 1 << 28};

// The operations with everything outside `core` relaxed.
std::vector<Operation> Relaxed(const History& history, const Model& model,
                               const std::vector<size_t>& core) {
  const std::set<size_t> kept(core.begin(), core.end());
  std::vector<Operation> operations;
  for (size_t i = 0; i < history.operations().size(); ++i) {
    Operation op = history.operations()[i];
    if (!kept.contains(i)) {
      if (model.IsRead(op)) continue;
      op.ret = kNever;
      op.result = {};
    }
    operations.push_back(op);
  }
  return operations;
}

// The counter-example is wrong by itself, and right once any one of its
// operations is relaxed.
void ExpectMinimal(const History& history, const Model& model,
                   const CounterExample& example) {
  RC_ASSERT(example.minimal);
  const std::string mistake = Refute(history, model, example);
  if (!mistake.empty()) RC_FAIL(mistake);
}

RC_GTEST_PROP(CheckerProperty, KvSmallHistories_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        RandomKvHistory(random, {.operations = 2 + random() % 7,
                                 .unique_values = random() % 2 == 0,
                                 .spoiled_percent = random() % 3 == 0 ? 0 : 20,
                                 .only_registers = random() % 3 == 0});
    const bool right = LinearizableByBruteForce(history.operations(), model);
    const Verdict verdict = Check(history, model);
    if ((verdict.result == Result::kOk) != right) {
      RC_FAIL("brute force says " + std::to_string(right) +
              Show(history, model));
    }
    if (!right && i % 4 == 0) {
      ExpectMinimal(history, model, *verdict.counter_example);
    }
  }
}

RC_GTEST_PROP(CheckerProperty, BothSearches_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        RandomKvHistory(random, {.operations = 2 + random() % 8,
                                 .clients = 4,
                                 .unknown_percent = 30,
                                 .spoiled_percent = random() % 3 == 0 ? 0 : 20,
                                 .only_registers = random() % 2 == 0});
    const bool right = LinearizableByBruteForce(history.operations(), model);
    const SearchPlan plan(history.operations(), model);
    for (const SearchResult& result :
         {MakeSearcher(plan, kSearch)->Run(SearchEnd::kDeep, kSearch.nodes_max),
          MakeSearcher(plan, kSearch)
              ->Run(SearchEnd::kBroad, kSearch.nodes_max)}) {
      if (result.result != (right ? Result::kOk : Result::kViolation)) {
        RC_FAIL("brute force says " + std::to_string(right) +
                Show(history, model));
      }
    }
  }
}

RC_GTEST_PROP(CheckerProperty, UniqueValues_ZonesAgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int by_zones = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        RandomKvHistory(random, {.operations = 2 + random() % 7,
                                 .clients = 4,
                                 .unique_values = true,
                                 .spoiled_percent = 15,
                                 .only_registers = true});
    const Decision zones = CheckZones(history.operations(), model);
    if (zones.result == Result::kUnknown) continue;
    ++by_zones;
    const bool right = LinearizableByBruteForce(history.operations(), model);
    if ((zones.result == Result::kOk) != right) {
      RC_FAIL("brute force says " + std::to_string(right) +
              "; zones: " + zones.reason + Show(history, model));
    }
    if (right) continue;
    if (LinearizableByBruteForce(Relaxed(history, model, zones.core), model)) {
      std::string core;
      for (size_t op : zones.core) core += " " + std::to_string(op);
      RC_FAIL("core" + core + " is right: " + zones.reason +
              Show(history, model));
    }
  }
  RC_ASSERT(by_zones > 10);
}

RC_GTEST_PROP(CheckerProperty, AppendedTexts_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int by_zones = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        RandomKvHistory(random, {.operations = 2 + random() % 8,
                                 .clients = 4,
                                 .unique_values = random() % 8 != 0,
                                 .spoiled_percent = random() % 3 == 0 ? 0 : 20,
                                 .only_texts = true});
    const bool right = LinearizableByBruteForce(history.operations(), model);
    const Verdict verdict = Check(history, model);
    by_zones += verdict.partitions_by_zones > 0 ? 1 : 0;
    if ((verdict.result == Result::kOk) != right) {
      RC_FAIL("brute force says " + std::to_string(right) +
              Show(history, model));
    }
    if (!right) ExpectMinimal(history, model, *verdict.counter_example);
  }
  RC_ASSERT(by_zones > kHistoriesPerCase / 4);
}

// Each piece is appended once, but some are the ends of others, or of values
// that are put whole.
History OverlappingPieces(std::mt19937_64& random) {
  std::vector<std::string> pieces = {"a", "b", "ab", "ba", "aab", "bab"};
  std::shuffle(pieces.begin(), pieces.end(), random);
  History history;
  const uint32_t key = history.Partition("k");
  std::string state;
  std::vector<std::string> states = {"", "b"};
  for (Time t = 10; t <= 70; t += 10) {
    Operation op{.invoke = t - static_cast<Time>(random() % 30),
                 .ret = t + static_cast<Time>(random() % 30),
                 .client = static_cast<uint32_t>(t),
                 .partition = key,
                 .function = Kv::kGet};
    const uint64_t what = random() % 8;
    if (what < 4 && !pieces.empty()) {
      op.function = what == 0 ? Kv::kPut : Kv::kAppend;
      op.argument = history.String(pieces.back());
      const bool unknown = random() % 6 == 0;
      if (!unknown || random() % 2 == 0) {
        state = (what == 0 ? "" : state) + pieces.back();
        states.push_back(state);
        if (what != 0)
          states.push_back(pieces.back() + states[states.size() - 2]);
      }
      if (unknown) op.ret = kNever;
      pieces.pop_back();
    } else {
      const std::string seen =
          random() % 4 == 0 ? states[random() % states.size()] : state;
      op.result = seen.empty() ? Value::Nil() : history.String(seen);
    }
    history.Add(op);
  }
  return history;
}

RC_GTEST_PROP(CheckerProperty, OverlappingPieces_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int wrong = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history = OverlappingPieces(random);
    const bool right = LinearizableByBruteForce(history.operations(), model);
    wrong += right ? 0 : 1;
    if ((Check(history, model, {.explain = false}).result == Result::kOk) !=
        right) {
      RC_FAIL("brute force says " + std::to_string(right) +
              Show(history, model));
    }
  }
  RC_ASSERT(wrong > kHistoriesPerCase / 5);
  RC_ASSERT(wrong < kHistoriesPerCase * 4 / 5);
}

// Versions, and nothing else: the state is the last one written.
struct Versions {
  using State = StateVersion;
  State Initial() const { return kInitialVersion; }
  bool Step(State& state, const Operation& op) const {
    if (op.known() && op.seen != kNoVersion && op.seen != state) return false;
    if (op.written != kNoVersion) state = op.written;
    return true;
  }
  bool IsRead(const Operation& op) const { return op.written == kNoVersion; }
  std::string_view Name(uint8_t) const { return "op"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

RC_GTEST_PROP(CheckerProperty, Versions_ZonesAgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Versions> model;
  int by_zones = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 2 + random() % 7,
                 .clients = 4,
                 .versions = true,
                 .spoiled_percent = random() % 3 == 0 ? 0 : 25});
    const bool right = LinearizableByBruteForce(history.operations(), model);
    const Verdict verdict = Check(history, model);
    by_zones += verdict.partitions_by_zones > 0 ? 1 : 0;
    if ((verdict.result == Result::kOk) != right) {
      RC_FAIL("brute force says " + std::to_string(right) +
              Show(history, model));
    }
    if (!right && i % 4 == 0) {
      ExpectMinimal(history, model, *verdict.counter_example);
    }
  }
  RC_ASSERT(by_zones > kHistoriesPerCase / 2);
}

RC_GTEST_PROP(CheckerProperty, Versions_RightHistoriesPassAndReplay,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history = RandomKvHistory(
        random,
        {.operations = 2 + random() % 9, .clients = 4, .versions = true});
    RC_ASSERT(Check(history, model).result == Result::kOk);
  }
}

// With versions a history may be wrong although its values alone would pass:
// never the other way round.
RC_GTEST_PROP(CheckerProperty, VersionsSpoiled_NeverPassWhatValuesRefuse,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        RandomKvHistory(random, {.operations = 2 + random() % 7,
                                 .clients = 4,
                                 .versions = true,
                                 .spoiled_percent = 20});
    const bool right = LinearizableByBruteForce(history.operations(), model);
    const bool passed = Check(history, model).result == Result::kOk;
    if (passed && !right) RC_FAIL(Show(history, model));
  }
}

RC_GTEST_PROP(CheckerProperty, LongHistories_BothPathsAgree, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  const History history =
      RandomKvHistory(random, {.operations = 400,
                               .clients = 5,
                               .unknown_percent = 3,
                               .unique_values = true,
                               .spoiled_percent = random() % 2 == 0 ? 0 : 1,
                               .only_registers = true});
  // Failed compare-and-swaps do not say what they saw, and close the
  // near-linear path.
  std::vector<Operation> operations;
  for (const Operation& op : history.operations()) {
    if (op.function != Kv::kCas || op.result == Value::Integer(1)) {
      operations.push_back(op);
    }
  }
  const Decision zones = CheckZones(operations, model);
  if (zones.result == Result::kUnknown) RC_DISCARD();
  const SearchResult search = Search(operations, model, kSearch);
  if (search.result == Result::kUnknown) RC_DISCARD();
  RC_ASSERT(zones.result == search.result);
}

// Kv without the members that make the check fast.
struct PlainKv {
  using State = Kv::State;
  State Initial() const { return Kv().Initial(); }
  bool Step(State& state, const Operation& op) const {
    return Kv().Step(state, op);
  }
  bool IsRead(const Operation& op) const { return Kv().IsRead(op); }
  std::string_view Name(uint8_t function) const { return Kv().Name(function); }
  std::string Describe(const State& state) const {
    return Kv().Describe(state);
  }
};

RC_GTEST_PROP(CheckerProperty, LongerHistories_ForesightChangesNoVerdict,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 40,
                 .clients = 4,
                 .unknown_percent = 5,
                 .unique_values = random() % 2 == 0,
                 .spoiled_percent = static_cast<int>(random() % 4),
                 .only_registers = random() % 3 == 0,
                 .only_texts = random() % 2 == 0});
    const CheckOptions options{.nodes_max = 1'000'000, .explain = false};
    const Result plain = Check(history, ModelOf<PlainKv>(), options).result;
    const Result fast = Check(history, ModelOf<Kv>(), options).result;
    if (plain == Result::kUnknown || plain == fast) continue;
    RC_FAIL("plain search says " + std::string(ResultName(plain)) +
            Show(history, ModelOf<Kv>()));
  }
}

TEST(Checker, ManyPartitions_JudgedAlone) {
  std::mt19937_64 random(1);
  History history = RandomKvHistory(
      random, {.operations = 5000, .clients = 8, .partitions = 50});
  const ModelOf<Kv> model;
  EXPECT_EQ(Check(history, model).result, Result::kOk);
  const uint32_t wrong = history.Partition("wrong");
  history.Add({.invoke = 1,
               .ret = 2,
               .partition = wrong,
               .function = Kv::kGet,
               .result = history.String("phantom")});
  const Verdict verdict = Check(history, model);
  EXPECT_EQ(verdict.result, Result::kViolation);
  EXPECT_EQ(verdict.wrong, std::vector<uint32_t>{wrong});
  EXPECT_EQ(verdict.counter_example->operations, std::vector<size_t>{5000});
}

TEST(Checker, Executor_GetsEveryPartitionOnce) {
  class Backwards final : public Executor {
   public:
    void Run(size_t count, absl::FunctionRef<void(size_t)> task) override {
      for (size_t i = count; i-- > 0;) task(i);
      tasks += count;
    }
    size_t tasks = 0;
  };
  std::mt19937_64 random(2);
  const History history = RandomKvHistory(
      random, {.operations = 500, .partitions = 7, .spoiled_percent = 1});
  const ModelOf<Kv> model;
  Backwards executor;
  const Verdict alone = Check(history, model);
  const Verdict together = Check(history, model, {.executor = &executor});
  EXPECT_EQ(executor.tasks, 7u);
  EXPECT_EQ(alone.wrong, together.wrong);
  EXPECT_EQ(alone.nodes, together.nodes);
}

// Concurrent writers of equal values, a removal at any moment, and a read of a
// value that was never there. A model that says nothing of its operations has
// to try every order.
History Hard() {
  History history;
  const uint32_t key = history.Partition("k");
  for (int64_t i = 0; i < 14; ++i) {
    history.Add({.invoke = 0,
                 .ret = 100,
                 .client = static_cast<uint32_t>(i),
                 .partition = key,
                 .function = Kv::kAppend,
                 .argument = history.String(std::string(1, 'a' + i % 7))});
  }
  history.Add({.invoke = 0, .partition = key, .function = Kv::kDelete});
  history.Add({.invoke = 200,
               .ret = 300,
               .partition = key,
               .function = Kv::kGet,
               .result = history.String("x")});
  return history;
}

// Passed from the `looks_left`-th question on.
class CountedDeadline final : public Deadline {
 public:
  explicit CountedDeadline(int looks_left) : looks_left_(looks_left) {}
  bool Passed() const override { return --looks_left_ < 0; }

 private:
  mutable int looks_left_;
};

// So many writes of 0 and 1 in turn, and a read that still sees 0: each write
// of 0 belongs to the counter-example.
History ManyWritesThenStaleRead(int64_t writes) {
  History history;
  const uint32_t key = history.Partition("n");
  for (int64_t i = 0; i < writes; ++i) {
    history.Add({.invoke = 10 * i,
                 .ret = 10 * i + 5,
                 .partition = key,
                 .function = CasRegister::kWrite,
                 .argument = Value::Integer(i % 2)});
  }
  history.Add({.invoke = 10 * writes,
               .ret = 10 * writes + 5,
               .client = 1,
               .partition = key,
               .function = CasRegister::kRead,
               .result = Value::Integer(0)});
  return history;
}

TEST(Checker, LargeCounterExample_HasTheEndOfItsLongestOrder) {
  const History history = ManyWritesThenStaleRead(100);
  const Verdict verdict = Check(history, ModelOf<CasRegister>());
  ASSERT_TRUE(verdict.counter_example.has_value());
  const CounterExample& example = *verdict.counter_example;
  EXPECT_TRUE(example.minimal);
  EXPECT_EQ(example.operations.size(), 52u);
  EXPECT_EQ(example.blocked, 100u);
  ASSERT_EQ(example.partial_orders.size(), 1u);
  const PartialOrder& order = example.partial_orders[0];
  EXPECT_EQ(order.before, 11u);
  ASSERT_EQ(order.placed.size(), 40u);
  EXPECT_EQ(order.placed.back(), 99u);
  ASSERT_EQ(order.states.size(), 40u);
  EXPECT_EQ(order.states.back(), "1");
  EXPECT_EQ(order.states[38], "0");
  EXPECT_EQ(order.blocked, 100u);
}

TEST(Checker, NotMinimised_StillHasReasonAndOrder) {
  const History history = ManyWritesThenStaleRead(100);
  const ModelOf<CasRegister> model;
  const Verdict verdict = Check(history, model, {.explain = false});
  const CountedDeadline never(0);
  for (const CheckOptions& options : {CheckOptions{.minimise_nodes_max = 0},
                                      CheckOptions{.deadline = &never}}) {
    const CounterExample example = Explain(history, model, verdict, options);
    EXPECT_FALSE(example.minimal);
    EXPECT_EQ(example.blocked, 100u);
    EXPECT_EQ(
        example.reason,
        "read() = 0 of client 1 cannot be placed: no order of what it may "
        "follow explains it. The longest order found ends with write(1) "
        "of client 0, after which the object is 1.");
    ASSERT_EQ(example.partial_orders.size(), 1u);
    EXPECT_EQ(example.partial_orders[0].before, 60u);
    EXPECT_EQ(example.partial_orders[0].placed.back(), 99u);
    // A text has the operation and those before it.
    const CounterExample::Core core = CoreOf(example);
    ASSERT_EQ(core.operations.size(), kCoreOperationsMax);
    EXPECT_EQ(core.operations.front(), 101 - kCoreOperationsMax);
    EXPECT_EQ(core.operations.back(), 100u);
    EXPECT_EQ(core.left_out, example.operations.size() - kCoreOperationsMax);
    const std::string text = Describe(history, model, example);
    EXPECT_NE(text.find("(" + std::to_string(core.left_out) +
                        " operations are left out; "),
              std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
              static_cast<int64_t>(kCoreOperationsMax) + 2);
  }
}

TEST(Checker, NotMinimised_WithoutAnOrder_HasTheOperationsCalledLast) {
  CounterExample example{.blocked = CounterExample::kNotKnown};
  for (size_t i = 0; i < 101; ++i) example.operations.push_back(i);
  EXPECT_EQ(CoreOf(example).operations.back(), 100u);
  EXPECT_EQ(CoreOf(example).left_out, 101 - kCoreOperationsMax);
  example.blocked = 50;
  EXPECT_EQ(CoreOf(example).operations.back(), 50u);
  EXPECT_EQ(CoreOf(example).operations.front(), 51 - kCoreOperationsMax);
  example.minimal = true;
  EXPECT_EQ(CoreOf(example).operations.size(), 101u);
  EXPECT_EQ(CoreOf(example).left_out, 0u);
}

TEST(Checker, NodeBudgetSpent_SaysUnknown) {
  const Verdict verdict =
      Check(Hard(), ModelOf<PlainKv>(), {.nodes_max = 10'000});
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.undecided, std::vector<uint32_t>{0});
  EXPECT_FALSE(verdict.counter_example.has_value());
}

TEST(Checker, ByteBudgetSpent_SaysUnknown) {
  const Verdict verdict =
      Check(Hard(), ModelOf<PlainKv>(), {.bytes_max = 1 << 20});
  EXPECT_EQ(verdict.result, Result::kUnknown);
}

TEST(Checker, DeadlinePassed_SaysUnknownAndStopsSoon) {
  const CountedDeadline deadline(3);
  const Verdict verdict =
      Check(Hard(), ModelOf<PlainKv>(), {.deadline = &deadline});
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_LT(verdict.nodes, 10 * kStepsBetweenLooks);
}

TEST(Checker, EmptyHistory_IsRight) {
  EXPECT_EQ(Check(History(), ModelOf<Kv>()).result, Result::kOk);
}

// Twenty writes of unknown outcome stay open for ever, and do not cost 2^20
// steps.
TEST(Search, ManyUnknownWrites_StaysCheap) {
  History history;
  const uint32_t key = history.Partition("k");
  for (int i = 0; i < 20; ++i) {
    history.Add({.invoke = i,
                 .partition = key,
                 .function = Kv::kPut,
                 .argument = history.String("u" + std::to_string(i))});
  }
  for (int i = 0; i < 50; ++i) {
    const Value value = history.String("w" + std::to_string(i));
    history.Add({.invoke = 100 + 10 * i,
                 .ret = 105 + 10 * i,
                 .partition = key,
                 .function = Kv::kPut,
                 .argument = value});
    history.Add({.invoke = 106 + 10 * i,
                 .ret = 107 + 10 * i,
                 .partition = key,
                 .function = Kv::kGet,
                 .result = value});
  }
  history.Add({.invoke = 1000,
               .ret = 1001,
               .partition = key,
               .function = Kv::kGet,
               .result = history.String("w0")});
  const SearchResult result =
      Search(history.operations(), ModelOf<Kv>(), kSearch);
  EXPECT_EQ(result.result, Result::kViolation);
  EXPECT_LT(result.nodes, 100'000u);
}

// Appends that no operation can have seen do not cost all their orders.
TEST(Search, ManyUnknownAppends_StayCheap) {
  History history;
  const uint32_t key = history.Partition("k");
  for (int i = 0; i < 20; ++i) {
    history.Add({.invoke = i,
                 .partition = key,
                 .function = Kv::kAppend,
                 .argument = history.String("u" + std::to_string(i))});
  }
  // The same piece again and again, so that values do not tell their writers.
  for (int i = 0; i < 30; ++i) {
    history.Add({.invoke = 100 + 10 * i,
                 .ret = 105 + 10 * i,
                 .partition = key,
                 .function = Kv::kAppend,
                 .argument = history.String("w")});
  }
  history.Add({.invoke = 1000,
               .ret = 1001,
               .partition = key,
               .function = Kv::kPut,
               .argument = history.String("x")});
  for (const char* seen : {"x", "ww"}) {
    history.Add({.invoke = seen[0] == 'x' ? 1002 : 1004,
                 .ret = seen[0] == 'x' ? 1003 : 1005,
                 .partition = key,
                 .function = Kv::kGet,
                 .result = history.String(seen)});
  }
  const SearchResult result =
      Search(history.operations(), ModelOf<Kv>(), kSearch);
  EXPECT_EQ(result.result, Result::kViolation);
  EXPECT_LT(result.nodes, 10'000u);
}

// A write that only another one replaces need not be tried first. A read of an
// unwritten value is found without the 2^20 states of the others.
TEST(Search, ManyUnknownWritesSeenLater_StayCheap) {
  History history;
  const uint32_t key = history.Partition("k");
  history.Add({.invoke = 100,
               .ret = 101,
               .partition = key,
               .function = Kv::kGet,
               .result = history.String("nobody's")});
  for (int i = 0; i < 20; ++i) {
    const Value value = history.String("u" + std::to_string(i));
    for (int twin = 0; twin < 2; ++twin) {
      history.Add({.invoke = i,
                   .partition = key,
                   .function = Kv::kPut,
                   .argument = value});
    }
    history.Add({.invoke = 200 + 10 * i,
                 .ret = 205 + 10 * i,
                 .partition = key,
                 .function = Kv::kGet,
                 .result = value});
  }
  const ModelOf<Kv> model;
  const SearchPlan plan(history.operations(), model);
  const SearchResult result =
      MakeSearcher(plan, kSearch)->Run(SearchEnd::kDeep, 10'000);
  EXPECT_EQ(result.result, Result::kViolation);
  EXPECT_LT(result.nodes, 1'000u);
}

// Of sixty that may have been put in, the one that comes out next goes first.
TEST(Search, ManyUnknownEnqueues_OrderIsFoundAtOnce) {
  constexpr int kCount = 60;
  History history;
  const uint32_t key = history.Partition("q");
  for (int i = 0; i < kCount; ++i) {
    history.Add({.invoke = i,
                 .partition = key,
                 .function = Queue::kEnqueue,
                 .argument = Value::Integer(i)});
    history.Add({.invoke = 100 + 10 * i,
                 .ret = 105 + 10 * i,
                 .partition = key,
                 .function = Queue::kDequeue,
                 .result = Value::Integer(i * 7 % kCount)});
  }
  const SearchResult result =
      Search(history.operations(), ModelOf<Queue>(), kSearch);
  EXPECT_EQ(result.result, Result::kOk);
  EXPECT_LT(result.nodes, 1'000u);
}

// write(1) took effect before the write of unknown outcome, which left what was
// there already: of use only because it hides the other.
TEST(Search, UnknownWriteOfWhatIsThere_HidesAnother) {
  using Register = CasRegister;
  const auto number = [](int64_t n) { return Value::Integer(n); };
  History history;
  const uint32_t key = history.Partition("k");
  for (Operation op :
       {Operation{.invoke = 0,
       .ret = 1,
       .function = Register::kWrite,
       .argument = number(2)},
        Operation{
            .invoke = 2, .function = Register::kWrite, .argument = number(2)},
        Operation{.invoke = 10,
        .ret = 14,
        .function = Register::kCas,
        .argument = number(0),
        .expected = number(2),
        .result = number(1)},
        Operation{.invoke = 10,
        .ret = 20,
        .function = Register::kWrite,
        .argument = number(1)},
        Operation{.invoke = 21,
        .ret = 22,
        .function = Register::kRead,
        .result = number(0)}}) {
    op.partition = key;
    history.Add(op);
  }
  const ModelOf<CasRegister> model;
  const SearchPlan plan(history.operations(), model);
  EXPECT_EQ(MakeSearcher(plan, kSearch)->Run(SearchEnd::kDeep, 10'000).result,
            Result::kOk);
  EXPECT_EQ(MakeSearcher(plan, kSearch)->Run(SearchEnd::kBroad, 10'000).result,
            Result::kOk);
}

struct Counter {
  enum Function : uint8_t { kAdd, kGet };
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kAdd) state += op.argument.integer();
    return !op.known() || op.function != kGet ||
           op.result == Value::Integer(state);
  }
  bool IsRead(const Operation& op) const { return op.function == kGet; }
  std::string_view Name(uint8_t function) const {
    return function == kAdd ? "add" : "get";
  }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

TEST(Model, UsersOwn_ExplainsCounterExampleInWords) {
  History history;
  const uint32_t key = history.Partition("visits");
  history.Add({.invoke = 1,
               .ret = 2,
               .client = 1,
               .partition = key,
               .function = Counter::kAdd,
               .argument = Value::Integer(5)});
  history.Add({.invoke = 3,
               .ret = 4,
               .client = 2,
               .partition = key,
               .function = Counter::kGet,
               .result = Value::Integer(4)});
  const ModelOf<Counter> model(Counter{});
  const Verdict verdict = Check(history, model);
  ASSERT_EQ(verdict.result, Result::kViolation);
  const std::string text = Describe(history, model, *verdict.counter_example);
  EXPECT_NE(text.find("get() = 4 of client 2 cannot be placed"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("visits"), std::string::npos) << text;
}

}  // namespace
}  // namespace quorate::lincheck
