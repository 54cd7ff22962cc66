#include "sim/choices/choices.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kA("test.a");
constexpr ChoiceSite kB("test.b");

TEST(Choices, Drawn_DependOnTheirOwnNameOnly) {
  Choices one(7, false);
  Choices two(7, false);
  for (uint64_t i = 0; i < 50; ++i) two.Below(kB, 3, i, 1000);
  for (uint64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(one.Below(kA, 1, i, 1000), two.Below(kA, 1, i, 1000));
  }
  EXPECT_EQ(one.draws(), 50u);
}

TEST(Choices, Recorded_HasTheChoicesThatAreNotDefaults) {
  Choices choices(7, true);
  std::vector<TapeChoice> expected;
  for (uint64_t i = 0; i < 200; ++i) {
    if (choices.Chance(kA, 1, i, {1, 4}))
      expected.push_back({"test.a", 1, i, 1});
    const uint64_t value = choices.Below(kB, 2, i, 3);
    if (value != 0) expected.push_back({"test.b", 2, i, value});
  }
  EXPECT_EQ(choices.taken(), expected);
  EXPECT_GT(expected.size(), 100u);
  EXPECT_LT(expected.size(), 300u);
}

TEST(Choices, NotRecording_KeepsNothing) {
  Choices choices(7, false);
  for (uint64_t i = 0; i < 200; ++i) choices.Below(kB, 2, i, 3);
  EXPECT_TRUE(choices.taken().empty());
}

TEST(Choices, Replayed_AreThoseOfTheTapeOrDefaults) {
  Tape tape;
  tape.seed = 9;
  tape.choices = {{"test.a", 1, 5, 1}, {"test.b", 2, 0, 700}};
  Choices choices(tape);
  EXPECT_EQ(choices.seed(), 9u);
  for (uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(choices.Chance(kA, 1, i, {1, 2}), i == 5);
  }
  EXPECT_EQ(choices.Below(kB, 2, 0, 1000), 700u);
  EXPECT_EQ(choices.Below(kB, 2, 1, 1000), 0u);
  EXPECT_EQ(choices.Between(kB, 3, 0, Milliseconds(4), Milliseconds(9)),
            Milliseconds(4));
  EXPECT_EQ(choices.draws(), 0u);
}

TEST(Choices, ReplayedBeyondItsBound_IsCut) {
  Tape tape;
  tape.choices = {{"test.b", 2, 0, 700}};
  Choices choices(tape);
  EXPECT_EQ(choices.Below(kB, 2, 0, 10), 9u);
}

TEST(Choices, ReplayedChance_IgnoresTheRate) {
  Tape tape;
  tape.choices = {{"test.a", 1, 0, 1}};
  Choices choices(tape);
  EXPECT_TRUE(choices.Chance(kA, 1, 0, {0, 1}));
}

TEST(Choices, Taken_OfAReplay_AreTheRequestedLines) {
  Tape tape;
  tape.choices = {{"test.a", 1, 0, 1}, {"test.a", 1, 99, 1}};
  Choices choices(tape);
  choices.Chance(kA, 1, 0, {1, 2});
  EXPECT_EQ(choices.taken(), (std::vector<TapeChoice>{{"test.a", 1, 0, 1}}));
}

TEST(Choices, NameUsedAgain_IsAnotherLineOfTheTape) {
  Choices recorded(3, /*record=*/true);
  std::vector<uint64_t> values;
  for (uint64_t bound = 1000; bound > 0; bound -= 100) {
    values.push_back(recorded.Below(kB, 1, 0, bound));
  }
  Tape tape;
  tape.choices = recorded.taken();
  Choices replayed(tape);
  std::vector<uint64_t> again;
  for (uint64_t bound = 1000; bound > 0; bound -= 100) {
    again.push_back(replayed.Below(kB, 1, 0, bound));
  }
  EXPECT_EQ(again, values);
  EXPECT_GT(tape.choices.size(), 5u);
}

TEST(Choices, Count_GivesEachThingOfADescriptionItsOwnKey) {
  Choices choices(3, false);
  const ChoiceKey first = choices.Count(kA, 1, 2);
  EXPECT_EQ(first, (ChoiceKey{1, 2}));
  const ChoiceKey second = choices.Count(kA, 1, 2);
  const ChoiceKey third = choices.Count(kA, 1, 2);
  EXPECT_FALSE(second == first || third == first || third == second);
  EXPECT_EQ(choices.Count(kB, 1, 2), first);
  Choices other(4, false);
  other.Count(kA, 1, 2);
  EXPECT_EQ(other.Count(kA, 1, 2), second);
}

}  // namespace
}  // namespace quorate::sim
