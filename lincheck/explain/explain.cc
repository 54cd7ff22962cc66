#include "lincheck/explain/explain.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/explain/minimise.h"
#include "lincheck/explain/reason.h"

namespace quorate::lincheck {
namespace {

// A longer order is cut to its end.
constexpr size_t kOrderShownMax = 40;
constexpr uint64_t kOrderNodesMax = 500'000;  // Model steps spent on it.
// Where an order ends earlier than it was thought to, it is looked for again.
constexpr int kOrderTriesMax = 3;

// `order` in states; nothing if it explains less than it should.
std::optional<PartialOrder> Shown(absl::Span<const Operation> operations,
                                  const Model& model, size_t blocked,
                                  absl::Span<const size_t> order) {
  const Time until = operations[blocked].ret;
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  std::vector<size_t> placed;
  std::vector<StateId> left;
  size_t size = 0;  // Open operations count only if others follow.
  for (const size_t i : order) {
    const StateId next = states->Step(state, operations[i]);
    if (next == kImpossible) return std::nullopt;
    const bool returned = operations[i].known() && operations[i].ret < until;
    if (!returned && next == state) continue;
    placed.push_back(i);
    left.push_back(state = next);
    if (returned) size = placed.size();
  }
  PartialOrder shown{.before = size - std::min(size, kOrderShownMax),
                     .blocked = blocked};
  for (size_t n = shown.before; n < size; ++n) {
    shown.placed.push_back(placed[n]);
    shown.states.push_back(states->Describe(left[n]));
  }
  return shown;
}

// An order that explains all that returned before `stuck` did or, if there is
// none, before something earlier did that cannot follow. Nothing if it is not
// found in time.
std::optional<PartialOrder> OrderUntil(absl::Span<const Operation> operations,
                                       const Model& model, size_t stuck,
                                       const CheckOptions& options) {
  for (int tries = 0; tries < kOrderTriesMax; ++tries) {
    const Time until = operations[stuck].ret;
    std::vector<Operation> some;
    std::vector<size_t> indices;
    for (size_t i = 0; i < operations.size(); ++i) {
      const Operation& op = operations[i];
      if (i == stuck || op.invoke > until) continue;
      // Open operations may have taken effect, or not.
      const bool open = op.known() && op.ret >= until;
      if (open && ReadsInAnyCase(model, op)) continue;
      some.push_back(open ? Relax(op) : op);
      indices.push_back(i);
    }
    SearchResult found = SearchPartition(some, some, model,
                                         {.nodes_max = kOrderNodesMax,
                                          .bytes_max = options.bytes_max,
                                          .wants_order = true});
    if (found.result == Result::kOk) {
      for (size_t& i : found.order) i = indices[i];
      return Shown(operations, model, stuck, found.order);
    }
    if (found.result == Result::kUnknown) return std::nullopt;
    stuck = indices[found.stuck];
  }
  return std::nullopt;
}

// Where an order of many operations gets no further: at `stuck` or earlier.
Reason ReasonOfMany(absl::Span<const Operation> operations, const Model& model,
                    size_t stuck, const CheckOptions& options) {
  Reason reason{.blocked = stuck};
  std::optional<PartialOrder> order =
      OrderUntil(operations, model, stuck, options);
  if (!order.has_value()) return reason;
  reason.blocked = order->blocked;
  SearchResult found{.stuck = order->blocked};
  if (!order->placed.empty()) {
    found.last_placed = order->placed.back();
    found.state = order->states.back();
  }
  reason.text = DescribeStuck(operations, model, found);
  reason.orders.push_back(*std::move(order));
  return reason;
}

// Why the counter-example alone has no order or, if it is not minimal and
// large, why the history has none. Indices are those of the operations.
Reason ReasonOf(absl::Span<const Operation> operations, const Model& model,
                const CounterExample& example, std::optional<size_t> stuck,
                const CheckOptions& options) {
  std::vector<size_t> indices = example.operations;
  indices.insert(indices.end(), example.context.begin(), example.context.end());
  std::vector<Operation> some;
  for (size_t i : indices) {
    const bool context = some.size() >= example.operations.size();
    some.push_back(context ? Relax(operations[i]) : operations[i]);
  }
  Reason reason;
  if (indices.size() <= kReasonOperationsMax) reason = FindReason(some, model);
  if (reason.orders.empty() && !stuck.has_value()) {
    return {.blocked = CounterExample::kNotKnown};
  }
  if (reason.orders.empty() && !example.minimal) {
    return ReasonOfMany(operations, model, *stuck, options);
  }
  if (reason.orders.empty()) {
    const auto at = std::find(indices.begin(), indices.end(), *stuck);
    reason = ReasonOfMany(some, model, at - indices.begin(), options);
  }
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
    if (i != alone && operations[i].invoke <= operations[alone].ret &&
        !ReadsInAnyCase(model, operations[i])) {
      ++before;
    }
  }
  return before == example.context.size();
}

}  // namespace

CounterExample ExplainPartition(absl::Span<const Operation> operations,
                                const Model& model, Decision decision,
                                const CheckOptions& options) {
  CounterExample example =
      Minimise(operations, model, std::move(decision), options);
  const auto earlier = ByInvocation(operations);
  std::sort(example.operations.begin(), example.operations.end(), earlier);
  std::sort(example.context.begin(), example.context.end(), earlier);
  const bool by_search = example.blocked != CounterExample::kNotKnown;
  std::optional<size_t> stuck;
  if (std::find(example.operations.begin(), example.operations.end(),
                example.blocked) != example.operations.end()) {
    stuck = example.blocked;
  }
  Reason reason = ReasonOf(operations, model, example, stuck, options);
  example.partial_orders = std::move(reason.orders);
  const bool alone = example.operations.size() == 1;
  example.blocked = alone ? example.operations[0] : reason.blocked;
  const bool has_blocked = example.blocked != CounterExample::kNotKnown;
  if (has_blocked &&
      std::find(example.operations.begin(), example.operations.end(),
                example.blocked) == example.operations.end()) {
    // An order ends earlier. A counter-example that is not minimal may have one
    // operation more.
    example.operations.push_back(example.blocked);
    std::sort(example.operations.begin(), example.operations.end(), earlier);
  }
  if (by_search && alone && !HasAllBefore(operations, model, example)) {
    example.reason =
        absl::StrCat(DescribeCallOfClient(model, operations[example.blocked]),
                     " cannot be placed: nothing that was called "
                     "before it returned explains "
                     "it, whatever of that took effect.");
  } else if (by_search && !reason.text.empty()) {
    example.reason = std::move(reason.text);
  }
  if (by_search && !reason.either && has_blocked) {
    const std::string missing = FindMissing(operations, model, example.blocked);
    if (!missing.empty()) absl::StrAppend(&example.reason, " ", missing);
  }
  return example;
}

}  // namespace quorate::lincheck
