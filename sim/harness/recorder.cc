#include "sim/harness/recorder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "lincheck/checker.h"

namespace quorate::sim {

using lincheck::Kv;
using lincheck::Value;

std::string_view TokenOf(std::string_view value) {
  return value.substr(0, value.find_first_of(":;"));
}

Recorder::Recorder(Clock clock, Report violate)
    : clock_(std::move(clock)),
      violate_(std::move(violate)),
      checker_(model_, {.configurations_max = 2'000, .nodes_max = 50'000}) {}

Recorder::Ticket Recorder::Invoke(const Call& call) {
  const uint32_t partition = history_.Partition(call.key);
  if (partition == keys_.size()) keys_.push_back(call.key);
  lincheck::Operation op{.invoke = Now(),
                         .client = call.client,
                         .partition = partition,
                         .function = call.function};
  if (call.function == Kv::kIncrement) {
    op.argument = Value::Integer(call.number);
  } else if (!call.text.empty()) {
    op.argument = history_.String(call.text);
  }
  if (call.expect_absent) op.expected = Value::Nil();
  Operation operation;
  operation.recorded = op;
  operation.ticket = checker_.Invoke(call.key, op.invoke, op);
  if (!call.text.empty()) {
    operation.token = std::string(TokenOf(call.text));
    written_[operation.token] = {};
  }
  operations_.push_back(std::move(operation));
  ++counts_.invoked;
  ++open_;
  ReportNewViolations();
  return operations_.size() - 1;
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
  ++counts_.succeeded;
  ++succeeded_[operation.recorded.function];
  history_.Add(operation.recorded);
  checker_.Return(operation.ticket, operation.recorded.ret, result);
  ReportNewViolations();
}

void Recorder::ReturnNil(Ticket ticket) { Return(ticket, Value::Nil()); }

void Recorder::ReturnNumber(Ticket ticket, int64_t number) {
  Return(ticket, Value::Integer(number));
}

void Recorder::ReturnText(Ticket ticket, std::string_view text) {
  Return(ticket, history_.String(text));
}

void Recorder::LeaveUnknown(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(operation);
  ++counts_.unknown;
  history_.Add(operation.recorded);
  checker_.LeaveUnknown(operation.ticket, Now());
  ReportNewViolations();
}

void Recorder::Withdraw(Ticket ticket) {
  Operation& operation = operations_[ticket];
  End(operation);
  ++counts_.refused;
  checker_.Withdraw(operation.ticket, Now());
  if (!operation.token.empty()) {
    Written& written = written_[operation.token];
    written.fate = Fate::kWithdrawn;
    if (written.seen_stale) {
      violate_(absl::StrCat("stale read: \"", operation.token,
                            "\" was seen, then its write certainly refused"));
    }
  }
  ReportNewViolations();
}

void Recorder::StaleRead(uint32_t client, const std::string& key,
                         std::string_view text) {
  ++counts_.stale_reads;
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
  if (it->second.fate == Fate::kWithdrawn) {
    violate_(absl::StrCat("stale read: client ", client, " read ", key, " = \"",
                          std::string(token),
                          "\", whose write was certainly refused"));
  }
}

void Recorder::Unexpected(uint32_t client, std::string_view what) {
  violate_(absl::StrCat("client ", client,
                        ": unexpected reply: ", std::string(what)));
}

void Recorder::Finish() {
  checker_.Finish();
  ReportNewViolations();
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
    // The whole history of the key gives the smallest reason; operations still
    // open count as unknown.
    lincheck::History history;
    const uint32_t partition = history.Partition(violation.partition);
    const uint32_t wanted = history_.Partition(violation.partition);
    for (const Operation& operation : operations_) {
      const bool withdrawn = operation.ended && !operation.recorded.known() &&
                             !operation.token.empty() &&
                             written_[operation.token].fate == Fate::kWithdrawn;
      if (operation.recorded.partition != wanted || withdrawn) continue;
      lincheck::Operation op = operation.recorded;
      op.partition = partition;
      history.Add(op);
    }
    const lincheck::Verdict verdict =
        lincheck::Check(history, model_,
                        {.nodes_max = 300'000,
                         .bytes_max = 256 << 20,
                         .minimise_nodes_max = 300'000});
    violate_(absl::StrCat(
        "linearizability: ",
        verdict.counter_example.has_value()
            ? lincheck::Describe(history, model_, *verdict.counter_example)
            : absl::StrCat("key \"", violation.partition,
                           "\": ", violation.reason)));
  }
}

std::map<std::string, uint64_t> Recorder::succeeded_by_function() const {
  std::map<std::string, uint64_t> counts;
  for (size_t f = 0; f < succeeded_.size(); ++f) {
    if (succeeded_[f] == 0) continue;
    counts[std::string(model_.FunctionName(static_cast<uint8_t>(f)))] =
        succeeded_[f];
  }
  return counts;
}

}  // namespace quorate::sim
