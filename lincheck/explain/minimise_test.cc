// The steps of a counter-example in long histories of which little is needed.
#include "lincheck/explain/minimise.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/models/expiring_kv.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/queue.h"
#include "lincheck/models/set.h"
#include "lincheck/models/transaction.h"
#include "lincheck/testing/proof.h"
#include "lincheck/testing/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// Clients side by side, each with one operation in every round.
class Rounds {
 public:
  Rounds() : key_(history_.Partition("k")) {}

  // The operations of one round, in the order in which they take effect.
  void Do(std::vector<Operation> operations) {
    const Time begin = now_;
    now_ += 1000;
    uint32_t client = 0;
    for (Operation& op : operations) {
      op.invoke = begin + static_cast<Time>(random_() % 100);
      op.ret = now_ - 1 - static_cast<Time>(random_() % 100);
      Add(op, client++);
    }
  }
  void Alone(Operation op) { Do({op}); }

  Value Text(const std::string& text) { return history_.String(text); }
  const History& history() const { return history_; }
  std::mt19937_64& random() { return random_; }

 private:
  void Add(Operation op, uint32_t client) {
    op.client = client;
    op.partition = key_;
    history_.Add(op);
  }

  History history_;
  const uint32_t key_;
  Time now_ = 0;
  std::mt19937_64 random_{1};
};

Operation Put(int64_t value) {
  return {.function = Kv::kPut, .argument = Value::Integer(value)};
}
Operation Get(Value seen) { return {.function = Kv::kGet, .result = seen}; }
Operation Delete() {
  return {.function = Kv::kDelete, .result = Value::Integer(1)};
}

// Puts of few values, gets and deletes, all of them right.
void AddDistractors(Rounds* rounds, int count) {
  for (int i = 0; i < count; ++i) {
    const auto a = static_cast<int64_t>(rounds->random()() % 5);
    rounds->Do({Put(a), Get(Value::Integer(a)), Put(5), Delete(),
                Get(Value::Nil()), Put(a + 6)});
  }
}

TEST(Minimise, StaleReadAmongThousands_IsFoundInFewSteps) {
  Rounds rounds;
  AddDistractors(&rounds, 300);
  const size_t put = rounds.history().operations().size();
  rounds.Alone(Put(100));
  AddDistractors(&rounds, 300);
  const size_t get = rounds.history().operations().size();
  rounds.Alone(Get(Value::Integer(100)));
  AddDistractors(&rounds, 300);
  const ModelOf<Kv> model;
  const Verdict verdict =
      Check(rounds.history(), model, {.minimise_nodes_max = 20'000});
  ASSERT_EQ(verdict.result, Result::kViolation);
  const CounterExample& example = *verdict.counter_example;
  EXPECT_TRUE(example.minimal);
  // And one of those between, which replaced it.
  ASSERT_EQ(example.operations.size(), 3u);
  EXPECT_EQ(example.operations.front(), put);
  EXPECT_EQ(example.operations.back(), get);
}

TEST(Minimise, EveryWriterOfTheValueIsNeeded_AllAreFound) {
  // Each write of the value that was read too late could explain the read, if
  // its outcome were unknown.
  Rounds rounds;
  size_t needed = 0;
  for (int i = 0; i < 200; ++i) {
    rounds.Do({Put(i % 5), Put(6), Put(7), Get(Value::Integer(7))});
    needed += i % 5 == 3 ? 1 : 0;
  }
  rounds.Alone(Put(8));
  rounds.Alone(Get(Value::Integer(3)));
  const ModelOf<Kv> model;
  const Verdict verdict =
      Check(rounds.history(), model, {.minimise_nodes_max = 100'000});
  ASSERT_EQ(verdict.result, Result::kViolation);
  const CounterExample& example = *verdict.counter_example;
  EXPECT_TRUE(example.minimal);
  // And what replaced the last of them, and the read.
  EXPECT_EQ(example.operations.size(), needed + 2);
  for (const size_t i : example.operations) {
    const Operation& op = rounds.history().operations()[i];
    EXPECT_TRUE(op.argument == Value::Integer(3) || i + 5 >= 800) << i;
  }
}

// One transaction: a list, and the same list with what was read.
Operation Transact(Rounds* rounds, const std::string& asked,
                   const std::string& answered) {
  return {.function = Transaction::kTransact,
          .argument = rounds->Text(asked),
          .result = rounds->Text(answered)};
}
Operation Write(Rounds* rounds, char key, int64_t value) {
  const std::string list =
      "[\"w\",\"" + std::string(1, key) + "\"," + std::to_string(value) + "]";
  return Transact(rounds, list, list);
}
Operation Read(Rounds* rounds, char key, const std::string& seen) {
  const std::string list = "[\"r\",\"" + std::string(1, key) + "\",";
  return Transact(rounds, list + "null]", list + seen + "]");
}

TEST(Minimise, StaleReadOfATransaction_IsFoundInFewSteps) {
  Rounds rounds;
  for (int i = 0; i < 200; ++i) {
    if (i == 90) rounds.Alone(Write(&rounds, 'x', -5));
    const std::string seen = std::to_string(3 * i);
    rounds.Do({Write(&rounds, 'x', 3 * i), Read(&rounds, 'x', seen),
               Write(&rounds, 'y', 3 * i + 1), Write(&rounds, 'z', 3 * i + 2)});
  }
  rounds.Alone(Read(&rounds, 'x', "-5"));
  const ModelOf<Transaction> model;
  const Verdict verdict =
      Check(rounds.history(), model, {.minimise_nodes_max = 50'000});
  ASSERT_EQ(verdict.result, Result::kViolation);
  const CounterExample& example = *verdict.counter_example;
  EXPECT_TRUE(example.minimal);
  ASSERT_EQ(example.operations.size(), 3u);
  EXPECT_EQ(example.operations.front(), 360u);
  EXPECT_EQ(example.operations.back(), 801u);
}

// Relaxed, what failed may have taken effect: it is part of what shows a
// mistake, however little it did.
TEST(Minimise, OperationsThatFailed_AreNoReads) {
  Rounds cas;
  cas.Alone(Put(1));
  cas.Alone({.function = Kv::kCas,
             .argument = Value::Integer(3),
             .expected = Value::Integer(1),
             .result = Value::Integer(0)});
  cas.Alone(Get(Value::Integer(3)));
  const Verdict verdict = Check(cas.history(), ModelOf<Kv>());
  ASSERT_TRUE(verdict.counter_example.has_value());
  EXPECT_EQ(verdict.counter_example->operations, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(verdict.counter_example->context, std::vector<size_t>{0});
  EXPECT_TRUE(verdict.counter_example->minimal);

  // Had it found the element, there would be none.
  History queue;
  const uint32_t key = queue.Partition("k");
  for (Operation op : {Operation{.invoke = 3,
                      .ret = 4,
                      .client = 1,
                      .function = Queue::kEnqueue,
                      .argument = Value::Integer(1)},
                       Operation{.invoke = 2,
                       .ret = 6,
                       .client = 2,
                       .function = Queue::kDequeue,
                       .result = Value::Nil()},
                       Operation{.invoke = 9,
                       .ret = 11,
                       .client = 3,
                       .function = Queue::kLength,
                       .result = Value::Integer(0)}}) {
    op.partition = key;
    queue.Add(op);
  }
  const Verdict lost = Check(queue, ModelOf<Queue>());
  ASSERT_TRUE(lost.counter_example.has_value());
  EXPECT_EQ(lost.counter_example->operations.size(), 3u);
  EXPECT_TRUE(lost.counter_example->minimal);
}

// The simplest mistake there is, between reads that are right: what shows it is
// who wrote, who replaced it, and who still saw it.
TEST(Minimise, StaleReadAmongOthers_IsToldByItsWrites) {
  Rounds rounds;
  rounds.Alone(Put(1));
  rounds.Alone(Get(Value::Integer(1)));
  rounds.Alone(Put(2));
  rounds.Alone(Get(Value::Integer(1)));
  rounds.Alone(Get(Value::Integer(2)));
  const Verdict verdict = Check(rounds.history(), ModelOf<Kv>());
  ASSERT_TRUE(verdict.counter_example.has_value());
  EXPECT_EQ(verdict.counter_example->operations,
            (std::vector<size_t>{0, 2, 3}));
  EXPECT_EQ(verdict.counter_example->context, std::vector<size_t>{});
  EXPECT_TRUE(verdict.counter_example->minimal);
}

// Many that could each have taken effect at any time or not, of which few can
// have anything to do with what is wrong.
constexpr CheckOptions kFewSteps{.minimise_nodes_max = 20'000};

TEST(Minimise, LostElementOfASet_IsToldByItsAddAndTheRead) {
  Rounds rounds;
  std::string seen;
  for (int i = 0; i < 30; ++i) {
    rounds.Alone({.function = Set::kAdd,
                  .argument = Value::Integer(i),
                  .result = Value::Integer(1)});
    if (i != 7) seen += (seen.empty() ? "[" : ",") + std::to_string(i);
  }
  rounds.Alone({.function = Set::kRead, .result = rounds.Text(seen + "]")});
  const Verdict verdict = Check(rounds.history(), ModelOf<Set>(), kFewSteps);
  ASSERT_TRUE(verdict.counter_example.has_value());
  EXPECT_EQ(verdict.counter_example->operations, (std::vector<size_t>{7, 30}));
  EXPECT_TRUE(verdict.counter_example->minimal);
}

TEST(Minimise, QueueOutOfOrder_IsToldByTheFirstAndTheDequeue) {
  Rounds rounds;
  for (int i = 0; i < 40; ++i) {
    rounds.Alone({.function = Queue::kEnqueue, .argument = Value::Integer(i)});
  }
  rounds.Alone({.function = Queue::kDequeue, .result = Value::Integer(1)});
  const Verdict verdict = Check(rounds.history(), ModelOf<Queue>(), kFewSteps);
  ASSERT_TRUE(verdict.counter_example.has_value());
  EXPECT_EQ(verdict.counter_example->operations, (std::vector<size_t>{0, 40}));
  EXPECT_TRUE(verdict.counter_example->minimal);
}

// An element that no operation looks for is not only in the way: a dequeue
// without a result may have taken it.
TEST(Minimise, QueueWithAnUnreportedDequeue_KeepsWhatItMayHaveTaken) {
  Rounds rounds;
  rounds.Alone({.function = Queue::kEnqueue, .argument = Value::Integer(1)});
  rounds.Alone({.function = Queue::kDequeue, .result = Value::Integer(1)});
  rounds.Alone({.function = Queue::kEnqueue, .argument = Value::Integer(2)});
  rounds.Alone({.function = Queue::kDequeue});
  rounds.Alone({.function = Queue::kPeek, .result = Value::Integer(2)});
  const ModelOf<Queue> model;
  const Verdict verdict = Check(rounds.history(), model);
  ASSERT_TRUE(verdict.counter_example.has_value());
  EXPECT_EQ(Refute(rounds.history(), model, *verdict.counter_example), "");
  EXPECT_EQ(verdict.counter_example->operations,
            (std::vector<size_t>{1, 2, 3, 4}));
}

TEST(Minimise, UnwrittenValueWhereKeysExpire_IsShownByItsGet) {
  Rounds rounds;
  for (int i = 0; i < 40; ++i) {
    rounds.Alone({.function = ExpiringKv::kPutFor,
                  .argument = Value::Integer(i),
                  .expected = Value::Integer(50)});
  }
  rounds.Alone(Get(Value::Integer(100)));
  const Verdict verdict =
      Check(rounds.history(), ModelOf<ExpiringKv>(), kFewSteps);
  ASSERT_TRUE(verdict.counter_example.has_value());
  EXPECT_EQ(verdict.counter_example->operations, std::vector<size_t>{40});
  EXPECT_TRUE(verdict.counter_example->minimal);
}

// Out of steps it says so: what it calls minimal is.
RC_GTEST_PROP(MinimiseProperty, WithFewSteps_NothingIsCalledMinimalThatIsNot,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int minimal = 0;
  int given_up = 0;
  for (int i = 0; i < 250; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 10, .clients = 4, .spoiled_percent = 15});
    const Verdict verdict =
        Check(history, model, {.minimise_nodes_max = random() % 400});
    if (verdict.result == Result::kOk) continue;
    const CounterExample& example = *verdict.counter_example;
    ++(example.minimal ? minimal : given_up);
    const std::string refuted = Refute(history, model, example);
    if (!refuted.empty()) RC_FAIL(refuted);
  }
  RC_ASSERT(minimal > 0);
  RC_ASSERT(given_up > 0);
}

}  // namespace
}  // namespace quorate::lincheck
