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
#include "node/config/config.h"

namespace quorate::node {

// The outcome of an attempt to submit a waiting batch.
enum class Submission : uint8_t {
  kDone,    // One was submitted or answered.
  kNoRoom,  // The next one waits for room.
  kNone,    // None waits, or the next one waits for something else.
};

class EntriesInFlight {
 public:
  // `payload_bytes_max`: the most bytes of all payloads. `bounds` outlives this
  // object.
  EntriesInFlight(size_t payload_bytes_max, const BoundsConfig& bounds)
      : payload_bytes_max_(payload_bytes_max), bounds_(bounds) {}

  // True if an entry of this size may be submitted. A first entry always may.
  bool HasRoom(size_t payload_bytes, size_t result_bytes) const {
    return count_ == 0 ||
           (count_ < bounds_.entries_in_flight &&
            payload_bytes_ + payload_bytes <= payload_bytes_max_ &&
            result_bytes_ + result_bytes <= bounds_.results_in_flight_bytes);
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

  bool empty() const { return count_ == 0; }

  void RecordExecuted(MonoTime now) { executed_at_ = now; }
  // The time at which an entry was executed last; Min(): never.
  MonoTime executed_at() const { return executed_at_; }

 private:
  const size_t payload_bytes_max_;
  const BoundsConfig& bounds_;
  size_t count_ = 0;
  size_t payload_bytes_ = 0;
  size_t result_bytes_ = 0;
  MonoTime executed_at_ = MonoTime::Min();
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_ENTRIES_IN_FLIGHT_H_
