// Every model against brute force: histories made by running the model, right
// as they are or with results replaced; all ways of judging, and every
// counter-example.
#include <algorithm>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/brute_force.h"
#include "lincheck/checker.h"
#include "lincheck/frontier.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/expiring_kv.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/lock.h"
#include "lincheck/models/queue.h"
#include "lincheck/models/register.h"
#include "lincheck/models/set.h"
#include "lincheck/models/transaction.h"
#include "lincheck/online.h"
#include "lincheck/proof.h"
#include "lincheck/search_plan.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// 100 cases by default, so many histories each.
constexpr int kHistoriesPerCase = 1000;
constexpr SearchOptions kSearch{.nodes_max = 1'000'000, .bytes_max = 1 << 28};

using Random = std::mt19937_64;

// What one operation of a model may be. Answers() lists results, at least one
// of which fits any state.
template <typename M>
struct Draw;

Value AnyNumber(Random& random) {
  return Value::Integer(static_cast<int64_t>(random() % 3));
}
std::vector<Value> Numbers(int count) {
  std::vector<Value> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(Value::Integer(i));
  return numbers;
}
Value ValueOf(const Datum& datum, History* history) {
  if (datum.is_nil()) return Value::Nil();
  if (datum.is_integer()) return Value::Integer(datum.integer());
  return history->String(datum.bytes());
}

template <>
struct Draw<Register> {
  static void Call(Random& random, History*, Operation* op) {
    op->function = random() % 2;
    if (op->function == Register::kWrite) op->argument = AnyNumber(random);
  }
  static std::vector<Value> Answers(const Operation& op, const Datum&,
                                    History*) {
    if (op.function == Register::kWrite) return {Value()};
    return {Value::Nil(), Value::Integer(0), Value::Integer(1),
            Value::Integer(2)};
  }
};

template <>
struct Draw<CasRegister> {
  static void Call(Random& random, History*, Operation* op) {
    op->function = random() % 3;
    if (op->function != CasRegister::kRead) op->argument = AnyNumber(random);
    if (op->function == CasRegister::kCas) op->expected = AnyNumber(random);
  }
  static std::vector<Value> Answers(const Operation& op, const Datum& state,
                                    History* history) {
    if (op.function == CasRegister::kCas) return Numbers(2);
    return Draw<Register>::Answers(op, state, history);
  }
};

template <>
struct Draw<Kv> {
  static Value Text(Random& random, History* history) {
    return history->String(random() % 2 == 0 ? "a" : "b");
  }
  static void Call(Random& random, History* history, Operation* op) {
    op->function = random() % (Kv::kPutIfExists + 1);
    if (op->function == Kv::kIncrement) {
      op->argument = Value::Integer(1);
    } else if (op->function == Kv::kAppend) {
      op->argument = Text(random, history);
    } else {
      op->argument =
          random() % 2 == 0 ? AnyNumber(random) : Text(random, history);
    }
    if (op->function == Kv::kCas) {
      op->expected = random() % 2 == 0 ? Value::Nil() : AnyNumber(random);
    }
  }
  static std::vector<Value> Answers(const Operation& op, const Datum& state,
                                    History* history) {
    if (op.function == Kv::kPut) return {Value()};
    std::vector<Value> answers = Numbers(4);
    if (op.function == Kv::kGet || op.function == Kv::kSwap ||
        op.function == Kv::kTake) {
      answers.push_back(Value::Nil());
      answers.push_back(ValueOf(state, history));
    } else if (op.function == Kv::kAppend) {
      answers.push_back(Value::Integer(static_cast<int64_t>(state.size()) + 1));
      answers.push_back(Value::Integer(2));
    } else if (op.function == Kv::kIncrement && state.is_integer()) {
      answers.push_back(Value::Integer(state.integer() + 1));
    }
    return answers;
  }
};

template <>
struct Draw<ExpiringKv> {
  static void Call(Random& random, History* history, Operation* op) {
    Draw<Kv>::Call(random, history, op);
    const Value duration = Value::Integer(static_cast<int64_t>(random() % 50));
    switch (random() % 5) {
      case 0:
        op->function = ExpiringKv::kPutFor;
        op->argument = AnyNumber(random);
        op->expected = duration;
        break;
      case 1:
        op->function = ExpiringKv::kExpire;
        op->argument = duration;
        break;
      case 2:
        op->function = ExpiringKv::kPersist;
        break;
      case 3:
        op->function = Kv::kGet;
        break;
      default:
        break;
    }
  }
  static std::vector<Value> Answers(const Operation& op,
                                    const ExpiringKv::State& state,
                                    History* history) {
    if (op.function == ExpiringKv::kPutFor) return {Value()};
    if (op.function >= ExpiringKv::kExpire) return Numbers(2);
    std::vector<Value> answers;
    for (const ExpiringKv::Case& c : state) {
      for (const Value v : Draw<Kv>::Answers(op, c.value, history)) {
        answers.push_back(v);
      }
    }
    return answers;
  }
};

template <>
struct Draw<Set> {
  static void Call(Random& random, History*, Operation* op) {
    op->function = random() % 4;
    if (op->function != Set::kRead) op->argument = AnyNumber(random);
  }
  static std::vector<Value> Answers(const Operation& op, const Set::State&,
                                    History* history) {
    if (op.function != Set::kRead) return Numbers(2);
    std::vector<Value> answers;
    for (const char* list :
         {"[]", "[0]", "[1]", "[2]", "[1, 0]", "[0,2]", "[2,1]", "[2,0,1]"}) {
      answers.push_back(history->String(list));
    }
    return answers;
  }
};

template <>
struct Draw<Queue> {
  static void Call(Random& random, History*, Operation* op) {
    op->function = random() % 6 % 4;
    if (op->function == Queue::kEnqueue) op->argument = AnyNumber(random);
  }
  static std::vector<Value> Answers(const Operation& op, const Queue::State&,
                                    History*) {
    if (op.function == Queue::kEnqueue) return {Value()};
    std::vector<Value> answers = Numbers(op.function == Queue::kLength ? 9 : 3);
    answers.push_back(Value::Nil());
    return answers;
  }
};

template <>
struct Draw<Lock> {
  static void Call(Random& random, History*, Operation* op) {
    op->function = random() % 3;
    if (op->function != Lock::kAcquire) {
      op->argument = Value::Integer(static_cast<int64_t>(random() % 4));
    }
  }
  static std::vector<Value> Answers(const Operation& op,
                                    const Lock::State& state, History*) {
    if (op.function != Lock::kAcquire) return Numbers(2);
    return {Value::Nil(), Value::Integer(1), Value::Integer(2),
            Value::Integer(state.front().greatest.value_or(0) + 1)};
  }
};

template <>
struct Draw<Transaction> {
  static void Call(Random& random, History* history, Operation* op) {
    std::string list;
    const size_t count = 1 + random() % 2;
    for (size_t i = 0; i < count; ++i) {
      const std::string key = random() % 2 == 0 ? "\"x\"" : "\"y\"";
      if (!list.empty()) list += ",";
      switch (random() % 4) {
        case 0:
          list += "[\"w\"," + key + "," + std::to_string(random() % 2) + "]";
          break;
        case 1:
          list += "[\"append\"," + key + ",\"a\"]";
          break;
        default:
          list += "[\"r\"," + key + ",null]";
      }
    }
    op->argument = history->String("[" + list + "]");
  }
  static std::vector<Value> Answers(const Operation& op,
                                    const Transaction::State& state,
                                    History* history) {
    // Each read gets one of the values there are.
    std::vector<std::vector<Datum>> lists(1);
    ParseList(op.argument.bytes(), &lists[0]);
    std::vector<Datum> values(4);
    values[1].AssignInteger(0);
    values[2].AssignInteger(1);
    values[3].Append("a");
    for (const auto& [key, value] : state) values.push_back(value);
    for (size_t i = 0; i < lists[0].size(); i += 3) {
      if (lists[0][i].bytes() != "r") continue;
      std::vector<std::vector<Datum>> more;
      for (const std::vector<Datum>& list : lists) {
        for (const Datum& value : values) {
          more.push_back(list);
          more.back()[i + 2] = value;
        }
      }
      lists = std::move(more);
    }
    std::vector<Value> answers;
    for (const auto& list : lists) {
      answers.push_back(history->String(FormatList(list)));
    }
    return answers;
  }
};

template <typename M>
History Make(Random& random, size_t operations, int spoiled_percent) {
  constexpr uint32_t kClients = 3;
  History history;
  const uint32_t partition = history.Partition("k");
  const M model;
  typename M::State state = model.Initial();
  std::vector<Time> free(kClients, 0);
  for (size_t i = 0; i < operations; ++i) {
    const Time effect = static_cast<Time>(i + 1) * 10;
    const auto client = static_cast<uint32_t>(random() % kClients);
    Operation op{.client = client, .partition = partition};
    op.invoke = effect - static_cast<Time>(random() % 60);
    op.invoke = std::min(std::max(free[client], op.invoke), effect);
    op.ret = effect + static_cast<Time>(random() % 60);
    Draw<M>::Call(random, &history, &op);
    if (random() % 100 < 15) {
      op.ret = kNever;
      free[client] = effect + 1;
      typename M::State next = state;
      if (random() % 2 == 0 && model.Step(next, op)) state = next;
      history.Add(op);
      continue;
    }
    free[client] = op.ret + 1;
    std::vector<Value> answers = Draw<M>::Answers(op, state, &history);
    std::shuffle(answers.begin(), answers.end(), random);
    bool fits = false;
    for (const Value answer : answers) {
      op.result = answer;
      typename M::State next = state;
      fits = model.Step(next, op);
      if (!fits) continue;
      state = next;
      break;
    }
    if (!fits) continue;
    if (random() % 100 < static_cast<uint64_t>(spoiled_percent)) {
      op.result = answers[random() % answers.size()];
    }
    history.Add(op);
  }
  return history;
}

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

template <typename M>
void AgreeWithBruteForce(uint64_t seed) {
  Random random(seed);
  const ModelOf<M> model;
  size_t wrong = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        Make<M>(random, 2 + random() % 6, random() % 3 == 0 ? 0 : 25);
    const Result truth = LinearizableByBruteForce(history.operations(), model)
                             ? Result::kOk
                             : Result::kViolation;
    const CheckOptions options{.explain = truth != Result::kOk && i % 4 == 0};
    const Verdict verdict = Check(history, model, options);
    const SearchPlan plan(history.operations(), model);
    const bool agree =
        verdict.result == truth &&
        SearchDepthFirst(plan, kSearch)->Run(kSearch.nodes_max).result ==
            truth &&
        SearchByFrontier(plan, kSearch)->Run(kSearch.nodes_max).result ==
            truth &&
        (i % 2 == 0 || JudgeOnline(history, model) == truth);
    if (!agree) {
      RC_FAIL("brute force says " + std::string(ResultName(truth)) +
              Show(history, model));
    }
    if (truth != Result::kViolation) continue;
    ++wrong;
    if (!options.explain) continue;
    RC_ASSERT(verdict.counter_example->minimal);
    const std::string mistake =
        Refute(history, model, *verdict.counter_example);
    if (!mistake.empty()) RC_FAIL(mistake);
  }
  // Neither kind is rare.
  RC_ASSERT(wrong > kHistoriesPerCase / 20);
  RC_ASSERT(wrong < kHistoriesPerCase * 19 / 20);
}

// A result that was not reported constrains nothing.
template <typename M>
void StayRightUnreported(Random& random) {
  const ModelOf<M> model;
  for (int i = 0; i < 20; ++i) {
    const History told = Make<M>(random, 2 + random() % 6, 0);
    History untold;
    untold.Partition("k");
    for (Operation op : told.operations()) {
      if (random() % 3 == 0) op.result = {};
      untold.Add(op);
    }
    if (!LinearizableByBruteForce(untold.operations(), model) ||
        Check(untold, model).result != Result::kOk) {
      RC_FAIL(Show(untold, model));
    }
  }
}

RC_GTEST_PROP(ModelProperty, UnreportedResults_ConstrainNothing,
              (uint64_t seed)) {
  Random random(seed);
  StayRightUnreported<Register>(random);
  StayRightUnreported<CasRegister>(random);
  StayRightUnreported<Kv>(random);
  StayRightUnreported<ExpiringKv>(random);
  StayRightUnreported<Set>(random);
  StayRightUnreported<Queue>(random);
  StayRightUnreported<Lock>(random);
  StayRightUnreported<Transaction>(random);
}

RC_GTEST_PROP(ModelProperty, Register_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Register>(seed);
}
RC_GTEST_PROP(ModelProperty, CasRegister_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<CasRegister>(seed);
}
RC_GTEST_PROP(ModelProperty, Kv_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Kv>(seed);
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
RC_GTEST_PROP(ModelProperty, Lock_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Lock>(seed);
}
RC_GTEST_PROP(ModelProperty, Transaction_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Transaction>(seed);
}

}  // namespace
}  // namespace quorate::lincheck
