// lincheck/online/online.h: checks a history while it happens.
//
// Operations are fed as they are invoked and as they complete. For each
// partition the checker keeps every configuration that explains the returns so
// far: a state, and the open operations already placed. The return of an
// operation keeps only configurations in which it has taken effect. It is
// checked once time has passed it and all operations invoked no later have
// ended, by the next call for its partition. If the returns up to there have no
// order, the partition is wrong for ever. It is never wrong while the
// operations so far have an order.
//
// Memory is bounded by operations and by the states that they may have made.
// The operations are open, of unknown outcome, or returned beside an open one.
// If the hooks of a model are not tested, Step() alone is asked. States of such
// a model may hold values, so all their strings are kept, too.
#ifndef QUORATE_LINCHECK_ONLINE_ONLINE_H_
#define QUORATE_LINCHECK_ONLINE_ONLINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/decide/steps.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

struct OnlineOptions {
  // Configurations kept for one partition; beyond it that partition is given up
  // as kUnknown.
  size_t configurations_max = 20'000;
  // Model steps for one return; beyond it the partition is given up as
  // kUnknown.
  uint64_t nodes_max = 2'000'000;
  // Operations kept for one partition; beyond it the partition is given up as
  // kUnknown.
  size_t operations_max = 10'000;
};

// Why a partition is not linearizable.
struct OnlineViolation {
  std::string partition;
  Operation operation;  // Its values are valid as long as the checker.
  std::string reason;
};

class OnlineChecker {
 public:
  // Names an operation that was invoked and has not ended.
  struct Ticket {
    uint32_t partition = 0;
    uint64_t operation = 0;
  };

  // `model` must outlive the checker.
  explicit OnlineChecker(const Model& model, OnlineOptions options = {});
  ~OnlineChecker();
  OnlineChecker(const OnlineChecker&) = delete;
  OnlineChecker& operator=(const OnlineChecker&) = delete;

  // Times never fall from one call to the next. Of `call` client, function,
  // argument and expected count; values are copied.
  Ticket Invoke(std::string_view partition, Time now, const Operation& call);
  // Each ticket ends once, in one of these ways.
  void Return(Ticket ticket, Time now, Value result);
  void LeaveUnknown(Ticket ticket, Time now);
  void Withdraw(Ticket ticket, Time now);  // It certainly did not take effect.
  // No more calls will come. Open operations get an unknown outcome.
  void Finish();

  // kUnknown: some partition was given up and the others are right.
  Result result() const;
  const std::vector<OnlineViolation>& violations() const { return violations_; }
  size_t given_up() const { return given_up_; }
  // Whether this partition was.
  bool given_up(std::string_view partition) const;
  size_t partitions() const { return partitions_.size(); }
  uint64_t judged() const { return judged_; }  // Returns.
  // Counts of all partitions together.
  size_t configurations() const;
  size_t operations() const;
  size_t size_bytes() const;

 private:
  class Partition;

  void Drain(Partition& partition, Time now);
  void GiveUp(Partition& partition);

  const StepModel steps_;
  const Model& model_;  // The one that is asked.
  const OnlineOptions options_;
  std::map<std::string, uint32_t, std::less<>> numbers_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::vector<OnlineViolation> violations_;
  ValueArena kept_;  // Values of violations.
  size_t given_up_ = 0;
  uint64_t judged_ = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_ONLINE_ONLINE_H_
