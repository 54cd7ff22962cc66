// sim/harness/harness.h: one random run of a subject: faults, then progress,
// then a loss of power, with a tape that repeats it.
//
//   Harness harness({.seed = 7});
//   MySubject subject(&harness.world());
//   harness.Execute(subject);
//   for (const std::string& violation : harness.Violations()) …
//
// The phases: for the duration clients work, and for its first seven eighths
// faults hit the nodes. Then a random majority of each group is healed, or as
// many nodes as the subject's FaultBudget says, for good after a few more
// faults. All open operations must end, and the healed replicas must agree.
// Then all nodes are healed, and must agree. At the end all machines lose power
// at once and start again. The run stops at the first violation.
#ifndef QUORATE_SIM_HARNESS_HARNESS_H_
#define QUORATE_SIM_HARNESS_HARNESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/time.h"
#include "sim/checks/state_witness.h"
#include "sim/choices/tape.h"
#include "sim/harness/subject.h"
#include "sim/harness/tape_parameters.h"
#include "sim/schedule/schedule.h"
#include "sim/schedule/schedule_options.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct HarnessOptions {
  static constexpr Duration kDurationMax = Seconds(7 * 24 * 3600);

  uint64_t seed = 1;
  std::optional<Duration> duration{};  // How long clients work. Empty: drawn.
  bool faults = true;
  // Families of faults that are never on.
  std::vector<FaultFamily> without{};
  // Keeps the tape (Harness::tape).
  bool record = false;
  // Keeps one record per hashed event (World::trace).
  bool keep_trace = false;
  // The place of states that differed in a run of the same choices, which this
  // run explains (Subject::Explain). None: it explains nothing.
  StatePlace explain{};
  // See WorldOptions.
  uint64_t (*message_key)(std::string_view message) = nullptr;
  std::string (*message_text)(std::string_view message) = nullptr;
};

class Harness {
 public:
  explicit Harness(HarnessOptions options, const Tape* replay = nullptr);
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  World& world() { return world_; }
  const World& world() const { return world_; }
  // The values of HarnessOptions::duration that a run may draw.
  static std::vector<Duration> DrawnDurations();
  const HarnessOptions& options() const { return options_; }
  Duration duration() const { return duration_; }
  // The families of faults that runs of the subject may have, drawn or not. All
  // of them until faults are planned.
  const std::vector<FaultFamily>& possible_families() const {
    return possible_families_;
  }
  // Whether the family of faults was drawn for the run.
  bool on(FaultFamily family) const {
    return schedule_.has_value() && schedule_->on(family);
  }
  // The violation that ended the run. Later violations of one turn follow from
  // it, and are left out.
  std::vector<std::string> Violations() const;
  // Runs all phases. Call it once. The subject must not outlive the harness.
  void Execute(Subject& subject);
  // The tape of the run so far. Requires: record or replay.
  Tape tape() const;

 private:
  bool violated() const { return !world_.violations().empty(); }
  void PlanFaults(Subject& subject, ScheduleOptions options);
  // Runs until the conditions of the stage are met.
  void Settle(Subject& subject, Stage stage);
  // Waits until all clients are idle, then carries out the probes.
  void Probe(Subject& subject, Stage stage);
  void LosePower(Subject& subject);
  bool LosesPower() const;

  const HarnessOptions options_;
  World world_;
  const Duration duration_;
  std::optional<Schedule> schedule_;  // Empty without faults.
  std::vector<FaultFamily> possible_families_ = OtherFaultFamilies({});
  std::vector<MachineId> nodes_;
  bool power_loss_ = true;  // FaultBudget::power_loss of the subject.
};

// Reads the options that Harness::tape wrote.
void ReadOptions(TapeParameters& parameters, HarnessOptions* options);

// The outcome of one run, for a loop over seeds.
struct HarnessResult {
  uint64_t seed = 0;
  std::vector<std::string> violations;
  std::string trace_hash;
  Duration virtual_time;
  uint64_t events = 0;
  std::string summary;  // The subject's.
  std::string tape;     // As text.
  bool ok() const { return violations.empty(); }
};
using MakeSubject = std::function<std::unique_ptr<Subject>(World& world)>;

// Runs one seed, recorded. If replicas have different states, it runs the seed
// again for a violation that explains them.
HarnessResult RunSeed(const HarnessOptions& options, const MakeSubject& make);
// Repeats the run of a tape. kInvalidArgument: the tape cannot be read.
absl::StatusOr<HarnessResult> Replay(std::string_view tape,
                                     const MakeSubject& make);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_HARNESS_H_
