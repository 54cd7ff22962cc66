// Runs each seed of the command line in this process, in order, and prints its
// seed, hash and number of events.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "env/time.h"
#include "sim/harness/report.h"
#include "sim/run/run.h"

int main(int argc, char** argv) {
  using namespace quorate;
  for (int i = 1; i < argc; ++i) {
    const uint64_t seed = std::strtoull(argv[i], nullptr, 10);
    sim::Run run({.seed = seed, .duration = Seconds(10)});
    const sim::RunReport report = run.Execute();
    for (const std::string& violation : report.violations) {
      std::fprintf(stderr, "seed %s: %s\n", argv[i], violation.c_str());
    }
    if (!report.ok()) return 1;
    std::printf("%s %s %llu\n", argv[i], report.trace_hash.c_str(),
                static_cast<unsigned long long>(report.events));
  }
  return 0;
}
