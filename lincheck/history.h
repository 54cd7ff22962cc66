// lincheck/history.h: what clients did to a store and what it answered.
//
// A history is a list of operations, each on one partition: a key, or another
// object of a model. By locality of linearizability every partition is checked
// alone. The recorder leaves out operations that certainly did not take effect.
// An operation of unknown outcome has no return time. It may take effect at any
// time after its invocation, or never.
#ifndef QUORATE_LINCHECK_HISTORY_H_
#define QUORATE_LINCHECK_HISTORY_H_

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "lincheck/value.h"

namespace quorate::lincheck {

// Any clock that all clients share; only the order counts. An operation
// precedes another if it returned strictly before the other was invoked: at
// equal times they are concurrent.
using Time = int64_t;
inline constexpr Time kNever = std::numeric_limits<Time>::max();

// The number of a write of one partition, where the store under test reports
// the write that an operation saw.
using StateVersion = uint64_t;
inline constexpr StateVersion kNoVersion = 0;       // Not told.
inline constexpr StateVersion kInitialVersion = 1;  // Before every write.

struct Operation {
  Time invoke = 0;
  Time ret = kNever;  // kNever: unknown outcome; `result`, `seen` are then
                      // without meaning. Invariant: invoke <= ret.
  uint32_t client = 0;
  uint32_t partition = 0;  // History::Partition().
  uint8_t function = 0;    // Which, the model says.
  Value argument = {};
  Value expected = {};  // A second argument, where the function has one.
  Value result = {};
  // Optional. `seen` is the version that the operation observed, or that a
  // write replaced. `written` is the version that it made, unique within the
  // partition. It is kNoVersion if the operation wrote nothing or did not
  // report its version. One order has to explain results and versions.
  StateVersion seen = kNoVersion;
  StateVersion written = kNoVersion;

  bool known() const { return ret != kNever; }
  // Whether it returned and its result was reported.
  bool says() const { return known() && !result.is_none(); }
  bool MayReturn(Value value) const { return !says() || result == value; }
};

// The call of an operation and, if it returned, its result. Operations of equal
// keys do the same to every state, unless a model looks at more.
struct CallKey {
  bool known = false;
  uint8_t function = 0;
  Value argument;
  Value expected;
  Value result;

  static CallKey Of(const Operation& op) {
    return {op.known(), op.function, op.argument, op.expected,
            op.known() ? op.result : Value()};
  }
  friend bool operator==(const CallKey&, const CallKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const CallKey& key) {
    const ValueHash hash;
    return H::combine(std::move(h), key.known, key.function, hash(key.argument),
                      hash(key.expected), hash(key.result));
  }
};

class History {
 public:
  History() = default;
  History(History&&) = default;
  History& operator=(History&&) = default;

  // The number of the partition `name`; a new one at its first mention. Numbers
  // count from 0.
  uint32_t Partition(std::string_view name);
  const std::string& partition_name(uint32_t partition) const {
    return names_[partition];
  }
  size_t partition_count() const { return names_.size(); }

  // A string that lives as long as this history. A string that was lately asked
  // for is kept once, since reads repeat written values.
  Value String(std::string_view bytes);
  // Any integer: one that a Value does not hold becomes a string of its digits,
  // as in files. The models that come with the checker read both.
  Value Integer(int64_t n);

  // In any order. Requires: partition known; values made here or without
  // strings; invoke <= ret.
  void Add(const Operation& operation);
  absl::Span<const Operation> operations() const { return operations_; }
  void Reserve(size_t operations) { operations_.reserve(operations); }

 private:
  ValueArena arena_;
  std::vector<Value> recent_;  // Strings, by their hash.
  size_t strings_ = 0;         // In arena_.
  std::vector<Operation> operations_;
  std::vector<std::string> names_;
  absl::flat_hash_map<std::string, uint32_t> numbers_;
};

// Orders operations by their times, and then by their numbers. `op_of` says
// which operation has a number.
template <typename F>
requires std::invocable<F, size_t>
auto ByInvocation(F op_of) {
  return [op_of](size_t a, size_t b) {
    return std::pair(op_of(a).invoke, a) < std::pair(op_of(b).invoke, b);
  };
}
template <typename F>
requires std::invocable<F, size_t>
auto ByReturn(F op_of) {
  return [op_of](size_t a, size_t b) {
    return std::pair(op_of(a).ret, a) < std::pair(op_of(b).ret, b);
  };
}
// Numbers are indices.
inline auto ByInvocation(absl::Span<const Operation> operations) {
  return ByInvocation(
      [operations](size_t i) -> const Operation& { return operations[i]; });
}
inline auto ByReturn(absl::Span<const Operation> operations) {
  return ByReturn(
      [operations](size_t i) -> const Operation& { return operations[i]; });
}

size_t CountClients(const History& history);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_HISTORY_H_
