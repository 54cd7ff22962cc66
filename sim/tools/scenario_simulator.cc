#include "sim/tools/scenario_simulator.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "sim/explore/scenario_run.h"
#include "sim/run/message_key.h"

namespace quorate::sim {

absl::Status CheckScenario(Simulated simulated, const Scenario& scenario) {
  if (simulated == Simulated::kStore ||
      scenario.system == Scenario::System::kRegister) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "system: this program simulates its own system, and no store; leave the "
      "line out");
}

Simulator WithScenarios(
    Simulator simulator,
    std::function<MakeSubject(const Scenario& scenario)> subject_of) {
  simulator.make = [others = std::move(simulator.make),
                    subject_of = std::move(subject_of)](
                       const RunOptions& options,
                       const Tape* replay) -> std::unique_ptr<Simulation> {
    if (options.scenario.empty()) return others(options, replay);
    const absl::StatusOr<Scenario> scenario = ParseScenario(options.scenario);
    CHECK(scenario.ok()) << scenario.status().ToString();
    return std::make_unique<ScenarioRun>(
        *scenario,
        ScenarioRunOptions{.seed = options.seed,
                           .keep_trace = options.keep_trace,
                           .message_key = EnvelopeKey,
                           .message_text = MessageText},
        replay, subject_of(*scenario));
  };
  simulator.options_of_tape =
      [others = std::move(simulator.options_of_tape),
       simulated = simulator.simulated](
          const Tape& tape) -> absl::StatusOr<RunOptions> {
    const std::string* const text = tape.Parameter(ScenarioRun::kParameter);
    if (text == nullptr) return others(tape);
    if (tape.parameters.size() > 1) {
      return absl::InvalidArgumentError(
          "a tape of a scenario has no other parameter");
    }
    const absl::StatusOr<Scenario> scenario = ParseScenario(*text);
    if (!scenario.ok()) return scenario.status();
    const absl::Status fits = CheckScenario(simulated, *scenario);
    if (!fits.ok()) return fits;
    return RunOptions{.seed = tape.seed, .scenario = *text};
  };
  return simulator;
}

}  // namespace quorate::sim
