// net/disk/disk_thread.h: a thread that runs blocking system calls for one
// loop. This file has only the queue and the wake-up; file_disk.h has the
// operations.
#ifndef QUORATE_NET_DISK_DISK_THREAD_H_
#define QUORATE_NET_DISK_DISK_THREAD_H_

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "env/time.h"
#include "net/event_loop/loop.h"

namespace quorate::net {

// Runs jobs in order of submission. Jobs that finish while the loop is busy are
// delivered together, with one wake-up. The destructor waits until all
// submitted jobs have run, and drops completions not yet delivered.
class DiskThread {
 public:
  // A unit of work. Created and destroyed on the loop's thread.
  class Job {
   public:
    virtual ~Job() = default;
    // Called on the disk thread.
    virtual void Run() = 0;
    // Called on the loop's thread, in step 1 of a later turn.
    virtual void Finish() = 0;
  };

  // Limit of jobs that are submitted and not finished.
  static constexpr size_t kJobsMax = 65536;

  explicit DiskThread(EventLoop& loop);
  ~DiskThread();
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  // True if Submit would exceed kJobsMax.
  bool full() const { return unfinished_ >= kJobsMax; }
  // Requires: !full().
  void Submit(std::unique_ptr<Job> job);
  // Blocks until all submitted jobs have run, but at most for `limit`. Returns
  // whether they have. Otherwise the destructor may never return.
  bool WaitUntilIdle(Duration limit);

 private:
  struct Shared;

  void Finish();
  static void ThreadMain(Shared* shared);

  EventLoop& loop_;
  size_t unfinished_ = 0;
  std::vector<std::unique_ptr<Job>> finishing_;
  // May outlive this object while a wake-up of the loop is pending.
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_DISK_DISK_THREAD_H_
