#include "lincheck/decide/decide.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/decide/steps.h"
#include "lincheck/links/links.h"
#include "lincheck/links/versioned.h"
#include "lincheck/links/zones.h"

namespace quorate::lincheck {
namespace {

// Whether the order that zones found by versions explains results and versions.
bool Replay(absl::Span<const Operation> operations, const Model& model,
            const std::vector<size_t>& order) {
  if (!IsLinearization(operations, order)) return false;
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  StateVersion version = kInitialVersion;
  std::vector<StateVersion> made = {kInitialVersion};
  for (const size_t i : order) {
    const Operation& op = operations[i];
    if (op.known() && op.seen != kNoVersion && op.seen != version) return false;
    state = states->Step(state, op);
    if (state == kImpossible) return false;
    if (op.written != kNoVersion) made.push_back(op.written);
    // A write that does not tell its version may have made one.
    if (!OnlyReads(model, op)) version = op.written;
  }
  std::sort(made.begin(), made.end());
  return std::adjacent_find(made.begin(), made.end()) == made.end();
}

// The verdict that a search of all operations found.
Decision DecisionOf(absl::Span<const Operation> operations, const Model& model,
                    SearchResult found) {
  Decision decision{.result = found.result,
                    .nodes = found.nodes,
                    .order = std::move(found.order)};
  if (found.result != Result::kViolation) return decision;
  const Operation& stuck = operations[found.stuck];
  // No order got past this return, so what was invoked after it does not
  // matter, unless it was looked at, as versions make it.
  const bool all = found.foreseen.has_value() || TellVersions(operations);
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].known() && (all || operations[i].invoke <= stuck.ret)) {
      decision.core.push_back(i);
    }
  }
  decision.by_search = true;
  decision.stuck = found.foreseen.value_or(found.stuck);
  decision.reason = DescribeStuck(operations, model, found);
  return decision;
}

// A state that is a set of possible states depends on the version. Which of
// them a write leaves as they are cannot be told, so that each has to tell its
// version.
std::string FindMissingVersion(absl::Span<const Operation> operations,
                               const Model& model) {
  const auto find = [&](auto f) {
    return std::find_if(operations.begin(), operations.end(), f);
  };
  const auto write = find([&](const Operation& op) {
    return op.known() && op.written == kNoVersion && !model.IsRead(op);
  });
  if (!TellVersions(operations) || write == operations.end() ||
      find([&](const Operation& op) { return model.Learns(op); }) ==
          operations.end()) {
    return {};
  }
  return absl::StrCat(DescribeCallOfClient(model, *write),
                      " tells no version. Where a state is a set of possible "
                      "states and versions are told, every write has to tell "
                      "its own");
}

// Trusts the optional members of the model.
Decision DecideByHooks(absl::Span<const Operation> operations,
                       const Model& model, const SearchOptions& options) {
  Decision decision = DecideByZones(operations, model);
  if (decision.result != Result::kUnknown) return decision;
  std::string missing = FindMissingVersion(operations, model);
  if (!missing.empty()) {
    return {.result = Result::kUnknown, .undecidable = std::move(missing)};
  }
  return DecisionOf(operations, model,
                    SearchPartition(operations, operations, model, options));
}

// Of more operations a search does not keep the order it finds.
constexpr size_t kOrderMax = 100'000;

}  // namespace

std::string DescribeStuck(absl::Span<const Operation> operations,
                          const Model& model, const SearchResult& found) {
  const std::string stuck =
      DescribeCallOfClient(model, operations[found.stuck]);
  if (found.foreseen.has_value() && *found.foreseen != found.stuck) {
    return absl::StrCat(
        DescribeCallOfClient(model, operations[*found.foreseen]),
        " cannot be placed: no order that explains everything until ", stuck,
        " returned can still lead to it.");
  }
  std::string text = absl::StrCat(
      stuck, " cannot be placed: no order of what it may follow explains it.");
  if (found.state.empty()) return text;
  if (!found.last_placed.has_value()) {
    absl::StrAppend(&text, " After the longest order found the object");
  } else {
    absl::StrAppend(&text, " The longest order found ends with ",
                    DescribeSeenCall(model, operations[*found.last_placed]),
                    ", after which the object");
  }
  return absl::StrCat(text, " is ", found.state, ".");
}

Decision DecideByZones(absl::Span<const Operation> operations,
                       const Model& model) {
  Decision decision = CheckZones(operations, model);
  if (decision.result == Result::kOk && TellVersions(operations) &&
      !Replay(operations, model, decision.order)) {
    return {.result = Result::kUnknown};
  }
  return decision;
}

SearchResult SearchPartition(absl::Span<const Operation> operations,
                             absl::Span<const Operation> all,
                             const Model& model, const SearchOptions& options) {
  return TellVersions(operations)
             ? Search(operations, VersionedModel(model, operations, all),
                      options)
             : Search(operations, model, options);
}

Decision Decide(absl::Span<const Operation> operations, const Model& model,
                const SearchOptions& options) {
  if (model.HooksAreTested()) return DecideByHooks(operations, model, options);
  SearchOptions limits = options;
  limits.wants_order = operations.size() <= kOrderMax;
  Decision decision = DecideByHooks(operations, model, limits);
  if (decision.result == Result::kUnknown ||
      Confirms(operations, model, options, decision)) {
    return decision;
  }
  return DecisionOf(operations, model,
                    JudgeBySteps(operations, model, options));
}

}  // namespace quorate::lincheck
