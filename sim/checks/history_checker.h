// sim/checks/history_checker.h: checks that what clients observed is
// linearizable (lincheck/).
//
// Where the logs are known, their order is a certificate, and needs no search.
// The recorder checks writes and reads by it at once, and this checker the
// removals of every key at the end.
//
// Beside that an online checker searches for an order during the run, from the
// observations of clients alone. It gives up keys whose search becomes too
// expensive. At the end those keys are searched again, with the outcomes and
// the order that the logs show.
#ifndef QUORATE_SIM_CHECKS_HISTORY_CHECKER_H_
#define QUORATE_SIM_CHECKS_HISTORY_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/online/online.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class HistoryChecker {
 public:
  // A committed removal of a key.
  struct Removal {
    uint8_t function = 0;
    SimTime time;
    // Its place among all committed commands.
    lincheck::StateVersion order = 0;
    lincheck::Value result;
    // Some returned operation is explained by this removal.
    bool claimed = false;
  };

  // The record of what clients did.
  class Source {
   public:
    virtual const std::vector<std::string>& keys() const = 0;
    // Whether the source observes the logs.
    virtual bool watches_log() const = 0;
    // The history of one key as clients know it, or also with what the logs
    // show.
    virtual lincheck::History HistoryOf(const std::string& key,
                                        bool with_logs) const = 0;
    // The removals of a key that returned. No unique value identifies them in
    // the log.
    virtual std::vector<lincheck::Operation> RemovalsOf(
        const std::string& key) const = 0;
    // The committed removals of a key, in order.
    virtual std::vector<Removal> CommittedRemovalsOf(
        const std::string& key) const = 0;

    // "executed twice: …" if that explains why the history of a key is not
    // linearizable; otherwise an empty string.
    virtual std::string ExecutedTwice(const std::string& key) const = 0;

   protected:
    ~Source() = default;
  };

  using Report = absl::AnyInvocable<void(std::string)>;
  // The cost of the searches for each key. Beyond it only the order of the log
  // decides.
  struct Budget {
    lincheck::OnlineOptions online = {.configurations_max = 1'000,
                                      .nodes_max = 10'000};
    uint64_t nodes_max = 20'000;
  };

  // Calls `violate` with each violation in words, once for each key. The first
  // one has a minimal counter-example. `model` and `source` outlive this
  // object.
  HistoryChecker(const lincheck::Model& model, const Budget& budget,
                 Report violate, const Source* source);

  // Takes the operations. Call ReportNewViolations after each change.
  lincheck::OnlineChecker& online() { return online_; }
  const lincheck::OnlineChecker& online() const { return online_; }
  void ReportNewViolations();
  // No operation is open any more: checks what is left.
  void Finish();

  // The number of keys for which Finish gave up the search, too. Where the
  // source observes the logs, their order alone decided these keys.
  uint64_t given_up() const { return given_up_; }

 private:
  void CheckGivenUp();
  void CheckRemovals(const std::string& key);

  const lincheck::Model& model_;
  const Budget budget_;
  Report violate_;
  const Source* const source_;
  lincheck::OnlineChecker online_;
  // How many violations of the online checker were reported.
  size_t reported_ = 0;
  uint64_t given_up_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_HISTORY_CHECKER_H_
