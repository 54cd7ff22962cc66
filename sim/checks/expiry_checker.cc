#include "sim/checks/expiry_checker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace quorate::sim {
namespace {

using Verb = ExpiryCommand::Verb;
using Type = ClientReply::Type;

bool Same(const ClientReply& a, const ClientReply& b) {
  return a.type == b.type && a.text == b.text && a.integer == b.integer;
}

// The command of a client that has this form in the log.
std::optional<Verb> VerbOf(kv::Op op) {
  switch (op) {
    case kv::Op::kSet:
      return Verb::kSet;
    case kv::Op::kAppend:
      return Verb::kAppend;
    case kv::Op::kGetDel:
      return Verb::kTake;
    case kv::Op::kDel:
      return Verb::kDelete;
    case kv::Op::kExpireAt:
      return Verb::kExpire;
    case kv::Op::kPersist:
      return Verb::kPersist;
    default:
      return std::nullopt;
  }
}

// Calls `visit` with the values that a history had from `since` on, and when
// each began.
template <typename T, typename Visit>
void VisitSince(const std::vector<std::pair<SimTime, T>>& history,
                SimTime since, Visit&& visit) {
  for (auto value = history.rbegin(); value != history.rend(); ++value) {
    visit(value->first, value->second);
    if (value->first < since) break;
  }
}

}  // namespace

// ---- Clients.

ExpiryChecker::Ticket ExpiryChecker::Invoke(SimTime now,
                                            const ExpiryCommand& call) {
  if (!call.text.empty()) tickets_[call.text] = operations_.size();
  writes_.try_emplace(call.key);
  const GroupClock* const clock = ClockOf(call.key);
  const WallTime log_time = states_->LogTimeOf(states_->GroupOf(call.key));
  // Log time of the group goes on while a slot is frozen, for its other slots.
  const bool counts = clock != nullptr && states_->Accepts(call.key);
  const int64_t observed_ms =
      counts ? std::max(clock->shown_ms, log_time.ms()) : 0;
  operations_.push_back(
      {.call = call, .invoked = now, .observed_ms = observed_ms});
  return operations_.size() - 1;
}

void ExpiryChecker::Return(Ticket ticket, SimTime now,
                           const ClientReply& reply) {
  ++replies_checked_;
  Operation& operation = operations_[ticket];
  if (operation.call.read_only()) return CheckRead(operation, now, reply);
  operation.returned = now;
  operation.reply = reply;
  if (!operation.call.text.empty()) return CheckWrite(operation);
  std::set<size_t> visited;
  if (Claim(ticket, &visited)) return;
  std::string held;
  for (const Written& other : writes_[operation.call.key]) {
    if (other.time < operation.invoked) continue;
    absl::StrAppend(&held, "\n  at ", other.time.ns(),
                    " ns: ", VerbName(other.verb), " -> ",
                    other.reply.ToString().substr(0, 60), ", due ",
                    other.due_ms, ", log time ", other.log_ms,
                    other.claimed ? ", assigned to another call" : "");
  }
  violate_(absl::StrCat("acknowledged: ", Describe(operation.call), " -> ",
                        reply.ToString().substr(0, 60),
                        " is in no log between its call at ",
                        operation.invoked.ns(), " ns (",
                        UnixMs(operation.invoked), " ms) and its reply", held));
}

void ExpiryChecker::Withdraw(Ticket ticket) {
  Operation& operation = operations_[ticket];
  operation.withdrawn = true;
  if (operation.committed) {
    violate_(absl::StrCat("refused: ", Describe(operation.call),
                          " was committed, then refused as not executed"));
  }
}

// ---- The log.

// A leader without an error bound takes over the lag of the last entry. From
// then on only its monotonic clock changes it. The next leader with a bound
// makes up for a lag at once, and for time that is ahead by waiting.
void ExpiryChecker::NoteSkew(GroupId group, SimTime now,
                             const EntryClock& entry) {
  GroupClock& clock = group_clocks_[group];
  const WallTime log_time = states_->LogTimeOf(group);
  Skew skew;
  if (!clock.skews.empty()) skew = clock.skews.back().second;
  const Skew last = skew;
  // Entries that were proposed before a move raised log time are not ahead.
  skew.ahead_ms = std::max(skew.ahead_ms, clock.raised_to_ms - UnixMs(now) + 1);
  const Skew before = skew;
  const int64_t ahead_ms = entry.log_time.ms() - UnixMs(now);
  const bool known = entry.led_since != SimTime::Max();
  const SimTime led_since = known ? entry.led_since : SimTime();
  if (entry.term != clock.term) {
    // Heartbeats have spread the lead, and what any leader gained since, even
    // one that committed no entry. The lead of the last entry may be larger: it
    // may have been applied late.
    clock.lead_taken_over_ms = before.ahead_ms;
    if (!clock.leaders.empty()) {
      const SimTime since = clock.leaders.back().second.since;
      clock.lead_taken_over_ms += clocks_.gained(NodeId(), since).ms();
    }
    if (log_time > WallTime() && entry.led_since <= now) {
      clock.lead_taken_over_ms = std::max(
          clock.lead_taken_over_ms, log_time.ms() - UnixMs(entry.led_since));
    }
    // A replica may have heard a later log time than the leaders since then.
    const int64_t begun_ms = UnixMs(known ? led_since : now);
    clock.lead_taken_over_ms =
        std::max(clock.lead_taken_over_ms, clock.heard_ms - begun_ms);
    clock.heard_ms =
        std::max(clock.heard_ms, begun_ms + clock.lead_taken_over_ms);
    skew.ahead_ms = clock.lead_taken_over_ms;
  }
  if (entry.bounded) {
    skew.behind_ms = 0;
    skew.ahead_ms = std::clamp<int64_t>(ahead_ms + 1, 0, skew.ahead_ms);
  } else if (entry.term != clock.term) {
    clock.taken_over_ms = std::max<int64_t>(-ahead_ms, 0);
    // The first leader of a group begins log time at its reading, when it
    // begins to lead. The entry may be applied long after that.
    if (log_time <= WallTime()) {
      if (known) {
        clock.lead_taken_over_ms =
            std::max<int64_t>(entry.log_time.ms() - UnixMs(entry.led_since), 0);
      } else {
        clock.begun_in = entry.term;
      }
    }
  }
  if (!entry.bounded && entry.term == clock.begun_in) {
    skew.ahead_ms = std::max(skew.ahead_ms, ahead_ms + 1);
  }
  if (!entry.bounded) {
    skew.behind_ms =
        clock.taken_over_ms + clocks_.slowed(entry.leader, led_since).ms() + 1;
    skew.ahead_ms = std::max(
        skew.ahead_ms, clock.lead_taken_over_ms +
                           clocks_.gained(entry.leader, led_since).ms() + 1);
  }
  if (entry.leader != NodeId() && entry.term != clock.term) {
    clock.leaders.emplace_back(now, Leader{entry.leader, led_since});
  }
  clock.term = entry.term;
  if (skew.behind_ms != last.behind_ms || skew.ahead_ms != last.ahead_ms) {
    clock.skews.emplace_back(now, skew);
  }
}

// A leader before that committed no entry is part of the time without a leader.
// Log time, as its heartbeats have spread it, goes on.
void ExpiryChecker::OnNextLeader(GroupId group, SimTime now,
                                 const EntryClock& entry) {
  GroupClock& clock = group_clocks_[group];
  if (clock.leaders.empty() || entry.led_since == SimTime::Max()) return;
  const Leader& before = clock.leaders.back().second;
  SimTime led_until = clocks_.last_heartbeat(group, clock.term);
  if (led_until == SimTime::Max()) led_until = before.since;
  led_until = std::min(led_until, entry.led_since);
  const bool started =
      std::any_of(clock.starts.begin(), clock.starts.end(), [&](SimTime start) {
        return start + clocks_.change_max > led_until &&
               start <= entry.led_since;
      });
  if (started) {
    clock.shown_ms = 0;
    clock.shown_from = now;
    return;
  }
  const int64_t behind_ms =
      clock.skews.empty() ? 0 : clock.skews.back().second.behind_ms;
  const Duration allowed = Milliseconds(behind_ms + 2) +
                           clocks_.error_bound(NodeId(), before.since) * 2 +
                           clocks_.lost(before.node, before.since) +
                           clocks_.slowed(before.node, before.since) +
                           clocks_.change_max +
                           clocks_.paused(led_until - clocks_.change_max) +
                           (entry.led_since - led_until);
  const int64_t lag_ms = UnixMs(entry.led_since) - entry.log_time.ms();
  if (lag_ms > allowed.ms()) {
    violate_(absl::StrCat(
        "log time: group ", group.value(), " goes on in term ",
        entry.term.value(), " at ", lag_ms,
        " ms behind the true time. The leader before sent heartbeats until ",
        (entry.led_since - led_until).ms(), " ms before, so ", allowed.ms(),
        " ms are allowed"));
  }
}

ExpiryChecker::GroupClock* ExpiryChecker::ClockOf(const std::string& key) {
  const auto clock = group_clocks_.find(states_->GroupOf(key));
  return clock == group_clocks_.end() ? nullptr : &clock->second;
}

ExpiryChecker::Skew ExpiryChecker::SkewSince(const std::string& key,
                                             SimTime since) const {
  Skew most;
  for (const GroupId group : states_->GroupsOf(key)) {
    const auto clock = group_clocks_.find(group);
    if (clock == group_clocks_.end()) continue;
    VisitSince(clock->second.skews, since, [&](SimTime, const Skew& skew) {
      most.behind_ms = std::max(most.behind_ms, skew.behind_ms);
      most.ahead_ms = std::max(most.ahead_ms, skew.ahead_ms);
    });
  }
  return most;
}

int64_t ExpiryChecker::ClockLagMs(const std::string& key, SimTime since) {
  Duration most = clocks_.error_bound(NodeId(), since) * 2;
  for (const GroupId group : states_->GroupsOf(key)) {
    const auto clock = group_clocks_.find(group);
    if (clock == group_clocks_.end()) continue;
    VisitSince(clock->second.leaders, since,
               [&](SimTime, const Leader& leader) {
                 most = std::max(
                     most, clocks_.error_bound(leader.node, leader.since) * 2 +
                               clocks_.lost(leader.node, leader.since));
               });
  }
  return most.ms();
}

void ExpiryChecker::OnEntry(GroupId group, SimTime now,
                            const EntryClock& entry) {
  GroupClock& clock = group_clocks_[group];
  if (entry.term != clock.term) OnNextLeader(group, now, entry);
  NoteSkew(group, now, entry);
  const WallTime log_time = entry.log_time;
  if (log_time <= WallTime() && entry.led_since != SimTime::Max()) {
    violate_(absl::StrCat("log time: group ", group.value(),
                          " has a leader, but has not begun its time"));
  }
  ++log_times_checked_;
  const int64_t ahead_ms =
      clock.skews.empty() ? 0 : clock.skews.back().second.ahead_ms;
  if (log_time > clocks_.epoch + Duration(now.ns()) + Milliseconds(ahead_ms)) {
    violate_(absl::StrCat("log time: group ", group.value(), " is ",
                          (log_time - clocks_.epoch).ms() - now.ms(),
                          " ms ahead of the true time, ", ahead_ms,
                          " ms are allowed"));
  }
}

void ExpiryChecker::OnStore(GroupId group, WallTime log_time) {
  const WallTime expected = states_->LogTimeOf(group);
  if (log_time == expected) return;
  violate_(absl::StrCat("log time: the store of group ", group.value(),
                        " is at ", log_time.ms(),
                        " ms, but its entries and the seals of its slots "
                        "bring it to ",
                        expected.ms(), " ms"));
}

void ExpiryChecker::OnFrozen(GroupId from, MoveId move) {
  shown_of_frozen_.try_emplace(move, group_clocks_[from].shown_ms);
}

int64_t ExpiryChecker::AheadMs(GroupId group, SimTime now) const {
  const auto clock = group_clocks_.find(group);
  if (clock == group_clocks_.end()) return 0;
  const int64_t raised_ms = clock->second.raised_to_ms - UnixMs(now);
  const auto& skews = clock->second.skews;
  return std::max(raised_ms, skews.empty() ? 0 : skews.back().second.ahead_ms);
}

// The group that had the keys may be ahead of the true time, as its own rule
// allows. The next one is then, too.
void ExpiryChecker::OnMoved(const kv::MovePlan& plan, SimTime now,
                            WallTime log_time) {
  const int64_t ahead_ms = log_time.ms() - UnixMs(now) + 1;
  const int64_t allowed_ms = AheadMs(plan.from, now) + 1;
  if (ahead_ms > allowed_ms) {
    violate_(absl::StrCat("log time: the seal of move ", plan.id.value(),
                          " is ", ahead_ms, " ms ahead of the true time. ",
                          allowed_ms, " ms are allowed to group ",
                          plan.from.value()));
  }
  GroupClock& clock = group_clocks_[plan.to];
  clock.shown_ms = std::max(clock.shown_ms, shown_of_frozen_[plan.id]);
  clock.heard_ms = std::max(clock.heard_ms, log_time.ms());
  clock.raised_to_ms = std::max(clock.raised_to_ms, log_time.ms());
  Skew skew = clock.skews.empty() ? Skew() : clock.skews.back().second;
  if (ahead_ms <= skew.ahead_ms) return;
  skew.ahead_ms = ahead_ms;
  clock.lead_taken_over_ms = std::max(clock.lead_taken_over_ms, ahead_ms);
  clock.skews.emplace_back(now, skew);
}

void ExpiryChecker::OnCommand(const kv::CommandView& command,
                              const CommittedStates::Effect& effect,
                              bool reads) {
  kv::ArgumentReader arguments = command.arguments;
  const std::string key(arguments.Next());
  const std::optional<Verb> verb = VerbOf(command.op);
  if (!verb.has_value()) {
    violate_(absl::StrCat("log: a ", std::string(kv::OpName(command.op)),
                          " of ", key, ", which no client sent"));
    return;
  }
  Written written{.verb = *verb,
                  .time = effect.time,
                  .log_ms = effect.log_ms,
                  .due_ms = effect.due_ms,
                  .reply = effect.reply};
  if (reads) {
    written.verb = Verb::kGetEx;
    written.reply = {};
    if (effect.before.has_value()) {
      written.reply = {.type = Type::kBulk, .text = *effect.before};
    }
  } else if (arguments.count() > 0) {
    return Attribute(std::string(arguments.Next()), std::move(written));
  }
  writes_[key].push_back(std::move(written));
}

void ExpiryChecker::Attribute(const std::string& text, Written written) {
  const auto it = tickets_.find(text);
  if (it == tickets_.end()) {
    violate_(
        absl::StrCat("log: a write of \"", text, "\", which no client sent"));
    return;
  }
  Operation& operation = operations_[it->second];
  if (operation.committed) {
    violate_(absl::StrCat("log: ", Describe(operation.call),
                          " was committed twice: \"", text, "\""));
    return;
  }
  operation.committed = true;
  operation.written = std::move(written);
  if (operation.withdrawn) {
    violate_(absl::StrCat("refused: ", Describe(operation.call),
                          " was refused as not executed, then committed"));
  }
}

// ---- Checks.

void ExpiryChecker::CheckWrite(const Operation& operation) {
  const std::string what =
      absl::StrCat("acknowledged: ", Describe(operation.call), " -> ",
                   operation.reply.ToString().substr(0, 60));
  if (!operation.committed) {
    violate_(absl::StrCat(what, " is in no log"));
    return;
  }
  const Written& written = operation.written;
  if (!Same(operation.reply, written.reply)) {
    violate_(absl::StrCat(what, ", but its log gives ",
                          written.reply.ToString().substr(0, 60)));
  }
  if (operation.call.has_time() &&
      !DueFits(operation, operation.returned, written.due_ms)) {
    violate_(absl::StrCat(what, ", but its log has it due at ", written.due_ms,
                          ", and it was called at ",
                          UnixMs(operation.invoked)));
  }
  const int64_t behind = UnixMs(operation.invoked) - written.log_ms;
  const int64_t lag_ms = LagMs(operation.call.key, operation.invoked);
  if (behind > lag_ms) {
    violate_(absl::StrCat("log time: ", what, " was carried out at a log time ",
                          behind, " ms before its call; clocks allow ",
                          lag_ms));
  }
}

bool ExpiryChecker::DueFits(const Operation& operation, SimTime now,
                            int64_t due_ms) {
  const ExpiryCommand& call = operation.call;
  if (call.absolute()) return due_ms == call.time_ms();
  const int64_t set_at = due_ms - call.time_ms();
  return set_at <=
             UnixMs(now) + SkewSince(call.key, operation.invoked).ahead_ms &&
         set_at >=
             UnixMs(operation.invoked) - LagMs(call.key, operation.invoked);
}

bool ExpiryChecker::Fits(const Operation& operation, const Written& written) {
  const ExpiryCommand& call = operation.call;
  return written.verb == call.verb && written.time >= operation.invoked &&
         written.time <= operation.returned &&
         Same(operation.reply, written.reply) &&
         call.has_time() == (written.due_ms != 0) &&
         (!call.has_time() ||
          DueFits(operation, operation.returned, written.due_ms)) &&
         UnixMs(operation.invoked) - written.log_ms <=
             LagMs(call.key, operation.invoked);
}

// One step of a bipartite matching (Kuhn 1955): takes a free write, or one
// whose operation can be given another write.
bool ExpiryChecker::Claim(Ticket ticket, std::set<size_t>* visited) {
  const Operation& operation = operations_[ticket];
  std::vector<Written>& writes = writes_[operation.call.key];
  for (size_t i = 0; i < writes.size(); ++i) {
    Written& written = writes[i];
    if (!Fits(operation, written) || !visited->insert(i).second) continue;
    if (written.claimed && !Claim(written.claimed_by, visited)) continue;
    written.claimed = true;
    written.claimed_by = ticket;
    return true;
  }
  return false;
}

bool ExpiryChecker::Explains(const State& state, const Operation& operation,
                             SimTime now, const ClientReply& reply) {
  const ExpiryCommand& call = operation.call;
  if (call.verb == Verb::kGet) {
    return (reply.type == Type::kBulk || reply.type == Type::kNil) &&
           CommittedStates::HashOf(reply) == state.value;
  }
  if (reply.type != Type::kInteger) return false;
  if (call.verb == Verb::kExists) {
    return reply.integer == (state.there() ? 1 : 0);
  }
  if (!state.there()) return reply.integer == -2;
  if (state.due_ms == 0) return reply.integer == -1;
  if (reply.integer < 0) return false;
  int64_t earliest = state.due_ms;
  int64_t latest = state.due_ms;
  if (call.verb == Verb::kTtl) {
    earliest -= UnixMs(now) + SkewSince(call.key, operation.invoked).ahead_ms;
    latest -= UnixMs(operation.invoked) - LagMs(call.key, operation.invoked);
    // The reply never exceeds the lifetime that was asked for.
    if (state.life_ms > 0) latest = std::min(latest, state.life_ms);
    const GroupClock* const clock = ClockOf(call.key);
    if (clock != nullptr && operation.invoked > clock->shown_from) {
      latest = std::min(latest, state.due_ms - operation.observed_ms);
    }
  }
  // Seconds are rounded half up.
  if (call.in_seconds()) {
    earliest = std::max<int64_t>(earliest + 500, 0) / 1000;
    latest = std::max<int64_t>(latest + 500, 0) / 1000;
  }
  return reply.integer >= earliest &&
         reply.integer <= std::max<int64_t>(latest, 0);
}

// Seconds are rounded half up.
int64_t ExpiryChecker::LogTimeOf(const State& state, const ExpiryCommand& call,
                                 int64_t reply) {
  return state.due_ms - (call.in_seconds() ? reply * 1000 + 499 : reply);
}

void ExpiryChecker::CheckRead(const Operation& operation, SimTime now,
                              const ClientReply& reply) {
  const absl::Span<const State> states =
      states_->StatesSince(operation.call.key, operation.invoked);
  const int64_t called_ms = UnixMs(operation.invoked);
  const int64_t lag_ms = LagMs(operation.call.key, operation.invoked);
  const bool shows_time = operation.call.verb == Verb::kTtl &&
                          reply.type == Type::kInteger && reply.integer >= 0;
  int64_t late_ms = 0;
  bool explained = false;
  int64_t shown_ms = INT64_MAX;
  for (const State& state : states) {
    if (!Explains(state, operation, now, reply)) continue;
    const int64_t late = called_ms - state.due_ms;
    if (state.due_ms == 0 || late <= lag_ms) {
      explained = true;
      shown_ms =
          std::min(shown_ms, LogTimeOf(state, operation.call, reply.integer));
    } else {
      late_ms = std::max(late_ms, late);
    }
  }
  if (explained) {
    GroupClock* const clock = ClockOf(operation.call.key);
    if (shows_time && clock != nullptr &&
        operation.invoked > clock->shown_from) {
      clock->shown_ms = std::max(clock->shown_ms, shown_ms);
    }
    return;
  }
  if (late_ms > 0) {
    violate_(absl::StrCat("expiry: ", Describe(operation.call), " -> ",
                          reply.ToString().substr(0, 60), ", called ", late_ms,
                          " ms after the key was due; clocks allow ", lag_ms));
    return;
  }
  std::string were;
  for (const State& state : states) {
    absl::StrAppend(
        &were, "\n  since ", state.since.ns(), " ns: ",
        state.there() ? absl::StrCat("\"", state.begin, "\" due ", state.due_ms)
                      : "nothing");
  }
  violate_(absl::StrCat("linearizability: ", Describe(operation.call), " -> ",
                        reply.ToString().substr(0, 60), ", called at ",
                        operation.invoked.ns(), " ns and answered at ",
                        now.ns(), " ns, but by its log the key was", were));
}

}  // namespace quorate::sim
