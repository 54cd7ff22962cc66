// Runs the seeds FIRST..LAST of the command line in this process, one after
// the other. Each is a run of the store, and one of the counter, whose groups
// come and go. The simulate command runs each seed in a child, which ends
// without writing the counts of gcov.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "examples/counter/simulation.h"
#include "sim/harness/harness.h"
#include "sim/harness/report.h"
#include "sim/run/run.h"

int main(int argc, char** argv) {
  using namespace quorate;
  if (argc != 3) {
    std::fprintf(stderr, "usage: runs FIRST LAST\n");
    return 2;
  }
  const uint64_t last = std::strtoull(argv[2], nullptr, 10);
  for (uint64_t seed = std::strtoull(argv[1], nullptr, 10); seed <= last;
       ++seed) {
    sim::Run run({.seed = seed});
    const sim::RunReport report = run.Execute();
    std::printf("%llu %s\n", static_cast<unsigned long long>(seed),
                report.ok() ? "clean" : report.violations[0].c_str());
    const sim::HarnessResult counter =
        sim::RunSeed({.seed = seed}, examples::SimulatedCounter<>);
    if (!counter.ok()) std::printf("%s\n", counter.violations[0].c_str());
    std::fflush(stdout);
  }
  return 0;
}
