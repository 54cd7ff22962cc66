// raft/host/dropped_states.h: frees the states of dropped replicas, a part in a
// turn.
//
// A state has millions of allocations, which are in no cache of the processor.
// Other groups would wait if all of them went at once.
#ifndef QUORATE_RAFT_HOST_DROPPED_STATES_H_
#define QUORATE_RAFT_HOST_DROPPED_STATES_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "env/loop.h"
#include "env/pending.h"
#include "env/time.h"
#include "raft/host/state_machine.h"

namespace quorate::raft {

class DroppedStates {
 public:
  // Between two parts.
  static constexpr Duration kPause = Milliseconds(1);

  // `loop` outlives the object.
  explicit DroppedStates(env::Loop& loop) : loop_(loop) {}

  // Nothing else uses `state` any more.
  void Add(std::unique_ptr<StateMachine> state) {
    if (state == nullptr) return;
    states_.push_back(std::move(state));
    if (states_.size() == 1) FreeLater();
  }
  // The number of states that are not freed yet.
  size_t waiting() const { return states_.size(); }

 private:
  void FreeLater() {
    next_ = loop_.At(loop_.ReadClock().mono + kPause, [this] {
      if (!states_.back()->FreePart()) states_.pop_back();
      if (!states_.empty()) FreeLater();
    });
  }

  env::Loop& loop_;
  std::vector<std::unique_ptr<StateMachine>> states_;
  env::Pending next_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_DROPPED_STATES_H_
