#include "raft/transport/refusal_log.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

constexpr NodeId kNode(2);
constexpr HandshakeRefusal kStore = HandshakeRefusal::kOtherStore;

TEST(RefusalLogTest, RepeatedRefusals_AreCounted) {
  RefusalLog log;
  MonoTime now(1);
  EXPECT_EQ(log.Count(now, "10.0.0.1:4001", kNode, kStore), 0u);
  for (int i = 0; i < 400; ++i) {
    EXPECT_EQ(log.Count(now, "10.0.0.1:" + std::to_string(i), kNode, kStore),
              std::nullopt);
  }
  now = now + RefusalLog::kPause;
  EXPECT_EQ(log.Count(now, "10.0.0.1:4001", kNode, kStore), 400u);
  now = now + RefusalLog::kPause;
  EXPECT_EQ(log.Count(now, "10.0.0.1:4001", kNode, kStore), 0u);
}

TEST(RefusalLogTest, OtherHostsNodesAndReasons_HaveLinesOfTheirOwn) {
  RefusalLog log;
  const MonoTime now(1);
  EXPECT_EQ(log.Count(now, "[::1]:4001", kNode, kStore), 0u);
  EXPECT_EQ(log.Count(now, "[::2]:4001", kNode, kStore), 0u);
  EXPECT_EQ(log.Count(now, "[::1]:4001", NodeId(3), kStore), 0u);
  EXPECT_EQ(
      log.Count(now, "[::1]:4001", kNode, HandshakeRefusal::kOtherCluster), 0u);
  EXPECT_EQ(log.Count(now, "[::1]:4002", kNode, kStore), std::nullopt);
}

TEST(RefusalLogTest, RefusalsOfManyNodes_HaveABoundedNumberOfLines) {
  RefusalLog log;
  MonoTime now(1);
  for (int round = 0; round < 3; ++round) {
    size_t lines = 0;
    for (uint32_t node = 1; node <= 10'000; ++node) {
      lines += log.Count(now, "10.0.0.1:1", NodeId(node), kStore).has_value();
    }
    EXPECT_GE(lines, RefusalLog::kKindsMax);
    EXPECT_LE(lines, RefusalLog::kKindsMax + 1);
    now = now + RefusalLog::kPause;
  }
}

}  // namespace
}  // namespace quorate::raft
