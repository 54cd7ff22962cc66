// Replicas of one group compare their states.
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::JournalCluster;
using testing::kGroup;

class StateComparisonTest : public ::testing::Test {
 protected:
  StateComparisonTest() {
    Write(8);
    EXPECT_TRUE(cluster_.WaitConverged(8));
  }
  void Write(int lines) {
    for (int i = 0; i < lines; ++i) {
      ASSERT_EQ(cluster_.Propose("line").outcome, Outcome::kDone);
    }
  }
  absl::Status StatusOf(uint32_t n) {
    return cluster_.node(n)->host.group_status(kGroup);
  }
  int alarms() {
    int alarms = 0;
    for (uint32_t n = 1; n <= 3; ++n) {
      if (cluster_.node(n) != nullptr)
        alarms += cluster_.node(n)->observer.alarms;
    }
    return alarms;
  }
  bool FencedSoon(uint32_t n) {
    return cluster_.world_.RunUntilTrue([&] { return !StatusOf(n).ok(); });
  }

  JournalCluster cluster_{31};
};

TEST_F(StateComparisonTest, EqualStates_RaiseNoAlarm) {
  Write(50);
  cluster_.world_.RunFor(Seconds(5));
  EXPECT_EQ(alarms(), 0);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_TRUE(StatusOf(n).ok());
}

TEST_F(StateComparisonTest, FollowerThatDiffers_IsFencedAndNamed) {
  const uint32_t leader = cluster_.leader();
  const uint32_t odd = leader % 3 + 1;
  cluster_.node(odd)->journal()->Damage();
  Write(4);
  ASSERT_TRUE(FencedSoon(odd));
  EXPECT_TRUE(absl::IsDataLoss(StatusOf(odd))) << StatusOf(odd);
  EXPECT_TRUE(absl::StrContains(StatusOf(odd).message(),
                                "differs from that of a majority"));
  EXPECT_EQ(cluster_.node(odd)->observer.fenced, 1);
  EXPECT_EQ(cluster_.node(odd)->host.condition(kGroup),
            Host::Condition::kFenced);
  EXPECT_EQ(cluster_.node(leader)->observer.alarms, 1);
  // The others go on. A snapshot may have the wrong state, so a restart does
  // not end the fence.
  Write(8);
  for (int i = 0; i < 2; ++i) {
    cluster_.Crash(odd, sim::CrashKind::kMachine);
    cluster_.Restart(odd);
    cluster_.AwaitStart(odd);
    EXPECT_TRUE(cluster_.node(odd)->started.ok());
    EXPECT_TRUE(absl::IsDataLoss(StatusOf(odd))) << StatusOf(odd);
    EXPECT_EQ(cluster_.node(odd)->host.condition(kGroup),
              Host::Condition::kFenced);
    Write(4);
  }
}

TEST_F(StateComparisonTest, LeaderThatDiffers_IsFencedAndAnotherLeads) {
  const uint32_t odd = cluster_.leader();
  cluster_.node(odd)->journal()->Damage();
  Write(4);
  ASSERT_TRUE(FencedSoon(odd));
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.leader() != 0 && cluster_.leader() != odd; }));
  Write(4);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(StatusOf(n).ok(), n != odd);
}

// The replica still runs. The message says how to drop it.
TEST_F(StateComparisonTest, DropByTheObserver_EndsTheProgramWithAMessage) {
  const uint32_t odd = cluster_.leader() % 3 + 1;
  auto* const program = cluster_.node(odd);
  program->observer.on_fenced = [program] {
    program->host.DropReplica(kGroup, [](absl::Status) {});
  };
  program->journal()->Damage();
  EXPECT_DEATH(
      {
        Write(4);
        FencedSoon(odd);
      },
      "drop it in a later turn");
}

// Without a majority none is known to be right.
TEST_F(StateComparisonTest, Tie_OnlyRaisesAnAlarm) {
  const uint32_t leader = cluster_.leader();
  const uint32_t odd = leader % 3 + 1;
  cluster_.Crash(6 - leader - odd, sim::CrashKind::kProcess);
  cluster_.node(odd)->journal()->Damage();
  Write(4);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([this] { return alarms() > 0; }));
  cluster_.world_.RunFor(Seconds(5));
  EXPECT_EQ(alarms(), 1);
  EXPECT_TRUE(StatusOf(leader).ok());
  EXPECT_TRUE(StatusOf(odd).ok());
}

}  // namespace
}  // namespace quorate::raft
