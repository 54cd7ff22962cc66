// Every level, its witness and the lag of reads held against brute force.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/levels/levels.h"
#include "lincheck/links/links.h"
#include "lincheck/models/kv.h"
#include "lincheck/testing/levels_brute_force.h"
#include "lincheck/testing/model_histories.h"
#include "lincheck/testing/proof.h"
#include "lincheck/testing/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// 100 cases by default, so many histories each.
constexpr int kHistoriesPerCase = 500;

// A store whose replicas lag, or worse: an operation meets any state that there
// ever was, and writes stand in an order of their own. Versions tell it.
class LaggingStore {
 public:
  LaggingStore(std::mt19937_64& random, size_t operations)
      : random_(random),
        partitions_(1 + Below(2)),
        clients_(1 + Below(3)),
        lag_percent_(static_cast<int>(Below(4)) * 30),
        disorder_percent_(static_cast<int>(Below(3)) * 20),
        unknown_percent_(static_cast<int>(Below(3)) * 15),
        read_percent_(Below(3) == 0 ? 60 : 0) {
    for (size_t p = 0; p < partitions_; ++p) {
      history_.Partition(std::to_string(p));
      states_.push_back({{kInitialVersion, Datum()}});
    }
    for (size_t i = 0; i < operations; ++i) Do(static_cast<Time>(i + 1) * 10);
  }

  History Take() {
    // No answer depends on the order of a file.
    std::shuffle(operations_.begin(), operations_.end(), random_);
    for (const Operation& op : operations_) history_.Add(op);
    return std::move(history_);
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool Percent(int percent) {
    return Below(100) < static_cast<uint64_t>(percent);
  }
  Value ValueOf(const Datum& state) {
    if (state.is_nil()) return Value::Nil();
    return history_.String(state.bytes());
  }

  void Do(Time now) {
    Operation op{.client = static_cast<uint32_t>(Below(clients_)),
                 .partition = static_cast<uint32_t>(Below(partitions_))};
    op.invoke = std::max(free_[op.client], now - static_cast<Time>(Below(25)));
    op.ret = op.invoke + static_cast<Time>(Below(25));
    // Some clients have several open at once.
    free_[op.client] = Below(8) == 0 ? op.invoke : op.ret + 1;
    std::map<StateVersion, Datum>& states = states_[op.partition];
    auto seen = std::prev(states.end());
    if (Percent(lag_percent_)) {
      seen = std::next(states.begin(), static_cast<int>(Below(states.size())));
    }
    static constexpr uint8_t kFunctions[] = {Kv::kGet, Kv::kGet,  Kv::kGet,
                                             Kv::kPut, Kv::kPut,  Kv::kCas,
                                             Kv::kCas, Kv::kSwap, Kv::kAppend};
    op.function = Percent(read_percent_)
                      ? static_cast<uint8_t>(Kv::kGet)
                      : kFunctions[Below(std::size(kFunctions))];
    op.seen = op.function == Kv::kPut ? kNoVersion : seen->first;
    const bool reads = op.function == Kv::kGet;
    if (reads || op.function == Kv::kSwap) op.result = ValueOf(seen->second);
    if (!reads) {
      op.argument = history_.String("v" + std::to_string(++values_));
    }
    if (op.function == Kv::kCas) {
      op.expected = ValueOf(seen->second);
      op.result = Value::Integer(1);
    }
    if (!reads) Write(*seen, &op);
    if (Percent(unknown_percent_)) {
      op.ret = kNever;
      op.result = {};
      op.seen = kNoVersion;
    }
    operations_.push_back(op);
  }

  void Write(const std::pair<const StateVersion, Datum>& seen, Operation* op) {
    std::map<StateVersion, Datum>& states = states_[op->partition];
    std::set<StateVersion>& made = made_[op->partition];
    op->written = made.empty() ? 11 : *std::prev(made.end()) + 10;
    if (Percent(disorder_percent_)) {
      // Rarely even before what it replaces.
      const StateVersion least = Below(8) == 0 ? kInitialVersion : seen.first;
      op->written = least + 1 + Below(op->written - least);
    }
    while (!made.insert(op->written).second) ++op->written;
    Datum after = seen.second;
    if (op->function == Kv::kAppend) {
      after.Append(op->argument.bytes());
    } else {
      after.Assign(op->argument);
    }
    // Some stores lose what they did not promise.
    if (Below(20) != 0) states.emplace(op->written, after);
  }

  std::mt19937_64& random_;
  const size_t partitions_;
  const size_t clients_;
  const int lag_percent_;
  const int disorder_percent_;
  const int unknown_percent_;
  const int read_percent_;
  History history_;
  std::vector<Operation> operations_;
  std::vector<std::map<StateVersion, Datum>> states_;
  std::map<uint32_t, std::set<StateVersion>> made_;
  std::map<uint32_t, Time> free_;
  uint64_t values_ = 0;
};

enum class Told { kAll, kNothing, kSome };

// The same history with fewer versions told, and perhaps another result.
History Forget(std::mt19937_64& random, const History& whole, Told told) {
  History history;
  for (uint32_t p = 0; p < whole.partition_count(); ++p) {
    history.Partition(whole.partition_name(p));
  }
  const size_t spoiled =
      random() % 4 == 0 ? random() % whole.operations().size() : ~size_t{0};
  for (Operation op : whole.operations()) {
    if (op.argument.is_string()) {
      op.argument = history.String(op.argument.bytes());
    }
    if (op.expected.is_string()) {
      op.expected = history.String(op.expected.bytes());
    }
    if (op.result.is_string()) op.result = history.String(op.result.bytes());
    if (history.operations().size() == spoiled) {
      if (op.seen != kNoVersion && random() % 2 == 0) {
        op.seen = 1 + random() % 30;
      } else if (op.result.is_string() || op.result.is_nil()) {
        op.result = history.String("v" + std::to_string(random() % 4));
      }
    }
    const auto forget = [&](StateVersion* version) {
      if (told == Told::kNothing ||
          (told == Told::kSome && random() % 4 == 0)) {
        *version = kNoVersion;
      }
    };
    forget(&op.seen);
    forget(&op.written);
    history.Add(op);
  }
  return history;
}

// How often each answer was given.
struct Counts {
  int ok[kLevelCount] = {};
  int broken[kLevelCount] = {};
  int unknown[kLevelCount] = {};
  int stale = 0;
  int least = 0;  // Cases where values say that no smaller bound holds.
};

std::vector<Operation> OfPartitions(const History& history,
                                    const std::vector<uint32_t>& partitions) {
  std::vector<Operation> operations;
  for (const Operation& op : history.operations()) {
    if (std::find(partitions.begin(), partitions.end(), op.partition) !=
        partitions.end()) {
      operations.push_back(op);
    }
  }
  return operations;
}

std::string CompareStaleness(const History& history, const Model& model,
                             const LevelsVerdict& verdict, Counts* counts) {
  const Staleness& staleness = verdict.staleness;
  if (staleness.result != Result::kOk) {
    return staleness.reason.empty() ? "staleness not known for no reason" : "";
  }
  const std::vector<Operation> wrong =
      OfPartitions(history, verdict.linearizability.wrong);
  const Lag told{staleness.versions_max, staleness.time_max};
  const std::string text = " not stale by " + std::to_string(told.versions) +
                           ", " + std::to_string(told.time);
  counts->stale += told.versions > 0 ? 1 : 0;
  if (TellVersions(wrong)) {
    if (!HasVersions(wrong)) return "";  // Some partition does, another not.
    const Lag lag = LagByVersions(wrong, model);
    if (lag.versions != told.versions || lag.time != told.time) return text;
    return "";
  }
  // Some order of the writes explains it.
  bool least = false;
  for (const uint32_t p : verdict.linearizability.wrong) {
    const std::vector<Operation> alone = OfPartitions(history, {p});
    if (!LagHoldsByBruteForce(alone, model, told)) return text;
    least |= told.versions > 0 &&
             !LagHoldsByBruteForce(alone, model, {told.versions - 1, kNever});
  }
  counts->least += least ? 1 : 0;
  return "";
}

// The mistake in the verdict; empty: none.
std::string Compare(const History& history, const Model& model, bool exact,
                    Counts* counts) {
  const LevelsVerdict verdict =
      CheckLevels(history, model, Check(history, model));
  std::vector<bool> counting(history.partition_count(), true);
  for (uint32_t p = 0; p < counting.size(); ++p) {
    const auto& wrong = verdict.linearizability.wrong;
    if (std::find(wrong.begin(), wrong.end(), p) != wrong.end()) continue;
    // One that is right may name its writes as it likes. (All by one client:
    // its own order is that of time.)
    std::vector<Operation> alone = OfPartitions(history, {p});
    for (Operation& op : alone) op.client = 0;
    counting[p] = HoldsByBruteForce(alone, model, ConsistencyLevel::kSequential,
                                    counting);
  }
  std::optional<ConsistencyLevel> strongest;
  bool explained = false;
  for (size_t l = 1; l < kLevelCount; ++l) {
    const auto level = static_cast<ConsistencyLevel>(l);
    const LevelVerdict& judged = verdict.levels[l];
    const std::string name(LevelName(level));
    if (judged.level != level) return "levels in another order";
    const bool holds =
        HoldsByBruteForce(history.operations(), model, level, counting);
    explained |= holds;
    if (holds && !strongest.has_value()) strongest = level;
    const bool right = judged.result == Result::kOk;
    counts->ok[l] += right ? 1 : 0;
    if (judged.result == Result::kUnknown) {
      ++counts->unknown[l];
      if (judged.reason.empty()) return name + " is not known for no reason";
      continue;
    }
    if (holds != right) {
      return name + (holds ? " holds: " : " does not hold: ") + judged.reason;
    }
    if (right) continue;
    ++counts->broken[l];
    if (judged.reason.empty()) return name + " without a reason";
    if (judged.witness.empty()) return name + " without a witness";
  }
  if (verdict.linearizability.result == Result::kOk) {
    if (verdict.strongest != ConsistencyLevel::kLinearizable)
      return "not the strongest";
    return verdict.staleness.versions_max == 0 ? "" : "stale";
  }
  if (exact && explained) {
    for (size_t l = 1; l < kLevelCount; ++l) {
      if (verdict.levels[l].result != Result::kUnknown) continue;
      if (l == 1 && std::find(counting.begin(), counting.end(), false) !=
                        counting.end()) {
        return "";
      }
      return std::string(LevelName(static_cast<ConsistencyLevel>(l))) +
             " is not known: " + verdict.levels[l].reason;
    }
    if (verdict.strongest != strongest) return "not the strongest";
    if (verdict.staleness.result != Result::kOk) return "staleness not known";
  }
  return CompareStaleness(history, model, verdict, counts);
}

// Histories of stores that lag, each one.
Counts CompareLagging(uint64_t seed, Told told) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  Counts counts;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history =
        Forget(random, LaggingStore(random, 2 + random() % 6).Take(), told);
    // The version before one of unknown outcome is not known.
    const bool exact =
        told == Told::kAll &&
        std::none_of(history.operations().begin(), history.operations().end(),
                     [](const Operation& op) {
                       return !op.known() && (op.function == Kv::kAppend ||
                                              op.function == Kv::kCas);
                     });
    const std::string mistake = Compare(history, model, exact, &counts);
    if (!mistake.empty()) RC_FAIL(mistake + Show(history, model));
  }
  return counts;
}

RC_GTEST_PROP(LevelsProperty, VersionsTold_AgreesWithBruteForce,
              (uint64_t seed)) {
  const Counts counts = CompareLagging(seed, Told::kAll);
  for (size_t l = 1; l < kLevelCount; ++l) {
    RC_ASSERT(counts.ok[l] > kHistoriesPerCase / 5);
    RC_ASSERT(counts.broken[l] > kHistoriesPerCase / 50);
  }
  RC_ASSERT(counts.stale > kHistoriesPerCase / 50);
}

RC_GTEST_PROP(LevelsProperty, SomeVersionsTold_AgreesWithBruteForce,
              (uint64_t seed)) {
  const Counts counts = CompareLagging(seed, Told::kSome);
  RC_ASSERT(counts.broken[6] > 0);
  RC_ASSERT(counts.unknown[1] < kHistoriesPerCase / 2);
}

RC_GTEST_PROP(LevelsProperty, UniqueValues_AgreesWithBruteForce,
              (uint64_t seed)) {
  const Counts counts = CompareLagging(seed, Told::kNothing);
  for (size_t l = 1; l < kLevelCount; ++l) {
    RC_ASSERT(counts.ok[l] > kHistoriesPerCase / 2);
    RC_ASSERT(counts.broken[l] > 0);
    // Of sessions only where an append of a cas's value cannot be told.
    RC_ASSERT(counts.unknown[l] <= kHistoriesPerCase / (l == 1 ? 20 : 100));
  }
  RC_ASSERT(counts.stale > 0);
  RC_ASSERT(counts.least * 10 >= counts.stale * 8);
}

RC_GTEST_PROP(LevelsProperty, RightAndSpoiled_AgreesWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  Counts counts;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 2 + random() % 5,
                 .clients = 1 + static_cast<uint32_t>(random() % 3),
                 .partitions = 1 + static_cast<uint32_t>(random() % 2),
                 .unique_values = random() % 2 == 0,
                 .versions = random() % 2 == 0,
                 .spoiled_percent = static_cast<int>(random() % 3) * 20,
                 .only_registers = random() % 4 == 0,
                 .only_texts = random() % 2 == 0});
    const std::string mistake = Compare(history, model, false, &counts);
    if (!mistake.empty()) RC_FAIL(mistake + Show(history, model));
  }
}

template <typename M>
void SmallOnesOf(std::mt19937_64& random, Counts* counts, const M& plain = {}) {
  const ModelOf<M> model(plain);
  for (int i = 0; i < 50; ++i) {
    const auto mistake = static_cast<Mistake>(random() % (kMistakes + 1));
    const History history =
        Maker<M>(random, plain, mistake).Run(2 + random() % 5);
    const std::string trouble = Compare(history, model, false, counts);
    if (!trouble.empty()) RC_FAIL(trouble + Show(history, model));
  }
}

RC_GTEST_PROP(LevelsProperty, EveryModel_AgreesWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  Counts counts;
  SmallOnesOf<Register>(random, &counts);
  SmallOnesOf<CasRegister>(random, &counts);
  SmallOnesOf<Kv>(random, &counts, {.initial = Datum::Text("")});
  SmallOnesOf<ExpiringKv>(random, &counts);
  SmallOnesOf<Set>(random, &counts);
  SmallOnesOf<Queue>(random, &counts);
  SmallOnesOf<Lock>(random, &counts);
  SmallOnesOf<Transaction>(random, &counts);
}

}  // namespace
}  // namespace quorate::lincheck
