#include "raft/host/bounds/log_budget.h"

#include <cstdint>

#include "env/quota.h"
#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

class LogBudgetTest : public ::testing::Test {
 protected:
  int asked_ = 0;
  LogBudget budget_{1000, [this] { ++asked_; }};
  Quota::Share share_{budget_};
};

TEST_F(LogBudgetTest, WithinTheBudget_NoReplicaIsAsked) {
  share_.Resize(600);
  const Quota::Share other(budget_, 400);
  EXPECT_EQ(budget_.bytes(), 1000u);
  EXPECT_FALSE(budget_.exceeded());
  EXPECT_EQ(asked_, 0);
}

TEST_F(LogBudgetTest, BeyondTheBudget_ReplicasAreAskedUntilItIsKept) {
  share_.Resize(900);
  const Quota::Share other(budget_, 101);
  EXPECT_TRUE(budget_.exceeded());
  EXPECT_EQ(asked_, 1);
  share_.Resize(899);
  EXPECT_FALSE(budget_.exceeded());
  EXPECT_EQ(asked_, 1);
}

TEST_F(LogBudgetTest, Postponed_UntilTheSumGrowsByAPartOfTheBudget) {
  share_.Resize(1500);
  budget_.Postpone();
  asked_ = 0;
  share_.Resize(1560);
  EXPECT_EQ(asked_, 0);
  share_.Resize(1563);
  EXPECT_EQ(asked_, 1);
}

TEST_F(LogBudgetTest, Postponed_UntilTheSumFell) {
  share_.Resize(1500);
  budget_.Postpone();
  share_.Resize(1200);
  EXPECT_EQ(asked_, 2);
}

TEST_F(LogBudgetTest, Haste_IsTheSquareOfTheExcess) {
  share_.Resize(1000);
  EXPECT_EQ(budget_.Haste(), 1u);
  share_.Resize(2100);
  EXPECT_EQ(budget_.Haste(), 4u);
  share_.Resize(5100);
  EXPECT_NEAR(budget_.Haste(), 25u, 2);
  share_.Resize(uint64_t{1} << 62);
  EXPECT_EQ(budget_.Haste(), 1024u);
}

TEST(LogBudgetWithoutBudgetTest, NoReplicaIsEverAsked) {
  int asked = 0;
  LogBudget budget(0, [&asked] { ++asked; });
  const Quota::Share share(budget, uint64_t{1} << 50);
  EXPECT_EQ(budget.bytes(), uint64_t{1} << 50);
  EXPECT_EQ(budget.Haste(), 1u);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace quorate::raft
