#include "node/config/config_parameters.h"

#include <string>

#include "gtest/gtest.h"
#include "node/config/config.h"

namespace quorate::node {
namespace {

Config Complete() {
  Config config;
  config.node = NodeId(1);
  config.cluster = ClusterId(7);
  config.data_dir = "/data";
  config.nodes = {{.id = NodeId(1),
                   .resp = "127.0.0.1:6379",
                   .http = "127.0.0.1:8080",
                   .peer = "127.0.0.1:9080"}};
  EXPECT_TRUE(CompleteConfig(&config, {.groups = 1, .replicas = 0}).ok());
  return config;
}

TEST(ConfigParameters_All, AreAscendingAndFound) {
  const Config config = Complete();
  const ConfigParameters parameters(config, /*cluster=*/false);
  std::string previous;
  for (const ConfigParameters::Parameter& parameter : parameters.all()) {
    EXPECT_LT(previous, parameter.name);
    previous = parameter.name;
    EXPECT_EQ(parameters.Find(parameter.name), &parameter);
  }
  EXPECT_EQ(parameters.Find(""), nullptr);
  EXPECT_EQ(parameters.Find("maxmemoryy"), nullptr);
}

TEST(ConfigParameters_Values, AreThoseOfTheConfiguration) {
  Config config = Complete();
  config.limits.connections = 321;
  const ConfigParameters plain(config, /*cluster=*/false);
  const ConfigParameters cluster(config, /*cluster=*/true);
  EXPECT_EQ(plain.Find("maxclients")->value, "321");
  EXPECT_EQ(plain.Find("limits.connections")->value, "321");
  EXPECT_EQ(plain.Find("node.id")->value, "1");
  EXPECT_EQ(plain.Find("cluster.id")->value, "7");
  EXPECT_EQ(plain.Find("dir")->value, "/data");
  EXPECT_EQ(plain.Find("port")->value, "6379");
  EXPECT_EQ(cluster.Find("port")->value, "6479");
  EXPECT_EQ(plain.Find("cluster-enabled")->value, "no");
  EXPECT_EQ(cluster.Find("cluster-enabled")->value, "yes");
  EXPECT_EQ(plain.Find("nodes[].id"), nullptr);
  EXPECT_EQ(plain.Find("sharding.groups"), nullptr);
}

TEST(ConfigParameters_MemoryLimit, IsKnownByBothNames) {
  const Config config = Complete();
  const ConfigParameters parameters(config, /*cluster=*/false);
  size_t limits = 0;
  for (const ConfigParameters::Parameter& parameter : parameters.all()) {
    if (parameter.live == ConfigParameters::Live::kMemoryLimit) ++limits;
  }
  EXPECT_EQ(limits, 2u);
  EXPECT_EQ(parameters.Find("maxmemory")->live,
            ConfigParameters::Live::kMemoryLimit);
  EXPECT_EQ(parameters.Find("limits.memory_bytes")->live,
            ConfigParameters::Live::kMemoryLimit);
}

}  // namespace
}  // namespace quorate::node
