#include "sim/checks/history_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/check/checker.h"

namespace quorate::sim {

HistoryChecker::HistoryChecker(const lincheck::Model& model,
                               const Budget& budget, Report violate,
                               const Source* source)
    : model_(model),
      budget_(budget),
      violate_(std::move(violate)),
      source_(source),
      online_(model, budget.online) {}

void HistoryChecker::Finish() {
  if (source_->watches_log()) {
    for (const std::string& key : source_->keys()) CheckRemovals(key);
  }
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
    if (verdict.result == lincheck::Result::kUnknown) ++given_up_;
    if (verdict.result != lincheck::Result::kViolation) continue;
    violate_(absl::StrCat(
        source_->ExecutedTwice(key),
        "linearizability, by the contents of the logs: ",
        lincheck::Describe(history, model_, *verdict.counter_example)));
  }
}

// In the order of returns, each operation takes the first removal of the log
// that fits. That leaves the most removals to later operations.
void HistoryChecker::CheckRemovals(const std::string& key) {
  std::vector<Removal> committed = source_->CommittedRemovalsOf(key);
  std::vector<lincheck::Operation> returned = source_->RemovalsOf(key);
  std::stable_sort(returned.begin(), returned.end(),
                   [](const auto& a, const auto& b) { return a.ret < b.ret; });
  for (const lincheck::Operation& op : returned) {
    const auto fits = [&op](const Removal& one) {
      return !one.claimed && one.function == op.function &&
             one.result == op.result && one.time.ns() >= op.invoke &&
             one.time.ns() <= op.ret;
    };
    const auto found = std::find_if(committed.begin(), committed.end(), fits);
    if (found != committed.end()) {
      found->claimed = true;
      continue;
    }
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
    violate_(absl::StrCat(source_->ExecutedTwice(violation.partition),
                          "linearizability: ", reason));
  }
}

}  // namespace quorate::sim
