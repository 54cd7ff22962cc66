// lincheck/verdict.h: the answer of a check, its limits, and the smallest
// reason for a wrong history. The library itself has no thread and no clock.
#ifndef QUORATE_LINCHECK_VERDICT_H_
#define QUORATE_LINCHECK_VERDICT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

namespace quorate::lincheck {

enum class Result : uint8_t { kOk, kViolation, kUnknown };

// Where parallelism comes from; this library starts no thread.
class Executor {
 public:
  virtual ~Executor() = default;
  // Calls task(0) … task(count - 1), each once, in any order, possibly side by
  // side; returns when all have returned.
  virtual void Run(size_t count, absl::FunctionRef<void(size_t)> task) = 0;
};

// The limit of time; this library reads no clock.
class Deadline {
 public:
  virtual ~Deadline() = default;
  // True once it is time to give up. Asked now and then, from whichever task
  // works; everything undecided becomes kUnknown.
  virtual bool Passed() const = 0;
};

struct CheckOptions {
  // Model steps for each partition; beyond it the partition's verdict is
  // kUnknown.
  uint64_t nodes_max = 50'000'000;
  // Memory of each search: of each partition that is checked side by side, and
  // of each question asked to make a counter-example small.
  uint64_t bytes_max = uint64_t{1} << 30;
  // Model steps spent on making a counter-example small.
  uint64_t minimise_nodes_max = 2'000'000;
  // Null: one partition after another.
  Executor* executor = nullptr;
  // Null: no other limit than those above.
  const Deadline* deadline = nullptr;
  // False: Check() leaves out the counter-example, which Explain() can still
  // make.
  bool explain = true;
};

struct Decision;  // lincheck/links/decision.h

// One of the longest orders that explain part of a counter-example.
struct PartialOrder {
  // So many that come before placed[0] are left out, of a long one.
  size_t before = 0;
  // Indices into History::operations(), in the order in which they take effect.
  // They may be others than those of the counter-example, if that is large.
  std::vector<size_t> placed;
  // For each placed one: the state it leaves, in words.
  std::vector<std::string> states;
  // The operation that cannot follow, although it returned before anything else
  // could be placed.
  size_t blocked = 0;
};

// Part of the history that is not linearizable even alone. Minimal: giving any
// one of its operations an unknown outcome (leaving it out, if it reads) makes
// it linearizable.
struct CounterExample {
  static constexpr size_t kNotKnown = ~size_t{0};
  // The operations that a text for people has.
  struct Core {
    std::vector<size_t> operations;  // By time of invocation.
    size_t left_out = 0;             // So many of the counter-example are not.
  };
  uint32_t partition = 0;
  // Indices into History::operations(), by time of invocation.
  std::vector<size_t> operations;
  // Other writes that count with unknown outcome only. Operations above may
  // have seen their values, or the reason names them. `operations` and these,
  // with unknown outcome, make a history that is not linearizable.
  std::vector<size_t> context;
  bool minimal = false;
  // In words: which operation cannot be placed, and why.
  std::string reason;
  // That operation, one of `operations`; kNotKnown: it is not one.
  size_t blocked = 0;
  // Longest first; at least one, unless there was no time to find it.
  std::vector<PartialOrder> partial_orders;
};

// A counter-example that is not minimal has no more operations than this in a
// text for people.
inline constexpr size_t kCoreOperationsMax = 40;

struct Verdict {
  // kViolation if any partition is wrong; else kUnknown if any could not be
  // decided; else kOk.
  Result result = Result::kOk;
  // The counter-example of the first wrong partition.
  std::optional<CounterExample> counter_example;
  uint64_t nodes = 0;  // Model steps taken.
  size_t partitions = 0;
  size_t partitions_by_zones = 0;
  std::vector<uint32_t> wrong;  // Partitions.
  // The decision about the first of them, for Explain().
  std::shared_ptr<const Decision> first_wrong;
  std::vector<uint32_t> undecided;  // Partitions.
  // Not empty: why more time would not decide the first such one of
  // `undecided`, in words.
  std::string undecidable;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_VERDICT_H_
