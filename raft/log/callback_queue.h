// raft/log/callback_queue.h: callbacks that must not run inside the call that
// caused them, because they may call the caller again.
#ifndef QUORATE_RAFT_LOG_CALLBACK_QUEUE_H_
#define QUORATE_RAFT_LOG_CALLBACK_QUEUE_H_

#include <deque>
#include <utility>

#include "env/destruction.h"
#include "env/loop.h"
#include "env/pending.h"

namespace quorate::raft {

// Runs callbacks in step 2 of the turn, in the order in which they were added.
// A callback added while another one runs is called after those before it.
// Destroying the queue, also from within a callback, drops the others.
//
// AddForNextTurn is for refusals: a caller that asks again at once takes a turn
// for each call, and does not keep the loop.
class CallbackQueue {
 public:
  explicit CallbackQueue(env::Loop& loop) : loop_(loop) {}
  CallbackQueue(const CallbackQueue&) = delete;
  CallbackQueue& operator=(const CallbackQueue&) = delete;

  void Add(env::Callback callback) {
    queue_.push_back(std::move(callback));
    if (scheduled_) return;
    scheduled_ = true;
    run_ = loop_.Defer([this] { Run(); });
  }
  // The callback runs in step 1 of the next turn.
  void AddForNextTurn(env::Callback callback) {
    next_turn_.push_back(std::move(callback));
    if (next_turn_.size() > 1) return;
    run_next_turn_ =
        loop_.At(loop_.ReadClock().mono, [this] { RunNextTurn(); });
  }

 private:
  void RunNextTurn() {
    Destruction::Watch watch(&destruction_);
    std::deque<env::Callback> due;
    due.swap(next_turn_);
    for (env::Callback& callback : due) {
      callback();
      if (watch.destroyed()) return;
    }
  }
  void Run() {
    Destruction::Watch watch(&destruction_);
    while (!queue_.empty()) {
      env::Callback callback = std::move(queue_.front());
      queue_.pop_front();
      callback();
      if (watch.destroyed()) return;
    }
    scheduled_ = false;
  }

  env::Loop& loop_;
  std::deque<env::Callback> queue_;
  env::Pending run_;
  std::deque<env::Callback> next_turn_;
  env::Pending run_next_turn_;
  bool scheduled_ = false;  // Until Run has emptied the queue.
  Destruction destruction_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_CALLBACK_QUEUE_H_
