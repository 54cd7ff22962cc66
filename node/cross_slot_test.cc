// Commands of plain clients on keys of several slots. Each has one reply, one
// read point for each group, and its place in the order of the connection.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr std::string_view kCrossSlotReply =
    "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
constexpr uint32_t kGroups = 3;

// A key of the group, in a slot of its own for each `number` below 100.
std::string KeyOfGroup(uint32_t group, int number) {
  const int first = static_cast<int>(group - 1) * 5'500 + number * 50;
  for (int i = 0;; ++i) {
    const std::string key = Concat("k", group, ".", number, ".", i);
    const int slot = kv::HashSlot(key).value();
    if (slot >= first && slot < first + 50 &&
        slot / 5'462 + 1 == static_cast<int>(group)) {
      return key;
    }
  }
}

std::string Bulk(std::string_view value) {
  return Concat("$", value.size(), "\r\n", value, "\r\n");
}

// All bytes that the client receives until it has so many.
std::string Await(TestCluster& cluster, TestClient& client, size_t bytes) {
  EXPECT_TRUE(cluster.world().RunUntilTrue(
      [&] { return client.received().size() >= bytes; }, Seconds(60)));
  return client.Take();
}

class CrossSlotTest : public ::testing::Test {
 protected:
  explicit CrossSlotTest(TestCluster::Options options = {.nodes = 3,
                                                         .groups = kGroups})
      : cluster_(options) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    client_ = cluster_.ConnectResp(0);
  }

  std::string Do(std::vector<std::string_view> words) {
    return cluster_.Command(*client_, std::move(words));
  }
  std::string DoAt(size_t node, std::vector<std::string_view> words) {
    const auto client = cluster_.ConnectResp(node);
    return cluster_.Command(*client, std::move(words));
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
  // Two slots of group 1, and one of each other.
  const std::string a_ = KeyOfGroup(1, 1);
  const std::string b_ = KeyOfGroup(1, 2);
  const std::string c_ = KeyOfGroup(2, 3);
  const std::string d_ = KeyOfGroup(3, 4);
};

// Reads that ask no leader do not wait for one.
TEST_F(CrossSlotTest, ReadsThatMayBeStale_AreServedWithoutAMajority) {
  std::vector<std::string> keys;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    keys.push_back(KeyOfGroup(group, 1));
    keys.push_back(KeyOfGroup(group, 2));
    EXPECT_EQ(Do({"SET", keys[keys.size() - 2], "v"}), "+OK\r\n");
  }
  cluster_.world().RunFor(Seconds(2));
  for (const size_t node : {1, 2}) cluster_.Crash(node);
  cluster_.world().RunFor(Seconds(5));
  EXPECT_EQ(Do({"QUORATE.CONSISTENCY", "EVENTUAL"}), "+OK\r\n");
  std::vector<std::string_view> mget = {"MGET"};
  std::vector<std::string_view> exists = {"EXISTS"};
  for (const std::string& key : keys) {
    mget.push_back(key);
    exists.push_back(key);
  }
  const std::string one = Bulk("v") + "$-1\r\n";
  EXPECT_EQ(Do(mget), Concat("*6\r\n", one, one, one));
  EXPECT_EQ(Do(exists), ":3\r\n");
}

// Node 0 leads until it notices that the others are gone. Reads that it took as
// a leader are answered as well.
TEST_F(CrossSlotTest, ReadsThatMayBeStale_AreServedOnceALeaderGivesUp) {
  EXPECT_EQ(Do({"MSET", a_, "v", b_, "v", c_, "v", d_, "v"}), "+OK\r\n");
  EXPECT_EQ(Do({"QUORATE.CONSISTENCY", "EVENTUAL"}), "+OK\r\n");
  ASSERT_EQ(cluster_.LeaderOf(GroupId(1)), 0u);
  auto http = cluster_.ConnectHttp(0);
  cluster_.world().RunFor(Seconds(2));
  for (const size_t node : {1, 2}) cluster_.Crash(node);
  client_->Send(EncodeRequest({"GET", a_}) +
                EncodeRequest({"MGET", a_, b_, c_, d_}) +
                EncodeRequest({"EXISTS", a_}));
  http->Send(Concat("GET /v1/kv/", a_,
                    "?consistency=eventual HTTP/1.1\r\nHost: h\r\n\r\n"));
  cluster_.world().RunFor(cluster_.config(0).timeouts.leader_wait / 2);
  const std::string v = Bulk("v");
  EXPECT_EQ(client_->Take(), Concat(v, "*4\r\n", v, v, v, v, ":1\r\n"));
  EXPECT_TRUE(http->received().ends_with("\r\n\r\nv")) << http->received();
}

TEST_F(CrossSlotTest, EveryCommand_AnswersAsForOneSlot) {
  for (size_t node = 0; node < cluster_.size(); ++node) {
    client_ = cluster_.ConnectResp(node);
    EXPECT_EQ(Do({"MSET", d_, "4", a_, "1", c_, "", b_, "2"}), "+OK\r\n");
    EXPECT_EQ(Do({"MGET", c_, "none", b_, d_, a_, b_}),
              "*6\r\n$0\r\n\r\n$-1\r\n$1\r\n2\r\n$1\r\n4\r\n$1\r\n1\r\n"
              "$1\r\n2\r\n");
    EXPECT_EQ(Do({"EXISTS", a_, c_, a_, "none"}), ":3\r\n");
    EXPECT_EQ(Do({"TOUCH", b_, d_, "none"}), ":2\r\n");
    // The last value of a key wins, and a key is removed once.
    EXPECT_EQ(Do({"MSET", a_, "5", d_, "6", a_, "7"}), "+OK\r\n");
    EXPECT_EQ(Do({"MGET", d_, a_}), "*2\r\n$1\r\n6\r\n$1\r\n7\r\n");
    EXPECT_EQ(Do({"DEL", a_, d_, a_, "none"}), ":2\r\n");
    EXPECT_EQ(Do({"UNLINK", a_, b_, c_, d_}), ":2\r\n");
    EXPECT_EQ(Do({"MGET", a_, d_}), "*2\r\n$-1\r\n$-1\r\n");
  }
}

TEST_F(CrossSlotTest, Resp3_HasItsNull) {
  EXPECT_NE(Do({"HELLO", "3"}).find("standalone"), std::string::npos);
  EXPECT_EQ(Do({"MGET", a_, d_}), "*2\r\n_\r\n_\r\n");
}

TEST_F(CrossSlotTest, ClusterAddress_RefusesAsRedisCluster) {
  client_ = cluster_.ConnectRespCluster(0);
  for (const char* name : {"MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"}) {
    EXPECT_EQ(Do({name, a_, b_}), kCrossSlotReply) << name;
  }
  EXPECT_EQ(Do({"MSET", a_, "1", d_, "2"}), kCrossSlotReply);
  EXPECT_EQ(Do({"MSETNX", a_, "1", d_, "2"}), kCrossSlotReply);
}

// Other commands mean all their keys together.
TEST_F(CrossSlotTest, AtomicCommands_AreRefused) {
  EXPECT_EQ(Do({"MSETNX", a_, "1", d_, "2"}),
            "-CROSSSLOT Keys in request don't hash to the same slot: MSETNX "
            "sets all keys or none, so all need one hash tag\r\n");
  EXPECT_EQ(Do({"WATCH", a_, d_}),
            "-CROSSSLOT Keys of a transaction, watched keys included, must "
            "hash to the same slot\r\n");
  const std::string session = Do({"QUORATE.SESSION"});
  const std::string token = session.substr(
      session.find("\r\n") + 2, session.size() - session.find("\r\n") - 4);
  EXPECT_EQ(Do({"QUORATE.DO", token, "1", "0", "DEL", a_, d_}),
            kCrossSlotReply);
  EXPECT_EQ(Do({"EXISTS", a_, d_}), ":0\r\n");
}

TEST_F(CrossSlotTest, InvalidCommands_WriteNothing) {
  const std::string longer(cluster_.config(0).bounds.value_bytes + 1, 'v');
  EXPECT_TRUE(Do({"MSET", a_, "1", d_, longer})
                  .starts_with("-ERR string exceeds maximum allowed size"));
  const std::string key(cluster_.config(0).bounds.key_bytes + 1, 'k');
  EXPECT_TRUE(Do({"MSET", a_, "1", key, "2"})
                  .starts_with("-ERR key is longer than 16384 bytes"));
  EXPECT_EQ(Do({"MSET", a_, "1", d_}),
            "-ERR wrong number of arguments for 'mset' command\r\n");
  // The keys of one slot are in one entry.
  const std::string half(300 << 10, 'v');
  EXPECT_EQ(Do({"MSET", d_, "1", a_, half, Concat("{", a_, "}"), half}),
            "-ERR request is larger than one log entry holds (524288 "
            "bytes)\r\n");
  EXPECT_EQ(Do({"EXISTS", a_, d_}), ":0\r\n");
}

// A part of a write may be larger than the rest of the entry.
TEST_F(CrossSlotTest, WritesOfMoreThanOneEntry_AreDivided) {
  const std::string value(400 << 10, 'v');
  EXPECT_EQ(Do({"MSET", a_, value, b_, value, c_, value, d_, value}),
            "+OK\r\n");
  EXPECT_EQ(
      Do({"MGET", a_, b_, c_, d_}),
      Concat("*4\r\n", Bulk(value), Bulk(value), Bulk(value), Bulk(value)));
}

// Names of 5,000 bytes: 120 of each of three groups, more than an entry holds.
std::vector<std::string> KeysOfLongNames(int count) {
  std::vector<std::string> keys;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    for (int i = 0; i < count; ++i) {
      keys.push_back(Concat("{", KeyOfGroup(group, i % 100), "}", i,
                            std::string(5'000, 'k')));
    }
  }
  return keys;
}

void ReadLongNames(TestCluster& cluster, size_t node) {
  const auto client = cluster.ConnectResp(node);
  const std::vector<std::string> keys = KeysOfLongNames(120);
  EXPECT_EQ(cluster.Command(*client, {"MSET", keys[7], "1", keys[140], "2",
                                      keys[359], "3"}),
            "+OK\r\n");
  std::vector<std::string_view> words = {"MGET"};
  std::string values = Concat("*", keys.size(), "\r\n");
  for (size_t i = 0; i < keys.size(); ++i) {
    words.push_back(keys[i]);
    values += i == 7     ? Bulk("1")
              : i == 140 ? Bulk("2")
              : i == 359 ? Bulk("3")
                         : "$-1\r\n";
  }
  client->Send(EncodeRequest(words));
  EXPECT_EQ(Await(cluster, *client, values.size()), values);
  for (const std::string_view verb : {"EXISTS", "TOUCH"}) {
    words[0] = verb;
    EXPECT_EQ(cluster.Command(*client, words), ":3\r\n");
  }
}

TEST_F(CrossSlotTest, ReadsOfMoreThanOneEntry_AreDivided) {
  ReadLongNames(cluster_, 0);
  // The keys of one slot are read at one moment, so their names have to fit.
  std::vector<std::string> keys;
  std::vector<std::string_view> words = {"MGET"};
  for (int i = 0; i < 110; ++i) {
    keys.push_back(Concat("{", a_, "}", i, std::string(5'000, 'k')));
  }
  words.insert(words.end(), keys.begin(), keys.end());
  const std::string_view refused =
      "-ERR request is larger than one log entry holds (524288 bytes)\r\n";
  EXPECT_EQ(Do(words), refused);
  words.push_back(d_);
  EXPECT_EQ(Do(words), refused);
}

// Their names alone, of one byte or more, would not fit an entry.
TEST_F(CrossSlotTest, ReadsOfVeryManyKeys_AreDivided) {
  std::vector<std::string> keys;
  std::vector<std::string_view> words = {"EXISTS"};
  for (int i = 0; i < 150'000; ++i) keys.push_back(Concat(i));
  EXPECT_EQ(Do({"MSET", "17", "", "149999", ""}), "+OK\r\n");
  words.insert(words.end(), keys.begin(), keys.end());
  EXPECT_EQ(Do(words), ":2\r\n");
}

TEST(CrossSlot_Limit, False_RefusesAsBefore) {
  TestCluster cluster(
      {.nodes = 3, .groups = kGroups, .adjust = [](Config& config) {
         config.limits.cross_slot = false;
       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const std::string a = KeyOfGroup(1, 1);
  const std::string d = KeyOfGroup(3, 4);
  EXPECT_EQ(cluster.Command(*client, {"MGET", a, d}), kCrossSlotReply);
  EXPECT_EQ(cluster.Command(*client, {"MSET", a, "1", d, "2"}),
            kCrossSlotReply);
  EXPECT_EQ(cluster.Command(*client, {"MSETNX", a, "1", d, "2"}),
            kCrossSlotReply);
  EXPECT_EQ(cluster.Command(*client, {"CONFIG", "GET", "limits.cross_slot"}),
            "*2\r\n$17\r\nlimits.cross_slot\r\n$5\r\nfalse\r\n");
}

TEST_F(CrossSlotTest, Pipeline_KeepsItsOrder) {
  std::string requests;
  std::string expected;
  const auto add = [&](std::vector<std::string_view> words,
                       std::string_view reply) {
    requests += EncodeRequest(words);
    expected += reply;
  };
  for (int i = 0; i < 300; ++i) {
    const std::string n = Concat("first", i);
    const std::string m = Concat("second", i);
    add({"SET", a_, n}, "+OK\r\n");
    add({"MSET", a_, m, d_, n, c_, n}, "+OK\r\n");
    add({"SET", d_, m}, "+OK\r\n");
    add({"MGET", d_, a_, b_, c_},
        Concat("*4\r\n", Bulk(m), Bulk(m), "$-1\r\n", Bulk(n)));
    add({"GET", c_}, Bulk(n));
    add({"DEL", c_, b_, d_}, ":2\r\n");
    add({"EXISTS", d_, a_}, ":1\r\n");
    add({"PING"}, "+PONG\r\n");
  }
  for (size_t node = 0; node < cluster_.size(); ++node) {
    client_ = cluster_.ConnectResp(node);
    client_->Send(requests);
    EXPECT_EQ(Await(cluster_, *client_, expected.size()), expected) << node;
  }
}

TEST_F(CrossSlotTest, SilentCommands_HaveNoReply) {
  const std::string requests = EncodeRequest({"CLIENT", "REPLY", "SKIP"}) +
                               EncodeRequest({"MSET", a_, "1", d_, "2"}) +
                               EncodeRequest({"CLIENT", "REPLY", "SKIP"}) +
                               EncodeRequest({"MGET", a_, d_}) +
                               EncodeRequest({"EXISTS", a_, d_});
  EXPECT_EQ(cluster_.Call(*client_, requests), ":2\r\n");
}

TEST_F(CrossSlotTest, ManyKeysOfEverySlot) {
  constexpr size_t kKeys = kv::kEntryKeysMax;
  std::vector<std::string> keys;
  for (size_t i = 0; i <= kKeys; ++i) keys.push_back(Concat("key", i * 7));
  std::vector<std::string_view> set = {"MSET"};
  std::vector<std::string_view> words = {""};
  std::string values = Concat("*", kKeys, "\r\n");
  for (size_t i = 0; i < kKeys; ++i) {
    set.insert(set.end(), {keys[i], keys[i]});
    words.push_back(keys[i]);
    values += Bulk(keys[i]);
  }
  EXPECT_EQ(Do(set), "+OK\r\n");
  words[0] = "MGET";
  client_->Send(EncodeRequest(words));
  EXPECT_TRUE(Await(cluster_, *client_, values.size()) == values);
  words[0] = "EXISTS";
  EXPECT_EQ(Do(words), Concat(":", kKeys, "\r\n"));
  words[0] = "DEL";
  words.push_back(keys[kKeys]);
  EXPECT_EQ(Do(words), "-ERR a command writes at most 10000 keys\r\n");
  words.pop_back();
  EXPECT_EQ(Do(words), Concat(":", kKeys, "\r\n"));
  EXPECT_EQ(Do({"DBSIZE"}), ":0\r\n");
}

// A writer sets one key of the group, then another one, again and again. A read
// of both never has the second value without the first.
void ReadTogether(TestCluster& cluster, size_t node, const std::string& first,
                  const std::string& second) {
  constexpr int kRounds = 100;
  constexpr size_t kReads = 20;  // In a round.
  auto writer = cluster.ConnectResp(0);
  auto reader = cluster.ConnectResp(node);
  // Keys in between take the time of a turn.
  std::vector<std::string> keys = {first};
  const int group = kv::HashSlot(first).value() / 5'462 + 1;
  for (int i = 10; i < 40; ++i) {
    keys.push_back(KeyOfGroup(static_cast<uint32_t>(group), i));
  }
  keys.push_back(second);
  std::vector<std::string_view> words = {"MGET"};
  words.insert(words.end(), keys.begin(), keys.end());
  std::string reads;
  for (size_t i = 0; i < kReads; ++i) reads += EncodeRequest(words);
  // "*32", two values of four digits, and nils.
  const size_t reply_size = 5 + 2 * 10 + 5 * (keys.size() - 2);
  int number = 1000;
  int different = 0;
  int last = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string writes;
    for (int i = 0; i < 20; ++i) {
      const std::string value = Concat(++number);
      writes += EncodeRequest({"SET", first, value}) +
                EncodeRequest({"SET", second, value});
    }
    if (round == 0) {
      cluster.Call(*writer, writes, 40);
      continue;
    }
    reader->Send(reads);
    cluster.world().RunFor(Milliseconds(round % 5));
    writer->Send(writes);
    const std::string replies = Await(cluster, *reader, kReads * reply_size);
    for (size_t at = 0; at < replies.size(); at += reply_size) {
      const int one = std::atoi(&replies[at + 5 + 4]);
      const int two = std::atoi(&replies[at + reply_size - 6]);
      ASSERT_TRUE(one == two || one == two + 1) << one << " " << two;
      different += one != std::exchange(last, one) ? 1 : 0;
    }
  }
  EXPECT_GE(different, kRounds / 2);
}

void SmallTurns(Config& config) {
  config.bounds.batch_commands = 3;
  config.host.core.apply_bytes_max = 1;  // One entry.
  config.bounds.turn_work = 40;
  config.bounds.read_piece_keys = 7;
  config.bounds.read_piece_bytes = 60;
}

TEST(CrossSlot_OneGroup, IsReadAtOneReadPoint) {
  TestCluster cluster({.nodes = 3, .groups = kGroups, .adjust = SmallTurns});
  ASSERT_TRUE(cluster.AwaitLeaders());
  ReadTogether(cluster, 1, KeyOfGroup(1, 1), KeyOfGroup(1, 99));
  ReadTogether(cluster, 2, KeyOfGroup(1, 98), KeyOfGroup(1, 2));
}

void GroupsOfThree(Config& config) {
  SmallTurns(config);
  config.shards.push_back({.group = GroupId(1),
                           .name = "g1",
                           .slots = {{0, 5461}},
                           .replicas = {NodeId(1), NodeId(2), NodeId(3)}});
  config.shards.push_back({.group = GroupId(2),
                           .name = "g2",
                           .slots = {{5462, 16383}},
                           .replicas = {NodeId(2), NodeId(3), NodeId(4)}});
}

TEST(CrossSlot_NodeWithoutReplica, ReadsAtOneReadPointOfTheLeader) {
  TestCluster cluster({.nodes = 4, .adjust = GroupsOfThree});
  ASSERT_TRUE(cluster.AwaitLeaders());
  ReadTogether(cluster, 3, KeyOfGroup(1, 1), KeyOfGroup(1, 99));
  ReadTogether(cluster, 3, KeyOfGroup(1, 98), KeyOfGroup(1, 2));
  auto client = cluster.ConnectResp(3);
  EXPECT_EQ(cluster.Command(*client, {"MSET", "a", "1", "b", "2", "c", "3"}),
            "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"MGET", "c", "a", "x", "b"}),
            "*4\r\n$1\r\n3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
  EXPECT_EQ(cluster.Command(*client, {"EXISTS", "a", "b", "c", "x"}), ":3\r\n");
}

TEST(CrossSlot_NodeWithoutReplica, DividesReadsOfMoreThanOneEntry) {
  TestCluster cluster({.nodes = 4, .adjust = GroupsOfThree});
  ASSERT_TRUE(cluster.AwaitLeaders());
  ReadLongNames(cluster, 3);
}

// The entry with the read decides whether the keys are due.
TEST_F(CrossSlotTest, DueKeys_AreReadInTheLog) {
  EXPECT_EQ(Do({"MSET", a_, "1", b_, "2", d_, "3"}), "+OK\r\n");
  EXPECT_EQ(Do({"PEXPIRE", b_, "100"}), ":1\r\n");
  EXPECT_EQ(Do({"PEXPIRE", d_, "100"}), ":1\r\n");
  cluster_.world().RunFor(Milliseconds(101));
  EXPECT_EQ(Do({"MGET", a_, b_, d_}), "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n");
  EXPECT_EQ(Do({"EXISTS", a_, b_, d_}), ":1\r\n");
}

// ---- Failures.

// A group refuses its part, and others have executed theirs.
TEST_F(CrossSlotTest, WriteOfWhichAPartWasExecuted_IsUnknown) {
  // Each group gets its preferred leader.
  cluster_.world().RunFor(Seconds(10));
  EXPECT_EQ(Do({"MSET", a_, "1", c_, "2", d_, "3"}), "+OK\r\n");
  const size_t full = cluster_.LeaderOf(GroupId(2));
  ASSERT_NE(full, cluster_.LeaderOf(GroupId(1)));
  EXPECT_EQ(DoAt(full, {"CONFIG", "SET", "maxmemory", "1"}), "+OK\r\n");
  EXPECT_EQ(Do({"MSET", a_, "5", c_, "6"}),
            "-UNKNOWN the keys are in several slots, and the command may have "
            "taken effect for some of them. The first error: OOM command not "
            "allowed when used memory > 'maxmemory'.\r\n");
  EXPECT_EQ(Do({"MGET", a_, c_}), "*2\r\n$1\r\n5\r\n$1\r\n2\r\n");
  // No part was executed.
  EXPECT_EQ(Do({"MSET", c_, "6", KeyOfGroup(2, 5), "7"}),
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  EXPECT_EQ(Do({"DEL", a_, c_}), ":2\r\n");
}

TEST_F(CrossSlotTest, WithoutALeader_NothingIsExecuted) {
  EXPECT_EQ(Do({"MSET", a_, "1", d_, "2"}), "+OK\r\n");
  cluster_.Crash(1);
  cluster_.Crash(2);
  cluster_.world().RunFor(Seconds(3));
  for (const auto& words :
       std::vector<std::vector<std::string_view>>{{"MSET", a_, "5", d_, "6"},
                                                  {"DEL", a_, d_},
                                                  {"MGET", a_, d_},
                                                  {"EXISTS", a_, d_}}) {
    client_->Send(EncodeRequest(words));
    cluster_.world().RunFor(Seconds(4));
    EXPECT_EQ(client_->Take(), "-CLUSTERDOWN Hash slot not served\r\n")
        << words[0];
  }
  cluster_.Restart(1);
  cluster_.Restart(2);
  ASSERT_TRUE(cluster_.AwaitLeaders());
  EXPECT_EQ(Do({"MGET", a_, d_}), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
}

// The leader of one group is lost with the entry.
TEST_F(CrossSlotTest, WriteWithALostPart_IsUnknown) {
  const size_t leader = cluster_.LeaderOf(GroupId(2));
  const size_t other = (leader + 1) % cluster_.size();
  client_ = cluster_.ConnectResp(other);
  EXPECT_EQ(Do({"EXISTS", a_, c_, d_}), ":0\r\n");
  int unknown = 0;
  for (int i = 0; i < 10 && unknown == 0; ++i) {
    client_->Send(EncodeRequest({"MSET", a_, "1", c_, Concat(i), d_, "3"}));
    cluster_.world().RunFor(Microseconds(300 * (i + 1)));
    const size_t now = cluster_.LeaderOf(GroupId(2));
    if (now == cluster_.size() || now == other) break;
    cluster_.Crash(now);
    cluster_.world().RunFor(Seconds(8));
    const std::string reply = client_->Take();
    if (reply.starts_with("-UNKNOWN the keys are in several slots")) {
      ++unknown;
    } else {
      EXPECT_EQ(reply, "+OK\r\n");
    }
    cluster_.Restart(now);
    ASSERT_TRUE(cluster_.AwaitLeaders());
  }
  EXPECT_EQ(unknown, 1);
}

TEST_F(CrossSlotTest, ClosedConnection_LeavesNothingBehind) {
  const std::string value(200 << 10, 'v');
  EXPECT_EQ(Do({"MSET", a_, value, c_, value, d_, value}), "+OK\r\n");
  for (int i = 0; i < 20; ++i) {
    auto client = cluster_.ConnectResp(static_cast<size_t>(i) % 3);
    cluster_.world().RunFor(Milliseconds(10));
    std::string requests;
    for (int j = 0; j < 10; ++j) {
      requests += EncodeRequest({"MGET", a_, c_, d_}) +
                  EncodeRequest({"MSET", a_, "1", d_, "2"}) +
                  EncodeRequest({"MSET", a_, value, d_, value});
    }
    client->Send(requests);
    cluster_.world().RunFor(Microseconds(700 * (i + 1)));
    client->Close();
  }
  cluster_.world().RunFor(Seconds(5));
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(DoAt(node, {"EXISTS", a_, c_, d_}), ":3\r\n");
    EXPECT_EQ(cluster_.server(node).resources().reply_bytes, 0u);
  }
}

// ---- Memory.

TEST_F(CrossSlotTest, RepliesAreBounded) {
  const std::string value(400 << 10, 'v');
  EXPECT_EQ(Do({"MSET", a_, value, c_, value, d_, value}), "+OK\r\n");
  std::vector<std::string_view> words = {"MGET"};
  for (int i = 0; i < 57; ++i) words.insert(words.end(), {a_, c_, d_});
  EXPECT_EQ(Do(words), "-ERR reply is larger than 67108864 bytes\r\n");
  words.resize(1 + 3 * 50);
  client_->Send(EncodeRequest(words));
  std::string expected = Concat("*", 150, "\r\n");
  for (int i = 0; i < 150; ++i) expected += Bulk(value);
  EXPECT_TRUE(Await(cluster_, *client_, expected.size()) == expected);
}

TEST(CrossSlot_OutputBudget, IsAnErrorWhereItIsUsedUp) {
  TestCluster cluster(
      {.nodes = 3, .groups = kGroups, .adjust = [](Config& config) {
         config.limits.output_total_bytes = 2 << 20;
       }});
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto client = cluster.ConnectResp(0);
  const std::string value(1 << 10, 'v');
  const std::string a = KeyOfGroup(1, 1);
  const std::string d = KeyOfGroup(3, 4);
  EXPECT_EQ(cluster.Command(*client, {"MSET", a, value, d, value}), "+OK\r\n");
  std::vector<std::string_view> words = {"MGET"};
  for (int i = 0; i < 2'000; ++i) words.insert(words.end(), {a, d});
  EXPECT_EQ(cluster.Command(*client, words),
            "-ERR the replies of this node reach limits.output_total_bytes; "
            "ask for fewer keys, or try again\r\n");
  words.resize(1 + 2 * 300);
  EXPECT_TRUE(cluster.Command(*client, words).starts_with("*600\r\n"));
}

// A client that does not read its replies.
TEST_F(CrossSlotTest, SlowReader_GetsAllReplies) {
  const std::string value(20 << 10, 'v');
  EXPECT_EQ(Do({"MSET", a_, value, c_, value, d_, "3"}), "+OK\r\n");
  client_->PauseReads();
  std::string requests;
  std::string expected;
  for (int i = 0; i < 800; ++i) {
    requests += EncodeRequest({"MGET", d_, a_, c_}) +
                EncodeRequest({"MSET", d_, Concat(i), b_, Concat(i)});
    expected += Concat("*3\r\n", Bulk(i == 0 ? "3" : Concat(i - 1)),
                       Bulk(value), Bulk(value), "+OK\r\n");
  }
  client_->Send(requests);
  cluster_.world().RunFor(Seconds(2));
  EXPECT_LT(cluster_.server(0).resources().reply_bytes,
            cluster_.config(0).bounds.output_buffer_bytes);
  client_->ResumeReads();
  EXPECT_TRUE(Await(cluster_, *client_, expected.size()) == expected);
}

}  // namespace
}  // namespace quorate::node
