// Directories that are copied and started beside their originals, restored as
// another cluster, or founded again under the id of a cluster that runs.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

using Files = TestCluster::Files;

constexpr size_t kNodes = 3;

class CopiedNodesTest : public ::testing::Test {
 protected:
  explicit CopiedNodesTest(uint64_t seed = 1)
      : cluster_({.nodes = kNodes,
                  .groups = 2,
                  .seed = seed,
                  .peer_streams = true}) {
    CHECK(cluster_.AwaitLeaders());
  }

  Files Copy(size_t node) { return cluster_.FilesOf(node); }
  std::vector<Files> CopyAll() {
    std::vector<Files> copies;
    for (size_t node = 0; node < kNodes; ++node) copies.push_back(Copy(node));
    return copies;
  }
  // The file of the copy of a node: all rows have addresses on hosts of their
  // own, with this prefix. `moved`: it is taken for the original, which moves.
  Config FileOfCopy(size_t node, std::string_view prefix, bool moved = false) {
    Config config = cluster_.config(node);
    config.bootstrap = false;
    config.moved = moved;
    config.listen = {.admin = Concat(prefix, node + 1, ":8101"),
                     .allow_non_loopback = true};
    for (NodeConfig& row : config.nodes) {
      const std::string host = Concat(prefix, row.id);
      row.resp = host + ":7001";
      row.resp_cluster = host + ":7101";
      row.http = host + ":8001";
      row.peer = host + ":9001";
    }
    CHECK(CompleteConfig(&config, {}).ok());
    return config;
  }
  // The same addresses as the original.
  Config SameFile(size_t node) {
    Config config = cluster_.config(node);
    config.bootstrap = false;
    return config;
  }
  // Writes a new value of the key through a node, and notes whether it was
  // acknowledged.
  bool Set(size_t node, const std::string& key) {
    auto client = cluster_.ConnectResp(node);
    if (!client->connected()) return false;
    const std::string value = Concat("v", ++values_);
    const std::string reply = cluster_.Command(*client, {"SET", key, value});
    const bool done = reply == "+OK\r\n";
    if (done) {
      acknowledged_[key] = value;
    } else {
      unanswered_[key].insert(value);
    }
    return done;
  }
  // Expects that each node of the cluster serves, and has all acknowledged
  // writes.
  void ExpectWhole(const std::string& when) {
    SCOPED_TRACE(when);
    for (size_t node = 0; node < kNodes; ++node) {
      ASSERT_EQ(cluster_.started(node), absl::OkStatus());
      ASSERT_EQ(cluster_.server(node).status(), absl::OkStatus());
      const bool serves = cluster_.world().RunUntilTrue(
          [&] { return Set(node, Concat("probe", node)); }, Seconds(10));
      ASSERT_TRUE(serves) << node;
      auto client = cluster_.ConnectResp(node);
      for (const auto& [key, value] : acknowledged_) {
        const std::string read = cluster_.Command(*client, {"GET", key});
        const auto is = [&read](const std::string& one) {
          return read == Concat("$", one.size(), "\r\n", one, "\r\n");
        };
        EXPECT_TRUE(is(value) || std::ranges::any_of(unanswered_[key], is))
            << key << " is " << read << " at node " << node << ", not "
            << value;
      }
    }
  }
  void CrashAll() {
    for (size_t node = 0; node < kNodes; ++node) cluster_.Crash(node);
  }
  void RestartAll() {
    for (size_t node = 0; node < kNodes; ++node) {
      ASSERT_EQ(cluster_.RestartWith(node, SameFile(node)), absl::OkStatus());
    }
    ASSERT_TRUE(cluster_.AwaitLeaders());
  }
  // Whether the copy runs and has not given way within `limit`.
  bool Runs(size_t copy, Duration limit) {
    return !cluster_.world().RunUntilTrue(
        [&] {
          return !cluster_.started(copy).ok() ||
                 !cluster_.server(copy).status().ok();
        },
        limit);
  }
  std::string Story(size_t copy) {
    return std::string(cluster_.started(copy).ok()
                           ? cluster_.server(copy).status().message()
                           : cluster_.started(copy).message());
  }

  TestCluster cluster_;
  std::map<std::string, std::string> acknowledged_;  // The last values.
  // Without an answer they may take effect at any time.
  std::map<std::string, std::set<std::string>> unanswered_;
  int values_ = 0;
};

// The directories were copied while the cluster was down, and the copies were
// started more often than their originals since.
TEST_F(CopiedNodesTest, CopiesOfABackup_GiveWayWhileTheClusterRuns) {
  ASSERT_TRUE(Set(0, "before"));
  CrashAll();
  const std::vector<Files> copies = CopyAll();
  RestartAll();
  ASSERT_TRUE(Set(1, "after"));
  size_t copy = cluster_.size();
  for (size_t node = 0; node < kNodes; ++node, ++copy) {
    EXPECT_FALSE(
        cluster_.StartNew(FileOfCopy(node, "copy"), copies[node]).ok());
    EXPECT_NE(Story(copy).find("runs already, with start"), std::string::npos)
        << Story(copy);
    for (int again = 0; again < 3; ++again) {
      EXPECT_FALSE(cluster_.RestartWith(copy, FileOfCopy(node, "copy")).ok());
    }
    ExpectWhole(Concat("copy of node ", node));
  }
}

// The original cannot be asked, so the others refuse its copy. They remember
// what they have seen also after a restart of their own.
TEST_F(CopiedNodesTest, CopyOfANodeThatIsDown_IsRefusedByTheOthers) {
  // The copy finds the others by the addresses that its original noted.
  cluster_.world().RunFor(Seconds(3));
  CrashAll();
  const Files copy = Copy(0);
  RestartAll();
  ASSERT_TRUE(Set(0, "a"));
  cluster_.world().RunFor(Seconds(2));
  CrashAll();
  ASSERT_EQ(cluster_.RestartWith(1, SameFile(1)), absl::OkStatus());
  ASSERT_EQ(cluster_.RestartWith(2, SameFile(2)), absl::OkStatus());
  const size_t other = cluster_.size();
  for (int start = 0; start < 4; ++start) {
    const Config file = FileOfCopy(0, "copy", /*moved=*/true);
    (void)(start == 0 ? cluster_.StartNew(file, copy)
                      : cluster_.RestartWith(other, file));
    ASSERT_FALSE(Runs(other, Seconds(5)));
    EXPECT_NE(Story(other).find("has seen start"), std::string::npos)
        << Story(other);
    cluster_.Crash(other);
  }
  ASSERT_EQ(cluster_.RestartWith(0, SameFile(0)), absl::OkStatus());
  ExpectWhole("the original is back");
}

// The copies of two nodes come before their originals, which are down, and
// would take their places. Their files have new addresses for all nodes.
TEST_F(CopiedNodesTest, CopiesOfAllNodes_DoNotStartAsTheCluster) {
  cluster_.world().RunFor(Seconds(3));
  CrashAll();
  const std::vector<Files> copies = CopyAll();
  RestartAll();
  ASSERT_TRUE(Set(0, "a"));
  cluster_.world().RunFor(Seconds(2));
  CrashAll();
  ASSERT_EQ(cluster_.RestartWith(0, SameFile(0)), absl::OkStatus());
  for (size_t node = 0; node < kNodes; ++node) {
    EXPECT_FALSE(
        cluster_.StartNew(FileOfCopy(node, "copy"), copies[node]).ok());
    const size_t copy = kNodes + node;
    const std::string_view why =
        node == 0 ? "runs already" : "as a new address of another node";
    EXPECT_NE(Story(copy).find(why), std::string::npos) << Story(copy);
  }
  cluster_.Crash(0);
  EXPECT_FALSE(cluster_.RestartWith(kNodes, FileOfCopy(0, "copy")).ok());
  for (size_t node = 0; node < kNodes; ++node) {
    ASSERT_EQ(cluster_.RestartWith(node, SameFile(node)), absl::OkStatus());
  }
  ExpectWhole("after the copies");
}

// Its seeds still have its own address of before, and no new one of others.
TEST_F(CopiedNodesTest, MovedNodeWithItsFormerAddressAmongTheSeeds_Starts) {
  cluster_.Crash(0);
  const Files disk = Copy(0);
  Config file = FileOfCopy(0, "moved");
  const Config before = SameFile(0);
  for (size_t row = 1; row < file.nodes.size(); ++row) {
    file.nodes[row] = before.nodes[row];
  }
  file.seeds.push_back(before.nodes[0].peer);
  ASSERT_EQ(cluster_.StartNew(file, disk), absl::OkStatus());
  EXPECT_TRUE(Runs(kNodes, Seconds(5))) << Story(kNodes);
}

// An older state is put back at the node's own address.
TEST_F(CopiedNodesTest, OlderStateAtTheSameAddress_IsRefusedByTheOthers) {
  cluster_.Crash(0);
  const Files older = Copy(0);
  ASSERT_EQ(cluster_.RestartWith(0, SameFile(0)), absl::OkStatus());
  ASSERT_TRUE(cluster_.AwaitLeaders());
  ASSERT_TRUE(Set(0, "a"));
  cluster_.Crash(0);
  ASSERT_EQ(cluster_.StartNew(SameFile(0), older), absl::OkStatus());
  const size_t other = cluster_.size() - 1;
  EXPECT_FALSE(Runs(other, Seconds(5)));
  cluster_.Crash(other);
  ASSERT_EQ(cluster_.RestartWith(0, SameFile(0)), absl::OkStatus());
  ExpectWhole("the newest state is back");
}

// The directory of a running node is copied, and the copy is to take its place
// while it still runs.
TEST_F(CopiedNodesTest, CopyOfARunningNode_FindsIt) {
  ASSERT_TRUE(Set(2, "a"));
  EXPECT_FALSE(cluster_.StartNew(FileOfCopy(2, "copy"), Copy(2)).ok());
  EXPECT_NE(Story(kNodes).find("runs already"), std::string::npos)
      << Story(kNodes);
  ExpectWhole("beside its copy");
}

TEST_F(CopiedNodesTest, RestoredAsANewCluster_ServesBesideTheFirstOne) {
  ASSERT_TRUE(Set(0, "shared"));
  const std::string shared = acknowledged_["shared"];
  CrashAll();
  const std::vector<Files> copies = CopyAll();
  RestartAll();
  ASSERT_TRUE(Set(1, "shared"));
  for (size_t node = 0; node < kNodes; ++node) {
    Config file = FileOfCopy(node, "copy");
    file.restore_as_new_cluster = true;
    EXPECT_FALSE(cluster_.StartNew(file, copies[node]).ok())
        << "the id of the original";
    file.cluster = ClusterId(43);
    ASSERT_EQ(cluster_.RestartWith(kNodes + node, file), absl::OkStatus());
  }
  for (const bool flag : {true, false}) {
    for (size_t copy = kNodes; copy < 2 * kNodes; ++copy) {
      ASSERT_TRUE(cluster_.world().RunUntilTrue(
          [&] {
            auto client = cluster_.ConnectResp(copy);
            return cluster_.Command(*client, {"GET", "shared"}) ==
                   Concat("$", shared.size(), "\r\n", shared, "\r\n");
          },
          Seconds(20)))
          << copy;
      auto client = cluster_.ConnectResp(copy);
      EXPECT_EQ(cluster_.Command(*client, {"SET", "own", "x"}), "+OK\r\n");
      Config file = cluster_.config(copy);
      file.restore_as_new_cluster = flag;
      ASSERT_EQ(cluster_.RestartWith(copy, file), absl::OkStatus());
    }
    Config back = cluster_.config(kNodes);
    back.restore_as_new_cluster = true;
    back.cluster = cluster_.config(0).cluster;
    EXPECT_FALSE(cluster_.StartNew(back, Copy(kNodes)).ok())
        << "the id of the original again";
    ExpectWhole("beside the restored one");
    auto client = cluster_.ConnectResp(0);
    EXPECT_EQ(cluster_.Command(*client, {"EXISTS", "own"}), ":0\r\n");
  }
}

// A node founds a cluster of its own with the id and the address of a node that
// is known to a cluster.
TEST_F(CopiedNodesTest, FoundingUnderTheIdOfACluster_EndsWhenAMemberIsMet) {
  ASSERT_TRUE(Set(0, "a"));
  cluster_.Crash(2);
  Config alone = SameFile(2);
  alone.bootstrap = true;
  std::erase_if(alone.nodes,
                [](const NodeConfig& row) { return row.id != NodeId(3); });
  alone.shards.clear();
  ASSERT_TRUE(CompleteConfig(&alone, {.groups = 1}).ok());
  alone.founds_alone = false;
  const absl::Status refused = cluster_.StartNew(alone);
  EXPECT_NE(refused.message().find("add --alone"), std::string::npos)
      << refused;
  alone.founds_alone = true;
  (void)cluster_.RestartWith(kNodes, alone);
  EXPECT_FALSE(Runs(kNodes, Seconds(10)));
  EXPECT_NE(Story(kNodes).find("were not founded together"), std::string::npos)
      << Story(kNodes);
  // It does not serve again, and its data can be read.
  for (const bool bootstrap : {false, true}) {
    Config again = alone;
    again.bootstrap = bootstrap;
    const absl::Status gone = cluster_.RestartWith(kNodes, again);
    EXPECT_NE(gone.message().find("gave way to it"), std::string::npos) << gone;
  }
  Config restored = alone;
  restored.bootstrap = false;
  restored.restore_as_new_cluster = true;
  restored.cluster = ClusterId(44);
  EXPECT_EQ(cluster_.RestartWith(kNodes, restored), absl::OkStatus());
  cluster_.Crash(kNodes);
  // With a seed it founds nothing at all.
  alone.seeds = {cluster_.config(0).self().peer};
  const absl::Status met = cluster_.StartNew(alone);
  EXPECT_NE(met.message().find("were not founded together"), std::string::npos)
      << met;
  cluster_.Crash(kNodes + 1);
  ASSERT_EQ(cluster_.RestartWith(2, SameFile(2)), absl::OkStatus());
  ExpectWhole("after the foundings");
}

// A start whose port is taken is no start.
TEST_F(CopiedNodesTest, StartThatCannotListen_RaisesNoNumber) {
  const Config right = SameFile(0);
  uint64_t number = cluster_.server(0).host().identity().start.number;
  for (std::string ListenConfig::*port :
       {&ListenConfig::http, &ListenConfig::resp, &ListenConfig::peer}) {
    Config file = right;
    file.listen.*port = cluster_.config(1).listen.*port;
    EXPECT_FALSE(cluster_.RestartWith(0, file).ok());
    EXPECT_FALSE(cluster_.RestartWith(0, file).ok());
    ASSERT_EQ(cluster_.RestartWith(0, right), absl::OkStatus());
    EXPECT_EQ(cluster_.server(0).host().identity().start.number, ++number);
  }
}

// Copies of any node, taken at any time and started at any time, on the same
// and on other addresses. The cluster is whole once its own nodes run again.
class DrawnCopiesTest : public CopiedNodesTest,
                        public ::testing::WithParamInterface<uint64_t> {
 protected:
  DrawnCopiesTest() : CopiedNodesTest(GetParam()) {}

  uint64_t Draw(uint64_t bound) {
    return random_.Below(bound, "test.copies", 0, draws_++);
  }
  bool Up(size_t node) { return up_[node]; }
  void CrashOne(size_t node) {
    cluster_.Crash(node);
    up_[node] = false;
  }
  // The whole cluster stops and is copied. No node has to run again before the
  // copies start.
  void CopyWhole() {
    for (size_t node = 0; node < kNodes; ++node) {
      if (Up(node)) CrashOne(node);
      copies_.push_back({.node = node, .whole = true, .files = Copy(node)});
    }
  }
  // A copy at the address of its original is put back in its place, so it must
  // go before the original comes again.
  void StartCopy() {
    const auto& [node, whole, files] = copies_[Draw(copies_.size())];
    const bool same_address = !whole && !Up(node) && Draw(2) == 0;
    const bool moved = !whole && Draw(4) > 0;
    const Config file = same_address
                            ? SameFile(node)
                            : FileOfCopy(node, Concat("c", draws_, "-"), moved);
    (void)cluster_.StartNew(file, files);
    const size_t copy = cluster_.size() - 1;
    const uint64_t again = Draw(4);
    for (uint64_t i = 0; i < again; ++i) {
      (void)cluster_.RestartWith(copy, file);
      cluster_.world().RunFor(Milliseconds(100));
    }
    cluster_.world().RunFor(Milliseconds(int64_t(Draw(3000))));
    if (same_address || Draw(2) == 0) {
      cluster_.Crash(copy);
    } else {
      running_copies_.push_back(copy);
    }
  }

  const Random random_{GetParam()};
  uint64_t draws_ = 0;
  std::vector<bool> up_ = std::vector<bool>(kNodes, true);
  struct CopiedDirectory {
    size_t node;
    bool whole;  // It was copied with all others.
    Files files;
  };
  std::vector<CopiedDirectory> copies_;
  std::vector<size_t> running_copies_;
};

TEST_P(DrawnCopiesTest, TheCluster_LosesNothing) {
  for (int step = 0; step < 25; ++step) {
    const size_t node = Draw(kNodes);
    switch (Draw(5)) {
      case 0:
        if (Draw(4) == 0) {
          CopyWhole();
          break;
        }
        // A copy of a stopped node, which has started again before the copy
        // does, and which the others have seen. Else the copy is a restart like
        // any other.
        if (!Up(node) && std::ranges::count(up_, true) == kNodes - 1) {
          copies_.push_back(
              {.node = node, .whole = false, .files = Copy(node)});
          (void)cluster_.RestartWith(node, SameFile(node));
          up_[node] = true;
          cluster_.world().RunFor(Seconds(2));
        }
        break;
      case 1:
        if (Up(node)) CrashOne(node);
        break;
      case 2:
        if (!Up(node)) {
          ASSERT_EQ(cluster_.RestartWith(node, SameFile(node)),
                    absl::OkStatus());
          up_[node] = true;
        }
        break;
      case 3:
        if (!copies_.empty()) StartCopy();
        break;
      default:
        if (Up(node)) (void)Set(node, Concat("k", Draw(20)));
    }
  }
  for (size_t node = 0; node < kNodes; ++node) {
    if (Up(node)) continue;
    ASSERT_EQ(cluster_.RestartWith(node, SameFile(node)), absl::OkStatus());
  }
  ExpectWhole("all nodes run");
  // A copy that has not ended has met no node of the cluster.
  for (const size_t copy : running_copies_) {
    if (!Runs(copy, Seconds(20))) continue;
    EXPECT_EQ(cluster_.server(copy).LeaderOf(GroupId(1)), NodeId());
    EXPECT_EQ(cluster_.server(copy).LeaderOf(GroupId(2)), NodeId());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DrawnCopiesTest,
                         ::testing::Range(uint64_t{1}, uint64_t{1001}));

}  // namespace
}  // namespace quorate::node
