// The memory limit of a node (maxmemory): refused and allowed commands, bursts,
// forwarded commands, and the limit at run time.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr uint64_t kLimit = 100'000;
constexpr std::string_view kOom =
    "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

void SmallMemory(Config& config) { config.limits.memory_bytes = kLimit; }

uint64_t UsedBy(const Server& server, uint64_t groups) {
  uint64_t bytes = 0;
  for (uint64_t group = 1; group <= groups; ++group) {
    const kv::Store* store =
        server.store(GroupId(static_cast<uint32_t>(group)));
    if (store != nullptr) bytes += store->memory_bytes();
  }
  return bytes;
}

// Sets keys until one is refused. Returns how many were set.
int Fill(TestCluster& cluster, TestClient& client, std::string_view prefix) {
  const std::string value(1'000, 'v');
  for (int i = 0; i < 1'000; ++i) {
    const std::string reply =
        cluster.Command(client, {"SET", Concat(prefix, i), value});
    if (reply == kOom) return i;
    EXPECT_EQ(reply, "+OK\r\n");
  }
  return 1'000;
}

class MemoryTest : public ::testing::Test {
 protected:
  MemoryTest() : cluster_({.adjust = SmallMemory}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    client_ = cluster_.ConnectResp(0);
  }

  std::string Do(std::vector<std::string_view> words) {
    return cluster_.Command(*client_, std::move(words));
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
};

TEST_F(MemoryTest, AtTheLimit_WritesThatGrowAreRefused_OthersAreNot) {
  const int keys = Fill(cluster_, *client_, "k");
  EXPECT_GT(keys, 80);
  EXPECT_LT(keys, 100);
  const std::string value(2'000, 'v');
  for (const std::vector<std::string_view>& words :
       std::vector<std::vector<std::string_view>>{
           {"SET", "n", value},
           {"SETNX", "n", value},
           {"SETEX", "n", "10", value},
           {"GETSET", "n", value},
           {"MSET", "{n}1", value, "{n}2", value},
           {"MSETNX", "{n}1", value, "{n}2", value},
           {"APPEND", "k1", value},
           {"SETRANGE", "k1", "5000", "x"},
           {"INCRBYFLOAT", "n", "1"}}) {
    EXPECT_EQ(Do(words), kOom) << words[0];
  }
  EXPECT_EQ(Do({"GET", "n"}), "$-1\r\n");
  EXPECT_EQ(Do({"STRLEN", "k1"}), ":1000\r\n");
  EXPECT_EQ(Do({"EXPIRE", "k1", "1000"}), ":1\r\n");
  EXPECT_EQ(Do({"PERSIST", "k1"}), ":1\r\n");
  EXPECT_EQ(Do({"GETDEL", "k2"}).substr(0, 5), "$1000");
  EXPECT_EQ(Do({"DEL", "k3", "k3"}), ":1\r\n");
  EXPECT_EQ(Do({"SET", "n", "v"}), "+OK\r\n");
  EXPECT_EQ(Do({"FLUSHALL"}), "+OK\r\n");
  EXPECT_EQ(Do({"SET", "n", value}), "+OK\r\n");
}

// Hundreds of writes arrive before the first of them is applied.
TEST_F(MemoryTest, BurstOfWrites_NeverPassesTheLimit) {
  const std::string value(1'000, 'v');
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    requests += EncodeRequest({"SET", Concat("k", i), value});
  }
  for (int i = 0; i < 200; ++i) {
    requests += EncodeRequest({"SETRANGE", Concat("r", i), "100000", "x"});
  }
  const std::string replies = cluster_.Call(*client_, requests, 700);
  EXPECT_NE(replies.find("+OK"), std::string::npos);
  EXPECT_NE(replies.find("-OOM"), std::string::npos);
  EXPECT_LE(UsedBy(cluster_.server(0), 1), kLimit);
  EXPECT_GT(UsedBy(cluster_.server(0), 1), kLimit * 9 / 10);
}

TEST_F(MemoryTest, Transaction_ThatMayGrow_IsRefusedAsAWhole) {
  Fill(cluster_, *client_, "k");
  const std::string value(2'000, 'v');
  EXPECT_EQ(
      cluster_.Call(*client_,
                    EncodeRequest({"MULTI"}) + EncodeRequest({"DEL", "{k1}"}) +
                        EncodeRequest({"SET", "{k1}", value}) +
                        EncodeRequest({"EXEC"}),
                    4),
      Concat("+OK\r\n+QUEUED\r\n+QUEUED\r\n"
             "-EXECABORT Transaction discarded because of: ",
             kOom.substr(1)));
  EXPECT_EQ(
      cluster_.Call(*client_,
                    EncodeRequest({"MULTI"}) + EncodeRequest({"DEL", "k1"}) +
                        EncodeRequest({"EXEC"}),
                    3),
      "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
}

TEST_F(MemoryTest, HttpPut_IsAnsweredWith507) {
  Fill(cluster_, *client_, "k");
  auto http = cluster_.ConnectHttp(0);
  const std::string body(2'000, 'v');
  const std::string reply = cluster_.CallHttp(
      *http, Concat("PUT /v1/kv/n HTTP/1.1\r\nHost: h\r\nContent-Length: ",
                    body.size(), "\r\n\r\n", body));
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 507 Insufficient Storage\r\n"))
      << reply;
  EXPECT_NE(reply.find("\"code\":\"OUT_OF_MEMORY\""), std::string::npos);
}

// Each key has a row, so the memory ends. Without a key, DELETE is executed.
TEST_F(MemoryTest, HttpDeletesWithNewIdempotencyKeys_EndWith507) {
  auto http = cluster_.ConnectHttp(0);
  const auto status_of = [&](const std::string& headers) {
    const std::string reply = cluster_.CallHttp(
        *http,
        Concat("DELETE /v1/kv/k HTTP/1.1\r\nHost: h\r\n", headers, "\r\n"));
    return reply.substr(9, 3);
  };
  int executed = 0;
  while (executed < 1'000 &&
         status_of(Concat("Idempotency-Key: k", executed, "\r\n")) != "507") {
    ++executed;
  }
  EXPECT_LT(executed, 1'000);
  EXPECT_LE(UsedBy(cluster_.server(0), 1), kLimit);
  EXPECT_EQ(status_of(""), "200");
}

TEST_F(MemoryTest, Sessions_CountAsMemory) {
  const uint64_t before = UsedBy(cluster_.server(0), 1);
  const std::string token = Do({"QUORATE.SESSION"});
  const size_t begin = token.find("\r\n") + 2;
  const std::string session =
      token.substr(begin, token.find("\r\n", begin) - begin);
  EXPECT_EQ(Do({"QUORATE.DO", session, "1", "1", "DEL", "k"}), ":0\r\n");
  EXPECT_GT(UsedBy(cluster_.server(0), 1), before + 100);
}

// Sessions keep results, also of commands that leave the keys as they are.
TEST_F(MemoryTest, ResultsThatSessionsKeep_NeverPassTheLimit) {
  const std::string value(1'000, 'v');
  EXPECT_EQ(Do({"SET", "k", value}), "+OK\r\n");
  for (const bool getex : {true, false}) {
    int refused = 0;
    for (int i = 0; i < 3; ++i) {
      const std::string reply = Do({"QUORATE.SESSION"});
      const size_t begin = reply.find("\r\n") + 2;
      const std::string session =
          reply.substr(begin, reply.find("\r\n", begin) - begin);
      for (int sequence = 1; sequence <= 60; ++sequence) {
        std::vector<std::string_view> words = {"QUORATE.DO", session};
        const std::string number = Concat(sequence);
        words.insert(words.end(), {number, "1"});
        if (getex) {
          words.insert(words.end(), {"GETEX", "k", "EX", "100"});
        } else {
          words.insert(words.end(), {"SET", "k", value, "GET"});
        }
        const std::string answer = Do(words);
        refused += answer == kOom;
        EXPECT_TRUE(answer == kOom || answer.starts_with("$1000"))
            << answer.substr(0, 80);
      }
    }
    EXPECT_LE(UsedBy(cluster_.server(0), 1), kLimit);
    EXPECT_GT(refused, 0) << getex;
  }
}

TEST_F(MemoryTest, ConfigSet_ChangesTheLimitOfThisNode) {
  EXPECT_EQ(Do({"CONFIG", "GET", "maxmemory"}),
            "*2\r\n$9\r\nmaxmemory\r\n$6\r\n100000\r\n");
  EXPECT_NE(Do({"INFO", "memory"}).find("\r\nmaxmemory:100000\r\n"),
            std::string::npos);
  Fill(cluster_, *client_, "k");
  EXPECT_EQ(Do({"CONFIG", "SET", "maxmemory", "1mb"}), "+OK\r\n");
  EXPECT_EQ(Do({"CONFIG", "GET", "maxmemory"}),
            "*2\r\n$9\r\nmaxmemory\r\n$7\r\n1048576\r\n");
  EXPECT_GT(Fill(cluster_, *client_, "m"), 100);
  EXPECT_EQ(Do({"CONFIG", "SET", "maxmemory", "0"}), "+OK\r\n");
  EXPECT_EQ(Fill(cluster_, *client_, "u"), 1'000);
  // The node uses more than a lower limit: nothing is lost, and nothing more
  // is written.
  EXPECT_EQ(Do({"CONFIG", "SET", "maxmemory", "1000"}), "+OK\r\n");
  EXPECT_EQ(Do({"SET", "n", "v"}), kOom);
  EXPECT_EQ(Do({"EXISTS", "k0"}), ":1\r\n");
  EXPECT_NE(Do({"CONFIG", "SET", "maxmemory", "much"})
                .find("argument must be a memory value"),
            std::string::npos);
  EXPECT_NE(Do({"CONFIG", "SET", "maxmemory", "0", "dir", "/nosuch"})
                .find("can't set immutable config"),
            std::string::npos);
  EXPECT_EQ(Do({"CONFIG", "GET", "maxmemory"}),
            "*2\r\n$9\r\nmaxmemory\r\n$4\r\n1000\r\n");
  EXPECT_NE(Do({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"})
                .find("can't set immutable config"),
            std::string::npos);
}

// The nodes of a restarted cluster know how much their snapshots hold.
TEST_F(MemoryTest, AfterARestart_TheStoredDataCount) {
  Fill(cluster_, *client_, "k");
  cluster_.Crash(0);
  cluster_.Restart(0);
  ASSERT_TRUE(cluster_.AwaitLeaders());
  client_ = cluster_.ConnectResp(0);
  EXPECT_EQ(Do({"SET", "n", std::string(2'000, 'v')}), kOom);
}

// Commands of every node are decided by the node of the leader. Beside refused
// commands of a forwarded batch, the others are executed.
TEST(MemoryOfACluster, ForwardedWrites_AreRefusedByTheLeader) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = SmallMemory});
  ASSERT_TRUE(cluster.AwaitLeaders());
  for (size_t node = 0; node < cluster.size(); ++node) {
    auto client = cluster.ConnectResp(node);
    const std::string value(1'000, 'v');
    std::string requests;
    for (int i = 0; i < 200; ++i) {
      requests += EncodeRequest({"SET", Concat("k", node, ".", i), value});
      requests += EncodeRequest({"DEL", Concat("k", node, ".", i - 1)});
      requests += EncodeRequest({"INCR", Concat("n", i % 7)});
    }
    const std::string replies = cluster.Call(*client, requests, 600);
    EXPECT_EQ(std::count(replies.begin(), replies.end(), '\n'), 600);
    EXPECT_EQ(replies.find("-UNKNOWN"), std::string::npos);
    EXPECT_EQ(replies.find("-CLUSTERDOWN"), std::string::npos);
    for (int i = 0; i < 200; ++i) {
      cluster.Command(*client, {"SET", Concat("f", node, ".", i), value});
    }
    EXPECT_EQ(cluster.Command(
                  *client, {"SET", Concat("g", node), std::string(3'000, 'v')}),
              kOom);
    EXPECT_EQ(cluster.Command(*client, {"GET", "nosuch"}), "$-1\r\n");
  }
  cluster.world().RunFor(Seconds(1));
  for (size_t node = 0; node < cluster.size(); ++node) {
    EXPECT_LE(UsedBy(cluster.server(node), 3), kLimit + 20'000) << node;
    EXPECT_NE(cluster.server(node).MetricsText().find(
                  "quorate_memory_limit_bytes 100000\n"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace quorate::node
