#include "net/tools/descriptors.h"

#include <limits>
#include <string>

#include "absl/status/status.h"
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
    EXPECT_EQ(*FitConnections(limit, &config), "");
    EXPECT_EQ(config.limits.connections, 10'000u);
  }
}

TEST(Descriptors, TooFew_LowersTheConnectionsAndSaysSo) {
  node::Config config = ThreeNodes();
  const std::string message = *FitConnections(4096, &config);
  EXPECT_EQ(config.limits.connections, 1842u);
  for (const char* part : {"4096", "10000", "20412", "1842", "LimitNOFILE"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << message;
  }
  EXPECT_EQ(*FitConnections(4096, &config), "");
}

TEST(Descriptors, HardlyEnough_LeavesOneConnection) {
  for (const uint64_t limit : {414u, 415u}) {
    node::Config config = ThreeNodes();
    EXPECT_NE(*FitConnections(limit, &config), "");
    EXPECT_EQ(config.limits.connections, 1u);
  }
}

// Such a node would fail at a snapshot, or refuse its clients and peers.
TEST(Descriptors, TooFewForTheNodeItself_IsAnError) {
  for (const uint64_t limit : {0u, 64u, 412u, 413u}) {
    node::Config config = ThreeNodes();
    EXPECT_TRUE(
        absl::IsFailedPrecondition(FitConnections(limit, &config).status()));
  }
  node::Config config = ThreeNodes();
  config.shards.resize(1000);
  const absl::Status status = FitConnections(4096, &config).status();
  ASSERT_TRUE(absl::IsFailedPrecondition(status)) << status;
  for (const char* part : {"4096", "at least 4410", "(1000)", "410 more",
                           "ulimit -n", "LimitNOFILE", "fewer groups"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << part << status;
  }
  EXPECT_TRUE(FitConnections(4410, &config).ok());
}

}  // namespace
}  // namespace quorate::net
