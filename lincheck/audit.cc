#include "lincheck/audit.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/links.h"
#include "lincheck/search.h"
#include "lincheck/versioned.h"

namespace quorate::lincheck {
namespace {

// More operations are not held against Step() all at once, and each question
// may take so many model steps.
constexpr size_t kOperationsMax = 2'000;
constexpr size_t kOperationsMin = 8;
constexpr uint64_t kNodesMax = 200'000;

struct NamedHook {
  Hooks hook;
  const char* name;
};
constexpr NamedHook kNamedHooks[] = {
    {kHookFindLinks, "FindLinks()"},
    {kHookLooksFor, "LooksFor()"},
    {kHookLooksBeyondCall, "LooksBeyondCall()"},
    {kHookForget, "MaySee() or Forget()"},
    {kHookIsRead, "IsRead()"},
};

const char* InWords(Result result) {
  return result == Result::kOk ? "linearizable" : "not linearizable";
}

// What Step() says.
SearchResult JudgeBySteps(absl::Span<const Operation> operations,
                          const Model& model, const SearchOptions& options) {
  const ModelWithout plain(model, SpeedHooks(operations));
  SearchOptions limits = options;
  limits.nodes_max = std::min(limits.nodes_max, kNodesMax);
  return TellVersions(operations)
             ? Search(operations, VersionedModel(plain, operations, operations),
                      limits)
             : Search(operations, plain, limits);
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
  if (name.empty()) name = "More than one of its hooks";
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

// Those of one sub-history, which is a history like any other.
std::string Compare(absl::Span<const Operation> operations, const Model& model,
                    Result found, const SearchOptions& options,
                    Judgement decide, bool* decided) {
  const SearchResult truth = JudgeBySteps(operations, model, options);
  *decided = truth.result != Result::kUnknown && found != Result::kUnknown;
  if (!truth.fault.empty()) return truth.fault;
  if (!*decided || truth.result == found) return {};
  return NameFault(operations, model, found, truth.result, decide);
}

// Takes an order that was found as it is, step by step.
std::string Replay(absl::Span<const Operation> operations, const Model& model,
                   const std::vector<size_t>& order) {
  const std::unique_ptr<StateSpace> states = model.NewStates();
  StateId state = states->Initial();
  for (const size_t i : order) {
    const StateId next = states->Step(state, operations[i]);
    if (!states->fault().empty()) return states->fault();
    if (next == kImpossible) {
      return absl::StrCat(
          "FindLinks(), or else LooksFor(), LooksBeyondCall(), MaySee() or "
          "Forget(), and Step() of the model contradict each other: by Step() ",
          DescribeCallOfClient(model, operations[i]),
          " is not possible where the state is ", states->Describe(state),
          ", although it has its place there by the other.");
    }
    state = next;
  }
  return {};
}

}  // namespace

class ModelWithout::States final : public StateSpace {
 public:
  explicit States(const ModelWithout& model)
      : model_(model), inner_(model.model_.NewStates()) {}

  StateId Initial() override { return inner_->Initial(); }
  StateId Step(StateId state, const Operation& op) override {
    return Note(inner_->Step(state, op));
  }
  StateId StepUnchanged(StateId state, const Operation& op) override {
    return Note(inner_->StepUnchanged(state, op));
  }
  StateId Join(StateId a, StateId b) override { return inner_->Join(a, b); }
  bool MaySee(StateId state, const Operation& op) const override {
    return model_.Lacks(kHookForget) || inner_->MaySee(state, op);
  }
  StateId Forget(StateId state) override {
    return model_.Lacks(kHookForget) ? state : inner_->Forget(state);
  }
  void Watch(absl::Span<const Operation> operations) override {
    if (!model_.Lacks(kHookSight)) inner_->Watch(operations);
  }
  Use UseOf(const Operation& op) const override {
    return model_.Lacks(kHookSight) ? Use::kAny : inner_->UseOf(op);
  }
  StateId Import(const StateSpace& from, StateId state) override {
    return inner_->Import(*static_cast<const States&>(from).inner_, state);
  }
  std::string Describe(StateId state) const override {
    return inner_->Describe(state);
  }
  size_t size_bytes() const override { return inner_->size_bytes(); }

 private:
  StateId Note(StateId next) {
    if (fault_.empty() && !inner_->fault().empty()) fault_ = inner_->fault();
    return next;
  }

  const ModelWithout& model_;
  const std::unique_ptr<StateSpace> inner_;
};

std::unique_ptr<StateSpace> ModelWithout::NewStates() const {
  return std::make_unique<States>(*this);
}

Hooks SpeedHooks(absl::Span<const Operation> operations) {
  return TellVersions(operations) ? kAllHooks & ~kHookIsRead : kAllHooks;
}

std::string FindFault(absl::Span<const Operation> operations,
                      const Model& model, const Decision& decision,
                      const SearchOptions& options, Judgement decide) {
  if (decision.result == Result::kUnknown) return {};
  bool decided = false;
  if (decision.result == Result::kViolation &&
      decision.core.size() <= kOperationsMax) {
    std::vector<Operation> core;
    for (const size_t i : decision.core) core.push_back(operations[i]);
    const Decision found = decide(core, model);
    std::string fault =
        Compare(core, model, found.result, options, decide, &decided);
    if (!fault.empty()) return fault;
  }
  // All of it, or as much from its beginning as few steps decide.
  std::vector<Operation> first(operations.begin(), operations.end());
  std::stable_sort(first.begin(), first.end(),
                   [](const Operation& a, const Operation& b) {
                     return a.invoke < b.invoke;
                   });
  size_t count = std::min(first.size(), kOperationsMax);
  for (; count > 0; count = count > kOperationsMin ? count / 2 : 0) {
    first.resize(count);
    const Result found = count == operations.size()
                             ? decision.result
                             : decide(first, model).result;
    std::string fault = Compare(first, model, found, options, decide, &decided);
    if (!fault.empty()) return fault;
    if (decided && count == operations.size()) return {};
    if (decided) break;
  }
  if (decision.result != Result::kOk || TellVersions(operations)) return {};
  return Replay(operations, model, decision.order);
}

std::string FindLinkFault(absl::Span<const Operation> operations,
                          const Model& model) {
  constexpr size_t kStatesMax = 64;
  constexpr size_t kCallsMax = 256;
  const std::unique_ptr<StateSpace> states = model.NewStates();
  // Each state with the value that links say it shows.
  std::vector<std::pair<StateId, Value>> shown = {
      {states->Initial(), Value::Nil()}};
  const auto calls = operations.first(std::min(operations.size(), kCallsMax));
  for (size_t s = 0; s < shown.size(); ++s) {
    const auto [state, value] = shown[s];
    for (const Operation& op : calls) {
      Links links;
      if (!model.FindLinks(op, &links) || links.appends) continue;
      const bool possible = !links.reads || links.seen == value;
      const StateId next = states->Step(state, op);
      if (possible != (next != kImpossible)) {
        return absl::StrCat(
            "FindLinks() and Step() of the model contradict each other: where "
            "the state is ",
            states->Describe(state), ", ", DescribeCallOfClient(model, op),
            possible ? " is possible by FindLinks() and not by Step()"
                     : " is possible by Step() and not by FindLinks()");
      }
      if (!possible || shown.size() == kStatesMax) continue;
      const std::pair left(next, links.writes ? links.written : value);
      if (std::find(shown.begin(), shown.end(), left) == shown.end()) {
        shown.push_back(left);
      }
    }
  }
  return {};
}

bool Proves(const CounterExample& example,
            absl::Span<const Operation> operations, const Model& model,
            const SearchOptions& options) {
  enum class Part : uint8_t { kRelaxed, kContext, kKept };
  std::vector<Part> parts(operations.size(), Part::kRelaxed);
  for (const size_t i : example.context) parts[i] = Part::kContext;
  for (const size_t i : example.operations) parts[i] = Part::kKept;
  // What is not kept has an unknown outcome; `all`: also what is not named.
  const auto judge = [&](bool all) {
    std::vector<Operation> some;
    for (size_t i = 0; i < operations.size(); ++i) {
      if (parts[i] == Part::kKept) {
        some.push_back(operations[i]);
      } else if (all || parts[i] == Part::kContext) {
        some.push_back(Relax(operations[i]));
      }
    }
    if (some.size() > kOperationsMax) return Result::kUnknown;
    return JudgeBySteps(some, model, options).result;
  };
  if (judge(false) == Result::kOk || judge(true) == Result::kOk) return false;
  if (!example.minimal) return true;
  return std::none_of(example.operations.begin(), example.operations.end(),
                      [&](size_t i) {
                        parts[i] = Part::kContext;
                        const bool needed = judge(true) != Result::kViolation &&
                                            judge(false) != Result::kViolation;
                        parts[i] = Part::kKept;
                        return !needed;
                      });
}

}  // namespace quorate::lincheck
