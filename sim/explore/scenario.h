// sim/explore/scenario.h: a small system, a script for it, and the faults of
// which a search tries all (docs/testing/explore.md).
//
//   # Two operators remove two nodes at once.
//   nodes 4
//   begin led
//   do remove 4
//   do remove 3
//   cuts 2
//   time 2s
//
// A line has a word and a value. On one line, as in a tape, semicolons separate
// them.
#ifndef QUORATE_SIM_EXPLORE_SCENARIO_H_
#define QUORATE_SIM_EXPLORE_SCENARIO_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/world/branches.h"

namespace quorate::sim {

struct Scenario {
  // When the search begins: once all nodes have started, or once they agree on
  // a leader, too.
  enum class Begin : uint8_t { kFounded, kLed };

  // The system that is simulated: a register that is a raft::StateMachine, or
  // the store, with two groups and a controller. A program of one's own has its
  // own.
  enum class System : uint8_t { kRegister, kStore };

  System system = System::kRegister;
  uint32_t nodes = 3;
  Begin begin = Begin::kFounded;
  // The deeds of clients and operators, in words of the subject, such as
  // "remove 4".
  // Each does its part as soon as it can.
  std::vector<std::string> steps;
  BranchOptions faults;  // Without its nodes.
  // An execution ends when so many new terms have begun in some group. 0: not
  // for that.
  uint32_t terms = 0;
  // It ends after so much simulated time.
  Duration time = Seconds(2);
  // It must end before that: all steps are done, and all nodes agree.
  bool end_required = false;
};

// The names of the scenarios that are built in.
std::vector<std::string> ScenarioFileNames();
// Their text; empty: there is none with this name.
std::string_view ScenarioText(std::string_view name);

// kInvalidArgument has the line: "line 3: crashes: expected a number from 0 to
// 100, found 'two'".
absl::StatusOr<Scenario> ParseScenario(std::string_view text);
// On one line, for a tape, without comments.
std::string FormatScenario(const Scenario& scenario);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_EXPLORE_SCENARIO_H_
