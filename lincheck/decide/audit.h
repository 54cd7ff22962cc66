// lincheck/decide/audit.h: holds what a model's optional members say against
// its Step(), which alone says what an object does.
//
// A user's own model may promise more than it keeps. Verdicts that rest on such
// a promise would be wrong without anybody seeing it. For the models that come
// with the checker tests do this once and for all (Model::HooksAreTested).
#ifndef QUORATE_LINCHECK_DECIDE_AUDIT_H_
#define QUORATE_LINCHECK_DECIDE_AUDIT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lincheck/decide/decide.h"
#include "lincheck/history.h"
#include "lincheck/links/decision.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// A model without some of its hooks.
class ModelWithout final : public Model {
 public:
  // `model` must outlive it.
  ModelWithout(const Model& model, Hooks hooks)
      : model_(model), hooks_(hooks) {}

  std::unique_ptr<StateSpace> NewStates(Hooks unused) const override {
    return model_.NewStates(unused | hooks_);
  }
  bool HooksAreTested() const override { return model_.HooksAreTested(); }
  Reading ReadingOf(const Operation& op) const override {
    return Lacks(kHookIsRead) ? Reading::kChanges : model_.ReadingOf(op);
  }
  bool FindLinks(const Operation& op, Links* links) const override {
    return !Lacks(kHookFindLinks) && model_.FindLinks(op, links);
  }
  bool LooksBeyondCall(const Operation& op) const override {
    return Lacks(kHookLooksBeyondCall) || model_.LooksBeyondCall(op);
  }
  std::string_view FunctionName(uint8_t function) const override {
    return model_.FunctionName(function);
  }
  CallInWords InWords(const Operation& op) const override {
    return model_.InWords(op);
  }

 private:
  bool Lacks(Hooks hooks) const { return (hooks_ & hooks) != 0; }

  const Model& model_;
  const Hooks hooks_;
};

// True if `order` has each operation that returned, none twice, and keeps real
// time.
bool IsLinearization(absl::Span<const Operation> operations,
                     const std::vector<size_t>& order);

// The hooks that say nothing about what an object does. Where versions are
// told, IsRead() says something: a read makes no version.
Hooks SpeedHooks(absl::Span<const Operation> operations);

// The hooks that say anything about these operations, by name; empty: none.
std::string NameHooks(absl::Span<const Operation> operations,
                      const Model& model);

// Checks operations of one partition by a search that uses no hook. Where
// versions are told, IsRead() is no promise: it says which operations make one.
SearchResult JudgeBySteps(absl::Span<const Operation> operations,
                          const Model& model, const SearchOptions& options);

// Decides about operations of one partition.
using Judgement =
    absl::FunctionRef<Decision(absl::Span<const Operation>, const Model&)>;

// Holds `decision` about `operations`, which rests on hooks of `model`, against
// Step(). An order is replayed. That there is none is confirmed by
// JudgeBySteps(). If Step() contradicts the decision, `fault` names the hook.
// If the search exceeds `options`, the result becomes kUnknown, and `unproven`
// names the hooks. `decide` decides by hooks, within few model steps.
void Confirm(absl::Span<const Operation> operations, const Model& model,
             const SearchOptions& options, Judgement decide,
             Decision* decision);

// Why FindLinks() is not proven to agree with Step(), in words. Empty: it
// agrees in every state that any sequence of these operations leads to.
std::string FindLinkFault(absl::Span<const Operation> operations,
                          const Model& model);

// True if Step() alone shows that the operations of a counter-example are not
// linearizable, and does not show that it says too much. A minimality that
// Step() does not confirm within few steps is taken back.
bool Proves(absl::Span<const Operation> operations, const Model& model,
            const SearchOptions& options, CounterExample* example);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_DECIDE_AUDIT_H_
