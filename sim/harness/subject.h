// sim/harness/subject.h: what a Harness tests: programs on machines, their
// clients, and checkers of both.
#ifndef QUORATE_SIM_HARNESS_SUBJECT_H_
#define QUORATE_SIM_HARNESS_SUBJECT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/time.h"
#include "sim/checks/state_witness.h"
#include "sim/choices/choices.h"
#include "sim/schedule/schedule.h"
#include "sim/schedule/schedule_options.h"
#include "sim/world/world.h"

namespace quorate::sim {

// The last part of a run, in order.
enum class Stage : uint8_t {
  kMajorities,  // A majority of each group works, for good.
  kAll,         // All nodes work.
  kPowerLoss,   // All machines lost power at once and started again.
};

class Subject {
 public:
  // A condition that holds in a stage, sooner or later.
  struct Condition {
    std::string what;  // "agreement of all replicas".
    absl::AnyInvocable<bool()> met;
    // How much of the work is done. While it grows, more time is given.
    absl::AnyInvocable<uint64_t()> progress = [] { return uint64_t{0}; };
  };
  // Operations that the clients execute in a stage. The harness calls `begin`,
  // and requires that all clients become idle.
  struct Probe {
    std::string what;  // "reading every key".
    absl::AnyInvocable<void()> begin;
    Duration pause{};  // Nothing is requested for this long before.
    // Like that of a condition.
    absl::AnyInvocable<uint64_t()> progress = [] { return uint64_t{0}; };
  };

  // The number of nodes, if the subject has no reason for another one. A run of
  // a scenario has it on its tape.
  static constexpr ChoiceSite kNodes = "subject.nodes";

  virtual ~Subject() = default;

  // Called before Start. A run of the same choices found states at this place
  // that differ. The violation of this run explains them, if the subject can.
  virtual void Explain(const StatePlace& place) { (void)place; }
  // Where the states of two replicas differed first. None: nowhere.
  virtual StatePlace diverged() const { return {}; }
  // How often each rule was evaluated, also those that were not, by names
  // without a space.
  virtual std::map<std::string, uint64_t> Checks() const { return {}; }
  // Adds all machines and starts their programs. Returns the machines and what
  // faults may do to them; the harness adds the length and the families.
  virtual ScheduleOptions Start() = 0;
  // Called before the first fault, when the families are drawn. The schedule
  // outlives the run.
  virtual void OnScheduled(const Schedule& schedule) { (void)schedule; }
  // Called after every turn of a machine.
  virtual void AfterTurn(MachineId machine) { (void)machine; }

  // Clients begin no further operation by themselves.
  virtual void StopClients() = 0;
  // These nodes must work from now on. The later stages concern them.
  virtual void OnHealed(const std::vector<MachineId>& nodes) { (void)nodes; }
  // Whether no client has an open operation.
  virtual bool ClientsIdle() const = 0;
  // How much work has ended. While the number grows, operations that were
  // issued before the clients stopped get more time.
  virtual uint64_t FinishedWork() const { return 0; }
  virtual std::vector<Probe> Probes(Stage stage) = 0;
  virtual std::vector<Condition> Conditions(Stage stage) = 0;
  // Compares the states of all replicas. The conditions of the stage hold.
  virtual void CompareReplicas() {}
  // Reports what only a whole history shows.
  virtual void Finish() = 0;
  // A line about the work that was done, for reports.
  virtual std::string Summary() const { return ""; }
  // The history of clients as lines of JSON that //lincheck reads. Empty: the
  // subject keeps none.
  virtual std::string History() const { return ""; }
  // The open work, for a violation of liveness.
  virtual std::string Describe() const = 0;

  // ---- For runs of a scenario (sim/explore).
  // Call it before Start. Clients and operators then do these steps alone, from
  // BeginScript on. They do each as soon as it is possible. kInvalidArgument
  // names a step that the subject does not know.
  virtual absl::Status SetScript(const std::vector<std::string>& steps) {
    if (steps.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("the subject knows no step '" +
                                      steps.front() + "'");
  }
  virtual void BeginScript() {}
  virtual bool ScriptIsDone() const { return true; }
  // See DigestOfMachine.
  virtual std::optional<uint64_t> DigestOf(MachineId machine) const {
    if (machine == MachineId()) return 0;
    return std::nullopt;
  }
  // The highest term of all replicas.
  virtual uint64_t term() const { return 0; }
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_SUBJECT_H_
