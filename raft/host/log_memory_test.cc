#include "raft/host/log_memory.h"

#include <gtest/gtest.h>

namespace quorate::raft {
namespace {

class LogMemoryTest : public ::testing::Test {
 protected:
  int asked_ = 0;
  LogMemory memory_{1000, [this] { ++asked_; }};
};

TEST_F(LogMemoryTest, WithinTheBudget_NoReplicaIsAsked) {
  memory_.Change(0, 600);
  memory_.Change(0, 400);
  EXPECT_EQ(memory_.bytes(), 1000u);
  EXPECT_FALSE(memory_.exceeded());
  EXPECT_EQ(asked_, 0);
}

TEST_F(LogMemoryTest, BeyondTheBudget_ReplicasAreAskedUntilItIsKept) {
  memory_.Change(0, 900);
  memory_.Change(0, 101);
  EXPECT_TRUE(memory_.exceeded());
  EXPECT_EQ(asked_, 1);
  memory_.Change(900, 899);
  EXPECT_FALSE(memory_.exceeded());
  EXPECT_EQ(asked_, 1);
}

TEST_F(LogMemoryTest, Postponed_UntilTheSumGrowsByAPartOfTheBudget) {
  memory_.Change(0, 1500);
  memory_.Postpone();
  asked_ = 0;
  memory_.Change(1500, 1560);
  EXPECT_EQ(asked_, 0);
  memory_.Change(1560, 1563);
  EXPECT_EQ(asked_, 1);
}

TEST_F(LogMemoryTest, Postponed_UntilTheSumFell) {
  memory_.Change(0, 1500);
  memory_.Postpone();
  memory_.Change(1500, 1200);
  EXPECT_EQ(asked_, 2);
}

TEST(LogMemoryWithoutBudgetTest, NoReplicaIsEverAsked) {
  int asked = 0;
  LogMemory memory(0, [&asked] { ++asked; });
  memory.Change(0, uint64_t{1} << 50);
  EXPECT_EQ(memory.bytes(), uint64_t{1} << 50);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace quorate::raft
