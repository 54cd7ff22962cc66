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

 private:
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
  bool scheduled_ = false;  // Until Run has emptied the queue.
  Destruction destruction_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_CALLBACK_QUEUE_H_
