// lincheck/testing/own_models.h: models as users write them, for tests. Some
// are odd and right: their states hold more than a value, or are sets of what
// may be the case. The others break one promise each.
#ifndef QUORATE_LINCHECK_TESTING_OWN_MODELS_H_
#define QUORATE_LINCHECK_TESTING_OWN_MODELS_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lincheck/models/datum.h"
#include "lincheck/testing/model_histories.h"

namespace quorate::lincheck {

// Members that most of them have. -1 is nil.
struct OwnModel {
  static constexpr std::string_view kBroken = "";  // The hook that lies.
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"read", "write", "other"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  static bool Says(const Operation& op) {
    return op.known() && !op.result.is_none();
  }
  static Value ValueOf(int64_t n) {
    return n < 0 ? Value::Nil() : Value::Integer(n);
  }
  // Links of a register's read() and write().
  static bool LinkRegister(const Operation& op, Links* links) {
    if (op.function == 1) *links = {.writes = true, .written = op.argument};
    if (op.function == 0) *links = {.reads = true, .seen = op.result};
    return op.function == 1 || (op.function == 0 && Says(op));
  }
};
inline constexpr uint8_t kOwnRead = 0;
inline constexpr uint8_t kOwnWrite = 1;
inline constexpr uint8_t kOwnOther = 2;

// A register that also counts its writes: its state is more than its value.
struct CountingRegister : OwnModel {
  using State = std::pair<int64_t, int64_t>;  // Value, count.
  State Initial() const { return {-1, 0}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) {
      state = {op.argument.integer(), state.second + 1};
      return true;
    }
    if (op.function == kOwnRead) {
      return !Says(op) || op.result == ValueOf(state.first);
    }
    return !Says(op) || op.result == state.second;
  }
  bool IsRead(const Operation& op) const { return op.function != kOwnWrite; }
  bool FindLinks(const Operation& op, Links* links) const {
    return LinkRegister(op, links);
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string Describe(const State& state) const {
    return std::to_string(state.first) + " after " +
           std::to_string(state.second);
  }
};

// A register that is claimed: a claim that was known and not answered was
// refused, and one of unknown outcome may have been granted.
struct ClaimRegister : OwnModel {
  using State = int64_t;
  State Initial() const { return -1; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnRead)
      return !Says(op) || op.result == ValueOf(state);
    if (op.function == kOwnOther && op.known() && op.result.is_none()) {
      return true;
    }
    state = op.argument.integer();
    return true;
  }
  bool IsRead(const Operation& op) const { return op.function == kOwnRead; }
  bool FindLinks(const Operation& op, Links* links) const {
    if (op.function != kOwnOther) return LinkRegister(op, links);
    *links = {.writes = true, .written = op.argument};
    return !op.known();
  }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

// A coin whose state is all that may lie on top: read() learns.
struct Coin : OwnModel {
  using State = std::set<int64_t>;
  State Initial() const { return {0}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnOther) state = {0, 1};
    if (op.function == kOwnWrite) state = {op.argument.integer() % 2};
    if (op.function != kOwnRead || !Says(op)) return true;
    std::erase_if(state, [&](int64_t side) { return !(op.result == side); });
    return !state.empty();
  }
  Reading IsRead(const Operation& op) const {
    return op.function == kOwnRead ? Reading::kLearns : Reading::kChanges;
  }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string Describe(const State& state) const {
    return state.size() > 1 ? "0 or 1" : std::to_string(*state.begin());
  }
};
// A coin that does not say that read() learns.
struct CoinWithoutLearns : OwnModel {
  static constexpr std::string_view kBroken = "IsRead()";
  using State = Coin::State;
  State Initial() const { return Coin().Initial(); }
  bool Step(State& state, const Operation& op) const {
    return Coin().Step(state, op);
  }
  bool IsRead(const Operation& op) const { return op.function == kOwnRead; }
  std::string Describe(const State& state) const {
    return Coin().Describe(state);
  }
};

// A register of which other() takes the value: one that is broken has a plain
// Step() and says too much of it.
struct TakeRegister : OwnModel {
  using State = int64_t;
  State Initial() const { return -1; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) {
      state = op.argument.integer();
      return true;
    }
    if (Says(op) && op.result != ValueOf(state)) return false;
    if (op.function == kOwnOther) state = -1;
    return true;
  }
  bool IsRead(const Operation& op) const { return op.function == kOwnRead; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};
struct TakeThatLies : TakeRegister {
  static constexpr std::string_view kBroken = "IsRead()";
  bool IsRead(const Operation& op) const { return op.function != kOwnWrite; }
};
// Its links leave out that other() also takes the value.
struct TakeLinkedAsRead : TakeRegister {
  static constexpr std::string_view kBroken = "FindLinks()";
  bool FindLinks(const Operation& op, Links* links) const {
    if (op.function != kOwnOther) return LinkRegister(op, links);
    *links = {.reads = true, .seen = op.result};
    return Says(op);
  }
};
// It is asked only when a counter-example is made small.
struct TakeBlurred : TakeRegister {
  static constexpr std::string_view kBroken = "Blur()";
  struct Sight {};
  bool Look(const Operation&, Sight*) const { return true; }
  void Blur(const Sight&, State* state) const { *state = -1; }
};
struct TakeLookedFor : TakeRegister {
  static constexpr std::string_view kBroken = "FindLinks()";
  bool LooksBeyondCall(const Operation&) const { return false; }
  bool FindLinks(const Operation& op, Links* links) const {
    const bool found = LinkRegister(op, links);
    if (op.function == kOwnOther) {
      *links = {.writes = true, .conditional = true, .written = Value::Nil()};
    }
    links->looks = true;
    return found || op.function == kOwnOther;
  }
};

// It says that a count looks at no more than the value.
struct CountLookedFor : CountingRegister {
  static constexpr std::string_view kBroken = "FindLinks()";
  bool FindLinks(const Operation& op, Links* links) const {
    const bool found = LinkRegister(op, links);
    links->looks = true;
    if (op.function == kOwnRead && op.known()) links->looked_for = op.result;
    return found;
  }
};

// A register that forgets values which no operation looks for, and says that
// none looks for any.
struct ForgottenRegister : OwnModel {
  static constexpr std::string_view kBroken = "FindLinks()";
  using State = Datum;
  State Initial() const { return {}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) {
      state.Assign(op.argument);
      return true;
    }
    if (Says(op) && !state.Explains(op.result)) return false;
    if (op.function == kOwnOther) state = {};
    return true;
  }
  bool IsRead(const Operation& op) const { return op.function == kOwnRead; }
  bool FindLinks(const Operation&, Links* links) const {
    links->looks = true;
    return false;
  }
  std::string Describe(const State& state) const { return state.ToString(); }
};

// A register whose state is a value of the history.
struct ValueRegister : OwnModel {
  struct State {
    Value value = Value::Nil();

    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), ValueHash()(s.value));
    }
  };
  State Initial() const { return {}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) state.value = op.argument;
    return op.function != kOwnRead || !Says(op) || op.result == state.value;
  }
  bool IsRead(const Operation& op) const { return op.function == kOwnRead; }
  std::string Describe(const State& state) const {
    return state.value.ToString();
  }
};

// A register that says no more than it keeps.
struct LinkedRegister : TakeRegister {
  bool FindLinks(const Operation& op, Links* links) const {
    return op.function != kOwnOther && LinkRegister(op, links);
  }
};

// A register that starts at 0, with the links of one that starts at nil.
struct ZeroRegister : CountingRegister {
  static constexpr std::string_view kBroken = "FindLinks()";
  State Initial() const { return {0, 0}; }
};

// A register of which a read may see the value before the last one.
struct StaleRegister : OwnModel {
  static constexpr std::string_view kBroken = "FindLinks()";
  using State = std::pair<int64_t, int64_t>;
  State Initial() const { return {-1, -1}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) {
      state = {op.argument.integer(), state.first};
      return true;
    }
    return !Says(op) || op.result == ValueOf(state.first) ||
           op.result == ValueOf(state.second);
  }
  bool IsRead(const Operation& op) const { return op.function != kOwnWrite; }
  bool FindLinks(const Operation& op, Links* links) const {
    Operation read = op;
    if (op.function == kOwnOther) read.function = kOwnRead;
    return LinkRegister(read, links);
  }
  std::string Describe(const State& state) const {
    return std::to_string(state.first) + " or " + std::to_string(state.second);
  }
};

// A register of which reads may be stale, but only after very many writes.
struct LateStaleRegister : OwnModel {
  static constexpr std::string_view kBroken = "FindLinks()";
  static constexpr int64_t kWritesMax = 3'000;
  struct State {
    int64_t value = -1;
    int64_t before = -1;
    int64_t writes = 0;

    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), s.value, s.before, s.writes);
    }
  };
  State Initial() const { return {}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) {
      state = {op.argument.integer(), state.value, state.writes + 1};
      return true;
    }
    return !Says(op) || op.result == ValueOf(state.value) ||
           (state.writes >= kWritesMax && op.result == ValueOf(state.before));
  }
  bool IsRead(const Operation& op) const { return op.function != kOwnWrite; }
  bool FindLinks(const Operation& op, Links* links) const {
    return LinkRegister(op, links);
  }
  std::string Describe(const State& state) const {
    return std::to_string(state.value);
  }
};

// A register that is full after two writes.
struct FullRegister : OwnModel {
  static constexpr std::string_view kBroken = "FindLinks()";
  using State = std::pair<int64_t, int64_t>;
  State Initial() const { return {-1, 0}; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnWrite) {
      if (state.second == 2) return false;
      state = {op.argument.integer(), state.second + 1};
      return true;
    }
    return !Says(op) || op.result == ValueOf(state.first);
  }
  bool IsRead(const Operation& op) const { return op.function != kOwnWrite; }
  bool FindLinks(const Operation& op, Links* links) const {
    return StaleRegister().FindLinks(op, links);
  }
  std::string Describe(const State& state) const {
    return std::to_string(state.first) + ", " + std::to_string(state.second);
  }
};

// A register that client 1 cannot write, and that only it can empty.
struct ClientRegister : OwnModel {
  static constexpr std::string_view kBroken = "LooksBeyondCall()";
  using State = int64_t;
  State Initial() const { return -1; }
  bool Step(State& state, const Operation& op) const {
    if (op.function == kOwnRead)
      return !Says(op) || op.result == ValueOf(state);
    if (op.function == kOwnWrite) {
      if (op.client != 1) state = op.argument.integer();
      return true;
    }
    if (op.client == 1) state = -1;
    return true;
  }
  bool IsRead(const Operation& op) const { return op.function == kOwnRead; }
  bool LooksBeyondCall(const Operation&) const { return false; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

template <typename M>
requires std::is_base_of_v<OwnModel, M>
struct Draw<M> {
  static void Call(TestRandom& random, History*, Operation* op) {
    op->function = random() % 3;
    if (op->function == kOwnWrite ||
        (op->function == kOwnOther && std::is_same_v<M, ClaimRegister>)) {
      op->argument = Value::Integer(static_cast<int64_t>(random() % 4));
    }
  }
  static std::vector<Value> Answers(const Operation& op,
                                    const typename M::State&, History*) {
    if (op.function == kOwnWrite) return {Value()};
    std::vector<Value> answers = Numbers(5);
    answers.push_back(Value::Nil());
    answers.push_back(Value());
    return answers;
  }
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_OWN_MODELS_H_
