#include "tests/schedules.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "sim/harness/report.h"
#include "sim/run/run.h"
#include "sim/tools/arguments.h"
#include "sim/tools/files.h"
#include "sim/tools/worker.h"

namespace quorate {
namespace {

uint64_t Environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

}  // namespace

int RunSchedules(int argc, char** argv, const Schedules& schedules) {
  uint64_t first = 1;
  uint64_t last = schedules.count;
  bool chosen = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string flag = "--seeds=";
    if (argument.rfind(flag, 0) != 0 ||
        !sim::ParseSeeds(argument.substr(flag.size()), &first, &last).ok()) {
      std::fprintf(stderr, "expected --seeds=A..B, found '%s'\n", argv[i]);
      return 2;
    }
    chosen = true;
  }
  if (!chosen) {
    const uint64_t run = Environment("TEST_RUN_NUMBER", 0);
    const uint64_t skip = run == 0 ? 0 : (run - 1) * schedules.count;
    first += skip;
    last += skip;
  }
  // Each shard of Bazel runs a range of its own.
  const uint64_t shards = Environment("TEST_TOTAL_SHARDS", 1);
  const uint64_t shard = Environment("TEST_SHARD_INDEX", 0);
  if (const char* status = std::getenv("TEST_SHARD_STATUS_FILE")) {
    sim::CanWriteFile(status);  // Creates it.
  }
  const uint64_t count = last - first + 1;
  const uint64_t begin = first + count * shard / shards;
  const uint64_t end = first + count * (shard + 1) / shards;
  if (begin == end) return 0;
  std::printf("seeds %llu..%llu\n", static_cast<unsigned long long>(begin),
              static_cast<unsigned long long>(end - 1));
  bool clean = true;
  for (const bool defaults : {false, true}) {
    if (defaults && !schedules.defaults) continue;
    sim::SwarmOptions options{
        .first_seed = begin,
        .last_seed = defaults ? begin + (end - begin - 1) / 4 : end - 1};
    options.run.shape.defaults = defaults;
    options.run.shape.members = schedules.members;
    options.on_report = [&options, &schedules](const sim::RunReport& report,
                                               const sim::SwarmReport&) {
      if (report.ok()) return;
      sim::RunOptions failing = options.run;
      failing.seed = report.seed;
      std::printf("FAILED %s  replay: %s\n", FormatReport(report).c_str(),
                  ReplayLine(failing, schedules.simulator.program).c_str());
      std::fflush(stdout);
    };
    const sim::SwarmReport swarm = sim::RunSwarm(schedules.simulator, options);
    std::printf("%s", FormatSwarm(swarm).c_str());
    clean = clean && swarm.failing_seeds.empty();
  }
  return clean ? 0 : 1;
}

}  // namespace quorate
