#include "sim/world/world.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "sim/network/network.h"
#include "sim/network/node_streams.h"
#include "sim/state/sim_state.h"
#include "sim/world/machine.h"

namespace quorate::sim {
namespace {
constexpr ChoiceSite kNext("explore.next");
}  // namespace

// The hooks that machines call.
class World::Hooks final : public MachineObserver {
 public:
  void OnTurn(MachineId machine) override {
    if (step_hook != nullptr) step_hook(machine);
  }
  bool Logs(env::Severity severity) const override {
    return Sinks(severity) || Observes(severity);
  }
  void Log(MachineId machine, env::Severity severity,
           std::string_view message) override {
    if (Sinks(severity)) sink(state->now, machine, severity, message);
    if (Observes(severity)) {
      world->Observe(Observation::Kind::kLog, machine,
                     severity >= env::Severity::kWarning ? "warning" : "info",
                     "", std::string(message));
    }
  }
  bool Sinks(env::Severity severity) const {
    return sink != nullptr && severity >= least;
  }
  bool Observes(env::Severity severity) const {
    return severity >= env::Severity::kInfo && world->observes();
  }

  void OnMark(MachineId machine, std::string_view mark) override {
    for (MarkHook& hook : mark_hooks) hook(machine, mark);
  }

  World* world = nullptr;
  SimState* state = nullptr;
  absl::AnyInvocable<void(MachineId)> step_hook;
  std::vector<MarkHook> mark_hooks;
  env::Severity least = env::Severity::kInfo;
  LogSink sink;
};

World::World(const WorldOptions& options)
    : options_(options),
      state_(std::make_unique<SimState>(
          options.replay != nullptr ? Choices(*options.replay)
                                    : Choices(options.seed, options.record),
          options.keep_trace, options.hash_bytes)),
      network_(std::make_unique<Network>(state_.get())),
      streams_(std::make_unique<StreamNet>(state_.get(), network_.get())),
      hooks_(std::make_unique<Hooks>()) {
  options_.replay = nullptr;
  state_->network = options.network;
  state_->streams = options.streams;
  state_->buggify = options.buggify;
  network_->set_message_key(options.message_key);
  network_->set_message_text(options.message_text);
  hooks_->world = this;
  hooks_->state = state_.get();
}

World::~World() {
  // Destroys programs first, while everything that they may call still exists.
  hooks_->step_hook = nullptr;
  hooks_->mark_hooks.clear();
  for (auto& machine : machines_) machine->Crash(CrashKind::kProcess);
}

// ---- Machines

MachineId World::AddMachine(const MachineOptions& options) {
  const MachineId id(static_cast<uint32_t>(machines_.size() + 1));
  std::shared_ptr<DiskImage> image =
      options.shares_disk_with == MachineId()
          ? std::make_shared<DiskImage>()
          : machine(options.shares_disk_with).image();
  machines_.push_back(std::make_unique<Machine>(hooks_.get(), state_.get(),
                                                network_.get(), streams_.get(),
                                                id, options, options_, image));
  state_->machines = id.value();
  return id;
}

env::Env& World::env(MachineId id) { return machine(id).env(); }

void World::Start(MachineId id, Factory factory) {
  state_->hash.SetCause(0);
  machine(id).Start(std::move(factory));
  state_->hash.SetCause(0);
}

void World::Restart(MachineId id) {
  if (!is_client(id)) state_->faults.Count(Fault::kRestart, id);
  machine(id).Restart();
}

void World::Crash(MachineId id, CrashKind kind) { machine(id).Crash(kind); }

void World::CrashAfterCalls(MachineId id, uint64_t calls, CrashKind kind) {
  machine(id).set_crash_kind(kind);
  machine(id).scheduler().StopAfter(calls);
}

void World::CrashAtDiskOperation(MachineId id, uint64_t operations,
                                 CrashKind kind) {
  machine(id).set_crash_kind(kind);
  machine(id).disk().CrashAt(operations);
}

void World::Pause(MachineId id) {
  state_->faults.Count(is_client(id) ? Fault::kClientPause : Fault::kPause, id);
  machine(id).scheduler().Pause();
  Observe(Observation::Kind::kLog, id, "machine", "paused", "");
}

void World::Resume(MachineId id) {
  machine(id).scheduler().Resume();
  Observe(Observation::Kind::kLog, id, "machine", "runs again", "");
}

void World::PauseAfterCalls(MachineId id, uint64_t calls, Duration length) {
  machine(id).scheduler().PauseAfter(calls, length);
}

void World::EraseDisk(MachineId id) {
  CHECK(!running(id)) << "machine " << id;
  machine(id).disk().image().Erase();
  state_->faults.Count(Fault::kDiskWiped, id);
}

bool World::running(MachineId id) const {
  return machine(id).scheduler().alive();
}
bool World::paused(MachineId id) const {
  return machine(id).scheduler().paused();
}

Duration World::PausedFor(SimTime since) const {
  Duration all;
  for (uint32_t i = 1; i <= machines_.size(); ++i) {
    const MachineId id(i);
    if (!is_client(id)) all = all + machine(id).scheduler().PausedFor(since);
  }
  return all;
}

uint64_t World::incarnation(MachineId id) const {
  return machine(id).incarnation();
}

const std::string& World::name(MachineId id) const {
  return machine(id).name();
}

std::vector<std::string> World::names() const {
  std::vector<std::string> names;
  for (const auto& machine : machines_) names.push_back(machine->name());
  return names;
}

bool World::is_client(MachineId id) const { return machine(id).client(); }

// ---- Time

SimTime World::now() const { return state_->now; }

bool World::Step() { return StepBefore(SimTime::Max() - Nanoseconds(1)); }

bool World::StepBefore(SimTime end) {
  if (stopped_) return false;
  if (branches_ != nullptr) return BranchBefore(end);
  // An event at Max() never comes.
  const auto event = state_->queue.PopUntil(
      std::min(end, SimTime::Max() - Nanoseconds(1)), &state_->now);
  if (!event.has_value()) return false;
  state_->hash.SetCause(event->cause);
  Dispatch(*event);
  return !stopped_;
}

void World::BranchFromNowOn(const BranchOptions& options, BranchHook hook,
                            DigestOfMachine digest_of) {
  CHECK(branches_ == nullptr);
  branches_ = std::make_unique<Branches>(options, state_.get(), network_.get(),
                                         streams_.get());
  branch_hook_ = std::move(hook);
  digest_of_ = std::move(digest_of);
  if (digest_of_ == nullptr) {
    digest_of_ = [](MachineId machine) -> std::optional<uint64_t> {
      if (machine == MachineId()) return 0;
      return std::nullopt;
    };
  }
  // All runs are equal up to here.
  state_->hash.FollowMachines();
}

bool World::instant_is_over() const {
  return state_->queue.NextTime() > state_->now;
}

bool World::BranchBefore(SimTime end) {
  absl::AnyInvocable<bool(MachineId) const> running = [this](MachineId id) {
    return this->running(id);
  };
  const std::vector<BranchWay>& ways =
      branches_->List(std::min(end, SimTime::Max() - Nanoseconds(1)), running);
  if (ways.empty()) return false;
  const BranchPoint point{.number = branch_points_,
                          .ways = static_cast<uint32_t>(ways.size())};
  if (branch_hook_ != nullptr &&
      !branch_hook_(point, [this] { return branches_->State(digest_of_); })) {
    stopped_ = true;
    return false;
  }
  size_t taken = 0;
  if (ways.size() > 1) {
    // Without a tape nothing deviates.
    taken = state_->choices.Choose(
        kNext, ChoiceKey{0, branch_points_++}, 0, ways.size() - 1,
        [](const Random&, Site, uint64_t, uint64_t) { return uint64_t{0}; });
  }
  const BranchWay way = ways[taken];
  if (branches_->Take(way)) {
    state_->hash.SetCause(way.event.event.cause);
    Dispatch(way.event.event);
  } else if (way.kind == BranchWay::Kind::kCrash) {
    CrashAndRestart(way.crashes, branches_->down());
  }
  return !stopped_;
}

// The history of the machine since the crash begins with its state before.
void World::CrashAndRestart(MachineId id, Duration down) {
  const uint64_t before = digest_of_(id).value_or(state_->hash.history(id));
  Crash(id, CrashKind::kMachine);
  state_->hash.Add(now(), id, TraceKind::kNote, before);
  PushAction(now() + down, id, [this, id] {
    if (!running(id)) Restart(id);
  });
}

void World::Dispatch(const QueuedEvent& event) {
  const MachineId target(event.target);
  switch (event.kind) {
    case kEventWake:
      machine(target).scheduler().WakeUp();
      break;
    case kEventTimers:
      machine(target).loop().TimersEvent();
      break;
    case kEventDisk:
      machine(target).disk().DiskEvent(event.argument);
      break;
    case kEventMessage:
      network_->MessageEvent(event.argument);
      break;
    case kEventPipe:
      streams_->PipeEvent(event);
      break;
    case kEventConnect:
      machine(target).streams().ConnectEvent(event);
      break;
    case kEventAction: {
      const auto slot = static_cast<uint32_t>(event.argument);
      absl::AnyInvocable<void()> action = std::move(actions_[slot]);
      free_actions_.push_back(slot);
      action();
      break;
    }
    default:
      CHECK(false) << "event kind " << event.kind;
  }
}

void World::RunUntil(SimTime time) {
  stopped_ = false;
  while (StepBefore(time)) {
  }
  if (!stopped_ && state_->now < time) state_->now = time;
  stopped_ = false;
  // Calls of the world from outside have no cause.
  state_->hash.SetCause(0);
}

bool World::RunUntilIdle(Duration limit) {
  stopped_ = false;
  const SimTime end = now() + limit;
  while (StepBefore(end)) {
  }
  stopped_ = false;
  return state_->queue.NextTime() == SimTime::Max();
}

void World::At(SimTime time, absl::AnyInvocable<void()> action) {
  PushAction(time, MachineId(), std::move(action));
}

void World::PushAction(SimTime time, MachineId target,
                       absl::AnyInvocable<void()> action) {
  uint32_t slot;
  if (free_actions_.empty()) {
    slot = static_cast<uint32_t>(actions_.size());
    actions_.push_back(std::move(action));
  } else {
    slot = free_actions_.back();
    free_actions_.pop_back();
    actions_[slot] = std::move(action);
  }
  state_->queue.Push(time < now() ? now() : time,
                     {kEventAction, target.value(), slot});
}

void World::StopRunning() { stopped_ = true; }

// ---- Faults

void World::SetName(const std::string& name, const std::string& address) {
  network_->addresses().SetName(name, address);
}

NetworkOptions& World::network_options() { return state_->network; }
StreamOptions& World::stream_options() { return state_->streams; }
ClockFaultOptions& World::clock_options() { return state_->clocks; }
BuggifyOptions& World::buggify_options() { return state_->buggify; }
DiskOptions& World::disk_options(MachineId id) {
  return machine(id).disk().options();
}
LoopOptions& World::loop_options(MachineId id) {
  return machine(id).scheduler().options();
}
SimClock& World::clock(MachineId id) { return machine(id).loop().clock(); }
void World::ClockChanged(MachineId id) { machine(id).loop().Rearm(); }

void World::SetDistance(MachineId id, Duration distance) {
  for (size_t other = 1; other <= machines_.size(); ++other) {
    const MachineId peer(static_cast<uint32_t>(other));
    for (NetworkLink* link :
         {&network_->link(id, peer), &network_->link(peer, id)}) {
      link->distance = link->distance + distance;
    }
  }
}

Duration World::distance(MachineId id) const {
  return network_->link(id, id).distance / 2;
}

void World::BlockLink(MachineId from, MachineId to) {
  ++network_->link(from, to).blocks;
}

void World::UnblockLink(MachineId from, MachineId to) {
  NetworkLink& link = network_->link(from, to);
  if (link.blocks > 0) --link.blocks;
}

void World::HealLink(MachineId from, MachineId to) {
  network_->Heal(&network_->link(from, to));
}

void World::HealNetwork() { network_->HealAll(); }

bool World::blocked(MachineId from, MachineId to) const {
  return network_->blocked(from, to);
}

void World::ClogLink(MachineId from, MachineId to, SimTime until) {
  state_->faults.Count(Fault::kLinkClogged, to);
  network_->link(from, to).clogged_until = until;
}

void World::SlowLink(MachineId from, MachineId to, Duration extra) {
  network_->link(from, to).extra_latency = extra;
}

void World::ResetStreams(MachineId id) {
  streams_->ResetAll(&machine(id).streams());
}

void World::FailDiskOperation(MachineId id, DiskOperation kind, uint64_t nth,
                              bool persistent) {
  const DiskAccess access = kind == DiskOperation::kWrite  ? DiskAccess::kWrite
                            : kind == DiskOperation::kSync ? DiskAccess::kSync
                                                           : DiskAccess::kRead;
  machine(id).disk().FailNth(kind == DiskOperation::kAny, access, nth,
                             persistent);
}

void World::HealDisk(MachineId id) { machine(id).disk().Heal(); }

uint64_t World::disk_changes(MachineId id) const {
  return machine(id).disk().changes();
}

void World::CopyDisk(MachineId id, const World& from, MachineId source,
                     CrashKind crash) {
  CHECK(!running(id)) << "machine " << id;
  DiskImage& image = machine(id).disk().image();
  image.CopyFrom(*from.machine(source).image());
  image.ProcessDied();
  if (crash == CrashKind::kMachine) image.LosePower(state_.get(), id.value());
}

const LogWrites& World::log_writes(MachineId id) const {
  return machine(id).disk().log_writes();
}

std::optional<ByteExtent> World::NewestDurableWrite(
    MachineId id, std::string_view file) const {
  const DiskImage::FileRef found = machine(id).image()->Find(file);
  return found == nullptr ? std::nullopt : found->newest_durable_write();
}

std::vector<std::string> World::OpenFiles(MachineId id) const {
  return machine(id).disk().OpenFiles();
}

uint64_t World::disk_failures(MachineId id) const {
  return machine(id).disk().failures();
}

void World::StallDisk(MachineId id, SimTime until, std::string file) {
  machine(id).disk().StallUntil(until, std::move(file));
}
void World::MakeUnreadable(MachineId id, std::string file, uint64_t offset,
                           uint64_t size) {
  machine(id).disk().SetUnreadable(std::move(file), offset, size);
}
void World::LimitOpenFiles(MachineId id, size_t more) {
  machine(id).disk().LimitOpenFiles(more);
}

std::vector<std::string> World::DiskFiles(MachineId id) const {
  return machine(id).image()->Names();
}

std::vector<FileContents> World::DiskContents(MachineId id) const {
  return machine(id).image()->Contents();
}

uint64_t World::DiskFileSize(MachineId id, std::string_view file) const {
  const DiskImage::FileRef found = machine(id).image()->Find(file);
  return found == nullptr ? 0 : found->size();
}

std::string World::ReadDiskFile(MachineId id, std::string_view file) const {
  const DiskImage::FileRef found = machine(id).image()->Find(file);
  return found == nullptr ? "" : found->Read(0, found->size());
}

bool World::FlipDiskBit(MachineId id, std::string_view file, uint64_t offset,
                        int bit) {
  const DiskImage::FileRef found = machine(id).image()->Find(file);
  if (found == nullptr || !found->FlipBit(offset, bit)) return false;
  state_->faults.Count(Fault::kDiskBitRot, id);
  return true;
}

bool World::OverwriteDisk(MachineId id, std::string_view file, uint64_t offset,
                          std::string_view bytes) {
  const DiskImage::FileRef found = machine(id).image()->Find(file);
  return found != nullptr && found->Overwrite(offset, bytes);
}

void World::PutDiskFile(MachineId id, std::string_view file,
                        std::string_view bytes) {
  CHECK(!running(id)) << "machine " << id;
  machine(id).disk().image().Put(file, bytes);
}

void World::RemoveDiskFile(MachineId id, std::string_view file) {
  CHECK(!running(id)) << "machine " << id;
  machine(id).disk().image().Delete(file);
}

// ---- Results of the run

Hash128 World::trace_hash() const { return state_->hash.value(); }
const std::vector<TraceRecord>& World::trace() const {
  return state_->hash.records();
}
bool World::observes() const { return state_->hash.keeps_records(); }
void World::Observe(Observation::Kind kind, MachineId id, std::string subject,
                    std::string headline, std::string words) {
  if (!observes()) return;
  observations_.push_back({.time = state_->now,
                           .machine = id,
                           .after = state_->hash.count(),
                           .kind = kind,
                           .subject = std::move(subject),
                           .headline = std::move(headline),
                           .words = std::move(words)});
}
const std::vector<TraceRecord>& World::story() const {
  return state_->hash.story();
}
void World::AddToStory(MachineId id, TraceKind kind, uint64_t payload,
                       std::string words) {
  state_->hash.AddToStory(state_->now, id, kind, payload, std::move(words));
}
void World::HashNote(MachineId id, std::string_view bytes,
                     absl::FunctionRef<std::string()> words) {
  state_->hash.Add(state_->now, id, TraceKind::kNote, bytes);
  if (state_->hash.keeps_records()) state_->hash.Detail(words());
}
uint64_t World::events() const {
  uint64_t sum = 0;
  for (const TraceKind kind : kEventKinds) sum += events(kind);
  return sum;
}
uint64_t World::events(TraceKind kind) const {
  return state_->hash.count(kind);
}
FaultCounters& World::faults() { return state_->faults; }
void World::CountMark(MachineId id, std::string_view mark) {
  state_->hash.AddNamed(state_->now, id, TraceKind::kMark, mark);
}
const TraceHash::Counts& World::marks() const {
  return state_->hash.named(TraceKind::kMark);
}
const TraceHash::Counts& World::points() const {
  return state_->hash.named(TraceKind::kPoint);
}
const TraceHash::Counts& World::fault_counts() const {
  return state_->hash.named(TraceKind::kFault);
}
Choices& World::choices() { return state_->choices; }
const Choices& World::choices() const { return state_->choices; }

Tape World::tape() const {
  Tape tape;
  tape.seed = state_->choices.seed();
  tape.choices = state_->choices.taken();
  return tape;
}

// ---- Checkers

void World::SetStepHook(absl::AnyInvocable<void(MachineId)> hook) {
  hooks_->step_hook = std::move(hook);
}

void World::AddMarkHook(MarkHook hook) {
  hooks_->mark_hooks.push_back(std::move(hook));
}

void World::SetLogSink(env::Severity severity, LogSink sink) {
  hooks_->least = severity;
  hooks_->sink = std::move(sink);
  state_->hash.SetStoryHook([hooks = hooks_.get()](const TraceRecord& event) {
    // The node itself logs that it leads.
    if (event.kind == TraceKind::kLead) return;
    if (!hooks->Sinks(env::Severity::kInfo)) return;
    const std::string_view words =
        event.detail.empty() ? TraceKindName(event.kind) : event.detail;
    hooks->sink(event.time, event.machine, env::Severity::kInfo,
                "world: " + std::string(words));
  });
}

void World::Violate(std::string what) {
  state_->violations.push_back(std::move(what));
}

const std::vector<std::string>& World::violations() const {
  return state_->violations;
}

}  // namespace quorate::sim
