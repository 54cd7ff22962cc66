// The models against what docs/reference/formats/history.md says of them
// (specification.h), call by call; and what they promise the checker
// (lincheck/model.h).
#include "lincheck/testing/specification.h"

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/expiring_kv.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/lock.h"
#include "lincheck/models/mutex.h"
#include "lincheck/models/queue.h"
#include "lincheck/models/set.h"
#include "lincheck/models/transaction.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck::specification {
namespace {

using Random = std::mt19937_64;

// By default there are 100 cases.
constexpr size_t kCallsPerCase = 200;
constexpr Time kEnd = 40;  // Later than everything that returns.

// Any call may get any argument, also of a wrong kind.
std::vector<Value> SomeValues(ValueArena* arena) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  std::vector<Value> values = {Value(),
                               Value::Nil(),
                               Value::Integer(0),
                               Value::Integer(1),
                               Value::Integer(1),
                               Value::Integer(-1),
                               Value::Integer(2),
                               Value::Integer(Value::kIntegerMax),
                               Value::Integer(Value::kIntegerMin)};
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("ab"), std::string("1"),
        std::string("\0\xff", 2), std::string("[]"), std::string("[1,\"a\"]"),
        std::to_string(Value::kIntegerMax + 1), std::to_string(kMost - 1),
        std::to_string(-kMost - 1), "0" + std::to_string(kMost)}) {
    values.push_back(arena->String(text));
  }
  return values;
}

std::string SomeTriples(Random& random) {
  static const char* const kWhats[] = {"\"r\"", "\"r\"", "\"w\"", "\"w\"",
                                       "\"append\""};
  static const char* const kKeys[] = {"\"x\"", "\"y\"", "1", "null"};
  static const char* const kValues[] = {"null", "0", "1", "\"a\"", "\"\""};
  std::string list;
  for (size_t n = random() % 4; n > 0; --n) {
    const char* const what = kWhats[random() % std::size(kWhats)];
    if (!list.empty()) list += ",";
    list += std::string("[") + what + ",";
    list += std::string(kKeys[random() % std::size(kKeys)]) + ",";
    list += std::string(kValues[random() % std::size(kValues)]) + "]";
  }
  if (random() % 50 == 0) list += ",3";
  return "[" + list + "]";
}

template <typename M>
std::vector<std::string_view> FunctionsOf(const M& model) {
  std::vector<std::string_view> names;
  for (int f = 0; model.Name(static_cast<uint8_t>(f)) != "?"; ++f) {
    names.push_back(model.Name(static_cast<uint8_t>(f)));
  }
  return names;
}

// One model beside its specification, through a sequence of calls.
template <typename M, typename S>
class Walk {
 public:
  using World = typename S::World;
  Walk(Random& random, M model, S specification, World initial)
      : random_(random),
        model_(std::move(model)),
        specification_(std::move(specification)),
        functions_(FunctionsOf(model_)),
        values_(SomeValues(&arena_)),
        worlds_({std::move(initial)}),
        state_(model_.Initial()) {}

  void Run(size_t calls) {
    for (size_t i = 0; i < calls; ++i) Step();
  }

 private:
  size_t Below(size_t bound) { return random_() % bound; }
  Value AnyValue() { return values_[Below(values_.size())]; }

  // A call that may follow the others: it returns no earlier than any of them
  // was invoked.
  Operation Draw() {
    Operation op{.client = static_cast<uint32_t>(Below(3))};
    op.function = static_cast<uint8_t>(Below(functions_.size()));
    const Time latest = std::min<Time>(latest_, kEnd - 10);
    op.invoke = std::max<Time>(0, latest - 3 + static_cast<Time>(Below(6)));
    op.ret = std::max(latest_, op.invoke) + static_cast<Time>(Below(4));
    latest_ = std::max(latest_, op.invoke);
    op.argument = AnyValue();
    op.expected = AnyValue();
    const std::string_view name = functions_[op.function];
    if (name == "txn" && Below(20) != 0) {
      op.argument = arena_.String(SomeTriples(random_));
    }
    const Value small = Value::Integer(static_cast<int64_t>(Below(9)) - 1);
    if (name == "put_for" && Below(20) != 0) op.expected = small;
    if (name == "put_for" && Below(4) == 0) op.argument = Value::Nil();
    if ((name == "expire" || name == "release" || name == "check") &&
        Below(20) != 0) {
      op.argument = small;
    }
    if (name == "cas" && Below(2) == 0) op.expected = CurrentValue();
    return op;
  }
  Value CurrentValue() {
    if constexpr (std::is_same_v<World, Item>) {
      return ValueOf(*worlds_.begin(), &arena_);
    } else {
      return AnyValue();
    }
  }

  Value ResultOf(const Reply& reply) {
    if (reply.kind == Reply::Kind::kNothing) return {};
    if (reply.kind == Reply::Kind::kOne) {
      return ValueOf(reply.items[0], &arena_);
    }
    std::vector<Item> items = reply.items;
    if (reply.kind == Reply::Kind::kBag) {
      std::shuffle(items.begin(), items.end(), random_);
    }
    std::vector<Datum> list(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      list[i].Assign(ValueOf(items[i], &arena_));
    }
    return arena_.String(FormatList(list));
  }

  // A list that is nearly the right one.
  Value Spoil(Value list) {
    std::vector<Datum> items;
    if (!list.is_string() || !ParseList(list.bytes(), &items)) return list;
    if (items.empty() || Below(4) == 0) {
      items.emplace_back().AssignInteger(1);
    } else {
      items[Below(items.size())].Assign(AnyValue());
    }
    return arena_.String(FormatList(items));
  }

  void Step() {
    Operation op = Draw();
    Operation unknown = op;
    unknown.ret = kNever;
    std::vector<Operation> candidates = {op, unknown};
    const auto add = [&](Value result) {
      candidates.push_back(op);
      candidates.back().result = result;
    };
    std::vector<SpecifiedOutcome<World>> known = Outcomes(op);
    const std::vector<SpecifiedOutcome<World>> later = Outcomes(unknown);
    for (size_t i = 0; i < known.size() && i < 4; ++i) {
      add(ResultOf(known[Below(known.size())].reply));
      add(Spoil(candidates.back().result));
    }
    for (int i = 0; i < 4; ++i) add(AnyValue());
    add(Value::Nil());  // It may be gone.
    std::vector<Operation> fitting;
    for (const Operation& candidate : candidates) {
      const std::set<World> after =
          Fitting(candidate.known() ? known : later, candidate);
      typename M::State state = state_;
      const bool may = model_.Step(state, candidate);
      if (may == after.empty()) Fail(candidate, may);
      if constexpr (requires(Links * l) { model_.FindLinks(candidate, l); }) {
        CheckLinks(candidate, may, state);
      }
      if (!may) continue;
      fitting.push_back(candidate);
      CheckPromises(candidate, state);
    }
    if (fitting.empty()) return;
    const Operation& taken = fitting[Below(fitting.size())];
    worlds_ = Fitting(taken.known() ? known : later, taken);
    model_.Step(state_, taken);
    trail_ += "\n  " + Describe(taken) + ": " + model_.Describe(state_);
  }

  std::vector<SpecifiedOutcome<World>> Outcomes(const Operation& op) {
    std::vector<SpecifiedOutcome<World>> all;
    const Call call{functions_[op.function], op.argument, op.expected,
                    op.invoke, op.ret};
    for (const World& world : worlds_) {
      for (auto& outcome : specification_.Do(world, call)) {
        all.push_back(std::move(outcome));
      }
    }
    return all;
  }
  static std::set<World> Fitting(
      const std::vector<SpecifiedOutcome<World>>& outcomes,
      const Operation& op) {
    std::set<World> after;
    for (const SpecifiedOutcome<World>& outcome : outcomes) {
      if (!op.known() || op.result.is_none() || outcome.reply.Fits(op.result)) {
        after.insert(outcome.after);
      }
    }
    return after;
  }

  bool IsRead(const Operation& op) const {
    return ReadingOf(model_.IsRead(op)) != Reading::kChanges;
  }

  // `op` is possible in state_, and leaves `after`.
  void CheckPromises(const Operation& op, const typename M::State& after) {
    if (ReadingOf(model_.IsRead(op)) == Reading::kReads && op.known() &&
        !(after == state_)) {
      Fail(op, true, "reads, but changes the state");
    }
    if constexpr (requires { model_.LooksBeyondCall(op); }) {
      Operation other = op;
      other.invoke = 0;
      if (op.known()) other.ret = kEnd;
      other.client = 77;
      typename M::State state = state_;
      if (!model_.LooksBeyondCall(op) &&
          !(model_.Step(state, other) && state == after)) {
        Fail(op, true, "looks beyond the call");
      }
    }
  }

  // Links are true of `op`, which in state_ is possible or not.
  void CheckLinks(const Operation& op, bool may, const Datum& after) {
    Links links;
    if (!op.known() && IsRead(op)) return;
    if (!model_.FindLinks(op, &links)) return;
    // Where all operations have links, a text is never deleted.
    if (state_.is_nil() && !model_.Initial().is_nil()) return;
    const auto show = [&](const Datum& datum) {
      if (datum == model_.Initial()) return Value::Nil();
      return ValueOf(ItemOf(datum), &arena_);
    };
    const bool sees = !links.reads || links.seen == show(state_);
    Datum left = state_;
    if (links.writes) left.Assign(links.written);
    if (links.writes && links.written.is_nil()) left = model_.Initial();
    if (links.appends) left.Append(links.written.bytes());
    const bool fits =
        links.size.is_none() ||
        links.size == Value::Integer(static_cast<int64_t>(left.size()));
    const bool expected = op.known() ? sees && fits : true;
    if (links.conditional ? may && !expected : may != expected) {
      Fail(op, may, "has other links");
    }
    if (!may || after == left) return;
    // Of unknown outcome, or conditional, it may have done nothing.
    if ((links.conditional || !sees) && after == state_) return;
    Fail(op, may, "leaves what its links do not say");
  }

  std::string Describe(const Operation& op) const {
    return std::string(functions_[op.function]) + "(" + op.expected.ToString() +
           ", " + op.argument.ToString() +
           ") = " + (op.known() ? op.result.ToString() : "?") + " [" +
           std::to_string(op.invoke) + ", " +
           (op.known() ? std::to_string(op.ret) : "…") + "]";
  }
  void Fail(const Operation& op, bool may,
            const std::string& what = "is judged otherwise than specified") {
    RC_FAIL(Describe(op) + (may ? " (possible) " : " (impossible) ") + what +
            ", after" + trail_);
  }

  Random& random_;
  const M model_;
  const S specification_;
  ValueArena arena_;
  const std::vector<std::string_view> functions_;
  const std::vector<Value> values_;
  std::set<World> worlds_;
  typename M::State state_;
  Time latest_ = 0;  // Invocation so far.
  std::string trail_;
};

template <typename M, typename S>
void FollowsSpecification(uint64_t seed, M model = {}, S specification = {},
                          typename S::World initial = {}) {
  Random random(seed);
  for (size_t calls = 0; calls < kCallsPerCase;) {
    const size_t length = 3 + random() % 8;
    Walk<M, S>(random, model, specification, initial).Run(length);
    calls += length;
  }
}

RC_GTEST_PROP(ModelSpecification, Register_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Register, RegisterSpecification>(seed);
}
// The value that an object begins with: one that calls write and see, too.
Datum AnyInitial(uint64_t seed) {
  const std::string_view texts[] = {"", "a", "1"};
  if (seed % 2 == 0) return Datum::Text(texts[seed / 2 % std::size(texts)]);
  Datum initial;
  initial.AssignInteger(static_cast<int64_t>(seed / 2 % 3));
  return initial;
}
RC_GTEST_PROP(ModelSpecification, RegisterThatBeginsAtAValue_IsFollowed,
              (uint64_t seed)) {
  const Datum initial = AnyInitial(seed);
  FollowsSpecification<Register, RegisterSpecification>(
      seed, StartingAs<Register>(initial), {}, ItemOf(initial));
}
RC_GTEST_PROP(ModelSpecification, CasRegisterThatBeginsAtAValue_IsFollowed,
              (uint64_t seed)) {
  const Datum initial = AnyInitial(seed);
  FollowsSpecification<CasRegister, CasRegisterSpecification>(
      seed, StartingAs<CasRegister>(initial), {}, ItemOf(initial));
}
RC_GTEST_PROP(ModelSpecification, KvThatBeginsAtAValue_IsFollowed,
              (uint64_t seed)) {
  const Datum initial = AnyInitial(seed);
  FollowsSpecification<Kv, KvSpecification>(seed, {.initial = initial}, {},
                                            ItemOf(initial));
}
RC_GTEST_PROP(ModelSpecification, TransactionsThatBeginAtAValue_AreFollowed,
              (uint64_t seed)) {
  const Datum initial = AnyInitial(seed);
  FollowsSpecification<Transaction, TransactionSpecification>(
      seed, {.initial = initial}, {.initial = ItemOf(initial)});
}
RC_GTEST_PROP(ModelSpecification, Mutex_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Mutex, MutexSpecification>(seed);
}
RC_GTEST_PROP(ModelSpecification, CasRegister_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<CasRegister, CasRegisterSpecification>(seed);
}
RC_GTEST_PROP(ModelSpecification, Kv_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Kv, KvSpecification>(seed);
}
RC_GTEST_PROP(ModelSpecification, KvText_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Kv, KvSpecification>(seed, {.initial = Datum::Text("")},
                                            {}, std::string());
}
RC_GTEST_PROP(ModelSpecification, ExpiringKv_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<ExpiringKv, ExpiringKvSpecification>(seed, {},
                                                            {.horizon = kEnd});
}
RC_GTEST_PROP(ModelSpecification, Set_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Set, SetSpecification>(seed);
}
RC_GTEST_PROP(ModelSpecification, Queue_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Queue, QueueSpecification>(seed);
}
RC_GTEST_PROP(ModelSpecification, Lock_IsFollowed, (uint64_t seed)) {
  // The last one is never told, nor shown: there is always another one.
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  std::vector<int64_t> tokens = {-kMost - 1,         Value::kIntegerMin,
                                 Value::kIntegerMax, Value::kIntegerMax + 1,
                                 kMost - 1,          kMost};
  for (int64_t token = -3; token < 12; ++token) tokens.push_back(token);
  FollowsSpecification<Lock, LockSpecification>(seed, {}, {tokens});
}
RC_GTEST_PROP(ModelSpecification, Transaction_IsFollowed, (uint64_t seed)) {
  FollowsSpecification<Transaction, TransactionSpecification>(seed);
}

}  // namespace
}  // namespace quorate::lincheck::specification
