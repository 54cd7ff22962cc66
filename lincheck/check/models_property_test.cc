// Every model against brute force. Histories are runs of the model, with or
// without the mistakes that stores make. All ways to decide and every
// counter-example are checked.
#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/online/online.h"
#include "lincheck/search/search.h"
#include "lincheck/search/search_plan.h"
#include "lincheck/testing/brute_force.h"
#include "lincheck/testing/model_histories.h"
#include "lincheck/testing/proof.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// 100 cases by default, so many histories each.
constexpr int kHistoriesPerCase = 1000;
constexpr SearchOptions kSearch{.nodes_max = 1'000'000, .bytes_max = 1 << 28};

Result JudgeOnline(const History& history, const Model& model) {
  // Time, whether it is the end, operation.
  std::vector<std::tuple<Time, bool, size_t>> events;
  const absl::Span<const Operation> operations = history.operations();
  for (size_t i = 0; i < operations.size(); ++i) {
    events.emplace_back(operations[i].invoke, false, i);
    if (operations[i].known()) events.emplace_back(operations[i].ret, true, i);
  }
  std::sort(events.begin(), events.end());
  OnlineChecker checker(model);
  std::vector<OnlineChecker::Ticket> tickets(operations.size());
  for (const auto& [time, ends, i] : events) {
    if (ends) {
      checker.Return(tickets[i], time, operations[i].result);
    } else {
      tickets[i] = checker.Invoke("k", time, operations[i]);
    }
  }
  checker.Finish();
  return checker.result();
}

// Equal for equal histories.
std::string TextOf(const History& history) {
  std::string text;
  for (const Operation& op : history.operations()) {
    for (const int64_t n :
         {op.invoke, op.ret, int64_t{op.client}, int64_t{op.function}}) {
      text += std::to_string(n) + ' ';
    }
    for (const Value value : {op.argument, op.expected, op.result}) {
      text += value.ToString() + ' ';
    }
  }
  return text;
}

template <typename M>
void AgreeWithBruteForce(uint64_t seed, const M& plain = {}) {
  TestRandom random(seed);
  const ModelOf<M> model(plain);
  size_t wrong = 0;
  size_t wrong_by[kMistakes + 1] = {};
  std::set<std::string> different;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    Mistake mistake = Mistake::kNone;
    History history;
    Result truth = Result::kOk;
    // Many mistakes leave a history right: more tries make more wrong ones.
    const size_t tries = i % 2 == 0 ? 1 : 6;
    for (size_t t = 0; t < tries && truth == Result::kOk; ++t) {
      mistake = static_cast<Mistake>(random() % (kMistakes + (t == 0)));
      history = Maker<M>(random, plain, mistake).Run(3 + random() % 6);
      truth = LinearizableByBruteForce(history.operations(), model)
                  ? Result::kOk
                  : Result::kViolation;
    }
    const CheckOptions options{.explain = truth != Result::kOk};
    const Verdict verdict = Check(history, model, options);
    const SearchPlan plan(history.operations(), model);
    const bool agree = verdict.result == truth &&
                       MakeSearcher(plan, kSearch)
                               ->Run(SearchEnd::kDeep, kSearch.nodes_max)
                               .result == truth &&
                       MakeSearcher(plan, kSearch)
                               ->Run(SearchEnd::kBroad, kSearch.nodes_max)
                               .result == truth &&
                       JudgeOnline(history, model) == truth;
    if (!agree) {
      RC_FAIL("brute force says " + std::string(ResultName(truth)) +
              Show(history, model));
    }
    if (truth == Result::kViolation) {
      ++wrong;
      ++wrong_by[static_cast<size_t>(mistake)];
    }
    if (options.explain) {
      RC_ASSERT(verdict.counter_example->minimal);
      const std::string refuted =
          Refute(history, model, *verdict.counter_example);
      if (!refuted.empty()) RC_FAIL(refuted);
    }
    different.insert(TextOf(history));
  }
  // Right and wrong histories are common, and mistakes of most kinds show.
  RC_ASSERT(wrong > kHistoriesPerCase / 5);
  RC_ASSERT(wrong < kHistoriesPerCase * 4 / 5);
  RC_ASSERT(different.size() > kHistoriesPerCase * 9 / 10);
  RC_ASSERT(std::count_if(std::begin(wrong_by), std::end(wrong_by),
                          [](size_t count) { return count > 3; }) >= 4);
  RC_ASSERT(wrong_by[kMistakes] == 0u);
}

// One in three operations has no result.
History Unreported(TestRandom& random, const History& told) {
  History untold;
  untold.Partition("k");
  for (Operation op : told.operations()) {
    if (random() % 3 == 0) op.result = {};
    untold.Add(op);
  }
  return untold;
}

// A result that was not reported constrains nothing.
template <typename M>
void StayRightUnreported(TestRandom& random) {
  const ModelOf<M> model;
  for (int i = 0; i < 20; ++i) {
    const M plain;
    const History told =
        Maker<M>(random, plain, Mistake::kNone).Run(2 + random() % 6);
    const History untold = Unreported(random, told);
    if (!LinearizableByBruteForce(untold.operations(), model) ||
        Check(untold, model).result != Result::kOk) {
      RC_FAIL(Show(untold, model));
    }
  }
}

// A wrong history has a counter-example that proves it, also where results are
// missing. Returns how many were wrong.
template <typename M>
int AgreeUnreported(TestRandom& random, int histories) {
  const ModelOf<M> model;
  int wrong = 0;
  for (int i = 0; i < histories; ++i) {
    const M plain;
    const auto mistake = static_cast<Mistake>(random() % kMistakes);
    const History told = Maker<M>(random, plain, mistake).Run(3 + random() % 6);
    const History untold = Unreported(random, told);
    const Result truth = LinearizableByBruteForce(untold.operations(), model)
                             ? Result::kOk
                             : Result::kViolation;
    const Verdict verdict = Check(untold, model);
    if (verdict.result != truth || JudgeOnline(untold, model) != truth) {
      RC_FAIL("brute force says " + std::string(ResultName(truth)) +
              Show(untold, model));
    }
    if (truth == Result::kOk) continue;
    ++wrong;
    const std::string refuted = Refute(untold, model, *verdict.counter_example);
    if (!refuted.empty()) RC_FAIL(refuted);
  }
  return wrong;
}

RC_GTEST_PROP(ModelProperty, UnreportedResults_ConstrainNothing,
              (uint64_t seed)) {
  TestRandom random(seed);
  StayRightUnreported<Register>(random);
  StayRightUnreported<CasRegister>(random);
  StayRightUnreported<Kv>(random);
  StayRightUnreported<ExpiringKv>(random);
  StayRightUnreported<Set>(random);
  StayRightUnreported<Queue>(random);
  StayRightUnreported<Mutex>(random);
  StayRightUnreported<Lock>(random);
  StayRightUnreported<Transaction>(random);
}

// On average 47 (Register) to 127 (Transaction) of 600 histories are wrong. A
// case with fewer than 6 would say nothing, and does not occur by chance.
constexpr int kWrongAtLeast = 5;

RC_GTEST_PROP(UnreportedProperty, Register_AgreesWithBruteForce,
              (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Register>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, CasRegister_AgreesWithBruteForce,
              (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<CasRegister>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, Kv_AgreesWithBruteForce, (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Kv>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, ExpiringKv_AgreesWithBruteForce,
              (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<ExpiringKv>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, Set_AgreesWithBruteForce, (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Set>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, Queue_AgreesWithBruteForce, (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Queue>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, Mutex_AgreesWithBruteForce, (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Mutex>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, Lock_AgreesWithBruteForce, (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Lock>(random, 600) > kWrongAtLeast);
}
RC_GTEST_PROP(UnreportedProperty, Transaction_AgreesWithBruteForce,
              (uint64_t seed)) {
  TestRandom random(seed);
  RC_ASSERT(AgreeUnreported<Transaction>(random, 600) > kWrongAtLeast);
}

RC_GTEST_PROP(ModelProperty, Register_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Register>(seed);
}
RC_GTEST_PROP(ModelProperty, CasRegister_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<CasRegister>(seed);
}
// Histories in which the initial value is one of those that are written.
Datum AnyInitial(uint64_t seed) {
  Datum initial;
  initial.AssignInteger(static_cast<int64_t>(seed % 4));
  return initial;
}
RC_GTEST_PROP(ModelProperty, RegisterThatBeginsAtAValue_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Register>(seed, StartingAs<Register>(AnyInitial(seed)));
}
RC_GTEST_PROP(ModelProperty, CasRegisterThatBeginsAtAValue_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<CasRegister>(seed,
                                   StartingAs<CasRegister>(AnyInitial(seed)));
}
RC_GTEST_PROP(ModelProperty, KvThatBeginsAtAValue_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Kv>(seed, {.initial = AnyInitial(seed)});
}
RC_GTEST_PROP(ModelProperty, TransactionsThatBeginAtAValue_AgreeWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Transaction>(seed, {.initial = AnyInitial(seed)});
}
RC_GTEST_PROP(ModelProperty, Kv_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Kv>(seed);
}
RC_GTEST_PROP(ModelProperty, KvText_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Kv>(seed, {.initial = Datum::Text("")});
}
RC_GTEST_PROP(ModelProperty, ExpiringKv_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<ExpiringKv>(seed);
}
RC_GTEST_PROP(ModelProperty, Set_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Set>(seed);
}
RC_GTEST_PROP(ModelProperty, Queue_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Queue>(seed);
}
RC_GTEST_PROP(ModelProperty, Mutex_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Mutex>(seed);
}
RC_GTEST_PROP(ModelProperty, Lock_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Lock>(seed);
}
RC_GTEST_PROP(ModelProperty, Transaction_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Transaction>(seed);
}

}  // namespace
}  // namespace quorate::lincheck
