// Odd and broken models of users against brute force. Every verdict is right,
// or refused with the name of the hook that is at fault.
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
#include "lincheck/decide/audit.h"
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
      levels.levels[static_cast<size_t>(ConsistencyLevel::kSequential)];
  if (sequential.result != Result::kUnknown) {
    ++counts->levels;
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
Counts AgreeOrRefuse(uint64_t seed, int histories = kHistoriesPerCase) {
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
RC_GTEST_PROP(OwnModels, ForgottenRegister_IsNeverJudgedWrongly,
              (uint64_t seed)) {
  AgreeOrRefuse<ForgottenRegister>(seed);
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
  ExpectRefusals<ForgottenRegister>();
  ExpectRefusals<TakeLookedFor>();
  ExpectRefusals<CountLookedFor>();
  ExpectRefusals<ZeroRegister>();
  ExpectRefusals<StaleRegister>();
  ExpectRefusals<FullRegister>();
  ExpectRefusals<ClientRegister>();
  ExpectRefusals<TakeBlurred>();
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
Counts AgreeOrRefuseVersions(uint64_t seed, int histories = kHistoriesPerCase) {
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
    if (!verdict.model_fault.empty()) {
      ++counts.refused;
      if (M::kBroken.empty() ||
          verdict.model_fault.find(M::kBroken) == std::string::npos) {
        RC_FAIL(verdict.model_fault + Show(history, model));
      }
    } else if (verdict.result != truth) {
      RC_FAIL("check: " + std::string(ResultName(verdict.result)) +
              "; brute force says " + std::string(ResultName(truth)) +
              Show(history, model));
    }
  }
  return counts;
}
RC_GTEST_PROP(OwnModelsVersions, OddOnes_AreJudgedRightly, (uint64_t seed)) {
  AgreeOrRefuseVersions<CountingRegister>(seed);
  AgreeOrRefuseVersions<ClaimRegister>(seed);
  AgreeOrRefuseVersions<TakeRegister>(seed);
}
RC_GTEST_PROP(OwnModelsVersions, BrokenOnes_AreNeverJudgedWrongly,
              (uint64_t seed)) {
  AgreeOrRefuseVersions<TakeLinkedAsRead>(seed);
  AgreeOrRefuseVersions<ForgottenRegister>(seed);
  AgreeOrRefuseVersions<CountLookedFor>(seed);
  AgreeOrRefuseVersions<StaleRegister>(seed);
  AgreeOrRefuseVersions<FullRegister>(seed);
  AgreeOrRefuseVersions<ClientRegister>(seed);
}
TEST(OwnModelVersions, HistoriesAreRightAndWrong) {
  const Counts counts = AgreeOrRefuseVersions<TakeRegister>(1, 500);
  EXPECT_GT(counts.ok, 100);
  EXPECT_GT(counts.wrong, 50);
}

// Whether a sequence of at most `left` of these calls, each as often as may be,
// goes otherwise than FindLinks() says.
template <typename M>
bool LinksLie(absl::Span<const Operation> calls, const typename M::State& state,
              Value value, int left) {
  for (const Operation& op : calls) {
    Links links;
    const bool linked = M().FindLinks(op, &links);
    typename M::State next = state;
    const bool possible = M().Step(next, op);
    if (linked && possible != (!links.reads || links.seen == value)) {
      return true;
    }
    if (possible && left > 1 &&
        LinksLie<M>(calls, next, links.writes ? links.written : value,
                    left - 1)) {
      return true;
    }
  }
  return false;
}
template <typename M>
int FindLinkFaults(uint64_t seed) {
  constexpr int kCallsMax = 5;
  TestRandom random(seed);
  int lies = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const M plain;
    const History history =
        Maker<M>(random, plain, Mistake::kResult).Run(1 + random() % 4);
    const ModelOf<M> model;
    std::vector<Operation> calls;
    for (const Operation& op : history.operations()) {
      Links links;
      if (plain.FindLinks(op, &links) || plain.IsRead(op)) calls.push_back(op);
    }
    const bool lie =
        LinksLie<M>(calls, plain.Initial(), Value::Nil(), kCallsMax);
    lies += lie ? 1 : 0;
    const std::string fault = FindLinkFault(calls, model);
    const bool found = fault.find("contradict") != std::string::npos;
    const bool too_many = fault.find("too many") != std::string::npos;
    if (found != lie || (!fault.empty() && !found && !too_many)) {
      RC_FAIL((lie ? "they lie: " : "they do not lie: ") + fault +
              Show(history, model));
    }
  }
  return lies;
}
RC_GTEST_PROP(FindLinkFault, AnyCalls_FindsWhatSequencesFind, (uint64_t seed)) {
  FindLinkFaults<LinkedRegister>(seed);
  FindLinkFaults<TakeLinkedAsRead>(seed);
  FindLinkFaults<StaleRegister>(seed);
  FindLinkFaults<FullRegister>(seed);
}
TEST(FindLinkFaultShares, BrokenLinks_LieAndOthersDoNot) {
  EXPECT_EQ(FindLinkFaults<LinkedRegister>(1), 0);
  EXPECT_GT(FindLinkFaults<TakeLinkedAsRead>(1), 0);
  EXPECT_GT(FindLinkFaults<StaleRegister>(1), 0);
  EXPECT_GT(FindLinkFaults<FullRegister>(1), 0);
}
// States without an end prove nothing.
TEST(FindLinkFault, StatesAreTooMany_IsNotProven) {
  const Sequence sequence({Write(1), Read(1)});
  EXPECT_EQ(
      FindLinkFault(sequence.history.operations(), ModelOf<CountingRegister>()),
      "The model can be in too many states to compare its FindLinks() "
      "with its Step() in each of them");
}

// A promise that is broken only late in a long history.
TEST(OwnModel, LinksThatLieLate_NameTheHook) {
  constexpr int64_t kWrites = LateStaleRegister::kWritesMax + 1;
  std::vector<Operation> operations;
  for (int64_t i = 0; i < kWrites; ++i) {
    operations.push_back(Write(i));
    operations.push_back(Read(i));
  }
  operations.push_back(Read(kWrites - 2));
  const Verdict verdict =
      Check(Sequence(operations).history, ModelOf<LateStaleRegister>());
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_TRUE(verdict.wrong.empty());
  EXPECT_EQ(verdict.model_fault,
            "FindLinks() and Step() of the model contradict each other: by "
            "FindLinks() 6003 operations are not linearizable, by Step() alone "
            "linearizable.");
  // A write more is a stale read by Step() too.
  operations.back() = Read(kWrites - 3);
  EXPECT_EQ(
      Check(Sequence(operations).history, ModelOf<LateStaleRegister>()).result,
      Result::kViolation);
}

// Hooks decide at once what Step() alone does not within the limits.
TEST(OwnModel, VerdictThatStepDoesNotConfirm_IsUnknownAndNamesTheHooks) {
  const Sequence sequence({Write(1), Write(2), Read(1)});
  CheckOptions options{.nodes_max = 2};
  Verdict verdict = Check(sequence.history, ModelOf<LinkedRegister>(), options);
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.undecided, std::vector<uint32_t>{0});
  EXPECT_TRUE(verdict.wrong.empty());
  EXPECT_EQ(verdict.model_fault, "");
  EXPECT_EQ(verdict.unproven,
            "by FindLinks(), IsRead() of the model it is not linearizable, but "
            "Step() alone did not confirm that within the limits of time and "
            "memory");
  options.nodes_max = 1'000;
  verdict = Check(sequence.history, ModelOf<LinkedRegister>(), options);
  EXPECT_EQ(verdict.result, Result::kViolation);
  EXPECT_EQ(verdict.unproven, "");
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
  EXPECT_EQ(checker.result(), Result::kOk) << checker.model_fault();
}

// By FindLinks() this is wrong, and by Step() a read may be stale.
TEST(OwnModel, LinksThatLieWithoutASearch_ProveNothing) {
  const Sequence sequence({Write(1), Write(2), Read(1)});
  const Verdict verdict =
      Check(sequence.history, ModelOf<StaleRegister>(), {.nodes_max = 0});
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_TRUE(verdict.wrong.empty());
  EXPECT_NE(verdict.unproven.find("FindLinks()"), std::string::npos);
}

TEST(OwnModel, OnlineViolationOfALongHistory_IsNotProven) {
  const ModelOf<TakeRegister> model;
  for (const size_t kept : {3, 4}) {
    OnlineChecker checker(model, {.operations_max = kept});
    Time now = 0;
    for (const Operation& op : {Write(1), Read(1), Write(2), Read(1)}) {
      const OnlineChecker::Ticket ticket = checker.Invoke("k", ++now, op);
      checker.Return(ticket, ++now, op.result);
    }
    checker.Finish();
    EXPECT_EQ(checker.result(),
              kept == 4 ? Result::kViolation : Result::kUnknown);
    EXPECT_EQ(checker.unproven(),
              kept == 4 ? ""
                        : "by IsRead() and optional members of the model "
                          "read() = 1 of client 0 cannot be placed, but Step() "
                          "alone did not confirm that, because its partition "
                          "has more than 3 operations");
  }
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
            "state is a set of possible states, Reading::kLearns.");
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

// Which of the possible states a write leaves as they are decides whether it
// may have made no version.
TEST(OwnModel, LearningModelWithVersions_NeedsThoseOfAllWrites) {
  Operation write = Write(1);
  write.seen = 1;
  Verdict verdict = Check(Sequence({write, Read(1)}).history, ModelOf<Coin>());
  EXPECT_EQ(verdict.result, Result::kUnknown);
  EXPECT_EQ(verdict.unproven,
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
