#include "lincheck/levels/levels.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/kv.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

// A register each of whose operations tells versions.
class LevelStory {
 public:
  LevelStory& Write(uint32_t client, Time invoke, Time ret,
                    StateVersion version, const char* key = "k") {
    history_.Add({.invoke = invoke,
                  .ret = ret,
                  .client = client,
                  .partition = history_.Partition(key),
                  .function = Register::kWrite,
                  .argument = Value::Integer(static_cast<int64_t>(version)),
                  .written = version});
    return *this;
  }
  LevelStory& Read(uint32_t client, Time invoke, Time ret, StateVersion version,
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
  LevelsVerdict Judge() const {
    return CheckLevels(history_, model_, Check(history_, model_));
  }
  LevelsVerdict JudgeWithin(uint64_t bytes) const {
    return CheckLevels(history_, model_, Check(history_, model_),
                       {.bytes_max = bytes});
  }
  // Exactly these levels are broken.
  LevelsVerdict ExpectBroken(
      const std::vector<ConsistencyLevel>& broken) const {
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
      LevelStory().Write(1, 1, 2, 2).Read(2, 3, 4, 2).ExpectBroken({});
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kLinearizable);
  EXPECT_EQ(verdict.staleness.result, Result::kOk);
  EXPECT_EQ(verdict.staleness.versions_max, 0u);
}

TEST(Levels, StaleReadOfAnotherClient_IsSequential) {
  const LevelsVerdict verdict =
      LevelStory()
          .Write(1, 1, 2, 2)
          .Write(1, 3, 10, 3)
          .Write(1, 11, 20, 4)
          .Read(2, 27, 30, 2)
          .ExpectBroken({ConsistencyLevel::kLinearizable});
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSequential);
  EXPECT_EQ(verdict.staleness.versions_max, 2u);
  EXPECT_EQ(verdict.staleness.time_max, 17);  // Since 3 returned at 10.
}

TEST(Levels, OwnWriteNotSeen_BreaksReadYourWrites) {
  const LevelsVerdict verdict =
      LevelStory()
          .Write(1, 1, 2, 2)
          .Read(1, 3, 4, 1)
          .ExpectBroken(
              {ConsistencyLevel::kLinearizable, ConsistencyLevel::kSequential,
               ConsistencyLevel::kSessions, ConsistencyLevel::kReadYourWrites});
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kMonotonicReads);
  EXPECT_EQ(verdict.levels[3].witness, (std::vector<size_t>{0, 1}));
}

TEST(Levels, NewThenOld_BreaksMonotonicReads) {
  LevelStory()
      .Write(1, 1, 2, 2)
      .Read(2, 3, 4, 2)
      .Read(2, 5, 6, 1)
      .ExpectBroken({ConsistencyLevel::kLinearizable,
                     ConsistencyLevel::kSequential, ConsistencyLevel::kSessions,
                     ConsistencyLevel::kMonotonicReads});
}

TEST(Levels, WritesInTheOtherOrder_BreakMonotonicWrites) {
  LevelStory()
      .Write(1, 1, 2, 3)
      .Write(1, 3, 4, 2)
      .Read(3, 5, 6, 3)
      .ExpectBroken({ConsistencyLevel::kLinearizable,
                     ConsistencyLevel::kSequential, ConsistencyLevel::kSessions,
                     ConsistencyLevel::kMonotonicWrites});
}

TEST(Levels, WriteBehindWhatWasSeen_BreaksWritesFollowReads) {
  LevelStory()
      .Write(1, 1, 2, 3)
      .Read(2, 3, 4, 3)
      .Write(2, 5, 6, 2)
      .Read(3, 7, 8, 3)
      .ExpectBroken({ConsistencyLevel::kLinearizable,
                     ConsistencyLevel::kSequential, ConsistencyLevel::kSessions,
                     ConsistencyLevel::kWritesFollowReads});
}

// Each key alone is fine, and every client sees itself: only together they are
// not (store buffering).
TEST(Levels, TwoKeysCrossed_BreakOnlyTheUpperLevels) {
  const LevelsVerdict verdict =
      LevelStory()
          .Write(1, 1, 2, 2, "x")
          .Read(1, 3, 4, 1, "y")
          .Write(2, 1, 2, 2, "y")
          .Read(2, 3, 4, 1, "x")
          .ExpectBroken(
              {ConsistencyLevel::kLinearizable, ConsistencyLevel::kSequential});
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSessions);
  EXPECT_EQ(verdict.levels[1].witness.size(), 4u);
}

TEST(Levels, ReadOfAnUnwrittenValue_BreaksAll) {
  const LevelsVerdict verdict = LevelStory().Read(1, 1, 2, 9).Judge();
  for (const LevelVerdict& level : verdict.levels) {
    EXPECT_EQ(level.result, Result::kViolation) << LevelName(level.level);
  }
  EXPECT_FALSE(verdict.strongest.has_value());
}

TEST(Levels, LostUpdate_BreaksOnlyTheUpperLevels) {
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
  const LevelsVerdict verdict =
      CheckLevels(history, ModelOf<Kv>(), Check(history, ModelOf<Kv>()));
  EXPECT_EQ(verdict.levels[1].result, Result::kViolation);
  EXPECT_EQ(verdict.levels[1].witness, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSessions);
  EXPECT_EQ(verdict.staleness.result, Result::kUnknown);
}

// Levels that need no order of all operations have an answer.
TEST(Levels, TooManyOperationsForMemory_OnlySequentialIsUnknown) {
  LevelStory story;
  story.Write(1, 1, 2, 2).Write(1, 3, 4, 3).Read(2, 5, 6, 2).Read(3, 7, 8, 3);
  EXPECT_EQ(story.JudgeWithin(4'000).strongest, ConsistencyLevel::kSequential);
  const LevelsVerdict verdict = story.JudgeWithin(400);
  EXPECT_EQ(verdict.levels[1].result, Result::kUnknown);
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSessions);
}

// Values that differ: two clients see two writes in two orders, and it takes
// both to break anything.
TEST(Levels, WritesSeenInTwoOrders_BreakMonotonicReadsWithoutVersions) {
  History history;
  const uint32_t key = history.Partition("k");
  for (const uint32_t client : {1u, 2u}) {
    history.Add({.invoke = 1,
                 .ret = 2,
                 .client = client,
                 .partition = key,
                 .function = Register::kWrite,
                 .argument = Value::Integer(client)});
  }
  for (const uint32_t client : {3u, 4u}) {
    for (const Time time : {3, 5}) {
      const bool first = (client == 3) == (time == 3);
      history.Add({.invoke = time,
                   .ret = time + 1,
                   .client = client,
                   .partition = key,
                   .function = Register::kRead,
                   .result = Value::Integer(first ? 1 : 2)});
    }
  }
  const LevelsVerdict verdict = CheckLevels(
      history, ModelOf<Register>(), Check(history, ModelOf<Register>()));
  for (const size_t level : {1, 2, 4}) {
    EXPECT_EQ(verdict.levels[level].result, Result::kViolation);
    EXPECT_EQ(verdict.levels[level].witness.size(), 4u);
  }
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kReadYourWrites);
  EXPECT_EQ(verdict.levels[5].result, Result::kOk);
}

// Each increment says the value before it. The second one replaced a value that
// the first one had replaced, and no read saw the value go back.
TEST(Levels, LostUpdateByVersions_BreaksOnlyTheUpperLevels) {
  History history;
  const uint32_t key = history.Partition("k");
  for (uint32_t client : {1, 2}) {
    history.Add({.invoke = client,
                 .ret = client + 10,
                 .client = client,
                 .partition = key,
                 .function = Kv::kIncrement,
                 .argument = Value::Integer(1),
                 .result = Value::Integer(1),
                 .seen = 1,
                 .written = client + 1});
  }
  history.Add({.invoke = 20,
               .ret = 21,
               .client = 3,
               .partition = key,
               .function = Kv::kGet,
               .result = Value::Integer(1),
               .seen = 3});
  const LevelsVerdict verdict =
      CheckLevels(history, ModelOf<Kv>(), Check(history, ModelOf<Kv>()));
  EXPECT_EQ(verdict.levels[1].result, Result::kViolation);
  EXPECT_EQ(verdict.levels[1].witness, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSessions);
}

TEST(Levels, WriteSeenBeforeItWasMade_BreaksWritesFollowReads) {
  LevelStory()
      .Read(1, 1, 2, 2)
      .Write(1, 3, 4, 2)
      .ExpectBroken({ConsistencyLevel::kLinearizable,
                     ConsistencyLevel::kSequential, ConsistencyLevel::kSessions,
                     ConsistencyLevel::kWritesFollowReads});
}

TEST(Levels, VersionBeforeTheOneItReplaced_BreaksAll) {
  History history;
  history.Add({.invoke = 1,
               .ret = 2,
               .partition = history.Partition("k"),
               .function = Kv::kPut,
               .argument = Value::Integer(7),
               .seen = 5,
               .written = 3});
  history.Add({.invoke = 3,
               .ret = 4,
               .client = 1,
               .function = Kv::kPut,
               .argument = Value::Integer(8),
               .written = 5});
  const LevelsVerdict verdict =
      CheckLevels(history, ModelOf<Kv>(), Check(history, ModelOf<Kv>()));
  for (const LevelVerdict& level : verdict.levels) {
    EXPECT_EQ(level.result, Result::kViolation) << LevelName(level.level);
  }
  EXPECT_EQ(verdict.levels[1].witness, (std::vector<size_t>{0}));
}

// Values alone would suffice, and versions that contradict them are not
// checked.
TEST(Levels, VersionsOfSomeAlone_AreNotIgnored) {
  History history;
  const uint32_t key = history.Partition("k");
  history.Add({.invoke = 1,
               .ret = 2,
               .partition = key,
               .function = Kv::kPut,
               .argument = Value::Integer(7)});
  history.Add({.invoke = 3,
               .ret = 4,
               .partition = key,
               .function = Kv::kGet,
               .result = Value::Integer(7),
               .seen = kInitialVersion});
  const LevelsVerdict verdict =
      CheckLevels(history, ModelOf<Kv>(), Check(history, ModelOf<Kv>()));
  EXPECT_EQ(verdict.levels[0].result, Result::kViolation);
  EXPECT_FALSE(verdict.strongest.has_value());
}

// The order of its writes is not known, nor needed: it is right.
TEST(Levels, OtherKeyThatIsRight_LeavesSessionsKnown) {
  History history;
  const uint32_t other = history.Partition("other");
  for (const Time time : {1, 3}) {
    history.Add({.invoke = time,
                 .ret = time + 1,
                 .client = 9,
                 .partition = other,
                 .function = Register::kWrite,
                 .argument = Value::Integer(0)});
  }
  const uint32_t key = history.Partition("k");
  history.Add({.invoke = 1,
               .ret = 2,
               .partition = key,
               .function = Register::kWrite,
               .argument = Value::Integer(7)});
  history.Add({.invoke = 5,
               .ret = 6,
               .client = 1,
               .partition = key,
               .function = Register::kRead,
               .result = Value::Nil()});
  const LevelsVerdict verdict = CheckLevels(
      history, ModelOf<Register>(), Check(history, ModelOf<Register>()));
  EXPECT_EQ(verdict.levels[1].result, Result::kUnknown);
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSessions);
  EXPECT_EQ(verdict.staleness.result, Result::kOk);
  EXPECT_EQ(verdict.staleness.versions_max, 1u);
}

// It took effect, since another operation saw it.
TEST(Levels, WriteOfUnknownOutcome_CountsIfItWasSeen) {
  History history;
  const uint32_t key = history.Partition("k");
  const auto write = [&](Time invoke, Time ret, StateVersion version) {
    history.Add({.invoke = invoke,
                 .ret = ret,
                 .partition = key,
                 .function = Register::kWrite,
                 .argument = Value::Integer(static_cast<int64_t>(version)),
                 .written = version});
  };
  write(1, 2, 3);
  write(3, kNever, 2);
  for (const StateVersion version : {2u, 3u}) {
    history.Add({.invoke = static_cast<Time>(version) * 5,
                 .ret = static_cast<Time>(version) * 5 + 1,
                 .client = 1,
                 .partition = key,
                 .function = Register::kRead,
                 .result = Value::Integer(static_cast<int64_t>(version)),
                 .seen = version});
  }
  const LevelsVerdict verdict = CheckLevels(
      history, ModelOf<Register>(), Check(history, ModelOf<Register>()));
  for (const size_t level : {1, 5}) {
    EXPECT_EQ(verdict.levels[level].result, Result::kViolation);
    EXPECT_EQ(verdict.levels[level].witness.size(), 2u);
  }
}

// Names, not counts: the key is right with them, so nothing follows from their
// order.
TEST(Levels, VersionsOfARightKeyThatDoNotCount_AreNotHeldAgainstOthers) {
  const LevelsVerdict verdict = LevelStory()
                                    .Write(1, 1, 2, 9, "names")
                                    .Write(1, 3, 4, 5, "names")
                                    .Write(1, 5, 6, 2, "k")
                                    .Read(2, 7, 8, 1, "k")
                                    .Judge();
  EXPECT_EQ(verdict.levels[1].result, Result::kUnknown);
  EXPECT_EQ(verdict.strongest, ConsistencyLevel::kSessions);
}

// With versions everything can be told, and a history whose reads lag behind is
// sequential as long as no client sees itself going back.
RC_GTEST_PROP(LevelsProperty, LaggingReads_AreMeasured, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  LevelStory story;
  StateVersion newest = kInitialVersion;
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
      const StateVersion seen = 1 + random() % newest;
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
