// bench/sim.cc: the cost of simulated runs, by the standard seed.
//
//   ./bazelw run -c opt //bench:sim -- --seeds 1..100 --json out.json
//
// The standard seed N is this run, whose faults and requests the seed draws:
//   simulate run --seed N --nodes (3 + N mod 3) --rate 10 --duration 43s
//     --defaults
// That is about 60 simulated seconds with 500 operations, faults and all
// checkers. The healing, the calm and a loss of power follow the duration. The
// settings are the defaults, so a new setting that swarms draw does not change
// the cost. --drawn measures runs as swarms draw them. Times
// are processor time of this process, which has one thread. A median is over
// the seeds; other figures are sums over all seeds.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/figures.h"
#include "sim/run/run.h"
#include "sim/tools/pool_allocator.h"

namespace quorate::bench {
namespace {

sim::RunOptions StandardSeed(uint64_t seed) {
  return {.seed = seed,
          .shape = {.nodes = static_cast<uint32_t>(3 + seed % 3),
                    .operations_per_second = 10,
                    .defaults = true},
          .duration = Seconds(43)};
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

// Sums over all seeds, and the time of each.
struct Totals {
  std::vector<double> seed_ms;
  double seconds = 0;
  double simulated_seconds = 0;
  uint64_t events = 0;
  uint64_t core_steps = 0;
  uint64_t operations = 0;
  uint64_t allocations = 0;
  std::map<std::string, uint64_t> events_by_kind;
};

// False: the run found a violation.
bool Measure(const sim::RunOptions& options, Totals* totals) {
  const uint64_t allocations_before = sim::Allocations();
  const double start = CpuSeconds();
  sim::RunReport report;
  {
    sim::Run run(options);
    report = run.Execute();
  }
  const double seconds = CpuSeconds() - start;
  totals->allocations += sim::Allocations() - allocations_before;
  totals->seed_ms.push_back(seconds * 1e3);
  totals->seconds += seconds;
  totals->simulated_seconds +=
      static_cast<double>(report.virtual_time.ms()) / 1e3;
  totals->events += report.events;
  totals->core_steps += report.core_steps;
  totals->operations += report.operations;
  for (const auto& [kind, count] : report.events_by_kind) {
    totals->events_by_kind[kind] += count;
  }
  for (const std::string& violation : report.violations) {
    std::fprintf(stderr, "%s\n  violation: %s\n",
                 sim::ReplayLine(options).c_str(), violation.c_str());
  }
  return report.ok();
}

std::vector<Figure> FiguresOf(const Totals& totals) {
  const auto number = [](uint64_t count) { return static_cast<double>(count); };
  const double seeds = number(totals.seed_ms.size());
  std::vector<Figure> figures = {
      {"standard_seed_ms", MedianOf(totals.seed_ms), "ms"},
      {"standard_seed_mean_ms", totals.seconds * 1e3 / seeds, "ms"},
      {"events_per_second", number(totals.events) / totals.seconds, "1/s"},
      {"core_steps_per_second", number(totals.core_steps) / totals.seconds,
       "1/s"},
      {"operations_per_second", number(totals.operations) / totals.seconds,
       "1/s"},
      {"allocations_per_event",
       number(totals.allocations) / number(totals.events), "1"},
      {"simulated_seconds_per_seed", totals.simulated_seconds / seeds, "s"},
      {"operations_per_seed", number(totals.operations) / seeds, "1"},
      {"events_per_seed", number(totals.events) / seeds, "1"}};
  for (const auto& [kind, count] : totals.events_by_kind) {
    figures.push_back(
        {absl::StrCat("events_", kind), number(count) / seeds, "1/seed"});
  }
  return figures;
}

int Main(uint64_t first, uint64_t last, bool drawn, const std::string& json) {
  Totals totals;
  bool clean = true;
  for (uint64_t seed = first; seed <= last; ++seed) {
    sim::RunOptions options = StandardSeed(seed);
    if (drawn) options.shape = {};
    clean &= Measure(options, &totals);
  }
  const std::vector<Figure> figures = FiguresOf(totals);
  std::fputs(FiguresText(figures).c_str(), stdout);
  if (!json.empty()) {
    std::ofstream file(json);
    file << FiguresJson(figures);
    file.close();
    if (!file) {
      std::fprintf(stderr, "cannot write %s\n", json.c_str());
      return 1;
    }
  }
  return clean ? 0 : 1;
}

// "1..100" or "7". False: `text` is no range.
bool ParseRange(const std::string& text, uint64_t* first, uint64_t* last) {
  const size_t dots = text.find("..");
  const std::string end =
      dots == std::string::npos ? text : text.substr(dots + 2);
  return absl::SimpleAtoi(text.substr(0, dots), first) &&
         absl::SimpleAtoi(end, last) && *first <= *last;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  CLI::App app("Measures simulated runs.");
  std::string seeds = "1..100";
  std::string json;
  bool drawn = false;
  app.add_option("--seeds", seeds, "The seeds, such as 1..100")
      ->capture_default_str();
  app.add_flag("--drawn", drawn,
               "Runs whose whole shape is drawn, instead of the standard seed");
  app.add_option("--json", json, "Write the results to this file");
  CLI11_PARSE(app, argc, argv);
  uint64_t first = 0;
  uint64_t last = 0;
  if (!quorate::bench::ParseRange(seeds, &first, &last)) {
    std::fprintf(stderr, "--seeds: expected a range such as 1..100\n");
    return 2;
  }
  if (!json.empty()) json = quorate::bench::FromUsersFolder(json);
  return quorate::bench::Main(first, last, drawn, json);
}
