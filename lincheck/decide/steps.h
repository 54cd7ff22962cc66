// lincheck/decide/steps.h: answers that rest on Step() of a model alone.
//
// A user's own model may promise more than it keeps. So no verdict rests on its
// optional members: they only say where to look first. For the models that come
// with the checker tests compare the members with Step()
// (Model::HooksAreTested).
#ifndef QUORATE_LINCHECK_DECIDE_STEPS_H_
#define QUORATE_LINCHECK_DECIDE_STEPS_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/links/decision.h"
#include "lincheck/links/links.h"
#include "lincheck/model.h"
#include "lincheck/search/search.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// A model of which Step() alone is asked.
class StepModel final : public Model {
 public:
  // If any of `operations` tells a version, IsRead() says which make one.
  // `model` must outlive it.
  StepModel(const Model& model, absl::Span<const Operation> operations)
      : model_(model), versions_(TellVersions(operations)) {}

  std::unique_ptr<StateSpace> NewStates(bool) const override {
    return model_.NewStates(/*plain=*/true);
  }
  bool HooksAreTested() const override { return model_.HooksAreTested(); }
  Reading ReadingOf(const Operation& op) const override {
    return versions_ ? model_.ReadingOf(op) : Reading::kChanges;
  }
  bool FindLinks(const Operation&, Links*) const override { return false; }
  bool LooksBeyondCall(const Operation&) const override { return true; }
  std::string_view FunctionName(uint8_t function) const override {
    return model_.FunctionName(function);
  }
  CallInWords InWords(const Operation& op) const override {
    return model_.InWords(op);
  }

 private:
  const Model& model_;
  const bool versions_;
};

// True if `order` has each operation that returned, none twice, and keeps real
// time.
bool IsLinearization(absl::Span<const Operation> operations,
                     const std::vector<size_t>& order);

// Checks operations of one partition by a search that asks Step() alone.
SearchResult JudgeBySteps(absl::Span<const Operation> operations,
                          const Model& model, const SearchOptions& options);

// Whether Step() alone confirms `decision`: an order is replayed, and few
// operations that contradict each other are searched.
bool Confirms(absl::Span<const Operation> operations, const Model& model,
              const SearchOptions& options, const Decision& decision);

// True if Step() alone shows that the operations of a counter-example are not
// linearizable, and does not show that it says too much. A minimality that
// Step() does not confirm within few steps is taken back.
bool Proves(absl::Span<const Operation> operations, const Model& model,
            const SearchOptions& options, CounterExample* example);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_DECIDE_STEPS_H_
