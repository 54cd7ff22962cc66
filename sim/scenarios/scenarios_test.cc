#include "sim/scenarios/scenarios.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(Scenarios, EachScenario_EndsAsItShould) {
  for (const std::string& name : ScenarioNames()) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      EXPECT_EQ(RunScenario({.name = name, .seed = seed}), "")
          << name << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace quorate::sim
