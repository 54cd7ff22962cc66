#include "lincheck/check/checker.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lincheck/decide/decide.h"
#include "lincheck/decide/steps.h"
#include "lincheck/explain/explain.h"
#include "lincheck/search/search.h"

namespace quorate::lincheck {
namespace {

SearchOptions LimitsOf(const CheckOptions& options) {
  return {.nodes_max = options.nodes_max,
          .bytes_max = options.bytes_max,
          .deadline = options.deadline};
}

// Indices of the history's operations, by partition.
class Split {
 public:
  explicit Split(const History& history)
      : history_(history),
        begin_(history.partition_count() + 1, 0),
        indices_(history.operations().size()) {
    for (const Operation& op : history.operations()) {
      ++begin_[op.partition + 1];
    }
    std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
    std::vector<size_t> at(begin_.begin(), begin_.end() - 1);
    for (size_t i = 0; i < indices_.size(); ++i) {
      indices_[at[history.operations()[i].partition]++] = i;
    }
  }

  absl::Span<const size_t> Indices(size_t partition) const {
    return {indices_.data() + begin_[partition],
            begin_[partition + 1] - begin_[partition]};
  }
  std::vector<Operation> Gather(size_t partition) const {
    std::vector<Operation> operations;
    operations.reserve(Indices(partition).size());
    for (const size_t i : Indices(partition)) {
      operations.push_back(history_.operations()[i]);
    }
    return operations;
  }

 private:
  const History& history_;
  std::vector<size_t> begin_;    // By partition, into indices_.
  std::vector<size_t> indices_;  // Those of one partition in order.
};

// The counter-example of a wrong partition that could not be checked again
// within the limits.
CounterExample WholePartition(const History& history, uint32_t partition,
                              absl::Span<const size_t> indices) {
  CounterExample example{.partition = partition};
  for (size_t i : indices) {
    if (history.operations()[i].known()) example.operations.push_back(i);
  }
  std::sort(example.operations.begin(), example.operations.end(),
            ByInvocation(history.operations()));
  example.blocked = CounterExample::kNotKnown;
  example.reason =
      "The limits of time and memory left no room to look for a smaller part.";
  return example;
}

}  // namespace

CounterExample Explain(const History& history, const Model& model,
                       const Verdict& verdict, const CheckOptions& options) {
  const uint32_t partition = verdict.wrong.front();
  const Split split(history);
  const absl::Span<const size_t> indices = split.Indices(partition);
  const std::vector<Operation> operations = split.Gather(partition);
  CounterExample example =
      ExplainPartition(operations, model, *verdict.first_wrong, options);
  const SearchOptions limits = LimitsOf(options);
  if (!model.HooksAreTested() && !Proves(operations, model, limits, &example)) {
    // Slower, and without what the model promises.
    const StepModel plain(model, operations);
    Decision decision = Decide(operations, plain, limits);
    if (decision.result != Result::kViolation) {
      return WholePartition(history, partition, indices);
    }
    example = ExplainPartition(operations, plain, std::move(decision), options);
    if (!Proves(operations, model, limits, &example)) {
      return WholePartition(history, partition, indices);
    }
  }
  example.partition = partition;
  if (example.blocked != CounterExample::kNotKnown) {
    example.blocked = indices[example.blocked];
  }
  for (std::vector<size_t>* list : {&example.operations, &example.context}) {
    for (size_t& i : *list) i = indices[i];
  }
  for (PartialOrder& order : example.partial_orders) {
    for (size_t& i : order.placed) i = indices[i];
    order.blocked = indices[order.blocked];
  }
  return example;
}

Verdict Check(const History& history, const Model& model,
              const CheckOptions& options) {
  const Split split(history);
  const size_t count = history.partition_count();
  std::vector<Decision> decisions(count);
  const SearchOptions limits = LimitsOf(options);
  const auto decide = [&](size_t partition) {
    decisions[partition] = Decide(split.Gather(partition), model, limits);
  };
  if (options.executor != nullptr) {
    options.executor->Run(count, decide);
  } else {
    for (size_t partition = 0; partition < count; ++partition) {
      decide(partition);
    }
  }
  Verdict verdict{.partitions = count};
  for (uint32_t partition = 0; partition < count; ++partition) {
    Decision& decision = decisions[partition];
    verdict.nodes += decision.nodes;
    verdict.partitions_by_zones += decision.by_zones ? 1 : 0;
    if (verdict.undecidable.empty()) {
      verdict.undecidable = decision.undecidable;
    }
    if (decision.result == Result::kUnknown) {
      verdict.undecided.push_back(partition);
    }
    if (decision.result != Result::kViolation) continue;
    verdict.wrong.push_back(partition);
    if (verdict.first_wrong != nullptr) continue;
    verdict.first_wrong = std::make_shared<Decision>(std::move(decision));
  }
  if (!verdict.wrong.empty()) {
    verdict.result = Result::kViolation;
    if (options.explain) {
      verdict.counter_example = Explain(history, model, verdict, options);
    }
  } else if (!verdict.undecided.empty()) {
    verdict.result = Result::kUnknown;
  }
  return verdict;
}

CounterExample::Core CoreOf(const CounterExample& counter_example) {
  const std::vector<size_t>& all = counter_example.operations;
  if (counter_example.minimal || all.size() <= kCoreOperationsMax) {
    return {.operations = all};
  }
  // Those invoked last before the one that has no place, and it.
  auto end = std::find(all.begin(), all.end(), counter_example.blocked);
  if (end != all.end()) ++end;
  const auto begin =
      end - std::min<ptrdiff_t>(end - all.begin(), kCoreOperationsMax);
  return {.operations = {begin, end},
          .left_out = all.size() - static_cast<size_t>(end - begin)};
}

std::string Describe(const History& history, const Model& model,
                     const CounterExample& counter_example) {
  const std::string& name = history.partition_name(counter_example.partition);
  std::string text = absl::StrCat(
      name.empty() ? "the object" : absl::StrCat("key \"", name, "\""),
      " is not linearizable: ", counter_example.reason,
      counter_example.minimal ? "" : " (not minimised)", "\n");
  const CounterExample::Core core = CoreOf(counter_example);
  if (core.left_out > 0) {
    absl::StrAppend(&text, "  (", core.left_out,
                    " operations are left out; these are the nearest)\n");
  }
  for (size_t i : core.operations) {
    const Operation& op = history.operations()[i];
    absl::StrAppend(&text, "  client ", op.client, " [", op.invoke, ", ",
                    op.known() ? absl::StrCat(op.ret) : "…", "] ",
                    DescribeCall(model, op), "\n");
  }
  for (size_t i : counter_example.context) {
    Operation op = history.operations()[i];
    op.ret = kNever;
    absl::StrAppend(&text, "  whenever it took effect, if at all: client ",
                    op.client, " [", op.invoke, ", …] ",
                    DescribeCall(model, op), "\n");
  }
  return text;
}

}  // namespace quorate::lincheck
