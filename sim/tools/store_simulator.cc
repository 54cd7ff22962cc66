#include "sim/tools/store_simulator.h"

#include <memory>

#include "sim/explore/move_subject.h"
#include "sim/explore/swap_subject.h"
#include "sim/run/expected_names.h"
#include "sim/run/run.h"
#include "sim/tools/scenario_simulator.h"

namespace quorate::sim {

Simulator StoreSimulator() {
  return WithScenarios(
      {.program = std::string(kSimulateProgram),
       .simulated = Simulated::kStore,
       .make = [](const RunOptions& options,
                  const Tape* replay) -> std::unique_ptr<Simulation> {
         if (replay == nullptr) return std::make_unique<Run>(options);
         return std::make_unique<Run>(options, *replay);
       },
       .options_of_tape = OptionsOfTape,
       .expected_marks = kExpectedMarks,
       .expected_points = kExpectedPoints},
      [](const Scenario& scenario) -> MakeSubject {
        if (scenario.system == Scenario::System::kRegister) {
          return MakeSwapSubject;
        }
        return
            [](World& world) { return std::make_unique<MoveSubject>(&world); };
      });
}

}  // namespace quorate::sim
