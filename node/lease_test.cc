// Leaders that read by a lease while another one is elected, with clocks that
// are right, stand still, or are wrong beyond the bound.
#include <cstddef>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

class LeaseClockTest : public ::testing::Test {
 protected:
  // Heartbeats come in time from a slow clock, too.
  LeaseClockTest()
      : cluster_({.nodes = 3, .adjust = [](Config& config) {
                    config.host.core.heartbeat_interval = Milliseconds(20);
                  }}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    leader_ = cluster_.LeaderOf(GroupId(1));
    client_ = cluster_.ConnectResp(leader_);
    EXPECT_EQ(cluster_.Command(*client_, {"SET", "k", "old"}), "+OK\r\n");
    EXPECT_EQ(Read(), kOld);  // By a round, whose answers begin a lease.
    EXPECT_EQ(Read(), kOld);
    EXPECT_GT(cluster_.Metric(leader_, "quorate_raft_lease_reads_total"), 0);
  }

  sim::SimClock& clock() {
    return cluster_.world().clock(cluster_.machine(leader_));
  }
  // The former leader hears from no other node.
  void CutOff() {
    for (size_t node = 0; node < 3; ++node) {
      if (node == leader_) continue;
      cluster_.world().BlockLink(cluster_.machine(leader_),
                                 cluster_.machine(node));
      cluster_.world().BlockLink(cluster_.machine(node),
                                 cluster_.machine(leader_));
    }
  }
  // Returns once another leader has committed a write.
  void WriteElsewhere() {
    const size_t other = (leader_ + 1) % 3;
    auto client = cluster_.ConnectResp(other);
    for (int i = 0; i < 100; ++i) {
      const std::string reply = cluster_.Command(*client, {"SET", "k", "new"});
      if (reply == "+OK\r\n") return;
    }
    FAIL() << "no other leader";
  }
  std::string Read() { return cluster_.Command(*client_, {"GET", "k"}); }

  static constexpr const char* kOld = "$3\r\nold\r\n";
  TestCluster cluster_;
  size_t leader_ = 0;
  std::unique_ptr<TestClient> client_;
};

TEST_F(LeaseClockTest, RightClock_LeaseEndsBeforeAnotherLeaderCommits) {
  CutOff();
  EXPECT_EQ(Read(), kOld);  // The lease lasts.
  WriteElsewhere();
  EXPECT_NE(Read(), kOld);
}

TEST_F(LeaseClockTest, ClockThatStoodStill_HasNoLease) {
  CutOff();
  clock().SetFrozen(cluster_.world().now(), true);
  cluster_.world().ClockChanged(cluster_.machine(leader_));
  WriteElsewhere();
  EXPECT_NE(Read(), kOld);
  clock().SetFrozen(cluster_.world().now(), false);
  cluster_.world().ClockChanged(cluster_.machine(leader_));
  EXPECT_GT(cluster_.Metric(leader_, "quorate_clock_disruptions_total"), 0);
}

// All clocks of the machine are slow together, so nothing notices it at once.
// The page on guarantees says what reads may miss then.
TEST_F(LeaseClockTest, ClockFarBeyondTheBound_ReadsAnOldValue) {
  clock().SetMonoDrift(cluster_.world().now(), -700'000);
  cluster_.world().ClockChanged(cluster_.machine(leader_));
  cluster_.world().RunFor(Seconds(2));
  ASSERT_EQ(cluster_.LeaderOf(GroupId(1)), leader_);
  EXPECT_EQ(Read(), kOld);
  EXPECT_EQ(Read(), kOld);
  CutOff();
  WriteElsewhere();
  EXPECT_EQ(Read(), kOld);
}

// Over minutes, other nodes' clocks show that this one is slow.
TEST_F(LeaseClockTest, DriftOverMinutes_EndsLeases) {
  clock().SetMonoDrift(cluster_.world().now(), -900);
  cluster_.world().ClockChanged(cluster_.machine(leader_));
  cluster_.world().RunFor(Seconds(150));
  EXPECT_EQ(cluster_.Metric(leader_, "quorate_clock_differs"), 1);
  const auto http = cluster_.ConnectHttp(leader_);
  const std::string ready = cluster_.CallHttp(
      *http, "GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(ready.find("[ ]clock differs in rate from most nodes"),
            std::string::npos)
      << ready;
  EXPECT_NE(ready.find(" 200 "), std::string::npos);
  const int64_t before =
      cluster_.Metric(leader_, "quorate_raft_lease_reads_total");
  EXPECT_EQ(Read(), kOld);
  EXPECT_EQ(Read(), kOld);
  EXPECT_EQ(cluster_.Metric(leader_, "quorate_raft_lease_reads_total"), before);
}

}  // namespace
}  // namespace quorate::node
