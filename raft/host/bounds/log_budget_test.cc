#include "raft/host/bounds/log_budget.h"

#include <gtest/gtest.h>

namespace quorate::raft {
namespace {

class LogBudgetTest : public ::testing::Test {
 protected:
  int asked_ = 0;
  LogBudget budget_{1000, [this] { ++asked_; }};
};

TEST_F(LogBudgetTest, WithinTheBudget_NoReplicaIsAsked) {
  budget_.Change(0, 600);
  budget_.Change(0, 400);
  EXPECT_EQ(budget_.bytes(), 1000u);
  EXPECT_FALSE(budget_.exceeded());
  EXPECT_EQ(asked_, 0);
}

TEST_F(LogBudgetTest, BeyondTheBudget_ReplicasAreAskedUntilItIsKept) {
  budget_.Change(0, 900);
  budget_.Change(0, 101);
  EXPECT_TRUE(budget_.exceeded());
  EXPECT_EQ(asked_, 1);
  budget_.Change(900, 899);
  EXPECT_FALSE(budget_.exceeded());
  EXPECT_EQ(asked_, 1);
}

TEST_F(LogBudgetTest, Postponed_UntilTheSumGrowsByAPartOfTheBudget) {
  budget_.Change(0, 1500);
  budget_.Postpone();
  asked_ = 0;
  budget_.Change(1500, 1560);
  EXPECT_EQ(asked_, 0);
  budget_.Change(1560, 1563);
  EXPECT_EQ(asked_, 1);
}

TEST_F(LogBudgetTest, Postponed_UntilTheSumFell) {
  budget_.Change(0, 1500);
  budget_.Postpone();
  budget_.Change(1500, 1200);
  EXPECT_EQ(asked_, 2);
}

TEST_F(LogBudgetTest, Haste_IsTheSquareOfTheExcess) {
  budget_.Change(0, 1000);
  EXPECT_EQ(budget_.Haste(), 1u);
  budget_.Change(0, 1100);
  EXPECT_EQ(budget_.Haste(), 4u);
  budget_.Change(0, 3000);
  EXPECT_NEAR(budget_.Haste(), 25u, 2);
  budget_.Change(0, uint64_t{1} << 62);
  EXPECT_EQ(budget_.Haste(), 1024u);
}

TEST(LogBudgetWithoutBudgetTest, NoReplicaIsEverAsked) {
  int asked = 0;
  LogBudget budget(0, [&asked] { ++asked; });
  budget.Change(0, uint64_t{1} << 50);
  EXPECT_EQ(budget.bytes(), uint64_t{1} << 50);
  EXPECT_EQ(budget.Haste(), 1u);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace quorate::raft
