#include "net/event_loop/loop.h"

#include <time.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <mutex>
#include <utility>

#include "env/check.h"

namespace quorate::net {

namespace asio = boost::asio;

struct EventLoop::Asio {
  // Only the loop's thread uses sockets and files. Other threads only post.
  asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  asio::executor_work_guard<asio::io_context::executor_type> work =
      asio::make_work_guard(context);
  std::unique_ptr<asio::signal_set> signals;
  absl::AnyInvocable<void(int)> on_signal;

  std::mutex mutex;
  std::vector<env::Callback> posted;  // Guarded by mutex.
  std::vector<env::Callback> running;

  void WaitForSignal() {
    signals->async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      on_signal(signal);
      WaitForSignal();
    });
  }
};

EventLoop::EventLoop(const ClockOptions& clock)
    : clock_(clock), asio_(std::make_unique<Asio>()) {}

EventLoop::~EventLoop() = default;

boost::asio::io_context& EventLoop::context() { return asio_->context; }

Now EventLoop::ReadClock() {
  if (!now_valid_) ReadClockAgain();
  return now_;
}

// Apart, so that the many other calls of ReadClock save no registers.
void EventLoop::ReadClockAgain() {
  const MonoTime before = now_.mono;
  now_ = clock_.Read();
  now_valid_ = true;
  // The inputs of a turn may have come any time before its second reading.
  if (read_turn_ == turn_ && now_.mono - before > kLongStep) {
    clock_.CountDisruption();
    ++now_.disruptions;
  }
  read_turn_ = turn_;
}

env::Pending EventLoop::At(MonoTime deadline, env::Callback callback) {
  const uint64_t id = timer_callbacks_.Add(std::move(callback));
  if (deadline != MonoTime::Max()) {
    timers_.push_back(
        {.deadline = deadline, .sequence = next_sequence_++, .id = id});
    std::push_heap(timers_.begin(), timers_.end());
  }
  CompactTimers();
  return timer_callbacks_.Handle(id);
}

void EventLoop::CompactTimers() {
  constexpr size_t kWorthIt = 1024;
  if (timers_.size() < kWorthIt ||
      timers_.size() < 2 * timer_callbacks_.size()) {
    return;
  }
  std::erase_if(timers_, [this](const Timer& timer) {
    return !timer_callbacks_.Owes(timer.id);
  });
  std::make_heap(timers_.begin(), timers_.end());
}

env::Pending EventLoop::Defer(env::Callback callback) {
  const uint64_t id = deferred_callbacks_.Add(std::move(callback));
  deferred_.push_back(id);
  return deferred_callbacks_.Handle(id);
}

void EventLoop::Run() {
  stopped_ = false;
  while (!stopped_) RunTurn(Seconds(3600));
}

void EventLoop::RunTurn(Duration wait_max) {
  ++turn_;
  turn_sequence_ = next_sequence_;
  now_valid_ = false;
  DrainReady(wait_max);
  FireTimers();
  // Decisions in step 2 must not use a clock reading from before the inputs
  // were drained.
  now_valid_ = false;
  RunDeferred();
  while (!turn_ends_.empty()) {
    std::vector<TurnEnd*> ends = std::exchange(turn_ends_, {});
    for (TurnEnd* end : ends) end->OnTurnEnd();
  }
  CountTurn();
}

// One reading for each turn: a thread that waits uses no processor time.
void EventLoop::CountTurn() {
  timespec used;
  CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
  const Duration now = Seconds(used.tv_sec) + Nanoseconds(used.tv_nsec);
  const Duration before = std::exchange(turn_ended_, now);
  // The thread also ran before its first turn, and may run between two turns
  // that a test runs one by one.
  if (before == Duration(0)) return;
  const Duration turn = now - before;
  turn_times_.longest = std::max(turn_times_.longest, turn);
  if (turn > env::kLongTurn) ++turn_times_.long_turns;
}

void EventLoop::DrainReady(Duration wait_max) {
  // Cancelled timers must not end the wait.
  while (!timers_.empty() && !timer_callbacks_.Owes(timers_.front().id)) {
    std::pop_heap(timers_.begin(), timers_.end());
    timers_.pop_back();
  }
  Duration wait = wait_max;
  if (!deferred_.empty() || HasPosted()) {
    // The wake-up for posted callbacks may have been handled in the previous
    // turn.
    wait = Nanoseconds(0);
  } else if (!timers_.empty()) {
    wait = std::min(wait, timers_.front().deadline - Clock::ReadMono());
  }
  int handlers = 0;
  input_ended_ = false;
  if (wait > Nanoseconds(0)) {
    // The clock is read after the wait, which is not part of the turn.
    handlers += static_cast<int>(
        asio_->context.run_one_for(std::chrono::nanoseconds(wait.ns())));
  }
  RunPosted();
  while (!input_ended_ && handlers < kTurnHandlersMax &&
         asio_->context.poll_one() > 0) {
    ++handlers;
  }
}

void EventLoop::FireTimers() {
  if (timers_.empty()) return;
  const MonoTime now = ReadClock().mono;
  std::vector<Timer> later;
  while (!timers_.empty() && timers_.front().deadline <= now) {
    const Timer timer = timers_.front();
    std::pop_heap(timers_.begin(), timers_.end());
    timers_.pop_back();
    if (timer.sequence >= turn_sequence_) {
      later.push_back(timer);
      continue;
    }
    env::Callback callback = timer_callbacks_.Take(timer.id);
    if (callback) callback();
  }
  for (const Timer& timer : later) {
    timers_.push_back(timer);
    std::push_heap(timers_.begin(), timers_.end());
  }
}

void EventLoop::RunDeferred() {
  while (deferred_begin_ < deferred_.size()) {
    env::Callback callback =
        deferred_callbacks_.Take(deferred_[deferred_begin_++]);
    if (callback) callback();
  }
  deferred_.clear();
  deferred_begin_ = 0;
}

void EventLoop::Post(env::Callback callback) {
  bool was_empty;
  {
    const std::lock_guard<std::mutex> lock(asio_->mutex);
    was_empty = asio_->posted.empty();
    asio_->posted.push_back(std::move(callback));
  }
  // An empty handler only ends the wait of the next turn.
  if (was_empty) asio::post(asio_->context, [] {});
}

bool EventLoop::HasPosted() {
  const std::lock_guard<std::mutex> lock(asio_->mutex);
  return !asio_->posted.empty();
}

void EventLoop::RunPosted() {
  {
    const std::lock_guard<std::mutex> lock(asio_->mutex);
    asio_->running.swap(asio_->posted);
  }
  for (env::Callback& callback : asio_->running) callback();
  asio_->running.clear();
}

void EventLoop::OnSignals(const std::vector<int>& signals,
                          absl::AnyInvocable<void(int)> callback) {
  CHECK(asio_->signals == nullptr) << "OnSignals is called once";
  asio_->on_signal = std::move(callback);
  asio_->signals = std::make_unique<asio::signal_set>(asio_->context);
  for (int signal : signals) asio_->signals->add(signal);
  asio_->WaitForSignal();
}

void EventLoop::CancelTurnEnd(TurnEnd* end) { std::erase(turn_ends_, end); }

}  // namespace quorate::net
