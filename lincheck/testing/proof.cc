#include "lincheck/testing/proof.h"

#include <algorithm>
#include <vector>

#include "lincheck/check/checker.h"
#include "lincheck/testing/brute_force.h"

namespace quorate::lincheck {
namespace {

bool Contains(const std::vector<size_t>& list, size_t i) {
  return std::find(list.begin(), list.end(), i) != list.end();
}

// An operation is a read by its call, whatever it returned.
bool IsReadRelaxed(const Model& model, Operation op) {
  op.ret = kNever;
  op.result = {};
  return model.IsRead(op);
}

// The operations with everything outside `kept` relaxed, or left out if not in
// `others`.
bool Linearizable(const History& history, const Model& model,
                  const std::vector<size_t>& kept,
                  const std::vector<size_t>* others) {
  std::vector<Operation> operations;
  for (size_t i = 0; i < history.operations().size(); ++i) {
    Operation op = history.operations()[i];
    if (!Contains(kept, i)) {
      if (IsReadRelaxed(model, op)) continue;
      if (others != nullptr && !Contains(*others, i)) continue;
      op.ret = kNever;
      op.result = {};
    }
    operations.push_back(op);
  }
  return LinearizableByBruteForce(operations, model);
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

std::string Show(const History& history, const Model& model) {
  std::string text;
  for (const Operation& op : history.operations()) {
    text += "\n  client " + std::to_string(op.client) + " [" +
            std::to_string(op.invoke) + ", " +
            (op.known() ? std::to_string(op.ret) : "…") + "] " +
            DescribeCall(model, op) + " on " +
            history.partition_name(op.partition) + " seen " +
            std::to_string(op.seen) + " written " + std::to_string(op.written);
  }
  return text;
}

std::string Refute(const History& history, const Model& model,
                   const CounterExample& example) {
  const std::string what =
      Describe(history, model, example) + "\nof" + Show(history, model);
  if (Linearizable(history, model, example.operations, nullptr)) {
    return "no counter-example: " + what;
  }
  if (Linearizable(history, model, example.operations, &example.context)) {
    return "no history of its own: " + what;
  }
  if (!Contains(example.operations, example.blocked)) {
    return "the blocked one is not among them: " + what;
  }
  if (!example.minimal) return {};
  for (const size_t left_out : example.operations) {
    std::vector<size_t> kept = example.operations;
    std::erase(kept, left_out);
    std::vector<size_t> context = example.context;
    if (!IsReadRelaxed(model, history.operations()[left_out])) {
      context.push_back(left_out);
    }
    if (!Linearizable(history, model, kept, nullptr)) {
      return "not minimal, " + std::to_string(left_out) + ": " + what;
    }
    if (!Linearizable(history, model, kept, &context)) {
      return "context too small, " + std::to_string(left_out) + ": " + what;
    }
  }
  return {};
}

}  // namespace quorate::lincheck
