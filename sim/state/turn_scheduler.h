// sim/state/turn_scheduler.h: a machine's life and turns: when inputs are drained, how long that
// takes, at which env call it dies or stops.
//
// A turn runs at one instant of virtual time and then keeps the machine busy:
// inputs that arrive meanwhile wait and are drained together, which is how
// batches arise. What a turn does after it stopped in the middle (PauseAfter)
// takes effect that much later, and not at all if the machine dies before.
#ifndef QUORATE_SIM_STATE_TURN_SCHEDULER_H_
#define QUORATE_SIM_STATE_TURN_SCHEDULER_H_

#include <cstdint>
#include <vector>

#include "env/time.h"
#include "sim/choices/sim_time.h"
#include "sim/state/options.h"
#include "sim/state/sim_state.h"

namespace quorate::sim {

enum class TurnInputKind : uint32_t {
  kBoot,
  kMessage,
  kDisk,
  kStream,
  kConnect,
  kNudge,  // Nothing: only deferred work waits.
};

struct TurnInput {
  TurnInputKind kind = TurnInputKind::kNudge;
  uint64_t id = 0;
};

class TurnScheduler {
 public:
  // The parts of the machine that a turn calls.
  class Parts {
   public:
    // Fixes the clock reading of the turn's first step.
    virtual void BeginTurn() = 0;
    virtual void RunInput(const TurnInput& input) = 0;
    virtual void RunTimers() = 0;
    // Fixes the second clock reading, then runs what was deferred.
    virtual void RunDeferred() = 0;
    virtual void EndTurn() = 0;
    // Last of all, also after Die.
    virtual void AfterTurn() = 0;
    // The machine died in this turn.
    virtual void Die() = 0;

   protected:
    ~Parts() = default;
  };

  TurnScheduler(SimState* state, MachineId id, const LoopOptions& options,
                Parts* parts);

  // ---- For the parts.
  // Passes an env call that has an effect. False: the machine is dead (or
  // dying) and the call does nothing.
  bool BeginCall();
  // When what is done now takes effect.
  SimTime effect_time() const {
    return in_turn_ ? state_->now + elapsed_ : state_->now;
  }
  // Dies when the running callback returns, or next of all outside of turns; no
  // later call has an effect.
  void StopSoon();
  // An input arrives now; it is drained in the next turn, at once if the
  // machine is free.
  void Accept(TurnInput input);
  // The same, for callers that are inside some machine's turn: never runs one at once.
  void Post(TurnInput input);
  // Sees to it that a turn comes although there may be no input.
  void Nudge();
  // A timer is due: runs a turn at once or when the machine is free.
  void TimerDue();
  // When the machine died: what was to take effect later never did.
  SimTime death_time() const { return death_time_; }
  bool alive() const { return alive_ && !dying_; }
  bool in_turn() const { return in_turn_; }
  // Time in turns since the program started, pauses included; of the turn that
  // runs, nothing yet.
  Duration busy() const { return busy_; }
  // Before this time no turn begins.
  SimTime busy_until() const { return busy_until_; }

  // ---- For the machine.
  void Start();
  // Dies now, or when the running callback returns. False: it does later.
  bool Stop();
  void WakeUp();  // kEventWake.
  void Pause();
  void Resume();
  bool paused() const { return paused_; }
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
  void ScheduleWake();
  void RunTurn();
  void FinishTurn();

  SimState* const state_;
  const MachineId id_;
  LoopOptions options_;
  Parts* const parts_;

  bool alive_ = false;
  bool dying_ =
      false;  // Within a turn: takes effect when the callback returns.
  bool paused_ = false;
  bool in_turn_ = false;
  bool timer_due_ = false;
  SimTime busy_until_;
  SimTime death_time_;
  Duration elapsed_;  // Of the turn that runs.
  Duration busy_;
  EventQueue::Handle wake_ = 0;
  uint64_t turns_ = 0;
  uint64_t calls_to_death_ = 0;  // 0: not armed.
  uint64_t calls_to_pause_ = 0;
  Duration pause_length_;
  Duration pause_due_;  // Reached in this turn; the next call falls after it.
  std::vector<TurnInput> inbox_;
  std::vector<TurnInput> draining_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_TURN_SCHEDULER_H_
