#include "lincheck/levels.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lincheck/sequential.h"
#include "lincheck/sessions.h"
#include "lincheck/version_order.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = VersionOrder::kNone;
class Judge {
 public:
  Judge(const History& history, const Model& model, LevelsVerdict* verdict)
      : history_(history), model_(model), verdict_(*verdict) {}

  void Run();

 private:
  // All levels but linearizability.
  void JudgeAll(Result result, const std::string& reason,
                const std::vector<size_t>& witness);
  // What can be told of all levels from the orders of writes alone, and
  // kSequential. False if that is the end: nothing can hold. `judged` are the
  // partitions that are not linearizable, as far as known.
  bool Order(absl::Span<const uint32_t> judged);
  void JudgeSessions(const VersionOrder& order);
  void MeasureStaleness(const VersionOrder& order);
  LevelVerdict& At(Level level) {
    return verdict_.levels[static_cast<size_t>(level)];
  }
  const Operation& Op(size_t i) const { return history_.operations()[i]; }
  const Operation& Op(const VersionOrder& order, uint32_t row) const {
    return Op(order.rows[row].operation);
  }
  // The sentence, and which key it is about if keys have names.
  std::string OnKey(std::string reason, uint32_t partition) const;
  std::string Call(size_t i) const {
    return DescribeCallOfClient(model_, Op(i));
  }

  const History& history_;
  const Model& model_;
  LevelsVerdict& verdict_;
  std::vector<VersionOrder> orders_;  // By partition.
};

void Judge::JudgeAll(Result result, const std::string& reason,
                     const std::vector<size_t>& witness) {
  for (LevelVerdict& level : verdict_.levels) {
    if (level.level == Level::kLinearizable) continue;
    level.result = result;
    level.reason = reason;
    level.witness = witness;
  }
  verdict_.staleness.result = result;
  verdict_.staleness.reason = reason;
}

void Judge::JudgeSessions(const VersionOrder& order) {
  for (LevelVerdict& found : CheckSessions(history_, model_, order)) {
    LevelVerdict& level = At(found.level);
    if (found.result != Result::kViolation ||
        level.result == Result::kViolation) {
      continue;
    }
    level = std::move(found);
  }
}

void Judge::MeasureStaleness(const VersionOrder& order) {
  if (!order.by_versions && !order.KeepsTime(history_, true)) {
    verdict_.staleness = {
        .reason = "the order of writes is not known without versions"};
  }
  if (verdict_.staleness.result != Result::kOk) return;
  // From each position on: the write that returned first.
  std::vector<uint32_t> first(order.states.size() + 1, kNone);
  for (size_t p = order.states.size(); p-- > 1;) {
    const uint32_t writer = order.states[p].writer;
    first[p] = first[p + 1];
    if (first[p] == kNone || Op(order, writer).ret < Op(order, first[p]).ret) {
      first[p] = writer;
    }
  }
  // Reads by invocation; writes by return are counted into a tree by position.
  std::vector<uint32_t> reads;
  std::vector<uint32_t> writes;
  for (uint32_t r = 0; r < order.rows.size(); ++r) {
    const VersionOrder::Row& row = order.rows[r];
    if (row.written == kNone) reads.push_back(r);
    if (row.written != kNone && Op(order, r).known()) writes.push_back(r);
  }
  std::sort(reads.begin(), reads.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(Op(order, a).invoke, a) <
           std::pair(Op(order, b).invoke, b);
  });
  std::sort(writes.begin(), writes.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(Op(order, a).ret, a) < std::pair(Op(order, b).ret, b);
  });
  std::vector<uint32_t> tree(order.states.size() + 1, 0);
  uint64_t counted = 0;
  for (const uint32_t r : reads) {
    const uint32_t seen = order.rows[r].seen;
    const uint32_t missed = first[seen + 1];
    const Time invoke = Op(order, r).invoke;
    while (counted < writes.size() && Op(order, writes[counted]).ret < invoke) {
      for (size_t p = order.rows[writes[counted]].written + 1; p < tree.size();
           p += p & (~p + 1)) {
        ++tree[p];
      }
      ++counted;
    }
    if (missed == kNone || Op(order, missed).ret >= invoke) continue;
    uint64_t older = 0;  // Counted writes up to the one it saw.
    for (size_t p = seen + 1; p > 0; p -= p & (~p + 1)) older += tree[p];
    Staleness& staleness = verdict_.staleness;
    const std::vector<size_t> witness = {order.rows[r].operation,
                                         order.rows[missed].operation};
    if (counted - older > staleness.versions_max) {
      staleness.versions_max = counted - older;
      staleness.versions_witness = witness;
    }
    if (invoke - Op(order, missed).ret > staleness.time_max) {
      staleness.time_max = invoke - Op(order, missed).ret;
      staleness.time_witness = witness;
    }
  }
}

std::string Judge::OnKey(std::string reason, uint32_t partition) const {
  if (reason.ends_with('.')) reason.pop_back();
  const std::string& name = history_.partition_name(partition);
  if (!name.empty()) absl::StrAppend(&reason, " on key \"", name, "\"");
  return reason + ".";
}

bool Judge::Order(absl::Span<const uint32_t> judged) {
  std::vector<std::vector<size_t>> indices(history_.partition_count());
  for (size_t i = 0; i < history_.operations().size(); ++i) {
    indices[Op(i).partition].push_back(i);
  }
  std::vector<bool> linearizable(indices.size(), true);
  for (const uint32_t partition : judged) linearizable[partition] = false;
  JudgeAll(Result::kOk, {}, {});
  LevelVerdict& sequential = At(Level::kSequential);
  LevelVerdict contradiction;  // Writes that cannot have had any order.
  for (uint32_t partition = 0; partition < indices.size(); ++partition) {
    orders_.push_back(OrderVersions(history_, indices[partition], model_));
    VersionOrder& order = orders_.back();
    if (linearizable[partition] && order.by_versions &&
        (!order.contradiction.empty() ||
         (order.known && !order.KeepsTime(history_, false)))) {
      order = {.reason = "Its versions do not count its writes"};
    }
    if (!order.contradiction.empty()) {
      contradiction = {Level::kSequential, Result::kViolation, order.reason,
                       order.contradiction};
    }
    if (order.known) continue;
    const std::string reason = OnKey(order.reason, partition);
    if (linearizable[partition]) {
      if (sequential.result == Result::kUnknown) continue;  // It says why.
      sequential.result = Result::kUnknown;
      sequential.reason = reason;
      continue;
    }
    if (!order.contradiction.empty()) {
      JudgeAll(Result::kViolation, order.reason, order.contradiction);
      return false;
    }
    JudgeAll(Result::kUnknown, reason, {});
  }
  if (contradiction.witness.empty()) {
    contradiction = CheckSequential(history_, model_, orders_);
  }
  if (contradiction.result == Result::kViolation ||
      sequential.result == Result::kOk) {
    sequential = std::move(contradiction);
  }
  return true;
}

void Judge::Run() {
  const Verdict& linearizable = verdict_.linearizability;
  LevelVerdict& strongest = At(Level::kLinearizable);
  strongest.result = linearizable.result;
  if (linearizable.result == Result::kOk) {
    JudgeAll(Result::kOk, {}, {});
    return;
  }
  if (linearizable.counter_example.has_value()) {
    strongest.reason = linearizable.counter_example->reason;
    strongest.witness = linearizable.counter_example->operations;
  } else {
    strongest.reason = "The search was given up.";
  }
  // A partition that is linearizable keeps all of what follows.
  std::vector<uint32_t> partitions = linearizable.wrong;
  partitions.insert(partitions.end(), linearizable.undecided.begin(),
                    linearizable.undecided.end());
  if (!Order(partitions)) return;
  for (const uint32_t partition : partitions) {
    if (!orders_[partition].known) continue;
    JudgeSessions(orders_[partition]);
    MeasureStaleness(orders_[partition]);
  }
  // What no order keeps of sessions, none keeps of everything.
  const LevelVerdict& sessions = At(Level::kSessions);
  LevelVerdict& sequential = At(Level::kSequential);
  if (sessions.result == Result::kViolation &&
      (sequential.result != Result::kViolation ||
       sessions.witness.size() < sequential.witness.size())) {
    sequential = sessions;
    sequential.level = Level::kSequential;
  }
}

}  // namespace

std::string_view LevelName(Level level) {
  constexpr std::string_view kNames[] = {
      "linearizable",       "sequential",      "session guarantees",
      "read your writes",   "monotonic reads", "monotonic writes",
      "writes follow reads"};
  return kNames[static_cast<size_t>(level)];
}

LevelsVerdict CheckLevels(const History& history, const Model& model,
                          const CheckOptions& options) {
  LevelsVerdict verdict;
  for (size_t i = 0; i < kLevelCount; ++i) {
    verdict.levels.push_back({.level = static_cast<Level>(i)});
  }
  verdict.linearizability = Check(history, model, options);
  Judge(history, model, &verdict).Run();
  for (const LevelVerdict& level : verdict.levels) {
    if (level.result != Result::kOk) continue;
    verdict.strongest = level.level;
    break;
  }
  return verdict;
}

}  // namespace quorate::lincheck
