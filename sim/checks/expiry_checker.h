// sim/checks/expiry_checker.h: checks every reply about keys that may expire
// ("t…"), exactly.
//
// The states of keys are those of CommittedStates, which has the order and log
// time of each write, and when clients could observe it first. The rules are:
// - a write returns the result that the log gives
// - a linearizable read returns one of the states that were current between its
//   invocation and its return
// - log time is never ahead of the true time, so no key expires too early
// - log time lags by no more than the clocks allow, so no read returns a key
//   that has expired. Only the clocks of the group's leaders count, each from
//   when it began to lead, and the error bounds of all nodes.
// - no read finds more time left than one that returned before it was called,
//   also under another leader
//
// The clock of a leader may have no error bound. Then log time keeps the lag
// that the leader took over, and runs as fast as its monotonic clock (Skew). It
// takes over the lag of the leader before it, the time without a leader, and
// ClockBounds::change_max at most.
//
// Nodes know in memory what neither of these two rules may lose. So the rules
// do not hold across a change of leaders if a node started shortly before it.
#ifndef QUORATE_SIM_CHECKS_EXPIRY_CHECKER_H_
#define QUORATE_SIM_CHECKS_EXPIRY_CHECKER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "raft/core/types.h"
#include "shardctrl/move.h"
#include "sim/checks/committed_states.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

// Assumptions of the checker about the clocks of all nodes.
struct ClockBounds {
  // The true wall time at virtual time zero.
  WallTime epoch{};
  // The widest error that the node's clock stated from a time on; node zero:
  // the widest of all nodes. The earliest end of its interval lags the true
  // time by at most twice this.
  absl::AnyInvocable<Duration(NodeId, SimTime)> error_bound =
      [](NodeId, SimTime) { return Milliseconds(10); };
  // The monotonic time that the node has lost from a time on, beyond what
  // slewing compensates.
  absl::AnyInvocable<Duration(NodeId, SimTime)> lost = [](NodeId, SimTime) {
    return Duration();
  };
  // The monotonic time that the node has gained from a time on by jumps and
  // drift, and the time that it has lost by drift. Node zero: the most of all
  // nodes. Leaders make up for it, unless their clocks have no error bound.
  absl::AnyInvocable<Duration(NodeId, SimTime)> gained = [](NodeId, SimTime) {
    return Duration();
  };
  absl::AnyInvocable<Duration(NodeId, SimTime)> slowed = [](NodeId, SimTime) {
    return Duration();
  };
  // When the leader of the group in a term sent its last heartbeats after it
  // had committed an entry; Max(): unknown.
  absl::AnyInvocable<SimTime(GroupId, raft::Term)> last_heartbeat =
      [](GroupId, raft::Term) { return SimTime::Max(); };
  // How long the nodes' processes were paused, all pauses that ended after this
  // time together. Messages wait for as long.
  absl::AnyInvocable<Duration(SimTime since)> paused = [](SimTime) {
    return Duration();
  };
  // The longest time in which all heartbeats of a leader that majorities still
  // follow may be lost or under way.
  Duration change_max = Seconds(3);
};

// The time that an entry states.
struct EntryClock {
  raft::Term term;
  WallTime log_time;
  // The leader's clock had an error bound.
  bool bounded = true;
  // The leader of the term, zero: unknown. When it began to lead; Max():
  // unknown.
  NodeId leader = {};
  SimTime led_since = SimTime::Max();
};

class ExpiryChecker {
 public:
  using Ticket = uint64_t;
  using Report = absl::AnyInvocable<void(std::string)>;

  // `states` outlives the checker.
  ExpiryChecker(const CommittedStates* states, Report violate)
      : states_(states), violate_(std::move(violate)) {}

  void SetClocks(ClockBounds clocks) { clocks_ = std::move(clocks); }

  // ---- Clients.
  Ticket Invoke(SimTime now, const ExpiryCommand& call);
  // A call that succeeded, with a reply that is not an error, or that was not
  // executed. An outcome that stays unknown is not reported.
  void Return(Ticket ticket, SimTime now, const ClientReply& reply);
  void Withdraw(Ticket ticket);
  // Whether a client has sent such a command on the key. All writes of the key
  // are such commands then.
  bool Follows(const std::string& key) const { return writes_.contains(key); }

  // ---- Logs.
  // The first replica applies an entry. Call it before the states take it.
  void OnEntry(GroupId group, SimTime now, const EntryClock& entry);
  // The write of a key had this effect. `reads`: it is the second command of a
  // transaction, behind a GET, as GETEX is.
  void OnCommand(const kv::CommandView& command,
                 const CommittedStates::Effect& effect, bool reads);
  // Keys of a move are frozen at their group. Reads of its other keys may show
  // later times before the move ends.
  void OnFrozen(GroupId from, MoveId move);
  // The move took keys to another group, whose log time is at least this from
  // now on.
  void OnMoved(const kv::MovePlan& plan, SimTime now, WallTime log_time);
  // The log time of the leader's store behind the newest entry that the states
  // have taken.
  void OnStore(GroupId group, WallTime log_time);
  // A replica of the group starts, and knows its log alone.
  void OnStart(GroupId group, SimTime now) {
    group_clocks_[group].starts.push_back(now);
  }

  // How many replies to reads and writes, and log times of entries.
  uint64_t replies_checked() const { return replies_checked_; }
  uint64_t log_times_checked() const { return log_times_checked_; }

  ExpiryCommand::Verb verb(Ticket ticket) const {
    return operations_[ticket].call.verb;
  }

 private:
  using State = CommittedStates::State;
  // A write in the log.
  struct Written {
    ExpiryCommand::Verb verb;
    SimTime time;
    int64_t log_ms = 0;
    int64_t due_ms = 0;  // The expiry that it asked for. 0: none.
    ClientReply reply;   // The reply that its client must receive.
    bool claimed = false;
    Ticket claimed_by = 0;
  };
  // The allowance for leaders whose clocks have no error bound.
  struct Skew {
    int64_t behind_ms = 0;
    int64_t ahead_ms = 0;
  };
  struct Leader {
    NodeId node;
    SimTime since;
  };
  struct GroupClock {
    raft::Term term;
    // An unbounded leader began log time in this term. When is not known.
    raft::Term begun_in;
    // The lag and the lead that the leader of `term` took over, or began with.
    int64_t taken_over_ms = 0;
    int64_t lead_taken_over_ms = 0;
    // No replica has heard a later log time, in ms, when the term began.
    int64_t heard_ms = 0;
    // The latest log time of a group whose keys came here, in ms.
    int64_t raised_to_ms = 0;
    // The leaders, from when the first entry of each was applied.
    std::vector<std::pair<SimTime, Leader>> leaders;
    // The allowance from each time on, in order.
    std::vector<std::pair<SimTime, Skew>> skews;
    std::vector<SimTime> starts;  // When replicas of the group started.
    // The greatest log time that the replies of reads have shown. Reads that
    // were called before `shown_from` do not count: their leader's time may be
    // lost.
    int64_t shown_ms = 0;
    SimTime shown_from;
  };
  struct Operation {
    ExpiryCommand call;
    SimTime invoked;
    // The log time that clients had observed then, in the group of the key.
    int64_t observed_ms = 0;
    SimTime returned;  // Set when it returned.
    ClientReply reply;
    bool withdrawn = false;
    bool committed = false;
    Written written;  // If committed.
  };

  // By how much the log time of the group may be ahead of the true time.
  int64_t AheadMs(GroupId group, SimTime now) const;
  void Attribute(const std::string& text, Written written);

  void CheckWrite(const Operation& operation);
  void CheckRead(const Operation& operation, SimTime now,
                 const ClientReply& reply);
  bool Explains(const State& state, const Operation& operation, SimTime now,
                const ClientReply& reply);
  // Assigns a write of the log to an acknowledged operation whose write has no
  // unique text. Each operation gets another write that fits it. False: no
  // assignment exists.
  bool Claim(Ticket ticket, std::set<size_t>* visited);
  bool Fits(const Operation& operation, const Written& written);
  bool DueFits(const Operation& operation, SimTime now, int64_t due_ms);

  int64_t UnixMs(SimTime time) const {
    return (clocks_.epoch + Duration(time.ns())).ms();
  }
  // The largest allowed lag of log time from `since` on. 2 ms are for rounding.
  int64_t LagMs(const std::string& key, SimTime since) {
    return ClockLagMs(key, since) + 2 + SkewSince(key, since).behind_ms;
  }
  // The part of it that comes from clocks with an error bound.
  int64_t ClockLagMs(const std::string& key, SimTime since);
  // The clock of the group of the key. Null: the key has no group yet.
  GroupClock* ClockOf(const std::string& key);
  const GroupClock* ClockOf(const std::string& key) const {
    return const_cast<ExpiryChecker*>(this)->ClockOf(key);
  }
  // The largest allowances for the key's group from `since` on.
  Skew SkewSince(const std::string& key, SimTime since) const;
  void NoteSkew(GroupId group, SimTime now, const EntryClock& entry);
  // The first entry of a later leader than the last. Checks the lag that it
  // took over.
  void OnNextLeader(GroupId group, SimTime now, const EntryClock& entry);
  // The earliest log time that fits this reply about the time left.
  static int64_t LogTimeOf(const State& state, const ExpiryCommand& call,
                           int64_t reply);

  const CommittedStates* const states_;
  Report violate_;
  ClockBounds clocks_;
  // The writes of each key that have no unique text.
  std::map<std::string, std::vector<Written>> writes_;
  std::vector<Operation> operations_;
  // The operation that writes each unique text. Looked up only.
  absl::flat_hash_map<std::string, Ticket> tickets_;
  std::map<GroupId, GroupClock> group_clocks_;
  // GroupClock::shown_ms of the source when it was frozen.
  std::map<MoveId, int64_t> shown_of_frozen_;
  uint64_t replies_checked_ = 0;
  uint64_t log_times_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_EXPIRY_CHECKER_H_
