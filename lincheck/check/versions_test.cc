// Versions and results together: one order has to explain both.
#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/links/versioned.h"
#include "lincheck/search/search.h"
#include "lincheck/testing/brute_force.h"
#include "lincheck/testing/model_histories.h"
#include "lincheck/testing/proof.h"
#include "lincheck/testing/random_history.h"
#include "lincheck/testing/specification.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

using specification::CasRegisterSpecification;
using specification::ExpiringKvSpecification;
using specification::KvSpecification;
using specification::LockSpecification;
using specification::QueueSpecification;
using specification::RegisterSpecification;
using specification::SetSpecification;
using specification::TransactionSpecification;

// 100 cases by default, so many histories each.
constexpr int kHistories = 200;

// The rules of docs/reference/formats/history.md for versions, beside those of
// `S` (models/specification.h): all possible cases.
template <typename M, typename S>
struct WithVersions {
  struct World {
    typename S::World inner;
    StateVersion version = kInitialVersion;  // kNoVersion: not seen yet.
    std::set<StateVersion> past;  // Those that were made, or seen and not told.

    friend auto operator<=>(const World&, const World&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const World& w) {
      return H::combine(std::move(h), w.version, w.past);
    }
  };
  using State = std::set<World>;
  M model;
  S specification;
  typename S::World initial;
  Time horizon = 0;             // Open operations take effect by then.
  std::set<StateVersion> told;  // By all writes.

  State Initial() const { return {{initial, kInitialVersion, {}}}; }
  bool Step(State& state, const Operation& op) const {
    State after;
    for (const World& world : state) StepWorld(world, op, &after);
    state = std::move(after);
    return !state.empty();
  }
  bool IsRead(const Operation& op) const {
    return ReadingOf(model.IsRead(op)) != Reading::kChanges &&
           op.written == kNoVersion;
  }
  std::string_view Name(uint8_t function) const { return model.Name(function); }
  std::string Describe(const State&) const { return "?"; }

 private:
  void StepWorld(World world, const Operation& op, State* after) const {
    if (op.known() && op.seen != kNoVersion && op.seen != world.version) {
      const bool may_be = world.version == kNoVersion &&
                          op.seen != kInitialVersion && !told.contains(op.seen);
      if (!may_be || !world.past.insert(op.seen).second) return;
      world.version = op.seen;
    }
    if (op.written == kInitialVersion) return;
    if (op.written != kNoVersion && !world.past.insert(op.written).second) {
      return;
    }
    const specification::Call call{Name(op.function), op.argument, op.expected,
                                   op.invoke, op.known() ? op.ret : horizon};
    for (const auto& [inner, reply] : specification.Do(world.inner, call)) {
      if (op.known() && !op.result.is_none() && !reply.Fits(op.result)) {
        continue;
      }
      World next{inner, world.version, world.past};
      if (op.written != kNoVersion) next.version = op.written;
      const bool silent = op.written == kNoVersion && !DoesNothing(op);
      if (!silent || !Changes(call, world.inner, inner)) after->insert(next);
      if (!silent) continue;
      next.version = kNoVersion;
      after->insert(next);
    }
  }
  // It reads, or says that it did nothing.
  bool DoesNothing(const Operation& op) const {
    static const std::set<std::string_view> kReads = {
        "get", "read", "contains", "peek", "length", "check"};
    static const std::set<std::string_view> kGiveNil = {"take", "dequeue",
                                                        "acquire"};
    static const std::set<std::string_view> kGiveFlag = {
        "cas",     "delete", "put_if_exists", "expire",
        "persist", "add",    "remove",        "release"};
    const std::string_view name = Name(op.function);
    if (name == "txn") {
      const std::string_view list = op.argument.bytes();
      return list.find("\"w\"") == list.npos &&
             list.find("\"append\"") == list.npos;
    }
    if (kReads.contains(name)) return true;
    if (!op.known()) return false;
    return (kGiveNil.contains(name) && op.result.is_nil()) ||
           (kGiveFlag.contains(name) && op.result == Value::Integer(0));
  }
  static bool Changes(const specification::Call& call, typename S::World before,
                      const typename S::World& after) {
    if constexpr (std::is_same_v<M, ExpiringKv>) {
      if (before.end.has_value() && *before.end <= after.now) before = {};
      const bool sets_end =
          call.function == "put_for" || call.function == "expire";
      const bool there = after.value != specification::Item();
      return before.value != after.value || before.end != after.end ||
             (sets_end && there);
    } else {
      return before != after;
    }
  }
};

// Forgets some of the versions, and perhaps spoils one.
History Forget(TestRandom& random, const History& whole) {
  const uint64_t percent = random() % 3 * 20;
  const size_t spoiled = random() % (2 * whole.operations().size() + 1);
  History history;
  history.Partition("k");
  for (Operation op : whole.operations()) {
    if (!op.known() && random() % 2 == 0) op.written = kNoVersion;
    if (random() % 100 < percent) op.written = kNoVersion;
    if (random() % 100 < percent) op.seen = kNoVersion;
    if (op.known() && history.operations().size() == spoiled) {
      StateVersion* version = op.written != kNoVersion && random() % 4 == 0
                                  ? &op.written
                                  : &op.seen;
      *version = kInitialVersion + random() % 6;
    }
    history.Add(op);
  }
  return history;
}

// The same with times and durations of a tenth: as many moments to try.
History Shorten(const History& long_one) {
  History history;
  history.Partition("k");
  const auto shorten = [](Value* duration) {
    *duration = Value::Integer(duration->integer() / 10);
  };
  for (Operation op : long_one.operations()) {
    op.invoke = op.invoke / 10 + 5;  // None is below 0.
    if (op.known()) op.ret = op.ret / 10 + 5;
    if (op.function == ExpiringKv::kPutFor) shorten(&op.expected);
    if (op.function == ExpiringKv::kExpire) shorten(&op.argument);
    history.Add(op);
  }
  return history;
}

// A state is a set of possible states, and a write does not tell its version.
bool MayBeUndecided(const History& history, const Model& model) {
  bool learns = false;
  bool silent = false;
  for (const Operation& op : history.operations()) {
    learns = learns || model.Learns(op);
    silent =
        silent || (op.known() && op.written == kNoVersion && !model.IsRead(op));
  }
  return learns && silent;
}

template <typename M, typename S>
void AgreeWithBruteForce(uint64_t seed, int histories, S specification = {},
                         M plain = {}, typename S::World initial = {}) {
  TestRandom random(seed);
  const ModelOf<M> model(plain);
  // Counts of all cases: any share of a few histories may be wrong.
  static int judged = 0;
  static int wrong = 0;
  static int wrong_together = 0;
  for (int i = 0; i < histories; ++i) {
    const auto mistake = random() % 2 == 0
                             ? Mistake::kNone
                             : static_cast<Mistake>(random() % kMistakes);
    Maker<M> maker(random, plain, mistake);
    maker.TellVersions();
    const History whole = maker.Run(2 + random() % 5);
    History history = Forget(random, whole);
    if constexpr (std::is_same_v<M, ExpiringKv>) history = Shorten(history);
    WithVersions<M, S> versioned{plain, specification, initial, 20, {}};
    for (const Operation& op : history.operations()) {
      if (op.written != kNoVersion) versioned.told.insert(op.written);
    }
    const ModelOf<WithVersions<M, S>> truth(versioned);
    const bool right = LinearizableByBruteForce(history.operations(), truth);
    const Verdict verdict = Check(history, model, {.explain = i % 4 == 0});
    if (verdict.result == Result::kUnknown && MayBeUndecided(history, model)) {
      RC_ASSERT(verdict.undecidable.find("tells no version") !=
                std::string::npos);
      continue;
    }
    if (verdict.result != (right ? Result::kOk : Result::kViolation)) {
      RC_FAIL("brute force says " + std::to_string(right) +
              Show(history, model));
    }
    if (right) continue;
    ++wrong;
    wrong_together += LinearizableByBruteForce(history.operations(), model);
    if (i % 4 != 0) continue;
    RC_ASSERT(verdict.counter_example->minimal);
    const std::string refuted =
        Refute(history, truth, *verdict.counter_example);
    if (!refuted.empty()) RC_FAIL(refuted);
  }
  judged += histories;
  if (judged < 2'000) return;
  RC_ASSERT(wrong > judged / 8);
  RC_ASSERT(wrong < judged * 7 / 8);
  RC_ASSERT(wrong_together > judged / 40);
}

RC_GTEST_PROP(VersionsProperty, Register_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Register, RegisterSpecification>(seed, kHistories);
}
RC_GTEST_PROP(VersionsProperty, CasRegister_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<CasRegister, CasRegisterSpecification>(seed, kHistories);
}
RC_GTEST_PROP(VersionsProperty, Kv_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Kv, KvSpecification>(seed, kHistories);
}
RC_GTEST_PROP(VersionsProperty, KvText_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Kv, KvSpecification>(
      seed, kHistories, {}, {.initial = Datum::Text("")}, std::string());
}
RC_GTEST_PROP(VersionsProperty, ExpiringKv_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<ExpiringKv, ExpiringKvSpecification>(seed, kHistories / 4,
                                                           {.horizon = 20});
}
RC_GTEST_PROP(VersionsProperty, Set_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Set, SetSpecification>(seed, kHistories);
}
RC_GTEST_PROP(VersionsProperty, Queue_AgreesWithBruteForce, (uint64_t seed)) {
  AgreeWithBruteForce<Queue, QueueSpecification>(seed, kHistories);
}
RC_GTEST_PROP(VersionsProperty, Lock_AgreesWithBruteForce, (uint64_t seed)) {
  // Those that are told and shown, and enough of others.
  std::vector<int64_t> tokens;
  for (int64_t token = -6; token < 16; ++token) tokens.push_back(token);
  AgreeWithBruteForce<Lock, LockSpecification>(seed, kHistories / 4, {tokens});
}
RC_GTEST_PROP(VersionsProperty, Transaction_AgreesWithBruteForce,
              (uint64_t seed)) {
  AgreeWithBruteForce<Transaction, TransactionSpecification>(seed, kHistories);
}

// The first operation saw version 3, and so not the value 1, only because the
// second one came before the third. The context has both writes.
TEST(Versions, ContextOfAVersionThatIsSeen_LeavesItsWriterPossible) {
  History history;
  history.Partition("k");
  history.Add({.invoke = 40,
               .ret = 57,
               .client = 2,
               .function = Kv::kCas,
               .argument = history.String("b"),
               .expected = Value::Integer(1),
               .result = Value::Integer(0),
               .seen = 3});
  history.Add({.invoke = 0,
               .client = 1,
               .function = Kv::kPut,
               .argument = Value::Integer(2),
               .written = 2});
  history.Add({.invoke = 0,
               .ret = 45,
               .client = 2,
               .function = Kv::kPutIfExists,
               .argument = Value::Integer(0),
               .result = Value::Integer(0),
               .seen = 6});
  history.Add({.invoke = 21,
               .ret = 36,
               .client = 1,
               .function = Kv::kIncrement,
               .argument = Value::Integer(1),
               .result = Value::Integer(3),
               .seen = 2,
               .written = 3});
  const ModelOf<Kv> model;
  const Verdict verdict = Check(history, model, {.explain = true});
  ASSERT_EQ(verdict.result, Result::kViolation);
  ASSERT_TRUE(verdict.counter_example->minimal);
  const ModelOf<WithVersions<Kv, KvSpecification>> truth(
      {Kv(), KvSpecification(), {}, 20, {2, 3}});
  EXPECT_EQ(Refute(history, truth, *verdict.counter_example), "");
}

// A write has the version that it saw and not the one that it made. It stands
// after all operations that saw this version, wherever the file has it.
TEST(Versions, WriteWithTheVersionBeforeOnly_KeepsRealTime) {
  const ModelOf<Kv> model;
  for (const bool stale_first : {false, true}) {
    History history;
    Operation stale{.invoke = 50, .ret = 60, .client = 2};
    stale.partition = history.Partition("x");
    stale.result = history.String("a");
    stale.seen = 2;
    if (stale_first) history.Add(stale);
    history.Add({.invoke = 10,
                 .ret = 20,
                 .function = Kv::kPut,
                 .argument = history.String("a"),
                 .seen = 1,
                 .written = 2});
    history.Add({.invoke = 30,
                 .ret = 40,
                 .function = Kv::kPut,
                 .argument = history.String("b"),
                 .seen = 2});
    if (!stale_first) history.Add(stale);
    EXPECT_EQ(Check(history, model).result, Result::kViolation);
  }
}

// Zones, where every version that was seen has a writer, and a search.
RC_GTEST_PROP(VersionsProperty, LongHistories_BothPathsAgree, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  // Of all cases, as above.
  static int judged = 0;
  static int by_zones = 0;
  static int decided = 0;
  static int wrong = 0;
  constexpr int kLong = 30;
  for (int i = 0; i < kLong; ++i) {
    const History told =
        RandomKvHistory(random, {.operations = 200 + random() % 400,
                                 .clients = 5,
                                 .unknown_percent = 3,
                                 .unique_values = true,
                                 .versions = true,
                                 .spoiled_percent = i % 2 == 0 ? 1 : 0});
    History history;
    history.Partition("0");
    for (Operation op : told.operations()) {
      if (!op.known() && i % 3 == 0) op.written = kNoVersion;
      history.Add(op);
    }
    const Verdict verdict =
        Check(history, model, {.nodes_max = 100'000, .explain = false});
    by_zones += verdict.partitions_by_zones > 0 ? 1 : 0;
    const SearchResult search = Search(
        history.operations(),
        VersionedModel(model, history.operations(), history.operations()),
        {.nodes_max = 300'000, .bytes_max = 1 << 28});
    if (search.result == Result::kUnknown ||
        verdict.result == Result::kUnknown) {
      continue;
    }
    ++decided;
    wrong += search.result == Result::kViolation ? 1 : 0;
    if (search.result == verdict.result) continue;
    RC_FAIL("search says " + std::string(ResultName(search.result)) +
            Show(history, model));
  }
  judged += kLong;
  if (judged < 10 * kLong) return;
  RC_ASSERT(by_zones > judged / 3);
  RC_ASSERT(decided > judged / 2);
  RC_ASSERT(wrong > judged / 30);
  RC_ASSERT(wrong < decided - judged / 10);
}

}  // namespace
}  // namespace quorate::lincheck
