#include "sim/checks/log_checker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "lincheck/models/kv.h"
#include "sim/choices/trace_hash.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {

using lincheck::Kv;
using lincheck::Value;

namespace {

// The unique part of a written value: the text before the first ':' or ';'.
// Padding follows it.
std::string_view TokenOf(std::string_view value) {
  return value.substr(0, value.find_first_of(":;"));
}

std::string TokenOfIncrement(std::string_view key, int64_t delta) {
  return absl::StrCat(std::string(key), "+", delta);
}

// The first key of the command, or of the first command nested in it. Empty if
// there is none.
std::string_view FirstKeyOf(const kv::CommandView& command) {
  kv::ArgumentReader arguments = command.arguments;
  if (command.op != kv::Op::kAtomic) {
    return arguments.count() == 0 ? std::string_view() : arguments.Next();
  }
  kv::CommandReader nested = kv::CommandReader::Nested(command);
  kv::CommandView first;
  return !nested.done() && nested.Next(&first) ? FirstKeyOf(first)
                                               : std::string_view();
}

uint64_t HashOf(const lincheck::Datum& value) {
  if (value.is_nil()) return ValueHistory::kNothing;
  if (value.is_integer()) return HashBytes(absl::StrCat(value.integer()));
  return HashBytes(value.bytes());
}

}  // namespace

LogChecker::LogChecker(Clock clock, Report violate, Describe describe,
                       const Followers& followers)
    : clock_(std::move(clock)),
      violate_(std::move(violate)),
      describe_(std::move(describe)),
      followers_(followers),
      moves_([this](std::string what) { violate_(std::move(what)); }) {
  followers_.expiry->WatchValues(
      [this](const std::string& key, const std::string* value) {
        followers_.values->OnValue(
            key, ++committed_, clock_(),
            value == nullptr ? ValueHistory::kNothing : HashBytes(*value));
      });
  followers_.expiry->SetTakesCommands(
      [this](GroupId group, const std::string& key) {
        return moves_.Accepts(group, slots_->SlotOf(key));
      });
}

void LogChecker::OnInvoked(Number op, const std::string& key,
                           const lincheck::Operation& call) {
  std::string token;
  if (call.argument.is_string()) {
    token = std::string(TokenOf(call.argument.bytes()));
  } else if (call.function == Kv::kIncrement) {
    token = TokenOfIncrement(key, call.argument.integer());
  }
  if (call.function == Kv::kDelete || call.function == Kv::kTake) {
    ++removals_left_[{key, call.function}];
    removals_asked_[op] = {key, call.function};
  }
  if (token.empty()) return;
  tokens_[token] = op;
  writes_[op] = {.token = std::move(token), .function = call.function};
}

void LogChecker::OnAcknowledged(Number op, Value result) {
  const Write* const write = Find(op);
  if (write == nullptr || !started_) return;
  if (!write->in_log()) {
    violate_(absl::StrCat("acknowledged: ", describe_(op), " is in no log"));
  } else if (write->result != result) {
    violate_(absl::StrCat("acknowledged: ", describe_(op),
                          ", but its log gives ", write->result.ToString()));
  }
}

void LogChecker::OnRefused(Number op) {
  const auto removal = removals_asked_.find(op);
  if (removal != removals_asked_.end()) {
    const auto& [key, function] = removal->second;
    return CountRemoval(key, function);
  }
  const auto it = writes_.find(op);
  if (it == writes_.end()) return;
  it->second.refused = true;
  if (!it->second.in_log()) return;
  violate_(absl::StrCat("refused: \"", it->second.token,
                        "\" was committed, then refused as not executed"));
}

// The order of the log explains a read without a search.
void LogChecker::OnRead(Number op, const std::string& key,
                        const lincheck::Operation& read) {
  if (!started_) return;
  lincheck::Datum result;
  result.Assign(read.result);
  const uint64_t value = HashOf(result);
  followers_.order->OnRead(op, key, value);
  if (followers_.values->CurrentBetween(key, value, SimTime(read.invoke),
                                        SimTime(read.ret))) {
    return;
  }
  violate_(absl::StrCat(
      "linearizability, by the order of the log: ", describe_(op), " returned ",
      read.result.ToString(), ", which was not current from its call at ",
      read.invoke, " ns to its reply at ", read.ret, " ns"));
}

const LogChecker::Write* LogChecker::Find(Number op) const {
  const auto it = writes_.find(op);
  return it == writes_.end() ? nullptr : &it->second;
}

const std::vector<LogChecker::Removal>& LogChecker::RemovalsOf(
    const std::string& key) const {
  const auto it = removals_.find(key);
  return it == removals_.end() ? no_removals_ : it->second;
}

void LogChecker::OnCommitted(GroupId group, raft::Index index,
                             const EntryClock& clock,
                             std::string_view payload) {
  started_ = true;
  log_time_ = std::max(log_times_[group], clock.log_time);
  log_times_[group] = log_time_;
  followers_.expiry->OnEntry(group, clock_(), clock);
  kv::CommandReader commands(payload);
  while (commands.ok() && !commands.done()) {
    kv::CommandView command;
    const kv::Version version{group, index, commands.position()};
    if (commands.Next(&command)) OnCommand(version, command);
  }
  followers_.stale_reads->OnEntry(group, index, clock_(), committed_);
}

void LogChecker::OnAtomic(const kv::Version& version,
                          const kv::CommandView& command) {
  kv::CommandReader nested = kv::CommandReader::Nested(command);
  while (nested.ok() && !nested.done()) {
    kv::CommandView inner;
    if (!nested.Next(&inner)) continue;
    if (inner.op != kv::Op::kCheckVersion) {
      OnCommand(version, inner);
      continue;
    }
    // A transaction is carried out as a whole or not at all.
    if (!replay_.VersionMatches(std::string(FirstKeyOf(inner)), inner)) return;
  }
}

void LogChecker::OnCommand(const kv::Version& version,
                           const kv::CommandView& command) {
  // The leader proposes kExpire to remove keys that are due already.
  if (command.op == kv::Op::kExpire) return;
  if (command.op == kv::Op::kFlush && flushed_) return;
  if (command.op == kv::Op::kMove) return OnMove(version.group, command);
  const std::string_view first_key = FirstKeyOf(command);
  if (NoCheckerFollows(first_key)) return;
  if (!moves_.Accepts(version.group, command.slot)) return;
  if (command.has_session && !replay_.TakesEffect(command, log_time_)) return;
  if (ExpiryChecker::Covers(first_key)) {
    return followers_.expiry->OnCommand(version.group, clock_(), command);
  }
  if (MultiKeyChecker::Covers(first_key)) {
    return followers_.multi_keys->OnCommand(version.group, clock_(), command);
  }
  if (WatchChecker::Covers(first_key)) {
    return followers_.watches->OnCommand(clock_(), log_time_, command);
  }
  if (command.op == kv::Op::kAtomic) return OnAtomic(version, command);
  if (kv::IsRead(command.op)) return;
  kv::ArgumentReader arguments = command.arguments;
  const std::string key(arguments.count() == 0 ? "" : arguments.Next());
  lincheck::Operation op;
  std::string token;
  switch (command.op) {
    case kv::Op::kSet:
    case kv::Op::kAppend: {
      const std::string_view text = arguments.Next();
      token = std::string(TokenOf(text));
      op.argument = strings_.String(text);
      op.function = command.op == kv::Op::kAppend           ? Kv::kAppend
                    : (command.flags & kv::kIfAbsent) != 0  ? Kv::kCas
                    : (command.flags & kv::kIfPresent) != 0 ? Kv::kPutIfExists
                    : (command.flags & kv::kReturnOld) != 0 ? Kv::kSwap
                                                            : Kv::kPut;
      op.expected = Value::Nil();
      // A client may send a swap as a transaction of GET and SET.
      const Write* const write = FindToken(token);
      if (op.function == Kv::kPut && write != nullptr &&
          write->function == Kv::kSwap) {
        op.function = Kv::kSwap;
      }
      break;
    }
    case kv::Op::kIncrBy:
      token = TokenOfIncrement(key, command.numbers[0]);
      op.argument = strings_.Integer(command.numbers[0]);
      op.function = Kv::kIncrement;
      break;
    case kv::Op::kDel:
      op.function = Kv::kDelete;
      break;
    case kv::Op::kGetDel:
      op.function = Kv::kTake;
      break;
    default:
      violate_(absl::StrCat("log: it holds ",
                            std::string(kv::OpName(command.op)),
                            ", which no client sent"));
      return;
  }
  const lincheck::Version at = ++committed_;
  const Value result = Replay(key, at, version, op);
  if (!token.empty()) {
    OnToken(token, at, result);
  } else {
    OnRemoval(key, {op.function, clock_(), at, result});
  }
}

// A group refuses a step that cannot be read, or whose plan breaks the rules.
void LogChecker::OnMove(GroupId group, const kv::CommandView& command) {
  kv::ArgumentReader arguments = command.arguments;
  const std::optional<kv::MoveStep> step = kv::DecodeMoveStep(arguments.Next());
  if (!step.has_value()) return;
  const std::optional<MoveChecker::Activation> activated =
      moves_.OnStep(group, *step);
  if (!activated.has_value()) {
    return followers_.expiry->OnSlotsChanged(group, clock_());
  }
  const kv::MovePlan& plan = activated->plan;
  log_time_ = std::max(log_time_, activated->log_time);
  log_times_[group] = log_time_;
  followers_.multi_keys->OnMapChanged();
  followers_.expiry->OnMoved(plan.from, plan.to, clock_(), activated->log_time,
                             [&](std::string_view key) {
                               return kv::Contains(plan, slots_->SlotOf(key));
                             });
}

void LogChecker::OnRemoval(const std::string& key, const Removal& removal) {
  removals_[key].push_back(removal);
  CountRemoval(key, removal.function);
}

void LogChecker::CountRemoval(const std::string& key, uint8_t function) {
  if (--removals_left_[{key, function}] >= 0) return;
  violate_(absl::StrCat(
      "log: it removes ", key, " more often than clients sent ",
      function == Kv::kTake ? "GETDEL" : "DEL", " without a refusal"));
}

Value LogChecker::Replay(const std::string& key, lincheck::Version at,
                         const kv::Version& version,
                         const lincheck::Operation& op) {
  const auto& [before, after] = replay_.Apply(key, version, op);
  if (after != before)
    followers_.values->OnValue(key, at, clock_(), HashOf(after));
  const auto value = [this](const lincheck::Datum& datum) {
    if (datum.is_nil()) return Value::Nil();
    if (datum.is_integer()) return strings_.Integer(datum.integer());
    return strings_.String(datum.bytes());
  };
  switch (op.function) {
    case Kv::kSwap:
    case Kv::kTake:
      return value(before);
    case Kv::kIncrement:
      return value(after);
    case Kv::kAppend:
      return Value::Integer(static_cast<int64_t>(after.size()));
    case Kv::kCas:
      return Value::Integer(before.is_nil());
    case Kv::kDelete:
    case Kv::kPutIfExists:
      return Value::Integer(!before.is_nil());
    default:
      return {};
  }
}

LogChecker::Write* LogChecker::FindToken(const std::string& token) {
  const auto it = tokens_.find(token);
  return it == tokens_.end() ? nullptr : &writes_.at(it->second);
}

void LogChecker::OnToken(const std::string& token, lincheck::Version at,
                         Value result) {
  Write* const write = FindToken(token);
  if (write == nullptr) {
    violate_(
        absl::StrCat("log: it holds \"", token, "\", which no client sent"));
    return;
  }
  if (write->in_log()) {
    violate_(absl::StrCat("log: it holds \"", token, "\" twice"));
    return;
  }
  write->committed = clock_();
  write->order = at;
  write->result = result;
  followers_.order->OnCommitted(tokens_.at(token), at);
  if (write->refused) {
    violate_(absl::StrCat("refused: \"", token,
                          "\" was refused as not executed, then committed"));
  }
}

}  // namespace quorate::sim
