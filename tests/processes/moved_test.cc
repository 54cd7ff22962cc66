// Nodes are started with other addresses while the others go on.
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/tools/resp_client.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

// The answer of the node to cluster clients, or what went wrong.
std::string AnswerOf(const std::string& address,
                     const std::vector<std::string_view>& command) {
  auto client = net::RespClient::Connect(address, Seconds(10));
  if (!client.ok()) return client.status().ToString();
  const auto reply = (*client)->Call(command);
  return reply.ok() ? reply->text : reply.status().ToString();
}

// Whether each node names the present addresses of all nodes to clients, as
// connected, within twenty seconds.
bool AllKnowEachOther(ProcessCluster& cluster, std::string* last) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    bool all = true;
    for (int at = 0; at < cluster.size(); ++at) {
      *last = AnswerOf(cluster.node(at).resp_cluster, {"CLUSTER", "NODES"});
      all = all && !absl::StrContains(*last, "disconnected");
      for (int of = 0; of < cluster.size(); ++of) {
        all = all && absl::StrContains(*last, cluster.node(of).resp_cluster);
      }
      if (!all) break;
    }
    if (all) return true;
    usleep(100'000);
  }
  return false;
}

TEST(MovedNodes, OneNode_IsFoundWithoutARestartOfTheOthers) {
  ProcessCluster cluster({});
  ASSERT_TRUE(cluster.StartAll().ok());
  ASSERT_TRUE(cluster.AwaitLeaders(Seconds(30)).ok());
  EXPECT_EQ(AnswerOf(cluster.node(0).resp, {"SET", "foo", "1"}), "OK");
  cluster.Kill(2, SIGTERM);
  cluster.Move(2);
  ASSERT_TRUE(cluster.StartAll().ok()) << cluster.LogTail(2);
  std::string last;
  EXPECT_TRUE(AllKnowEachOther(cluster, &last)) << last;
  ASSERT_TRUE(cluster.AwaitLeaders(Seconds(30)).ok());
  EXPECT_EQ(AnswerOf(cluster.node(2).resp, {"GET", "foo"}), "1");
  EXPECT_EQ(AnswerOf(cluster.node(2).resp, {"SET", "foo", "2"}), "OK");
}

// Each file but one names the first node as a seed.
TEST(MovedNodes, AllNodesAtOnce_FindEachOther) {
  ProcessCluster cluster({});
  ASSERT_TRUE(cluster.StartAll().ok());
  ASSERT_TRUE(cluster.AwaitLeaders(Seconds(30)).ok());
  EXPECT_EQ(AnswerOf(cluster.node(1).resp, {"SET", "foo", "1"}), "OK");
  cluster.StopAll();
  cluster.Move(0);
  cluster.Move(1, {cluster.node(0).peer});
  cluster.Move(2, {cluster.node(0).peer});
  ASSERT_TRUE(cluster.StartAll().ok()) << cluster.LogTail(2);
  std::string last;
  EXPECT_TRUE(AllKnowEachOther(cluster, &last)) << last;
  ASSERT_TRUE(cluster.AwaitLeaders(Seconds(30)).ok());
  EXPECT_EQ(AnswerOf(cluster.node(2).resp, {"GET", "foo"}), "1");
}

}  // namespace
}  // namespace quorate::tests
