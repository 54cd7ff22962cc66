#include "lincheck/explain.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "lincheck/links.h"

namespace quorate::lincheck {
namespace {

// Makes a counter-example small: relaxes operations as long as the rest stays
// wrong.
class Minimiser {
 public:
  Minimiser(absl::Span<const Operation> operations, const Model& model,
            const CheckOptions& options, std::vector<size_t> scope)
      : operations_(operations),
        model_(model),
        options_(options),
        scope_(std::move(scope)) {
    if (scope_.empty() || !OutsideIsLinked()) LookEverywhere();
  }

  // Shrinks `core` in place, fills in the reason that fits it; true if it is
  // minimal.
  bool Run(std::vector<size_t>* core, std::string* reason);

  // Whether the reason tells where a search was stuck.
  bool by_search() const { return by_search_; }

  // Of a minimal core: the operations of unknown outcome that explain it once
  // any one of its own is relaxed. In order.
  std::vector<size_t> Context() const;

 private:
  void LookEverywhere() {
    scope_.resize(operations_.size());
    std::iota(scope_.begin(), scope_.end(), 0);
    everywhere_ = true;
  }
  // Whether all that is outside the scope names what it writes even when
  // relaxed: then it cannot stand for anything in the scope.
  bool OutsideIsLinked() const;
  // Judges the partition with everything outside `core` relaxed.
  Result Try(const std::vector<size_t>& core, std::string* reason);
  Decision Judge(const std::vector<size_t>& core);

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const CheckOptions options_;
  std::vector<size_t> scope_;  // What may matter, in order.
  bool everywhere_ = false;    // It is all operations.
  static constexpr uint64_t kEasyNodes = 20'000;

  std::vector<Operation> relaxed_;
  std::vector<size_t> indices_;  // Of relaxed_, in operations_.
  // By what was left out of the core: orders that explain the rest.
  std::vector<std::vector<size_t>> orders_;
  bool by_search_ = false;
  uint64_t nodes_ = 0;
  uint64_t try_nodes_max_ = ~uint64_t{0};  // For one question.
};

bool Minimiser::OutsideIsLinked() const {
  const bool versions = HasVersions(operations_);
  size_t at = 0;
  for (size_t i = 0; i < operations_.size(); ++i) {
    if (at < scope_.size() && scope_[at] == i) {
      ++at;
      continue;
    }
    const Operation& op = operations_[i];
    if (model_.IsRead(op)) continue;
    if (versions) {
      if (op.written == kNoVersion) return false;
      continue;
    }
    Operation relaxed = op;
    relaxed.ret = kNever;
    relaxed.result = {};
    Links links;
    if (!model_.FindLinks(relaxed, &links) || links.conditional) return false;
  }
  return true;
}

Decision Minimiser::Judge(const std::vector<size_t>& core) {
  relaxed_.clear();
  indices_.clear();
  size_t at = 0;
  for (size_t i : scope_) {
    const bool kept = at < core.size() && core[at] == i;
    if (kept) ++at;
    if (!kept && model_.IsRead(operations_[i])) continue;
    relaxed_.push_back(operations_[i]);
    indices_.push_back(i);
    if (kept) continue;
    relaxed_.back().ret = kNever;
    relaxed_.back().result = {};
  }
  const uint64_t left = options_.minimise_nodes_max - nodes_;
  Decision decision = Decide(relaxed_, model_,
                             {.nodes_max = std::min(left, try_nodes_max_),
                              .bytes_max = options_.bytes_max,
                              .deadline = options_.deadline});
  nodes_ += decision.nodes + core.size();
  return decision;
}

Result Minimiser::Try(const std::vector<size_t>& core, std::string* reason) {
  if (nodes_ > options_.minimise_nodes_max) return Result::kUnknown;
  Decision decision = Judge(core);
  if (!decision.by_zones && !everywhere_) {
    // Relaxed, something does not name what it saw or wrote any more.
    LookEverywhere();
    decision = Judge(core);
  }
  if (decision.result == Result::kViolation) {
    by_search_ = decision.by_search;
    *reason = std::move(decision.reason);
  } else if (decision.result == Result::kOk) {
    for (size_t& i : decision.order) i = indices_[i];
    orders_.push_back(std::move(decision.order));
  }
  return decision.result;
}

bool Minimiser::Run(std::vector<size_t>* core, std::string* reason) {
  bool sure = Try(*core, reason) == Result::kViolation;
  if (!sure) {
    // An operation of unknown outcome may link other writes than it did while
    // its result was known: begin with all.
    LookEverywhere();
    core->clear();
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (operations_[i].known()) core->push_back(i);
    }
    sure = Try(*core, reason) == Result::kViolation;
  }
  if (!sure) return false;
  // Easy questions first: what they take away makes the hard ones easier.
  try_nodes_max_ = kEasyNodes;
  for (size_t chunk = std::max<size_t>(core->size() / 2, 1);;) {
    bool removed = false;
    sure = true;
    orders_.clear();
    // From the end: late reads go first, and what they needed follows.
    for (size_t end = core->size(); end > 0;) {
      const size_t begin = end > chunk ? end - chunk : 0;
      std::vector<size_t> fewer(core->begin(), core->begin() + begin);
      fewer.insert(fewer.end(), core->begin() + end, core->end());
      const Result result = fewer.empty() ? Result::kOk : Try(fewer, reason);
      if (result == Result::kViolation) {
        *core = std::move(fewer);
        removed = true;
      } else if (result == Result::kUnknown && chunk == 1) {
        sure = false;
      }
      end = begin;
    }
    if (nodes_ > options_.minimise_nodes_max) return false;
    if (chunk == 1 && !removed) {
      if (sure ||
          (options_.deadline != nullptr && options_.deadline->Passed())) {
        return sure;
      }
      try_nodes_max_ *= 8;
    }
    if (!removed) chunk = std::max<size_t>(chunk / 2, 1);
    chunk = std::min(chunk, std::max<size_t>(core->size() / 2, 1));
  }
}

std::vector<size_t> Minimiser::Context() const {
  std::vector<size_t> context;
  for (const std::vector<size_t>& order : orders_) {
    context.insert(context.end(), order.begin(), order.end());
  }
  std::sort(context.begin(), context.end());
  context.erase(std::unique(context.begin(), context.end()), context.end());
  return context;
}

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
  CounterExample example{.reason = std::move(decision.reason)};
  Minimiser minimiser(operations, model, options, std::move(decision.scope));
  example.minimal = minimiser.Run(&decision.core, &example.reason);
  example.operations = std::move(decision.core);
  const auto earlier = [&](size_t a, size_t b) {
    return std::pair(operations[a].invoke, a) <
           std::pair(operations[b].invoke, b);
  };
  if (example.minimal) {
    const std::vector<size_t> context = minimiser.Context();
    std::set_difference(context.begin(), context.end(),
                        example.operations.begin(), example.operations.end(),
                        std::back_inserter(example.context));
  }
  std::sort(example.operations.begin(), example.operations.end(), earlier);
  std::sort(example.context.begin(), example.context.end(), earlier);
  FillOrders(operations, model, &example);
  if (minimiser.by_search() && !example.partial_orders.empty()) {
    const PartialOrder& longest = example.partial_orders[0];
    const bool none = longest.placed.empty();
    example.reason =
        DescribeStuck(model, operations[longest.blocked],
                      none ? "what there was at first" : longest.states.back(),
                      none ? nullptr : &operations[longest.placed.back()]);
  }
  return example;
}

}  // namespace quorate::lincheck
