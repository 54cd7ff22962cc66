// Connections that wait for a bounded resource of a node get it in turn: no
// connection waits for ever behind others that send many requests.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr size_t kHeld = 2;
constexpr size_t kGreedyRequests = 4'000;

void FewHeldRequests(Config& config) {
  config.bounds.held_requests = kHeld;
  config.bounds.batch_commands = 1;
  config.bounds.entries_in_flight = 1;
}

class FairnessTest : public ::testing::Test {
 protected:
  FairnessTest() : cluster_({.nodes = 3, .adjust = FewHeldRequests}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    leader_ = cluster_.LeaderOf(GroupId(1));
  }

  // Adds a connection to `node` that sends more requests at once than may wait.
  void AddGreedy(size_t node, std::string_view name) {
    std::string requests;
    for (size_t i = 0; i < kGreedyRequests; ++i) {
      requests += EncodeRequest({"INCR", name});
    }
    greedy_.push_back(cluster_.ConnectResp(node));
    greedy_.back()->Send(requests);
  }

  // Replies to greedy connections so far.
  size_t GreedyReplies() const {
    size_t count = 0;
    for (const auto& client : greedy_) {
      count +=
          static_cast<size_t>(std::ranges::count(client->received(), '\n'));
    }
    return count;
  }

  // Sends the request on several connections, one after the other. Returns the
  // most replies that greedy connections got before its reply.
  size_t RepliesBefore(size_t node, const std::string& request,
                       const std::string& reply) {
    size_t most = 0;
    std::vector<std::unique_ptr<TestClient>> modest;
    for (int i = 0; i < 20; ++i) modest.push_back(cluster_.ConnectResp(node));
    for (const auto& client : modest) {
      AwaitReplies(GreedyReplies() + 5);
      const size_t before = GreedyReplies();
      client->Send(request);
      EXPECT_TRUE(cluster_.world().RunUntilTrue(
          [&] { return client->received() == reply; }, Seconds(60)))
          << client->received();
      most = std::max(most, GreedyReplies() - before);
    }
    EXPECT_LT(GreedyReplies(), greedy_.size() * kGreedyRequests);
    return most;
  }

  void AwaitReplies(size_t count) {
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] { return GreedyReplies() >= count; }, Seconds(60)));
  }

  TestCluster cluster_;
  size_t leader_ = 0;
  std::vector<std::unique_ptr<TestClient>> greedy_;
};

// Each connection in front may fill the queue once.
TEST_F(FairnessTest, QueueOfALeader_ServesEachConnectionInTurn) {
  AddGreedy(leader_, "a");
  AddGreedy(leader_, "b");
  AddGreedy(leader_, "c");
  EXPECT_LE(RepliesBefore(leader_, EncodeRequest({"SET", "m", "v"}), "+OK\r\n"),
            8 * kHeld);
}

TEST_F(FairnessTest, QueueOfAFollower_ServesEachConnectionInTurn) {
  const size_t follower = (leader_ + 1) % cluster_.size();
  AddGreedy(follower, "a");
  AddGreedy(follower, "b");
  AddGreedy(follower, "c");
  EXPECT_LE(
      RepliesBefore(follower, EncodeRequest({"SET", "m", "v"}), "+OK\r\n"),
      8 * kHeld);
}

TEST_F(FairnessTest, Transactions_HaveTheirTurnToo) {
  AddGreedy(leader_, "a");
  AddGreedy(leader_, "b");
  EXPECT_LE(RepliesBefore(leader_,
                          EncodeRequest({"MULTI"}) +
                              EncodeRequest({"SET", "m", "v"}) +
                              EncodeRequest({"EXEC"}),
                          "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"),
            8 * kHeld);
}

// Batches of the leader's node and of others are proposed in turn.
TEST_F(FairnessTest, BatchesOfOtherNodes_AreProposedInTurn) {
  AddGreedy(leader_, "a");
  AddGreedy(leader_, "b");
  const size_t follower = (leader_ + 1) % cluster_.size();
  EXPECT_LE(
      RepliesBefore(follower, EncodeRequest({"SET", "m", "v"}), "+OK\r\n"),
      8 * kHeld);
}

// Commands about all keys ask each group.
TEST_F(FairnessTest, CountOfAllKeys_HasItsTurnToo) {
  AddGreedy(leader_, "a");
  AddGreedy(leader_, "b");
  EXPECT_LE(RepliesBefore(leader_, EncodeRequest({"DBSIZE"}), ":2\r\n"),
            8 * kHeld);
}

// A connection that reads none of its replies lets the others pass.
TEST_F(FairnessTest, ConnectionThatReadsNothing_HoldsNoOtherBack) {
  const std::string value(400'000, 'x');
  auto slow = cluster_.ConnectResp(leader_);
  EXPECT_EQ(cluster_.Command(*slow, {"SET", "big", value}), "+OK\r\n");
  slow->PauseReads();
  std::string requests;
  for (size_t i = 0; i < 200; ++i) {
    requests += EncodeRequest({"SET", "other", "y"});
    requests += EncodeRequest({"GETSET", "big", value});
  }
  slow->Send(requests);
  AddGreedy(leader_, "a");
  EXPECT_LE(RepliesBefore(leader_, EncodeRequest({"SET", "m", "v"}), "+OK\r\n"),
            8 * kHeld);
  EXPECT_FALSE(slow->closed());
}

}  // namespace
}  // namespace quorate::node
