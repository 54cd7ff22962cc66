#include "sim/world/machine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {
namespace {
constexpr ChoiceSite kActive("buggify.active");
constexpr ChoiceSite kFire("buggify.fire");
constexpr ChoiceSite kBootClock("clock.boot");
}  // namespace

Machine::Machine(MachineObserver* host, SimState* state, Network* network,
                 StreamNet* streams, MachineId id,
                 const MachineOptions& options, const WorldOptions& world,
                 std::shared_ptr<DiskImage> image)
    : hooks_(host),
      state_(state),
      name_(options.name.empty() ? "m" + std::to_string(id.value())
                                 : options.name),
      client_(options.client),
      image_(std::move(image)),
      scheduler_(state, id, world.loop, this),
      loop_(&scheduler_, SimClock(options.clock, world.epoch)),
      disk_(&scheduler_, image_, options.client ? DiskOptions{} : world.disk),
      transport_(&scheduler_, network, this),
      streams_(&scheduler_, streams),
      env_{loop_, disk_, transport_, streams_, *this,
           *this, *this, Random(0),  Random(0)},
      random_(Random(state->choices.seed()).Fork("sim.machine", id.value())) {}

Machine::~Machine() {
  // The end of the world is a crash for every program.
  scheduler_.Stop();
}

void Machine::Start(Factory factory) {
  factory_ = std::move(factory);
  Restart();
}

void Machine::Restart() {
  // A death that is already scheduled comes first.
  if (scheduler_.started() && !scheduler_.alive()) scheduler_.Stop();
  CHECK(!scheduler_.started()) << name_ << " runs already";
  ++incarnation_;
  if (std::exchange(power_lost_, false)) RestartClock();
  streams_.PowerOn();
  env_.random = random_.Fork("sim.incarnation", incarnation_);
  env_.secrets = random_.Fork("sim.secrets", incarnation_);
  scheduler_.Start();
}

void Machine::RestartClock() {
  const ClockFaultOptions& options = state_->clocks;
  // 0: the clock goes on, as in a machine whose program alone died.
  const uint64_t reading = state_->choices.SometimesUpTo(
      kBootClock,
      state_->choices.Count(kBootClock, scheduler_.id().value(),
                            SecondOf(state_->now)),
      options.new_at_boot, static_cast<uint64_t>(options.boot_max.ns()));
  if (reading == 0) return;
  state_->faults.Count(Fault::kClockRestart, scheduler_.id());
  loop_.clock().RestartMono(state_->now,
                            MonoTime(static_cast<int64_t>(reading)));
}

void Machine::Crash(CrashKind kind) {
  crash_kind_ = kind;
  scheduler_.Stop();
}

void Machine::RunInput(const TurnInput& input) {
  switch (input.kind) {
    case TurnInputKind::kBoot:
      state_->hash.Add(state_->now, scheduler_.id(), TraceKind::kBoot,
                       incarnation_);
      if (state_->hash.keeps_records()) {
        state_->hash.Detail(absl::StrCat("start ", incarnation_));
      }
      if (factory_ != nullptr) program_ = factory_(env_);
      break;
    case TurnInputKind::kMessage:
      transport_.RunInput(input.id);
      break;
    case TurnInputKind::kLaneReady:
      transport_.RunLaneReady(input.id);
      break;
    case TurnInputKind::kDisk:
      disk_.RunInput(input.id);
      break;
    case TurnInputKind::kStream:
      streams_.RunInput(input.id);
      break;
    case TurnInputKind::kConnect:
      streams_.RunConnect(input.id);
      break;
    case TurnInputKind::kNudge:
      break;
  }
}

void Machine::EndTurn() {
  streams_.EndTurn();
  loop_.Arm();
}

void Machine::Die() {
  const bool power_lost = crash_kind_ == CrashKind::kMachine;
  power_lost_ |= power_lost;
  state_->hash.Add(state_->now, scheduler_.id(), TraceKind::kCrash,
                   power_lost ? 1 : 0);
  if (state_->hash.keeps_records()) {
    state_->hash.Detail(power_lost ? "loss of power" : "end of the process");
  }
  state_->faults.Count(client_      ? Fault::kClientCrash
                       : power_lost ? Fault::kMachineCrash
                                    : Fault::kProcessCrash,
                       scheduler_.id());
  transport_.Die();
  streams_.Die(power_lost);
  // Closes the world's side of the streams before the program closes its own
  // side.
  program_.reset();
  disk_.Die(power_lost);
  loop_.Clear();
}

void Machine::Log(env::Severity severity, std::string_view message) {
  if (hooks_->Logs(severity)) hooks_->Log(scheduler_.id(), severity, message);
}

void Machine::Sometimes(std::string_view mark) {
  state_->hash.AddNamed(state_->now, scheduler_.id(), TraceKind::kMark, mark);
  if (scheduler_.alive()) hooks_->OnMark(scheduler_.id(), mark);
}

bool Machine::Fire(const Site& site) {
  SimState& state = *state_;
  if (!state.choices.TapeAddsFaults() && state.buggify.active.numerator == 0) {
    return false;
  }
  if (!scheduler_.alive()) return false;
  uint64_t& inactive = inactive_[site.hash() % inactive_.size()];
  if (inactive == site.hash()) return false;
  const auto [found, fresh] = buggified_.try_emplace(site.hash());
  Buggified& point = found->second;
  if (fresh) {
    point.active = state.choices.Chance(
        kActive, ChoiceKey{site.hash(), scheduler_.id().value()},
        state.buggify.active);
  }
  if (!point.active) {
    inactive = site.hash();
    return false;
  }
  const bool fires =
      state.choices.Chance(kFire,
                           ChoiceKey{site.hash() + scheduler_.id().value(),
                                     point.asked.Next(state.now)},
                           state.buggify.fire);
  if (fires) {
    state.faults.Count(Fault::kBuggify, scheduler_.id());
    state.hash.AddNamed(state.now, scheduler_.id(), TraceKind::kPoint,
                        site.name());
  }
  return fires;
}

}  // namespace quorate::sim
