#include "net/disk/disk_thread.h"

#include <signal.h>

#include <chrono>
#include <utility>

#include "env/check.h"

namespace quorate::net {

struct DiskThread::Shared {
  std::mutex mutex;
  std::condition_variable work;
  std::condition_variable idle;
  std::vector<std::unique_ptr<Job>> submitted;  // Guarded by mutex.
  std::vector<std::unique_ptr<Job>> finished;   // Guarded by mutex.
  bool running = false;  // Jobs are being run. Guarded by mutex.
  bool stop = false;     // Guarded by mutex.
  // Null once the DiskThread is destroyed. Used on the loop's thread only.
  DiskThread* owner = nullptr;
  EventLoop* loop = nullptr;
  // Reference to itself for posting; set once, before the thread starts.
  std::weak_ptr<Shared> self;
};

DiskThread::DiskThread(EventLoop& loop)
    : loop_(loop), shared_(std::make_shared<Shared>()) {
  shared_->owner = this;
  shared_->loop = &loop_;
  shared_->self = shared_;
  // Signals are handled on the loop's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread(&DiskThread::ThreadMain, shared_.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

DiskThread::~DiskThread() {
  {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->stop = true;
  }
  shared_->work.notify_one();
  thread_.join();
  shared_->owner = nullptr;
  // Destroy the jobs here: they hold buffers of this thread, and a pending
  // wake-up may never run.
  shared_->finished.clear();
}

void DiskThread::Submit(std::unique_ptr<Job> job) {
  CHECK(!full());
  ++unfinished_;
  bool was_empty;
  {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    was_empty = shared_->submitted.empty();
    shared_->submitted.push_back(std::move(job));
  }
  // Otherwise the thread has not taken the earlier jobs yet and will find this
  // one with them.
  if (was_empty) shared_->work.notify_one();
}

bool DiskThread::WaitUntilIdle(Duration limit) {
  std::unique_lock<std::mutex> lock(shared_->mutex);
  return shared_->idle.wait_for(
      lock, std::chrono::nanoseconds(limit.ns()),
      [&] { return !shared_->running && shared_->submitted.empty(); });
}

void DiskThread::ThreadMain(Shared* shared) {
  std::vector<std::unique_ptr<Job>> jobs;
  while (true) {
    {
      std::unique_lock<std::mutex> lock(shared->mutex);
      shared->running = false;
      if (shared->submitted.empty()) shared->idle.notify_all();
      shared->work.wait(
          lock, [&] { return shared->stop || !shared->submitted.empty(); });
      if (shared->submitted.empty()) return;
      jobs.swap(shared->submitted);
      shared->running = true;
    }
    for (std::unique_ptr<Job>& job : jobs) {
      job->Run();
      bool wake;
      {
        const std::lock_guard<std::mutex> lock(shared->mutex);
        wake = shared->finished.empty() && !shared->stop;
        shared->finished.push_back(std::move(job));
      }
      if (wake) {
        shared->loop->Post([keep = shared->self.lock()] {
          if (keep->owner != nullptr) keep->owner->Finish();
        });
      }
    }
    jobs.clear();
  }
}

void DiskThread::Finish() {
  {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    finishing_.swap(shared_->finished);
  }
  unfinished_ -= finishing_.size();
  for (std::unique_ptr<Job>& job : finishing_) job->Finish();
  finishing_.clear();
}

}  // namespace quorate::net
