#include "lincheck/decide/steps.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/links/versioned.h"

namespace quorate::lincheck {
namespace {

// Model steps of a question about a counter-example.
constexpr uint64_t kNodesMax = 200'000;

SearchOptions Few(SearchOptions options) {
  options.nodes_max = std::min(options.nodes_max, kNodesMax);
  return options;
}

// Takes a linearization step by step. True if every step is possible.
bool Replays(absl::Span<const Operation> operations, const Model& model,
             const std::vector<size_t>& order) {
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  for (const size_t i : order) {
    state = states->Step(state, operations[i]);
    if (state == kImpossible) return false;
  }
  return IsLinearization(operations, order);
}

bool ReplaysBySteps(absl::Span<const Operation> operations, const Model& model,
                    const std::vector<size_t>& order) {
  const StepModel plain(model, operations);
  return TellVersions(operations)
             ? Replays(operations,
                       VersionedModel(plain, operations, operations), order)
             : Replays(operations, plain, order);
}

// The operations of `core`, and the others with unknown outcome, if they can
// matter: those invoked later than all of `core` returned do not.
std::vector<Operation> RelaxOthers(absl::Span<const Operation> operations,
                                   const std::vector<size_t>& core) {
  std::vector<bool> kept(operations.size(), false);
  Time last = std::numeric_limits<Time>::min();
  for (const size_t i : core) {
    kept[i] = true;
    last = std::max(last, operations[i].ret);
  }
  std::vector<Operation> some;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (kept[i]) {
      some.push_back(operations[i]);
    } else if (operations[i].invoke <= last) {
      some.push_back(Relax(operations[i]));
    }
  }
  return some;
}

}  // namespace

bool IsLinearization(absl::Span<const Operation> operations,
                     const std::vector<size_t>& order) {
  Time latest = std::numeric_limits<Time>::min();  // Invocation so far.
  std::vector<bool> placed(operations.size(), false);
  for (const size_t i : order) {
    if (placed[i] || operations[i].ret < latest) return false;
    placed[i] = true;
    latest = std::max(latest, operations[i].invoke);
  }
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].known() && !placed[i]) return false;
  }
  return true;
}

SearchResult JudgeBySteps(absl::Span<const Operation> operations,
                          const Model& model, const SearchOptions& options) {
  SearchOptions limits = options;
  limits.wants_order = false;
  const StepModel plain(model, operations);
  if (!TellVersions(operations)) return Search(operations, plain, limits);
  const VersionedModel versioned(plain, operations, operations);
  return Search(operations, StepModel(versioned, {}), limits);
}

bool Confirms(absl::Span<const Operation> operations, const Model& model,
              const SearchOptions& options, const Decision& decision) {
  if (decision.result == Result::kOk) {
    return ReplaysBySteps(operations, model, decision.order);
  }
  if (!decision.by_zones) return false;
  if (HasVersions(operations)) return true;  // Versions alone show it.
  return !TellVersions(operations) &&
         JudgeBySteps(RelaxOthers(operations, decision.core), model, options)
                 .result == Result::kViolation;
}

bool Proves(absl::Span<const Operation> operations, const Model& model,
            const SearchOptions& options, CounterExample* example) {
  enum class Part : uint8_t { kRelaxed, kContext, kKept };
  std::vector<Part> parts(operations.size(), Part::kRelaxed);
  for (const size_t i : example->context) parts[i] = Part::kContext;
  for (const size_t i : example->operations) parts[i] = Part::kKept;
  // Operations that are not kept have an unknown outcome. `all`: those that are
  // not named count, too.
  const auto judge = [&](bool all, const SearchOptions& limits) {
    std::vector<Operation> some;
    for (size_t i = 0; i < operations.size(); ++i) {
      if (parts[i] == Part::kKept) {
        some.push_back(operations[i]);
      } else if (all || parts[i] == Part::kContext) {
        some.push_back(Relax(operations[i]));
      }
    }
    return JudgeBySteps(some, model, limits).result;
  };
  if (judge(false, options) != Result::kViolation) return false;
  const Result whole = judge(true, Few(options));
  if (whole == Result::kOk) return false;
  if (whole == Result::kUnknown) {
    absl::StrAppend(&example->reason,
                    " (These operations are not linearizable by themselves. "
                    "Step() of the model did not confirm within the limits "
                    "that no other operation explains them.)");
  }
  if (!example->minimal) return true;
  for (const size_t i : example->operations) {
    parts[i] = Part::kContext;
    for (const bool all : {true, false}) {
      const Result without = judge(all, Few(options));
      if (without == Result::kViolation) return false;
      if (without == Result::kUnknown) example->minimal = false;
    }
    parts[i] = Part::kKept;
  }
  return true;
}

}  // namespace quorate::lincheck
