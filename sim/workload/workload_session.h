// sim/workload/workload_session.h: the client's side of a session: the sequence
// numbers of its operations, and the floor that its requests state.
//
// An operation keeps its session and its number through all attempts, also
// after the client has begun to use another session.
#ifndef QUORATE_SIM_WORKLOAD_WORKLOAD_SESSION_H_
#define QUORATE_SIM_WORKLOAD_WORKLOAD_SESSION_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "env/time.h"

namespace quorate::sim {

class WorkloadSession {
 public:
  WorkloadSession(std::string token, WallTime opened)
      : token_(std::move(token)), opened_(opened) {}

  const std::string& token() const { return token_; }
  // When the client received it, by the client's clock.
  WallTime opened() const { return opened_; }
  // The sequence number of a further operation.
  uint64_t Begin() {
    open_.insert(next_);
    return next_++;
  }
  // The client will not send the operation again.
  void End(uint64_t sequence) { open_.erase(sequence); }
  // The least sequence number of an open operation. Without one: the number of
  // the next operation.
  uint64_t floor() const { return open_.empty() ? next_ : *open_.begin(); }
  // How many sequence numbers a slot may have to remember.
  uint64_t window() const { return next_ - floor(); }

 private:
  const std::string token_;
  const WallTime opened_;
  uint64_t next_ = 1;
  std::set<uint64_t> open_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_WORKLOAD_SESSION_H_
