#include "lincheck/explain/reason.h"

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/kv.h"
#include "lincheck/testing/brute_force.h"
#include "lincheck/testing/proof.h"
#include "lincheck/testing/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// Whether one of the operations was invoked after a later one had returned.
bool KeepsRealTime(absl::Span<const Operation> operations,
                   std::vector<size_t> order) {
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < order.size(); ++j) {
      if (operations[order[j]].ret < operations[order[i]].invoke) return false;
    }
  }
  return true;
}

// Every step is possible, and what did return before the next one is there.
std::string ReplayMistake(absl::Span<const Operation> operations,
                          const Model& model, const PartialOrder& order) {
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  for (const size_t i : order.placed) {
    state = states->Step(state, operations[i]);
    if (state == kImpossible) return "impossible: " + std::to_string(i);
  }
  std::vector<size_t> all = order.placed;
  all.push_back(order.blocked);
  return KeepsRealTime(operations, all) ? "" : "out of order";
}

TEST(Reason, StaleRead_MeetsOnlyWhatWasThereInItsTime) {
  const Operation operations[] = {{.invoke = 1,
                                   .ret = 2,
                                   .client = 1,
                                   .function = Register::kWrite,
                                   .argument = Value::Integer(1)},
                                  {.invoke = 3,
                                   .ret = 4,
                                   .client = 2,
                                   .function = Register::kWrite,
                                   .argument = Value::Integer(2)},
                                  {.invoke = 5,
                                   .ret = 6,
                                   .client = 3,
                                   .function = Register::kRead,
                                   .result = Value::Integer(1)}};
  const Reason reason = FindReason(operations, ModelOf<Register>());
  EXPECT_EQ(
      reason.text,
      "read() = 1 of client 3 cannot be placed: wherever the others leave "
      "room for it, the object is 2 (after write(2) of client 2).");
  EXPECT_EQ(reason.blocked, 2u);
  ASSERT_EQ(reason.orders.size(), 1u);
  EXPECT_EQ(reason.orders[0].placed, (std::vector<size_t>{0, 1}));
}

RC_GTEST_PROP(ReasonProperty, Orders_ArePossibleInRealTime, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int wrong = 0;
  for (int i = 0; i < 40; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 6, .clients = 3, .spoiled_percent = 25});
    if (LinearizableByBruteForce(history.operations(), model)) continue;
    ++wrong;
    const Reason reason = FindReason(history.operations(), model);
    RC_ASSERT(!reason.orders.empty());
    RC_ASSERT(!reason.text.empty());
    for (const PartialOrder& order : reason.orders) {
      const std::string mistake =
          ReplayMistake(history.operations(), model, order);
      if (!mistake.empty()) RC_FAIL(mistake + Show(history, model));
    }
  }
  RC_ASSERT(wrong > 0);
}

}  // namespace
}  // namespace quorate::lincheck
