// sim/state/turn_scheduler.h: decides when a machine's turns run, how long they
// take, and at which env call the machine dies or pauses.
//
// A turn runs at one instant of virtual time and then keeps the machine busy.
// Inputs that arrive meanwhile wait and are handled together in the next turn;
// this makes batches. Their order in the turn is the order of arrival, or a
// random one in which each source keeps its own order. After a pause in the
// middle of a turn (PauseAfter) the effects of the rest come later by the
// length of the pause. If the machine dies before, they do not happen.
#ifndef QUORATE_SIM_STATE_TURN_SCHEDULER_H_
#define QUORATE_SIM_STATE_TURN_SCHEDULER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "env/random.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"
#include "sim/state/options.h"
#include "sim/state/sim_state.h"

namespace quorate::sim {

enum class TurnInputKind : uint32_t {
  kBoot,
  kMessage,
  kLaneReady,
  kDisk,
  kStream,
  kConnect,
  kNudge,  // No input: a turn for deferred work.
};

struct TurnInput {
  TurnInputKind kind = TurnInputKind::kNudge;
  uint64_t id = 0;
  // Inputs of one source keep their order. Sources of different kinds of parts
  // differ: see TurnSource.
  uint64_t source = 0;
  uint64_t cause = 0;  // See TraceRecord. The scheduler sets it.
};

// Identifies a source of inputs of a machine: a link and lane, a file, a
// stream.
enum class TurnSourceKind : uint64_t { kLane = 1, kFile, kStream, kRoom };
constexpr uint64_t TurnSource(TurnSourceKind kind, uint64_t which) {
  return Mix64(which * 8 + static_cast<uint64_t>(kind));
}

class TurnScheduler {
 public:
  // The parts of the machine that a turn calls.
  class Parts {
   public:
    // Fixes the clock reading of the turn's first step.
    virtual void BeginTurn() = 0;
    virtual void RunInput(const TurnInput& input) = 0;
    virtual void RunTimers() = 0;
    // Fixes the second clock reading, then runs deferred callbacks.
    virtual void RunDeferred() = 0;
    virtual void EndTurn() = 0;
    // The last call of a turn, also after Die.
    virtual void AfterTurn() = 0;
    // The machine died in this turn.
    virtual void Die() = 0;

   protected:
    ~Parts() = default;
  };

  TurnScheduler(SimState* state, MachineId id, const LoopOptions& options,
                Parts* parts);

  // ---- For the parts.
  // Counts an env call that has an effect. False: the machine is dead or dying,
  // and the call must do nothing.
  bool BeginCall() {
    if (!alive()) return false;
    // A pause that was reached comes between the previous call and this one.
    if (in_turn_) elapsed_ = elapsed_ + std::exchange(pause_due_, Duration(0));
    if (calls_to_death_ > 0 || calls_to_pause_ > 0) CountCall();
    return true;
  }
  // The program sends or writes so many bytes: the turn takes longer.
  void Work(size_t bytes) {
    if (!in_turn_) return;
    elapsed_ = elapsed_ + options_.byte_cost * static_cast<int64_t>(bytes);
  }
  // The time at which an action of this moment takes effect.
  SimTime effect_time() const {
    return in_turn_ ? state_->now + elapsed_ : state_->now;
  }
  // Makes the machine die at the end of the running turn, or as the next event
  // outside of turns. No later call has an effect.
  void StopSoon();
  // An input arrives now. The next turn handles it. That turn runs at once if
  // the machine is free.
  void Accept(TurnInput input);
  // Like Accept, for callers that are inside a machine's turn: no turn runs at
  // once.
  void Post(TurnInput input);
  // Makes a turn run even if there is no input.
  void Nudge() {
    if (!in_turn_ && alive()) NudgeOutsideTurns();
  }
  // A timer is due: runs a turn at once or when the machine is free.
  void TimerDue();
  // When the machine died. Later effects did not happen.
  SimTime death_time() const { return death_time_; }
  bool alive() const { return alive_ && !dying_; }
  bool in_turn() const { return in_turn_; }
  // The time spent in turns since the program started, with pauses, without the
  // running turn.
  Duration busy() const { return busy_; }
  // No turn begins before this time.
  SimTime busy_until() const { return busy_until_; }

  // ---- For the machine.
  void Start();
  // Makes the machine die, now or at the end of the running turn. False: it
  // dies later.
  bool Stop();
  void WakeUp();  // Handles kEventWake.
  void Pause();
  void Resume();
  // By Pause, or by PauseAfter until that pause ends.
  bool paused() const { return paused_ || state_->now < turn_pause_end_; }
  // The length of all pauses that ended after `since`, or have not ended.
  Duration PausedFor(SimTime since) const;
  bool started() const { return alive_; }
  void StopAfter(uint64_t calls) { calls_to_death_ = calls; }
  void PauseAfter(uint64_t calls, Duration length) {
    calls_to_pause_ = calls;
    pause_length_ = length;
  }
  LoopOptions& options() { return options_; }
  MachineId id() const { return id_; }
  SimState& state() const { return *state_; }

 private:
  bool ready() const {
    return alive_ && !dying_ && !paused_ && !in_turn_ &&
           busy_until_ <= state_->now;
  }
  // Makes the machine die or pause if this is the call.
  void CountCall();
  void NudgeOutsideTurns();
  void ScheduleWake();
  // Puts the inputs of a turn into an order drawn from `bits`.
  void Shuffle(uint64_t bits);
  void RunTurn();
  void FinishTurn();
  void Die();

  SimState* const state_;
  const MachineId id_;
  LoopOptions options_;
  Parts* const parts_;

  bool alive_ = false;
  // No call has an effect any more. The machine dies at the end of the turn.
  bool dying_ = false;
  bool paused_ = false;
  bool in_turn_ = false;
  bool timer_due_ = false;
  SimTime busy_until_;
  SimTime death_time_;
  Duration elapsed_;  // How long the running turn has taken so far.
  Duration busy_;
  EventQueue::Handle wake_ = 0;
  MillisecondCounter turns_;
  uint64_t calls_to_death_ = 0;  // 0: not armed.
  uint64_t calls_to_pause_ = 0;
  Duration pause_length_;
  // A pause that was reached in this turn. The next call comes after it.
  Duration pause_due_;
  SimTime turn_pause_end_;
  SimTime paused_since_;  // By Pause.
  // The ends and lengths of the pauses so far.
  std::vector<std::pair<SimTime, Duration>> pauses_;
  std::vector<TurnInput> inbox_;
  std::vector<TurnInput> draining_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_TURN_SCHEDULER_H_
