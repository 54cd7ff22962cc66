// lincheck/model.h: what a correct object does, one operation after another.
//
// A model is a plain value (docs/lincheck.md). It has to have, as the concept
// SequentialModel says:
//   State, with == and a hash of Abseil. Members that keep memory, and are no
//     standard containers, have a size() in bytes.
//   State Initial() const.
//   bool Step(State& state, const Operation& op) const, which applies `op` to
//     `state`. It returns false if `op` cannot return its result there. If the
//     outcome of `op` is unknown, only function and arguments count.
//   bool IsRead(const Operation& op) const, true if no step of `op`, with its
//     result, leaves another state. False is always right, only slower. A model
//     whose states are sets of possible states returns a Reading instead.
//   std::string_view Name(uint8_t function) const, "?" beyond the last one.
//   std::string Describe(const State& state) const.
// Step() alone defines the object, and all verdicts agree with it. Where a
// history tells versions, IsRead() also says which operations make one.
// Five more members are optional. The first four save time only:
//   bool FindLinks(const Operation&, Links*) const, see Links.
//   bool LooksBeyondCall(const Operation&) const, false if Step() looks at
//     function, arguments and result alone. Operations of unknown outcome with
//     equal calls then stand for each other.
//   bool Look(const Operation&, Sight*) const, with a type Sight. It adds to
//     `*sight` what the operation looks for in a state, and returns false if
//     the operation looks for everything.
//   void Blur(const Sight&, State*) const, which forgets all that no added
//     operation looks for. Operations that can follow the state can follow the
//     blurred one, perhaps without some of unknown outcome.
//   CallInWords InWords(const Operation&) const.
// A search also forgets states that are a Datum (lincheck/models/datum.h).
#ifndef QUORATE_LINCHECK_MODEL_H_
#define QUORATE_LINCHECK_MODEL_H_

#include <concepts>
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

// The number of a state. Each state of a partition is stored once.
using StateId = uint32_t;
inline constexpr StateId kImpossible = ~StateId{0};

// The effect of an operation on the state of an object.
enum class Reading : uint8_t {
  kChanges,  // It may change the object.
  kReads,    // It leaves the state as it is.
  // It leaves the object as it is. A state that is a set of possible states may
  // have fewer of them afterwards.
  kLearns,
};
constexpr Reading ReadingOf(Reading reading) { return reading; }
constexpr Reading ReadingOf(bool reads) {
  return reads ? Reading::kReads : Reading::kChanges;
}

// An operation in words of the model. An empty string: in the usual words.
struct CallInWords {
  std::string call;    // With the result: swap("x") = nil.
  std::string result;  // Alone.
};
// The words of an operation whose result 1 means true, and 0 false.
CallInWords FlagInWords(const Operation& op);

// The states of one partition under check.
class StateSpace {
 public:
  virtual ~StateSpace() = default;
  virtual StateId Initial() = 0;
  // The state after `op`, or kImpossible.
  virtual StateId Step(StateId state, const Operation& op) = 0;
  // False if `op` is possible in `state` as in a forgotten state, and in all
  // states that appends (Links::appends) make of both.
  virtual bool MaySee(StateId state, const Operation& op) const = 0;
  // A state that stands for `state` among operations that do not see it, or
  // `state` itself. No operation sees the returned state.
  virtual StateId Forget(StateId state) = 0;
  // From now on these operations alone are stepped. States that they cannot
  // tell apart may become one.
  virtual void Watch(absl::Span<const Operation> operations) = 0;
  // The number in this space of a state of another space of the model.
  virtual StateId Import(const StateSpace& from, StateId state) = 0;
  virtual std::string Describe(StateId state) const = 0;
  virtual size_t size_bytes() const = 0;
};

// How an operation relates to the writes of its partition, by values. Values
// that name their writes make the check near-linear, and save time in a search.
// The initial value is nil. A state may hold more than the value if the
// operations that look at more have neither links nor `looks`.
struct Links {
  bool reads = false;   // Saw the value `seen`, nothing else.
  bool writes = false;  // Left the value `written`, whatever was there before.
                        // If it also reads: if it saw `seen`.
  // Left what was there before with the string `written` at its end. Nil counts
  // as the empty string. The result has `size` bytes, if that was told.
  bool appends = false;
  // It writes only in some states. The near-linear way is then closed.
  bool conditional = false;
  Value seen;
  Value written;
  Value size;
  // FindLinks() sets these even where it returns false. The operation looks
  // only whether there is anything and whether that is `looked_for` (none: not
  // even that). It leaves what was there, with or without something appended,
  // or a state that does not depend on it.
  bool looks = false;
  Value looked_for;
};

// The form of a model that the checker works with.
class Model {
 public:
  virtual ~Model() = default;
  // Every partition has a space of its own, so that partitions can be checked
  // side by side. `plain`: it asks no optional member.
  virtual std::unique_ptr<StateSpace> NewStates(bool plain = false) const = 0;
  // True if tests compare the optional members with Step(), see
  // kHooksAreTested. Otherwise no verdict rests on them
  // (lincheck/decide/steps.h).
  virtual bool HooksAreTested() const = 0;
  virtual Reading ReadingOf(const Operation& op) const = 0;
  // False: the place of the operation among the writes does not follow from its
  // values.
  virtual bool FindLinks(const Operation& op, Links* links) const = 0;
  // True if, because of `op`, steps of its partition look at times or clients
  // of operations and not only at function, arguments and result.
  virtual bool LooksBeyondCall(const Operation& op) const = 0;
  virtual std::string_view FunctionName(uint8_t function) const = 0;
  virtual CallInWords InWords(const Operation& op) const = 0;

  // True if `op`, with the result it has, changes nothing that an operation can
  // see. It makes no version, unless it tells one.
  bool IsRead(const Operation& op) const {
    return ReadingOf(op) != Reading::kChanges;
  }
  bool Learns(const Operation& op) const {
    return ReadingOf(op) == Reading::kLearns;
  }
};

// True if no step of `op` leaves another state.
inline bool KeepsState(const Model& model, const Operation& op) {
  return model.ReadingOf(op) == Reading::kReads;
}

// True if `op` changes nothing and makes no version.
inline bool OnlyReads(const Model& model, const Operation& op) {
  return op.written == kNoVersion && model.IsRead(op);
}

// `op` with an unknown outcome.
Operation Relax(Operation op);
// True if `op` changes nothing whatever its result is. It has no effect when it
// is relaxed. An operation that failed might have done something.
bool ReadsInAnyCase(const Model& model, const Operation& op);

// Requires: a result was told.
std::string DescribeResult(const Model& model, const Operation& op);
// "swap("x") = nil".
std::string DescribeCall(const Model& model, const Operation& op);
// "swap("x") = nil of client 3".
std::string DescribeCallOfClient(const Model& model, const Operation& op);
// The words of DescribeCallOfClient() without the "= ?" of an unknown outcome,
// for an operation whose effect was seen.
std::string DescribeSeenCall(const Model& model, Operation op);

// True of models whose IsRead() and optional members are compared with Step()
// by tests. Verdicts may rest on them. The header of such a model specialises
// it.
template <typename M>
inline constexpr bool kHooksAreTested = false;

// The members that every model has to have.
template <typename M>
concept SequentialModel = std::copyable<typename M::State> &&
    std::default_initializable<typename M::State> &&
    requires(const M& model, typename M::State& state,
             const typename M::State& other, const Operation& op) {
  { model.Initial() } -> std::convertible_to<typename M::State>;
  { model.Step(state, op) } -> std::same_as<bool>;
  ReadingOf(model.IsRead(op));
  { model.Name(uint8_t{}) } -> std::convertible_to<std::string_view>;
  { model.Describe(other) } -> std::convertible_to<std::string>;
  { other == other } -> std::convertible_to<bool>;
  absl::Hash<typename M::State>()(other);
};

namespace model_internal {

template <typename M>
concept HasLinks = requires(const M& model, const Operation& op, Links* links) {
  { model.FindLinks(op, links) } -> std::same_as<bool>;
};
template <typename M>
concept SaysWhatItLooksAt = requires(const M& model, const Operation& op) {
  { model.LooksBeyondCall(op) } -> std::same_as<bool>;
};
template <typename M>
concept HasSight = requires(const M& model, const Operation& op,
                            typename M::Sight* sight,
                            typename M::State* state) {
  { model.Look(op, sight) } -> std::same_as<bool>;
  model.Blur(*sight, state);
};
template <typename M>
concept HasWords = requires(const M& model, const Operation& op) {
  { model.InWords(op) } -> std::same_as<CallInWords>;
};

// True if a state is the value that links name.
template <typename State>
inline constexpr bool kIsDatum = requires(State& state) {
  state.Forget();
  state.is_forgotten();
};

// Each optional member has the form with which it is called.
template <typename M>
concept HooksFit = (HasLinks<M> || !requires { &M::FindLinks; }) &&
                   (SaysWhatItLooksAt<M> ||
                    !requires { &M::LooksBeyondCall; }) &&
                   (HasSight<M> ||
                    !(
                        requires { &M::Look; } || requires { &M::Blur; } ||
                        requires { typename M::Sight; })) &&
                   (HasWords<M> || !requires { &M::InWords; });

// The memory of an element of a container with nodes, beyond the element.
inline constexpr size_t kNodeBytes = 64;

// About the bytes that `value` keeps elsewhere. Standard containers and pairs
// are looked into. Other types that keep memory have a size().
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
class States final : public StateSpace {
 public:
  using State = typename M::State;
  States(M model, bool plain) : model_(std::move(model)), plain_(plain) {}
  StateId Initial() override {
    scratch_ = model_.Initial();
    Blur();
    return Number(scratch_);
  }
  StateId Step(StateId state, const Operation& op) override {
    scratch_ = *states_[state];
    if (!model_.Step(scratch_, op)) return kImpossible;
    Blur();
    return scratch_ == *states_[state] ? state : Number(scratch_);
  }
  bool MaySee(StateId state, const Operation& op) const override {
    if constexpr (kForgets) {
      if (plain_) return true;
      const State& there = *states_[state];
      Links links;
      model_.FindLinks(op, &links);
      if (!links.looks) {
        return !links.appends || !links.size.is_integer() ||
               static_cast<int64_t>(there.size() +
                                    links.written.bytes().size()) <=
                   links.size.integer();
      }
      return links.looked_for.is_none() ? there.is_nil()
                                        : there.MayGrowInto(links.looked_for);
    }
    return true;
  }
  StateId Forget(StateId state) override {
    if constexpr (kForgets) {
      if (plain_) return state;
      scratch_ = *states_[state];
      // Every state shows whether there is anything.
      if (!scratch_.is_nil()) scratch_.Forget();
      return Number(scratch_);
    }
    return state;
  }
  void Watch(absl::Span<const Operation> operations) override {
    if constexpr (HasSight<M>) {
      if (plain_) return;
      sight_.emplace();
      for (const Operation& op : operations) {
        if (!model_.Look(op, &*sight_)) return sight_.reset();
      }
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
  static constexpr bool kForgets = kIsDatum<State> && HasLinks<M>;

  StateId Number(const State& state) {
    const auto [it, inserted] =
        numbers_.try_emplace(state, static_cast<StateId>(states_.size()));
    if (inserted) {
      size_bytes_ += sizeof(State) + kNodeBytes + HeapBytes(state);
      states_.push_back(&it->first);
    }
    return it->second;
  }

  template <typename T>
  struct SightOf {
    using Type = bool;
  };
  template <HasSight T>
  struct SightOf<T> {
    using Type = typename T::Sight;
  };

  void Blur() {
    if constexpr (HasSight<M>) {
      if (sight_.has_value()) model_.Blur(*sight_, &scratch_);
    }
  }

  const M model_;
  const bool plain_;
  std::optional<typename SightOf<M>::Type> sight_;
  // Looked up, never iterated over. Keys stay where they are.
  std::unordered_map<State, StateId, absl::Hash<State>> numbers_;
  std::vector<const State*> states_;
  State scratch_{};
  size_t size_bytes_ = 0;
};

}  // namespace model_internal

// Makes a Model of a plain value.
template <SequentialModel M>
class ModelOf final : public Model {
 public:
  static_assert(model_internal::HooksFit<M>,
                "FindLinks(), LooksBeyondCall(), Look() with Blur(), or "
                "InWords() has another form than lincheck/model.h says");

  explicit ModelOf(M model = {}) : model_(std::move(model)) {}
  std::unique_ptr<StateSpace> NewStates(bool plain) const override {
    return std::make_unique<model_internal::States<M>>(model_, plain);
  }
  bool HooksAreTested() const override { return kHooksAreTested<M>; }
  Reading ReadingOf(const Operation& op) const override {
    return lincheck::ReadingOf(model_.IsRead(op));
  }
  bool FindLinks(const Operation& op, Links* links) const override {
    if constexpr (model_internal::HasLinks<M>) {
      return model_.FindLinks(op, links);
    }
    return false;
  }
  bool LooksBeyondCall(const Operation& op) const override {
    if constexpr (model_internal::SaysWhatItLooksAt<M>) {
      return model_.LooksBeyondCall(op);
    }
    return true;
  }
  std::string_view FunctionName(uint8_t function) const override {
    return model_.Name(function);
  }
  CallInWords InWords(const Operation& op) const override {
    if constexpr (model_internal::HasWords<M>) return model_.InWords(op);
    return {};
  }

 private:
  const M model_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODEL_H_
