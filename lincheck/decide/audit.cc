#include "lincheck/decide/audit.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lincheck/links/links.h"
#include "lincheck/links/versioned.h"
#include "lincheck/search/search.h"

namespace quorate::lincheck {
namespace {

// Model steps of a question about a counter-example.
constexpr uint64_t kNodesMax = 200'000;

struct NamedHook {
  Hooks hook;
  const char* name;
};
constexpr NamedHook kNamedHooks[] = {
    {kHookFindLinks, "FindLinks()"},
    {kHookLooksBeyondCall, "LooksBeyondCall()"},
    {kHookIsRead, "IsRead()"},
};

const char* InWords(Result result) {
  return result == Result::kOk ? "linearizable" : "not linearizable";
}

SearchOptions Few(SearchOptions options) {
  options.nodes_max = std::min(options.nodes_max, kNodesMax);
  return options;
}

// `found` by hooks and `truth` by steps differ: whose fault that is.
std::string NameFault(absl::Span<const Operation> operations,
                      const Model& model, Result found, Result truth,
                      Judgement decide) {
  const Hooks all = SpeedHooks(operations);
  std::string name;
  for (const NamedHook& hook : kNamedHooks) {
    // Much else rests on it.
    if ((all & hook.hook) == 0 || (hook.hook == kHookIsRead && !name.empty())) {
      continue;
    }
    const ModelWithout without(model, hook.hook);
    if (decide(operations, without).result != truth) continue;
    absl::StrAppend(&name, name.empty() ? "" : " or ", hook.name);
  }
  // Several may be at fault, each of which hides the others.
  if (name.empty()) {
    name = absl::StrCat("One or more of ", NameHooks(operations, model));
  }
  std::string text = absl::StrCat(
      name, " and Step() of the model contradict each other: by ", name, " ",
      operations.size(),
      operations.size() == 1 ? " operation is " : " operations are ",
      InWords(found), ", by Step() alone ", InWords(truth));
  constexpr size_t kShownMax = 6;
  if (operations.size() > kShownMax) return text + ".";
  text += " (";
  for (const Operation& op : operations) {
    if (text.back() != '(') text += ", ";
    text += DescribeCallOfClient(model, op);
  }
  return text + ").";
}

// Takes a linearization step by step. True if every step is possible.
bool Replays(absl::Span<const Operation> operations, const Model& model,
             const std::vector<size_t>& order) {
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  for (const size_t i : order) {
    state = states->Step(state, operations[i]);
    if (state == kImpossible || !states->fault().empty()) return false;
  }
  return IsLinearization(operations, order);
}

bool ReplaysBySteps(absl::Span<const Operation> operations, const Model& model,
                    const std::vector<size_t>& order) {
  const ModelWithout plain(model, SpeedHooks(operations));
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

Hooks SpeedHooks(absl::Span<const Operation> operations) {
  return TellVersions(operations) ? kAllHooks & ~kHookIsRead : kAllHooks;
}

std::string NameHooks(absl::Span<const Operation> operations,
                      const Model& model) {
  Hooks used = 0;
  for (const Operation& op : operations) {
    Links links;
    if (model.FindLinks(op, &links) || links.looks) used |= kHookFindLinks;
    if (!model.LooksBeyondCall(op)) used |= kHookLooksBeyondCall;
    if (model.IsRead(op)) used |= kHookIsRead;
  }
  std::string names;
  for (const NamedHook& hook : kNamedHooks) {
    if ((used & hook.hook) == 0) continue;
    absl::StrAppend(&names, names.empty() ? "" : ", ", hook.name);
  }
  return names;
}

SearchResult JudgeBySteps(absl::Span<const Operation> operations,
                          const Model& model, const SearchOptions& options) {
  SearchOptions limits = options;
  limits.wants_order = false;
  const ModelWithout plain(model, SpeedHooks(operations));
  if (!TellVersions(operations)) return Search(operations, plain, limits);
  const VersionedModel versioned(plain, operations, operations);
  return Search(operations, ModelWithout(versioned, kAllHooks), limits);
}

void Confirm(absl::Span<const Operation> operations, const Model& model,
             const SearchOptions& options, Judgement decide,
             Decision* decision) {
  if (decision->result == Result::kUnknown) return;
  const std::string hooks = NameHooks(operations, model);
  if (hooks.empty()) return;  // Step() alone was asked.
  if (decision->result == Result::kViolation && decision->by_zones &&
      HasVersions(operations)) {
    return;  // Versions alone show it.
  }
  SearchResult truth;
  const auto judge = [&](absl::Span<const Operation> some) {
    const uint64_t nodes = truth.nodes;
    truth = JudgeBySteps(some, model, options);
    truth.nodes += nodes;
  };
  if (decision->result == Result::kOk) {
    if (ReplaysBySteps(operations, model, decision->order)) return;
  } else if (!decision->by_search && !TellVersions(operations)) {
    judge(RelaxOthers(operations, decision->core));
  }
  if (truth.fault.empty() && truth.result != Result::kViolation) {
    judge(operations);
  }
  decision->nodes += truth.nodes;
  if (!truth.fault.empty()) {
    decision->fault = std::move(truth.fault);
  } else if (truth.result == Result::kUnknown) {
    decision->unproven = absl::StrCat(
        "by ", hooks, " of the model it is ", InWords(decision->result),
        ", but Step() alone did not confirm that within the limits of time and "
        "memory");
    decision->result = Result::kUnknown;
  } else if (truth.result != decision->result) {
    decision->fault =
        NameFault(operations, model, decision->result, truth.result, decide);
  }
}

std::string FindLinkFault(absl::Span<const Operation> operations,
                          const Model& model) {
  constexpr uint64_t kStepsMax = 1'000'000;
  const std::unique_ptr<StateSpace> states = model.NewStates();
  // Each state with the value that links say it shows.
  std::vector<std::pair<StateId, Value>> shown = {
      {states->Initial(), Value::Nil()}};
  absl::flat_hash_map<StateId, std::vector<Value>> values;  // Looked up only.
  values[shown[0].first].push_back(shown[0].second);
  uint64_t steps = 0;
  for (size_t s = 0; s < shown.size(); ++s) {
    const auto [state, value] = shown[s];
    for (const Operation& op : operations) {
      if (++steps > kStepsMax) {
        return "The model can be in too many states to compare its FindLinks() "
               "with its Step() in each of them";
      }
      Links links;
      const bool linked = model.FindLinks(op, &links);
      if (linked ? links.appends || links.conditional : !model.IsRead(op)) {
        return absl::StrCat("FindLinks() of the model says of ",
                            DescribeCallOfClient(model, op),
                            " what cannot be compared with Step()");
      }
      const bool possible = !links.reads || links.seen == value;
      const StateId next = states->Step(state, op);
      if (!states->fault().empty()) return states->fault();
      if (linked && possible != (next != kImpossible)) {
        return absl::StrCat(
            "FindLinks() and Step() of the model contradict each other: where "
            "the state is ",
            states->Describe(state), ", ", DescribeCallOfClient(model, op),
            possible ? " is possible by FindLinks() and not by Step()"
                     : " is possible by Step() and not by FindLinks()");
      }
      if (next == kImpossible) continue;
      const Value left = links.writes ? links.written : value;
      std::vector<Value>& there = values[next];
      if (std::find(there.begin(), there.end(), left) != there.end()) continue;
      there.push_back(left);
      shown.emplace_back(next, left);
    }
  }
  return {};
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
