// lincheck/audit.h: holds what a model's optional members say against its
// Step(), which alone says what an object does.
//
// A user's own model may promise more than it keeps. Verdicts that rest on such
// a promise would be wrong without anybody seeing it. For the models that come
// with the checker tests do this once and for all (Model::HooksAreTested).
#ifndef QUORATE_LINCHECK_AUDIT_H_
#define QUORATE_LINCHECK_AUDIT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lincheck/checker.h"
#include "lincheck/decide.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// Sets of members of a model that may be left unused. The model then says what
// is always right and only slower.
using Hooks = uint32_t;
inline constexpr Hooks kHookIsRead = 1;
inline constexpr Hooks kHookFindLinks = 2;
inline constexpr Hooks kHookLooksFor = 4;
inline constexpr Hooks kHookLooksBeyondCall = 8;
inline constexpr Hooks kHookForget = 16;  // And MaySee().
inline constexpr Hooks kHookSight = 32;   // Look(), Blur() and UseOf().
inline constexpr Hooks kAllHooks = 63;

// A model without some of its hooks.
class ModelWithout final : public Model {
 public:
  // `model` must outlive it.
  ModelWithout(const Model& model, Hooks hooks)
      : model_(model), hooks_(hooks) {}

  std::unique_ptr<StateSpace> NewStates() const override;
  bool HooksAreTested() const override { return model_.HooksAreTested(); }
  bool JoinsStates() const override { return model_.JoinsStates(); }
  bool IsRead(const Operation& op) const override {
    return !Lacks(kHookIsRead) && model_.IsRead(op);
  }
  bool Learns(const Operation& op) const override { return model_.Learns(op); }
  bool FindLinks(const Operation& op, Links* links) const override {
    return !Lacks(kHookFindLinks) && model_.FindLinks(op, links);
  }
  bool LooksFor(const Operation& op, Value* value) const override {
    return !Lacks(kHookLooksFor) && model_.LooksFor(op, value);
  }
  bool LooksBeyondCall(const Operation& op) const override {
    return Lacks(kHookLooksBeyondCall) || model_.LooksBeyondCall(op);
  }
  bool TellsUses() const override {
    return !Lacks(kHookSight) && model_.TellsUses();
  }
  std::string_view FunctionName(uint8_t function) const override {
    return model_.FunctionName(function);
  }
  std::string InWords(const Operation& op) const override {
    return model_.InWords(op);
  }
  bool GivesFlag(uint8_t function) const override {
    return model_.GivesFlag(function);
  }
  std::string_view Subject() const override { return model_.Subject(); }

 private:
  class States;

  bool Lacks(Hooks hooks) const { return (hooks_ & hooks) != 0; }

  const Model& model_;
  const Hooks hooks_;
};

// The hooks that say nothing about what an object does. Where versions are
// told, IsRead() says something: a read makes no version.
Hooks SpeedHooks(absl::Span<const Operation> operations);

// Judges operations of one partition.
using Judgement =
    absl::FunctionRef<Decision(absl::Span<const Operation>, const Model&)>;

// Which hook of `model` is at fault, and why, in words; empty: `decision` about
// `operations` agrees with Step(), as far as few model steps can tell. `decide`
// made the decision.
std::string FindFault(absl::Span<const Operation> operations,
                      const Model& model, const Decision& decision,
                      const SearchOptions& options, Judgement decide);

// How FindLinks() contradicts Step(), in words; empty: in no state that few
// writes lead to. Requires: every operation is linked by values, and none
// appends.
std::string FindLinkFault(absl::Span<const Operation> operations,
                          const Model& model);

// False if Step() alone shows that a counter-example of these operations is
// none, or is not minimal although it says so.
bool Proves(const CounterExample& example,
            absl::Span<const Operation> operations, const Model& model,
            const SearchOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_AUDIT_H_
