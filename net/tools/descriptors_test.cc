#include "net/tools/descriptors.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

node::Config ThreeNodes() {
  node::Config config;
  config.nodes.resize(3);
  config.shards.resize(1);
  config.limits.connections = 10'000;
  return config;
}

TEST(Descriptors, EnoughForBothProtocols_ChangesNothing) {
  for (const uint64_t limit : {uint64_t{20'412}, uint64_t{1} << 20,
                               std::numeric_limits<uint64_t>::max()}) {
    node::Config config = ThreeNodes();
    EXPECT_EQ(FitConnections(limit, &config), "");
    EXPECT_EQ(config.limits.connections, 10'000u);
  }
}

TEST(Descriptors, TooFew_LowersTheConnectionsAndSaysSo) {
  node::Config config = ThreeNodes();
  const std::string message = FitConnections(4096, &config);
  EXPECT_EQ(config.limits.connections, 1842u);
  for (const char* part : {"4096", "10000", "20412", "1842", "LimitNOFILE"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << message;
  }
  EXPECT_EQ(FitConnections(4096, &config), "");
}

TEST(Descriptors, HardlyAny_LeavesOneConnection) {
  for (const uint64_t limit : {0u, 64u, 412u, 413u}) {
    node::Config config = ThreeNodes();
    EXPECT_NE(FitConnections(limit, &config), "");
    EXPECT_EQ(config.limits.connections, 1u);
  }
}

}  // namespace
}  // namespace quorate::net
