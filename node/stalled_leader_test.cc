// A leader that hangs without dying, as after SIGSTOP: other nodes elect
// another one. Their clients wait for that, and for little more.
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

// Above the time of an election.
constexpr Duration kWaitMax = Milliseconds(300);
// Shorter than timeouts.proxy.
constexpr Duration kHang = Seconds(4);

// Node 4 has no replica.
TestCluster::Options OneGroupOnThreeNodes() {
  return {.nodes = 4, .replicas = 3};
}

// A client of one node that sends a command, waits for the reply, and so on.
class HangObserver {
 public:
  HangObserver(TestCluster& cluster, size_t node,
               const std::vector<std::string_view>& words)
      : cluster_(cluster),
        client_(cluster.ConnectResp(node)),
        request_(EncodeRequest(words)) {}

  void Go() {
    if (asks_ && client_->received().empty()) return;
    if (std::exchange(asks_, true)) {
      longest_ = std::max(longest_, Time() - sent_);
      std::string reply = client_->Take();
      if (reply.starts_with("-UNKNOWN")) {
        ++unknown_;
      } else if (reply.starts_with("-")) {
        other_ = std::move(reply);
      } else {
        ++answered_;
      }
    }
    sent_ = Time();
    client_->Send(request_);
  }
  int answered() const { return answered_; }
  int unknown() const { return unknown_; }
  const std::string& other() const { return other_; }  // Another error.
  Duration longest() const { return std::max(longest_, Time() - sent_); }

 private:
  MonoTime Time() const { return cluster_.clients_env().loop.ReadClock().mono; }

  TestCluster& cluster_;
  const std::unique_ptr<TestClient> client_;
  const std::string request_;
  bool asks_ = false;
  MonoTime sent_;
  int answered_ = 0;
  int unknown_ = 0;
  std::string other_;
  Duration longest_;
};

// Clients of all nodes but the one that hangs, each with one command.
class HangUnderLoad {
 public:
  explicit HangUnderLoad(TestCluster& cluster)
      : cluster_(cluster), leader_(cluster.LeaderOf(GroupId(1))) {}

  void AskWith(const std::vector<std::string_view>& words) {
    for (size_t node = 0; node < cluster_.size(); ++node) {
      if (node != leader_) observers_.emplace_back(cluster_, node, words);
    }
  }
  void Run() {
    RunFor(Milliseconds(500));
    cluster_.world().Pause(cluster_.machine(leader_));
    RunFor(kHang);
    cluster_.world().Resume(cluster_.machine(leader_));
    RunFor(Seconds(1));
  }
  const std::deque<HangObserver>& observers() const { return observers_; }
  void ExpectShortWaits() const {
    const Duration election = cluster_.config(0).host.core.election_timeout_max;
    for (const HangObserver& observer : observers_) {
      EXPECT_EQ(observer.other(), "");
      EXPECT_GT(observer.answered(), 100);
      EXPECT_LE(observer.longest(), election + kWaitMax)
          << observer.longest().ms() << " ms, election " << election.ms();
    }
  }

 private:
  void RunFor(Duration length) {
    for (int64_t ms = 0; ms < length.ms(); ++ms) {
      for (HangObserver& observer : observers_) observer.Go();
      cluster_.world().RunFor(Milliseconds(1));
    }
  }

  TestCluster& cluster_;
  const size_t leader_;
  std::deque<HangObserver> observers_;
};

TEST(StalledLeader, WritersOfOtherNodes_WaitForAnElectionOnly) {
  TestCluster cluster(OneGroupOnThreeNodes());
  ASSERT_TRUE(cluster.AwaitLeaders());
  HangUnderLoad load(cluster);
  load.AskWith({"INCR", "n"});
  load.Run();
  load.ExpectShortWaits();
  int answered = 0;
  int unknown = 0;
  for (const HangObserver& observer : load.observers()) {
    // The one that was sent to the leader before it was known to hang.
    EXPECT_EQ(observer.unknown(), 1);
    answered += observer.answered();
    unknown += observer.unknown();
  }
  auto client = cluster.ConnectResp(0);
  const std::string value = cluster.Command(*client, {"GET", "n"});
  const int count = std::stoi(value.substr(value.find('\n') + 1));
  EXPECT_GE(count, answered);
  // One more of each client is under way.
  EXPECT_LE(count, answered + unknown + 3);
}

TEST(StalledLeader, ReadersOfOtherNodes_AreAnsweredByTheNextLeader) {
  TestCluster cluster(OneGroupOnThreeNodes());
  ASSERT_TRUE(cluster.AwaitLeaders());
  HangUnderLoad load(cluster);
  load.AskWith({"GET", "n"});
  load.Run();
  load.ExpectShortWaits();
  for (const HangObserver& observer : load.observers()) {
    EXPECT_EQ(observer.unknown(), 0);
  }
}

// The read follows a write of its connection, so it travels in the log. Later
// writes of the connection may have been executed, so it is not repeated once
// it was sent.
TEST(StalledLeader, ReadBehindAWriteOfUnknownOutcome_IsAnswered) {
  for (const bool with_replica : {true, false}) {
    SCOPED_TRACE(with_replica);
    TestCluster cluster(OneGroupOnThreeNodes());
    ASSERT_TRUE(cluster.AwaitLeaders());
    const size_t leader = cluster.LeaderOf(GroupId(1));
    auto client = cluster.ConnectResp(with_replica ? (leader + 1) % 3 : 3);
    ASSERT_EQ(cluster.Command(*client, {"SET", "k", "1"}), "+OK\r\n");
    cluster.world().Pause(cluster.machine(leader));
    client->Send(EncodeRequest({"SET", "k", "2"}) +
                 EncodeRequest({"GET", "k"}));
    cluster.world().RunFor(Seconds(3));
    const std::string replies = client->Take();
    EXPECT_TRUE(replies.starts_with("-UNKNOWN")) << replies;
    const bool refused = replies.find("\r\n-CLUSTERDOWN") != replies.npos;
    EXPECT_TRUE(refused || replies.ends_with("\r\n$1\r\n1\r\n")) << replies;
  }
}

// Its place in the connection's order is lost, but not its outcome.
TEST(StalledLeader, WriteThatWasNotSent_IsExecutedByTheNextLeader) {
  TestCluster cluster(OneGroupOnThreeNodes());
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto first = cluster.ConnectResp((leader + 1) % 3);
  auto second = cluster.ConnectResp((leader + 1) % 3);
  ASSERT_EQ(cluster.Command(*first, {"SET", "k", "1"}), "+OK\r\n");
  ASSERT_EQ(cluster.Command(*second, {"SET", "k", "1"}), "+OK\r\n");
  cluster.world().Pause(cluster.machine(leader));
  // More than the link takes without an answer.
  const std::string value(400'000, 'x');
  for (int i = 0; i < 100; ++i) {
    first->Send(EncodeRequest({"SET", Concat("large", i), value}));
  }
  cluster.world().RunFor(Milliseconds(50));
  second->Send(EncodeRequest({"INCR", "n"}));
  cluster.world().RunFor(Seconds(3));
  EXPECT_EQ(second->Take(), ":1\r\n");
}

}  // namespace
}  // namespace quorate::node
