#include "net/import/founding_plan.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

const ImportOptions kOptions = {.cluster = ClusterId(42), .data_dir = "/d"};

ShardingFile FileOf(const std::vector<std::vector<std::string>>& addresses) {
  ShardingFile file;
  for (size_t i = 0; i < addresses.size(); ++i) {
    file.shards.push_back({.name = "shard \"" + std::to_string(i) + "\"\x7f",
                           .idx = static_cast<int64_t>(i),
                           .addresses = addresses[i]});
  }
  return file;
}

FoundingPlan PlanOf(const std::vector<std::vector<std::string>>& addresses) {
  const auto plan = PlanFounding(FileOf(addresses), kOptions);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *plan : FoundingPlan();
}

std::vector<uint32_t> VotersOf(const FoundingPlan& plan, size_t group) {
  std::vector<uint32_t> voters;
  for (const NodeId id : plan.groups[group].replicas) {
    voters.push_back(id.value());
  }
  return voters;
}

using Voters = std::vector<uint32_t>;

TEST(FoundingPlan, Files_AreReadByTheNodes) {
  const FoundingPlan plan =
      PlanOf({{"127.0.0.2:8080", "127.0.0.22:8080"}, {"127.0.0.3:8080"}});
  for (const uint32_t id : {1, 2, 3}) {
    const auto config =
        node::ParseConfig(FoundingToml(plan, kOptions, NodeId(id)), "f");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->cluster, ClusterId(42));
    EXPECT_EQ(config->node, NodeId(id));
    EXPECT_EQ(config->data_dir, "/d/" + std::to_string(id));
    EXPECT_EQ(config->listen.admin, plan.admin[id - 1]);
    ASSERT_EQ(config->nodes.size(), 3u);
    EXPECT_EQ(config->nodes[1].http, "127.0.0.22:8080");
    EXPECT_EQ(config->nodes[1].resp, "127.0.0.22:7080");
    EXPECT_EQ(config->nodes[1].resp_cluster, "127.0.0.22:7180");
    EXPECT_EQ(config->nodes[1].peer, "127.0.0.22:9080");
    ASSERT_EQ(config->shards.size(), 2u);
    EXPECT_EQ(config->shards[1].name, "shard \"1\"\x7f");
    EXPECT_EQ(config->shards[1].slots.front(),
              (std::pair<uint16_t, uint16_t>(8192, 16383)));
    EXPECT_EQ(config->shards[1].replicas.front(), NodeId(3));
    EXPECT_EQ(config->shards[1].replicas.size(), 3u);
  }
}

TEST(FoundingPlan, PortsThatMeet_AreFurtherApart) {
  const FoundingPlan plan = PlanOf({{"localhost:8080"}, {"127.0.0.1:8180"}});
  EXPECT_EQ(plan.nodes[1].resp, "127.0.0.1:13180");
  EXPECT_EQ(plan.admin[1], "127.0.0.1:28180");
  const auto config =
      node::ParseConfig(FoundingToml(plan, kOptions, NodeId(2)), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen.admin, "127.0.0.1:28180");
  EXPECT_EQ(PlanOf({{"127.0.0.1:80"}}).nodes[0].resp, "127.0.0.1:5080");
}

TEST(FoundingPlan, PortsThatCannotBeDerived_AreNamed) {
  const auto plan =
      PlanFounding(FileOf({{"127.0.0.1:80"}, {"127.0.0.1:5080"}}), kOptions);
  EXPECT_EQ(plan.status().message(),
            "the other ports of the nodes cannot be derived from their "
            "addresses: resp of 127.0.0.1:80 would be port -920, and http of "
            "127.0.0.1:5080 and resp of 127.0.0.1:80 would both be port 5080; "
            "change the ports in a copy of the file, or write [[nodes]] by "
            "hand");
}

TEST(FoundingPlan, Groups_HaveAnOddNumberOfVotersOnOtherMachines) {
  const FoundingPlan one_each = PlanOf({{"127.0.0.1:8080"},
                                        {"127.0.0.1:8081"},
                                        {"127.0.0.2:8080"},
                                        {"127.0.0.3:8080"}});
  EXPECT_EQ(VotersOf(one_each, 0), (Voters{1, 3, 4}));
  for (size_t group = 0; group < 4; ++group) {
    EXPECT_EQ(VotersOf(one_each, group).size(), 3u);
  }
  const FoundingPlan two_each = PlanOf({{"127.0.0.1:8080", "127.0.0.2:8080"},
                                        {"127.0.0.3:8080", "127.0.0.4:8080"}});
  EXPECT_EQ(VotersOf(two_each, 0), (Voters{1, 2, 3}));
  EXPECT_EQ(VotersOf(two_each, 1), (Voters{3, 4, 1}));
  EXPECT_EQ(VotersOf(PlanOf({{"127.0.0.1:8080", "127.0.0.2:8080"}}), 0),
            (Voters{1, 2}));
}

TEST(FoundingPlan, Replicas_AreSpreadEvenly) {
  std::vector<std::vector<std::string>> addresses;
  for (int i = 1; i <= 20; ++i) {
    addresses.push_back({"127.0.1." + std::to_string(i) + ":8080"});
  }
  const FoundingPlan plan = PlanOf(addresses);
  std::vector<int> replicas(20);
  for (size_t group = 0; group < 20; ++group) {
    for (const uint32_t voter : VotersOf(plan, group)) ++replicas[voter - 1];
  }
  EXPECT_EQ(replicas, std::vector<int>(20, 3));
}

TEST(FoundingPlan, AddressesOutsideLoopback_NeedTheUsersWord) {
  const ShardingFile file = FileOf({{"10.0.0.1:8080"}});
  const std::string refusal(PlanFounding(file, kOptions).status().message());
  EXPECT_TRUE(
      refusal.starts_with("the address 10.0.0.1:8080 is outside loopback"))
      << refusal;
  ImportOptions trusted = kOptions;
  trusted.allow_non_loopback = true;
  const auto plan = PlanFounding(file, trusted);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto config =
      node::ParseConfig(FoundingToml(*plan, trusted, NodeId(1)), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen.http, "10.0.0.1:8080");
  EXPECT_EQ(config->listen.admin, "127.0.0.1:8180");
}

TEST(FoundingPlan, ShardWithTooManyServers_IsRefused) {
  std::vector<std::string> servers;
  for (int i = 1; i <= 10; ++i) {
    servers.push_back("127.0.1." + std::to_string(i) + ":8080");
  }
  EXPECT_FALSE(PlanFounding(FileOf({servers}), kOptions).ok());
  servers.pop_back();
  EXPECT_EQ(VotersOf(PlanOf({servers}), 0).size(), 9u);
}

TEST(FoundingPlan, Notes_NameWhatHasNoCounterpart) {
  ShardingFile file = FileOf({{"127.0.0.1:8080"}, {"127.0.0.2:8080"}});
  file.unknown_keys = {"s.toml:1:1: hash"};
  const std::string notes = FoundingNotes(*PlanFounding(file, kOptions), file);
  EXPECT_NE(notes.find("2 nodes, one for each address, and 2 groups"),
            std::string::npos);
  EXPECT_NE(notes.find("resp 1000 lower, resp_cluster 900 lower, peer 1000 "
                       "higher, admin 100 higher"),
            std::string::npos);
  EXPECT_NE(notes.find("Warning: a group has 2 voters"), std::string::npos);
  EXPECT_NE(notes.find("s.toml:1:1: hash"), std::string::npos);
}

}  // namespace
}  // namespace quorate::net
