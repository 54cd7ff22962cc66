#include "sim/tools/store_simulator.h"

#include <memory>

#include "sim/run/expected_names.h"
#include "sim/run/run.h"

namespace quorate::sim {

Simulator StoreSimulator() {
  return {.program = std::string(kSimulateProgram),
          .simulated = Simulated::kStore,
          .make = [](const RunOptions& options,
                     const Tape* replay) -> std::unique_ptr<Simulation> {
            if (replay == nullptr) return std::make_unique<Run>(options);
            return std::make_unique<Run>(options, *replay);
          },
          .options_of_tape = OptionsOfTape,
          .expected_marks = kExpectedMarks,
          .expected_points = kExpectedPoints};
}

}  // namespace quorate::sim
