#include "lincheck/testing/brute_force.h"

#include <memory>
#include <set>
#include <utility>

namespace quorate::lincheck {
namespace {

class BruteForce {
 public:
  BruteForce(absl::Span<const Operation> operations, const Model& model)
      : operations_(operations), states_(model.NewStates()) {}

  bool Run() { return From(0, states_->Initial()); }

 private:
  bool Done(uint32_t placed) const {
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (operations_[i].known() && (placed >> i & 1) == 0) return false;
    }
    return true;
  }
  // Everything that returned before operation `i` was invoked is placed.
  bool MayFollow(size_t i, uint32_t placed) const {
    for (size_t j = 0; j < operations_.size(); ++j) {
      if ((placed >> j & 1) == 0 &&
          operations_[j].ret < operations_[i].invoke) {
        return false;
      }
    }
    return true;
  }
  bool From(uint32_t placed, StateId state) {
    if (Done(placed)) return true;
    if (!tried_.emplace(placed, state).second) return false;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if ((placed >> i & 1) != 0 || !MayFollow(i, placed)) continue;
      const StateId next = states_->Step(state, operations_[i]);
      if (next != kImpossible && From(placed | (1u << i), next)) return true;
    }
    return false;
  }

  const absl::Span<const Operation> operations_;
  const std::unique_ptr<StateSpace> states_;
  std::set<std::pair<uint32_t, StateId>> tried_;
};

}  // namespace

bool LinearizableByBruteForce(absl::Span<const Operation> operations,
                              const Model& model) {
  return BruteForce(operations, model).Run();
}

}  // namespace quorate::lincheck
