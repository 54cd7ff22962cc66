// Versions and results together: one order has to explain both.
#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/brute_force.h"
#include "lincheck/checker.h"
#include "lincheck/models/kv.h"
#include "lincheck/proof.h"
#include "lincheck/random_history.h"
#include "lincheck/search.h"
#include "lincheck/versioned.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// 100 cases by default, so many histories each.
constexpr int kHistoriesPerCase = 1000;

// What docs/formats/history.md says of versions, beside what Kv does. A write
// that does not tell its version makes one that no other write makes, or, if it
// changed nothing, perhaps none.
struct KvWithVersions {
  struct World {
    Datum value;
    Version version = kInitialVersion;  // kNoVersion: not seen yet.
    std::set<Version> past;  // Those that were seen of writes that told none.

    friend auto operator<=>(const World&, const World&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const World& w) {
      return H::combine(std::move(h), w.value, w.version, w.past);
    }
  };
  using State = std::set<World>;
  std::set<Version> told;  // By all writes.

  State Initial() const { return {World{}}; }
  bool Step(State& state, const Operation& op) const {
    State after;
    for (World world : state) {
      if (op.known() && op.seen != kNoVersion && op.seen != world.version) {
        if (world.version != kNoVersion || op.seen == kInitialVersion ||
            told.contains(op.seen) || world.past.contains(op.seen)) {
          continue;
        }
        world.version = op.seen;
        world.past.insert(op.seen);
      }
      const Datum before = world.value;
      if (!Kv().Step(world.value, op)) continue;
      if (op.written != kNoVersion) world.version = op.written;
      const bool may_write = op.written == kNoVersion && !Kv().IsRead(op);
      if (!may_write || world.value == before) after.insert(world);
      if (!may_write) continue;
      world.version = kNoVersion;
      after.insert(world);
    }
    state = std::move(after);
    return !state.empty();
  }
  bool IsRead(const Operation& op) const {
    return Kv().IsRead(op) && op.written == kNoVersion;
  }
  std::string_view Name(uint8_t function) const { return Kv().Name(function); }
  std::string Describe(const State&) const { return "?"; }
};

// Forgets some of the versions.
History Forget(std::mt19937_64& random, const History& told) {
  const uint64_t percent = random() % 3 * 20;
  History history;
  history.Partition("0");
  for (Operation op : told.operations()) {
    if (!op.known() && random() % 2 == 0) op.written = kNoVersion;
    if (random() % 100 < percent) op.written = kNoVersion;
    if (random() % 100 < percent) op.seen = kNoVersion;
    history.Add(op);
  }
  return history;
}

ModelOf<KvWithVersions> TruthOf(const History& history) {
  KvWithVersions model;
  for (const Operation& op : history.operations()) {
    if (op.written != kNoVersion) model.told.insert(op.written);
  }
  return ModelOf<KvWithVersions>(model);
}

RC_GTEST_PROP(VersionsProperty, SmallHistories_AgreeWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int wrong = 0;
  int wrong_together = 0;
  for (int i = 0; i < kHistoriesPerCase; ++i) {
    const History told = RandomKvHistory(
        random, {.operations = 2 + random() % 6,
                 .clients = 4,
                 .unique_values = random() % 2 == 0,
                 .versions = true,
                 .spoiled_percent = random() % 4 == 0 ? 0 : 30});
    const History history = Forget(random, told);
    const ModelOf<KvWithVersions> truth = TruthOf(history);
    const bool right = LinearizableByBruteForce(history.operations(), truth);
    const Verdict verdict = Check(history, model, {.explain = i % 4 == 0});
    if (verdict.result != (right ? Result::kOk : Result::kViolation)) {
      RC_FAIL("brute force says " + std::to_string(right) +
              Show(history, model));
    }
    if (right) continue;
    ++wrong;
    wrong_together += LinearizableByBruteForce(history.operations(), model);
    if (i % 4 != 0) continue;
    RC_ASSERT(verdict.counter_example->minimal);
    const std::string mistake =
        Refute(history, truth, *verdict.counter_example);
    if (!mistake.empty()) RC_FAIL(mistake);
  }
  RC_ASSERT(wrong > kHistoriesPerCase / 5);
  RC_ASSERT(wrong_together > kHistoriesPerCase / 20);
}

// A write that tells what it saw and not what it made stands after all who saw
// the same, wherever the file has it.
TEST(Versions, WriteThatTellsOnlyWhatItSaw_KeepsRealTime) {
  const ModelOf<Kv> model;
  for (const bool stale_first : {false, true}) {
    History history;
    Operation stale{.invoke = 50, .ret = 60, .client = 2};
    stale.partition = history.Partition("x");
    stale.result = history.String("a");
    stale.seen = 2;
    if (stale_first) history.Add(stale);
    history.Add({.invoke = 10,
                 .ret = 20,
                 .function = Kv::kPut,
                 .argument = history.String("a"),
                 .seen = 1,
                 .written = 2});
    history.Add({.invoke = 30,
                 .ret = 40,
                 .function = Kv::kPut,
                 .argument = history.String("b"),
                 .seen = 2});
    if (!stale_first) history.Add(stale);
    EXPECT_EQ(Check(history, model).result, Result::kViolation);
  }
}

// Zones, with whoever wrote the versions that nobody told guessed, and a search
// that knows nothing of that.
RC_GTEST_PROP(VersionsProperty, LongHistories_BothPathsAgree, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int by_zones = 0;
  int decided = 0;
  int wrong = 0;
  constexpr int kHistories = 30;
  for (int i = 0; i < kHistories; ++i) {
    const History told =
        RandomKvHistory(random, {.operations = 200 + random() % 400,
                                 .clients = 5,
                                 .unknown_percent = 3,
                                 .unique_values = true,
                                 .versions = true,
                                 .spoiled_percent = i % 2 == 0 ? 1 : 0});
    History history;
    history.Partition("0");
    for (Operation op : told.operations()) {
      if (!op.known()) op.written = kNoVersion;
      history.Add(op);
    }
    const Verdict verdict =
        Check(history, model, {.nodes_max = 100'000, .explain = false});
    by_zones += verdict.partitions_by_zones > 0 ? 1 : 0;
    const SearchResult search = Search(
        history.operations(),
        VersionedModel(model, history.operations(), history.operations()),
        {.nodes_max = 300'000, .bytes_max = 1 << 28});
    if (search.result == Result::kUnknown ||
        verdict.result == Result::kUnknown) {
      continue;
    }
    ++decided;
    wrong += search.result == Result::kViolation ? 1 : 0;
    if (search.result == verdict.result) continue;
    RC_FAIL("search says " + std::string(ResultName(search.result)) +
            Show(history, model));
  }
  RC_ASSERT(by_zones > kHistories / 3);
  RC_ASSERT(decided > kHistories / 2);
  RC_ASSERT(wrong > 1);
  RC_ASSERT(wrong < decided - kHistories / 10);
}

}  // namespace
}  // namespace quorate::lincheck
