// sim/world/world.h: a simulated world: machines with clocks, disks, a network and
// streams between them, in virtual time.
//
// One thread, one event queue, no hidden input: a World with the same options
// does the same thing, byte for byte (trace_hash()). What runs on a machine is
// a program: any object built by a factory on the machine's env::Env. Programs
// of a crashed incarnation get no more callbacks; buffers in flight belong to
// the world.
//
//   World world({.seed = 7});
//   MachineId a = world.AddMachine({.name = "a"});
//   world.Start(a, [](env::Env& env) { return std::make_shared<MyServer>(env);
//   }); world.RunFor(Seconds(1)); world.Crash(a, CrashKind::kMachine);
//   world.Restart(a);
#ifndef QUORATE_SIM_WORLD_WORLD_H_
#define QUORATE_SIM_WORLD_WORLD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "sim/choices/choices.h"
#include "sim/choices/sim_time.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/state/faults.h"
#include "sim/state/options.h"
#include "sim/state/queue.h"
#include "sim/world/clock.h"

namespace quorate::sim {

class SimState;
class Machine;
class Network;
class StreamNet;

enum class CrashKind : uint8_t {
  kProcess,  // What was written, synced or not, can still be read. Peers'
             // streams are closed.
  kMachine,  // What was not durable is lost, torn or kept, by choice. Peers
             // hear nothing.
};

struct WorldOptions {
  // Of the product's own draws (env::Env::random) and, unless a tape is
  // replayed, of the world's choices.
  uint64_t seed = 1;
  // Takes every choice and the seed from this tape; draws nothing. Must outlive
  // the construction only.
  const Tape* replay = nullptr;
  // Keeps the choices that differ from the default (World::tape()).
  bool record = false;
  // Keeps one record per hashed event (World::trace()), to find the first
  // difference of two runs.
  bool keep_trace = false;

  NetworkOptions network{};
  StreamOptions streams{};
  DiskOptions disk{};  // Of machines added later; each has its own.
  LoopOptions loop{};
  BuggifyOptions buggify{};
  // The true wall time when the world begins.
  WallTime epoch{1'700'000'000'000'000'000};

  // A stable key of a peer message (kind, group, term, index, …): choices about
  // it are keyed by link, this and how often it was seen. Null: by link and
  // count.
  uint64_t (*message_key)(std::string_view message) = nullptr;
};

struct MachineOptions {
  std::string name{};  // For people; "m3" if empty.
  // Its disk never fails; the schedule lets it alone.
  bool client = false;
  // A second process on the same host: shares the files (and locks) of that
  // machine, which must exist and share nobody's.
  MachineId shares_disk_with{};
  // How the machine's clocks begin.
  SimClockOptions clock{};
};

// Builds the program of a machine, in the first turn of an incarnation. The
// object is destroyed by a crash.
using Factory = absl::AnyInvocable<std::shared_ptr<void>(env::Env&)>;
using MarkHook = absl::AnyInvocable<void(MachineId, std::string_view mark)>;
using LogSink = absl::AnyInvocable<void(SimTime, MachineId, env::Severity,
                                        std::string_view)>;

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // ---- Machines. All of these may be called from outside or from At(); Crash
  // also from inside a turn, and then takes effect when the callback that is
  // running returns (until then the machine's env calls have no effect).
  MachineId AddMachine(const MachineOptions& options = {});
  size_t machine_count() const { return machines_.size(); }
  // What programs of this machine get. Valid as long as the world; calls have
  // effect only while the machine runs.
  env::Env& env(MachineId machine);
  // Boots the machine; `factory` (may be null: an empty program) runs in its
  // first turn, at once. Requires: not running.
  void Start(MachineId machine, Factory factory);
  // Boots it again with the factory of Start. Requires: not running.
  void Restart(MachineId machine);
  void Crash(MachineId machine, CrashKind kind);
  // Crashes it after the `calls`-th env call with an effect, from now on (1:
  // the next). 0 disarms.
  void CrashAfterCalls(MachineId machine, uint64_t calls, CrashKind kind);
  // Crashes it while its `operations`-th disk operation from now on is in
  // flight. 0 disarms.
  void CrashAtDiskOperation(MachineId machine, uint64_t operations,
                            CrashKind kind);
  // A paused machine runs no turn; inputs wait. Its clocks go on.
  void Pause(MachineId machine);
  void Resume(MachineId machine);
  // Stops it for `length` after the `calls`-th env call with an effect, in the
  // middle of a turn.
  void PauseAfterCalls(MachineId machine, uint64_t calls, Duration length);
  // Empties the disk. Requires: not running.
  void EraseDisk(MachineId machine);
  bool running(MachineId machine) const;
  bool paused(MachineId machine) const;
  // How often it was started.
  uint64_t incarnation(MachineId machine) const;
  const std::string& name(MachineId machine) const;
  bool is_client(MachineId machine) const;

  // ---- Time.
  SimTime now() const;
  // Runs the next event. False: there is none.
  bool Step();
  // Runs every event up to and including `time`; now() is `time` afterwards.
  void RunUntil(SimTime time);
  void RunFor(Duration length) { RunUntil(now() + length); }
  // Until nothing is left to happen. False: `limit` of virtual time passed
  // before that.
  bool RunUntilIdle(Duration limit = Seconds(3600));
  // Until `done()` holds after some event. False: `limit` passed or nothing is
  // left to happen.
  template <typename Condition>
  bool RunUntilTrue(Condition&& done, Duration limit = Seconds(60)) {
    const SimTime end = now() + limit;
    while (!done()) {
      if (!StepBefore(end)) return done();
    }
    return true;
  }
  // Calls `action` at `time` (a schedule's fault, a judge's deadline): no node
  // code runs, no event is counted.
  void At(SimTime time, absl::AnyInvocable<void()> action);
  // Ends RunUntil and its kin after the event that is running.
  void StopRunning();

  // ---- Faults. Ratios are in the options, which may be changed at any time.
  NetworkOptions& network_options();
  StreamOptions& stream_options();
  BuggifyOptions& buggify_options();
  DiskOptions& disk_options(MachineId machine);
  LoopOptions& loop_options(MachineId machine);
  SimClock& clock(MachineId machine);
  // Call after changing a clock through clock(): timers are aligned with it.
  void ClockChanged(MachineId machine);

  // Messages and stream segments from `from` to `to` do not arrive (messages
  // are lost, segments are sent again).
  void BlockLink(MachineId from, MachineId to);
  void UnblockLink(MachineId from, MachineId to);
  // Not blocked (however often it was), clogged or slow any more.
  void HealLink(MachineId from, MachineId to);
  void HealNetwork();  // No link blocked, clogged or slow any more.
  bool blocked(MachineId from, MachineId to) const;
  // Nothing arrives on the link before `until`; then all of it does.
  void ClogLink(MachineId from, MachineId to, SimTime until);
  // Added to the latency of the link for good (0: none).
  void SlowLink(MachineId from, MachineId to, Duration extra);
  // Resets every stream of the machine.
  void ResetStreams(MachineId machine);

  // The `nth` operation of the kind from now on fails (1: the next);
  // `persistent`: so do all after it. A durable write counts as a write and as
  // a sync.
  enum class DiskOperation : uint8_t { kAny, kRead, kWrite, kSync };
  void FailDiskOperation(MachineId machine, DiskOperation kind, uint64_t nth,
                         bool persistent);
  void HealDisk(MachineId machine);  // No operation fails, no stall.
  // No operation completes before `until`.
  void StallDisk(MachineId machine, SimTime until);
  // Names and durable sizes, as a machine crash now would leave them if it lost
  // all that it may.
  std::vector<std::string> DiskFiles(MachineId machine) const;
  uint64_t DiskFileSize(MachineId machine, std::string_view file) const;
  std::string ReadDiskFile(MachineId machine, std::string_view file) const;
  // Flips one bit of what is stored, durable or not. False: no such byte.
  bool FlipDiskBit(MachineId machine, std::string_view file, uint64_t offset,
                   int bit);
  // Puts `bytes` in the place of what is stored, durable or not: a write that
  // was lost, or one that landed elsewhere. False: no difference, or no such
  // place.
  bool OverwriteDisk(MachineId machine, std::string_view file, uint64_t offset,
                     std::string_view bytes);

  // ---- What happened.
  // Rolling hash of everything that was delivered, written and timed.
  Hash128 trace_hash() const;
  const std::vector<TraceRecord>& trace() const;
  // Adds something of the caller's to the hash (a reply judged, a state
  // digest).
  void HashNote(MachineId machine, std::string_view bytes);
  // Deliveries, timers, completions and client steps that ran node code.
  uint64_t events() const;
  FaultCounters& faults();
  // Called when a running machine reaches a Sometimes mark, in the middle of its turn: for faults that hit at rare moments.
  void SetMarkHook(MarkHook hook);
  // How often each Sometimes mark was reached.
  const absl::btree_map<std::string, uint64_t>& marks() const;
  // Choices of whoever extends the world (schedules, workloads).
  Choices& choices();
  // The choices so far, with `seed`. Requires: record, or replay (then those
  // that were used).
  Tape tape() const;

  // ---- ReplicaChecker.
  // Called after every turn.
  void SetStepHook(absl::AnyInvocable<void(MachineId)> hook);
  // Gets log lines of at least `severity`.
  void SetLogSink(env::Severity severity, LogSink sink);
  // Something the run must not do. Kept in order.
  void Violate(std::string what);
  const std::vector<std::string>& violations() const;

 private:
  class Hooks;

  // Runs the next event if it is not after `end`. False: there is none, or
  // StopRunning was called.
  bool StepBefore(SimTime end);
  void Dispatch(const QueuedEvent& event);
  Machine& machine(MachineId id) const;

  WorldOptions options_;  // For machines added later.
  std::unique_ptr<SimState> state_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<StreamNet> streams_;
  std::unique_ptr<Hooks> hooks_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<absl::AnyInvocable<void()>> actions_;  // Of At, by slot.
  std::vector<uint32_t> free_actions_;
  bool stopped_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_WORLD_H_
