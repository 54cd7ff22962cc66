#include "sim/workload/workload_session.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(WorkloadSession, FloorIsTheOldestOpenOperation) {
  WorkloadSession session("token", WallTime(5));
  EXPECT_EQ(session.token(), "token");
  EXPECT_EQ(session.opened(), WallTime(5));
  EXPECT_EQ(session.floor(), 1u);
  EXPECT_EQ(session.Begin(), 1u);
  EXPECT_EQ(session.Begin(), 2u);
  EXPECT_EQ(session.Begin(), 3u);
  EXPECT_EQ(session.floor(), 1u);
  EXPECT_EQ(session.window(), 3u);
  session.End(2);
  EXPECT_EQ(session.floor(), 1u);
  session.End(1);
  EXPECT_EQ(session.floor(), 3u);
  EXPECT_EQ(session.window(), 1u);
  session.End(3);
  EXPECT_EQ(session.floor(), 4u);
  EXPECT_EQ(session.window(), 0u);
}

}  // namespace
}  // namespace quorate::sim
