#include "lincheck/levels.h"

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/register.h"
#include "lincheck/proof.h"
#include "lincheck/random_history.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// A register each of whose operations tells versions.
class Story {
 public:
  Story& Write(uint32_t client, Time invoke, Time ret, Version version,
               const char* key = "k") {
    history_.Add({.invoke = invoke,
                  .ret = ret,
                  .client = client,
                  .partition = history_.Partition(key),
                  .function = Register::kWrite,
                  .argument = Value::Integer(static_cast<int64_t>(version)),
                  .written = version});
    return *this;
  }
  Story& Read(uint32_t client, Time invoke, Time ret, Version version,
              const char* key = "k") {
    history_.Add({.invoke = invoke,
                  .ret = ret,
                  .client = client,
                  .partition = history_.Partition(key),
                  .function = Register::kRead,
                  .result = version == kInitialVersion
                                ? Value::Nil()
                                : Value::Integer(static_cast<int64_t>(version)),
                  .seen = version});
    return *this;
  }
  LevelsVerdict Judge() const { return CheckLevels(history_, model_); }
  // Exactly these levels are broken.
  LevelsVerdict ExpectBroken(const std::vector<Level>& broken) const {
    LevelsVerdict verdict = Judge();
    for (const LevelVerdict& level : verdict.levels) {
      const bool expected =
          std::find(broken.begin(), broken.end(), level.level) != broken.end();
      EXPECT_EQ(level.result, expected ? Result::kViolation : Result::kOk)
          << LevelName(level.level) << ": " << level.reason;
      EXPECT_EQ(level.witness.empty(), !expected);
    }
    return verdict;
  }

 private:
  History history_;
  const ModelOf<Register> model_;
};

TEST(Levels, LinearizableHistory_KeepsAll) {
  const LevelsVerdict verdict =
      Story().Write(1, 1, 2, 2).Read(2, 3, 4, 2).ExpectBroken({});
  EXPECT_EQ(verdict.strongest, Level::kLinearizable);
  EXPECT_EQ(verdict.staleness.result, Result::kOk);
  EXPECT_EQ(verdict.staleness.versions_max, 0u);
}

TEST(Levels, StaleReadOfAnotherClient_IsSequential) {
  const LevelsVerdict verdict = Story()
                                    .Write(1, 1, 2, 2)
                                    .Write(1, 3, 10, 3)
                                    .Write(1, 11, 20, 4)
                                    .Read(2, 27, 30, 2)
                                    .ExpectBroken({Level::kLinearizable});
  EXPECT_EQ(verdict.strongest, Level::kSequential);
  EXPECT_EQ(verdict.staleness.versions_max, 2u);
  EXPECT_EQ(verdict.staleness.time_max, 17);  // Since 3 returned at 10.
  EXPECT_EQ(verdict.staleness.time_witness, (std::vector<size_t>{3, 1}));
}

TEST(Levels, OwnWriteNotSeen_BreaksReadYourWrites) {
  const LevelsVerdict verdict =
      Story()
          .Write(1, 1, 2, 2)
          .Read(1, 3, 4, 1)
          .ExpectBroken({Level::kLinearizable, Level::kSequential,
                         Level::kSessions, Level::kReadYourWrites});
  EXPECT_EQ(verdict.strongest, Level::kMonotonicReads);
  EXPECT_EQ(verdict.levels[3].witness, (std::vector<size_t>{0, 1}));
}

TEST(Levels, NewThenOld_BreaksMonotonicReads) {
  Story()
      .Write(1, 1, 2, 2)
      .Read(2, 3, 4, 2)
      .Read(2, 5, 6, 1)
      .ExpectBroken({Level::kLinearizable, Level::kSequential, Level::kSessions,
                     Level::kMonotonicReads});
}

TEST(Levels, WritesInTheOtherOrder_BreakMonotonicWrites) {
  Story()
      .Write(1, 1, 2, 3)
      .Write(1, 3, 4, 2)
      .Read(3, 5, 6, 3)
      .ExpectBroken({Level::kLinearizable, Level::kSequential, Level::kSessions,
                     Level::kMonotonicWrites});
}

TEST(Levels, WriteBehindWhatWasSeen_BreaksWritesFollowReads) {
  Story()
      .Write(1, 1, 2, 3)
      .Read(2, 3, 4, 3)
      .Write(2, 5, 6, 2)
      .Read(3, 7, 8, 3)
      .ExpectBroken({Level::kLinearizable, Level::kSequential, Level::kSessions,
                     Level::kWritesFollowReads});
}

// Each key alone is fine, and every client sees itself: only together they are
// not (store buffering).
TEST(Levels, TwoKeysCrossed_BreakOnlyTheUpperLevels) {
  const LevelsVerdict verdict =
      Story()
          .Write(1, 1, 2, 2, "x")
          .Read(1, 3, 4, 1, "y")
          .Write(2, 1, 2, 2, "y")
          .Read(2, 3, 4, 1, "x")
          .ExpectBroken({Level::kLinearizable, Level::kSequential});
  EXPECT_EQ(verdict.strongest, Level::kSessions);
  EXPECT_EQ(verdict.levels[1].witness.size(), 4u);
}

TEST(Levels, ReadOfWhatNobodyWrote_BreaksAll) {
  const LevelsVerdict verdict = Story().Read(1, 1, 2, 9).Judge();
  for (const LevelVerdict& level : verdict.levels) {
    EXPECT_EQ(level.result, Result::kViolation) << LevelName(level.level);
  }
  EXPECT_FALSE(verdict.strongest.has_value());
}

TEST(Levels, LostUpdate_HasNoOrder) {
  History history;
  const uint32_t key = history.Partition("k");
  for (uint32_t client : {1, 2}) {
    history.Add({.invoke = client,
                 .ret = client + 10,
                 .client = client,
                 .partition = key,
                 .function = Kv::kCas,
                 .argument = Value::Integer(client),
                 .expected = Value::Nil(),
                 .result = Value::Integer(1)});
  }
  const LevelsVerdict verdict = CheckLevels(history, ModelOf<Kv>());
  EXPECT_EQ(verdict.levels[1].result, Result::kViolation);
  EXPECT_EQ(verdict.levels[1].witness, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(verdict.levels[2].result, Result::kUnknown);
}

// Whether one order of all operations keeps every client's own: tries all.
class BruteForce {
 public:
  BruteForce(const History& history, const Model& model)
      : operations_(history.operations()) {
    std::vector<StateId> states;
    for (size_t p = 0; p < history.partition_count(); ++p) {
      spaces_.push_back(model.NewStates());
      states.push_back(spaces_.back()->Initial());
    }
    sequential_ = From(0, states);
  }
  bool sequential() const { return sequential_; }

 private:
  bool From(uint32_t placed, const std::vector<StateId>& states) {
    bool done = true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation& op = operations_[i];
      if (placed >> i & 1) continue;
      done = done && !op.known();
      bool may = true;
      for (size_t j = 0; j < operations_.size(); ++j) {
        may = may &&
              ((placed >> j & 1) != 0 || operations_[j].client != op.client ||
               operations_[j].ret >= op.invoke);
      }
      if (!may) continue;
      std::vector<StateId> next = states;
      next[op.partition] =
          spaces_[op.partition]->Step(states[op.partition], op);
      if (next[op.partition] != kImpossible && From(placed | 1u << i, next)) {
        return true;
      }
    }
    return done;
  }

  const absl::Span<const Operation> operations_;
  std::vector<std::unique_ptr<StateSpace>> spaces_;
  bool sequential_ = false;
};

RC_GTEST_PROP(LevelsProperty, Sequential_AgreesWithBruteForce,
              (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ModelOf<Kv> model;
  int decided = 0;
  int broken = 0;
  constexpr int kHistories = 300;
  for (int i = 0; i < kHistories; ++i) {
    const History history = RandomKvHistory(
        random, {.operations = 2 + random() % 6,
                 .partitions = static_cast<uint32_t>(1 + random() % 2),
                 .unique_values = true,
                 .spoiled_percent = 40,
                 .only_registers = random() % 2 == 0,
                 .only_texts = true});
    const LevelsVerdict verdict = CheckLevels(history, model);
    const Result result = verdict.levels[1].result;
    if (result == Result::kUnknown) continue;
    ++decided;
    broken += result == Result::kViolation ? 1 : 0;
    const bool truth = BruteForce(history, model).sequential();
    if (truth != (result == Result::kOk)) {
      RC_FAIL("brute force says " + std::to_string(truth) + ": " +
              verdict.levels[1].reason + Show(history, model));
    }
    for (size_t l = 2; l < kLevelCount; ++l) {
      if (truth && verdict.levels[l].result == Result::kViolation) {
        RC_FAIL(std::string(LevelName(verdict.levels[l].level)) + ": " +
                verdict.levels[l].reason + Show(history, model));
      }
    }
    if (result == Result::kViolation) {
      // The witness alone is not sequential either, all else relaxed.
      RC_ASSERT(!verdict.levels[1].witness.empty());
    }
  }
  RC_ASSERT(decided > kHistories / 3);
  RC_ASSERT(broken > 5);
}

// With versions everything can be told, and a history whose reads lag behind is
// sequential as long as no client sees itself going back.
RC_GTEST_PROP(LevelsProperty, LaggingReads_AreMeasured, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  Story story;
  Version newest = kInitialVersion;
  std::vector<Time> returned = {0, 0};
  uint64_t most = 0;
  Time longest = 0;
  Time now = 0;
  for (int i = 0; i < 40; ++i) {
    now += 1 + static_cast<Time>(random() % 5);
    const Time end = now + 1 + static_cast<Time>(random() % 3);
    if (random() % 2 == 0) {
      story.Write(1, now, end, ++newest);
      returned.push_back(end);
    } else {
      // Each by a client of its own.
      const Version seen = 1 + random() % newest;
      story.Read(100 + static_cast<uint32_t>(i), now, end, seen);
      most = std::max(most, newest - seen);
      if (seen < newest) {
        longest = std::max(longest, now - returned[seen + 1]);
      }
    }
    now = end;
  }
  const LevelsVerdict verdict = story.Judge();
  RC_ASSERT(verdict.levels[1].result == Result::kOk);
  RC_ASSERT(verdict.staleness.result == Result::kOk);
  RC_ASSERT(verdict.staleness.versions_max == most);
  RC_ASSERT(verdict.staleness.time_max == longest);
}

}  // namespace
}  // namespace quorate::lincheck
