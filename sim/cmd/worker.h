// sim/cmd/worker.h: runs in child processes, so that a failed CHECK or a crash of the code under test is a violation like any
// other and loses nothing else.
#ifndef QUORATE_SIM_CMD_WORKER_H_
#define QUORATE_SIM_CMD_WORKER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sim/choices/tape.h"
#include "sim/run/report.h"
#include "sim/run/run.h"

namespace quorate::sim {

// What one child does.
struct Job {
  RunOptions run;
  std::optional<Tape> replay;
  std::string
      tape_out;  // Not empty: records, and writes the tape here, also when a CHECK fails.
  std::string trace_out;  // Not empty: one line for each hashed event.
  std::string
      history_out;  // Not empty: what clients did, for //lincheck, also when a CHECK fails.
  bool verbose = false;  // Log lines go to standard error.
};

// Runs it in a child process and waits. A child that dies is a violation that says how.
RunReport RunInChild(const Job& job);

struct SwarmOptions {
  RunOptions run;  // Its seed does not count.
  uint64_t first_seed = 1;
  uint64_t last_seed = 1;
  uint32_t jobs = 1;
  // Told of each run as it ends, in any order.
  std::function<void(const RunReport&, const SwarmReport&)> on_report;
};

SwarmReport RunSwarm(const SwarmOptions& options);

// Reads a whole file; nothing if that fails.
std::optional<std::string> ReadFile(const std::string& path);
// Whether a file can be written there; makes an empty one if there is none.
bool CanWriteFile(const std::string& path);
bool WriteFile(const std::string& path, const std::string& text);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CMD_WORKER_H_
