// sim/world/world.h: a simulated world: machines with clocks and disks, a
// network and streams between them, in virtual time.
//
// A world has one thread, one event queue and no hidden input. Worlds with
// equal options do the same, byte for byte (trace_hash()). A machine runs a
// program: any object that a factory builds on the machine's env::Env. Programs
// of a crashed incarnation get no callbacks. The world owns buffers in flight.
//
//   World world({.seed = 7});
//   MachineId a = world.AddMachine({.name = "a"});
//   world.Start(a, [](env::Env& env) {
//     return std::make_shared<MyServer>(env);
//   });
//   world.RunFor(Seconds(1));
//   world.Crash(a, CrashKind::kMachine);
//   world.Restart(a);
#ifndef QUORATE_SIM_WORLD_WORLD_H_
#define QUORATE_SIM_WORLD_WORLD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/check.h"
#include "env/env.h"
#include "sim/choices/choices.h"
#include "sim/choices/observation.h"
#include "sim/choices/sim_time.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/disk/disk_image.h"
#include "sim/state/faults.h"
#include "sim/state/options.h"
#include "sim/state/queue.h"
#include "sim/world/branches.h"
#include "sim/world/clock.h"

namespace quorate::sim {

class SimState;
class Machine;
class Network;
class StreamNet;

enum class CrashKind : uint8_t {
  // All written bytes can still be read, synced or not. Peers' streams are
  // closed.
  kProcess,
  // Bytes that are not durable are lost, torn or kept, by choice. Peers receive
  // nothing.
  kMachine,
};

// The hashed records that are events.
inline constexpr TraceKind kEventKinds[] = {
    TraceKind::kTimer,          TraceKind::kMessage,
    TraceKind::kDiskCompletion, TraceKind::kStreamBytes,
    TraceKind::kStreamEvent,    TraceKind::kConnect,
    TraceKind::kLaneReady,
};

struct WorldOptions {
  // The seed of the product's own draws (env::Env::random) and, unless a tape
  // is replayed, of the world's choices.
  uint64_t seed = 1;
  // A tape with the seed and all choices: nothing is drawn. It must outlive the
  // constructor.
  const Tape* replay = nullptr;
  // Keeps the choices that differ from the default (World::tape()).
  bool record = false;
  // Keeps one record per hashed event (World::trace()), to find the first
  // difference between two runs.
  bool keep_trace = false;
  // False: World::trace_hash() covers no bytes. For a world whose hash is not
  // read, since hashing its disk and messages takes time.
  bool hash_bytes = true;

  NetworkOptions network{};
  StreamOptions streams{};
  // For machines that are added later. Each machine has a copy.
  DiskOptions disk{};
  LoopOptions loop{};
  BuggifyOptions buggify{};
  // The true wall time when the world begins.
  WallTime epoch{1'700'000'000'000'000'000};

  // Returns a stable key of a peer message (kind, group, term, index, …).
  // Choices about the message have as their key the link, this value, and how
  // often the value was seen. Null: link and count.
  uint64_t (*message_key)(std::string_view message) = nullptr;
  // A peer message, or bytes of a stream, in words for records. Empty: they
  // have none. Null: records have no words.
  std::string (*message_text)(std::string_view message) = nullptr;
};

struct MachineOptions {
  std::string name{};  // For people. "m3" if empty.
  // The machine of a client: its disk never fails, and the schedule does not
  // hit it.
  bool client = false;
  // Makes it a second process on the host of that machine: it shares files and
  // locks. The other machine must exist and have a disk of its own.
  MachineId shares_disk_with{};
  // The machine's clocks at the beginning.
  SimClockOptions clock{};
};

// Builds the program of a machine, in the first turn of an incarnation. A crash
// destroys the program.
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

  // ---- Machines. All of these may be called from outside or from At(). Crash
  // may also be called from inside a turn. It takes effect at the end of the
  // turn; until then the machine's env calls have no effect.
  MachineId AddMachine(const MachineOptions& options = {});
  size_t machine_count() const { return machines_.size(); }
  // The Env of this machine's programs. It lives as long as the world. Calls
  // have an effect only while the machine runs.
  env::Env& env(MachineId machine);
  // Boots the machine. `factory` runs in its first turn, at once. Null: no
  // program. Requires: not running.
  void Start(MachineId machine, Factory factory);
  // Boots the machine again with the factory of Start. Requires: not running.
  void Restart(MachineId machine);
  void Crash(MachineId machine, CrashKind kind);
  // Crashes the machine after the `calls`-th env call with an effect from now
  // on. 1 is the next call, 0 disarms.
  void CrashAfterCalls(MachineId machine, uint64_t calls, CrashKind kind);
  // Crashes the machine while its `operations`-th disk operation from now on is
  // in flight. 0 disarms.
  void CrashAtDiskOperation(MachineId machine, uint64_t operations,
                            CrashKind kind);
  // A paused machine runs no turn, and its inputs wait. Its clocks go on.
  void Pause(MachineId machine);
  void Resume(MachineId machine);
  // Pauses the machine for `length` after the `calls`-th env call with an
  // effect, in the middle of a turn.
  void PauseAfterCalls(MachineId machine, uint64_t calls, Duration length);
  // Empties the disk. Requires: not running.
  void EraseDisk(MachineId machine);
  bool running(MachineId machine) const;
  bool paused(MachineId machine) const;
  // The length of all pauses, of machines other than clients, that ended after
  // `since` or have not ended.
  Duration PausedFor(SimTime since) const;
  // The number of starts.
  uint64_t incarnation(MachineId machine) const;
  const std::string& name(MachineId machine) const;
  // Those of all machines, from the first one on.
  std::vector<std::string> names() const;
  bool is_client(MachineId machine) const;

  // ---- Time.
  SimTime now() const;
  // Runs the next event. False: there is no event.
  bool Step();
  // Runs every event up to and including `time`; now() is `time` afterwards.
  void RunUntil(SimTime time);
  void RunFor(Duration length) { RunUntil(now() + length); }
  // Runs until no event is left. False: `limit` of virtual time passed before
  // that.
  bool RunUntilIdle(Duration limit = Seconds(3600));
  // Runs until `done()` is true after some event. False: `limit` passed, or no
  // event is left.
  template <typename Condition>
  bool RunUntilTrue(Condition&& done, Duration limit = Seconds(60)) {
    const SimTime end = now() + limit;
    while (!done()) {
      if (!StepBefore(end)) return done();
    }
    return true;
  }
  // Calls `action` at `time`, for faults of a schedule and deadlines of
  // checkers. It runs no node code, and no event is counted.
  void At(SimTime time, absl::AnyInvocable<void()> action);
  // Ends RunUntil and similar functions after the running event.
  void StopRunning();
  // From now on the next event is a choice (sim/world/branches.h). Both
  // functions may be null. At most one call.
  void BranchFromNowOn(const BranchOptions& options, BranchHook hook,
                       DigestOfMachine digest_of);
  // Whether nothing is left to be done at the present time.
  bool instant_is_over() const;
  // The number of choices since then.
  uint64_t branch_points() const { return branch_points_; }

  // ---- Faults. The options have ratios, and may be changed at any time.
  // From now on connects to `name` go to `address`.
  void SetName(const std::string& name, const std::string& address);
  NetworkOptions& network_options();
  StreamOptions& stream_options();
  BuggifyOptions& buggify_options();
  DiskOptions& disk_options(MachineId machine);
  LoopOptions& loop_options(MachineId machine);
  ClockFaultOptions& clock_options();
  SimClock& clock(MachineId machine);
  // Call it after changing a clock through clock(): it moves timers
  // accordingly.
  void ClockChanged(MachineId machine);

  // Blocks messages and stream segments from `from` to `to`. Messages are lost,
  // segments are sent again.
  void BlockLink(MachineId from, MachineId to);
  void UnblockLink(MachineId from, MachineId to);
  // Ends all blocks, the clog and the slowness of the link.
  void HealLink(MachineId from, MachineId to);
  void HealNetwork();  // Heals all links.
  bool blocked(MachineId from, MachineId to) const;
  // Nothing arrives on the link before `until`. Then everything that waited
  // arrives.
  void ClogLink(MachineId from, MachineId to, SimTime until);
  // Adds `distance` to the latency of all links of the machine, for the whole
  // run. Call it when all machines exist.
  void SetDistance(MachineId machine, Duration distance);
  Duration distance(MachineId machine) const;
  // Adds `extra` to the latency of the link. 0 ends it.
  void SlowLink(MachineId from, MachineId to, Duration extra);
  // Resets every stream of the machine.
  void ResetStreams(MachineId machine);

  // The `nth` operation of the kind from now on fails; 1 is the next one. If
  // `persistent`, all later ones fail, too. A durable write counts as a write
  // and as a sync.
  enum class DiskOperation : uint8_t { kAny, kRead, kWrite, kSync };
  void FailDiskOperation(MachineId machine, DiskOperation kind, uint64_t nth,
                         bool persistent);
  void HealDisk(MachineId machine);  // Ends failures and stalls.
  // How many disk operations of the machine may have changed its files.
  uint64_t disk_changes(MachineId machine) const;
  // The durable writes of the running program to its log.
  const LogWrites& log_writes(MachineId machine) const;
  // See DiskFile. None: there is no such file, or no such write to it.
  std::optional<ByteExtent> NewestDurableWrite(MachineId machine,
                                               std::string_view file) const;
  // Gives the machine a copy of the disk of a machine in another world, as that
  // machine would find it after a crash now. Operations in flight there have no
  // effect here. Requires: not running.
  void CopyDisk(MachineId machine, const World& from, MachineId source,
                CrashKind crash);
  // The names of the files that the running program has open.
  std::vector<std::string> OpenFiles(MachineId machine) const;
  // How many disk operations of the running program failed because of a fault.
  uint64_t disk_failures(MachineId machine) const;
  // No operation completes before `until`; with a name, none on that file.
  void StallDisk(MachineId machine, SimTime until, std::string file = "");
  // Until HealDisk: reads of these bytes of the file fail.
  void MakeUnreadable(MachineId machine, std::string file, uint64_t offset,
                      uint64_t size);
  // Until HealDisk: files cannot be opened while this many more than now are
  // open.
  void LimitOpenFiles(MachineId machine, size_t more);
  // The files and their sizes as a machine crash now would leave them, if it
  // lost everything that is not durable.
  std::vector<std::string> DiskFiles(MachineId machine) const;
  // All files, to compare them later.
  std::vector<FileContents> DiskContents(MachineId machine) const;
  uint64_t DiskFileSize(MachineId machine, std::string_view file) const;
  std::string ReadDiskFile(MachineId machine, std::string_view file) const;
  // Flips one stored bit, durable or not. False: there is no such byte.
  bool FlipDiskBit(MachineId machine, std::string_view file, uint64_t offset,
                   int bit);
  // Replaces stored bytes, durable or not, as after a lost or misdirected
  // write. False: the bytes are equal, or the file is too short.
  bool OverwriteDisk(MachineId machine, std::string_view file, uint64_t offset,
                     std::string_view bytes);

  // Replaces or creates a file, or removes it, as an operator may do. Requires:
  // not running.
  void PutDiskFile(MachineId machine, std::string_view file,
                   std::string_view bytes);
  void RemoveDiskFile(MachineId machine, std::string_view file);

  // ---- Results of the run.
  // The rolling hash of all events.
  Hash128 trace_hash() const;
  const std::vector<TraceRecord>& trace() const;
  // Adds an observation, if the world keeps its trace. A caller that makes
  // words for it asks `observes` first.
  bool observes() const;
  void Observe(Observation::Kind kind, MachineId machine, std::string subject,
               std::string headline, std::string words);
  const std::vector<Observation>& observations() const { return observations_; }
  // Starts, crashes, the doings of the schedule, and leaderships.
  const std::vector<TraceRecord>& story() const;
  void AddToStory(MachineId machine, TraceKind kind, uint64_t payload,
                  std::string words);
  // Adds bytes of the caller to the hash, such as a checked reply or the digest
  // of a state. `words` describes them in the records of events.
  void HashNote(MachineId machine, std::string_view bytes,
                absl::FunctionRef<std::string()> words);
  // The number of events: timers, deliveries and completions that ran a
  // program's code.
  uint64_t events() const;
  // The number of events of one kind of kEventKinds.
  uint64_t events(TraceKind kind) const;
  FaultCounters& faults();
  // How often each kind of fault hit, by FaultName.
  const TraceHash::Counts& fault_counts() const;
  // `hook` is called when a running machine reaches a mark, in the middle of
  // its turn. Hooks are called in the order in which they were added.
  void AddMarkHook(MarkHook hook);
  // Counts a mark that the harness reached, not the program of the machine: no
  // hook is called, so no fault hits a node for it.
  void CountMark(MachineId machine, std::string_view mark);
  // How often each mark was reached (env::Tracer::Sometimes, CountMark).
  const TraceHash::Counts& marks() const;
  // How often each point of env::Buggify fired, by name.
  const TraceHash::Counts& points() const;
  // For choices of schedules and workloads.
  Choices& choices();
  const Choices& choices() const;
  // The choices so far, with `seed`. While replaying, the choices that were
  // used. Requires: record or replay.
  Tape tape() const;

  // ---- ReplicaChecker.
  // `hook` is called after every turn.
  void SetStepHook(absl::AnyInvocable<void(MachineId)> hook);
  // `sink` receives log lines of at least `severity`. It also receives the
  // faults, starts and crashes, each when it happens, as lines "world: …" of
  // the machine, or of machine 0.
  void SetLogSink(env::Severity severity, LogSink sink);
  // Reports a violation. Violations are kept in order.
  void Violate(std::string what);
  const std::vector<std::string>& violations() const;

 private:
  class Hooks;

  // Runs the next event if it is not after `end`. False: there is no such
  // event, or StopRunning was called.
  bool StepBefore(SimTime end);
  // The same in a world that branches.
  bool BranchBefore(SimTime end);
  void CrashAndRestart(MachineId machine, Duration down);
  // An action for At. `target` is its machine; zero: it has none.
  void PushAction(SimTime time, MachineId target,
                  absl::AnyInvocable<void()> action);
  void Dispatch(const QueuedEvent& event);
  Machine& machine(MachineId id) const {
    CHECK(id.value() >= 1 && id.value() <= machines_.size())
        << "machine " << id;
    return *machines_[id.value() - 1];
  }

  WorldOptions options_;  // For machines that are added later.
  std::unique_ptr<SimState> state_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<StreamNet> streams_;
  std::unique_ptr<Hooks> hooks_;
  std::vector<std::unique_ptr<Machine>> machines_;
  // The actions of At, by slot.
  std::vector<absl::AnyInvocable<void()>> actions_;
  std::vector<uint32_t> free_actions_;
  std::vector<Observation> observations_;
  bool stopped_ = false;
  std::unique_ptr<Branches> branches_;  // Null: this world does not branch.
  BranchHook branch_hook_;
  DigestOfMachine digest_of_;
  uint64_t branch_points_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_WORLD_H_
