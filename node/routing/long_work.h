// node/routing/long_work.h: work of one group that takes several turns.
//
// The tasks run one after the other, each a piece at a time, while the turn has
// time for work. So at most one task of a group holds what it needs.
#ifndef QUORATE_NODE_ROUTING_LONG_WORK_H_
#define QUORATE_NODE_ROUTING_LONG_WORK_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/fifo.h"
#include "env/loop.h"
#include "env/pending.h"
#include "node/base/turn_work.h"

namespace quorate::node {

class LongWork {
 public:
  // Does a bounded piece of work, and counts it in TurnWork. Returns true once
  // all is done.
  using Task = absl::AnyInvocable<bool()>;

  // Both outlive the object.
  LongWork(env::Loop& loop, TurnWork& work) : loop_(loop), work_(work) {}

  // The first piece may run during the call.
  void Add(Task task) {
    tasks_.push_back(std::move(task));
    if (tasks_.size() == 1) Run(/*own_turn=*/false);
  }

 private:
  // `own_turn`: no piece has run in this turn, which runs at least one.
  void Run(bool own_turn) {
    while (!tasks_.empty() && (own_turn || !work_.exhausted())) {
      own_turn = false;
      // A task may add others.
      Task task = std::move(tasks_.front());
      const bool done = task();
      tasks_.front() = std::move(task);
      if (done) tasks_.pop_front();
    }
    if (tasks_.empty()) return;
    continue_ =
        loop_.At(loop_.ReadClock().mono, [this] { Run(/*own_turn=*/true); });
  }

  env::Loop& loop_;
  TurnWork& work_;
  Fifo<Task> tasks_;  // The first one is under way.
  env::Pending continue_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_LONG_WORK_H_
