// Each wrong file has the mistake that it is for.
#include "sim/cluster/wrong_file.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "node/config/config.h"
#include "node/config/map_parts.h"
#include "shardctrl/map.h"

namespace quorate::sim {
namespace {

using ::testing::HasSubstr;

// The file of node 1 of `nodes`, with two groups of two voters.
node::Config File(uint32_t nodes) {
  node::Config config;
  config.cluster = ClusterId(1);
  config.node = NodeId(1);
  config.listen.allow_non_loopback = true;
  for (uint32_t i = 1; i <= nodes; ++i) {
    const std::string host = "n" + std::to_string(i);
    config.nodes.push_back({.id = NodeId(i),
                            .resp = host + ":7001",
                            .resp_cluster = host + ":7101",
                            .http = host + ":8001",
                            .peer = host + ":9001"});
  }
  config.shards = node::EvenShards(config.nodes, {.groups = 2, .replicas = 2});
  return config;
}

TEST(InvalidFiles, Each_IsRefusedForItsMistake) {
  for (const WrongFile& wrong : InvalidFiles()) {
    node::Config config = File(3);
    node::EvenSharding sharding;
    ASSERT_TRUE(wrong.edit(&config, &sharding)) << wrong.says;
    const absl::Status status = node::CompleteConfig(&config, sharding);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(std::string(wrong.says)));
  }
}

TEST(WrongMaps, Each_IsRefusedForItsMistake) {
  node::Config config = File(3);
  ASSERT_TRUE(node::CompleteConfig(&config, {}).ok());
  ASSERT_TRUE(shardctrl::ShardMap::Create(node::MapParts(config)).ok());
  for (const WrongMap& wrong : WrongMaps()) {
    shardctrl::ShardMap::Parts parts = node::MapParts(config);
    wrong.edit(&parts);
    const auto map = shardctrl::ShardMap::Create(std::move(parts));
    EXPECT_EQ(map.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(map.status().message()),
                HasSubstr(std::string(wrong.says)));
  }
}

TEST(NotRefused, FileThatStartsOrIsRefusedForAnotherReason_Found) {
  constexpr auto kCode = absl::StatusCode::kInvalidArgument;
  const auto found = [&](const absl::Status& status) {
    return NotRefused("the file of node 1", "nodes[].id", kCode, status);
  };
  EXPECT_EQ(found(absl::OkStatus()),
            "mistake: the file of node 1 is not refused with nodes[].id but "
            "says OK");
  EXPECT_NE(found(absl::InvalidArgumentError("key 'listen.resp'")), "");
  EXPECT_NE(found(absl::InternalError("key 'nodes[].id'")), "");
  EXPECT_EQ(found(absl::InvalidArgumentError("key 'nodes[].id': twice")), "");
}

TEST(ContradictoryAndOutdatedFiles, Each_BreaksNoRule) {
  for (const auto files : {ContradictoryFiles(), OutdatedFiles()}) {
    for (const WrongFile& wrong : files) {
      node::Config config = File(3);
      node::EvenSharding sharding;
      ASSERT_TRUE(wrong.edit(&config, &sharding)) << wrong.says;
      const absl::Status status = node::CompleteConfig(&config, sharding);
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
  }
}

TEST(OutdatedFiles, OneNode_SomeAreImpossible) {
  size_t impossible = 0;
  for (const WrongFile& wrong : OutdatedFiles()) {
    node::Config config = File(1);
    config.shards = node::EvenShards(config.nodes, {.groups = 1});
    node::EvenSharding sharding;
    if (!wrong.edit(&config, &sharding)) ++impossible;
  }
  EXPECT_GT(impossible, 0u);
  EXPECT_LT(impossible, OutdatedFiles().size());
}

}  // namespace
}  // namespace quorate::sim
