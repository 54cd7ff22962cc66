#include "lincheck/checker.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/search.h"
#include "lincheck/zones.h"

namespace quorate::lincheck {
namespace {

struct Decision {
  Result result = Result::kOk;
  bool by_zones = false;
  uint64_t nodes = 0;
  std::vector<size_t> core;  // kViolation: indices into the argument; not
                             // linearizable even if all others are relaxed.
  std::string reason;
};

// Whether the model agrees with an order that the zones found.
bool Replay(absl::Span<const Operation> operations, const Model& model,
            const std::vector<size_t>& order) {
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  for (size_t i : order) {
    state = states->Step(state, operations[i]);
    if (state == kImpossible) return false;
  }
  return true;
}

Decision DecideBySearch(absl::Span<const Operation> operations,
                        const Model& model, const SearchOptions& options) {
  SearchResult found = Search(operations, model, options);
  Decision decision{.result = found.result, .nodes = found.nodes};
  if (found.result != Result::kViolation) return decision;
  const Operation& stuck = operations[found.stuck];
  // No order got past this return, so what was invoked after it does not
  // matter.
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].known() && operations[i].invoke <= stuck.ret) {
      decision.core.push_back(i);
    }
  }
  decision.reason = absl::StrCat(
      DescribeCall(model, stuck), " of client ", stuck.client,
      " cannot be placed: no order of what it may follow explains it. The "
      "longest order found leaves ",
      found.state, found.placed.empty() ? "." : " after ");
  if (!found.placed.empty()) {
    absl::StrAppend(&decision.reason,
                    DescribeCall(model, operations[found.placed.back()]),
                    " of client ", operations[found.placed.back()].client, ".");
  }
  return decision;
}

Decision Decide(absl::Span<const Operation> operations, const Model& model,
                const SearchOptions& options) {
  std::optional<ZonesResult> zones = CheckZones(operations, model);
  if (zones.has_value()) {
    if (zones->result == Result::kViolation) {
      return {.result = Result::kViolation,
              .by_zones = true,
              .core = std::move(zones->core),
              .reason = std::move(zones->reason)};
    }
    if (!HasVersions(operations, model) ||
        Replay(operations, model, zones->order)) {
      return {.by_zones = true};
    }
  }
  return DecideBySearch(operations, model, options);
}

// Makes a counter-example small: relaxes operations as long as the rest stays
// wrong.
class Minimiser {
 public:
  Minimiser(absl::Span<const Operation> operations, const Model& model,
            const CheckOptions& options)
      : operations_(operations), model_(model), options_(options) {}

  // Shrinks `core` in place, fills in the reason that fits it; true if it is
  // minimal.
  bool Run(std::vector<size_t>* core, std::string* reason) {
    bool sure = Try(*core, reason) == Result::kViolation;
    if (!sure) {
      // An operation of unknown outcome may link other writes than it did while its result was known: begin with all.
      core->clear();
      for (size_t i = 0; i < operations_.size(); ++i) {
        if (operations_[i].known()) core->push_back(i);
      }
      sure = Try(*core, reason) == Result::kViolation;
    }
    if (!sure) return false;
    for (size_t chunk = std::max<size_t>(core->size() / 2, 1);;) {
      bool removed = false;
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
      if (chunk == 1 && !removed) return sure;
      if (!removed) chunk = std::max<size_t>(chunk / 2, 1);
      if (removed) sure = true;
      chunk = std::min(chunk, std::max<size_t>(core->size() / 2, 1));
    }
  }

 private:
  // Judges the partition with everything outside `core` relaxed.
  Result Try(const std::vector<size_t>& core, std::string* reason) {
    if (nodes_ > options_.minimise_nodes_max) return Result::kUnknown;
    relaxed_.clear();
    size_t at = 0;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (at < core.size() && core[at] == i) {
        ++at;
        relaxed_.push_back(operations_[i]);
        continue;
      }
      Operation op = operations_[i];
      if (model_.IsRead(op)) continue;
      op.ret = kNever;
      op.result = {};
      relaxed_.push_back(op);
    }
    const SearchOptions limits{
        .nodes_max = options_.minimise_nodes_max - nodes_,
        .bytes_max = options_.bytes_max,
        .deadline = options_.deadline};
    Decision decision = Decide(relaxed_, model_, limits);
    nodes_ += decision.nodes + core.size();
    if (decision.result == Result::kViolation) {
      *reason = std::move(decision.reason);
    }
    return decision.result;
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const CheckOptions options_;
  std::vector<Operation> relaxed_;
  uint64_t nodes_ = 0;
};

// The history's operations by partition: a permutation and where each partition
// begins in it.
struct Split {
  std::vector<size_t> begin;
  std::vector<size_t> order;
};

Split SplitByPartition(const History& history) {
  Split split;
  split.begin.assign(history.partition_count() + 1, 0);
  for (const Operation& op : history.operations()) {
    ++split.begin[op.partition + 1];
  }
  for (size_t i = 1; i < split.begin.size(); ++i) {
    split.begin[i] += split.begin[i - 1];
  }
  split.order.resize(history.operations().size());
  std::vector<size_t> at(split.begin.begin(), split.begin.end() - 1);
  for (size_t i = 0; i < history.operations().size(); ++i) {
    split.order[at[history.operations()[i].partition]++] = i;
  }
  return split;
}

std::vector<Operation> Gather(const History& history, const Split& split,
                              size_t partition) {
  std::vector<Operation> operations;
  operations.reserve(split.begin[partition + 1] - split.begin[partition]);
  for (size_t i = split.begin[partition]; i < split.begin[partition + 1]; ++i) {
    operations.push_back(history.operations()[split.order[i]]);
  }
  return operations;
}

// Indices of the operations of one partition.
std::vector<size_t> OfPartition(const History& history, uint32_t partition) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < history.operations().size(); ++i) {
    if (history.operations()[i].partition == partition) indices.push_back(i);
  }
  return indices;
}

CounterExample ExplainDecision(const History& history, const Model& model,
                               const CheckOptions& options,
                               const std::vector<size_t>& indices,
                               uint32_t partition, Decision decision) {
  std::vector<Operation> operations;
  for (size_t i : indices) operations.push_back(history.operations()[i]);
  CounterExample example{.partition = partition,
                         .reason = std::move(decision.reason)};
  example.minimal = Minimiser(operations, model, options)
                        .Run(&decision.core, &example.reason);
  for (size_t i : decision.core) example.operations.push_back(indices[i]);
  std::stable_sort(example.operations.begin(), example.operations.end(),
                   [&](size_t a, size_t b) {
                     return history.operations()[a].invoke <
                            history.operations()[b].invoke;
                   });
  return example;
}

}  // namespace

std::string_view ResultName(Result result) {
  switch (result) {
    case Result::kOk:
      return "ok";
    case Result::kViolation:
      return "violation";
    case Result::kUnknown:
      return "unknown";
  }
  return "invalid";
}

Verdict Check(const History& history, const Model& model,
              const CheckOptions& options) {
  const Split split = SplitByPartition(history);
  const size_t count = history.partition_count();
  std::vector<Decision> decisions(count);
  const SearchOptions limits{.nodes_max = options.nodes_max,
                             .bytes_max = options.bytes_max,
                             .deadline = options.deadline};
  const auto decide = [&](size_t partition) {
    decisions[partition] =
        Decide(Gather(history, split, partition), model, limits);
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
    if (decision.result == Result::kUnknown) {
      verdict.undecided.push_back(partition);
    }
    if (decision.result != Result::kViolation) continue;
    verdict.wrong.push_back(partition);
    if (!options.explain || verdict.counter_example.has_value()) continue;
    verdict.counter_example = ExplainDecision(history, model, options,
                                              OfPartition(history, partition),
                                              partition, std::move(decision));
  }
  if (!verdict.wrong.empty()) {
    verdict.result = Result::kViolation;
  } else if (!verdict.undecided.empty()) {
    verdict.result = Result::kUnknown;
  }
  return verdict;
}

CounterExample Explain(const History& history, const Model& model,
                       uint32_t partition, const CheckOptions& options) {
  const std::vector<size_t> indices = OfPartition(history, partition);
  std::vector<Operation> operations;
  for (size_t i : indices) operations.push_back(history.operations()[i]);
  return ExplainDecision(history, model, options, indices, partition,
                         Decide(operations, model,
                                {.nodes_max = options.nodes_max,
                                 .bytes_max = options.bytes_max,
                                 .deadline = options.deadline}));
}

std::string Describe(const History& history, const Model& model,
                     const CounterExample& counter_example) {
  std::string text = absl::StrCat(
      "partition \"", history.partition_name(counter_example.partition),
      "\" is not linearizable: ", counter_example.reason,
      counter_example.minimal ? "" : " (not minimised)", "\n");
  for (size_t i : counter_example.operations) {
    const Operation& op = history.operations()[i];
    absl::StrAppend(&text, "  client ", op.client, " [", op.invoke, ", ",
                    op.known() ? absl::StrCat(op.ret) : "…", "] ",
                    DescribeCall(model, op), "\n");
  }
  return text;
}

}  // namespace quorate::lincheck
