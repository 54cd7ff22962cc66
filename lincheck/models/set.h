// lincheck/models/set.h: a set of values.
//
// Where elements are independent, one partition for each element is much
// cheaper than one for the set; reads of the whole set need the whole.
#ifndef QUORATE_LINCHECK_MODELS_SET_H_
#define QUORATE_LINCHECK_MODELS_SET_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/models/value_list.h"

namespace quorate::lincheck {

struct Set {
  enum Function : uint8_t {
    kAdd,       // (value) -> 1 if it was not there, else 0
    kRemove,    // (value) -> 1 if it was there, else 0
    kContains,  // (value) -> 1 or 0
    kRead,      // -> list of all (value_list.h), in any order
  };
  using State = std::vector<Datum>;  // In order.
  State Initial() const { return {}; }

  bool Step(State& state, const Operation& op) const {
    if (op.function == kRead) return Reads(state, op);
    Datum value;
    value.Assign(op.argument);
    const auto at = std::lower_bound(state.begin(), state.end(), value);
    const bool there = at != state.end() && *at == value;
    const bool does = op.function == kAdd ? !there : there;
    if (op.known() && !op.result.is_none() &&
        op.result != Value::Integer(does)) {
      return false;
    }
    if (does && op.function == kAdd) state.insert(at, value);
    if (does && op.function == kRemove) state.erase(at);
    return op.function <= kContains;
  }
  bool IsRead(const Operation& op) const {
    return op.function >= kContains ||
           (op.known() && op.result == Value::Integer(0));
  }
  struct Sight {
    bool all = false;
    State elements;  // In order.
  };
  bool Look(const Operation& op, Sight* sight) const {
    sight->all |= op.function == kRead && op.known() && !op.result.is_none();
    if (op.function == kRead || !op.known()) return true;
    Datum element;
    element.Assign(op.argument);
    const auto at = std::lower_bound(sight->elements.begin(),
                                     sight->elements.end(), element);
    if (at == sight->elements.end() || *at != element) {
      sight->elements.insert(at, element);
    }
    return true;
  }
  void Blur(const Sight& sight, State* state) const {
    if (sight.all) return;
    std::erase_if(*state, [&](const Datum& element) {
      return !std::binary_search(sight.elements.begin(), sight.elements.end(),
                                 element);
    });
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"add", "remove", "contains", "read"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  bool GivesFlag(uint8_t function) const { return function <= kContains; }
  std::string_view Subject() const { return "the set"; }
  std::string Describe(const State& state) const {
    return state.empty() ? "empty" : FormatList(state);
  }
  // The list as a list, not as the string that holds it.
  std::string InWords(const Operation& op) const {
    if (op.function != kRead || !op.known() || !op.result.is_string()) {
      return {};
    }
    return "read() = " + std::string(op.result.bytes());
  }

 private:
  bool Reads(const State& state, const Operation& op) const {
    if (!op.known() || op.result.is_none()) return true;
    State seen;
    if (!op.result.is_string() || !ParseList(op.result.bytes(), &seen)) {
      return false;
    }
    std::sort(seen.begin(), seen.end());
    return seen == state;
  }
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_SET_H_
