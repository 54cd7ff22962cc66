// simulate: runs a cluster in a deterministic simulation. See `simulate
// --help`.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "env/program/program.h"
#include "sim/scenarios/scenarios.h"
#include "sim/tools/simulate_main.h"
#include "sim/tools/store_simulator.h"

namespace {

// run --scenario NAME [--seed N] [--narrate]. Nullopt: that is wrong.
std::optional<quorate::sim::ScenarioOptions> ParseScenario(
    const std::vector<std::string>& words) {
  quorate::sim::ScenarioOptions options;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--narrate") {
      options.print = [](const std::string& line) {
        std::printf("%s\n", line.c_str());
      };
      continue;
    }
    const std::string& flag = words[i++];
    if (i == words.size()) return std::nullopt;
    const std::string& value = words[i];
    if (flag == "--scenario") {
      options.name = value;
    } else if (flag != "--seed" ||
               std::from_chars(value.data(), value.data() + value.size(),
                               options.seed)
                       .ptr != value.data() + value.size()) {
      return std::nullopt;
    }
  }
  const std::vector<std::string> names = quorate::sim::ScenarioNames();
  if (std::ranges::count(names, options.name) == 0) return std::nullopt;
  return options;
}

int RunScenario(const std::vector<std::string>& words) {
  const auto options = ParseScenario(words);
  if (!options.has_value()) {
    std::string names;
    for (const std::string& name : quorate::sim::ScenarioNames()) {
      names += (names.empty() ? "" : "|") + name;
    }
    std::fprintf(
        stderr, "simulate: expected run --scenario %s [--seed N] [--narrate]\n",
        names.c_str());
    return 2;
  }
  const std::string failures = quorate::sim::RunScenario(*options);
  std::fprintf(stderr, "%s", failures.c_str());
  if (!failures.empty()) return 1;
  std::printf("%s, seed %llu: it ended as it should%s\n", options->name.c_str(),
              static_cast<unsigned long long>(options->seed),
              options->print ? "" : "; --narrate tells the story");
  return 0;
}

int Main(const std::vector<std::string>& words) {
  if (!words.empty() && words[0] == "run" &&
      std::ranges::count(words, "--scenario") > 0) {
    return RunScenario(words);
  }
  return quorate::sim::SimulateMain(quorate::sim::StoreSimulator(), words);
}

}  // namespace

int main(int argc, char** argv) {
  return quorate::RunProgram(argc, argv, [&] {
    return Main(std::vector<std::string>(argv + 1, argv + argc));
  });
}
