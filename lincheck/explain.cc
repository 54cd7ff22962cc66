#include "lincheck/explain.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lincheck/minimise.h"

namespace quorate::lincheck {
namespace {

// Finds the longest orders that explain part of a small history, by trying
// them.
class Orders {
 public:
  Orders(absl::Span<const Operation> operations, const Model& model)
      : operations_(operations), states_(model.NewStates()) {}

  // Longest first, one for each operation that is blocked in the end.
  std::vector<PartialOrder> Run() {
    Extend(states_->Initial());
    std::stable_sort(found_.begin(), found_.end(),
                     [](const PartialOrder& a, const PartialOrder& b) {
                       return a.placed.size() > b.placed.size();
                     });
    if (found_.size() > kShownMax) found_.resize(kShownMax);
    return std::move(found_);
  }

 private:
  static constexpr size_t kShownMax = 4;
  static constexpr uint64_t kNodesMax = 20'000;

  bool Placed(size_t i) const {
    return std::find(placed_.begin(), placed_.end(), i) != placed_.end();
  }

  // The unplaced operation that returns first.
  size_t First() const {
    size_t first = operations_.size();
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!operations_[i].known() || Placed(i)) continue;
      if (first == operations_.size() ||
          operations_[i].ret < operations_[first].ret) {
        first = i;
      }
    }
    return first;
  }

  void Extend(StateId state) {
    const size_t first = First();
    if (first == operations_.size()) return;
    bool dead = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (operations_[i].invoke > operations_[first].ret || Placed(i)) continue;
      if (++nodes_ > kNodesMax) return;
      const StateId next = states_->Step(state, operations_[i]);
      if (next == kImpossible) continue;
      if (!operations_[i].known() && next == state) continue;
      dead = dead && !operations_[i].known();
      placed_.push_back(i);
      left_.push_back(next);
      Extend(next);
      placed_.pop_back();
      left_.pop_back();
    }
    if (dead) Note(first);
  }

  void Note(size_t blocked) {
    // What has an unknown outcome counts only while something follows it.
    size_t size = placed_.size();
    while (size > 0 && !operations_[placed_[size - 1]].known()) --size;
    auto it = std::find_if(
        found_.begin(), found_.end(),
        [&](const PartialOrder& o) { return o.blocked == blocked; });
    if (it == found_.end()) {
      it = found_.insert(found_.end(), PartialOrder{.blocked = blocked});
    } else if (it->placed.size() >= size) {
      return;
    }
    it->placed.assign(placed_.begin(), placed_.begin() + size);
    it->states.clear();
    for (size_t i = 0; i < size; ++i) {
      it->states.push_back(states_->Describe(left_[i]));
    }
  }

  const absl::Span<const Operation> operations_;
  const std::unique_ptr<StateSpace> states_;
  std::vector<size_t> placed_;
  std::vector<StateId> left_;
  std::vector<PartialOrder> found_;
  uint64_t nodes_ = 0;
};

constexpr size_t kOrderedMax = 40;  // Operations.

void FillOrders(absl::Span<const Operation> operations, const Model& model,
                CounterExample* example) {
  std::vector<size_t> indices = example->operations;
  indices.insert(indices.end(), example->context.begin(),
                 example->context.end());
  example->blocked = example->operations.back();
  if (indices.size() > kOrderedMax) return;
  std::vector<Operation> some;
  for (size_t i : indices) {
    some.push_back(operations[i]);
    if (some.size() <= example->operations.size()) continue;
    some.back().ret = kNever;
    some.back().result = {};
  }
  example->partial_orders = Orders(some, model).Run();
  for (PartialOrder& order : example->partial_orders) {
    for (size_t& i : order.placed) i = indices[i];
    order.blocked = indices[order.blocked];
  }
  if (!example->partial_orders.empty()) {
    example->blocked = example->partial_orders[0].blocked;
  }
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
  FillOrders(operations, model, &example);
  if (small.by_search && !example.partial_orders.empty()) {
    const PartialOrder& longest = example.partial_orders[0];
    example.reason =
        longest.placed.empty()
            ? DescribeStuck(model, operations[longest.blocked], "", nullptr)
            : DescribeStuck(model, operations[longest.blocked],
                            longest.states.back(),
                            &operations[longest.placed.back()]);
  }
  return example;
}

}  // namespace quorate::lincheck
