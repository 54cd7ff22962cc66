#include "sim/run/run_options.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "sim/choices/tape.h"
#include "sim/harness/harness.h"
#include "sim/harness/tape_parameters.h"

namespace quorate::sim {

FixedShape RunOptions::ShapeOfRun() const {
  FixedShape fixed = shape;
  fixed.members_stay = !faults || !without.empty();
  return fixed;
}

bool RunOptions::ClientsFail() const {
  const auto off = [this](FaultFamily family) {
    return std::find(without.begin(), without.end(), family) != without.end();
  };
  return faults && !off(FaultFamily::kProcessCrash) &&
         !off(FaultFamily::kPause);
}

absl::StatusOr<RunOptions> OptionsOfTape(const Tape& tape) {
  RunOptions options;
  TapeParameters parameters(tape);
  const auto shape = [&](std::string_view key, uint32_t most,
                         std::optional<uint32_t>* value) {
    const int64_t number = parameters.Number(key, 1, 1, most);
    if (parameters.Has(key)) *value = static_cast<uint32_t>(number);
  };
  shape("nodes", RunOptions::kNodesMax, &options.shape.nodes);
  shape("groups", RunOptions::kGroupsMax, &options.shape.groups);
  shape("clients", RunOptions::kClientsMax, &options.shape.clients);
  shape("operations_per_second", RunOptions::kRateMax,
        &options.shape.operations_per_second);
  shape("keys", RunOptions::kKeysMax, &options.shape.keys);
  options.shape.defaults = parameters.Number("defaults", 0, 0, 1) != 0;
  options.shape.members = parameters.Number("members", 0, 0, 1) != 0;
  HarnessOptions harness;
  ReadOptions(parameters, &harness);
  const absl::Status status = parameters.Finish();
  if (!status.ok()) return status;
  options.seed = tape.seed;
  options.duration = harness.duration;
  options.faults = harness.faults;
  options.without = std::move(harness.without);
  return options;
}

std::string ReplayLine(const RunOptions& options, std::string_view program) {
  std::string line =
      absl::StrCat(std::string(program), " run --seed ", options.seed);
  const auto add = [&](std::string_view flag, std::optional<uint32_t> value) {
    if (value.has_value()) {
      absl::StrAppend(&line, " --", std::string(flag), " ", *value);
    }
  };
  add("nodes", options.shape.nodes);
  add("groups", options.shape.groups);
  add("clients", options.shape.clients);
  add("rate", options.shape.operations_per_second);
  add("keys", options.shape.keys);
  if (options.shape.defaults) absl::StrAppend(&line, " --defaults");
  if (options.shape.members) absl::StrAppend(&line, " --members");
  if (options.duration.has_value()) {
    absl::StrAppend(&line, " --duration ", options.duration->ms(), "ms");
  }
  if (!options.faults) absl::StrAppend(&line, " --no-faults");
  if (!options.without.empty()) {
    absl::StrAppend(&line, " --without ", FaultFamilyNames(options.without));
  }
  return line;
}

}  // namespace quorate::sim
