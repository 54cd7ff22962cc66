// net/event_loop/loop.h: env::Loop over Boost.Asio: one thread, one io_context,
// turns.
//
// A turn waits until something is ready. Step 1 runs the ready handlers, then
// the due timers; step 2 runs the deferred callbacks. At the end the socket
// layer sends the bytes written during the turn.
#ifndef QUORATE_NET_EVENT_LOOP_LOOP_H_
#define QUORATE_NET_EVENT_LOOP_LOOP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "env/loop.h"
#include "env/pending.h"
#include "env/process.h"
#include "env/time.h"
#include "net/event_loop/callback_table.h"
#include "net/event_loop/clock.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace quorate::net {

class EventLoop final : public env::Loop {
 public:
  // Limit of handlers in one turn. The rest waits for the next turn, so a flood
  // of input cannot keep step 2 from running.
  static constexpr int kTurnHandlersMax = 4096;
  // After a longer first step of a turn, its clock reading is not relied on
  // (Now::disruptions).
  static constexpr Duration kLongStep = Milliseconds(100);

  // Work at the end of a turn. It runs no callback of a node.
  class TurnEnd {
   public:
    virtual void OnTurnEnd() = 0;

   protected:
    ~TurnEnd() = default;
  };

  explicit EventLoop(const ClockOptions& clock = ClockOptions());
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Now ReadClock() override;
  env::Pending At(MonoTime deadline, env::Callback callback) override;
  env::Pending Defer(env::Callback callback) override;

  // Runs turns until Stop.
  void Run();
  // Runs one turn, which waits at most `wait_max`.
  void RunTurn(Duration wait_max);
  // Ends Run after this turn. Call on the loop's thread.
  void Stop() { stopped_ = true; }

  // Calls `callback` in step 1 of a later turn. The only method that any thread
  // may call.
  void Post(env::Callback callback);
  // Calls `callback` in step 1 of a turn for each arrival of one of `signals`,
  // which then no longer end the process.
  void OnSignals(const std::vector<int>& signals,
                 absl::AnyInvocable<void(int)> callback);

  // The handler that calls this is the last of this turn: the others wait for
  // the next one. For a handler that takes the input of all streams at once.
  // Whether another is ready would cost each turn a system call to ask.
  void EndInput() { input_ended_ = true; }

  // Calls end->OnTurnEnd() once, at the end of this turn.
  void AtTurnEnd(TurnEnd* end) { turn_ends_.push_back(end); }
  void CancelTurnEnd(TurnEnd* end);

  // Number of the turn. Code compares it to avoid acting in the same turn.
  uint64_t turn() const { return turn_; }

  // The processor time of this thread's turns, waits included.
  env::TurnTimes turn_times() const { return turn_times_; }
  void ResetTurnTimes() { turn_times_ = {}; }

  boost::asio::io_context& context();

 private:
  struct Timer {
    MonoTime deadline;
    uint64_t sequence;
    uint64_t id;
    // Order of the heap: the first timer to fire is on top.
    friend bool operator<(const Timer& a, const Timer& b) {
      return a.deadline != b.deadline ? a.deadline > b.deadline
                                      : a.sequence > b.sequence;
    }
  };
  struct Asio;

  [[gnu::noinline]] void ReadClockAgain();
  // The turn is over: adds its processor time to the counts.
  void CountTurn();
  void DrainReady(Duration wait_max);
  bool HasPosted();
  void RunPosted();
  void FireTimers();
  void RunDeferred();
  // Removes cancelled timers if they are the majority.
  void CompactTimers();

  Clock clock_;
  Now now_;
  uint64_t read_turn_ = 0;  // The turn of the last reading.
  // If false, the next ReadClock reads the clocks.
  bool now_valid_ = false;
  bool stopped_ = false;
  bool input_ended_ = false;
  uint64_t turn_ = 0;
  env::TurnTimes turn_times_;
  // The processor time of the loop's thread at the end of the last turn; zero
  // before the first.
  Duration turn_ended_;
  // Timers from this sequence on were set in this turn and wait for the next
  // one.
  uint64_t turn_sequence_ = 0;

  CallbackTable<env::Callback> timer_callbacks_;
  std::vector<Timer> timers_;  // A heap.
  uint64_t next_sequence_ = 0;

  CallbackTable<env::Callback> deferred_callbacks_;
  std::vector<uint64_t> deferred_;
  size_t deferred_begin_ = 0;

  std::vector<TurnEnd*> turn_ends_;
  std::unique_ptr<Asio> asio_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_EVENT_LOOP_LOOP_H_
