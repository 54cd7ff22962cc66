// lincheck/model.h: what a correct object does, one operation after another.
//
// A user's own model is a plain value, as in docs/lincheck.md. It has
//   State, which compares with == and can be hashed by Abseil (what keeps
//     memory in it, and is no standard container, has a size() in bytes);
//   State Initial() const;
//   bool Step(State& state, const Operation& op) const, which moves `state` on,
//     or is false if `op` cannot have given its result there. Of an operation
//     with unknown outcome only function and arguments count;
//   bool IsRead(const Operation& op) const, true if no step of `op`, with its
//     result, leaves another state (false is always right, only slower; see
//     Learns() for states that are sets of what may be the case);
//   std::string_view Name(uint8_t function) const, "?" beyond the last one;
//   std::string Describe(const State& state) const.
// Step() alone says what the object does. Check() holds all else against it.
// Optionally, each for speed alone:
//   bool FindLinks(const Operation&, Links*) const, see Links;
//   bool LooksBeyondCall(const Operation&) const { return false; }, which says
//     that Step() looks at function, arguments and result alone, so that
//     operations with the same call may stand for each other;
//   bool LooksFor(const Operation&, Value* value) const, see Model;
//   a type Sight, bool Look(const Operation&, Sight*) const, which adds what
//     the operation looks for in a state (false: everything), and void
//     Blur(const Sight&, State*) const, which makes one of states that nobody
//     who was added can tell apart, nor after any steps of theirs;
//   Leaves StepTo(const State&, const Operation&, State*) const, see Leaves;
//   bool MaySee(const State&, const Operation&) const, void Forget(State&)
// const
//   and Use UseOf(const Sight&, const Operation&) const, see StateSpace.
// Optionally, for people: std::string InWords(const Operation&) const,
//   bool GivesFlag(uint8_t function) const, std::string_view Subject() const.
#ifndef QUORATE_LINCHECK_MODEL_H_
#define QUORATE_LINCHECK_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/types/span.h"
#include "lincheck/history.h"

namespace quorate::lincheck {

// States of one partition, each one stored once and named by a small number.
using StateId = uint32_t;
inline constexpr StateId kImpossible = ~StateId{0};

// A step leaves the state before, or another one: `*after` of StepTo(), which
// is Step() for states that take long to copy.
enum class Leaves : uint8_t { kImpossible, kSame, kOther };

// What an operation of unknown outcome can do for others.
enum class Use : uint8_t {
  kAny,
  // Nothing: an order that explains them explains them without it.
  kNone,
  // An order that explains them explains them, too, if it and all like it have
  // taken effect as soon as they were invoked.
  kAtOnce,
};

class StateSpace {
 public:
  virtual ~StateSpace() = default;
  virtual StateId Initial() = 0;
  // The state after `op`, or kImpossible.
  virtual StateId Step(StateId state, const Operation& op) = 0;
  // The same if `op` changes nothing that anybody can see.
  virtual StateId StepUnchanged(StateId state, const Operation& op) = 0;
  // What may be the case if one of them is. Requires: both come of the same
  // operations, with others that changed something.
  virtual StateId Join(StateId a, StateId b) = 0;
  // False if `op` tells nothing about `state`, nor about any state that
  // operations which only append (Links::appends) make of it: it looks for
  // something else than they show, or does not look.
  virtual bool MaySee(StateId state, const Operation& op) const = 0;
  // The state that stands for all like `state`, as far as those operations go
  // that do not see it: each of them is possible in both or in neither, and
  // makes the same of both, or nothing, or again two such states of which it
  // sees no more than before. Nothing sees the state that is returned. `state`
  // itself, if the model says nothing else.
  virtual StateId Forget(StateId state) = 0;
  // From now on steps are those of these operations alone; states that they
  // cannot tell apart may be taken for one.
  virtual void Watch(absl::Span<const Operation> operations) = 0;
  // What `op` can do for those that are watched, itself among them.
  virtual Use UseOf(const Operation& op) const = 0;
  // The number here of a state of another space of the same model.
  virtual StateId Import(const StateSpace& from, StateId state) = 0;
  virtual std::string Describe(StateId state) const = 0;
  virtual size_t size_bytes() const = 0;
  // Not empty: the model contradicts itself, and how, in words. Nothing that it
  // says is a proof then.
  const std::string& fault() const { return fault_; }

 protected:
  std::string fault_;
};

// How an operation stands to the writes of its partition, by values. The
// initial value is nil. It opens the near-linear path to histories without
// versions. The state may hold more than the value, if each operation that
// looks at more has neither links nor LooksFor().
struct Links {
  bool reads = false;   // Saw the value `seen`, nothing else.
  bool writes = false;  // Left the value `written`, whatever was there before
                        // (if it also reads: if it saw `seen`).
  // Left what was there before, nil counting as the empty string, with the
  // string `written` at its end; `size` bytes in all, if that was told.
  bool appends = false;
  // There is more to it: it may do so only in some states. The near-linear path
  // is then closed.
  bool conditional = false;
  Value seen;
  Value written;
  Value size;
};

// The form of a model that the checker works with. A State usually is the state
// of the object. It may also stand for several states that the object may be
// in. Then the model has more functions than those above:
//   bool Learns(const Operation&) const: a read may leave another State.
// If results tell versions, which may depend on the state, two more:
//   bool StepUnchanged(State&, const Operation&) const: as Step(), but leaves
//     only the states in which `op` changed nothing.
//   void Join(const State& other, State*) const: the states of both.
class Model {
 public:
  virtual ~Model() = default;
  // One per partition, so that partitions can be judged side by side.
  virtual std::unique_ptr<StateSpace> NewStates() const = 0;
  // True if tests hold all that follows against Step(), as the model says by
  // static constexpr bool kHooksAreTested. Otherwise Check() does
  // (lincheck/audit.h).
  virtual bool HooksAreTested() const = 0;
  // Whether there are StepUnchanged() and Join().
  virtual bool JoinsStates() const = 0;
  // True if `op`, with the result it has, changes nothing that anybody can see.
  // It makes no version, unless it tells one.
  virtual bool IsRead(const Operation& op) const = 0;
  // True if steps of `op`, which is a read, may leave another state all the
  // same, one that knows more.
  virtual bool Learns(const Operation& op) const = 0;
  // False: this operation's place among the writes cannot be told from its
  // values.
  virtual bool FindLinks(const Operation& op, Links* links) const = 0;
  // True if `op` looks only whether there is anything, and whether it is
  // `*value` (none: not even that), and leaves what was there, that with
  // something appended, or something that does not depend on it.
  virtual bool LooksFor(const Operation& op, Value* value) const = 0;
  // True if, because of `op`, steps of its partition look at times or clients
  // of operations and not only at function, arguments and result.
  virtual bool LooksBeyondCall(const Operation& op) const = 0;
  // Whether StateSpace::MaySee() or Forget() ever says anything.
  virtual bool Forgets() const = 0;
  // Whether StateSpace::UseOf() ever tells anything.
  virtual bool TellsUses() const = 0;
  virtual std::string_view FunctionName(uint8_t function) const = 0;
  // The call in words of the model's own; empty: as any call.
  virtual std::string InWords(const Operation& op) const = 0;
  // True if results of `function` are 1 and 0 and mean true and false.
  virtual bool GivesFlag(uint8_t function) const = 0;
  // What "is" a state: "the register", "the object".
  virtual std::string_view Subject() const = 0;
};

// True if no step of `op` leaves another state.
inline bool KeepsState(const Model& model, const Operation& op) {
  return model.IsRead(op) && !model.Learns(op);
}

// True if `op` changes nothing and makes no version.
inline bool OnlyReads(const Model& model, const Operation& op) {
  return op.written == kNoVersion && model.IsRead(op);
}

// `op`, of which nobody knows any more whether and when it took effect.
Operation Relax(Operation op);
// True if `op` changes nothing whatever it gives, so that nothing is left of it
// when it is relaxed. What failed this time might have done something.
bool ReadsInAnyCase(const Model& model, const Operation& op);

// Requires: a result was told.
std::string DescribeResult(const Model& model, const Operation& op);
// "swap("x") = nil".
std::string DescribeCall(const Model& model, const Operation& op);
// "swap("x") = nil of client 3".
std::string DescribeCallOfClient(const Model& model, const Operation& op);
// The same without the "= ?" of an unknown outcome: somebody saw what it did,
// so there is no question.
std::string DescribeSeenCall(const Model& model, Operation op);

namespace model_internal {

// What an element of a container with nodes takes beyond itself.
inline constexpr size_t kNodeBytes = 64;

// About the bytes that `value` keeps elsewhere. Standard containers and pairs
// are looked into; what else keeps any says so by a size().
template <typename T>
size_t HeapBytes(const T& value) {
  if constexpr (requires {
                  typename T::value_type;
                  value.end();
                }) {
    using Element = typename T::value_type;
    constexpr bool kNodes = !requires { value.capacity(); };
    size_t bytes = value.size() * (sizeof(Element) + (kNodes ? kNodeBytes : 0));
    if constexpr (!std::is_trivially_copyable_v<Element>) {
      for (const Element& element : value) bytes += HeapBytes(element);
    }
    return bytes;
  } else if constexpr (requires {
                         value.first;
                         value.second;
                       }) {
    return HeapBytes(value.first) + HeapBytes(value.second);
  } else if constexpr (requires { value.size(); }) {
    return value.size();
  } else {
    return 0;
  }
}

template <typename M>
constexpr bool HasTestedHooks() {
  if constexpr (requires { M::kHooksAreTested; }) {
    return M::kHooksAreTested;
  } else {
    return false;
  }
}

// What IsRead() says that Step() does not.
std::string ReadFault(std::string_view function, const Operation& op,
                      const std::string& before, const std::string& after);

template <typename M>
class States final : public StateSpace {
 public:
  using State = typename M::State;
  explicit States(M model) : model_(std::move(model)) {}
  StateId Initial() override {
    scratch_ = model_.Initial();
    Blur();
    return Number(scratch_);
  }
  StateId Step(StateId state, const Operation& op) override {
    if constexpr (requires { model_.StepTo(scratch_, op, &scratch_); }) {
      if (!sight_.has_value()) return StepTo(state, op);
    }
    scratch_ = *states_[state];
    if (!model_.Step(scratch_, op)) return kImpossible;
    Blur();
    if (scratch_ == *states_[state]) return state;
    const StateId next = Number(scratch_);
    if constexpr (!HasTestedHooks<M>()) CheckRead(state, op, next);
    return next;
  }
  StateId StepUnchanged(StateId state, const Operation& op) override {
    if constexpr (requires { model_.StepUnchanged(scratch_, op); }) {
      scratch_ = *states_[state];
      if (!model_.StepUnchanged(scratch_, op)) return kImpossible;
      Blur();
      return Number(scratch_);
    } else {
      return Step(state, op) == state ? state : kImpossible;
    }
  }
  StateId Join(StateId a, StateId b) override {
    if constexpr (requires { model_.Join(scratch_, &scratch_); }) {
      scratch_ = *states_[a];
      model_.Join(*states_[b], &scratch_);
      return Number(scratch_);
    } else {
      return a;  // There is but one.
    }
  }
  bool MaySee(StateId state, const Operation& op) const override {
    if constexpr (requires { model_.MaySee(*states_[state], op); }) {
      return model_.MaySee(*states_[state], op);
    } else {
      return true;
    }
  }
  void Watch(absl::Span<const Operation> operations) override {
    if constexpr (requires { typename M::Sight; }) {
      sight_.emplace();
      for (const Operation& op : operations) {
        if (!model_.Look(op, &*sight_)) return sight_.reset();
      }
    }
  }
  Use UseOf(const Operation& op) const override {
    if constexpr (requires { model_.UseOf(*sight_, op); }) {
      if (sight_.has_value()) return model_.UseOf(*sight_, op);
    }
    return Use::kAny;
  }
  StateId Forget(StateId state) override {
    if constexpr (requires { model_.Forget(scratch_); }) {
      scratch_ = *states_[state];
      model_.Forget(scratch_);
      return Number(scratch_);
    } else {
      return state;
    }
  }
  StateId Import(const StateSpace& from, StateId state) override {
    return Number(*static_cast<const States&>(from).states_[state]);
  }
  std::string Describe(StateId state) const override {
    return model_.Describe(*states_[state]);
  }
  size_t size_bytes() const override { return size_bytes_; }

 private:
  StateId Number(const State& state) {
    const auto [it, inserted] =
        numbers_.try_emplace(state, static_cast<StateId>(states_.size()));
    if (inserted) {
      size_bytes_ += sizeof(State) + kNodeBytes + HeapBytes(state);
      states_.push_back(&it->first);
    }
    return it->second;
  }

  StateId StepTo(StateId state, const Operation& op) {
    switch (model_.StepTo(*states_[state], op, &scratch_)) {
      case Leaves::kImpossible:
        return kImpossible;
      case Leaves::kSame:
        return state;
      case Leaves::kOther:
        break;
    }
    const StateId next = Number(scratch_);
    if constexpr (!HasTestedHooks<M>()) CheckRead(state, op, next);
    return next;
  }

  // `op` leaves another state.
  void CheckRead(StateId before, const Operation& op, StateId after) {
    if (!fault_.empty() || !model_.IsRead(op)) return;
    if constexpr (requires { model_.Learns(op); }) {
      if (model_.Learns(op)) return;
    }
    fault_ = ReadFault(model_.Name(op.function), op, Describe(before),
                       Describe(after));
  }

  template <typename T>
  struct SightOf {
    using Type = bool;
  };
  template <typename T>
  requires requires { typename T::Sight; }
  struct SightOf<T> {
    using Type = typename T::Sight;
  };

  void Blur() {
    if constexpr (requires { model_.Blur(*sight_, &scratch_); }) {
      if (sight_.has_value()) model_.Blur(*sight_, &scratch_);
    }
  }

  const M model_;
  std::optional<typename SightOf<M>::Type> sight_;
  // Looked up, never iterated over. Keys stay where they are.
  std::unordered_map<State, StateId, absl::Hash<State>> numbers_;
  std::vector<const State*> states_;
  State scratch_{};
  size_t size_bytes_ = 0;
};

}  // namespace model_internal

// Makes a Model of a plain value.
template <typename M>
class ModelOf final : public Model {
 public:
  explicit ModelOf(M model = {}) : model_(std::move(model)) {}
  std::unique_ptr<StateSpace> NewStates() const override {
    return std::make_unique<model_internal::States<M>>(model_);
  }
  bool HooksAreTested() const override {
    return model_internal::HasTestedHooks<M>();
  }
  bool JoinsStates() const override {
    return requires(const Operation& op, typename M::State& state) {
      model_.StepUnchanged(state, op);
      model_.Join(state, &state);
    };
  }
  bool IsRead(const Operation& op) const override { return model_.IsRead(op); }
  bool Learns(const Operation& op) const override {
    if constexpr (requires { model_.Learns(op); }) {
      return model_.Learns(op);
    } else {
      return false;
    }
  }
  bool FindLinks(const Operation& op, Links* links) const override {
    if constexpr (requires { model_.FindLinks(op, links); }) {
      return model_.FindLinks(op, links);
    } else {
      return false;
    }
  }
  bool LooksFor(const Operation& op, Value* value) const override {
    if constexpr (requires { model_.LooksFor(op, value); }) {
      return model_.LooksFor(op, value);
    } else {
      return false;
    }
  }
  bool LooksBeyondCall(const Operation& op) const override {
    if constexpr (requires { model_.LooksBeyondCall(op); }) {
      return model_.LooksBeyondCall(op);
    } else {
      return true;
    }
  }
  bool Forgets() const override {
    return requires(typename M::State & state, const Operation& op) {
      model_.Forget(state);
    }
    || requires(const typename M::State& state, const Operation& op) {
      model_.MaySee(state, op);
    };
  }
  bool TellsUses() const override {
    // Clang 14 takes a parameter of a type that is missing for an error.
    if constexpr (requires { typename M::Sight; }) {
      return requires(const typename M::Sight& sight, const Operation& op) {
        model_.UseOf(sight, op);
      };
    } else {
      return false;
    }
  }
  std::string_view FunctionName(uint8_t function) const override {
    return model_.Name(function);
  }
  std::string InWords(const Operation& op) const override {
    if constexpr (requires { model_.InWords(op); }) {
      return model_.InWords(op);
    } else {
      return {};
    }
  }
  bool GivesFlag(uint8_t function) const override {
    if constexpr (requires { model_.GivesFlag(function); }) {
      return model_.GivesFlag(function);
    } else {
      return false;
    }
  }
  std::string_view Subject() const override {
    if constexpr (requires { model_.Subject(); }) {
      return model_.Subject();
    } else {
      return "the object";
    }
  }

 private:
  const M model_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODEL_H_
