#include "sim/checks/history_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/checker.h"
#include "lincheck/models/kv.h"

namespace quorate::sim {

using lincheck::Kv;

HistoryChecker::HistoryChecker(const lincheck::Model& model,
                               const Budget& budget, Report violate,
                               const Source* source)
    : model_(model),
      budget_(budget),
      violate_(std::move(violate)),
      source_(source),
      online_(model, budget.online) {}

void HistoryChecker::Finish() {
  online_.Finish();
  ReportNewViolations();
  if (online_.given_up() > 0) CheckGivenUp();
}

void HistoryChecker::CheckGivenUp() {
  const lincheck::CheckOptions options{.nodes_max = budget_.nodes_max,
                                       .bytes_max = 256 << 20,
                                       .minimise_nodes_max = 300'000};
  for (const std::string& key : source_->keys()) {
    if (!online_.given_up(key)) continue;
    const lincheck::History history =
        source_->HistoryOf(key, /*with_logs=*/true);
    const lincheck::Verdict verdict = lincheck::Check(history, model_, options);
    if (verdict.result == lincheck::Result::kUnknown) {
      source_->watches_log() ? CheckByLog(key) : void(++undecided_);
    }
    if (verdict.result != lincheck::Result::kViolation) continue;
    violate_(absl::StrCat(
        "linearizability, by the contents of the logs: ",
        lincheck::Describe(history, model_, *verdict.counter_example)));
  }
}

void HistoryChecker::CheckByLog(const std::string& key) {
  std::vector<Logged> logged = source_->LogOf(key);
  // The values of the key, each with the time from which it was current.
  std::vector<std::pair<SimTime, lincheck::Datum>> states(1);
  for (const Logged& one : logged) {
    lincheck::Datum next = states.back().second;
    Kv().Step(next, one.op);
    states.emplace_back(one.time, std::move(next));
  }
  // Assigns removals to operations in the order of returns, the first one that
  // fits each time: that leaves the most to later operations.
  std::vector<lincheck::Operation> returned = source_->ReadsAndRemovals(key);
  std::stable_sort(returned.begin(), returned.end(),
                   [](const auto& a, const auto& b) { return a.ret < b.ret; });
  for (const lincheck::Operation& op : returned) {
    bool explained = false;
    if (op.function == Kv::kGet) {
      // Tries the values from the one at the return back to the one at the
      // call.
      for (size_t i = states.size(); i-- > 0 && !explained;) {
        if (states[i].first.ns() > op.ret) continue;
        explained = states[i].second.Explains(op.result);
        if (states[i].first.ns() < op.invoke) break;
      }
    }
    for (Logged& one : logged) {
      if (op.function == Kv::kGet || explained) break;
      explained = !one.claimed && one.op.function == op.function &&
                  one.result == op.result && one.time.ns() >= op.invoke &&
                  one.time.ns() <= op.ret;
      one.claimed |= explained;
    }
    if (explained) continue;
    violate_(absl::StrCat("linearizability, by the order of the log: ",
                          lincheck::DescribeCall(model_, op), " on ", key,
                          ", called at ", op.invoke, " ns and answered at ",
                          op.ret, " ns"));
    return;
  }
}

void HistoryChecker::ReportNewViolations() {
  while (reported_ < online_.violations().size()) {
    const lincheck::OnlineViolation& violation =
        online_.violations()[reported_++];
    std::string reason =
        absl::StrCat("key \"", violation.partition, "\": ", violation.reason);
    // Explains the first violation with the whole history of its key. An
    // explanation by client histories without logs is preferred.
    for (const bool with_logs : {true, false}) {
      if (reported_ > 1) break;
      const lincheck::History history =
          source_->HistoryOf(violation.partition, with_logs);
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

}  // namespace quorate::sim
