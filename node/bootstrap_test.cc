// The decisions of the bootstrap survive every edit of the configuration files:
// either a start is refused, or all keys can be read.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr int kKeys = 40;

std::string Key(int i) { return Concat("key-", i); }

void PutKeys(TestCluster& cluster) {
  auto client = cluster.ConnectHttp(0);
  for (int i = 0; i < kKeys; ++i) {
    const std::string value = Concat("value-", i);
    const std::string reply = cluster.CallHttp(
        *client, Concat("PUT /v1/kv/", Key(i), " HTTP/1.1\r\nHost: n\r\n",
                        "Content-Length: ", value.size(), "\r\n\r\n", value));
    ASSERT_TRUE(reply.starts_with("HTTP/1.1 20")) << reply;
  }
}

// Keys for which a linearizable read through `node` does not return the
// acknowledged value.
std::vector<std::string> MissingKeys(TestCluster& cluster, size_t node) {
  std::vector<std::string> missing;
  auto client = cluster.ConnectHttp(node);
  for (int i = 0; i < kKeys; ++i) {
    std::string reply;
    for (int attempt = 0; attempt < 10; ++attempt) {
      if (client->closed()) client = cluster.ConnectHttp(node);
      reply = cluster.CallHttp(*client, Concat("GET /v1/kv/", Key(i),
                                               " HTTP/1.1\r\nHost: n\r\n\r\n"));
      if (!reply.empty() && !reply.starts_with("HTTP/1.1 503")) break;
      cluster.world().RunFor(Milliseconds(500));
    }
    if (!reply.starts_with("HTTP/1.1 200") ||
        !reply.ends_with(Concat("value-", i))) {
      missing.push_back(Concat(Key(i), ": ", reply));
    }
  }
  return missing;
}

// An edit of a configuration. It returns false if it does not apply to this
// configuration.
struct Edit {
  const char* what;
  bool harmless;
  std::function<bool(Config*)> apply;
};

// Divides the slots by the rows of nodes, as for a file without [[shards]].
bool Divide(Config* config, EvenSharding sharding) {
  config->shards.clear();
  return CompleteConfig(config, sharding).ok();
}

uint32_t GroupsOf(const Config& config) {
  return static_cast<uint32_t>(config.shards.size());
}

std::vector<Edit> Edits() {
  return {
      {"groups + 1", true,
       [](Config* c) {
         return Divide(c, {GroupsOf(*c) + 1, 0});
       }},
      {"groups - 1", true,
       [](Config* c) {
         return GroupsOf(*c) > 1 && Divide(c, {GroupsOf(*c) - 1, 0});
       }},
      {"slots moved between groups", true,
       [](Config* c) {
         if (GroupsOf(*c) < 2) return false;
         c->even.reset();
         c->shards[0].slots.back().second += 1000;
         c->shards[1].slots.front().first += 1000;
         return true;
       }},
      {"slots swapped between groups", true,
       [](Config* c) {
         if (GroupsOf(*c) < 2) return false;
         c->even.reset();
         std::swap(c->shards[0].slots, c->shards[1].slots);
         return true;
       }},
      {"a voting node removed", true,
       [](Config* c) {
         const size_t row = c->nodes[0].id == c->node ? 1 : 0;
         c->nodes.erase(c->nodes.begin() + static_cast<int>(row));
         return Divide(c, {GroupsOf(*c), 0});
       }},
      {"a voting node added", true,
       [](Config* c) {
         c->nodes.push_back({.id = NodeId(9),
                             .resp = "n9:7001",
                             .http = "n9:8001",
                             .peer = "n9:9001"});
         return Divide(c, {GroupsOf(*c), 0});
       }},
      {"fewer replicas", true,
       [](Config* c) {
         return Divide(c, {GroupsOf(*c), 1});
       }},
      {"read_only set", true,
       [](Config* c) {
         c->nodes[0].read_only = true;
         return Divide(c, {GroupsOf(*c), 0});
       }},
      {"read_only taken away", true,
       [](Config* c) {
         if (!c->nodes.back().read_only) return false;
         c->nodes.back().read_only = false;
         return Divide(c, {GroupsOf(*c), 0});
       }},
      {"another cluster", false,
       [](Config* c) {
         c->cluster = ClusterId(c->cluster.value() + 1);
         return true;
       }},
      {"names, limits and preferred leaders", true,
       [](Config* c) {
         c->bounds.pipeline = 7;
         c->host.snapshot_threshold_bytes = 4096;
         for (ShardConfig& shard : c->shards) {
           shard.name += "-renamed";
           std::rotate(shard.replicas.begin(), shard.replicas.begin() + 1,
                       shard.replicas.end());
         }
         return true;
       }},
  };
}

void SmallSnapshots(Config& config) {
  config.host.snapshot_threshold_bytes = 1024;
  config.host.snapshot_trailing_bytes = 0;
}

struct Shape {
  uint32_t groups;
  uint32_t read_only_nodes;
  void (*adjust)(Config&);
};

// Restarts the nodes one after another with the edited file, then all of them
// at once.
void RestartEdited(const Shape& shape, const Edit& edit, bool bootstrap) {
  TestCluster cluster({.nodes = 3,
                       .read_only_nodes = shape.read_only_nodes,
                       .groups = shape.groups,
                       .adjust = shape.adjust});
  ASSERT_TRUE(cluster.AwaitLeaders());
  ASSERT_NO_FATAL_FAILURE(PutKeys(cluster));
  std::vector<Config> before;
  for (size_t n = 0; n < cluster.size(); ++n) {
    before.push_back(cluster.config(n));
  }
  for (const bool together : {false, true}) {
    std::vector<size_t> refused;
    for (size_t n = 0; n < cluster.size(); ++n) {
      if (together) cluster.Crash(n);
    }
    for (size_t n = 0; n < cluster.size(); ++n) {
      Config edited = before[n];
      edited.bootstrap = bootstrap;
      if (!edit.apply(&edited)) return;
      if (!together) cluster.Crash(n);
      const absl::Status status = cluster.RestartWith(n, edited);
      EXPECT_EQ(status.ok(), edit.harmless) << status;
      if (status.ok()) continue;
      EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
      if (!together) {
        const std::vector<std::string> missing =
            MissingKeys(cluster, (n + 1) % cluster.size());
        EXPECT_TRUE(missing.empty()) << missing.front();
        ASSERT_TRUE(cluster.RestartWith(n, before[n]).ok());
      } else {
        refused.push_back(n);
      }
    }
    for (const size_t n : refused) {
      ASSERT_TRUE(cluster.RestartWith(n, before[n]).ok());
    }
    for (size_t n = 0; n < cluster.size(); ++n) {
      const std::vector<std::string> missing = MissingKeys(cluster, n);
      EXPECT_TRUE(missing.empty()) << missing.size() << " " << missing.front();
    }
  }
}

TEST(Bootstrap_EditedFile, AnyEdit_IsRefusedOrAllKeysAreThere) {
  for (const Shape& shape : {Shape{1, 0, nullptr}, Shape{2, 1, nullptr},
                             Shape{2, 0, SmallSnapshots}}) {
    for (const Edit& edit : Edits()) {
      for (const bool bootstrap : {false, true}) {
        SCOPED_TRACE(Concat(edit.what, ", groups ", shape.groups,
                            bootstrap ? ", bootstrap left on" : ""));
        RestartEdited(shape, edit, bootstrap);
      }
    }
  }
}

TEST(Bootstrap_EditedFile, GroupsRaisedWithBootstrapLeftOn_StayAsFounded) {
  TestCluster cluster({.nodes = 1});
  ASSERT_TRUE(cluster.AwaitLeaders());
  Config edited = cluster.config(0);
  ASSERT_TRUE(Divide(&edited, {2, 0}));
  ASSERT_TRUE(cluster.RestartWith(0, edited).ok());
  EXPECT_NE(cluster.server(0).store(GroupId(1)), nullptr);
  EXPECT_EQ(cluster.server(0).store(GroupId(2)), nullptr);
}

void NodeThreeDivides(Config& config) {
  if (config.node != NodeId(3)) return;
  // An edited file with [[shards]]: equal groups with other slots.
  config.shards = EvenShards(config.nodes, {.groups = 2});
  config.shards[0].slots.back().second -= 1;
  config.shards[1].slots.front().first -= 1;
}

// No cluster is founded until the files agree.
TEST(Bootstrap_DifferentFiles, NothingIsFoundedUntilTheyAgree) {
  TestCluster cluster({.nodes = 3, .groups = 2, .adjust = NodeThreeDivides});
  cluster.world().RunFor(Seconds(20));
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(absl::IsUnavailable(cluster.server(node).status())) << node;
  }
  Config corrected = cluster.config(2);
  corrected.shards = cluster.config(0).shards;
  corrected.even = cluster.config(0).even;
  ASSERT_TRUE(cluster.RestartWith(2, corrected).ok());
  ASSERT_TRUE(cluster.AwaitLeaders());
  ASSERT_NO_FATAL_FAILURE(PutKeys(cluster));
  EXPECT_TRUE(MissingKeys(cluster, 2).empty());
}

}  // namespace
}  // namespace quorate::node
