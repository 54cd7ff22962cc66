// lincheck/search/search_plan.h: what the search of a partition works with: its
// operations in order, and steps of the model remembered. For
// lincheck/search/search.h alone.
#ifndef QUORATE_LINCHECK_SEARCH_SEARCH_PLAN_H_
#define QUORATE_LINCHECK_SEARCH_SEARCH_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

struct SearchPlan {
  static constexpr uint32_t kNone = ~uint32_t{0};

  // `endless` and `merges_states` as in SearchOptions.
  SearchPlan(absl::Span<const Operation> operations, const Model& model,
             const std::vector<bool>* endless = nullptr, bool merges = false);

  enum class Effect : uint8_t {
    kAny,      // Anything.
    kNothing,  //
    kRead,     // Nothing; it shows `value`.
    kAppend,   // The value grows.
    kReplace,  // The state becomes `value`.
  };
  // The effect of an operation, as far as its values say.
  struct Nature {
    Effect effect = Effect::kAny;
    // Possible in every state, and says nothing about the state before.
    bool blind = false;
    Value value;
  };

  const Operation& KnownOp(uint32_t i) const { return operations[known[i]]; }
  const Operation& UnknownOp(uint32_t u) const {
    return operations[unknown[u]];
  }

  absl::Span<const Operation> operations;
  const Model& model;
  bool merges_states = false;
  std::vector<uint32_t> known;  // Indices into operations, by invocation.
  // Those of unknown outcome. Their reads constrain nothing and are left out.
  std::vector<uint32_t> unknown;
  std::vector<bool> is_read;      // For each known.
  std::vector<uint32_t> returns;  // Of known ones (indices into `known`), by
                                  // time.
  // For each return: how many known ones are invoked before it or with it.
  std::vector<uint32_t> invoked;
  std::vector<uint32_t> unknown_invoked;  // The same of unknown ones.
  // For each known: a number that no other one has while both are open.
  std::vector<uint32_t> slots;
  uint32_t slot_count = 0;
  // For each unknown: the one just like it before it, which is tried first.
  std::vector<uint32_t> kin;
  std::vector<bool> is_endless;  // For each unknown.
  std::vector<Nature> known_nature;
  std::vector<Nature> unknown_nature;
  bool appends = false;  // Some operation does.
  // For each known, and beyond the last: when the first one from there on that
  // replaces the state has returned. kNever: there is none.
  std::vector<Time> replaced_by;
  // Where every operation that changes the state says what it leaves, and none
  // appends: values by numbers, 0 being the initial one; else all empty.
  std::vector<uint32_t> known_seen;  // kNone: it does not need any.
  std::vector<uint32_t> known_left;  // kNone: it leaves what was there.
  std::vector<uint32_t> unknown_left;
  // By value: the last known one that needs it.
  std::vector<uint32_t> last_seen;
  std::vector<uint32_t> last_left;  // By value: the last known one to leave it.
  std::vector<std::vector<uint32_t>> unknown_leaving;  // By value.
  // A known one that needs a value which no operation leaves; kNone: none does.
  uint32_t unwritten = kNone;
  // Operations of the same class do the same to every state.
  std::vector<uint32_t> known_class;
  std::vector<uint32_t> unknown_class;
  uint32_t class_count = 0;
  // For each known: its place by class, then by return.
  std::vector<uint32_t> class_rank;

 private:
  void RankByClass();
  void AssignSlots();
  void FindNatures();
  // Whether links say what an operation leaves for others to see. A state may
  // hold more than the value: every operation must look at that alone.
  bool ValuesTellAll() const;
  // Fills in values, from what FindNatures() found out.
  void NumberValues(absl::Span<const Links> of_known,
                    absl::Span<const Links> of_unknown);
};

// Whether `value`, or what grows out of it, may be `seen`.
bool ValueMayGrowInto(Value value, Value seen);

// The states of one search, and what steps lead to.
class Stepper {
 public:
  explicit Stepper(const SearchPlan& plan);

  StateId Initial() { return states_->Initial(); }
  StateId Known(StateId state, uint32_t i) {
    return Step(state, plan_.known_class[i], plan_.KnownOp(i));
  }
  StateId Unknown(StateId state, uint32_t u) {
    return Step(state, plan_.unknown_class[u], plan_.UnknownOp(u));
  }
  bool MaySee(StateId state, const Operation& op) const {
    return states_->MaySee(state, op);
  }
  // The same state for all of which nothing can be seen any more.
  StateId Forget(StateId state) {
    const StateId forgotten = states_->Forget(state);
    if (is_forgotten_.size() <= forgotten) is_forgotten_.resize(forgotten + 1);
    is_forgotten_[forgotten] = true;
    return forgotten;
  }
  bool IsForgotten(StateId state) const {
    return state < is_forgotten_.size() && is_forgotten_[state];
  }
  std::string Describe(StateId state) const { return states_->Describe(state); }
  uint64_t steps() const { return steps_; }
  size_t size_bytes() const {
    return states_->size_bytes() + cache_.size() * sizeof(Entry) +
           is_forgotten_.capacity() / 8;
  }

 private:
  struct Entry {
    StateId state = kImpossible;
    uint32_t op_class = SearchPlan::kNone;
    StateId next = kImpossible;
  };

  StateId Step(StateId state, uint32_t op_class, const Operation& op) {
    ++steps_;
    Entry& entry = cache_[(state * uint64_t{0x9e3779b97f4a7c15} ^
                           op_class * uint64_t{0xc2b2ae3d27d4eb4f}) >>
                          shift_];
    if (entry.state != state || entry.op_class != op_class) {
      entry = {state, op_class, states_->Step(state, op)};
    }
    return entry.next;
  }

  const SearchPlan& plan_;
  const std::unique_ptr<StateSpace> states_;
  std::vector<Entry> cache_;        // By class and state; the last one wins.
  std::vector<bool> is_forgotten_;  // By state.
  int shift_;
  uint64_t steps_ = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_SEARCH_SEARCH_PLAN_H_
