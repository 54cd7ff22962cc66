// raft/log/async_task.h: several disk operations that together are one thing to their caller.
//
// Destroying it gives the whole of it up: its callback is not called then.
#ifndef QUORATE_RAFT_LOG_ASYNC_TASK_H_
#define QUORATE_RAFT_LOG_ASYNC_TASK_H_

namespace quorate::raft {

// Owned by who began it. Destroying it cancels its callback and what it has not issued yet; once the callback has begun it may
// be destroyed at any time, also from within the callback.
class AsyncTask {
 public:
  virtual ~AsyncTask() = default;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_ASYNC_TASK_H_
