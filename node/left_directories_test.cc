// Directories that the cluster has left behind: replicas of groups that no
// longer name their node, and stores of nodes that were replaced.
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/operated_cluster.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

using shardctrl::kControllerGroup;
using Condition = raft::Host::Condition;

// Slots 3300 and 15495, of groups 1 and 2.
constexpr std::string_view kOfFirst = "b";
constexpr std::string_view kOfSecond = "a";
constexpr std::string_view kDamaged = "a value whose record is damaged";

class LeftDirectoriesTest : public OperatedCluster {
 protected:
  std::string Page(size_t node, std::string_view path) {
    auto client = cluster_->ConnectHttp(node);
    return cluster_->CallHttp(
        *client, Concat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  }
  bool IsReady(size_t node) {
    return absl::StrContains(Page(node, "/readyz"), " 200 ");
  }
  void Set(size_t node, std::string_view key, std::string_view value) {
    auto client = cluster_->ConnectResp(node);
    EXPECT_EQ(cluster_->Command(*client, {"SET", key, value}), "+OK\r\n");
  }
  // The power fails, and a bit of the record with the value flips. Later
  // records show that it was durable.
  void CrashAndDamage(size_t node, std::string_view value) {
    const sim::MachineId machine = cluster_->machine(node);
    cluster_->Crash(node, sim::CrashKind::kMachine);
    for (const std::string& name : cluster_->world().DiskFiles(machine)) {
      const size_t at =
          cluster_->world().ReadDiskFile(machine, name).find(value);
      if (!name.starts_with("log-") || at == std::string::npos) continue;
      ASSERT_TRUE(cluster_->world().FlipDiskBit(machine, name, at, 3));
      return;
    }
    FAIL() << "no record has the value";
  }
};

// The group leaves the node while it is down. Nothing else would ever end what
// is left of its replica.
TEST_F(LeftDirectoriesTest, FencedReplicaOfAGroupThatLeft_IsDropped) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  Set(0, kOfFirst, kDamaged);
  cluster_->world().RunFor(Seconds(1));
  Set(0, kOfFirst, "later");
  Set(0, kOfSecond, "later");
  cluster_->world().RunFor(Seconds(1));
  CrashAndDamage(2, kDamaged);
  ASSERT_TRUE(Await("/v1/nodes/3", [](const Json& node) {
    return node["state"] == "down";
  })) << last_.dump(1);
  const auto [status, answer] =
      Ask(0, "PATCH", "/v1/groups/1", "{\"replicas\": 2}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json& group) {
    return group["voters"] == Json({1, 2});
  })) << last_.dump(1);
  cluster_->Restart(2);
  ASSERT_TRUE(RunUntil([&] { return host(2).group_status(GroupId(2)).ok(); }));
  EXPECT_TRUE(absl::IsDataLoss(host(2).group_status(GroupId(1))))
      << host(2).group_status(GroupId(1));
  EXPECT_TRUE(RunUntil([&] {
    return host(2).condition(GroupId(1)) == Condition::kNotHeld;
  })) << host(2).group_status(GroupId(1));
  EXPECT_TRUE(RunUntil([&] { return IsReady(2); }))
      << Page(2, "/readyz?verbose");
}

// It has members that work, and the controller knows the entry.
TEST_F(LeftDirectoriesTest, StoreThatWasReplaced_IsRefusedAtOnce) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  Set(2, kOfFirst, "v");
  const auto [status, answer] =
      Ask(0, "POST", "/v1/nodes/3/replace", "{\"even_if_up\":true}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  const auto has_left = [&] {
    return absl::StrContains(Page(2, "/readyz"),
                             "given up its data directory") &&
           host(2).groups().empty();
  };
  EXPECT_TRUE(RunUntil(has_left)) << Page(2, "/readyz");
  EXPECT_EQ(Ask(2, "GET", "/v1/nodes").first, 410);
  // The two others are a majority.
  Set(0, kOfFirst, "w");
  Set(0, kOfSecond, "w");
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json& group) {
    return !group["leader"].is_null() &&
           group["problem"] == "waits for node 3 to join";
  })) << last_.dump(1);
  // It does not vote again after a restart, whatever others lack.
  cluster_->Crash(2);
  cluster_->Crash(1);
  cluster_->Restart(2);
  cluster_->world().RunFor(Seconds(10));
  EXPECT_EQ(host(0).leader(GroupId(1)), NodeId());
  EXPECT_EQ(host(0).leader(kControllerGroup), NodeId());
  cluster_->Restart(1);
  EXPECT_TRUE(RunUntil(has_left)) << Page(2, "/readyz");
  // The new store takes its place, at another address.
  ASSERT_EQ(cluster_->StartNew(Joining(answer)), absl::OkStatus());
  ASSERT_TRUE(Await("/v1/groups", [](const Json& groups) {
    for (const Json& group : groups["groups"]) {
      if (group["voters"] != Json({1, 2, 3}) || !group["settled"]) return false;
    }
    return true;
  })) << last_.dump(1);
}

// The new store is down, and the old one comes back at its old address.
TEST_F(LeftDirectoriesTest, StoreThatWasReplaced_DoesNotStandInForTheNewOne) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  cluster_->Crash(2);
  const auto [status, answer] =
      Ask(0, "POST", "/v1/nodes/3/replace", "{\"even_if_up\":true}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_EQ(cluster_->StartNew(Joining(answer)), absl::OkStatus());
  ASSERT_TRUE(RunUntil([&] {
    return StateOn(0).FindNode(NodeId(3))->store != StoreIncarnation() &&
           StateOn(1).FindNode(NodeId(3))->store != StoreIncarnation();
  }));
  cluster_->Crash(3);
  cluster_->Restart(2);
  ASSERT_TRUE(RunUntil([&] { return cluster_->started(2).ok(); }));
  EXPECT_TRUE(RunUntil([&] {
    return absl::StrContains(Page(2, "/readyz"), "given up its data directory");
  })) << Page(2, "/readyz");
  EXPECT_TRUE(RunUntil([&] { return host(2).groups().empty(); }));
  EXPECT_NE(host(0).leader(GroupId(1)), NodeId(3));
}

}  // namespace
}  // namespace quorate::node
