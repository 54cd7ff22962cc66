// lincheck/testing/model_histories.h: small histories of every model, for
// tests, made by running it, with the mistakes that stores make.
#ifndef QUORATE_LINCHECK_TESTING_MODEL_HISTORIES_H_
#define QUORATE_LINCHECK_TESTING_MODEL_HISTORIES_H_

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lincheck/history.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/expiring_kv.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/lock.h"
#include "lincheck/models/mutex.h"
#include "lincheck/models/queue.h"
#include "lincheck/models/set.h"
#include "lincheck/models/transaction.h"

namespace quorate::lincheck {

using TestRandom = std::mt19937_64;

// A random operation of a model. Answers() lists results, at least one
// of which fits any state.
template <typename M>
struct Draw;

inline Value AnyNumber(TestRandom& random) {
  return Value::Integer(static_cast<int64_t>(random() % 3));
}
inline std::vector<Value> Numbers(int count) {
  std::vector<Value> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(Value::Integer(i));
  return numbers;
}

template <>
struct Draw<Register> {
  static void Call(TestRandom& random, History*, Operation* op) {
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
  static void Call(TestRandom& random, History*, Operation* op) {
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
  static Value Text(TestRandom& random, History* history) {
    return history->String(random() % 2 == 0 ? "a" : "b");
  }
  static void Call(TestRandom& random, History* history, Operation* op) {
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
  static void Call(TestRandom& random, History* history, Operation* op) {
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
  static void Call(TestRandom& random, History*, Operation* op) {
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
  static void Call(TestRandom& random, History*, Operation* op) {
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
  static void Call(TestRandom& random, History*, Operation* op) {
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
struct Draw<Mutex> {
  static void Call(TestRandom& random, History*, Operation* op) {
    op->function = random() % 2;
  }
  static std::vector<Value> Answers(const Operation&, bool, History*) {
    return Numbers(2);
  }
};

template <>
struct Draw<Transaction> {
  static void Call(TestRandom& random, History* history, Operation* op) {
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

// The mistakes of a store in one operation.
enum class Mistake : uint8_t {
  kResult,     // It answers something else.
  kLost,       // It answers, but has no effect.
  kTwice,      // It takes effect twice.
  kLate,       // It takes effect after its return.
  kEarly,      // It takes effect before its invocation.
  kForgotten,  // It took effect, and the history does not have it.
  kExchanged,  // It gets the answer of the operation before it.
  kNone,
};
inline constexpr auto kMistakes = static_cast<size_t>(Mistake::kNone);

// Runs the model. Of each history one or two operations go wrong in the same
// way, unless it is kNone.
template <typename M>
class Maker {
 public:
  Maker(TestRandom& random, const M& model, Mistake mistake,
        size_t unknown_percent = 15)
      : random_(random),
        model_(model),
        mistake_(mistake),
        unknown_percent_(unknown_percent),
        state_(model.Initial()) {
    partition_ = history_.Partition("k");
  }

  // Operations tell the versions that they saw and made.
  void TellVersions() { tells_versions_ = true; }

  History Run(size_t operations) {
    const size_t wrong = Below(operations);
    const size_t also_wrong = Below(operations);
    for (size_t i = 0; i < operations; ++i) {
      const bool goes_wrong = i == wrong || i == also_wrong;
      Do(static_cast<Time>(i + 1) * 10, goes_wrong ? mistake_ : Mistake::kNone);
    }
    // No verdict may depend on the order of a file.
    std::shuffle(operations_.begin(), operations_.end(), random_);
    for (const Operation& op : operations_) history_.Add(op);
    return std::move(history_);
  }

 private:
  static constexpr size_t kClients = 3;

  size_t Below(size_t bound) { return random_() % bound; }
  Time Some(Time most) {
    return static_cast<Time>(Below(static_cast<size_t>(most) + 1));
  }
  void Apply(const Operation& op) {
    typename M::State next = state_;
    if (model_.Step(next, op)) state_ = next;
  }
  // An operation that takes effect makes a version. Some stores make none if it
  // changes nothing.
  void MakeVersion(Operation* op) {
    typename M::State next = state_;
    const bool reads = ReadingOf(model_.IsRead(*op)) != Reading::kChanges;
    if (!tells_versions_ || reads) return;
    if (model_.Step(next, *op) && next == state_ && Below(2) == 0) return;
    op->written = version_ = ++last_version_;
  }
  // Gives it an answer that fits. False if there is none.
  bool Answer(const std::vector<Value>& answers, Operation* op) {
    for (const Value answer : answers) {
      op->result = answer;
      typename M::State next = state_;
      if (model_.Step(next, *op)) return true;
    }
    return false;
  }

  void Do(Time effect, Mistake mistake) {
    const size_t client = Below(kClients);
    Operation op{.client = static_cast<uint32_t>(client),
                 .partition = partition_};
    op.invoke = std::min(std::max(free_[client], effect - Some(59)), effect);
    op.ret = effect + Some(59);
    Draw<M>::Call(random_, &history_, &op);
    if (tells_versions_) op.seen = version_;
    if (Below(100) < unknown_percent_) {
      op.ret = kNever;
      free_[client] = effect + 1;
      op.seen = kNoVersion;
      if (Below(2) == 0) {
        MakeVersion(&op);
        Apply(op);
      }
      operations_.push_back(op);
      return;
    }
    std::vector<Value> answers = Draw<M>::Answers(op, state_, &history_);
    std::shuffle(answers.begin(), answers.end(), random_);
    if (!Answer(answers, &op)) return;
    free_[client] = op.ret + 1;
    if (mistake != Mistake::kLost) {
      MakeVersion(&op);
      Apply(op);
    }
    if (mistake == Mistake::kTwice) {
      Operation again = op;
      again.ret = kNever;
      Apply(again);
    }
    const Value right = op.result;
    if (mistake == Mistake::kResult) op.result = answers[Below(answers.size())];
    if (mistake == Mistake::kExchanged && !last_.is_none()) op.result = last_;
    if (mistake == Mistake::kLate) {
      op.ret = effect - 1 - Some(40);
      op.invoke = std::min(op.invoke, op.ret);
    }
    if (mistake == Mistake::kEarly) {
      op.invoke = effect + 1 + Some(40);
      op.ret = std::max(op.invoke, op.ret);
    }
    if (!right.is_none()) last_ = right;
    if (mistake != Mistake::kForgotten) operations_.push_back(op);
  }

  TestRandom& random_;
  const M& model_;
  const Mistake mistake_;
  const size_t unknown_percent_;
  typename M::State state_;
  History history_;
  std::vector<Operation> operations_;  // In the order of their effects.
  uint32_t partition_ = 0;
  Time free_[kClients] = {};
  Value last_;  // Answer.
  bool tells_versions_ = false;
  StateVersion version_ = kInitialVersion;
  StateVersion last_version_ = kInitialVersion;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_MODEL_HISTORIES_H_
