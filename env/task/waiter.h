// env/task/waiter.h: the place where a coroutine waits, and lists of such
// places. Parts of env/task alone use it.
#ifndef QUORATE_ENV_TASK_WAITER_H_
#define QUORATE_ENV_TASK_WAITER_H_

#include <coroutine>
#include <utility>

namespace quorate::env {

class Tasks;

namespace task_internal {

class WaiterList;

// A coroutine that waits. The object is a part of the coroutine's frame, so it
// leaves its list when the frame is destroyed.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { Leave(); }

  // The coroutine that MakeReady continues, and the tasks that it belongs to.
  void Attach(std::coroutine_handle<> handle, Tasks* tasks) {
    handle_ = handle;
    tasks_ = tasks;
  }
  // The coroutine continues in step 2 of this turn. Further calls before that
  // have no effect.
  void MakeReady();
  // Leaves its list, if it is in one.
  void Leave();

 private:
  friend class WaiterList;
  friend class env::Tasks;

  std::coroutine_handle<> handle_;
  Tasks* tasks_ = nullptr;
  WaiterList* list_ = nullptr;
  Waiter* before_ = nullptr;
  Waiter* after_ = nullptr;
};

// Waiters in the order in which they came. It owns none of them.
class WaiterList {
 public:
  WaiterList() = default;
  WaiterList(const WaiterList&) = delete;
  WaiterList& operator=(const WaiterList&) = delete;
  ~WaiterList() {
    while (first_ != nullptr) first_->Leave();
  }

  void Add(Waiter* waiter);
  Waiter* first() const { return first_; }

 private:
  friend class Waiter;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

}  // namespace task_internal
}  // namespace quorate::env

#endif  // QUORATE_ENV_TASK_WAITER_H_
