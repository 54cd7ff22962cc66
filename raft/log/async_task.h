// raft/log/async_task.h: several disk operations with one result.
//
// Destroying the task cancels it: its callback is then not called.
#ifndef QUORATE_RAFT_LOG_ASYNC_TASK_H_
#define QUORATE_RAFT_LOG_ASYNC_TASK_H_

namespace quorate::raft {

// The caller that started the task owns it. Destroying it cancels the callback
// and every disk operation not yet issued. Once the callback has begun, the
// task may be destroyed at any time, also from within the callback.
class AsyncTask {
 public:
  virtual ~AsyncTask() = default;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_ASYNC_TASK_H_
