#include "sim/checks/recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/random.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "lincheck/checker.h"
#include "sim/choices/trace_hash.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {

using lincheck::Kv;
using lincheck::Value;

namespace {

// Of the command, or of the first one nested in it; empty: it has none.
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
  if (value.is_nil()) return ConnectionOrderChecker::kNothing;
  if (value.is_integer()) {
    return Mix64(static_cast<uint64_t>(value.integer()) + 1);
  }
  return HashBytes(value.bytes());
}

}  // namespace

std::string_view TokenOf(std::string_view value) {
  return value.substr(0, value.find_first_of(":;"));
}

Recorder::Recorder(Clock clock, Report violate, const Budget& budget)
    : clock_(std::move(clock)),
      violate_(std::move(violate)),
      budget_(budget),
      checker_(model_, budget.online),
      order_([this](std::string what) { violate_(std::move(what)); },
             [this](Ticket ticket) { return Name(operations_[ticket]); }),
      expiry_([this](std::string what) { violate_(std::move(what)); }) {
  expiry_.WatchValues([this](const std::string& key, const std::string* value) {
    order_.OnValue(key, ++committed_,
                   value == nullptr ? ConnectionOrderChecker::kNothing
                                    : HashBytes(*value));
  });
}

Recorder::Ticket Recorder::Invoke(const ClientCall& call) {
  const uint32_t partition = history_.Partition(call.key);
  if (partition == keys_.size()) keys_.push_back(call.key);
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
  operation.ticket = checker_.Invoke(call.key, op.invoke, op);
  if (!call.text.empty()) {
    operation.token = std::string(TokenOf(call.text));
  } else if (call.function == Kv::kIncrement) {
    operation.token = absl::StrCat(call.key, "+", call.number);
  }
  if (!operation.token.empty()) {
    written_[operation.token] = {.ticket = operations_.size()};
  }
  operations_.push_back(std::move(operation));
  ++counts_.invoked;
  ++open_;
  ReportNewViolations();
  return operations_.size() - 1;
}

Recorder::Ticket Recorder::Invoke(const ExpiryCommand& call) {
  const uint32_t partition = history_.Partition(call.key);
  if (partition == keys_.size()) keys_.push_back(call.key);
  Operation operation;
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
  CHECK(operation.may_expire) << "not a timed call";
  End(operation);
  ++counts_.succeeded;
  ++succeeded_expiring_[VerbName(expiry_.verb(operation.expiry_ticket))];
  if (ChecksOrder(operation) && watches_log_) {
    const bool found = reply.type == ClientReply::Type::kBulk;
    order_.OnRead(
        ticket,
        std::string(history_.partition_name(operation.recorded.partition)),
        found ? HashBytes(reply.text) : ConnectionOrderChecker::kNothing);
  }
  expiry_.Return(operation.expiry_ticket, clock_(), reply);
}

std::string Recorder::Name(const Operation& operation) const {
  return absl::StrCat(lincheck::DescribeCall(model_, operation.recorded),
                      " on ",
                      history_.partition_name(operation.recorded.partition));
}

// Of keys that expire, only what reads their value: that alone pins a place.
bool Recorder::ChecksOrder(const Operation& operation) const {
  return !operation.may_expire ||
         expiry_.verb(operation.expiry_ticket) == ExpiryCommand::Verb::kGet;
}

void Recorder::OnSent(Ticket ticket, uint64_t connection) {
  if (!group_of_ || !ChecksOrder(operations_[ticket])) return;
  order_.OnSent(ticket, connection,
                group_of_(history_.partition_name(
                    operations_[ticket].recorded.partition)));
}

void Recorder::End(Operation& operation) {
  CHECK(!operation.ended) << "an operation ended twice";
  operation.ended = true;
  --open_;
}

void Recorder::Return(Ticket ticket, Value result) {
  Operation& operation = operations_[ticket];
  End(operation);
  operation.recorded.ret = Now();
  operation.recorded.result = result;
  if (!operation.token.empty() && watches_log_) {
    const std::string name = absl::StrCat("acknowledged: ", Name(operation));
    if (operation.committed == SimTime::Max()) {
      violate_(absl::StrCat(name, " is in no log"));
    } else if (operation.replayed != result) {
      violate_(absl::StrCat(name, ", but its log gives ",
                            operation.replayed.ToString()));
    }
  }
  if (operation.recorded.function == Kv::kGet) {
    const std::string key(
        history_.partition_name(operation.recorded.partition));
    lincheck::Datum read;
    read.Assign(result);
    if (watches_log_) order_.OnRead(ticket, key, HashValue(read));
    if (read_hook_) read_hook_(key, SimTime(operation.recorded.invoke));
  }
  ++counts_.succeeded;
  ++succeeded_[operation.recorded.function];
  checker_.Return(operation.ticket, operation.recorded.ret, result);
  ReportNewViolations();
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
  End(operation);
  ++counts_.unknown;
  if (operation.may_expire) return;
  if (operation.committed != SimTime::Max()) {
    checker_.Return(operation.ticket, Now(), operation.replayed);
  } else {
    checker_.LeaveUnknown(operation.ticket, Now());
  }
  ReportNewViolations();
}

void Recorder::Withdraw(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(operation);
  ++counts_.refused;
  operation.withdrawn = true;
  if (operation.may_expire) return expiry_.Withdraw(operation.expiry_ticket);
  checker_.Withdraw(operation.ticket, Now());
  if (!operation.token.empty() && written_[operation.token].seen_stale) {
    violate_(absl::StrCat("stale read: \"", operation.token,
                          "\" was seen, then its write certainly refused"));
  }
  if (operation.committed != SimTime::Max()) {
    violate_(absl::StrCat("refused: \"", operation.token,
                          "\" was committed, then certainly refused"));
  }
  ReportNewViolations();
}

void Recorder::StaleRead(uint32_t client, const std::string& key,
                         std::string_view text) {
  ++counts_.stale_reads;
  if (ExpiryChecker::Covers(key)) return expiry_.StaleRead(client, key, text);
  if (text.find(';') == std::string_view::npos) {
    CheckToken(client, key, TokenOf(text));
    return;
  }
  while (!text.empty()) {
    const size_t end = text.find(';');
    CheckToken(client, key, TokenOf(text.substr(0, end)));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

void Recorder::CheckToken(uint32_t client, const std::string& key,
                          std::string_view token) {
  const auto it = written_.find(absl::string_view(token.data(), token.size()));
  if (it == written_.end()) {
    violate_(absl::StrCat("stale read: client ", client, " read ", key, " = \"",
                          std::string(token), "\", which nobody wrote"));
    return;
  }
  it->second.seen_stale = true;
  if (operations_[it->second.ticket].withdrawn) {
    violate_(absl::StrCat("stale read: client ", client, " read ", key, " = \"",
                          std::string(token),
                          "\", whose write was certainly refused"));
  }
}

void Recorder::Unexpected(uint32_t client, std::string_view what) {
  violate_(absl::StrCat("client ", client,
                        ": unexpected reply: ", std::string(what)));
}

void Recorder::OnCommitted(GroupId group, raft::Index index, WallTime log_time,
                           std::string_view payload) {
  watches_log_ = true;
  expiry_.OnEntry(group, clock_(), log_time);
  if (payload.empty()) return;
  kv::CommandReader commands(payload);
  while (commands.ok() && !commands.done()) {
    kv::CommandView command;
    const kv::Version version{group, index, commands.position()};
    if (commands.Next(&command)) OnCommand(version, command);
  }
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
    // All or nothing.
    const auto it = versions_.find(std::string(FirstKeyOf(inner)));
    const kv::Version found =
        it == versions_.end() ? kv::Version() : it->second;
    const bool absent = (inner.flags & kv::kIfAbsent) != 0;
    if (absent && !found.none()) return;
    if ((absent ? slot_removals_[inner.slot] : found) != inner.expected) return;
  }
}

void Recorder::OnCommand(const kv::Version& version,
                         const kv::CommandView& command) {
  // The leader's own: it removes what is due by log time already.
  if (command.op == kv::Op::kExpire) return;
  // Another checker's.
  if (FirstKeyOf(command).starts_with(kDeepKeyPrefix)) return;
  if (command.has_session && !TakesEffect(command)) return;
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
      // A swap may be put as a transaction of GET and SET.
      const auto it = written_.find(token);
      if (op.function == Kv::kPut && it != written_.end() &&
          operations_[it->second.ticket].recorded.function == Kv::kSwap) {
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
                            ", which nobody asked"));
      return;
  }
  const lincheck::Version at = ++committed_;
  const Value result = Replay(key, at, version, op);
  logged_[key].push_back({clock_(), op, result});
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
  // Removals are all alike; one that fits and must end first is the likely one. No verdict depends on it.
  for (const Removal& removal : removals->second) {
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

bool Recorder::TakesEffect(const kv::CommandView& command) {
  // As sessions promise: once, and never below the floor that the client itself raised (in this slot).
  SessionRow& row = sessions_[{command.slot, command.session.token.client}];
  const kv::Sequence sequence = command.session.sequence;
  if (sequence < row.floor) return false;
  row.floor = std::max(row.floor, command.session.floor);
  return row.done.insert(sequence).second;
}

Value Recorder::Replay(const std::string& key, lincheck::Version at,
                       const kv::Version& version,
                       const lincheck::Operation& op) {
  lincheck::Datum& state = replayed_[key];
  const lincheck::Datum before = state;
  Kv().Step(state, op);
  if (state != before) order_.OnValue(key, at, HashValue(state));
  const bool wrote = op.function == Kv::kCas           ? before.is_nil()
                     : op.function == Kv::kPutIfExists ? !before.is_nil()
                                                       : !state.is_nil();
  if (state.is_nil()) {
    if (versions_.erase(key) > 0) slot_removals_[kv::HashSlot(key)] = version;
  } else if (wrote) {
    versions_[key] = version;
  }
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
      return value(state);
    case Kv::kAppend:
      return Value::Integer(static_cast<int64_t>(state.size()));
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
    violate_(absl::StrCat("log: it holds \"", token, "\", which nobody asked"));
    return;
  }
  Operation& operation = operations_[it->second.ticket];
  if (operation.committed != SimTime::Max()) {
    violate_(absl::StrCat("log: it holds \"", token, "\" twice"));
    return;
  }
  operation.committed = clock_();
  operation.order = at;
  operation.replayed = result;
  order_.OnCommitted(it->second.ticket, at);
  if (operation.withdrawn) {
    violate_(absl::StrCat("refused: \"", token,
                          "\" was certainly refused, then committed"));
  }
}

void Recorder::Finish() {
  checker_.Finish();
  ReportNewViolations();
  if (checker_.given_up() > 0) CheckGivenUp();
}

lincheck::History Recorder::HistoryOf(uint32_t partition,
                                      bool with_logs) const {
  lincheck::History history;
  const uint32_t own = history.Partition(history_.partition_name(partition));
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
    // Where the order is known it need not be searched for.
    if (with_logs && !model_.IsRead(op)) op.written = operation.order;
    history.Add(op);
  }
  if (with_logs) OrderRemovals(history_.partition_name(partition), &history);
  return history;
}

lincheck::History Recorder::KnownHistory() const {
  lincheck::History known;
  known.Reserve(operations_.size());
  for (uint32_t partition = 0; partition < keys_.size(); ++partition) {
    if (ExpiryChecker::Covers(keys_[partition])) continue;
    const uint32_t own = known.Partition(keys_[partition]);
    const lincheck::History history = HistoryOf(partition, watches_log_);
    for (lincheck::Operation op : history.operations()) {
      op.partition = own;
      known.Add(op);
    }
  }
  return known;
}

void Recorder::CheckGivenUp() {
  const lincheck::CheckOptions options{.nodes_max = budget_.nodes_max,
                                       .bytes_max = 256 << 20,
                                       .minimise_nodes_max = 300'000};
  for (uint32_t partition = 0; partition < keys_.size(); ++partition) {
    if (!checker_.given_up(keys_[partition])) continue;
    const lincheck::History history = HistoryOf(partition, /*with_logs=*/true);
    const lincheck::Verdict verdict = lincheck::Check(history, model_, options);
    if (verdict.result == lincheck::Result::kUnknown) {
      watches_log_ ? CheckByLog(partition) : void(++undecided_);
    }
    if (verdict.result != lincheck::Result::kViolation) continue;
    violate_(absl::StrCat(
        "linearizability, by what the logs tell: ",
        lincheck::Describe(history, model_, *verdict.counter_example)));
  }
}

void Recorder::CheckByLog(uint32_t partition) {
  const std::string& key = history_.partition_name(partition);
  std::vector<Logged>& logged = logged_[key];
  // What the key was from each moment on.
  std::vector<std::pair<SimTime, lincheck::Datum>> states(1);
  for (const Logged& one : logged) {
    lincheck::Datum next = states.back().second;
    Kv().Step(next, one.op);
    states.emplace_back(one.time, std::move(next));
  }
  // In the order of returns the first removal that fits leaves most to the others.
  std::vector<const lincheck::Operation*> returned;
  for (const Operation& operation : operations_) {
    const lincheck::Operation& op = operation.recorded;
    if (op.partition == partition && op.known() && operation.token.empty()) {
      returned.push_back(&op);
    }
  }
  std::stable_sort(
      returned.begin(), returned.end(),
      [](const auto* a, const auto* b) { return a->ret < b->ret; });
  for (const lincheck::Operation* op : returned) {
    bool explained = false;
    if (op->function == Kv::kGet) {
      // From what was current at the return back to what was at the call.
      for (size_t i = states.size(); i-- > 0 && !explained;) {
        if (states[i].first.ns() > op->ret) continue;
        explained = states[i].second.Explains(op->result);
        if (states[i].first.ns() < op->invoke) break;
      }
    }
    for (Logged& one : logged) {
      if (op->function == Kv::kGet || explained) break;
      explained = !one.claimed && one.op.function == op->function &&
                  one.result == op->result && one.time.ns() >= op->invoke &&
                  one.time.ns() <= op->ret;
      one.claimed |= explained;
    }
    if (explained) continue;
    violate_(absl::StrCat("linearizability, by the order of the log: ",
                          lincheck::DescribeCall(model_, *op), " on ", key,
                          ", called at ", op->invoke, " ns and answered at ",
                          op->ret, " ns"));
    return;
  }
}

void Recorder::ReportNewViolations() {
  while (reported_ < checker_.violations().size()) {
    const lincheck::OnlineViolation& violation =
        checker_.violations()[reported_++];
    if (reported_ > 1) {
      violate_(absl::StrCat("linearizability: key \"", violation.partition,
                            "\": ", violation.reason));
      continue;
    }
    // The whole history of the key gives the smallest reason: first by what clients know alone.
    std::string reason =
        absl::StrCat("key \"", violation.partition, "\": ", violation.reason);
    const uint32_t partition = history_.Partition(violation.partition);
    for (const bool with_logs : {true, false}) {
      const lincheck::History history = HistoryOf(partition, with_logs);
      const lincheck::Verdict verdict =
          lincheck::Check(history, model_,
                          {.nodes_max = 300'000,
                           .bytes_max = 256 << 20,
                           .minimise_nodes_max = 300'000});
      if (!verdict.counter_example.has_value()) continue;
      reason = lincheck::Describe(history, model_, *verdict.counter_example);
    }
    violate_(absl::StrCat("linearizability: ", reason));
  }
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
