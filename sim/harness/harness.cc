#include "sim/harness/harness.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "sim/world/liveness.h"

namespace quorate::sim {
namespace {

// Bounds on the time that progress may take once faults are healed.
constexpr Duration kSettleMax = Seconds(30);
constexpr Duration kFinishMax = Seconds(60);
constexpr ChoiceSite kDuration("harness.duration");
// Faults end before clients do, by this fraction of the duration, or more: the
// last faults soon after the healing end before clients do, too.
constexpr int64_t kHealthyDivisor = 8;

// The first duration is the default. The usual one is drawn most often, because
// long runs take long.
constexpr int64_t kSeconds[] = {60, 60, 60, 60, 60, 60, 60, 60,
                                60, 60, 60, 60, 20, 30, 30, 120};

Duration DrawDuration(Choices& choices) {
  return Seconds(
      kSeconds[choices.Below(kDuration, ChoiceKey{}, std::size(kSeconds))]);
}

HarnessResult Execute(const HarnessOptions& options, const Tape* replay,
                      const MakeSubject& make) {
  Harness harness(options, replay);
  const std::unique_ptr<Subject> subject = make(harness.world());
  harness.Execute(*subject);
  const World& world = harness.world();
  HarnessResult result{.seed = options.seed,
                       .violations = harness.Violations(),
                       .trace_hash = world.trace_hash().ToString(),
                       .virtual_time = Duration(world.now().ns()),
                       .events = world.events(),
                       .summary = subject->Summary(),
                       .tape = FormatTape(harness.tape())};
  if (subject->diverged().none() || !options.explain.none()) return result;
  HarnessOptions again = options;
  again.explain = subject->diverged();
  const HarnessResult explained = Execute(again, replay, make);
  if (explained.trace_hash == result.trace_hash) {
    result.violations = explained.violations;
  }
  return result;
}

}  // namespace

Harness::Harness(HarnessOptions options, const Tape* replay)
    : options_(std::move(options)),
      world_({.seed = options_.seed,
              .replay = replay,
              .record = options_.record,
              .keep_trace = options_.keep_trace,
              .message_key = options_.message_key,
              .message_text = options_.message_text}),
      duration_(options_.duration.has_value()
                    ? *options_.duration
                    : DrawDuration(world_.choices())) {}

void Harness::Execute(Subject& subject) {
  world_.SetStepHook([this, &subject](MachineId machine) {
    subject.AfterTurn(machine);
    if (violated()) world_.StopRunning();
  });
  if (!options_.explain.none()) subject.Explain(options_.explain);
  ScheduleOptions schedule = subject.Start();
  nodes_ = schedule.nodes;
  power_loss_ = schedule.budget.power_loss;
  std::vector<MachineId> healed = nodes_;
  if (options_.faults) PlanFaults(subject, std::move(schedule));
  SimTime end = world_.now() + duration_;
  world_.RunUntil(end - duration_ / kHealthyDivisor);
  if (schedule_.has_value() && !violated()) {
    healed = schedule_->BeginLiveness();
    end = std::max(end, world_.now() + kPostHealEnd);
  }
  if (!violated()) world_.RunUntil(end);
  if (violated()) return;
  subject.OnHealed(healed);
  subject.StopClients();
  Probe(subject, Stage::kMajorities);
  Settle(subject, Stage::kMajorities);
  if (schedule_.has_value() && !violated()) {
    schedule_->HealAll();
    world_.RunFor(kPostHealEnd);
  }
  subject.OnHealed(nodes_);
  Settle(subject, Stage::kAll);
  if (!violated()) Probe(subject, Stage::kAll);
  if (!violated()) subject.CompareReplicas();
  if (LosesPower()) LosePower(subject);
  if (!violated()) subject.Finish();
}

void Harness::PlanFaults(Subject& subject, ScheduleOptions options) {
  options.length = duration_ - duration_ / kHealthyDivisor;
  options.without = options_.without;
  possible_families_ = PossibleFaultFamilies(options);
  for (const FaultFamily family : options.elsewhere) {
    if (std::find(possible_families_.begin(), possible_families_.end(),
                  family) == possible_families_.end()) {
      possible_families_.push_back(family);
    }
  }
  schedule_.emplace(&world_, std::move(options));
  schedule_->Begin();
  subject.OnScheduled(*schedule_);
}

void Harness::Settle(Subject& subject, Stage stage) {
  if (violated()) return;
  for (Subject::Condition& condition : subject.Conditions(stage)) {
    RequireWithin(
        world_, condition.what, kSettleMax, [&] { return condition.met(); },
        [&] { return subject.Describe(); },
        [&] { return condition.progress(); });
  }
}

void Harness::Probe(Subject& subject, Stage stage) {
  const auto require_idle = [&](std::string_view what,
                                absl::FunctionRef<uint64_t()> progress) {
    RequireWithin(
        world_, what, kFinishMax, [&] { return subject.ClientsIdle(); },
        [&] { return subject.Describe(); }, progress);
  };
  require_idle("finishing all open operations",
               [&] { return subject.FinishedWork(); });
  if (violated()) return;
  for (Subject::Probe& probe : subject.Probes(stage)) {
    if (probe.pause > Duration(0)) world_.RunFor(probe.pause);
    probe.begin();
    require_idle(probe.what, [&] { return probe.progress(); });
    if (violated()) return;
  }
}

bool Harness::LosesPower() const {
  return options_.faults && power_loss_ &&
         std::find(options_.without.begin(), options_.without.end(),
                   FaultFamily::kMachineCrash) == options_.without.end();
}

// Acknowledged writes survive a loss of power of all machines at once.
void Harness::LosePower(Subject& subject) {
  if (violated()) return;
  for (const MachineId node : nodes_) {
    world_.Crash(node, CrashKind::kMachine);
  }
  for (const MachineId node : nodes_) world_.Restart(node);
  Settle(subject, Stage::kPowerLoss);
  Probe(subject, Stage::kPowerLoss);
  if (!violated()) subject.CompareReplicas();
}

std::vector<Duration> Harness::DrawnDurations() {
  std::vector<Duration> durations;
  for (const int64_t seconds : kSeconds) durations.push_back(Seconds(seconds));
  std::sort(durations.begin(), durations.end());
  durations.erase(std::unique(durations.begin(), durations.end()),
                  durations.end());
  return durations;
}

std::vector<std::string> Harness::Violations() const {
  const std::vector<std::string>& all = world_.violations();
  if (all.empty()) return {};
  return {all.front()};
}

Tape Harness::tape() const {
  Tape tape = world_.tape();
  if (options_.duration.has_value()) {
    tape.SetParameter("duration_ms", absl::StrCat(options_.duration->ms()));
  }
  tape.SetParameter("faults", options_.faults ? "1" : "0");
  if (!options_.without.empty()) {
    tape.SetParameter("without", FaultFamilyNames(options_.without));
  }
  return tape;
}

void ReadOptions(TapeParameters& parameters, HarnessOptions* options) {
  const int64_t duration_ms =
      parameters.Number("duration_ms", 1, 1, HarnessOptions::kDurationMax.ms());
  if (parameters.Has("duration_ms")) {
    options->duration = Milliseconds(duration_ms);
  }
  options->faults = parameters.Number("faults", 1, 0, 1) != 0;
  options->without = parameters.Families("without");
}

HarnessResult RunSeed(const HarnessOptions& options, const MakeSubject& make) {
  HarnessOptions recorded = options;
  recorded.record = true;
  return Execute(recorded, nullptr, make);
}

absl::StatusOr<HarnessResult> Replay(std::string_view tape,
                                     const MakeSubject& make) {
  absl::StatusOr<Tape> parsed = ParseTape(tape);
  if (!parsed.ok()) return parsed.status();
  HarnessOptions options{.seed = parsed->seed};
  TapeParameters parameters(*parsed);
  ReadOptions(parameters, &options);
  const absl::Status status = parameters.Finish();
  if (!status.ok()) return status;
  return Execute(options, &*parsed, make);
}

}  // namespace quorate::sim
