#include "lincheck/explain/relaxed.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/models/kv.h"
#include "lincheck/testing/brute_force.h"
#include "lincheck/testing/proof.h"
#include "lincheck/testing/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

constexpr int kHistoriesPerCase = 60;
constexpr SearchOptions kLimits{.nodes_max = 20'000, .bytes_max = 1 << 26};

// All but `kept` relaxed.
std::vector<Operation> RelaxAllBut(const History& history, const Model& model,
                                   const std::vector<bool>& kept) {
  std::vector<Operation> operations;
  for (size_t i = 0; i < history.operations().size(); ++i) {
    Operation op = history.operations()[i];
    if (!kept[i]) {
      op.ret = kNever;
      op.result = {};
      if (model.IsRead(op)) continue;
    }
    operations.push_back(op);
  }
  return operations;
}

// The mistake in an order; empty if it explains the kept operations.
std::string Mistake(const History& history, const Model& model,
                    const std::vector<bool>& kept,
                    const std::vector<size_t>& order) {
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  std::vector<bool> placed(kept.size(), false);
  for (size_t at = 0; at < order.size(); ++at) {
    Operation op = history.operations()[order[at]];
    if (!kept[order[at]]) op.ret = kNever, op.result = {};
    state = states->Step(state, op);
    if (state == kImpossible) return "cannot be " + std::to_string(order[at]);
    if (placed[order[at]]) return "twice " + std::to_string(order[at]);
    placed[order[at]] = true;
    for (size_t after = at + 1; after < order.size(); ++after) {
      if (kept[order[after]] &&
          history.operations()[order[after]].ret < op.invoke) {
        return "too late " + std::to_string(order[after]);
      }
    }
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] && !placed[i]) return "not there " + std::to_string(i);
  }
  return {};
}

RC_GTEST_PROP(RelaxedProperty, BothWaysOfAsking_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  int asked = 0;
  int sure[2] = {0, 0};
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const ModelOf<Kv> model(
        Kv{.initial = random() % 4 == 0 ? Datum::Text("") : Datum()});
    const History history =
        RandomKvHistory(random, {.operations = 3 + random() % 6,
                                 .clients = 4,
                                 .unique_values = random() % 4 == 0,
                                 .spoiled_percent = 25,
                                 .only_registers = random() % 3 == 0,
                                 .only_texts = random() % 2 == 0});
    std::vector<bool> kept(history.operations().size(), false);
    std::vector<size_t> list;
    for (size_t op = 0; op < kept.size(); ++op) {
      kept[op] = history.operations()[op].known() && random() % 2 == 0;
      if (kept[op]) list.push_back(op);
    }
    if (list.empty()) continue;
    ++asked;
    const bool right =
        LinearizableByBruteForce(RelaxAllBut(history, model, kept), model);
    const Relaxed relaxed(history.operations(), model);
    for (const bool counted : {false, true}) {
      const SearchResult found =
          relaxed.Judge({.kept = list, .counted = counted}, kLimits);
      if (found.result == Result::kUnknown) continue;
      ++sure[counted ? 1 : 0];
      if ((found.result == Result::kOk) != right) {
        RC_FAIL("brute force says " + std::to_string(right) +
                (counted ? ", counted" : "") + Show(history, model));
      }
      if (!right) continue;
      const std::string mistake = Mistake(history, model, kept, found.order);
      if (!mistake.empty()) RC_FAIL(mistake + Show(history, model));
    }
  }
  RC_ASSERT(sure[0] > asked / 2);
  RC_ASSERT(sure[1] == asked);
}

TEST(Relaxed, ThousandsThatMayTakeEffect_CostAsMuchAsTheirKinds) {
  History history;
  const uint32_t key = history.Partition("k");
  for (int i = 0; i < 5000; ++i) {
    history.Add({.invoke = i,
                 .ret = i + 10,
                 .partition = key,
                 .function = Kv::kPut,
                 .argument = Value::Integer(i % 7)});
  }
  // The value is never written: every order must be tried.
  history.Add({.invoke = 6000,
               .ret = 6001,
               .partition = key,
               .function = Kv::kGet,
               .result = Value::Integer(7)});
  const ModelOf<Kv> model;
  const Relaxed relaxed(history.operations(), model);
  const size_t kept[] = {4000, 5000};
  const SearchResult found = relaxed.Judge({.kept = kept}, kLimits);
  EXPECT_EQ(found.result, Result::kViolation);
  EXPECT_LT(found.nodes, 100u);
}

TEST(Relaxed, WhatAnAppendWouldMakeSeen_MayBeReplacedBefore) {
  // No operation looks for "v2", but the second one must not see it with "v4"
  // at its end.
  History history;
  const uint32_t key = history.Partition("k");
  const auto text = [&](const char* bytes) { return history.String(bytes); };
  history.Add({.invoke = 0,
               .ret = 1,
               .partition = key,
               .function = Kv::kPut,
               .argument = text("v2")});
  history.Add({.invoke = 0,
               .partition = key,
               .function = Kv::kCas,
               .argument = text("v3"),
               .expected = text("v2")});
  history.Add({.invoke = 2,
               .ret = 3,
               .partition = key,
               .function = Kv::kAppend,
               .argument = text("v4")});
  history.Add({.invoke = 4,
               .ret = 5,
               .partition = key,
               .function = Kv::kCas,
               .argument = text("v5"),
               .expected = text("v2v4"),
               .result = Value::Integer(0)});
  const ModelOf<Kv> model;
  const Relaxed relaxed(history.operations(), model);
  const size_t kept[] = {0, 2, 3};
  for (const bool counted : {false, true}) {
    EXPECT_EQ(relaxed.Judge({.kept = kept, .counted = counted}, kLimits).result,
              Result::kOk);
  }
}

// Takes all states for 5, which permits more than there is.
struct Forgetful {
  enum Function : uint8_t { kSet, kGet };
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kSet) state = op.argument.integer();
    return !op.known() || op.function == kSet ||
           op.result == Value::Integer(state);
  }
  bool IsRead(const Operation& op) const { return op.function == kGet; }
  using Sight = bool;
  bool Look(const Operation&, Sight*) const { return true; }
  void Blur(const Sight&, State* state) const { *state = 5; }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    return function == kSet ? "set" : "get";
  }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

TEST(Relaxed, MergedStatesPermitTooMuch_AskedAgainWithoutThem) {
  const ModelOf<Forgetful> model;
  for (const int64_t set : {4, 5}) {
    History history;
    const uint32_t key = history.Partition("k");
    history.Add({.ret = 1,
                 .partition = key,
                 .function = Forgetful::kSet,
                 .argument = Value::Integer(set)});
    history.Add({.invoke = 2,
                 .ret = 3,
                 .partition = key,
                 .function = Forgetful::kGet,
                 .result = Value::Integer(5)});
    const Relaxed relaxed(history.operations(), model);
    const size_t kept[] = {1};
    EXPECT_EQ(relaxed.Judge({.kept = kept}, kLimits).result,
              set == 5 ? Result::kOk : Result::kViolation);
  }
}

// The first swap may take effect again and again. It then leaves the state
// before it and hides the put. It replaces the entry that it came from, and the
// other swap must be tried there.
TEST(Relaxed, AnEndlessOneComesBackToWhereItWas_OthersAreTriedThere) {
  History history;
  const uint32_t key = history.Partition("k");
  const auto text = [&](const char* bytes) { return history.String(bytes); };
  for (Operation op :
       {Operation{.invoke = 0, .function = Kv::kSwap, .argument = text("v1")},
        Operation{.invoke = 15,
        .ret = 20,
        .function = Kv::kSwap,
        .argument = text("v2"),
        .result = text("v1")},
        Operation{.invoke = 21,
        .ret = 79,
        .function = Kv::kSwap,
        .argument = text("v3"),
        .result = text("v2")},
        Operation{.invoke = 30,
        .ret = 99,
        .function = Kv::kTake,
        .result = text("v3")},
        Operation{.invoke = 50,
        .ret = 104,
        .function = Kv::kPut,
        .argument = text("v4")}}) {
    op.partition = key;
    history.Add(op);
  }
  const ModelOf<Kv> model(Kv{.initial = Datum::Text("")});
  const Relaxed relaxed(history.operations(), model);
  const size_t kept[] = {1, 3, 4};
  EXPECT_EQ(relaxed.Judge({.kept = kept}, kLimits).result, Result::kOk);
}

// The same by a detour: put("v1") and take() lead back to where put("v0") was
// still to be tried.
TEST(Relaxed, EndlessOnesComeBackToWhereTheyWere_OthersAreTriedThere) {
  History history;
  const uint32_t key = history.Partition("k");
  const auto text = [&](const char* bytes) { return history.String(bytes); };
  for (Operation op :
       {Operation{.invoke = 0,
       .ret = 45,
       .function = Kv::kPutIfExists,
       .argument = text("v1"),
       .result = Value::Integer(0)},
        Operation{.invoke = 0,
        .ret = 46,
        .function = Kv::kPutIfExists,
        .argument = text("v2"),
        .result = Value::Integer(1)},
        Operation{.invoke = 30, .function = Kv::kPut, .argument = text("v1")},
        Operation{.invoke = 46,
        .ret = 106,
        .function = Kv::kPut,
        .argument = text("v1")},
        Operation{.invoke = 20,
        .ret = 105,
        .function = Kv::kTake,
        .result = text("v1")},
        Operation{.invoke = 70,
        .ret = 105,
        .function = Kv::kPut,
        .argument = text("v0")},
        Operation{.invoke = 49,
        .ret = 84,
        .function = Kv::kSwap,
        .argument = text("v1"),
        .result = text("v0")}}) {
    op.partition = key;
    history.Add(op);
  }
  const ModelOf<Kv> model(Kv{.initial = Datum::Text("")});
  const Relaxed relaxed(history.operations(), model);
  const size_t kept[] = {0, 3, 6};
  EXPECT_EQ(relaxed.Judge({.kept = kept}, kLimits).result, Result::kOk);
}

TEST(Relaxed, OneMoreThanThereAre_IsWrong) {
  // One put, which cannot have been seen before and after another one.
  History history;
  const uint32_t key = history.Partition("k");
  const auto add = [&](Time invoke, uint8_t function, int value) {
    Operation op{.invoke = invoke,
                 .ret = invoke + 1,
                 .partition = key,
                 .function = function};
    (function == Kv::kPut ? op.argument : op.result) = Value::Integer(value);
    history.Add(op);
  };
  add(1, Kv::kPut, 1);
  add(3, Kv::kGet, 1);
  add(5, Kv::kPut, 2);
  add(7, Kv::kGet, 1);
  const ModelOf<Kv> model;
  const Relaxed relaxed(history.operations(), model);
  const size_t kept[] = {1, 2, 3};
  EXPECT_EQ(relaxed.Judge({.kept = kept}, kLimits).result, Result::kViolation);
  const size_t fewer[] = {2, 3};
  EXPECT_EQ(relaxed.Judge({.kept = fewer}, kLimits).order,
            (std::vector<size_t>{2, 0, 3}));
}

}  // namespace
}  // namespace quorate::lincheck
