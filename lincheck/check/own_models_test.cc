// Odd and broken models of users against brute force. Every verdict is right.
#include "lincheck/testing/own_models.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/levels/levels.h"
#include "lincheck/online/online.h"
#include "lincheck/testing/brute_force.h"
#include "lincheck/testing/proof.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

constexpr int kHistoriesPerCase = 60;

// One operation after another, by one client.
class Sequence {
 public:
  explicit Sequence(std::vector<Operation> operations) {
    const uint32_t key = history.Partition("k");
    Time now = 0;
    for (Operation& op : operations) {
      op.invoke = ++now;
      if (op.ret == kNever) {
        ++now;
      } else {
        op.ret = ++now;
      }
      op.partition = key;
      history.Add(op);
    }
  }
  History history;
};
Operation Returned(uint8_t function, Value argument, Value result) {
  return {
      .ret = 0, .function = function, .argument = argument, .result = result};
}
Operation Write(int64_t n) {
  return Returned(kOwnWrite, Value::Integer(n), {});
}
Operation Read(int64_t n) { return Returned(kOwnRead, {}, Value::Integer(n)); }
Operation Other(int64_t n) {
  return Returned(kOwnOther, {}, Value::Integer(n));
}

template <typename M>
Result JudgeOnline(const History& history) {
  std::vector<std::tuple<Time, bool, size_t>> events;
  const absl::Span<const Operation> operations = history.operations();
  for (size_t i = 0; i < operations.size(); ++i) {
    events.emplace_back(operations[i].invoke, false, i);
    if (operations[i].known()) events.emplace_back(operations[i].ret, true, i);
  }
  std::sort(events.begin(), events.end());
  const ModelOf<M> model;
  OnlineChecker checker(model);
  std::vector<OnlineChecker::Ticket> tickets(operations.size());
  for (const auto& [time, ends, i] : events) {
    if (ends) {
      checker.Return(tickets[i], time, operations[i].result);
      continue;
    }
    tickets[i] = checker.Invoke("k", time, operations[i]);
    if (!operations[i].known()) checker.LeaveUnknown(tickets[i], time);
  }
  checker.Finish();
  return checker.result();
}

// Whether one order explains everything in which each client's operations stand
// as it did them, one after the other.
template <typename M>
class Sequential {
 public:
  explicit Sequential(const History& history)
      : operations_(history.operations()) {}
  bool From(uint32_t placed, const typename M::State& state) const {
    bool done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if ((placed >> i & 1) != 0) continue;
      done = done && !operations_[i].known();
      if (!MayFollow(i, placed)) continue;
      typename M::State next = state;
      if (M().Step(next, operations_[i]) && From(placed | 1u << i, next)) {
        return true;
      }
    }
    return done;
  }

 private:
  bool MayFollow(size_t i, uint32_t placed) const {
    const Operation& op = operations_[i];
    for (size_t j = 0; j < operations_.size(); ++j) {
      const Operation& other = operations_[j];
      if ((placed >> j & 1) == 0 && other.client == op.client &&
          other.ret < op.invoke) {
        return false;
      }
    }
    return true;
  }

  const absl::Span<const Operation> operations_;
};

struct Counts {
  int ok = 0;
  int wrong = 0;
};

template <typename M>
void CheckOne(const History& history, Counts* counts) {
  const ModelOf<M> model;
  const Result truth = LinearizableByBruteForce(history.operations(), model)
                           ? Result::kOk
                           : Result::kViolation;
  ++(truth == Result::kOk ? counts->ok : counts->wrong);
  const auto fail = [&](const std::string& what) {
    RC_FAIL(what + "; brute force says " + std::string(ResultName(truth)) +
            Show(history, model));
  };
  const Result online = JudgeOnline<M>(history);
  if (online != truth) fail("online: " + std::string(ResultName(online)));
  const Verdict verdict = Check(history, model);
  const LevelsVerdict levels = CheckLevels(history, model, verdict);
  if (verdict.result != truth) {
    fail("check: " + std::string(ResultName(verdict.result)));
  }
  if (truth == Result::kOk) return;
  const LevelVerdict& sequential =
      levels.levels[static_cast<size_t>(ConsistencyLevel::kSequential)];
  if (sequential.result != Result::kUnknown) {
    if ((sequential.result == Result::kOk) !=
        Sequential<M>(history).From(0, M().Initial())) {
      fail("sequential: " + std::string(ResultName(sequential.result)) + " " +
           sequential.reason);
    }
  }
  // IsRead() says there which operations read.
  if (M::kBroken == "IsRead()") return;
  const std::string refuted = Refute(history, model, *verdict.counter_example);
  if (!refuted.empty()) fail(refuted);
}

template <typename M>
Counts Agree(uint64_t seed, int histories = kHistoriesPerCase) {
  TestRandom random(seed);
  Counts counts;
  const M plain;
  for (int i = 0; i < histories; ++i) {
    const auto mistake = static_cast<Mistake>(random() % (kMistakes + 1));
    History history = Maker<M>(random, plain, mistake).Run(2 + random() % 6);
    CheckOne<M>(history, &counts);
  }
  return counts;
}
RC_GTEST_PROP(OwnModels, CountingRegister_IsJudgedRightly, (uint64_t seed)) {
  Agree<CountingRegister>(seed);
}
RC_GTEST_PROP(OwnModels, ClaimRegister_IsJudgedRightly, (uint64_t seed)) {
  Agree<ClaimRegister>(seed);
}
RC_GTEST_PROP(OwnModels, Coin_IsJudgedRightly, (uint64_t seed)) {
  Agree<Coin>(seed);
}
RC_GTEST_PROP(OwnModels, TakeRegister_IsJudgedRightly, (uint64_t seed)) {
  Agree<TakeRegister>(seed);
}
RC_GTEST_PROP(OwnModels, CoinWithoutLearns_IsNeverJudgedWrongly,
              (uint64_t seed)) {
  Agree<CoinWithoutLearns>(seed);
}
RC_GTEST_PROP(OwnModels, TakeThatLies_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<TakeThatLies>(seed);
}
RC_GTEST_PROP(OwnModels, TakeLinkedAsRead_IsNeverJudgedWrongly,
              (uint64_t seed)) {
  Agree<TakeLinkedAsRead>(seed);
}
RC_GTEST_PROP(OwnModels, ForgottenRegister_IsNeverJudgedWrongly,
              (uint64_t seed)) {
  Agree<ForgottenRegister>(seed);
}
RC_GTEST_PROP(OwnModels, TakeLookedFor_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<TakeLookedFor>(seed);
}
RC_GTEST_PROP(OwnModels, CountLookedFor_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<CountLookedFor>(seed);
}
RC_GTEST_PROP(OwnModels, ZeroRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<ZeroRegister>(seed);
}
RC_GTEST_PROP(OwnModels, StaleRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<StaleRegister>(seed);
}
RC_GTEST_PROP(OwnModels, FullRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<FullRegister>(seed);
}
RC_GTEST_PROP(OwnModels, ClientRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  Agree<ClientRegister>(seed);
}
RC_GTEST_PROP(OwnModels, TakeBlurred_HasNoFalseCounterExample,
              (uint64_t seed)) {
  Agree<TakeBlurred>(seed);
}

TEST(OwnModel, HistoriesAreRightAndWrong) {
  const Counts counts = Agree<TakeLinkedAsRead>(1, 1'000);
  EXPECT_GT(counts.ok, 100);
  EXPECT_GT(counts.wrong, 30);
}

// One order of all operations in which each one sees and makes the versions
// that it tells. A write that tells none makes one of its own, or, where it
// changes nothing, perhaps none.
template <typename M>
class Versioned {
 public:
  explicit Versioned(const History& history)
      : operations_(history.operations()) {
    for (const Operation& op : operations_) told_.insert(op.written);
  }
  bool Linearizable() const {
    return From(0, {M().Initial(), kInitialVersion, {kInitialVersion}});
  }

 private:
  struct Place {
    typename M::State state;
    std::optional<StateVersion> version;  // None: one that was not seen yet.
    std::set<StateVersion> made;
  };

  bool From(uint32_t placed, const Place& place) const {
    bool done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if ((placed >> i & 1) != 0) continue;
      done = done && !operations_[i].known();
      if (!MayFollow(i, placed)) continue;
      if (After(operations_[i], placed | 1u << i, place)) return true;
    }
    return done;
  }
  bool MayFollow(size_t i, uint32_t placed) const {
    for (size_t j = 0; j < operations_.size(); ++j) {
      if ((placed >> j & 1) == 0 &&
          operations_[j].ret < operations_[i].invoke) {
        return false;
      }
    }
    return true;
  }
  bool After(const Operation& op, uint32_t placed, Place place) const {
    if (op.known() && op.seen != kNoVersion && !See(op.seen, &place)) {
      return false;
    }
    const typename M::State before = place.state;
    if (!M().Step(place.state, op)) return false;
    if (op.written != kNoVersion) {
      if (!place.made.insert(op.written).second) return false;
      place.version = op.written;
      return From(placed, place);
    }
    if (before == place.state && From(placed, place)) return true;
    if (M().IsRead(op)) return false;
    place.version.reset();
    return From(placed, place);
  }
  bool See(StateVersion version, Place* place) const {
    if (place->version.has_value()) return *place->version == version;
    place->version = version;
    return told_.count(version) == 0 && place->made.insert(version).second;
  }

  const absl::Span<const Operation> operations_;
  std::set<StateVersion> told_;
};

template <typename M>
Counts AgreeOnVersions(uint64_t seed, int histories = kHistoriesPerCase) {
  TestRandom random(seed);
  Counts counts;
  const M plain;
  const ModelOf<M> model;
  for (int i = 0; i < histories; ++i) {
    const auto mistake = static_cast<Mistake>(random() % (kMistakes + 1));
    Maker<M> maker(random, plain, mistake);
    maker.TellVersions();
    const History history = maker.Run(2 + random() % 5);
    const Result truth =
        Versioned<M>(history).Linearizable() ? Result::kOk : Result::kViolation;
    ++(truth == Result::kOk ? counts.ok : counts.wrong);
    const Verdict verdict = Check(history, model);
    if (verdict.result != truth) {
      RC_FAIL("check: " + std::string(ResultName(verdict.result)) +
              "; brute force says " + std::string(ResultName(truth)) +
              Show(history, model));
    }
  }
  return counts;
}
RC_GTEST_PROP(OwnModelsVersions, OddOnes_AreJudgedRightly, (uint64_t seed)) {
  AgreeOnVersions<CountingRegister>(seed);
  AgreeOnVersions<ClaimRegister>(seed);
  AgreeOnVersions<TakeRegister>(seed);
}
RC_GTEST_PROP(OwnModelsVersions, BrokenOnes_AreNeverJudgedWrongly,
              (uint64_t seed)) {
  AgreeOnVersions<TakeLinkedAsRead>(seed);
  AgreeOnVersions<ForgottenRegister>(seed);
  AgreeOnVersions<CountLookedFor>(seed);
  AgreeOnVersions<StaleRegister>(seed);
  AgreeOnVersions<FullRegister>(seed);
  AgreeOnVersions<ClientRegister>(seed);
}
TEST(OwnModelVersions, HistoriesAreRightAndWrong) {
  const Counts counts = AgreeOnVersions<TakeRegister>(1, 500);
  EXPECT_GT(counts.ok, 100);
  EXPECT_GT(counts.wrong, 50);
}

// A promise that is broken only late in a long history.
TEST(OwnModel, LinksThatLieLate_DoNotCount) {
  constexpr int64_t kWrites = LateStaleRegister::kWritesMax + 1;
  std::vector<Operation> operations;
  for (int64_t i = 0; i < kWrites; ++i) {
    operations.push_back(Write(i));
    operations.push_back(Read(i));
  }
  operations.push_back(Read(kWrites - 2));
  EXPECT_EQ(
      Check(Sequence(operations).history, ModelOf<LateStaleRegister>()).result,
      Result::kOk);
  // A write more is a stale read by Step() too.
  operations.back() = Read(kWrites - 3);
  EXPECT_EQ(
      Check(Sequence(operations).history, ModelOf<LateStaleRegister>()).result,
      Result::kViolation);
}

// Hooks decide at once what Step() alone does not within the limits.
TEST(OwnModel, VerdictThatStepDoesNotConfirm_IsUnknown) {
  const Sequence sequence({Write(1), Write(2), Read(1)});
  CheckOptions options{.nodes_max = 2};
  Verdict verdict = Check(sequence.history, ModelOf<LinkedRegister>(), options);
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.undecided, std::vector<uint32_t>{0});
  EXPECT_TRUE(verdict.wrong.empty());
  options.nodes_max = 1'000;
  verdict = Check(sequence.history, ModelOf<LinkedRegister>(), options);
  EXPECT_EQ(verdict.result, Result::kViolation);
}

// The strings of values that states hold outlive the operations.
TEST(OwnModel, OnlineStatesThatHoldStrings_StayValid) {
  const ModelOf<ValueRegister> model;
  OnlineChecker checker(model);
  Time now = 0;
  ValueArena arena;
  const auto call = [&](uint8_t function, Value argument, Value result) {
    const OnlineChecker::Ticket ticket = checker.Invoke(
        "k", ++now, {.function = function, .argument = argument});
    checker.Return(ticket, ++now, result);
  };
  const Value kept = arena.String(std::string(50, 'x'));
  call(kOwnWrite, kept, {});
  for (int i = 0; i < 4'000; ++i) {
    call(kOwnOther, arena.String(std::string(40 + i % 20, 'a' + i % 20)), {});
    call(kOwnRead, {}, kept);
  }
  checker.Finish();
  EXPECT_EQ(checker.result(), Result::kOk);
}

// By FindLinks() this is wrong, and by Step() a read may be stale.
TEST(OwnModel, LinksThatLieWithoutASearch_ProveNothing) {
  const Sequence sequence({Write(1), Write(2), Read(1)});
  const Verdict verdict =
      Check(sequence.history, ModelOf<StaleRegister>(), {.nodes_max = 0});
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_TRUE(verdict.wrong.empty());
}

// The value that was replaced is still the same, and its count is not.
TEST(OwnModel, StateIsMoreThanTheValue_LinksDoNotPrune) {
  const Sequence right({Write(5), Write(5), Read(5), Other(2)});
  EXPECT_EQ(Check(right.history, ModelOf<CountingRegister>()).result,
            Result::kOk);
  History wrong;
  const uint32_t key = wrong.Partition("k");
  for (const int64_t n : {1, 2}) {
    wrong.Add({.invoke = 1,
               .ret = 10,
               .partition = key,
               .function = kOwnWrite,
               .argument = Value::Integer(n)});
  }
  wrong.Add({.invoke = 11,
             .ret = 12,
             .partition = key,
             .function = kOwnOther,
             .result = Value::Integer(1)});
  EXPECT_EQ(Check(wrong, ModelOf<CountingRegister>()).result,
            Result::kViolation);
}

// The claim can only be the one that made version 3, and leaves another value.
TEST(OwnModel, UnknownOutcome_IsNoneThatIsKnownToHaveFailed) {
  Operation claim{.function = kOwnOther, .argument = Value::Integer(8)};
  Operation write = Write(7);
  write.seen = 1;
  write.written = 2;
  Operation read = Read(7);
  read.seen = 3;
  const Sequence sequence({write, claim, read});
  EXPECT_EQ(Check(sequence.history, ModelOf<ClaimRegister>()).result,
            Result::kViolation);
}

TEST(OwnModel, ReadThatLearnsUnsaid_IsJudgedBySteps) {
  const Sequence sequence({Returned(kOwnOther, {}, {}), Read(1)});
  EXPECT_EQ(Check(sequence.history, ModelOf<CoinWithoutLearns>()).result,
            Result::kOk);
  EXPECT_EQ(Check(sequence.history, ModelOf<Coin>()).result, Result::kOk);
}

TEST(OwnModel, LinksOfAnotherBeginning_DoNotCount) {
  EXPECT_EQ(Check(Sequence({Read(0)}).history, ModelOf<ZeroRegister>()).result,
            Result::kOk);
  EXPECT_EQ(Check(Sequence({Read(1)}).history, ModelOf<ZeroRegister>()).result,
            Result::kViolation);
}

// Which of the possible states a write leaves as they are decides whether it
// may have made no version.
TEST(OwnModel, LearningModelWithVersions_NeedsThoseOfAllWrites) {
  Operation write = Write(1);
  write.seen = 1;
  Verdict verdict = Check(Sequence({write, Read(1)}).history, ModelOf<Coin>());
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.undecidable,
            "write(1) of client 0 tells no version. Where a state is a set of "
            "possible states and versions are told, every write has to tell "
            "its own");
  write.written = 2;
  verdict = Check(Sequence({write, Read(1)}).history, ModelOf<Coin>());
  EXPECT_EQ(verdict.result, Result::kOk);
  verdict = Check(Sequence({write, Read(0)}).history, ModelOf<Coin>());
  EXPECT_EQ(verdict.result, Result::kViolation);
}

struct WithoutDescribe : OwnModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State&, const Operation&) const { return true; }
  bool IsRead(const Operation&) const { return false; }
};
struct WithoutAHash : OwnModel {
  struct State {
    int64_t n = 0;
    bool operator==(const State&) const = default;
  };
  State Initial() const { return {}; }
  bool Step(State&, const Operation&) const { return true; }
  bool IsRead(const Operation&) const { return false; }
  std::string Describe(const State&) const { return ""; }
};
static_assert(SequentialModel<TakeRegister> && SequentialModel<Coin>);
static_assert(!SequentialModel<WithoutDescribe>);
static_assert(!SequentialModel<WithoutAHash>);

// An optional member that cannot be called as it should would never be asked.
struct LinksNotConst : TakeRegister {
  bool FindLinks(const Operation&, Links*) { return false; }
};
struct BlurWithoutLook : TakeRegister {
  struct Sight {};
  void Blur(const Sight&, State*) const {}
};
struct WordsOfAnotherType : TakeRegister {
  std::string InWords(const Operation&) const { return ""; }
};
struct CallsByReference : TakeRegister {
  bool LooksBeyondCall(Operation&) const { return false; }
};
static_assert(model_internal::HooksFit<TakeRegister>);
static_assert(model_internal::HooksFit<TakeBlurred>);
static_assert(!model_internal::HooksFit<LinksNotConst>);
static_assert(!model_internal::HooksFit<BlurWithoutLook>);
static_assert(!model_internal::HooksFit<WordsOfAnotherType>);
static_assert(!model_internal::HooksFit<CallsByReference>);

}  // namespace
}  // namespace quorate::lincheck
