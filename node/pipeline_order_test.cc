// The order of a connection's commands in the simulated world: no write
// overtakes an earlier one, and no read goes back.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

TEST(Order, ReadsDuringOtherWrites_NeverGoBack) {
  TestCluster cluster({.nodes = 3, .seed = 45});
  ASSERT_TRUE(cluster.AwaitLeaders());
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto reader = cluster.ConnectResp(leader);
  auto writer = cluster.ConnectResp(leader);
  for (int i = 0; i < 2000; ++i) {
    writer->Send(EncodeRequest({"INCR", "n"}));
    if (i % 20 == 0) reader->Send(EncodeRequest({"SET", "x", "1"}));
    reader->Send(EncodeRequest({"GETRANGE", "n", "0", "-1"}));
    cluster.world().RunFor(Microseconds(25));
  }
  cluster.world().RunFor(Seconds(1));
  const std::string replies = reader->Take();
  int last = 0;
  int reads = 0;
  for (size_t at = 0; at < replies.size();) {
    const size_t size = ReplySize(std::string_view(replies).substr(at));
    ASSERT_GT(size, 0u);
    const std::string reply = replies.substr(at, size);
    at += size;
    if (reply[0] != '$') continue;
    const int value = std::atoi(reply.c_str() + reply.find('\n') + 1);
    EXPECT_GE(value, last) << "read " << reads;
    last = value;
    ++reads;
  }
  EXPECT_EQ(reads, 2000);
}

void ShortProxy(Config& config) { config.timeouts.proxy = Seconds(3); }

// Followers answer heartbeats, and their disks store nothing. The leader leads
// on, and its clients must not wait without end.
TEST(Order, MajorityOfDisksHangs_EachRequestHasOneAnswerInTime) {
  TestCluster cluster({.nodes = 3, .seed = 7, .adjust = ShortProxy});
  ASSERT_TRUE(cluster.AwaitLeaders());
  sim::World& world = cluster.world();
  const size_t leader = cluster.LeaderOf(GroupId(1));
  auto client = cluster.ConnectResp(leader);
  auto other = cluster.ConnectResp((leader + 1) % 3);
  ASSERT_EQ(cluster.Command(*client, {"SET", "k", "0"}), "+OK\r\n");
  ASSERT_EQ(cluster.Command(*other, {"GET", "k"}), "$1\r\n0\r\n");
  const sim::SimTime healed = world.now() + Seconds(20);
  for (const size_t node : {(leader + 1) % 3, (leader + 2) % 3}) {
    world.StallDisk(cluster.machine(node), healed);
  }
  client->Send(EncodeRequest({"SET", "k", "1"}) + EncodeRequest({"GET", "k"}));
  other->Send(EncodeRequest({"SET", "k", "2"}));
  // More than the entries that may be in flight, so the last ones wait.
  std::vector<std::unique_ptr<TestClient>> many;
  for (int i = 0; i < 300; ++i) {
    many.push_back(cluster.ConnectResp(leader));
    many.back()->Send(EncodeRequest({"INCR", "n"}));
    world.RunFor(Milliseconds(1));
  }
  world.RunFor(Seconds(2));
  EXPECT_EQ(client->received(), "");
  world.RunFor(Seconds(5));
  ASSERT_EQ(cluster.LeaderOf(GroupId(1)), leader);
  EXPECT_TRUE(client->received().starts_with("-UNKNOWN ")) << client->Take();
  EXPECT_TRUE(
      client->Take().ends_with("-CLUSTERDOWN Hash slot not served\r\n"));
  EXPECT_TRUE(other->Take().starts_with("-UNKNOWN "));
  size_t unknown = 0;
  size_t refused = 0;
  for (auto& one : many) {
    const std::string reply = one->Take();
    unknown += reply.starts_with("-UNKNOWN ") ? 1 : 0;
    refused += reply.starts_with("-CLUSTERDOWN ") ? 1 : 0;
  }
  EXPECT_EQ(unknown + refused, many.size());
  // After its outcome is unknown, a read of the connection waits for it.
  client->Send(EncodeRequest({"GET", "k"}));
  world.RunFor(Seconds(1));
  EXPECT_EQ(client->received(), "");
  world.RunUntil(healed + Seconds(3));
  EXPECT_EQ(client->Take(), "-CLUSTERDOWN Hash slot not served\r\n");
  EXPECT_EQ(other->received(), "");
  // All that was proposed took effect, and no counter is left.
  const std::string count = cluster.Command(*other, {"GET", "n"});
  EXPECT_EQ(count, Concat("$", std::to_string(unknown).size(), "\r\n", unknown,
                          "\r\n"));
  EXPECT_EQ(cluster.Command(*client, {"SET", "k", "3"}), "+OK\r\n");
  EXPECT_EQ(cluster.Command(*client, {"GET", "k"}), "$1\r\n3\r\n");
  const std::string page = cluster.server(leader).MetricsText();
  for (const std::string_view gauge :
       {"quorate_proposals_pending", "quorate_held_requests"}) {
    const size_t at = page.find(Concat("\n", gauge, "{"));
    ASSERT_NE(at, std::string::npos) << gauge;
    const std::string line = page.substr(at + 1, page.find('\n', at + 1) - at);
    EXPECT_TRUE(line.ends_with(" 0\n")) << line;
  }
}

// An old leader returns a write as not executed after a later write of its
// connection went to the new leader.
TEST(Order, LeaderLost_NoWriteOvertakesAnEarlierOne) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    TestCluster cluster({.nodes = 3, .seed = seed});
    ASSERT_TRUE(cluster.AwaitLeaders());
    sim::World& world = cluster.world();
    const size_t old = cluster.LeaderOf(GroupId(1));
    auto client = cluster.ConnectResp(old);
    for (const size_t other : {(old + 1) % 3, (old + 2) % 3}) {
      world.BlockLink(cluster.machine(old), cluster.machine(other));
      world.BlockLink(cluster.machine(other), cluster.machine(old));
    }
    client->Send(EncodeRequest({"SET", "k", "1"}));
    const raft::Core& core =
        *std::as_const(cluster.server(old)).host().core(GroupId(1));
    ASSERT_TRUE(world.RunUntilTrue(
        [&] {
          const size_t leader = cluster.LeaderOf(GroupId(1));
          return leader != old && leader != cluster.size() &&
                 core.role() != raft::RoleKind::kLeader;
        },
        Seconds(5)));
    ASSERT_EQ(client->received(), "");
    client->Send(EncodeRequest({"SET", "k", "2"}));
    world.HealNetwork();
    world.RunFor(Seconds(3));
    const std::string replies = client->Take();
    EXPECT_TRUE(replies.ends_with("+OK\r\n")) << replies;
    EXPECT_EQ(cluster.Command(*client, {"GET", "k"}), "$1\r\n2\r\n")
        << "seed " << seed << ": " << replies;
  }
}

// A follower forwarded a SET and reported it as unknown, since its stream to
// the leader hung; the bytes are still on their way. Then the client sends
// `next` on the same connection. Calls check(reply to `next`, reply to GET)
// with ten seeds.
void SendAfterADelayedWrite(
    std::string_view next,
    absl::FunctionRef<void(const std::string&, const std::string&)> check) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    TestCluster cluster(
        {.nodes = 3, .seed = seed, .adjust = [](Config& config) {
           config.timeouts.proxy = Milliseconds(100);
         }});
    ASSERT_TRUE(cluster.AwaitLeaders());
    const size_t leader = cluster.LeaderOf(GroupId(1));
    const size_t follower = (leader + 1) % 3;
    auto client = cluster.ConnectResp(follower);
    sim::World& world = cluster.world();
    EXPECT_EQ(cluster.Command(*client, {"SET", "k", "0"}), "+OK\r\n");
    world.BlockLink(cluster.machine(follower), cluster.machine(leader));
    client->Send(EncodeRequest({"SET", "k", "1"}));
    world.RunFor(Milliseconds(120));
    EXPECT_TRUE(client->Take().starts_with("-UNKNOWN "));
    // A stream retries at growing intervals, so a new message overtakes the
    // delayed one.
    world.RunFor(Seconds(2));
    world.HealNetwork();
    client->Send(next);
    world.RunFor(Seconds(3));
    const std::string reply = client->Take();
    check(reply, cluster.Command(*client, {"GET", "k"}));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Order, DelayedBatch_DoesNotUndoALaterOne) {
  SendAfterADelayedWrite(
      EncodeRequest({"SET", "k", "2"}),
      [](const std::string& reply, const std::string& value) {
        ASSERT_EQ(reply, "+OK\r\n");
        EXPECT_EQ(value, "$1\r\n2\r\n");
      });
}

TEST(Order, DelayedBatch_DoesNotTakeEffectAfterALaterRead) {
  SendAfterADelayedWrite(
      EncodeRequest({"GET", "k"}),
      [](const std::string& reply, const std::string& value) {
        ASSERT_TRUE(reply.starts_with("$1\r\n")) << reply;
        EXPECT_EQ(value, reply);
      });
}

// The first read observes a due key, so it needs an entry of the log; the
// second does not.
TEST(Order, ReadThatNeedsTheLog_IsNotOvertakenByTheNext) {
  TestCluster cluster;
  ASSERT_TRUE(cluster.AwaitLeaders());
  auto reader = cluster.ConnectResp(0);
  auto writer = cluster.ConnectResp(0);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(cluster.Command(*writer, {"SET", "k", "due", "PX", "1"}),
              "+OK\r\n");
    ASSERT_EQ(cluster.Command(*writer, {"SET", "n", "old"}), "+OK\r\n");
    cluster.world().RunFor(Milliseconds(30));
    writer->Send(EncodeRequest({"SET", "n", "new"}) +
                 EncodeRequest({"SET", "k", "set"}));
    cluster.world().RunFor(Microseconds(10 * i));
    reader->Send(EncodeRequest({"GET", "k"}) + EncodeRequest({"GET", "n"}));
    cluster.world().RunFor(Milliseconds(100));
    writer->Take();
    // A client that observed the second write must observe the first.
    EXPECT_NE(reader->Take(), "$3\r\nset\r\n$3\r\nold\r\n") << "step " << i;
  }
}

// Checks replies to reads of n and k. Each number is written to n first and
// then to k. Values of n therefore never fall, and are never below a value of k
// that was read before.
void ExpectNoReadGoesBack(std::string_view replies, std::string_view pattern,
                          int reads, std::string_view where) {
  int last = 0;
  int seen = 0;
  for (size_t at = 0; at < replies.size(); ++seen) {
    const size_t size = ReplySize(replies.substr(at));
    ASSERT_GT(size, 0u);
    const std::string reply(replies.substr(at, size));
    at += size;
    if (reply[0] != '$') continue;
    const int value = std::atoi(reply.c_str() + reply.find('\n') + 1);
    if (pattern[static_cast<size_t>(seen) % pattern.size()] == 'n') {
      EXPECT_GE(value, last) << where << ", read " << seen;
    }
    last = std::max(last, value);
  }
  EXPECT_EQ(seen, reads) << where;
}

// Reads after writes, and reads of due keys, go through the log; other reads do
// not. At a follower, messages of the group arrive later than the leader's
// answers, or never, so that read rounds fail.
TEST(Order, ReadsInsideAndOutsideTheLog_NeverGoBack) {
  constexpr std::string_view kPattern = "wknnknn";
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    TestCluster cluster({.nodes = 3, .seed = seed});
    ASSERT_TRUE(cluster.AwaitLeaders());
    sim::World& world = cluster.world();
    world.network_options().jitter = {1, 2};
    world.network_options().loss = {static_cast<uint32_t>(seed % 3), 10};
    const size_t leader = cluster.LeaderOf(GroupId(1));
    auto reader = cluster.ConnectResp((leader + seed % 2) % 3);
    auto writer = cluster.ConnectResp(leader);
    int sent = 0;
    for (int i = 1; i <= 100; ++i) {
      const std::string number = Concat(i);
      writer->Send(EncodeRequest({"SET", "n", number}) +
                   EncodeRequest({"SET", "k", number, "PX", "1"}));
      for (int j = 0; j < 20; ++j, ++sent) {
        const char what = kPattern[static_cast<size_t>(sent) % kPattern.size()];
        if (what == 'w') {
          reader->Send(EncodeRequest({"SET", "x", "1"}));
        } else {
          reader->Send(EncodeRequest({"GET", std::string(1, what)}));
        }
        world.RunFor(Microseconds(50 + 20 * (i % 20)));
      }
    }
    // An answer that was lost ends after timeouts.proxy_ms.
    world.RunFor(Seconds(1000));
    ExpectNoReadGoesBack(reader->Take(), kPattern, sent, Concat("seed ", seed));
  }
}

// A read of a due key at a forwarding follower: the second read arrives while
// the first waits for its read point. With `cut`, the link to the leader is
// cut, no read point comes, and both reads are in the next round.
void ExpectDueReadIsNotOvertaken(bool cut, uint64_t seeds) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    TestCluster cluster({.nodes = 3, .seed = seed});
    ASSERT_TRUE(cluster.AwaitLeaders());
    sim::World& world = cluster.world();
    const size_t leader = cluster.LeaderOf(GroupId(1));
    const size_t follower = (leader + 1) % 3;
    auto reader = cluster.ConnectResp(follower);
    auto writer = cluster.ConnectResp(leader);
    ASSERT_EQ(cluster.Command(*writer, {"SET", "k", "due", "PX", "1"}),
              "+OK\r\n");
    ASSERT_EQ(cluster.Command(*writer, {"SET", "n", "old"}), "+OK\r\n");
    world.RunFor(Milliseconds(100));
    const auto sum = [&](std::string_view name) {
      const int64_t value =
          cluster.Metric(follower, Concat(name, "{group=\"1\"}"));
      EXPECT_GE(value, 0) << name;
      return value;
    };
    const int64_t rounds = sum("quorate_read_rounds_total");
    if (cut) {
      world.BlockLink(cluster.machine(follower), cluster.machine(leader));
    } else {
      world.network_options().jitter = {1, 2};
      world.network_options().jitter_max = Milliseconds(20);
    }
    reader->Send(EncodeRequest({"GET", "k"}));
    world.RunFor(Microseconds(150));
    reader->Send(EncodeRequest({"GET", "n"}));
    if (cut) {
      ASSERT_TRUE(world.RunUntilTrue(
          [&] { return sum("quorate_read_rounds_failed_total") > 0; },
          Seconds(1)));
      world.HealNetwork();
    }
    world.RunUntilTrue(
        [&] { return sum("quorate_read_rounds_total") == rounds + 2; },
        Milliseconds(50));
    world.RunFor(Microseconds(10 * (seed % 25)));
    writer->Send(EncodeRequest({"SET", "n", "new"}) +
                 EncodeRequest({"SET", "k", "set"}));
    world.RunFor(Seconds(1));
    const std::string replies = reader->Take();
    EXPECT_TRUE(replies.starts_with("$")) << replies;
    EXPECT_NE(replies, "$3\r\nset\r\n$3\r\nold\r\n") << "seed " << seed;
  }
}

TEST(Order, ReadThatNeedsTheLog_IsNotOvertakenByOneThatWaited) {
  ExpectDueReadIsNotOvertaken(false, 25);
}

TEST(Order, ReadThatNeedsTheLogLater_IsNotOvertakenByTheNext) {
  ExpectDueReadIsNotOvertaken(true, 25);
}

}  // namespace
}  // namespace quorate::node
