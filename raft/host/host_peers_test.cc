// Peers that leave a node's list and return, while entries flow.
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

class HostPeers : public ::testing::Test {
 protected:
  void Propose(int count, size_t bytes) {
    for (int i = 0; i < count; ++i) {
      ++lines_;
      ASSERT_EQ(cluster_.Propose(std::string(bytes, 'x')).outcome,
                Outcome::kDone);
    }
  }
  // Gives node `n` a list of all others but `left_out`.
  void SetPeers(uint32_t n, const std::vector<uint32_t>& left_out) {
    std::vector<env::PeerAddress> peers;
    for (const env::PeerAddress& peer : cluster_.OptionsOf(n).peers) {
      bool named = true;
      for (const uint32_t out : left_out) named &= peer.node != NodeId(out);
      if (named) peers.push_back(peer);
    }
    bool ran = false;
    env::Env& env = cluster_.world_.env(cluster_.machines_[n - 1]);
    const env::Pending timer = env.loop.At(env.loop.ReadClock().mono, [&] {
      EXPECT_EQ(cluster_.node(n)->host.SetPeers(peers), absl::OkStatus());
      ran = true;
    });
    ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return ran; }));
  }
  size_t Lines(uint32_t n) {
    return cluster_.node(n)->journal()->lines().size();
  }

  testing::JournalCluster cluster_{47, /*snapshot_threshold_bytes=*/1 << 30};
  size_t lines_ = 0;
};

TEST_F(HostPeers, ListWithThisNodeOrANodeTwice_IsRefusedAndChangesNothing) {
  Host& host = cluster_.node(1)->host;
  std::vector<env::PeerAddress> peers = cluster_.OptionsOf(1).peers;
  peers.push_back({NodeId(1), "n1:1"});
  absl::Status status = host.SetPeers(peers);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(),
            "node 1 is this node, which is no peer of itself: leave it out");
  peers.back() = peers.front();
  status = host.SetPeers(peers);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  Propose(10, 100);
  EXPECT_TRUE(cluster_.WaitConverged(lines_));
}

// The lane to the follower is full when it leaves the list, so its group waits
// for room there.
TEST_F(HostPeers, FollowerThatLeavesAndReturns_CatchesUp) {
  Propose(10, 100);
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
  const uint32_t leader = cluster_.leader();
  const uint32_t follower = leader % 3 + 1;
  cluster_.world_.network_options().lane_bytes_max = 64 << 10;
  for (int round = 0; round < 10; ++round) {
    Propose(5, 60'000);
    SetPeers(leader, {follower});
    const size_t before = Lines(follower);
    Propose(20, 20'000);
    cluster_.world_.RunFor(Seconds(1));
    EXPECT_LT(Lines(follower), before + 20);
    EXPECT_EQ(cluster_.leader(), leader);
    SetPeers(leader, {});
    ASSERT_TRUE(cluster_.WaitConverged(lines_));
  }
}

TEST_F(HostPeers, LeaderWithoutPeers_IsReplacedAndFollowsLater) {
  Propose(10, 100);
  const uint32_t before = cluster_.leader();
  SetPeers(before, {1, 2, 3});
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.leader() != before && cluster_.leader() != 0; }));
  Propose(10, 100);
  EXPECT_LT(Lines(before), lines_);
  SetPeers(before, {});
  ASSERT_TRUE(cluster_.WaitConverged(lines_));
}

}  // namespace
}  // namespace quorate::raft
