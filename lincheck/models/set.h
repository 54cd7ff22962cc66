// lincheck/models/set.h: a set of values.
//
// Where elements are independent, one partition for each element is much
// cheaper than one for the set; reads of the whole set need the whole.
#ifndef QUORATE_LINCHECK_MODELS_SET_H_
#define QUORATE_LINCHECK_MODELS_SET_H_

#include <algorithm>
#include <iterator>
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
    const Datum value = Datum::Of(op.argument);
    const auto at = std::lower_bound(state.begin(), state.end(), value);
    const bool there = at != state.end() && *at == value;
    const bool does = op.function == kAdd ? !there : there;
    if (!op.MayReturn(Value::Integer(does))) return false;
    if (does && op.function == kAdd) state.insert(at, value);
    if (does && op.function == kRemove) state.erase(at);
    return op.function <= kContains;
  }
  bool IsRead(const Operation& op) const {
    return op.function >= kContains ||
           (op.known() && op.result == Value::Integer(0));
  }
  // Elements, in order.
  struct Sight {
    bool all = false;  // An operation reads all elements.
    State there;       // Operations need these to be there,
    State not_there;   // or not to be there.
    State removed;     // Operations that returned may remove these,
    State added;       // or add these.
    State offered;     // Operations of unknown outcome may add these.
    State in_all;      // Every read of all elements has these.
  };
  bool Look(const Operation& op, Sight* sight) const {
    const Datum element = Datum::Of(op.argument);
    if (!op.known()) {
      if (op.function == kAdd) AddToSet(element, &sight->offered);
      return true;
    }
    if (op.function == kRead) return op.result.is_none() || LookAll(op, sight);
    const bool yes = op.result == Value::Integer(1);
    if (op.function == kAdd) AddToSet(element, &sight->added);
    if (op.function == kRemove && (yes || op.result.is_none())) {
      AddToSet(element, &sight->removed);
    }
    if (op.result.is_none()) return true;
    const bool there = yes != (op.function == kAdd);
    AddToSet(element, there ? &sight->there : &sight->not_there);
    return true;
  }
  // An element that no operation needs may be missing. One that no operation
  // needs to be missing, and that may have been added, may be there.
  void Blur(const Sight& sight, State* state) const {
    std::erase_if(*state, [&](const Datum& element) {
      return !IsInSet(element, sight.there) && !IsInSet(element, sight.added);
    });
    for (const Datum& element : sight.offered) {
      const bool hinders = IsInSet(element, sight.not_there) ||
                           (sight.all && !IsInSet(element, sight.in_all));
      if (!hinders && IsInSet(element, sight.there) &&
          !IsInSet(element, sight.removed)) {
        AddToSet(element, state);
      }
    }
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"add", "remove", "contains", "read"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  std::string Describe(const State& state) const {
    return state.empty() ? "empty" : FormatList(state);
  }
  // The list as a list, not as the string that holds it.
  CallInWords InWords(const Operation& op) const {
    if (op.function <= kContains) return FlagInWords(op);
    if (!op.known() || !op.result.is_string()) return {};
    return {.call = {}, .result = std::string(op.result.bytes())};
  }

 private:
  // False if what was read is no set.
  static bool LookAll(const Operation& op, Sight* sight) {
    State seen;
    if (!op.result.is_string() || !ParseList(op.result.bytes(), &seen)) {
      return false;
    }
    std::sort(seen.begin(), seen.end());
    const auto merge = [&](auto combine, const State& list) {
      State both;
      combine(list.begin(), list.end(), seen.begin(), seen.end(),
              std::back_inserter(both));
      return both;
    };
    const auto either = [](auto... at) { std::set_union(at...); };
    const auto common = [](auto... at) { std::set_intersection(at...); };
    sight->there = merge(either, sight->there);
    sight->in_all = sight->all ? merge(common, sight->in_all) : seen;
    sight->all = true;
    return true;
  }
  bool Reads(const State& state, const Operation& op) const {
    if (!op.says()) return true;
    State seen;
    if (!op.result.is_string() || !ParseList(op.result.bytes(), &seen)) {
      return false;
    }
    std::sort(seen.begin(), seen.end());
    return seen == state;
  }
};
template <>
inline constexpr bool kHooksAreTested<Set> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_SET_H_
