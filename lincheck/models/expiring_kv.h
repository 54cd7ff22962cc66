// lincheck/models/expiring_kv.h: one key of a key-value store whose keys may
// expire.
//
// All functions of models/kv.h, and three more. Times of operations and
// durations have one unit. An operation takes effect at some whole moment from
// its invocation to its return, in order. A key put at the moment t for a
// duration d is there before t + d and gone from then on. The moment t is not
// known, so the state is the set of possible cases. An observation leaves those
// that explain it.
#ifndef QUORATE_LINCHECK_MODELS_EXPIRING_KV_H_
#define QUORATE_LINCHECK_MODELS_EXPIRING_KV_H_

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lincheck/models/kv.h"

namespace quorate::lincheck {

struct ExpiringKv {
  // Beside those of Kv.
  enum Function : uint8_t {
    kPutFor = Kv::kPutIfExists + 1,  // (expected: duration, argument: value)
    kExpire,   // (duration) -> 1 if it was there and now expires, else 0
    kPersist,  // -> 1 if it was there and would have expired, else 0
  };
  static constexpr Time kBefore = std::numeric_limits<Time>::min();
  // A possible case: the key's value, and the least and greatest moment of its
  // end. The last operation took effect at `now` or later. If the key ends at
  // e, it took effect at e - `span` or later. The next operation follows it.
  struct Case {
    Datum value;
    Time gone_from = kNever;
    Time gone_by = kNever;
    Time span = 0;
    Time now = kBefore;

    size_t size() const { return value.size(); }
    bool ends() const { return gone_from != kNever; }
    friend auto operator<=>(const Case&, const Case&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Case& c) {
      return H::combine(std::move(h), c.value, c.gone_from, c.gone_by, c.span,
                        c.now);
    }
  };
  using State = std::vector<Case>;  // In order, none twice, at least one.

  State Initial() const { return {Case{}}; }

  bool Step(State& state, const Operation& op) const {
    State next;
    const auto step = [&](Case c, const Moments& moments) {
      if (StepCase(c, op, moments)) next.push_back(std::move(c));
    };
    for (const Case& was : state) {
      Moments moments;
      Case c = was;
      if (StaysUntil(op, &c, &moments)) step(std::move(c), moments);
      c = was;
      if (GoesBefore(op, &c, &moments)) step(std::move(c), moments);
    }
    SortSet(&next);
    state = std::move(next);
    return !state.empty();
  }
  // Even a get may tell that the key cannot have ended yet.
  Reading IsRead(const Operation& op) const {
    const bool reads = op.function < kPutFor
                           ? Kv().IsRead(op)
                           : op.function != kPutFor && op.known() &&
                                 op.result == Value::Integer(0);
    return reads ? Reading::kLearns : Reading::kChanges;
  }
  struct Sight {
    // An operation looks for more than a value: for whether there is any, or
    // for what it grows into.
    bool more = false;
    std::vector<Datum> values;  // In order.
  };
  bool Look(const Operation& op, Sight* sight) const {
    const bool says = op.says();
    Value value;
    switch (op.function) {
      case Kv::kPut:
      case kPutFor:
        return true;
      case Kv::kGet:
      case Kv::kSwap:
      case Kv::kTake:
        if (!says) return true;
        value = op.result;
        break;
      case Kv::kCas:
        sight->more |= says && op.result != Value::Integer(1);
        value = OrNil(op.expected);
        break;
      case Kv::kDelete:
      case kExpire:
      case kPersist:
        sight->more |= says;
        return true;
      default:
        sight->more = true;
        return true;
    }
    sight->more |= value.is_nil();
    AddToSet(Datum::Of(value), &sight->values);
    return true;
  }
  // Values that no operation looks for become one, which stays.
  void Blur(const Sight& sight, State* state) const {
    if (sight.more) return;
    for (Case& c : *state) {
      if (c.value.is_nil() || IsInSet(c.value, sight.values)) continue;
      c = {.value = Datum::Text("(some other value)"), .now = c.now};
    }
    SortSet(state);
  }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"put_for", "expire", "persist"};
    if (function < kPutFor) return Kv().Name(function);
    const size_t at = function - kPutFor;
    return at < std::size(kNames) ? kNames[at] : "?";
  }
  // put_for("v", 100): the value first, as in a put.
  CallInWords InWords(const Operation& op) const {
    if (op.function == kExpire || op.function == kPersist) {
      return FlagInWords(op);
    }
    if (op.function != kPutFor) return Kv().InWords(op);
    return {.call = "put_for(" + OrNil(op.argument).ToString() + ", " +
                    op.expected.ToString() + (op.known() ? ")" : ") = ?"),
            .result = {}};
  }
  std::string Describe(const State& state) const {
    std::string text;
    for (const Case& c : state) {
      if (!text.empty()) text += " or ";
      text += c.value.ToString();
      if (!c.ends()) continue;
      text += c.gone_by == kNever ? " that ends at " : " that ends between ";
      text += std::to_string(c.gone_from);
      text += c.gone_by == kNever ? " or later"
                                  : " and " + std::to_string(c.gone_by);
    }
    return text;
  }

 private:
  // When an operation may take effect.
  struct Moments {
    Time from = 0;
    Time to = 0;
  };

  // a + b, as far as there are times.
  static Time Sum(Time a, Time b) {
    Time sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b < 0 ? kBefore : kNever;
  }

  // False if the key cannot be as it is when `op` takes effect; else what is
  // known then.
  static bool StaysUntil(const Operation& op, Case* c, Moments* moments) {
    *moments = {std::max(op.invoke, c->now), op.ret};
    if (c->ends()) {
      if (c->span < 1) return false;
      c->gone_from = std::max(c->gone_from, Sum(moments->from, 1));
      c->gone_by = std::min(c->gone_by, Sum(op.ret, c->span));
      if (c->gone_from > c->gone_by) return false;
      moments->from = std::max(moments->from, Sum(c->gone_from, -c->span));
      moments->to = std::min(moments->to, Sum(c->gone_by, -1));
    }
    c->now = std::max(op.invoke, c->now);
    return moments->from <= moments->to;
  }
  // False if the key cannot have ended when `op` takes effect.
  static bool GoesBefore(const Operation& op, Case* c, Moments* moments) {
    if (!c->ends()) return false;
    *moments = {std::max({op.invoke, c->now, c->gone_from,
                          Sum(c->gone_from, -c->span)}),
                op.ret};
    *c = {.now = moments->from};
    return moments->from <= moments->to;
  }

  bool StepCase(Case& c, const Operation& op, const Moments& moments) const {
    const bool there = !c.value.is_nil();
    switch (op.function) {
      case kPutFor:
        c.value.Assign(op.argument);
        if (!c.value.is_nil()) return SetEnd(c, op.expected, moments);
        // Nothing is not there, so it has no end either.
        Stay(c, moments);
        return op.expected.is_integer();
      case kExpire:
        if (!op.argument.is_integer() || !op.MayReturn(Value::Integer(there)))
          return false;
        return !there || SetEnd(c, op.argument, moments);
      case kPersist: {
        const bool does = there && c.ends();
        Stay(c, moments);
        return op.MayReturn(Value::Integer(does));
      }
      default: {
        // A new value, or none, begins a new life; a changed one goes on.
        const bool replaces =
            op.function == Kv::kPut || op.function == Kv::kSwap ||
            (op.function == Kv::kCas && c.value.Equals(op.expected)) ||
            (op.function == Kv::kPutIfExists && there);
        if (!Kv().Step(c.value, op)) return false;
        if (replaces || c.value.is_nil()) Stay(c, moments);
        return true;
      }
    }
  }

  // It has no end any more.
  static void Stay(Case& c, const Moments& moments) {
    c.gone_from = c.gone_by = kNever;
    c.span = 0;
    c.now = moments.from;
  }
  // False if `duration` is not one.
  static bool SetEnd(Case& c, Value duration, const Moments& moments) {
    if (!duration.is_integer()) return false;
    c.span = duration.integer();
    c.gone_from = Sum(moments.from, c.span);
    c.gone_by = Sum(moments.to, c.span);
    c.now = moments.from;
    return true;
  }
};
template <>
inline constexpr bool kHooksAreTested<ExpiringKv> = true;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_EXPIRING_KV_H_
