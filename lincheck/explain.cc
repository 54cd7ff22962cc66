#include "lincheck/explain.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/minimise.h"
#include "lincheck/reason.h"

namespace quorate::lincheck {
namespace {

// Why the counter-example alone has no order. Indices are those of the
// operations.
Reason ReasonOf(absl::Span<const Operation> operations, const Model& model,
                const CounterExample& example) {
  std::vector<size_t> indices = example.operations;
  indices.insert(indices.end(), example.context.begin(), example.context.end());
  if (indices.size() > kReasonOperationsMax) return {};
  std::vector<Operation> some;
  for (size_t i : indices) {
    some.push_back(operations[i]);
    if (some.size() <= example.operations.size()) continue;
    some.back().ret = kNever;
    some.back().result = {};
  }
  Reason reason = FindReason(some, model);
  for (PartialOrder& order : reason.orders) {
    for (size_t& i : order.placed) i = indices[i];
    order.blocked = indices[order.blocked];
  }
  reason.blocked = indices[reason.blocked];
  return reason;
}

// Whether the context of an operation that stands alone is all that may have
// taken effect before it.
bool HasAllBefore(absl::Span<const Operation> operations, const Model& model,
                  const CounterExample& example) {
  const size_t alone = example.operations[0];
  size_t before = 0;
  for (size_t i = 0; i < operations.size(); ++i) {
    Operation relaxed = operations[i];
    relaxed.ret = kNever;
    relaxed.result = {};
    if (i != alone && operations[i].invoke <= operations[alone].ret &&
        !model.IsRead(relaxed)) {
      ++before;
    }
  }
  return before == example.context.size();
}

}  // namespace

CounterExample ExplainPartition(absl::Span<const Operation> operations,
                                const Model& model, Decision decision,
                                const CheckOptions& options) {
  Minimised small = Minimise(operations, model, std::move(decision), options);
  CounterExample example{.operations = std::move(small.core),
                         .context = std::move(small.context),
                         .minimal = small.minimal,
                         .reason = std::move(small.reason)};
  const auto earlier = [&](size_t a, size_t b) {
    return std::pair(operations[a].invoke, a) <
           std::pair(operations[b].invoke, b);
  };
  std::sort(example.operations.begin(), example.operations.end(), earlier);
  std::sort(example.context.begin(), example.context.end(), earlier);
  Reason reason = ReasonOf(operations, model, example);
  example.partial_orders = std::move(reason.orders);
  const bool has_stuck =
      std::find(example.operations.begin(), example.operations.end(),
                small.stuck) != example.operations.end();
  example.blocked = !example.partial_orders.empty() ? reason.blocked
                    : small.by_search && has_stuck  ? small.stuck
                                                    : example.operations.back();
  const Operation& blocked = operations[example.blocked];
  const bool alone = example.operations.size() == 1;
  if (small.by_search && alone && !HasAllBefore(operations, model, example)) {
    example.reason = absl::StrCat(DescribeCallOfClient(model, blocked),
                                  " cannot be placed: nothing that was called "
                                  "before it returned explains "
                                  "it, whatever of that took effect.");
  } else if (small.by_search && !reason.text.empty()) {
    example.reason = std::move(reason.text);
  }
  Missing missing = reason.either
                        ? Missing()
                        : FindMissing(operations, model, example.blocked);
  if (small.by_search || !missing.failed.empty()) {
    if (!missing.text.empty()) {
      absl::StrAppend(&example.reason, " ", missing.text);
    }
    example.failed = std::move(missing.failed);
    std::sort(example.failed.begin(), example.failed.end(), earlier);
  }
  return example;
}

}  // namespace quorate::lincheck
