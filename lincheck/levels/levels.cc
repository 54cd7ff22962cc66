#include "lincheck/levels/levels.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lincheck/levels/sequential.h"
#include "lincheck/levels/sessions.h"
#include "lincheck/levels/version_order.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = VersionOrder::kNone;
// About the memory for each operation of one order of all.
constexpr size_t kSequentialBytes = 160;

class Judge {
 public:
  Judge(const History& history, const Model& model, const CheckOptions& options,
        LevelsVerdict* verdict)
      : history_(history),
        model_(model),
        options_(options),
        verdict_(*verdict),
        linearizable_(history.partition_count(), true),
        orders_(history.partition_count()) {}

  void Run();

 private:
  // All levels but linearizability.
  void JudgeAll(Result result, const std::string& reason,
                const std::vector<size_t>& witness);
  // Indices of operations, by partition, of those that are linearizable or not.
  std::vector<std::vector<size_t>> Indices(bool linearizable) const;
  // Orders the writes of partitions that are linearizable or not. Those of the
  // latter say something about all levels, the others about kSequential. False
  // if that is the end: nothing can hold.
  bool OrderWrites(bool linearizable);
  void JudgeSequential();
  void JudgeSessions(const VersionOrder& order);
  void MeasureStaleness(const VersionOrder& order);
  LevelVerdict& At(ConsistencyLevel level) {
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
  const CheckOptions& options_;
  LevelsVerdict& verdict_;
  std::vector<bool> linearizable_;    // By partition.
  std::vector<VersionOrder> orders_;  // By partition; unknown until looked at.
  LevelVerdict contradiction_;        // Writes that cannot have had any order.
};

void Judge::JudgeAll(Result result, const std::string& reason,
                     const std::vector<size_t>& witness) {
  for (LevelVerdict& level : verdict_.levels) {
    if (level.level == ConsistencyLevel::kLinearizable) continue;
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
    if (row.written != kNone) writes.push_back(r);
  }
  const auto op = [&](size_t r) -> const Operation& {
    return Op(order, static_cast<uint32_t>(r));
  };
  std::sort(reads.begin(), reads.end(), ByInvocation(op));
  std::vector<uint32_t> tree(order.states.size() + 1, 0);
  uint64_t counted = 0;
  const auto count = [&](uint32_t write) {
    for (size_t p = order.rows[write].written + 1; p < tree.size();
         p += p & (~p + 1)) {
      ++tree[p];
    }
    ++counted;
  };
  const auto measure = [&](uint32_t r) {
    const uint32_t seen = order.rows[r].seen;
    const uint32_t missed = first[seen + 1];
    const Time invoke = Op(order, r).invoke;
    if (missed == kNone || Op(order, missed).ret >= invoke) return;
    uint64_t older = 0;  // Counted writes up to the one it saw.
    for (size_t p = seen + 1; p > 0; p -= p & (~p + 1)) older += tree[p];
    Staleness& staleness = verdict_.staleness;
    staleness.versions_max = std::max(staleness.versions_max, counted - older);
    staleness.time_max =
        std::max(staleness.time_max, invoke - Op(order, missed).ret);
  };
  WalkInTime(reads, std::move(writes), op, count, measure);
}

std::string Judge::OnKey(std::string reason, uint32_t partition) const {
  if (reason.ends_with('.')) reason.pop_back();
  const std::string& name = history_.partition_name(partition);
  if (!name.empty()) absl::StrAppend(&reason, " on key \"", name, "\"");
  return reason + ".";
}

std::vector<std::vector<size_t>> Judge::Indices(bool linearizable) const {
  std::vector<std::vector<size_t>> indices(history_.partition_count());
  for (size_t i = 0; i < history_.operations().size(); ++i) {
    const uint32_t partition = Op(i).partition;
    if (linearizable_[partition] == linearizable) {
      indices[partition].push_back(i);
    }
  }
  return indices;
}

bool Judge::OrderWrites(bool linearizable) {
  LevelVerdict& sequential = At(ConsistencyLevel::kSequential);
  const std::vector<std::vector<size_t>> indices = Indices(linearizable);
  for (uint32_t partition = 0; partition < indices.size(); ++partition) {
    if (linearizable_[partition] != linearizable) continue;
    VersionOrder& order = orders_[partition];
    order = OrderVersions(history_, indices[partition], model_);
    if (linearizable && order.by_versions &&
        (!order.contradiction.empty() ||
         (order.known && !order.KeepsTime(history_, false)))) {
      order = {.reason = "Its versions do not count its writes"};
    }
    if (!order.contradiction.empty()) {
      contradiction_ = {ConsistencyLevel::kSequential, Result::kViolation,
                        order.reason, order.contradiction};
    }
    if (order.known) continue;
    if (!linearizable && !order.contradiction.empty()) {
      JudgeAll(Result::kViolation, order.reason, order.contradiction);
      return false;
    }
    if (!linearizable) {
      JudgeAll(Result::kUnknown, OnKey(order.reason, partition), {});
    } else if (sequential.result != Result::kUnknown) {
      sequential.result = Result::kUnknown;
      sequential.reason = OnKey(order.reason, partition);
    }
  }
  return true;
}

void Judge::JudgeSequential() {
  LevelVerdict& sequential = At(ConsistencyLevel::kSequential);
  // One order of all operations keeps the guarantees of sessions, too.
  const LevelVerdict& sessions = At(ConsistencyLevel::kSessions);
  if (sessions.result == Result::kViolation) {
    sequential = sessions;
    sequential.level = ConsistencyLevel::kSequential;
    return;
  }
  if (history_.operations().size() > options_.bytes_max / kSequentialBytes ||
      (options_.deadline != nullptr && options_.deadline->Passed())) {
    sequential.result = Result::kUnknown;
    sequential.reason =
        "One order of all operations would take more than the limits of time "
        "and memory.";
    return;
  }
  OrderWrites(/*linearizable=*/true);
  if (contradiction_.witness.empty()) {
    contradiction_ = CheckSequential(history_, model_, orders_);
  }
  if (contradiction_.result == Result::kViolation ||
      sequential.result == Result::kOk) {
    sequential = std::move(contradiction_);
  }
}

void Judge::Run() {
  const Verdict& linearizable = verdict_.linearizability;
  LevelVerdict& strongest = At(ConsistencyLevel::kLinearizable);
  strongest.result = linearizable.result;
  JudgeAll(Result::kOk, {}, {});
  if (linearizable.result == Result::kOk) return;
  if (linearizable.counter_example.has_value()) {
    strongest.reason = linearizable.counter_example->reason;
    strongest.witness = linearizable.counter_example->operations;
  } else {
    strongest.reason = "The search was given up.";
  }
  // A partition that is linearizable keeps all but what joins several.
  for (const auto* partitions :
       {&linearizable.wrong, &linearizable.undecided}) {
    for (const uint32_t partition : *partitions) {
      linearizable_[partition] = false;
    }
  }
  if (!OrderWrites(/*linearizable=*/false)) return;
  for (uint32_t partition = 0; partition < orders_.size(); ++partition) {
    if (!orders_[partition].known) continue;
    JudgeSessions(orders_[partition]);
    MeasureStaleness(orders_[partition]);
  }
  JudgeSequential();
}

}  // namespace

std::string_view LevelName(ConsistencyLevel level) {
  constexpr std::string_view kNames[] = {
      "linearizable",       "sequential",      "session guarantees",
      "read your writes",   "monotonic reads", "monotonic writes",
      "writes follow reads"};
  return kNames[static_cast<size_t>(level)];
}

LevelsVerdict CheckLevels(const History& history, const Model& model,
                          Verdict linearizability,
                          const CheckOptions& options) {
  LevelsVerdict verdict;
  for (size_t i = 0; i < kLevelCount; ++i) {
    verdict.levels.push_back({.level = static_cast<ConsistencyLevel>(i)});
  }
  verdict.linearizability = std::move(linearizability);
  Judge(history, model, options, &verdict).Run();
  for (const LevelVerdict& level : verdict.levels) {
    if (level.result != Result::kOk) continue;
    verdict.strongest = level.level;
    break;
  }
  return verdict;
}

}  // namespace quorate::lincheck
