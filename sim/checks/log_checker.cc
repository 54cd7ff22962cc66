#include "sim/checks/log_checker.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

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

// The versions of writes come after that of the initial value.
lincheck::StateVersion OrderOf(CommittedStates::Position at) {
  return lincheck::kInitialVersion + at;
}

uint64_t HashOf(const lincheck::Datum& value) {
  if (value.is_nil()) return CommittedStates::kNothing;
  if (value.is_integer()) return HashBytes(absl::StrCat(value.integer()));
  return HashBytes(value.bytes());
}

}  // namespace

LogChecker::LogChecker(Clock clock, Report violate, Describe describe,
                       Describe explain, const Followers& followers)
    : clock_(std::move(clock)),
      violate_(std::move(violate)),
      describe_(std::move(describe)),
      explain_(std::move(explain)),
      followers_(followers),
      moves_([this](std::string what) { violate_(std::move(what)); }) {
  followers_.states->SetAccepts(
      [this](GroupId group, Slot slot) { return moves_.Accepts(group, slot); });
  moves_.SetLogTimes([this](GroupId group) {
    const WallTime log_time = followers_.states->LogTimeOf(group);
    return shown_ ? std::max(log_time, shown_(group)) : log_time;
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
  ++checked_.acknowledged;
  if (!write->in_log()) {
    violate_(absl::StrCat("acknowledged: ", describe_(op), " is in no log"));
  } else if (write->result != result) {
    violate_(absl::StrCat(explain_(op), "acknowledged: ", describe_(op),
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
  ++checked_.refused;
  if (!it->second.in_log()) return;
  violate_(absl::StrCat("refused: \"", it->second.token,
                        "\" was committed, then refused as not executed"));
}

// The order of the log explains a read without a search.
void LogChecker::OnRead(Number op, const std::string& key,
                        const lincheck::Operation& read) {
  if (!started_) return;
  ++checked_.reads;
  lincheck::Datum result;
  result.Assign(read.result);
  const uint64_t value = HashOf(result);
  followers_.order->OnRead(op, key, value);
  if (followers_.states->CurrentSince(key, value, SimTime(read.invoke))) {
    return;
  }
  violate_(absl::StrCat(
      explain_(op), "linearizability, by the order of the log: ", describe_(op),
      " returned ", read.result.ToString(),
      ", which was not current from its call at ", read.invoke,
      " ns to its reply at ", read.ret, " ns"));
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
  followers_.expiry->OnEntry(group, clock_(), clock);
  followers_.states->OnEntry(group, clock_(), clock.log_time);
  kv::CommandReader commands(payload);
  while (commands.ok() && !commands.done()) {
    kv::CommandView command;
    const kv::Version version{group, index, commands.position()};
    if (commands.Next(&command)) OnCommand(version, command);
  }
  followers_.stale_reads->OnEntry(group, index, clock_());
}

void LogChecker::OnAtomic(const kv::Version& version,
                          const kv::CommandView& command) {
  const std::string key(FirstKeyOf(command));
  if (followers_.expiry->Follows(key)) return OnGetEx(version, command);
  kv::CommandReader nested = kv::CommandReader::Nested(command);
  while (nested.ok() && !nested.done()) {
    kv::CommandView inner;
    if (!nested.Next(&inner)) continue;
    if (inner.op != kv::Op::kCheckVersion) {
      OnWrite(version, inner, /*reads=*/false);
      continue;
    }
    // A transaction is carried out as a whole or not at all.
    const std::string watched(FirstKeyOf(inner));
    if (!followers_.states->VersionMatches(watched, inner)) return;
  }
}

// A transaction of a read and a change of the expiry.
void LogChecker::OnGetEx(const kv::Version& version,
                         const kv::CommandView& command) {
  kv::CommandReader nested = kv::CommandReader::Nested(command);
  kv::CommandView read;
  kv::CommandView then;
  if (nested.count() == 2 && nested.Next(&read) && nested.Next(&then) &&
      read.op == kv::Op::kGet) {
    return OnWrite(version, then, /*reads=*/true);
  }
  violate_(absl::StrCat("log: a transaction of ", nested.count(),
                        " commands, which no client sent; clients send only "
                        "GETEX, a GET and a change of the expiry"));
}

void LogChecker::OnCommand(const kv::Version& version,
                           const kv::CommandView& command) {
  // The leader proposes kExpire to remove keys that are due already.
  if (command.op == kv::Op::kExpire) return;
  if (command.op == kv::Op::kFlush && flushed_) return;
  if (command.op == kv::Op::kMove) return OnMove(version, command);
  const std::string_view first_key = FirstKeyOf(command);
  if (NoCheckerFollows(first_key)) return;
  const GroupId group = version.group;
  if (!moves_.Accepts(group, command.slot)) return;
  if (command.has_session && !followers_.states->TakesEffect(group, command)) {
    return OnSuppressed(version, command);
  }
  if (WatchChecker::Covers(first_key)) {
    return followers_.watches->OnCommand(
        clock_(), followers_.states->LogTimeOf(group), command);
  }
  if (command.op == kv::Op::kAtomic) return OnAtomic(version, command);
  OnWrite(version, command, /*reads=*/false);
}

void LogChecker::OnWrite(const kv::Version& version,
                         const kv::CommandView& command, bool reads) {
  if (kv::IsRead(command.op)) return;
  const std::optional<CommittedStates::Effect> effect =
      followers_.states->Apply(clock_(), version, command);
  if (effect.has_value() && MultiKeyChecker::Covers(command)) {
    return followers_.multi_keys->OnCommand(command, *effect);
  }
  kv::ArgumentReader arguments = command.arguments;
  const std::string key(arguments.count() == 0 ? "" : arguments.Next());
  if (effect.has_value() && followers_.expiry->Follows(key)) {
    return followers_.expiry->OnCommand(command, *effect, reads);
  }
  const std::string token = TokenIn(command, key, arguments);
  const std::optional<uint8_t> function = FunctionOf(command, token);
  if (!effect.has_value() || !function.has_value()) {
    violate_(absl::StrCat("log: it holds ", std::string(kv::OpName(command.op)),
                          command.has_expiry ? " with an expiry" : "",
                          ", which no client sent"));
    return;
  }
  const Value result = ResultOf(*function, *effect);
  if (!token.empty()) {
    OnToken(token, effect->at, result);
  } else {
    OnRemoval(key, {*function, clock_(), OrderOf(effect->at), result});
  }
}

std::optional<uint8_t> LogChecker::FunctionOf(const kv::CommandView& command,
                                              const std::string& token) {
  if (command.has_expiry) return std::nullopt;
  switch (command.op) {
    case kv::Op::kSet: {
      if ((command.flags & kv::kIfAbsent) != 0) return Kv::kCas;
      if ((command.flags & kv::kIfPresent) != 0) return Kv::kPutIfExists;
      if ((command.flags & kv::kReturnOld) != 0) return Kv::kSwap;
      // A client may send a swap as a transaction of GET and SET.
      const Write* const write = FindToken(token);
      const bool swaps = write != nullptr && write->function == Kv::kSwap;
      return swaps ? Kv::kSwap : Kv::kPut;
    }
    case kv::Op::kAppend:
      return Kv::kAppend;
    case kv::Op::kIncrBy:
      return Kv::kIncrement;
    case kv::Op::kDel:
      return Kv::kDelete;
    case kv::Op::kGetDel:
      return Kv::kTake;
    default:
      return std::nullopt;
  }
}

// A group refuses a step that cannot be read, or whose plan breaks the rules.
void LogChecker::OnMove(const kv::Version& version,
                        const kv::CommandView& command) {
  const GroupId group = version.group;
  kv::ArgumentReader arguments = command.arguments;
  const std::optional<kv::MoveStep> step = kv::DecodeMoveStep(arguments.Next());
  if (!step.has_value()) return;
  const std::optional<MoveChecker::Activation> activated =
      moves_.OnStep(group, *step);
  if (const auto* const freeze = std::get_if<kv::FreezeStep>(&*step)) {
    followers_.expiry->OnFrozen(group, freeze->move);
  }
  if (!activated.has_value()) {
    return followers_.states->OnSlotsChanged(group, clock_());
  }
  const kv::MovePlan& plan = activated->plan;
  followers_.states->OnMoved(plan, clock_(), activated->log_time);
  followers_.expiry->OnMoved(plan, clock_(), activated->log_time);
  followers_.stale_reads->OnMoved(plan, version.index);
  followers_.multi_keys->OnMapChanged();
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

Value LogChecker::ResultOf(uint8_t function,
                           const CommittedStates::Effect& effect) {
  switch (function) {
    case Kv::kSwap:
    case Kv::kTake:
      return effect.before.has_value() ? strings_.String(*effect.before)
                                       : Value::Nil();
    case Kv::kCas:
      return Value::Integer(!effect.before.has_value());
    case Kv::kPutIfExists:
      return Value::Integer(effect.before.has_value());
    case Kv::kPut:
      return {};
    default:
      return strings_.Integer(effect.reply.integer);
  }
}

std::string LogChecker::TokenIn(const kv::CommandView& command,
                                const std::string& key,
                                kv::ArgumentReader arguments) {
  if (command.op == kv::Op::kIncrBy) {
    return TokenOfIncrement(key, command.numbers[0]);
  }
  return arguments.count() == 0 ? "" : std::string(TokenOf(arguments.Next()));
}

void LogChecker::OnSuppressed(const kv::Version& version,
                              const kv::CommandView& command) {
  kv::ArgumentReader arguments = command.arguments;
  if (command.op == kv::Op::kAtomic || arguments.count() == 0) return;
  const std::string key(arguments.Next());
  const std::string token = TokenIn(command, key, arguments);
  const Write* const write = FindToken(token);
  if (write == nullptr || !write->in_log()) return;
  repeats_[key].push_back({.op = tokens_.at(token),
                           .first = write->committed,
                           .group = version.group,
                           .again = version.index,
                           .again_at = clock_()});
}

const std::vector<LogChecker::RepeatedWrite>& LogChecker::RepeatsOf(
    const std::string& key) const {
  const auto it = repeats_.find(key);
  return it == repeats_.end() ? no_repeats_ : it->second;
}

LogChecker::Write* LogChecker::FindToken(const std::string& token) {
  const auto it = tokens_.find(token);
  return it == tokens_.end() ? nullptr : &writes_.at(it->second);
}

void LogChecker::OnToken(const std::string& token, CommittedStates::Position at,
                         Value result) {
  ++checked_.writes;
  Write* const write = FindToken(token);
  if (write == nullptr) {
    violate_(
        absl::StrCat("log: it holds \"", token, "\", which no client sent"));
    return;
  }
  if (write->in_log()) {
    violate_(absl::StrCat("executed twice: the log holds \"", token,
                          "\" twice, and no session suppresses the second"));
    return;
  }
  write->committed = clock_();
  write->order = OrderOf(at);
  write->result = result;
  followers_.order->OnCommitted(tokens_.at(token), at);
  if (write->refused) {
    violate_(absl::StrCat("refused: \"", token,
                          "\" was refused as not executed, then committed"));
  }
}

}  // namespace quorate::sim
