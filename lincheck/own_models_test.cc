// Models of users' own, odd ones and broken ones, against brute force: every
// verdict is right, or refused with the name of the hook that is at fault.
#include "lincheck/own_models.h"

#include <algorithm>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/brute_force.h"
#include "lincheck/checker.h"
#include "lincheck/levels.h"
#include "lincheck/online.h"
#include "lincheck/proof.h"
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
std::string JudgeOnline(const History& history, Result* result) {
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
  *result = checker.result();
  return checker.model_fault();
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
  int refused = 0;         // By Check().
  int refused_online = 0;  // By OnlineChecker.
  int levels = 0;          // Wrong ones of which kSequential was decided.
};

template <typename M>
void CheckOne(const History& history, Counts* counts) {
  constexpr bool kIsBroken = !M::kBroken.empty();
  const ModelOf<M> model;
  const Result truth = LinearizableByBruteForce(history.operations(), model)
                           ? Result::kOk
                           : Result::kViolation;
  ++(truth == Result::kOk ? counts->ok : counts->wrong);
  const auto fail = [&](const std::string& what) {
    RC_FAIL(what + "; brute force says " + std::string(ResultName(truth)) +
            Show(history, model));
  };
  Result online = Result::kUnknown;
  const std::string online_fault = JudgeOnline<M>(history, &online);
  if (!online_fault.empty()) {
    ++counts->refused_online;
    if (!kIsBroken || online != Result::kUnknown) fail(online_fault);
  } else if (online != truth) {
    fail("online: " + std::string(ResultName(online)));
  }
  const Verdict verdict = Check(history, model);
  const LevelsVerdict levels = CheckLevels(history, model, verdict);
  if (!verdict.model_fault.empty()) {
    ++counts->refused;
    if (!kIsBroken || verdict.result != Result::kUnknown ||
        !verdict.wrong.empty() || verdict.counter_example.has_value() ||
        levels.strongest.has_value() ||
        verdict.model_fault.find(M::kBroken) == std::string::npos) {
      fail(verdict.model_fault);
    }
    return;
  }
  if (verdict.result != truth) {
    fail("check: " + std::string(ResultName(verdict.result)));
  }
  if (truth == Result::kOk) return;
  const LevelVerdict& sequential =
      levels.levels[static_cast<size_t>(Level::kSequential)];
  if (sequential.result != Result::kUnknown) {
    ++counts->levels;
    if ((sequential.result == Result::kOk) !=
        Sequential<M>(history).From(0, M().Initial())) {
      fail("sequential: " + std::string(ResultName(sequential.result)) + " " +
           sequential.reason);
    }
  }
  // What reads is asked of IsRead() there.
  if (M::kBroken == "IsRead()") return;
  const std::string refuted = Refute(history, model, *verdict.counter_example);
  if (!refuted.empty()) fail(refuted);
}

template <typename M>
Counts AgreeOrRefuse(uint64_t seed, int histories = kHistoriesPerCase) {
  Random random(seed);
  Counts counts;
  const M plain;
  for (int i = 0; i < histories; ++i) {
    const auto mistake = static_cast<Mistake>(random() % (kMistakes + 1));
    History history = Maker<M>(random, plain, mistake).Run(2 + random() % 6);
    CheckOne<M>(history, &counts);
  }
  return counts;
}
// A sample is refused now and then, and a model that keeps its promises never.
template <typename M>
void ExpectRefusals() {
  const Counts counts = AgreeOrRefuse<M>(1, 1'000);
  EXPECT_GT(counts.ok, 100);
  EXPECT_GT(counts.wrong, 30);
  const bool promises_more = !M::kBroken.empty() && M::kIsAskedByCheck;
  EXPECT_EQ(counts.refused > 0, promises_more) << std::string(M::kBroken);
  EXPECT_TRUE(!M::kBroken.empty() || counts.refused_online == 0);
}

RC_GTEST_PROP(OwnModels, CountingRegister_IsJudgedRightly, (uint64_t seed)) {
  AgreeOrRefuse<CountingRegister>(seed);
}
RC_GTEST_PROP(OwnModels, ClaimRegister_IsJudgedRightly, (uint64_t seed)) {
  AgreeOrRefuse<ClaimRegister>(seed);
}
RC_GTEST_PROP(OwnModels, Coin_IsJudgedRightly, (uint64_t seed)) {
  AgreeOrRefuse<Coin>(seed);
}
RC_GTEST_PROP(OwnModels, TakeRegister_IsJudgedRightly, (uint64_t seed)) {
  AgreeOrRefuse<TakeRegister>(seed);
}
RC_GTEST_PROP(OwnModels, CoinWithoutLearns_IsNeverJudgedWrongly,
              (uint64_t seed)) {
  AgreeOrRefuse<CoinWithoutLearns>(seed);
}
RC_GTEST_PROP(OwnModels, TakeThatLies_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<TakeThatLies>(seed);
}
RC_GTEST_PROP(OwnModels, TakeLinkedAsRead_IsNeverJudgedWrongly,
              (uint64_t seed)) {
  AgreeOrRefuse<TakeLinkedAsRead>(seed);
}
RC_GTEST_PROP(OwnModels, TakeForgotten_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<TakeForgotten>(seed);
}
RC_GTEST_PROP(OwnModels, TakeLookedFor_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<TakeLookedFor>(seed);
}
RC_GTEST_PROP(OwnModels, CountLookedFor_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<CountLookedFor>(seed);
}
RC_GTEST_PROP(OwnModels, ZeroRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<ZeroRegister>(seed);
}
RC_GTEST_PROP(OwnModels, StaleRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<StaleRegister>(seed);
}
RC_GTEST_PROP(OwnModels, FullRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<FullRegister>(seed);
}
RC_GTEST_PROP(OwnModels, ClientRegister_IsNeverJudgedWrongly, (uint64_t seed)) {
  AgreeOrRefuse<ClientRegister>(seed);
}
RC_GTEST_PROP(OwnModels, TakeOfNoUse_HasNoFalseCounterExample,
              (uint64_t seed)) {
  AgreeOrRefuse<TakeOfNoUse>(seed);
}
RC_GTEST_PROP(OwnModels, TakeBlurred_HasNoFalseCounterExample,
              (uint64_t seed)) {
  AgreeOrRefuse<TakeBlurred>(seed);
}

TEST(OwnModel, BrokenPromises_AreFoundOut) {
  ExpectRefusals<CountingRegister>();
  ExpectRefusals<ClaimRegister>();
  ExpectRefusals<Coin>();
  ExpectRefusals<TakeRegister>();
  ExpectRefusals<CoinWithoutLearns>();
  ExpectRefusals<TakeThatLies>();
  ExpectRefusals<TakeLinkedAsRead>();
  ExpectRefusals<TakeForgotten>();
  ExpectRefusals<TakeLookedFor>();
  ExpectRefusals<CountLookedFor>();
  ExpectRefusals<ZeroRegister>();
  ExpectRefusals<StaleRegister>();
  ExpectRefusals<FullRegister>();
  ExpectRefusals<ClientRegister>();
  ExpectRefusals<TakeOfNoUse>();
  ExpectRefusals<TakeBlurred>();
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

TEST(OwnModel, ReadThatLearnsUnsaid_NamesTheHook) {
  const Sequence sequence({Returned(kOwnOther, {}, {}), Read(1)});
  const Verdict verdict = Check(sequence.history, ModelOf<CoinWithoutLearns>());
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.undecided, std::vector<uint32_t>{0});
  EXPECT_EQ(verdict.model_fault,
            "IsRead() and Step() of the model contradict each other: by "
            "IsRead() read() = 1 changes nothing, but Step() takes the state "
            "from 0 or 1 to 1. IsRead() has to be false of it or, where a "
            "state is all that may be the case, Learns() true.");
  EXPECT_EQ(Check(sequence.history, ModelOf<Coin>()).result, Result::kOk);
}

TEST(OwnModel, LinksOfAnotherBeginning_NameTheHook) {
  const Sequence sequence({Read(0)});
  const Verdict verdict = Check(sequence.history, ModelOf<ZeroRegister>());
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.model_fault,
            "FindLinks() and Step() of the model contradict each other: by "
            "FindLinks() 1 operation is not linearizable, by Step() alone "
            "linearizable (read() = 0 of client 0).");
}

// Where it depends on the version what is the case, a set of what may be the
// case has to be told apart by versions.
TEST(OwnModel, LearningModelWithVersions_NeedsToJoin) {
  Operation write = Write(1);
  write.seen = 1;
  const Sequence sequence({write, Read(1)});
  const Verdict verdict = Check(sequence.history, ModelOf<Coin>());
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.model_fault,
            "Learns() is true of write(1), so that a state is all that may be "
            "the case. Where versions are told, such a model has to have "
            "StepUnchanged() and Join().");
}

}  // namespace
}  // namespace quorate::lincheck
