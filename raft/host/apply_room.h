// raft/host/apply_room.h: the entries that all groups of a node apply in one
// turn.
//
// One message of a peer may let many groups commit. Without a common bound each
// would apply a piece of its backlog in that turn.
#ifndef QUORATE_RAFT_HOST_APPLY_ROOM_H_
#define QUORATE_RAFT_HOST_APPLY_ROOM_H_

#include <algorithm>
#include <cstdint>

#include "env/loop.h"

namespace quorate::raft {

class ApplyRoom {
 public:
  // `loop` outlives the object. `work_max`: of one step of a turn
  // (env/loop.h), in units of StateMachine::WorkOf.
  ApplyRoom(env::Loop& loop, uint64_t work_max)
      : loop_(loop), work_max_(work_max) {}

  // The work that groups may begin now. 0: none until the next turn.
  uint64_t left() const { return work_max_ - std::min(work_max_, used_); }
  // The last entry of a group may exceed what was left.
  void Use(uint64_t work) {
    if (work == 0) return;
    if (used_ == 0) {
      end_of_step_ = loop_.Defer([this] { used_ = 0; });
    }
    used_ += work;
    longest_ = std::max(longest_, used_);
  }
  // The most work of one step of a turn so far.
  uint64_t longest() const { return longest_; }

 private:
  env::Loop& loop_;
  const uint64_t work_max_;
  uint64_t used_ = 0;
  uint64_t longest_ = 0;
  env::Pending end_of_step_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_APPLY_ROOM_H_
