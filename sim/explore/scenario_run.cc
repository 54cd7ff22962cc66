#include "sim/explore/scenario_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// A cluster is founded within seconds.
constexpr Duration kBeginMax = Seconds(60);

Tape TapeOf(const Scenario& scenario, uint64_t seed, const Tape* replay) {
  Tape tape;
  if (replay != nullptr) tape = *replay;
  tape.seed = seed;
  tape.choices.insert(tape.choices.begin(), {std::string(Subject::kNodes.name),
                                             0, 0, scenario.nodes});
  return tape;
}

// Nodes of the store ask each other again at once, which must take time.
WorldOptions WorldOptionsOf(const Scenario& scenario,
                            const ScenarioRunOptions& options,
                            const Tape* tape) {
  WorldOptions world{.seed = options.seed,
                     .replay = tape,
                     .keep_trace = options.keep_trace,
                     .message_key = options.message_key,
                     .message_text = options.message_text};
  if (scenario.system == Scenario::System::kRegister) WithoutLatencies(&world);
  return world;
}

}  // namespace

ScenarioRun::ScenarioRun(const Scenario& scenario,
                         const ScenarioRunOptions& options, const Tape* replay,
                         const MakeSubject& make)
    : scenario_(scenario),
      world_([&] {
        const Tape tape = TapeOf(scenario, options.seed, replay);
        return World(WorldOptionsOf(scenario, options, &tape));
      }()),
      subject_(make(world_)) {}

bool ScenarioRun::Begin() {
  const absl::Status script = subject_->SetScript(scenario_.steps);
  if (!script.ok()) {
    world_.Violate(
        absl::StrCat(std::string(kUnfit), std::string(script.message())));
    return false;
  }
  world_.SetStepHook([this](MachineId machine) {
    subject_->AfterTurn(machine);
    if (violated()) world_.StopRunning();
  });
  ScheduleOptions schedule = subject_->Start();
  if (schedule.nodes.size() != scenario_.nodes) {
    world_.Violate(absl::StrCat(std::string(kUnfit), "it has ", scenario_.nodes,
                                " nodes, the subject ", schedule.nodes.size()));
    return false;
  }
  subject_->OnHealed(schedule.nodes);
  conditions_ = subject_->Conditions(Stage::kAll);
  const bool led = scenario_.begin == Scenario::Begin::kLed;
  const bool begun = world_.RunUntilTrue(
      [&] {
        if (violated()) return true;
        return !schedule.needs_all_nodes() &&
               (!led || std::all_of(conditions_.begin(), conditions_.end(),
                                    [](auto& one) { return one.met(); }));
      },
      kBeginMax);
  if (violated()) return false;
  if (!begun) {
    world_.Violate(absl::StrCat(std::string(kUnfit),
                                "its beginning does not come:\n",
                                subject_->Describe()));
    return false;
  }
  BranchOptions faults = scenario_.faults;
  faults.nodes = schedule.nodes;
  BranchHook hook;
  if (hook_ != nullptr) {
    hook = [this](const BranchPoint& point,
                  absl::FunctionRef<uint64_t()> state) {
      is_known_ = !hook_(point, state);
      return !is_known_;
    };
  }
  // A digest lacks the pulses that a node has received. All of them arrive,
  // unless messages are lost.
  const bool by_history = faults.losses > 0 || faults.cuts > 0;
  world_.BranchFromNowOn(
      faults, std::move(hook),
      [this, by_history](MachineId machine) -> std::optional<uint64_t> {
        if (by_history && machine != MachineId()) return std::nullopt;
        return subject_->DigestOf(machine);
      });
  first_term_ = subject_->term();
  subject_->BeginScript();
  return true;
}

// Nothing is under way, and all that should come true has.
bool ScenarioRun::Ended() {
  if (violated()) {
    end_ = "it has a violation";
    return true;
  }
  if (scenario_.terms > 0 && subject_->term() > first_term_ + scenario_.terms) {
    end_ = "its terms have come";
    return true;
  }
  if (!world_.instant_is_over() || !subject_->ScriptIsDone()) return false;
  for (Subject::Condition& condition : conditions_) {
    if (!condition.met()) return false;
  }
  end_ = "the nodes agree";
  return true;
}

void ScenarioRun::CutOff() {
  if (violated()) return;
  if (is_known_) {
    end_ = "it goes on like another one";
    return;
  }
  cut_off_ = true;
  end_ = "its time has passed";
  if (!scenario_.end_required) return;
  world_.Violate(
      absl::StrCat("liveness: the end of the scenario took more than ",
                   scenario_.time.ms(), " ms\n", subject_->Describe()));
}

RunReport ScenarioRun::Execute() {
  if (Begin()) {
    const bool ended =
        world_.RunUntilTrue([this] { return Ended(); }, scenario_.time);
    if (!ended) CutOff();
    if (!violated()) subject_->Finish();
  }
  return Current();
}

RunReport ScenarioRun::Current() const {
  RunReport report = ReportOf(world_);
  report.cut_off = cut_off_;
  report.summary =
      absl::StrCat(subject_->Summary(), ", ", world_.branch_points(),
                   " choices; the execution ended because ", end_);
  return report;
}

Tape ScenarioRun::tape() const {
  Tape tape = world_.tape();
  std::erase_if(tape.choices, [](const TapeChoice& choice) {
    return choice.site == Subject::kNodes.name;
  });
  tape.SetParameter(kParameter, FormatScenario(scenario_));
  return tape;
}

}  // namespace quorate::sim
