#include "sim/checks/recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "kv/command/command.h"
#include "lincheck/checker.h"
#include "sim/choices/trace_hash.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {

using lincheck::Kv;
using lincheck::Value;

namespace {

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

uint64_t HashValue(const lincheck::Datum& value) {
  if (value.is_nil()) return ValueHistory::kNothing;
  if (value.is_integer()) return HashBytes(absl::StrCat(value.integer()));
  return HashBytes(value.bytes());
}

}  // namespace

std::string_view TokenOf(std::string_view value) {
  return value.substr(0, value.find_first_of(":;"));
}

Recorder::Recorder(Clock clock, Report violate, const Budget& budget)
    : clock_(std::move(clock)),
      violate_(std::move(violate)),
      histories_(
          model_, budget,
          [this](std::string what) { violate_(std::move(what)); }, this),
      order_([this](std::string what) { violate_(std::move(what)); },
             [this](Ticket ticket) { return Name(operations_[ticket]); },
             &values_),
      stale_reads_(&values_,
                   [this](std::string what) { violate_(std::move(what)); }),
      availability_(
          [this](std::string what) { violate_(std::move(what)); },
          [this](Ticket ticket) { return Name(operations_[ticket]); }),
      expiry_([this](std::string what) { violate_(std::move(what)); }) {
  expiry_.WatchValues([this](const std::string& key, const std::string* value) {
    values_.OnValue(
        key, ++committed_, clock_(),
        value == nullptr ? ValueHistory::kNothing : HashBytes(*value));
  });
}

Recorder::Ticket Recorder::Invoke(const ClientCall& call) {
  const uint32_t partition = history_.Partition(call.key);
  if (partition == keys_.size()) {
    keys_.push_back(call.key);
    partitions_[call.key] = partition;
  }
  lincheck::Operation op{.invoke = Now(),
                         .client = call.client,
                         .partition = partition,
                         .function = call.function};
  if (call.function == Kv::kIncrement) {
    op.argument = history_.Integer(call.number);
  } else if (!call.text.empty()) {
    op.argument = history_.String(call.text);
  }
  if (call.expect_absent) op.expected = Value::Nil();
  Operation operation;
  operation.recorded = op;
  operation.ticket = histories_.online().Invoke(call.key, op.invoke, op);
  if (!call.text.empty()) {
    operation.token = std::string(TokenOf(call.text));
  } else if (call.function == Kv::kIncrement) {
    operation.token = absl::StrCat(call.key, "+", call.number);
  }
  if (!operation.token.empty()) {
    written_[operation.token] = operations_.size();
  }
  operations_.push_back(std::move(operation));
  ++counts_.invoked;
  ++open_;
  histories_.ReportNewViolations();
  return operations_.size() - 1;
}

Recorder::Ticket Recorder::Invoke(const ExpiryCommand& call) {
  const uint32_t partition = history_.Partition(call.key);
  if (partition == keys_.size()) {
    keys_.push_back(call.key);
    partitions_[call.key] = partition;
  }
  Operation operation;
  operation.recorded.client = call.client;
  operation.recorded.partition = partition;
  operation.may_expire = true;
  operation.expiry_ticket = expiry_.Invoke(clock_(), call);
  operations_.push_back(std::move(operation));
  ++counts_.invoked;
  ++open_;
  return operations_.size() - 1;
}

void Recorder::ReturnReply(Ticket ticket, const ClientReply& reply) {
  Operation& operation = operations_[ticket];
  CHECK(operation.may_expire) << "not an ExpiryCommand";
  End(ticket);
  ++counts_.succeeded;
  ++succeeded_expiring_[VerbName(expiry_.verb(operation.expiry_ticket))];
  if (ChecksOrder(operation) && watches_log_) {
    const bool found = reply.type == ClientReply::Type::kBulk;
    order_.OnRead(
        ticket,
        std::string(history_.partition_name(operation.recorded.partition)),
        found ? HashBytes(reply.text) : ValueHistory::kNothing);
  }
  expiry_.Return(operation.expiry_ticket, clock_(), reply);
}

std::string Recorder::Name(const Operation& operation) const {
  return absl::StrCat(
      operation.may_expire ? VerbName(expiry_.verb(operation.expiry_ticket))
                           : lincheck::DescribeCall(model_, operation.recorded),
      " on ", history_.partition_name(operation.recorded.partition));
}

// On keys that expire only reads are checked: their value determines a place in
// the order.
bool Recorder::ChecksOrder(const Operation& operation) const {
  return !operation.may_expire ||
         expiry_.verb(operation.expiry_ticket) == ExpiryCommand::Verb::kGet;
}

void Recorder::OnSent(Ticket ticket, uint64_t connection, NodeId node) {
  if (!group_of_) return;
  const Operation& operation = operations_[ticket];
  const GroupId group =
      group_of_(history_.partition_name(operation.recorded.partition));
  availability_.OnSent(ticket, {.client = operation.recorded.client,
                                .group = group,
                                .node = node,
                                .sent = clock_()});
  if (ChecksOrder(operation)) order_.OnSent(ticket, connection, group);
}

void Recorder::End(Ticket ticket) {
  Operation& operation = operations_[ticket];
  CHECK(!operation.ended) << "an operation ended twice";
  operation.ended = true;
  --open_;
  availability_.OnEnded(ticket);
}

void Recorder::CheckAcknowledged(const Operation& operation, Value result) {
  if (operation.token.empty() || !watches_log_) return;
  if (operation.committed == SimTime::Max()) {
    violate_(absl::StrCat("acknowledged: ", Name(operation), " is in no log"));
  } else if (operation.replayed != result) {
    violate_(absl::StrCat("acknowledged: ", Name(operation),
                          ", but its log gives ",
                          operation.replayed.ToString()));
  }
}

void Recorder::Return(Ticket ticket, Value result) {
  Operation& operation = operations_[ticket];
  End(ticket);
  operation.recorded.ret = Now();
  operation.recorded.result = result;
  CheckAcknowledged(operation, result);
  if (operation.recorded.function == Kv::kGet) {
    const std::string key(
        history_.partition_name(operation.recorded.partition));
    lincheck::Datum read;
    read.Assign(result);
    if (watches_log_) {
      order_.OnRead(ticket, key, HashValue(read));
      CheckRead(operation, key, HashValue(read));
    }
    if (read_hook_) read_hook_(key, SimTime(operation.recorded.invoke));
  }
  ++counts_.succeeded;
  ++succeeded_[operation.recorded.function];
  histories_.online().Return(operation.ticket, operation.recorded.ret, result);
  histories_.ReportNewViolations();
}

// The order of the log explains a read without a search.
void Recorder::CheckRead(const Operation& operation, const std::string& key,
                         uint64_t value) {
  const SimTime invoked(operation.recorded.invoke);
  if (values_.CurrentBetween(key, value, invoked, clock_())) return;
  violate_(absl::StrCat(
      "linearizability, by the order of the log: ", Name(operation),
      " returned ", operation.recorded.result.ToString(),
      ", which was not current from its call at ", operation.recorded.invoke,
      " ns to its reply at ", operation.recorded.ret, " ns"));
}

void Recorder::ReturnNil(Ticket ticket) { Return(ticket, Value::Nil()); }

void Recorder::ReturnNumber(Ticket ticket, int64_t number) {
  Return(ticket, history_.Integer(number));
}

void Recorder::ReturnText(Ticket ticket, std::string_view text) {
  Return(ticket, history_.String(text));
}

void Recorder::LeaveUnknown(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(ticket);
  ++counts_.unknown;
  if (operation.may_expire) return;
  if (operation.committed != SimTime::Max()) {
    histories_.online().Return(operation.ticket, Now(), operation.replayed);
  } else {
    histories_.online().LeaveUnknown(operation.ticket, Now());
  }
  histories_.ReportNewViolations();
}

void Recorder::Withdraw(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(ticket);
  ++counts_.refused;
  operation.withdrawn = true;
  if (operation.may_expire) return expiry_.Withdraw(operation.expiry_ticket);
  histories_.online().Withdraw(operation.ticket, Now());
  if (operation.committed != SimTime::Max()) {
    violate_(absl::StrCat("refused: \"", operation.token,
                          "\" was committed, then refused as not executed"));
  }
  histories_.ReportNewViolations();
}

StaleReadChecker::Sent Recorder::SendStaleRead(NodeId node,
                                               const std::string& key) {
  return stale_reads_.Send(node, group_of_ ? group_of_(key) : GroupId());
}

void Recorder::StaleRead(const StaleReadChecker::Sent& sent,
                         const std::string& key, const ClientReply& reply) {
  ++counts_.stale_reads;
  stale_reads_.OnReply(sent, key, reply);
}

void Recorder::Unexpected(uint32_t client, std::string_view what) {
  violate_(absl::StrCat("client ", client,
                        ": unexpected reply: ", std::string(what)));
}

void Recorder::OnCommitted(GroupId group, raft::Index index, WallTime log_time,
                           std::string_view payload) {
  watches_log_ = true;
  expiry_.OnEntry(group, clock_(), log_time);
  kv::CommandReader commands(payload);
  while (commands.ok() && !commands.done()) {
    kv::CommandView command;
    const kv::Version version{group, index, commands.position()};
    if (commands.Next(&command)) OnCommand(version, command);
  }
  stale_reads_.OnEntry(group, index, committed_);
}

void Recorder::OnAtomic(const kv::Version& version,
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

void Recorder::OnCommand(const kv::Version& version,
                         const kv::CommandView& command) {
  // The leader proposes kExpire to remove keys that are due already.
  if (command.op == kv::Op::kExpire) return;
  // The DeepClient checks its own keys.
  if (FirstKeyOf(command).starts_with(kDeepKeyPrefix)) return;
  if (command.has_session && !replay_.TakesEffect(command)) return;
  if (ExpiryChecker::Covers(FirstKeyOf(command))) {
    return expiry_.OnCommand(version.group, clock_(), command);
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
      op.argument = history_.String(text);
      op.function = command.op == kv::Op::kAppend           ? Kv::kAppend
                    : (command.flags & kv::kIfAbsent) != 0  ? Kv::kCas
                    : (command.flags & kv::kIfPresent) != 0 ? Kv::kPutIfExists
                    : (command.flags & kv::kReturnOld) != 0 ? Kv::kSwap
                                                            : Kv::kPut;
      op.expected = Value::Nil();
      // A client may send a swap as a transaction of GET and SET.
      const auto it = written_.find(token);
      if (op.function == Kv::kPut && it != written_.end() &&
          operations_[it->second].recorded.function == Kv::kSwap) {
        op.function = Kv::kSwap;
      }
      break;
    }
    case kv::Op::kIncrBy:
      token = absl::StrCat(key, "+", command.numbers[0]);
      op.argument = history_.Integer(command.numbers[0]);
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
    removals_[key].push_back({op.function, clock_(), at, result});
  }
}

void Recorder::OrderRemovals(const std::string& key,
                             lincheck::History* history) const {
  const auto removals = removals_.find(key);
  if (removals == removals_.end()) return;
  std::vector<lincheck::Operation> operations(history->operations().begin(),
                                              history->operations().end());
  // Nothing identifies a removal. Of the operations that fit, the one that
  // returned first is the most likely. No verdict depends on this guess.
  for (const HistoryChecker::Removal& removal : removals->second) {
    lincheck::Operation* likely = nullptr;
    for (lincheck::Operation& op : operations) {
      if (op.function != removal.function || !op.known() ||
          op.written != lincheck::kNoVersion || op.result != removal.result ||
          op.invoke > removal.time.ns() || op.ret < removal.time.ns() ||
          model_.IsRead(op)) {
        continue;
      }
      if (likely == nullptr || op.ret < likely->ret) likely = &op;
    }
    if (likely != nullptr) likely->written = removal.order;
  }
  *history = {};
  history->Partition(key);
  for (const lincheck::Operation& op : operations) history->Add(op);
}

Value Recorder::Replay(const std::string& key, lincheck::Version at,
                       const kv::Version& version,
                       const lincheck::Operation& op) {
  const auto [before, after] = replay_.Apply(key, version, op);
  if (after != before) values_.OnValue(key, at, clock_(), HashValue(after));
  const auto value = [this](const lincheck::Datum& datum) {
    if (datum.is_nil()) return Value::Nil();
    if (datum.is_integer()) return history_.Integer(datum.integer());
    return history_.String(datum.bytes());
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

void Recorder::OnToken(const std::string& token, lincheck::Version at,
                       Value result) {
  const auto it = written_.find(token);
  if (it == written_.end()) {
    violate_(
        absl::StrCat("log: it holds \"", token, "\", which no client sent"));
    return;
  }
  Operation& operation = operations_[it->second];
  if (operation.committed != SimTime::Max()) {
    violate_(absl::StrCat("log: it holds \"", token, "\" twice"));
    return;
  }
  operation.committed = clock_();
  operation.order = at;
  operation.replayed = result;
  order_.OnCommitted(it->second, at);
  if (operation.withdrawn) {
    violate_(absl::StrCat("refused: \"", token,
                          "\" was refused as not executed, then committed"));
  }
}

uint32_t Recorder::PartitionOf(const std::string& key) const {
  const auto it = partitions_.find(key);
  CHECK(it != partitions_.end()) << "no operation on key " << key;
  return it->second;
}

lincheck::History Recorder::HistoryOf(const std::string& key,
                                      bool with_logs) const {
  const uint32_t partition = PartitionOf(key);
  lincheck::History history;
  const uint32_t own = history.Partition(key);
  for (const Operation& operation : operations_) {
    if (operation.recorded.partition != partition || operation.withdrawn) {
      continue;
    }
    lincheck::Operation op = operation.recorded;
    op.partition = own;
    if (with_logs && !op.known() && !operation.token.empty()) {
      if (operation.committed == SimTime::Max()) continue;
      op.ret = std::max(op.invoke, operation.committed.ns());
      op.result = operation.replayed;
    }
    // The log gives the order of writes, so no search for it is needed.
    if (with_logs && !model_.IsRead(op)) op.written = operation.order;
    history.Add(op);
  }
  if (with_logs) OrderRemovals(key, &history);
  return history;
}

lincheck::History Recorder::KnownHistory() const {
  lincheck::History known;
  known.Reserve(operations_.size());
  for (const std::string& key : keys_) {
    if (ExpiryChecker::Covers(key)) continue;
    const uint32_t own = known.Partition(key);
    const lincheck::History history = HistoryOf(key, watches_log_);
    for (lincheck::Operation op : history.operations()) {
      op.partition = own;
      known.Add(op);
    }
  }
  return known;
}

std::vector<lincheck::Operation> Recorder::RemovalsOf(
    const std::string& key) const {
  const uint32_t partition = PartitionOf(key);
  std::vector<lincheck::Operation> returned;
  for (const Operation& operation : operations_) {
    const lincheck::Operation& op = operation.recorded;
    if (op.partition == partition && op.known() && operation.token.empty() &&
        op.function != Kv::kGet) {
      returned.push_back(op);
    }
  }
  return returned;
}

std::vector<HistoryChecker::Removal> Recorder::CommittedRemovalsOf(
    const std::string& key) const {
  const auto it = removals_.find(key);
  return it == removals_.end() ? std::vector<HistoryChecker::Removal>()
                               : it->second;
}

std::map<std::string, uint64_t> Recorder::succeeded_by_function() const {
  std::map<std::string, uint64_t> counts = succeeded_expiring_;
  for (size_t f = 0; f < succeeded_.size(); ++f) {
    if (succeeded_[f] == 0) continue;
    counts[std::string(model_.FunctionName(static_cast<uint8_t>(f)))] =
        succeeded_[f];
  }
  return counts;
}

}  // namespace quorate::sim
