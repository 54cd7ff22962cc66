#include "sim/checks/recorder.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/check.h"
#include "lincheck/check/checker.h"
#include "sim/checks/repeated_execution.h"

namespace quorate::sim {

using lincheck::Kv;
using lincheck::Value;

Recorder::Recorder(Clock clock, Report violate, const Budget& budget)
    : clock_(std::move(clock)),
      violate_(std::move(violate)),
      histories_(
          model_, budget,
          [this](std::string what) { violate_(std::move(what)); }, this),
      order_([this](std::string what) { violate_(std::move(what)); },
             [this](Ticket ticket) { return Name(operations_[ticket]); },
             &states_),
      stale_reads_(&states_,
                   [this](std::string what) { violate_(std::move(what)); }),
      availability_(
          [this](std::string what) { violate_(std::move(what)); },
          [this](Ticket ticket) { return Name(operations_[ticket]); }),
      expiry_(&states_,
              [this](std::string what) { violate_(std::move(what)); }),
      multi_keys_(&states_,
                  [this](std::string what) { violate_(std::move(what)); }),
      watches_([this](std::string what) { violate_(std::move(what)); }),
      log_([this] { return clock_(); },
           [this](std::string what) { violate_(std::move(what)); },
           [this](Ticket ticket) { return Name(operations_[ticket]); },
           [this](Ticket ticket) {
             return ExecutedTwice(std::string(history_.partition_name(
                 operations_[ticket].recorded.partition)));
           },
           {.states = &states_,
            .expiry = &expiry_,
            .order = &order_,
            .stale_reads = &stale_reads_,
            .multi_keys = &multi_keys_,
            .watches = &watches_}) {}

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
  log_.OnInvoked(operations_.size(), call.key, op);
  operations_.push_back(std::move(operation));
  ++counts_.invoked;
  ++open_;
  if (observed()) {
    ObserveTicket(
        operations_.size() - 1, "",
        absl::StrCat(call.key, ": ", lincheck::DescribeCall(model_, op)));
  }
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
  if (observed()) ObserveTicket(operations_.size() - 1, "", Describe(call));
  return operations_.size() - 1;
}

void Recorder::ReturnReply(Ticket ticket, const ClientReply& reply) {
  Operation& operation = operations_[ticket];
  CHECK(operation.may_expire) << "not an ExpiryCommand";
  if (observed()) ObserveTicket(ticket, "answer", reply.ToString());
  Succeed(ticket);
  ++succeeded_expiring_[VerbName(expiry_.verb(operation.expiry_ticket))];
  if (ChecksOrder(operation) && log_.started()) {
    order_.OnRead(
        ticket,
        std::string(history_.partition_name(operation.recorded.partition)),
        CommittedStates::HashOf(reply));
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
  const std::string_view key =
      history_.partition_name(operation.recorded.partition);
  const GroupId group = group_of_(key);
  availability_.OnSent(ticket, {.client = operation.recorded.client,
                                .group = group,
                                .node = node,
                                .connection = connection,
                                .sent = clock_(),
                                .slot = states_.SlotOf(key)});
  if (!ChecksOrder(operation)) return;
  order_.OnSent(ticket, connection, group,
                orders_by_slot_ ? states_.SlotOf(key) : Slot());
}

// Where slots move, the node may have led another group at that time.
void Recorder::OnUnknownAnswer(const UnknownAnswer& answer) {
  if (!led_ || !group_of_) return;
  ++unknown_checked_;
  const SentBytes& requests = requests_sent_[answer.node];
  std::set<uint64_t> groups;
  for (const UnknownAnswer::Part& part : answer.parts) {
    const GroupId group = orders_by_slot_ ? GroupId() : group_of_(part.key);
    if (led_(answer.node, group, answer.sent) ||
        requests.MayContain(answer.sent, part.text)) {
      return;
    }
    groups.insert(group.value());
  }
  violate_(absl::StrCat(
      "unknown outcome: node ", answer.node.value(), " gave it to ",
      answer.command, " that was sent at ", answer.sent.ms(),
      " ms, but it did not lead ",
      orders_by_slot_ ? "any group"
                      : absl::StrCat("group ", absl::StrJoin(groups, ", ")),
      " and handed no request with the command to a connection"));
}

void Recorder::OnUnknownAnswer(Ticket ticket, NodeId node) {
  const std::optional<SimTime> sent = availability_.LastSent(ticket);
  if (!sent.has_value()) return;
  const Operation& operation = operations_[ticket];
  const std::string key(history_.partition_name(operation.recorded.partition));
  OnUnknownAnswer({.node = node,
                   .sent = *sent,
                   .parts = {{.key = key, .text = key}},
                   .command = Name(operation)});
}

void Recorder::OnUnsent(Ticket ticket) {
  const Operation& operation = operations_[ticket];
  violate_(absl::StrCat("unknown outcome: client ", operation.recorded.client,
                        " gave it to ", Name(operation),
                        ", but handed no byte of it to an open connection"));
}

void Recorder::End(Ticket ticket) {
  Operation& operation = operations_[ticket];
  CHECK(!operation.ended) << "an operation ended twice";
  operation.ended = true;
  --open_;
  availability_.OnEnded(ticket, clock_());
}

void Recorder::Succeed(Ticket ticket) {
  availability_.OnSucceeded(ticket, clock_());
  End(ticket);
  ++counts_.succeeded;
}

void Recorder::Return(Ticket ticket, Value result) {
  Operation& operation = operations_[ticket];
  Succeed(ticket);
  operation.recorded.ret = Now();
  operation.recorded.result = result;
  if (observed()) {
    ObserveTicket(ticket, "answer",
                  lincheck::DescribeResult(model_, operation.recorded));
  }
  log_.OnAcknowledged(ticket, result);
  if (operation.recorded.function == Kv::kGet) {
    const std::string key(
        history_.partition_name(operation.recorded.partition));
    log_.OnRead(ticket, key, operation.recorded);
    if (read_hook_) read_hook_(key, SimTime(operation.recorded.invoke));
  }
  ++succeeded_[operation.recorded.function];
  histories_.online().Return(operation.ticket, operation.recorded.ret, result);
  histories_.ReportNewViolations();
}

void Recorder::ReturnNil(Ticket ticket) { Return(ticket, Value::Nil()); }

void Recorder::ReturnNumber(Ticket ticket, int64_t number) {
  Return(ticket, history_.Integer(number));
}

void Recorder::ReturnText(Ticket ticket, std::string_view text) {
  Return(ticket, history_.String(text));
}

void Recorder::ReturnLost(Ticket ticket) {
  Operation& operation = operations_[ticket];
  Succeed(ticket);
  ObserveTicket(ticket, "answer", "carried out, but the result is lost");
  if (operation.may_expire) return;
  // Null: a read, or a removal. Nothing identifies those in the log.
  const LogChecker::Write* const write = log_.Find(ticket);
  if (write != nullptr && write->in_log()) {
    histories_.online().Return(operation.ticket, Now(), write->result);
  } else {
    if (write != nullptr && log_.started()) {
      violate_(
          absl::StrCat("acknowledged: ", Name(operation), " is in no log"));
    }
    histories_.online().LeaveUnknown(operation.ticket, Now());
  }
  histories_.ReportNewViolations();
}

void Recorder::LeaveUnknown(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(ticket);
  ObserveTicket(ticket, "unknown", "");
  ++counts_.unknown;
  if (operation.may_expire) return;
  const LogChecker::Write* const write = log_.Find(ticket);
  if (write != nullptr && write->in_log()) {
    histories_.online().Return(operation.ticket, Now(), write->result);
  } else {
    histories_.online().LeaveUnknown(operation.ticket, Now());
  }
  histories_.ReportNewViolations();
}

void Recorder::Withdraw(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(ticket);
  ObserveTicket(ticket, "refused", "");
  ++counts_.refused;
  operation.withdrawn = true;
  if (operation.may_expire) return expiry_.Withdraw(operation.expiry_ticket);
  histories_.online().Withdraw(operation.ticket, Now());
  log_.OnRefused(ticket);
  histories_.ReportNewViolations();
}

StaleReadChecker::Sent Recorder::SendStaleRead(NodeId node,
                                               const std::string& key,
                                               ExpiryCommand::Verb verb,
                                               std::optional<Duration> bound) {
  StaleReadChecker::Sent sent = stale_reads_.Send(
      node, group_of_ ? group_of_(key) : GroupId(), states_.SlotOf(key));
  sent.number = verb != ExpiryCommand::Verb::kGet;
  if (bound.has_value()) sent.newest_missing = clock_() - *bound;
  return sent;
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

void Recorder::Count(Outcome outcome) {
  ++counts_.invoked;
  ++(outcome == Outcome::kDone          ? counts_.succeeded
     : outcome == Outcome::kNotExecuted ? counts_.refused
                                        : counts_.unknown);
}

void Recorder::OnReadOnly(uint32_t client, NodeId node) {
  if (MayBeReadOnly(node)) return;
  Unexpected(client, absl::StrCat("READONLY of node ", node.value(),
                                  ", which has a vote"));
}

void Recorder::OnNoMemory(uint32_t client) {
  if (!limits_.has_value() || limits_->memory) return;
  Unexpected(client, "OOM, though no node has a limit of its memory");
}

void Recorder::OrderRemovals(const std::string& key,
                             lincheck::History* history) const {
  std::vector<lincheck::Operation> operations(history->operations().begin(),
                                              history->operations().end());
  // Nothing identifies a removal. Of the operations that fit, the one that
  // returned first is the most likely. No verdict depends on this guess.
  for (const LogChecker::Removal& removal : log_.RemovalsOf(key)) {
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
  for (Ticket ticket = 0; ticket < operations_.size(); ++ticket) {
    const Operation& operation = operations_[ticket];
    if (operation.recorded.partition != partition || operation.withdrawn) {
      continue;
    }
    lincheck::Operation op = operation.recorded;
    op.partition = own;
    const LogChecker::Write* const write =
        with_logs ? log_.Find(ticket) : nullptr;
    if (write != nullptr && !op.known()) {
      if (!write->in_log()) continue;
      op.ret = std::max(op.invoke, write->committed.ns());
      op.result = write->result;
    }
    // The log gives the order of writes, so no search for it is needed.
    if (write != nullptr && !model_.IsRead(op)) op.written = write->order;
    history.Add(op);
  }
  if (with_logs) OrderRemovals(key, &history);
  return history;
}

// Of unknown outcomes the log says whether the operations were executed. Their
// results are not those of the log, if the store executed one twice.
std::string Recorder::ExecutedTwice(const std::string& key) const {
  if (log_.RepeatsOf(key).empty()) return "";
  std::vector<Repeat> repeats;
  for (const LogChecker::RepeatedWrite& write : log_.RepeatsOf(key)) {
    repeats.push_back(
        {operations_[write.op].recorded,
         absl::StrCat("at ", write.first.ns(), " ns, and at ",
                      write.again_at.ns(), " ns as entry ", write.again.value(),
                      " of group ", write.group.value())});
  }
  const uint32_t partition = PartitionOf(key);
  lincheck::History history;
  const uint32_t own = history.Partition(key);
  for (Ticket ticket = 0; ticket < operations_.size(); ++ticket) {
    const Operation& operation = operations_[ticket];
    if (operation.recorded.partition != partition || operation.withdrawn) {
      continue;
    }
    lincheck::Operation op = operation.recorded;
    op.partition = own;
    const LogChecker::Write* const write = log_.Find(ticket);
    if (write != nullptr && !op.known() && !write->in_log()) continue;
    history.Add(op);
  }
  const std::string twice = sim::ExecutedTwice(history, own, model_, repeats);
  return twice.empty() ? "" : twice + "\n";
}

lincheck::History Recorder::KnownHistory() const {
  lincheck::History known;
  known.Reserve(operations_.size());
  for (const std::string& key : keys_) {
    if (expiry_.Follows(key)) continue;
    const uint32_t own = known.Partition(key);
    const lincheck::History history = HistoryOf(key, log_.started());
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
    if (op.partition == partition && op.known() &&
        (op.function == Kv::kDelete || op.function == Kv::kTake)) {
      returned.push_back(op);
    }
  }
  return returned;
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
