// lincheck/models/queue.h: a queue, first in first out.
//
// A model for lincheck/check/checker.h. A search checks it.
#ifndef QUORATE_LINCHECK_MODELS_QUEUE_H_
#define QUORATE_LINCHECK_MODELS_QUEUE_H_

#include <string>
#include <string_view>
#include <vector>

#include "lincheck/models/value_list.h"

namespace quorate::lincheck {

struct Queue {
  enum Function : uint8_t {
    kEnqueue,  // (value); not nil, which could not be told from nothing
    kDequeue,  // -> the first value, or nil if there is none
    kPeek,     // -> the same; it stays
    kLength,   // -> how many
  };
  using State = std::vector<Datum>;
  State Initial() const { return {}; }

  bool Step(State& state, const Operation& op) const {
    switch (op.function) {
      case kEnqueue:
        if (OrNil(op.argument).is_nil()) return false;
        state.emplace_back().Assign(op.argument);
        return true;
      case kDequeue:
      case kPeek:
        if (op.known() &&
            !(state.empty() ? Datum() : state.front()).Explains(op.result)) {
          return false;
        }
        if (op.function == kDequeue && !state.empty()) {
          state.erase(state.begin());
        }
        return true;
      case kLength:
        return op.MayReturn(Value::Integer(static_cast<int64_t>(state.size())));
      default:
        return false;
    }
  }
  bool IsRead(const Operation& op) const {
    return op.function == kPeek || op.function == kLength ||
           (op.function == kDequeue && op.known() && op.result.is_nil());
  }
  struct Sight {
    bool all = false;  // Every element counts.
    State elements;    // Only these do, in order: known operations name them.
  };
  bool Look(const Operation& op, Sight* sight) const {
    if (!op.known()) return true;
    // It took whatever was first, so that every element counts.
    sight->all |= op.function == kDequeue && op.result.is_none();
    const Value value = op.function == kEnqueue ? op.argument : op.result;
    if (value.is_none()) return true;
    sight->all |= op.function == kLength;
    AddToSet(Datum::Of(value), &sight->elements);
    return true;
  }
  // Other elements are only in the way.
  void Blur(const Sight& sight, State* state) const {
    if (sight.all) return;
    std::erase_if(*state, [&](const Datum& element) {
      return !IsInSet(element, sight.elements);
    });
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"enqueue", "dequeue", "peek",
                                           "length"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  std::string Describe(const State& state) const {
    return state.empty() ? "empty" : FormatList(state);
  }
};
template <>
inline constexpr bool kHooksAreTested<Queue> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_QUEUE_H_
