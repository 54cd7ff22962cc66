// Every command on nodes in every bad state: cut off from their cluster,
// fenced, halted, stopped, read-only, or without a leader. A node answers each
// request, and it never fails.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/connections/metrics.h"
#include "node/testing/every_request.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

// Without a reply, or with the end of the connection in its place.
bool MayHaveNoReply(const RequestWords& words) {
  const std::string line = Lower(LineOf(words));
  return line.starts_with("client reply ") || line.starts_with("client kill ");
}

class AllCommandsTest : public ::testing::Test {
 protected:
  void Make(const TestCluster::Options& options) {
    cluster_ = std::make_unique<TestCluster>(options);
    ASSERT_TRUE(cluster_->AwaitLeaders());
    cluster_->world().RunFor(Seconds(3));
  }
  TestCluster& cluster() { return *cluster_; }

  // Sends each request on a connection of its own, behind `first` and followed
  // by `last`, and expects a reply to each.
  void SendAll(size_t node, bool plain, const std::vector<RequestWords>& first,
               const std::vector<RequestWords>& last) {
    std::string before;
    for (const RequestWords& words : first) before += EncodeRequest(words);
    std::string after;
    for (const RequestWords& words : last) after += EncodeRequest(words);
    const std::vector<RequestWords> requests = EveryRequest();
    std::vector<std::unique_ptr<TestClient>> clients;
    for (size_t i = 0; i < requests.size(); ++i) {
      clients.push_back(plain ? cluster().ConnectResp(node)
                              : cluster().ConnectRespCluster(node));
    }
    cluster().world().RunFor(Milliseconds(100));
    for (size_t i = 0; i < requests.size(); ++i) {
      clients[i]->Send(before + EncodeRequest(requests[i]) + after);
    }
    cluster().world().RunFor(Seconds(20));
    EXPECT_EQ(cluster().server(node).metrics().connections.rejected, 0u);
    for (size_t i = 0; i < requests.size(); ++i) {
      std::string_view replies = clients[i]->received();
      size_t count = 0;
      while (const size_t size = ReplySize(replies)) {
        replies.remove_prefix(size);
        ++count;
      }
      EXPECT_EQ(replies, "") << LineOf(requests[i]);
      if (clients[i]->closed() || MayHaveNoReply(requests[i])) continue;
      EXPECT_EQ(count, first.size() + 1 + last.size()) << LineOf(requests[i]);
    }
  }

  std::string Ask(size_t node, bool plain, RequestWords words) {
    auto client = plain ? cluster().ConnectResp(node)
                        : cluster().ConnectRespCluster(node);
    return cluster().Command(*client, std::move(words));
  }

  // Both describe the node's role in the same words.
  void ExpectOneRole(size_t node, bool plain) {
    const std::string role = Ask(node, plain, {"ROLE"});
    const std::string info = Ask(node, plain, {"INFO", "replication"});
    const bool master = role.starts_with("*3\r\n$6\r\nmaster\r\n:0\r\n*");
    EXPECT_TRUE(master || role.starts_with("*5\r\n$5\r\nslave\r\n$")) << role;
    EXPECT_NE(info.find(master ? "\r\nrole:master\r\n" : "\r\nrole:slave\r\n"),
              std::string::npos)
        << role << info;
  }

  void ExpectAnswers(size_t node) {
    for (const bool plain : {true, false}) {
      ExpectOneRole(node, plain);
      SendAll(node, plain, {}, {});
      SendAll(node, plain, {{"READONLY"}}, {});
      SendAll(node, plain, {{"HELLO", "3"}, {"MULTI"}}, {{"EXEC"}});
    }
    for (const std::string_view target :
         {"/", "/livez", "/readyz?verbose", "/metrics", "/v1/kv/foo",
          "/v1/kv/foo?consistency=eventual", "/get?key=foo", "/none"}) {
      auto http = cluster().ConnectHttp(node);
      http->Send(Concat("GET ", target, " HTTP/1.1\r\nHost: n1\r\n\r\n"));
      cluster().world().RunFor(Seconds(10));
      EXPECT_TRUE(http->received().starts_with("HTTP/1.1 ")) << target;
    }
    EXPECT_EQ(Ask(node, /*plain=*/true, {"PING"}), "+PONG\r\n");
  }

 private:
  std::unique_ptr<TestCluster> cluster_;
};

TEST_F(AllCommandsTest, ReadOnlyNode) {
  Make({.nodes = 1, .read_only_nodes = 1});
  ExpectAnswers(1);
}

TEST_F(AllCommandsTest, ReadOnlyNode_WhoseVotersAreDown) {
  Make({.nodes = 1, .read_only_nodes = 1});
  cluster().Crash(0);
  cluster().world().RunFor(Seconds(3));
  ExpectAnswers(1);
}

// Two voters lost their directories, and each was told to bootstrap a cluster
// of its own. They and the third one refuse each other.
TEST_F(AllCommandsTest, VoterThatIsCutOff) {
  Make({.nodes = 3});
  for (size_t node = 0; node < 2; ++node) {
    Config alone = cluster().config(node);
    for (ShardConfig& shard : alone.shards) shard.replicas = {alone.node};
    cluster().Crash(node);
    cluster().world().EraseDisk(cluster().machine(node));
    ASSERT_TRUE(cluster().RestartWith(node, alone).ok());
  }
  cluster().world().RunFor(Seconds(5));
  EXPECT_EQ(Ask(2, /*plain=*/false, {"CLUSTER", "SLOTS"}), "*0\r\n");
  ExpectAnswers(2);
}

// The voter became part of another cluster.
TEST_F(AllCommandsTest, ReadOnlyNodeThatIsCutOff) {
  Make({.nodes = 1, .read_only_nodes = 1});
  Config other = cluster().config(0);
  other.cluster = ClusterId(other.cluster.value() + 1);
  other.nodes.pop_back();
  cluster().Crash(0);
  cluster().world().EraseDisk(cluster().machine(0));
  ASSERT_TRUE(cluster().RestartWith(0, other).ok());
  cluster().world().RunFor(Seconds(5));
  EXPECT_EQ(Ask(1, /*plain=*/false, {"CLUSTER", "SLOTS"}), "*0\r\n");
  ExpectAnswers(1);
  EXPECT_EQ(Ask(1, /*plain=*/true, {"ROLE"}),
            "*5\r\n$5\r\nslave\r\n$0\r\n\r\n:0\r\n$7\r\nconnect\r\n:0\r\n");
  EXPECT_NE(Ask(1, /*plain=*/true, {"INFO", "replication"})
                .find("role:slave\r\nmaster_host:\r\nmaster_port:0\r\n"
                      "master_link_status:down\r\n"),
            std::string::npos);
}

// A durable record of the node's log is damaged while it is down.
TEST_F(AllCommandsTest, DamagedReplicas) {
  for (const uint32_t read_only : {0, 1}) {
    Make({.nodes = 2 + (1 - read_only), .read_only_nodes = read_only});
    const size_t damaged =
        read_only == 1 ? 2 : (cluster().LeaderOf(GroupId(1)) + 1) % 3;
    const std::string text = "the record that is damaged";
    const size_t leader = cluster().LeaderOf(GroupId(1));
    ASSERT_EQ(Ask(leader, true, {"SET", "foo", text}), "+OK\r\n");
    for (int i = 0; i < 20; ++i) Ask(leader, true, {"SET", "foo", "1"});
    cluster().world().RunFor(Seconds(1));
    cluster().Crash(damaged, sim::CrashKind::kMachine);
    bool flipped = false;
    sim::World& world = cluster().world();
    const sim::MachineId machine = cluster().machine(damaged);
    for (const std::string& file : world.DiskFiles(machine)) {
      const size_t at = world.ReadDiskFile(machine, file).find(text);
      if (at == std::string::npos) continue;
      flipped = world.FlipDiskBit(machine, file, at, 3);
    }
    ASSERT_TRUE(flipped);
    cluster().RestartDamaged(damaged);
    EXPECT_FALSE(
        cluster().server(damaged).host().group_status(GroupId(1)).ok());
    ExpectAnswers(damaged);
  }
}

TEST_F(AllCommandsTest, ReplicasWithoutALog) {
  for (const uint32_t nodes : {1, 3}) {
    Make({.nodes = nodes});
    const size_t stopped = cluster().LeaderOf(GroupId(1));
    cluster().world().FailDiskOperation(cluster().machine(stopped),
                                        sim::World::DiskOperation::kWrite, 1,
                                        /*persistent=*/true);
    ASSERT_NE(Ask(stopped, true, {"SET", "foo", "1"}), "+OK\r\n");
    ExpectAnswers(stopped);
  }
}

// A program that does not know the level of its group.
TEST_F(AllCommandsTest, HaltedReplicas) {
  Make({.nodes = 3, .read_only_nodes = 1, .adjust = [](Config& config) {
          config.program_level = kv::kRulesVersion + 1;
        }});
  const size_t voter = (cluster().LeaderOf(GroupId(1)) + 1) % 3;
  for (const size_t node : {voter, size_t{3}}) {
    Config config = cluster().config(node);
    config.program_level = kv::kRulesVersion;
    ASSERT_TRUE(cluster().RestartWith(node, config).ok());
    ASSERT_TRUE(cluster().world().RunUntilTrue([&] {
      const raft::Core* core = cluster().server(node).host().core(GroupId(1));
      return core != nullptr && core->halted_at() != raft::Index();
    }));
    cluster().world().RunFor(Seconds(2));
    ExpectAnswers(node);
  }
}

TEST_F(AllCommandsTest, NodeWithoutReplica_AndWithoutALeader) {
  Make({.nodes = 4, .adjust = [](Config& config) {
          config.shards.push_back(
              {.group = GroupId(1),
               .name = "g1",
               .slots = {{0, 16383}},
               .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
        }});
  ExpectAnswers(3);
  cluster().Crash(0);
  cluster().Crash(1);
  cluster().world().RunFor(Seconds(5));
  for (const size_t node : {size_t{2}, size_t{3}}) ExpectAnswers(node);
}

}  // namespace
}  // namespace quorate::node
