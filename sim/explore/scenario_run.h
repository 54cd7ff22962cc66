// sim/explore/scenario_run.h: one execution of a scenario: a subject without
// latencies, whose next event is a choice from some moment on.
#ifndef QUORATE_SIM_EXPLORE_SCENARIO_RUN_H_
#define QUORATE_SIM_EXPLORE_SCENARIO_RUN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/explore/scenario.h"
#include "sim/harness/harness.h"
#include "sim/harness/report.h"
#include "sim/harness/simulation.h"
#include "sim/harness/subject.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct ScenarioRunOptions {
  uint64_t seed = 1;
  bool keep_trace = false;
  uint64_t (*message_key)(std::string_view message) = nullptr;
  std::string (*message_text)(std::string_view message) = nullptr;
};

class ScenarioRun final : public Simulation {
 public:
  // The parameter of a tape that has the scenario.
  static constexpr std::string_view kParameter = "scenario";
  // The beginning of a violation that says that the subject cannot run it.
  static constexpr std::string_view kUnfit = "scenario: ";

  // Without a tape, all choices are the default.
  ScenarioRun(const Scenario& scenario, const ScenarioRunOptions& options,
              const Tape* replay, const MakeSubject& make);

  // Simulation.
  void SetBranchHook(BranchHook hook) override { hook_ = std::move(hook); }
  void SetLogSink(env::Severity severity, LogSink sink) override {
    world_.SetLogSink(severity, std::move(sink));
  }
  RunReport Execute() override;
  RunReport Current() const override;
  std::string History() const override { return subject_->History(); }
  Tape tape() const override;
  const std::vector<TraceRecord>& trace() const override {
    return world_.trace();
  }
  const std::vector<Observation>& observations() const override {
    return world_.observations();
  }
  std::vector<std::string> machine_names() const override {
    return world_.names();
  }

 private:
  // False: the subject does not fit, or cannot be started.
  bool Begin();
  bool Ended();
  // It did not end.
  void CutOff();
  bool violated() const { return !world_.violations().empty(); }

  const Scenario scenario_;
  World world_;
  const std::unique_ptr<Subject> subject_;
  BranchHook hook_;
  std::vector<Subject::Condition> conditions_;
  bool is_known_ = false;  // The hook stopped it.
  uint64_t first_term_ = 0;
  bool cut_off_ = false;
  std::string end_ = "it did not begin";
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_EXPLORE_SCENARIO_RUN_H_
