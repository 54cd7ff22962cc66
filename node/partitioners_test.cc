// Clusters with other partitioners than hash slots.
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/operated_cluster.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

// A partitioner of three groups, with keys and their slots.
struct Founding {
  std::string_view name;
  void (*adjust)(Config&);
  std::vector<std::pair<std::string, uint16_t>> keys;
};

std::vector<Founding> Foundings() {
  return {{"last_character",
           [](Config& config) {
             config.division = {Partitioner::kLastCharacter, 6};
           },
           // 'a' is 97, so it has slot 1.
           {{"xa", 1}, {"yb", 2}, {"zc", 3}, {"{a}d", 4}, {"e", 5}, {"f", 0}}},
          {"key_ranges",
           [](Config& config) {
             config.division = {
                 Partitioner::kKeyRanges, 6, {"c", "e", "g", "i", "k"}};
           },
           {{"a", 0}, {"c", 1}, {"dz", 1}, {"{g}", 5}, {"g", 3}, {"z", 5}}}};
}

class PartitionersTest : public OperatedCluster,
                         public testing::WithParamInterface<Founding> {
 protected:
  void SetUp() override {
    Begin(
        {.nodes = 4, .groups = 3, .replicas = 3, .adjust = GetParam().adjust});
  }
  std::string Do(size_t node, std::vector<std::string_view> words) {
    return cluster_->Command(*cluster_->ConnectResp(node), std::move(words));
  }
  std::string DoCluster(size_t node, std::vector<std::string_view> words) {
    return cluster_->Command(*cluster_->ConnectRespCluster(node),
                             std::move(words));
  }
  void SetAll() {
    size_t node = 0;
    for (const auto& [key, slot] : GetParam().keys) {
      ASSERT_EQ(Do(node++ % 4, {"SET", key, Concat("v-", key)}), "+OK\r\n");
    }
  }
  void ExpectAll(size_t node) {
    for (const auto& [key, slot] : GetParam().keys) {
      EXPECT_EQ(Do(node, {"GET", key}),
                Concat("$", key.size() + 2, "\r\nv-", key, "\r\n"));
    }
  }
  // The leader of the group has the slot, and its key.
  bool Holds(uint32_t group, uint16_t slot, std::string_view key) {
    const size_t leader = cluster_->LeaderOf(GroupId(group));
    if (leader == cluster_->size()) return false;
    const kv::Store& store = *cluster_->server(leader).store(GroupId(group));
    return store.Owns(Slot(slot)) && store.Get(Slot(slot), key, {}).found();
  }
};

TEST_P(PartitionersTest, Keys_AreInTheGroupsOfTheirSlots) {
  SetAll();
  for (size_t node = 0; node < 4; ++node) ExpectAll(node);
  for (const auto& [key, slot] : GetParam().keys) {
    EXPECT_TRUE(Holds(slot / 2u + 1, slot, key)) << key;
    EXPECT_EQ(DoCluster(1, {"CLUSTER", "KEYSLOT", key}),
              Concat(":", slot, "\r\n"));
    auto http = cluster_->ConnectHttp(2);
    const std::string reply = cluster_->CallHttp(
        *http, Concat("GET /get?key=", key, " HTTP/1.1\r\nHost: n3\r\n\r\n"));
    EXPECT_TRUE(absl::EndsWith(reply, Concat("\r\n\r\nv-", key))) << reply;
  }
  EXPECT_EQ(Do(3, {"DBSIZE"}), Concat(":", GetParam().keys.size(), "\r\n"));
}

TEST_P(PartitionersTest, ClusterClients_AreToldToUseThePlainAddress) {
  const std::string why =
      Concat("-ERR this cluster divides its keys by ", GetParam().name,
             ", not by the hash slots of Redis Cluster; use the nodes' "
             "addresses for plain clients (nodes[].resp)\r\n");
  EXPECT_EQ(DoCluster(0, {"CLUSTER", "SLOTS"}), why);
  EXPECT_EQ(DoCluster(0, {"CLUSTER", "SHARDS"}), why);
  EXPECT_TRUE(absl::StrContains(DoCluster(0, {"CLUSTER", "NODES"}),
                                " 0 0 2 connected\n"));
  EXPECT_TRUE(cluster_->world().RunUntilTrue(
      [&] {
        return absl::StrContains(DoCluster(0, {"CLUSTER", "INFO"}),
                                 "cluster_state:ok\r\n"
                                 "cluster_slots_assigned:6\r\n"
                                 "cluster_slots_ok:6\r\n");
      },
      Seconds(10)));
  EXPECT_TRUE(absl::StrContains(
      Do(0, {"INFO", "cluster"}),
      Concat("quorate_partitioner:", GetParam().name, "\r\n")));
  EXPECT_EQ(DoCluster(0, {"CLUSTER", "COUNTKEYSINSLOT", "5"}), ":0\r\n");
  EXPECT_EQ(DoCluster(0, {"CLUSTER", "COUNTKEYSINSLOT", "6"}),
            "-ERR Invalid slot\r\n");
}

TEST_P(PartitionersTest, MovedSlots_KeepTheirKeys) {
  SetAll();
  const auto [status, answer] =
      Ask(0, "POST", "/v1/moves", R"({"to":1,"slots":"3-5"})");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(cluster_->world().RunUntilTrue(
      [&] {
        for (const auto& [key, slot] : GetParam().keys) {
          if (!Holds(slot == 2 ? 2 : 1, slot, key)) return false;
        }
        return true;
      },
      Seconds(60)));
  for (size_t node = 0; node < 4; ++node) ExpectAll(node);
  EXPECT_NE(Ask(0, "POST", "/v1/moves", R"({"to":1,"slots":"6"})").first, 200);
}

TEST_P(PartitionersTest, OrderedScan_NeedsKeyRanges) {
  SetAll();
  auto http = cluster_->ConnectHttp(3);
  const auto scan = [&](std::string_view query) {
    return cluster_->CallHttp(
        *http, Concat("GET /v1/scan", query, " HTTP/1.1\r\nHost: n4\r\n\r\n"));
  };
  if (GetParam().name == "last_character") {
    const std::string reply = scan("");
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 400 ")) << reply;
    EXPECT_TRUE(absl::StrContains(reply, "divides its keys by last_character"));
    return;
  }
  EXPECT_TRUE(absl::EndsWith(
      scan(""),
      "{\"items\":[{\"key\":\"a\"},{\"key\":\"c\"},{\"key\":\"dz\"},"
      "{\"key\":\"g\"},{\"key\":\"z\"},{\"key\":\"%7Bg%7D\"}],"
      "\"next\":null}\n"));
  EXPECT_TRUE(absl::EndsWith(
      scan("?from=b&to=z&limit=2&values"),
      "{\"items\":[{\"key\":\"c\",\"value\":\"v-c\"},"
      "{\"key\":\"dz\",\"value\":\"v-dz\"}],\"next\":\"dz%00\"}\n"));
  EXPECT_TRUE(scan("?limit=0").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(scan("?limit=1001").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(scan("?cursor=1").starts_with("HTTP/1.1 400 "));
  // Requests behind a scan wait for its page.
  http->Send(
      "GET /v1/scan?limit=1 HTTP/1.1\r\nHost: n4\r\n\r\n"
      "GET /get?key=a HTTP/1.1\r\nHost: n4\r\n\r\n");
  cluster_->world().RunFor(Seconds(1));
  const std::string replies = http->Take();
  EXPECT_TRUE(absl::EndsWith(replies, "\r\n\r\nv-a")) << replies;
  EXPECT_TRUE(absl::StrContains(replies, "\"next\":\"a%00\"}")) << replies;
}

// Many keys, of which each page visits all of a slot.
TEST_P(PartitionersTest, OrderedScan_OfMovingSlots_HasEachKey) {
  if (GetParam().name != "key_ranges") GTEST_SKIP();
  constexpr int kKeys = 3'000;
  auto client = cluster_->ConnectResp(0);
  for (int i = 0; i < kKeys; i += 100) {
    std::string requests;
    for (int j = i; j < i + 100; ++j) {
      requests += EncodeRequest({"SET", Concat("f", 10'000 + j), "v"});
    }
    cluster_->Call(*client, requests, 100);
  }
  ASSERT_EQ(Ask(0, "POST", "/v1/moves", R"({"to":1,"slots":"2"})").first, 200);
  std::string from;
  int seen = 0;
  while (true) {
    auto http = cluster_->ConnectHttp(1);
    const std::string reply =
        cluster_->CallHttp(*http, Concat("GET /v1/scan?limit=700&from=", from,
                                         " HTTP/1.1\r\nHost: n2\r\n\r\n"));
    const Json page = Json::parse(reply.substr(reply.find("\r\n\r\n") + 4));
    for (const Json& item : page["items"]) {
      EXPECT_EQ(item["key"], Concat("f", 10'000 + seen++));
    }
    if (page["next"].is_null()) break;
    from = page["next"];
  }
  EXPECT_EQ(seen, kKeys);
}

// Its file says nothing of the partitioner.
TEST_P(PartitionersTest, NodeThatJoins_LearnsThePartitioner) {
  SetAll();
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  Config config = Joining(Ask(0, "POST", "/v1/nodes").second);
  ASSERT_EQ(cluster_->StartNew(config), absl::OkStatus());
  ExpectAll(4);
  config.join.reset();
  ASSERT_EQ(cluster_->RestartWith(4, config), absl::OkStatus());
  ExpectAll(4);
}

TEST_P(PartitionersTest, FileWithAnotherPartitioner_StopsTheStart) {
  Config config = cluster_->config(0);
  config.division = {Partitioner::kLastCharacter, 3};
  config.shards = EvenShards(config.nodes, {3, 3}, 3);
  const absl::Status status = cluster_->RestartWith(0, config);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "founding.partitioner"))
      << status;
}

std::ostream& operator<<(std::ostream& out, const Founding& founding) {
  return out << founding.name;
}

INSTANTIATE_TEST_SUITE_P(All, PartitionersTest, testing::ValuesIn(Foundings()),
                         [](const auto& founding) {
                           return std::string(founding.param.name);
                         });

}  // namespace
}  // namespace quorate::node
