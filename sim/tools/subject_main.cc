#include "sim/tools/subject_main.h"

#include <memory>
#include <utility>
#include <vector>

#include "env/program/program.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/harness/report.h"
#include "sim/harness/simulation.h"
#include "sim/run/run_options.h"
#include "sim/tools/arguments.h"
#include "sim/tools/scenario_simulator.h"
#include "sim/tools/simulate_main.h"
#include "sim/tools/simulator.h"

namespace quorate::sim {
namespace {

// One run of a subject.
class SubjectRun final : public Simulation {
 public:
  SubjectRun(HarnessOptions options, const Tape* replay,
             const MakeSubject& make)
      : harness_(std::move(options), replay),
        subject_(make(harness_.world())) {}

  void SetLogSink(env::Severity severity, LogSink sink) override {
    harness_.world().SetLogSink(severity, std::move(sink));
  }
  RunReport Execute() override {
    harness_.Execute(*subject_);
    return Current();
  }
  RunReport Current() const override {
    RunReport report = ReportOf(harness_);
    report.summary = subject_->Summary();
    report.diverged = subject_->diverged();
    report.checks = subject_->Checks();
    if (report.summary.empty()) report.summary = "no summary of the subject";
    return report;
  }
  std::string History() const override { return subject_->History(); }
  Tape tape() const override { return harness_.tape(); }
  const std::vector<TraceRecord>& trace() const override {
    return harness_.world().trace();
  }
  const std::vector<Observation>& observations() const override {
    return harness_.world().observations();
  }
  std::vector<std::string> machine_names() const override {
    return harness_.world().names();
  }

 private:
  Harness harness_;
  const std::unique_ptr<Subject> subject_;
};

HarnessOptions HarnessOptionsOf(const RunOptions& options) {
  return {.seed = options.seed,
          .duration = options.duration,
          .faults = options.faults,
          .without = options.without,
          .record = options.record,
          .keep_trace = options.keep_trace,
          .explain = options.explain};
}

absl::StatusOr<RunOptions> OptionsOfSubjectTape(const Tape& tape) {
  TapeParameters parameters(tape);
  HarnessOptions harness;
  ReadOptions(parameters, &harness);
  const absl::Status status = parameters.Finish();
  if (!status.ok()) return status;
  return RunOptions{.seed = tape.seed,
                    .duration = harness.duration,
                    .faults = harness.faults,
                    .without = std::move(harness.without)};
}

}  // namespace

Simulator SubjectSimulator(std::string program, const MakeSubject& make) {
  return WithScenarios(
      {.program = std::move(program),
       .simulated = Simulated::kSubject,
       .make =
           [make](const RunOptions& options, const Tape* replay) {
             return std::make_unique<SubjectRun>(HarnessOptionsOf(options),
                                                 replay, make);
           },
       .options_of_tape = OptionsOfSubjectTape},
      [make](const Scenario&) { return make; });
}

int SubjectMain(int argc, char** argv, const MakeSubject& make) {
  return RunProgram(argc, argv, [&] {
    return SimulateMain(SubjectSimulator(argv[0], make),
                        std::vector<std::string>(argv + 1, argv + argc));
  });
}

}  // namespace quorate::sim
