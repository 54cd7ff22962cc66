// The C++ client (kv/client/client.h) with real servers, by the addresses for
// plain and for cluster clients.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kv/client/client.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr int kClientKeys = 30;

std::string KeyOf(int i) { return Concat("key", i); }

class ClientLibraryTest : public testing::TestWithParam<bool> {
 protected:
  ClientLibraryTest() : cluster_({.nodes = 3, .groups = 3}) {
    kv::ClientOptions options;
    for (size_t node = 0; node < cluster_.size(); ++node) {
      const NodeConfig& self = cluster_.config(node).self();
      options.seeds.push_back(plain() ? self.resp : self.resp_cluster);
    }
    env::Env& env = cluster_.clients_env();
    client_ = std::make_unique<kv::Client>(env.loop, env.streams, env.random,
                                           std::move(options));
  }

  static bool plain() { return GetParam(); }
  void Run(std::function<void(kv::Client&)> body) {
    turns_.push_back(cluster_.clients_env().loop.Defer(
        [this, body = std::move(body)] { body(*client_); }));
  }
  kv::Client::Done Keep() {
    return
        [this](const kv::ClientResult& result) { results_.push_back(result); };
  }
  // Runs until `count` results have arrived, and returns them.
  std::vector<kv::ClientResult> Await(size_t count) {
    EXPECT_TRUE(cluster_.world().RunUntilTrue(
        [&] { return results_.size() >= count; }, Seconds(60)))
        << results_.size() << " of " << count;
    return std::exchange(results_, {});
  }

  TestCluster cluster_;
  std::vector<env::Pending> turns_;
  std::vector<kv::ClientResult> results_;
  std::unique_ptr<kv::Client> client_;
};

TEST_P(ClientLibraryTest, KeysOfAllGroups_AreWrittenReadAndRemoved) {
  ASSERT_TRUE(cluster_.AwaitLeaders());
  Run([this](kv::Client& client) {
    for (int i = 0; i < kClientKeys; ++i)
      client.Set(KeyOf(i), KeyOf(i), Keep());
  });
  for (const kv::ClientResult& result : Await(kClientKeys)) {
    EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
  }
  for (int i = 0; i < kClientKeys; ++i) {
    Run([this, i](kv::Client& client) { client.Get(KeyOf(i), Keep()); });
    EXPECT_EQ(Await(1).at(0).reply.text, KeyOf(i));
  }
  Run([this](kv::Client& client) {
    for (int i = 0; i < kClientKeys; ++i) client.Del(KeyOf(i), Keep());
  });
  for (const kv::ClientResult& result : Await(kClientKeys)) {
    EXPECT_EQ(result.reply.integer, 1);
  }
  auto resp = cluster_.ConnectResp(0);
  EXPECT_EQ(cluster_.Command(*resp, {"DBSIZE"}), ":0\r\n");
  // A plain client is never redirected.
  if (plain()) {
    EXPECT_EQ(client_->counters().redirects, 0u);
  }
  EXPECT_EQ(client_->counters().unknown, 0u);
}

// A read that may be stale needs no leader.
TEST_P(ClientLibraryTest, ReadsOfALowerConsistency_NeedNoLeader) {
  ASSERT_TRUE(cluster_.AwaitLeaders());
  Run([this](kv::Client& client) { client.Set("k", "v", Keep()); });
  ASSERT_EQ(Await(1).at(0).outcome, Outcome::kDone);
  cluster_.world().RunFor(Seconds(1));  // Every replica applies it.
  const auto read = [this](kv::ReadConsistency consistency) {
    Run([this, consistency](kv::Client& client) {
      client.Get("k", consistency, Keep());
    });
    return Await(1).at(0);
  };
  const auto bounded = kv::ReadConsistency::Bounded(Seconds(60));
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(read(bounded).reply.text, "v");
    EXPECT_EQ(read(kv::ReadConsistency::Eventual()).reply.text, "v");
  }
  cluster_.world().RunFor(Seconds(1));
  cluster_.Crash(0);
  cluster_.Crash(1);
  EXPECT_EQ(read(kv::ReadConsistency::Eventual()).reply.text, "v");
  EXPECT_EQ(read(bounded).reply.text, "v");
  EXPECT_EQ(read({}).outcome, Outcome::kNotExecuted);
  EXPECT_EQ(read(kv::ReadConsistency::Bounded(Duration())).status.code(),
            absl::StatusCode::kInvalidArgument);
}

// A level belongs to a connection.
TEST_P(ClientLibraryTest, ReadsOfManyBounds_ShareAConnection) {
  ASSERT_TRUE(cluster_.AwaitLeaders());
  for (int i = 1; i <= 30; ++i) {
    Run([this, i](kv::Client& client) {
      client.Get("k", kv::ReadConsistency::Bounded(Seconds(i)), Keep());
      client.Get("k", kv::ReadConsistency::Eventual(), Keep());
      client.Get("k", Keep());
    });
    for (const kv::ClientResult& result : Await(3)) {
      EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
    }
  }
  for (size_t node = 0; node < cluster_.size(); ++node) {
    auto resp = cluster_.ConnectResp(node);
    const std::string info = cluster_.Command(*resp, {"INFO", "clients"});
    const size_t at = info.find("connected_clients:");
    ASSERT_NE(at, info.npos) << info;
    // Two of the client, and this one.
    EXPECT_LE(std::stoi(info.substr(at + 18)), 3) << info;
  }
}

// Each node crashes in turn while the client increments counters. Every
// increment reported as done took effect once.
TEST_P(ClientLibraryTest, NodesCrash_EveryIncrementCountsOnce) {
  ASSERT_TRUE(cluster_.AwaitLeaders());
  std::map<int, int64_t> least, most;
  for (int round = 0; round < 60; ++round) {
    const size_t node = static_cast<size_t>(round / 20);
    if (round % 20 == 5) cluster_.Crash(node);
    if (round % 20 == 15) cluster_.Restart(node);
    Run([&](kv::Client& client) {
      for (int i = 0; i < kClientKeys; ++i) {
        client.IncrBy(KeyOf(i), 1, [&, i](const kv::ClientResult& result) {
          results_.push_back(result);
          if (result.outcome != Outcome::kNotExecuted) ++most[i];
          if (result.outcome == Outcome::kDone) ++least[i];
        });
      }
    });
    Await(kClientKeys);
  }
  int64_t done = 0;
  for (int i = 0; i < kClientKeys; ++i) {
    Run([this, i](kv::Client& client) { client.Get(KeyOf(i), Keep()); });
    const int64_t value = std::stoll("0" + Await(1).at(0).reply.text);
    EXPECT_GE(value, least[i]) << i;
    EXPECT_LE(value, most[i]) << i;
    done += least[i];
  }
  EXPECT_GT(done, 60 * kClientKeys * 9 / 10);
}

// The nodes redirect with IPv6 literals without brackets.
TEST(ClientLibrary_Ipv6, OneSeed_ReachesTheLeadersOfAllGroups) {
  TestCluster cluster({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
                         for (NodeConfig& node : config.nodes) {
                           node.resp = Concat("[fd00::", node.id, "]:7001");
                         }
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  env::Env& env = cluster.clients_env();
  kv::ClientOptions options;
  options.seeds = {cluster.config(0).self().resp_cluster};
  kv::Client client(env.loop, env.streams, env.random, std::move(options));
  int results = 0;
  const env::Pending turn = env.loop.Defer([&] {
    for (int i = 0; i < kClientKeys; ++i) {
      client.Set(KeyOf(i), "v", [&](const kv::ClientResult& result) {
        EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
        ++results;
      });
    }
  });
  EXPECT_TRUE(cluster.world().RunUntilTrue(
      [&] { return results == kClientKeys; }, Seconds(60)))
      << results << " of " << kClientKeys;
}

INSTANTIATE_TEST_SUITE_P(BothAddresses, ClientLibraryTest, testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Plain" : "Cluster";
                         });

}  // namespace
}  // namespace quorate::node
