// examples/locks/model.h: one lock as a model for the checker of histories. It
// refuses two holders at one time, and a token that is not above all before it.
//
// Each answer says at which log time it was given, so the model knows which
// leases were over.
#ifndef QUORATE_EXAMPLES_LOCKS_MODEL_H_
#define QUORATE_EXAMPLES_LOCKS_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "examples/locks/protocol.h"
#include "lincheck/model.h"

namespace quorate::examples {

// The argument of an operation is the line of its command, its result the line
// of the answer.
struct LockModel {
  struct State {
    bool held = false;
    Lease lease;       // The last one. Its token stays when the lock is free.
    int64_t time = 0;  // Log time of the last change.
    // A change of unknown outcome may have come after `lease`.
    bool known = true;
    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H hash, const State& state) {
      return H::combine(std::move(hash), state.held, state.lease.token,
                        state.lease.until, state.time, state.known);
    }
  };

  State Initial() const { return {}; }

  bool Step(State& state, const lincheck::Operation& op) const {
    const auto command = ParseLockCommand(op.argument.bytes());
    const bool reads = command->verb == LockCommand::kGet;
    if (!op.known() || op.result.is_none()) {
      state.known = state.known && reads;
      return true;
    }
    const auto answer = ParseLockAnswer(op.result.bytes());
    if (!answer.has_value()) return false;
    // Reads have a time of their own. They end leases, but do not move entries.
    if (!reads && answer->now < state.time) return false;
    if (!reads) state.time = answer->now;
    if (state.held && state.lease.until <= answer->now) state.held = false;
    if (!state.known) return Learn(state, *answer);
    const bool held_before = state.held;
    const bool is_holder = held_before && state.lease.token == command->token;
    bool done = reads || is_holder;
    if (command->verb == LockCommand::kAcquire) {
      done = !held_before;
      if (done && !Grant(state, *command, *answer)) return false;
    } else if (is_holder && command->verb == LockCommand::kRenew) {
      state.lease.until = answer->now + command->ms;
    } else if (is_holder && command->verb == LockCommand::kRelease) {
      state.held = false;
    }
    return answer->done == done && answer->lease.has_value() == state.held &&
           (!state.held || answer->lease == state.lease);
  }

  // A read may show that a lease is over.
  bool IsRead(const lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t function) const {
    constexpr std::string_view kNames[] = {"acquire", "renew", "release",
                                           "get"};
    return function < std::size(kNames) ? kNames[function] : "?";
  }
  std::string Describe(const State& state) const {
    return absl::StrCat(state.held ? "held" : "free", ", last token ",
                        state.lease.token, " of ", state.lease.owner, " until ",
                        state.lease.until, ", log time ", state.time);
  }

 private:
  // Fencing tokens never go back.
  static bool Grant(State& state, const LockCommand& command,
                    const LockAnswer& answer) {
    if (!answer.lease.has_value() || answer.lease->token <= state.lease.token) {
      return false;
    }
    state.held = true;
    state.lease = {answer.lease->token, command.owner, answer.now + command.ms};
    return true;
  }
  // The answer shows what changes of unknown outcome have left.
  static bool Learn(State& state, const LockAnswer& answer) {
    state.held = answer.lease.has_value();
    if (!state.held) return true;
    if (answer.lease->token < state.lease.token) return false;
    state.lease = *answer.lease;
    state.known = true;
    return true;
  }
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_LOCKS_MODEL_H_
