// sim/checks/availability_checker.h: checks that a group whose majority is
// undisturbed serves its clients, also in the middle of a run.
//
// The caller reports each attempt of an operation, and asks from time to time.
// An operation is overdue if it has waited for the bound without an excuse. The
// excuses are:
// - a fault began or ended
// - the last attempt began before the last fault
// - the last attempt went to a node that could not serve it
// - the group answered that the client must do something else first
// - the client holds it: an answer sent it elsewhere, where it was not sent
//   yet, or too many others of the client are in flight
// - another operation of its connection was answered, or one of its group that
//   was sent earlier, so it was that one's turn
// - one of its group was answered that was sent later by less than the bound: a
//   full node serves its connections in turn, many requests of each
// - an operation before it on its connection waits for such a turn
//
// Between BeginCalm and EndCalm the caller vouches that no fault is left
// anywhere. Then the time of each attempt from its turn on has a bound, and the
// 99th percentile of these times has another one. Each operation has few
// attempts, and no node may say that it cannot serve. Only the excuse of its
// turn is left.
#ifndef QUORATE_SIM_CHECKS_AVAILABILITY_CHECKER_H_
#define QUORATE_SIM_CHECKS_AVAILABILITY_CHECKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/slots/slot.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class AvailabilityChecker {
 public:
  using Operation = uint64_t;
  using Report = absl::AnyInvocable<void(std::string)>;
  using Describe = absl::AnyInvocable<std::string(Operation)>;

  // The last attempt of an operation that has not ended.
  struct Attempt {
    uint32_t client = 0;
    GroupId group;
    NodeId node;
    uint64_t connection = 0;
    SimTime sent;
    Slot slot = {};  // The group has it, or had it when the cluster began.
  };
  // The state of the cluster at a check.
  struct View {
    SimTime now;
    SimTime calm_since;  // No fault began or ended since then.
    Duration bound;
    // Whether the client reaches the node, and the node a majority of sound
    // voters of the group.
    absl::FunctionRef<bool(const Attempt&)> can_serve;
  };

  // The bounds of work while no fault is left.
  struct CalmBounds {
    Duration attempt;           // From the turn of an attempt to its answer.
    Duration p99;               // Of these times, its 99th percentile.
    uint64_t attempts_max = 0;  // Of one operation, at nodes that take writes.
    std::set<NodeId> read_only = {};
    // Nodes that need not work: attempts there have no bound.
    std::set<NodeId> excused = {};
    // When a group got its leader. During a transfer of the leadership a node
    // may refuse an attempt if a later one of its connection came first. It may
    // also do so if it holds requests for a short time.
    std::function<SimTime(GroupId)> led_since = nullptr;
    // Nodes that hold requests for a shorter time than an attempt may take.
    std::set<NodeId> impatient = {};
  };

  AvailabilityChecker(Report violate, Describe describe)
      : violate_(std::move(violate)), describe_(std::move(describe)) {}

  // Why an attempt was not served: another node or another attempt will do, or
  // the group is not available.
  enum class Refusal { kElsewhere, kUnavailable };

  // The operation was sent to a node, for the first time or again.
  void OnSent(Operation op, const Attempt& attempt);
  // The last attempt was answered, and the client will send another one.
  void OnRefused(Operation op, SimTime now, Refusal refusal);
  // The client sends it again once fewer of its operations are in flight.
  void OnHeld(Operation op, SimTime now);
  // The group answered, and the client must do something else first.
  void OnAnswered(Operation op, SimTime now);
  // The operation succeeded. Others of its connection, and later ones of its
  // group, had to wait for it.
  void OnSucceeded(Operation op, SimTime now);
  // The operation was given up.
  void OnEnded(Operation op, SimTime now);
  // From now on the bounds hold for attempts that are sent.
  void BeginCalm(const CalmBounds& bounds);
  // A request of another client was answered in the calm after this time.
  void AddCalmAnswer(Duration taken) { calm_answers_.push_back(taken); }
  // Reports the 99th percentile if it is above its bound, and refusals that no
  // transfer of a leadership explains.
  void EndCalm();
  // Reports the first operation that is overdue.
  void Check(const View& view);

  // When the last attempt of an open operation was sent.
  std::optional<SimTime> LastSent(Operation op) const {
    const auto found = open_.find(op);
    if (found == open_.end()) return std::nullopt;
    return found->second.last.sent;
  }
  // Whether two operations of one connection with the node wait for an answer
  // that were both sent before this time.
  bool HasPipeline(NodeId node, SimTime sent_before) const;

  // The longest time that an operation has waited while it should have been
  // served.
  Duration longest() const { return longest_; }
  // How often a wait was compared with the bound, and an answer without faults.
  uint64_t waits_checked() const { return waits_checked_; }
  uint64_t calm_answers_checked() const { return calm_answers_checked_; }

 private:
  struct Waiting {
    Attempt last;
    SimTime since;  // The operation should be served from this time on.
    // Until then others had their turn: of its connection, or sent earlier to
    // its group.
    SimTime others;
    // Until then any of the excuses about others.
    SimTime overtaken;
    bool calm = false;  // The last attempt was sent in the calm, and waits.
    uint64_t calm_attempts = 0;  // Those that were sent in the calm.
    uint64_t number = 0;         // Of the last attempt, among all.
    // From then on, the next attempt is the client's.
    // Connections that fail meanwhile are no attempts.
    std::optional<SimTime> held_since;
  };

  // An attempt that a transfer of the leadership may explain: one that ended
  // after the attempt was sent, and until some time.
  struct Refused {
    GroupId group;
    SimTime sent;
    SimTime until;
    std::string violation;
  };

  // It was this attempt's turn until now.
  void PassTurn(const Attempt& done, SimTime now);
  // The last attempt of the operation ended.
  void CheckCalm(Operation op, Waiting* waiting, SimTime now);

  Report violate_;
  Describe describe_;
  std::map<Operation, Waiting> open_;
  Duration overtaking_max_;
  Duration longest_;
  uint64_t waits_checked_ = 0;
  uint64_t calm_answers_checked_ = 0;
  std::optional<CalmBounds> calm_;
  std::vector<Duration> calm_answers_;  // Of attempts in this calm.
  std::vector<Refused> refused_;        // In this calm.
  uint64_t attempts_ = 0;
  // The newest attempt of a connection to a group.
  std::map<std::pair<uint64_t, GroupId>, uint64_t> newest_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_AVAILABILITY_CHECKER_H_
