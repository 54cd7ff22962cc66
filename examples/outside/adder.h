// examples/outside/adder.h: a number to which clients add, as a state machine
// of another repository.
#ifndef QUORATE_EXAMPLES_OUTSIDE_ADDER_H_
#define QUORATE_EXAMPLES_OUTSIDE_ADDER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "env/parse_integer.h"
#include "raft/host/bytes_state_machine.h"

// The sum is at most 2^64 - 1. An addition beyond it is refused.
class Adder final : public quorate::raft::BytesStateMachine {
 public:
  quorate::Buffer Apply(const quorate::raft::Entry& entry,
                        bool wants_result) override {
    uint64_t delta = 0;
    const bool adds = quorate::ParseInteger(entry.payload.view(), &delta) &&
                      delta <= UINT64_MAX - sum_;
    if (adds) sum_ += delta;
    if (!wants_result) return quorate::Buffer();
    return adds ? Save() : quorate::Buffer::Copy("no number, or too large");
  }
  quorate::Buffer Save() const override {
    return quorate::Buffer::Copy(std::to_string(sum_));
  }
  absl::Status Restore(std::string_view state) override {
    if (quorate::ParseInteger(state, &sum_)) return absl::OkStatus();
    return absl::DataLossError("not a number");
  }

 private:
  uint64_t sum_ = 0;
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_ADDER_H_
