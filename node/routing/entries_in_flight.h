// node/routing/entries_in_flight.h: the entries of one group that were
// submitted and have no answer: how many more may be submitted, and when one
// was executed last.
//
// Batches of this node and of other nodes share the limits. Knows neither
// leaders nor requests.
#ifndef QUORATE_NODE_ROUTING_ENTRIES_IN_FLIGHT_H_
#define QUORATE_NODE_ROUTING_ENTRIES_IN_FLIGHT_H_

#include <cstddef>
#include <cstdint>

#include "env/check.h"
#include "env/time.h"

namespace quorate::node {

// The outcome of an attempt to submit a waiting batch.
enum class Submission : uint8_t {
  kDone,    // One was submitted or answered.
  kNoRoom,  // The next one waits for room.
  kNone,    // None waits, or the next one waits for something else.
};

class EntriesInFlight {
 public:
  // The most entries between proposing and applying. Well below the number that
  // the core refuses.
  static constexpr size_t kCountMax = 256;
  // Upper bound of the result bytes of all entries in flight, which may all be
  // built in one turn. A single command may return more
  // (kv::kReturnedBytesMax).
  static constexpr size_t kResultBytesMax = 16 << 20;

  // `payload_bytes_max`: the most bytes of all payloads.
  explicit EntriesInFlight(size_t payload_bytes_max)
      : payload_bytes_max_(payload_bytes_max) {}

  // True if an entry of this size may be submitted. A first entry always may.
  bool HasRoom(size_t payload_bytes, size_t result_bytes) const {
    return count_ == 0 ||
           (count_ < kCountMax &&
            payload_bytes_ + payload_bytes <= payload_bytes_max_ &&
            result_bytes_ + result_bytes <= kResultBytesMax);
  }
  void Begin(size_t payload_bytes, size_t result_bytes) {
    ++count_;
    payload_bytes_ += payload_bytes;
    result_bytes_ += result_bytes;
  }
  // Requires: the arguments of an earlier Begin.
  void End(size_t payload_bytes, size_t result_bytes) {
    CHECK_GT(count_, size_t{0});
    --count_;
    payload_bytes_ -= payload_bytes;
    result_bytes_ -= result_bytes;
  }

  void RecordExecuted(MonoTime now) { executed_at_ = now; }
  // The time at which an entry was executed last; Min(): never.
  MonoTime executed_at() const { return executed_at_; }

 private:
  const size_t payload_bytes_max_;
  size_t count_ = 0;
  size_t payload_bytes_ = 0;
  size_t result_bytes_ = 0;
  MonoTime executed_at_ = MonoTime::Min();
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_ENTRIES_IN_FLIGHT_H_
