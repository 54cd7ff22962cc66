// Shows the checker each violation that it must find, and steps without effect.
#include "sim/checks/move_checker.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr GroupId kFrom(1);
constexpr GroupId kTo(2);
constexpr Slot kSlot(7);
constexpr Duration kFrozenMax = Milliseconds(20);

kv::MovePlan Plan(uint64_t id, uint64_t epoch, GroupId from = kFrom,
                  GroupId to = kTo) {
  return {.id = MoveId(id),
          .from = from,
          .to = to,
          .epoch = SlotEpoch(epoch),
          .slots = {{kSlot, Slot(9)}}};
}

class MoveCheckerTest : public testing::Test {
 protected:
  MoveCheckerTest()
      : checker_([this](std::string what) { found_.push_back(what); }) {
    checker_.SetFounders([](Slot) { return kFrom; });
  }

  void Freeze(const kv::MovePlan& plan) {
    checker_.OnStep(plan.from, kv::TrackStep{.plan = plan});
    checker_.OnStep(plan.from, kv::FreezeStep{.move = plan.id});
  }
  bool Activate(const kv::MovePlan& plan) {
    return checker_.OnStep(plan.to, kv::ActivateStep{.plan = plan}).has_value();
  }
  // The groups that accept kSlot.
  std::vector<GroupId> Accepting() {
    std::vector<GroupId> groups;
    for (const GroupId group : {kFrom, kTo, GroupId(3)}) {
      if (checker_.Accepts(group, kSlot)) groups.push_back(group);
    }
    return groups;
  }

  std::vector<std::string> found_;
  MoveChecker checker_;
};

TEST_F(MoveCheckerTest, AMoveChangesTheOwner) {
  const kv::MovePlan plan = Plan(1, 5);
  checker_.OnStep(kTo, kv::PrepareStep{.plan = plan});
  checker_.OnStep(kFrom, kv::TrackStep{.plan = plan});
  EXPECT_THAT(Accepting(), ElementsAre(kFrom));
  checker_.OnStep(kFrom, kv::FreezeStep{.move = plan.id});
  EXPECT_THAT(Accepting(), IsEmpty());
  EXPECT_TRUE(Activate(plan));
  EXPECT_THAT(Accepting(), ElementsAre(kTo));
  EXPECT_TRUE(checker_.Accepts(kFrom, Slot(10)));
  checker_.OnStep(kFrom, kv::ReleaseStep{.plan = plan});
  // Late copies.
  EXPECT_FALSE(Activate(plan));
  Freeze(plan);
  checker_.OnStep(kFrom, kv::AbortStep{.plan = plan});
  EXPECT_THAT(Accepting(), ElementsAre(kTo));
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_EQ(checker_.activated(), 1u);
}

TEST_F(MoveCheckerTest, AnAbortThawsTheSource) {
  const kv::MovePlan plan = Plan(1, 5);
  Freeze(plan);
  checker_.OnStep(kTo, kv::AbortStep{.plan = plan});
  EXPECT_THAT(Accepting(), IsEmpty());
  checker_.OnStep(kFrom, kv::AbortStep{.plan = plan});
  EXPECT_THAT(Accepting(), ElementsAre(kFrom));
  EXPECT_EQ(checker_.thawed(), 1u);
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(MoveCheckerTest, StepsOfAMoveThatIsRefusedHaveNoEffect) {
  // Not the owner, an epoch that is not newer, and a slot of another move.
  Freeze(Plan(1, 5, kTo, kFrom));
  Freeze(Plan(2, 0));
  checker_.OnStep(kFrom, kv::TrackStep{.plan = Plan(3, 5)});
  Freeze(Plan(4, 6));
  EXPECT_THAT(Accepting(), ElementsAre(kFrom));
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(MoveCheckerTest, SecondOwner_Found) {
  const kv::MovePlan plan = Plan(1, 5);
  checker_.OnStep(kFrom, kv::TrackStep{.plan = plan});
  EXPECT_FALSE(Activate(plan));
  EXPECT_THAT(found_, ElementsAre(HasSubstr("frozen by move 0")));
}

TEST_F(MoveCheckerTest, ThawedBeforeTheActivation_Found) {
  const kv::MovePlan plan = Plan(1, 5);
  Freeze(plan);
  checker_.OnStep(kFrom, kv::AbortStep{.plan = plan});
  EXPECT_FALSE(Activate(plan));
  EXPECT_THAT(found_, ElementsAre(HasSubstr("group 2 activates move 1")));
}

TEST_F(MoveCheckerTest, ReleaseWithoutAnOwner_Found) {
  const kv::MovePlan plan = Plan(1, 5);
  Freeze(plan);
  checker_.OnStep(kFrom, kv::ReleaseStep{.plan = plan});
  EXPECT_THAT(found_, ElementsAre(HasSubstr("group 1 releases move 1")));
}

TEST_F(MoveCheckerTest, SlotsWithoutAnOwnerForLongInACalm_Found) {
  SimTime now;
  Freeze(Plan(1, 5));
  checker_.OnCalm([&] { return now; }, kFrozenMax);
  // There were faults when it froze.
  now = now + Seconds(5);
  EXPECT_TRUE(Activate(Plan(1, 5)));
  checker_.OnStep(kFrom, kv::ReleaseStep{.plan = Plan(1, 5)});
  const kv::MovePlan back = Plan(2, 6, kTo, kFrom);
  Freeze(back);
  now = now + kFrozenMax;
  EXPECT_TRUE(Activate(back));
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_EQ(checker_.frozen_longest(), kFrozenMax);
  const kv::MovePlan again = Plan(3, 7);
  Freeze(again);
  now = now + kFrozenMax + Milliseconds(1);
  checker_.OnStep(kFrom, kv::AbortStep{.plan = again});
  EXPECT_THAT(found_, ElementsAre(HasSubstr("pauses: the slots of move 3")));
}

TEST_F(MoveCheckerTest, SealWithATimeBeforeTheFreeze_Found) {
  WallTime log_time(10'000'000);
  checker_.SetLogTimes([&](GroupId) { return log_time; });
  const auto seal_with = [&](const kv::MovePlan& plan, WallTime sealed) {
    Freeze(plan);
    log_time = log_time + Milliseconds(5);
    checker_.OnStep(
        plan.to, kv::SealStep{.move = plan.id, .seal = {.log_time = sealed}});
    EXPECT_TRUE(Activate(plan));
    checker_.OnStep(plan.from, kv::ReleaseStep{.plan = plan});
  };
  seal_with(Plan(1, 5), log_time);
  seal_with(Plan(2, 6, kTo, kFrom), log_time + Milliseconds(5));
  EXPECT_THAT(found_, IsEmpty());
  seal_with(Plan(3, 7), log_time - Milliseconds(1));
  EXPECT_THAT(found_, ElementsAre(HasSubstr("log time: group 2 activates")));
}

TEST_F(MoveCheckerTest, AbortBehindTheActivation_Found) {
  const kv::MovePlan plan = Plan(1, 5);
  Freeze(plan);
  EXPECT_TRUE(Activate(plan));
  checker_.OnStep(kFrom, kv::AbortStep{.plan = plan});
  EXPECT_THAT(found_, ElementsAre(HasSubstr("group 1 aborts move 1")));
}

}  // namespace
}  // namespace quorate::sim
