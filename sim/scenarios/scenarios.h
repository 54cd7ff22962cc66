// sim/scenarios/scenarios.h: short runs of a simulated cluster that are told as
// stories. They show a write, a failover, a partition, and slots that move.
//
//   ./bazelw run -c opt //:simulate -- run --scenario partition --narrate
#ifndef QUORATE_SIM_SCENARIOS_SCENARIOS_H_
#define QUORATE_SIM_SCENARIOS_SCENARIOS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace quorate::sim {

struct ScenarioOptions {
  std::string name;
  uint64_t seed = 1;  // Draws the times of elections and links.
  // Gets each line of the story. Null: it is not told.
  std::function<void(const std::string& line)> print;
};

// "replication", …
std::vector<std::string> ScenarioNames();
// Returns why the run did not end as it should, which includes violations that
// checkers found. Empty: it did. Requires: the name is one of ScenarioNames().
std::string RunScenario(const ScenarioOptions& options);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCENARIOS_SCENARIOS_H_
