// Expiry: the remaining time on every path, and the removal of due keys without
// traffic, in few entries.
#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/routing/upkeep.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

int64_t IntegerOf(const std::string& reply) {
  EXPECT_TRUE(reply.starts_with(":")) << reply;
  return reply.size() < 2 ? -100 : std::stoll(reply.substr(1));
}

uint64_t LastEntry(TestCluster& cluster) {
  const size_t leader = cluster.LeaderOf(GroupId(1));
  return cluster.server(leader).host().core(GroupId(1))->last().index.value();
}

// Nodes whose clocks differ. Clients connect to each of them.
TEST(Expiry_TimeLeft, OnEveryNodeAndPath_IsNeverMoreThanWasSet) {
  TestCluster cluster({.nodes = 3, .read_only_nodes = 1});
  for (size_t node = 0; node < cluster.size(); ++node) {
    cluster.world()
        .clock(cluster.machine(node))
        .SetWallOffset(Milliseconds(-4 * static_cast<int64_t>(node % 3)));
  }
  ASSERT_TRUE(cluster.AwaitLeaders());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t node = 0; node < cluster.size(); ++node) {
    clients.push_back(cluster.ConnectResp(node));
  }
  for (size_t writer = 0; writer < 3; ++writer) {
    for (size_t reader = 0; reader < cluster.size(); ++reader) {
      const std::vector<std::vector<std::string_view>> writes = {
          {"SET", "k", "v", "PX", "1000"},
          {"PSETEX", "k", "1000", "v"},
          {"PEXPIRE", "k", "1000"},
          {"GETEX", "k", "PX", "1000"}};
      for (const auto& write : writes) {
        cluster.Command(*clients[writer], write);
        const std::string where =
            Concat(write[0], " by ", writer, " at ", reader);
        const int64_t left =
            IntegerOf(cluster.Command(*clients[reader], {"PTTL", "k"}));
        EXPECT_LE(left, 1'000) << where;
        EXPECT_GT(left, 900) << where;
        EXPECT_EQ(IntegerOf(cluster.Command(*clients[reader], {"TTL", "k"})), 1)
            << where;
      }
    }
  }
}

// Nodes without a time daemon, whose readings are hours apart. A key lives for
// 40 s, and its leader dies after 25 s without entries.
class ExpiryIdleLeader : public ::testing::Test {
 protected:
  ExpiryIdleLeader() {
    for (size_t node = 0; node < cluster_.size(); ++node) {
      sim::SimClock& clock = cluster_.world().clock(cluster_.machine(node));
      clock.SetWallLatestKnown(false);
      clock.SetWallOffset(Seconds(3'600 * static_cast<int64_t>(node)));
    }
    EXPECT_TRUE(cluster_.AwaitLeaders());
    leader_ = cluster_.LeaderOf(GroupId(1));
    client_ = cluster_.ConnectResp((leader_ + 1) % cluster_.size());
    EXPECT_EQ(cluster_.Command(*client_, {"SET", "k", "v", "EX", "40"}),
              "+OK\r\n");
    entries_ = LastEntry(cluster_);
    cluster_.world().RunFor(Seconds(25));
    EXPECT_EQ(LastEntry(cluster_), entries_);
  }

  int64_t TimeLeft() {
    return IntegerOf(cluster_.Command(*client_, {"PTTL", "k"}));
  }
  void LoseLeader() {
    cluster_.Crash(leader_);
    ASSERT_TRUE(cluster_.AwaitLeaders());
    ASSERT_NE(cluster_.LeaderOf(GroupId(1)), leader_);
  }

  TestCluster cluster_{{.nodes = 3}};
  size_t leader_ = 0;
  uint64_t entries_ = 0;
  std::unique_ptr<TestClient> client_;
};

// At most one quiet interval and the time without a leader are lost.
TEST_F(ExpiryIdleLeader, Dies_TheKeyEndsInTime) {
  LoseLeader();
  const Duration lost =
      cluster_.config(0).host.core.quiet_interval + Seconds(1);
  const int64_t left = TimeLeft();
  EXPECT_LE(left, 15'000 + lost.ms());
  EXPECT_GT(left, 13'000);
  cluster_.world().RunFor(Seconds(15) + lost);
  EXPECT_EQ(cluster_.Command(*client_, {"GET", "k"}), "$-1\r\n");
}

TEST_F(ExpiryIdleLeader, DiesAfterARead_TheTimeLeftDoesNotRise) {
  const int64_t before = TimeLeft();
  EXPECT_LE(before, 15'000);
  EXPECT_GT(before, 14'900);
  LoseLeader();
  const int64_t after = TimeLeft();
  EXPECT_LE(after, before);
  EXPECT_GT(after, before - 1'500);
  cluster_.world().RunFor(Seconds(15));
  EXPECT_EQ(cluster_.Command(*client_, {"GET", "k"}), "$-1\r\n");
}

TEST(Expiry_TimeLeft, InATransaction_IsNeverMoreThanWasSet) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  EXPECT_EQ(
      cluster.Call(*client,
                   EncodeRequest({"MULTI"}) +
                       EncodeRequest({"SET", "k", "v", "EX", "10"}) +
                       EncodeRequest({"PTTL", "k"}) + EncodeRequest({"EXEC"}),
                   4),
      "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:10000\r\n");
}

// A follower without a majority, after a key with an expiry was due by its
// clock, but not by log time. `adjust` is as in TestCluster::Options.
class StaleReadsOfDueKeys {
 public:
  explicit StaleReadsOfDueKeys(void (*adjust)(Config&) = nullptr)
      : cluster({.nodes = 3, .adjust = adjust}) {
    EXPECT_TRUE(cluster.AwaitLeaders());
    const size_t leader = cluster.LeaderOf(GroupId(1));
    follower = (leader + 1) % 3;
    auto writer = cluster.ConnectResp(leader);
    cluster.Command(*writer, {"SET", "{k}due", "value", "PX", "2000"});
    cluster.Command(*writer, {"SET", "{k}stays", "v"});
    // The follower learns that the entries are committed.
    cluster.world().RunFor(Milliseconds(500));
    cluster.Crash(leader);
    cluster.Crash((leader + 2) % 3);
    cluster.world().RunFor(Seconds(10));
    reader = cluster.ConnectRespCluster(follower);
    EXPECT_EQ(cluster.Command(*reader, {"READONLY"}), "+OK\r\n");
  }

  // The bytes that arrive within a tenth of the time for which a request waits
  // for a leader.
  std::string AtOnce(TestClient& client, std::string_view request) {
    client.Send(request);
    cluster.world().RunFor(cluster.config(follower).timeouts.leader_wait / 10);
    return client.Take();
  }
  std::string AtOnce(const std::vector<std::string_view>& words) {
    return AtOnce(*reader, EncodeRequest(words));
  }

  TestCluster cluster;
  size_t follower = 0;
  std::unique_ptr<TestClient> reader;
};

TEST(Expiry_StaleReads, WithoutAMajority_GoByLogTimeAtOnce) {
  StaleReadsOfDueKeys test;
  EXPECT_EQ(test.AtOnce({"GET", "{k}due"}), "$5\r\nvalue\r\n");
  EXPECT_EQ(test.AtOnce({"STRLEN", "{k}due"}), ":5\r\n");
  EXPECT_EQ(test.AtOnce({"GETRANGE", "{k}due", "0", "1"}), "$2\r\nva\r\n");
  EXPECT_EQ(test.AtOnce({"GETBIT", "{k}due", "1"}), ":1\r\n");
  EXPECT_EQ(test.AtOnce({"TYPE", "{k}due"}), "+string\r\n");
  EXPECT_EQ(test.AtOnce({"EXISTS", "{k}due", "{k}stays"}), ":2\r\n");
  EXPECT_EQ(test.AtOnce({"TOUCH", "{k}due"}), ":1\r\n");
  EXPECT_EQ(test.AtOnce({"MGET", "{k}due", "{k}none", "{k}stays"}),
            "*3\r\n$5\r\nvalue\r\n$-1\r\n$1\r\nv\r\n");
  const int64_t left = IntegerOf(test.AtOnce({"PTTL", "{k}due"}));
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 2'000);
  EXPECT_LE(IntegerOf(test.AtOnce({"TTL", "{k}due"})), 2);
  EXPECT_GT(IntegerOf(test.AtOnce({"PEXPIRETIME", "{k}due"})), 2'000);
  EXPECT_GT(test.cluster.Metric(test.follower, "quorate_stale_reads_total"),
            10);
}

TEST(Expiry_StaleReads, OverHttp_GoByLogTimeAtOnce) {
  StaleReadsOfDueKeys test;
  auto http = test.cluster.ConnectHttp(test.follower);
  for (const std::string_view target :
       {"/v1/kv/%7bk%7ddue?consistency=eventual",
        "/get?key=%7bk%7ddue&consistency=eventual"}) {
    const std::string reply = test.AtOnce(
        *http, Concat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 ")) << reply;
    EXPECT_TRUE(reply.ends_with("\r\n\r\nvalue")) << reply;
  }
}

// Such reads are answered over several turns.
TEST(Expiry_StaleReads, OfManyKeys_GoByLogTimeAtOnce) {
  StaleReadsOfDueKeys test(
      [](Config& config) { config.bounds.read_piece_keys = 4; });
  const std::vector<std::string_view> keys(10, "{k}due");
  std::vector<std::string_view> words = {"EXISTS"};
  words.insert(words.end(), keys.begin(), keys.end());
  EXPECT_EQ(test.AtOnce(words), ":10\r\n");
  words[0] = "MGET";
  const std::string values = test.AtOnce(words);
  EXPECT_TRUE(values.starts_with("*10\r\n$5\r\nvalue\r\n$5\r\n")) << values;
  EXPECT_EQ(ReplySize(values), values.size());
}

// A client that reads its replies late gets them from the replica as well.
TEST(Expiry_StaleReads, WithoutRoom_GoByLogTimeLater) {
  StaleReadsOfDueKeys test(
      [](Config& config) { config.bounds.output_buffer_bytes = 64 << 10; });
  std::string requests;
  constexpr int kReads = 20'000;
  for (int i = 0; i < kReads; ++i) {
    requests += EncodeRequest({"GET", "{k}due"});
  }
  test.reader->PauseReads();
  test.reader->Send(requests);
  test.cluster.world().RunFor(Seconds(1));
  test.reader->ResumeReads();
  test.cluster.world().RunFor(Seconds(5));
  std::string expected;
  for (int i = 0; i < kReads; ++i) expected += "$5\r\nvalue\r\n";
  EXPECT_TRUE(test.reader->Take() == expected);
}

// Sets `count` keys that live for `seconds`.
void FillExpiring(TestCluster& cluster, TestClient& client, int count,
                  int seconds) {
  constexpr int kPipeline = 500;
  const std::string life = Concat(seconds);
  for (int i = 0; i < count; i += kPipeline) {
    std::string requests;
    for (int k = i; k < i + kPipeline; ++k) {
      requests += EncodeRequest({"SET", Concat("key", k), "value", "EX", life});
    }
    cluster.Call(client, requests, kPipeline);
  }
}

uint64_t KeysOf(TestCluster& cluster) {
  uint64_t keys = 0;
  for (size_t node = 0; node < cluster.size(); ++node) {
    keys = std::max(keys, cluster.server(node).store(GroupId(1))->key_count());
  }
  return keys;
}

TEST(Expiry_IdleCluster, ManyDueKeys_AreRemovedOnEveryReplicaInFewEntries) {
  constexpr int kKeys = 100'000;
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(cluster.LeaderOf(GroupId(1)));
  FillExpiring(cluster, *client, kKeys, 60);
  ASSERT_EQ(KeysOf(cluster), uint64_t{kKeys});
  const uint64_t entries = LastEntry(cluster);
  // Nothing is proposed before a key is due.
  cluster.world().RunFor(Seconds(30));
  EXPECT_EQ(LastEntry(cluster), entries);
  EXPECT_TRUE(cluster.world().RunUntilTrue([&] { return KeysOf(cluster) == 0; },
                                           Seconds(60)));
  // One entry for each due_keys_per_entry, and one for each second in which
  // keys became due.
  EXPECT_LE(LastEntry(cluster) - entries,
            kKeys / BoundsConfig().due_keys_per_entry + 30);
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":0\r\n");
  // Afterwards nothing is proposed, and all memory is released.
  const uint64_t last = LastEntry(cluster);
  cluster.world().RunFor(Seconds(60));
  EXPECT_EQ(LastEntry(cluster), last);
  for (size_t node = 0; node < cluster.size(); ++node) {
    EXPECT_FALSE(cluster.server(node).store(GroupId(1))->reclaimable());
  }
}

uint64_t SessionsOf(TestCluster& cluster) {
  uint64_t sessions = 0;
  for (size_t node = 0; node < cluster.size(); ++node) {
    sessions = std::max(
        sessions, cluster.server(node).store(GroupId(1))->session_count());
  }
  return sessions;
}

TEST(Expiry_IdleCluster, SessionsOfClientsThatAreGone_AreRemoved) {
  constexpr int kSessions = 3'000;
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectHttp(cluster.LeaderOf(GroupId(1)));
  for (int i = 0; i < kSessions; ++i) {
    cluster.CallHttp(*client, Concat("DELETE /v1/kv/k HTTP/1.1\r\nHost: h\r\n",
                                     "Idempotency-Key: k", i, "\r\n\r\n"));
  }
  ASSERT_EQ(SessionsOf(cluster), uint64_t{kSessions});
  const uint64_t entries = LastEntry(cluster);
  EXPECT_TRUE(cluster.world().RunUntilTrue(
      [&] { return SessionsOf(cluster) == 0; }, Seconds(3'600)));
  EXPECT_LE(LastEntry(cluster) - entries,
            kSessions / BoundsConfig().due_keys_per_entry + 60);
}

// Log time follows the clock slowly. Until log time reaches the expiry, an
// entry would remove nothing.
TEST(Expiry_IdleCluster, ClockAheadOfLogTime_ProposesNothingBeforeKeysAreDue) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(cluster.LeaderOf(GroupId(1)));
  for (size_t node = 0; node < cluster.size(); ++node) {
    cluster.world().clock(cluster.machine(node)).SetWallOffset(Seconds(3'600));
  }
  FillExpiring(cluster, *client, 500, 300);
  const uint64_t entries = LastEntry(cluster);
  cluster.world().RunFor(Seconds(250));
  EXPECT_EQ(LastEntry(cluster), entries);
  EXPECT_EQ(KeysOf(cluster), 500u);
  cluster.world().RunFor(Seconds(60));
  EXPECT_EQ(KeysOf(cluster), 0u);
  EXPECT_LE(LastEntry(cluster) - entries, 5u);
}

TEST(Expiry_IdleCluster, ANewLeader_ContinuesTheRemoval) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp(leader);
  FillExpiring(cluster, *client, 1'000, 5);
  cluster.Crash(leader);
  cluster.world().RunFor(Seconds(1));
  cluster.Restart(leader);
  ASSERT_TRUE(cluster.AwaitLeaders());
  EXPECT_TRUE(cluster.world().RunUntilTrue([&] { return KeysOf(cluster) == 0; },
                                           Seconds(20)));
}

TEST(Expiry_ReadMostlyStore, DueKeys_AreRemoved) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  FillExpiring(cluster, *client, 20'000, 5);
  cluster.Command(*client, {"SET", "stays", "v"});
  for (int second = 0; second < 20; ++second) {
    EXPECT_EQ(cluster.Command(*client, {"GET", "stays"}), "$1\r\nv\r\n");
    cluster.world().RunFor(Seconds(1));
  }
  EXPECT_EQ(cluster.Command(*client, {"DBSIZE"}), ":1\r\n");
}

TEST(Expiry_Reclaim, AfterFlushAll_ContinuesWithoutEntries) {
  TestCluster cluster({.nodes = 3});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(cluster.LeaderOf(GroupId(1)));
  FillExpiring(cluster, *client, 50'000, 10'000);
  EXPECT_EQ(cluster.Command(*client, {"FLUSHALL"}), "+OK\r\n");
  const uint64_t entries = LastEntry(cluster);
  cluster.world().RunFor(Seconds(30));
  EXPECT_EQ(LastEntry(cluster), entries);
  for (size_t node = 0; node < cluster.size(); ++node) {
    EXPECT_FALSE(cluster.server(node).store(GroupId(1))->reclaimable());
  }
}

// A snapshot shares pages with the store. Overwrites during it copy them. The
// old pages are free when the snapshot has been read, after the last entry.
TEST(Expiry_Reclaim, AfterASnapshot_ContinuesWithoutEntries) {
  TestCluster cluster({.adjust = [](Config& config) {
    config.host.snapshot_threshold_bytes = 2 << 20;
  }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const kv::Store& store = *cluster.server(0).store(GroupId(1));
  // 2 MB, which a snapshot reads in several pieces.
  const std::string value(200, 'v');
  std::string requests;
  for (int k = 0; k < 5'000; ++k) {
    requests += EncodeRequest({"SET", Concat("key", k), value});
  }
  const sim::MachineId machine = cluster.machine(0);
  for (int round = 0; round < 3; ++round) client->Send(requests);
  std::string snapshot;
  ASSERT_TRUE(cluster.world().RunUntilTrue(
      [&] {
        for (const std::string& file : cluster.world().OpenFiles(machine)) {
          if (file.starts_with("snap-")) snapshot = file;
        }
        return !snapshot.empty();
      },
      Seconds(20)));
  cluster.world().StallDisk(machine, cluster.world().now() + Seconds(20),
                            snapshot);
  cluster.world().RunFor(Seconds(10));
  EXPECT_GT(store.counters().pages_copied, 0u);
  EXPECT_TRUE(store.shares_pages());
  cluster.world().RunFor(Seconds(40));
  EXPECT_FALSE(store.shares_pages());
  EXPECT_FALSE(store.reclaimable());
}

// A follower that is far behind installs a snapshot over the keys that it has.
TEST(Expiry_Reclaim, AfterARestore_ContinuesWithoutEntries) {
  TestCluster cluster({.nodes = 3, .adjust = [](Config& config) {
                         config.host.snapshot_threshold_bytes = 300'000;
                         config.host.snapshot_trailing_bytes = 0;
                       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  const size_t behind = (leader + 1) % 3;
  auto client = cluster.ConnectResp(leader);
  FillExpiring(cluster, *client, 5'000, 10'000);
  cluster.Crash(behind);
  // The leader keeps entries for followers that it takes to be alive.
  cluster.world().RunFor(Seconds(10));
  for (int round = 0; round < 12; ++round) {
    FillExpiring(cluster, *client, 5'000, 10'000);
  }
  cluster.Restart(behind);
  cluster.world().RunFor(Seconds(30));
  const kv::Store& store = *cluster.server(behind).store(GroupId(1));
  EXPECT_GT(store.counters().snapshots_restored, 0u);
  EXPECT_EQ(store.key_count(), 5'000u);
  EXPECT_FALSE(store.reclaimable());
}

}  // namespace
}  // namespace quorate::node
