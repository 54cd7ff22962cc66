// net/event_loop/loop.h: env::Loop over Boost.Asio: one thread, one io_context, turns.
//
// A turn: wait until something is ready; run what is ready (step 1), then the
// timers that are due; run the deferred callbacks (step 2); then let the socket
// layer send what the turn wrote. Only net/ includes this file.
#ifndef QUORATE_NET_EVENT_LOOP_LOOP_H_
#define QUORATE_NET_EVENT_LOOP_LOOP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "env/loop.h"
#include "env/pending.h"
#include "env/time.h"
#include "net/event_loop/callback_table.h"
#include "net/event_loop/clock.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace quorate::net {

class EventLoop final : public env::Loop {
 public:
  // Handlers of one turn; what is ready beyond them waits for the next, so that
  // a flood of input cannot keep step 2 from running.
  static constexpr int kTurnHandlersMax = 4096;

  // Work to do when a turn has ended: no callback of a node runs in it.
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

  // Turns until Stop.
  void Run();
  // One turn, which waits at most `wait_max` for something to do.
  void RunTurn(Duration wait_max);
  // Ends Run after this turn. On the loop's thread.
  void Stop() { stopped_ = true; }

  // Calls `callback` in step 1 of a later turn. From any thread; the only such
  // function.
  void Post(env::Callback callback);
  // Calls `callback` in step 1 of a turn for each arrival of one of `signals`,
  // which no longer end the process.
  void OnSignals(const std::vector<int>& signals,
                 absl::AnyInvocable<void(int)> callback);

  // Calls end->OnTurnEnd() once, at the end of this turn.
  void AtTurnEnd(TurnEnd* end) { turn_ends_.push_back(end); }
  void CancelTurnEnd(TurnEnd* end);

  // Counts turns: what must not happen in the turn that asked for it compares.
  uint64_t turn() const { return turn_; }

  boost::asio::io_context& context();

 private:
  struct Timer {
    MonoTime deadline;
    uint64_t sequence;
    uint64_t id;
    // The heap's order: the first to fire on top.
    friend bool operator<(const Timer& a, const Timer& b) {
      return a.deadline != b.deadline ? a.deadline > b.deadline
                                      : a.sequence > b.sequence;
    }
  };
  struct Asio;

  void DrainReady(Duration wait_max);
  bool HasPosted();
  void RunPosted();
  void FireTimers();
  void RunDeferred();
  // Forgets cancelled timers when they are the larger part.
  void CompactTimers();

  Clock clock_;
  Now now_;
  // False: the next ReadClock reads the clocks anew.
  bool now_valid_ = false;
  bool stopped_ = false;
  uint64_t turn_ = 0;
  // Timers from this sequence on were set in this turn: they wait for the next.
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
