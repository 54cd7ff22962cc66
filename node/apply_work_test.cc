// The work of applying entries is bounded in each step of a turn, however much
// a short command does to a long value.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "kv/store/work.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"
#include "raft/host/host.h"

namespace quorate::node {
namespace {

constexpr size_t kLongValue = 400'000;

// Values are long, so commands of a few bytes take much work.
class ApplyWorkTest : public ::testing::Test {
 protected:
  explicit ApplyWorkTest(void (*adjust)(Config&) = nullptr)
      : cluster_({.nodes = 3, .adjust = adjust}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    for (size_t i = 0; i < 3; ++i) {
      clients_.push_back(cluster_.ConnectResp(i));
    }
    for (int i = 0; i < kLongKeys; ++i) {
      MakeLong(Concat("{k}", i));
    }
    Settle();
  }

  void MakeLong(std::string_view key) {
    EXPECT_EQ(cluster_.Command(*clients_[0],
                               {"SETRANGE", key, Concat(kLongValue - 1), "x"}),
              Concat(":", kLongValue, "\r\n"));
  }
  void Settle() { cluster_.world().RunFor(Seconds(1)); }
  uint64_t longest() {
    uint64_t longest = 0;
    for (size_t i = 0; i < 3; ++i) {
      longest =
          std::max(longest, cluster_.server(i).resources().longest_apply_work);
    }
    return longest;
  }
  // A single command may exceed the bounds.
  void ExpectBounded() {
    EXPECT_LE(longest(), raft::HostLimits().turn_apply_work_max +
                             kv::WorkOf(kLongValue, kLongValue));
  }
  // Sends many commands at once, and expects that all succeed.
  void Pipeline(TestClient& client, std::vector<std::string_view> words) {
    std::string requests;
    for (int i = 0; i < 500; ++i) requests += EncodeRequest(words);
    const std::string replies = cluster_.Call(client, requests, 500);
    EXPECT_EQ(replies.find('-'), std::string::npos) << words[0];
  }

  static constexpr int kLongKeys = 12;
  TestCluster cluster_;
  std::vector<std::unique_ptr<TestClient>> clients_;
};

TEST_F(ApplyWorkTest, PipelinesOnALongValue_AreAppliedInPieces) {
  for (auto& client : clients_) {
    Pipeline(*client, {"APPEND", "{k}0", "x"});
    Pipeline(*client, {"SETRANGE", "{k}1", "5", "hello"});
    Pipeline(*client, {"SETBIT", "{k}2", "77", "1"});
  }
  Settle();
  ExpectBounded();
}

// The value is long before the entries are applied that say so.
TEST_F(ApplyWorkTest, ValueThatBecomesLong_CountsAtOnce) {
  std::string requests =
      EncodeRequest({"SETRANGE", "{k}new", Concat(kLongValue), "x"});
  for (int i = 0; i < 500; ++i) {
    requests += EncodeRequest({"SETBIT", "{k}new", "7", "1"});
  }
  cluster_.Call(*clients_[0], requests, 501);
  Settle();
  ExpectBounded();
}

TEST_F(ApplyWorkTest, LargeReadBehindAWrite_NeedsNoEntry) {
  std::vector<std::string> keys;
  for (int i = 0; i < kLongKeys; ++i) keys.push_back(Concat("{k}", i));
  std::vector<std::string_view> words = {"MGET"};
  words.insert(words.end(), keys.begin(), keys.end());
  for (auto& client : clients_) {
    const std::string replies = cluster_.Call(
        *client, EncodeRequest({"SET", "{k}small", "v"}) + EncodeRequest(words),
        2);
    EXPECT_TRUE(replies.starts_with(Concat("+OK\r\n*", kLongKeys, "\r\n")));
    EXPECT_GT(replies.size(), kLongKeys * kLongValue);
  }
  Settle();
  ExpectBounded();
}

// A flush of all slots takes long, however few keys they have.
TEST_F(ApplyWorkTest, Flush_IsAppliedInPieces) {
  for (int i = 0; i < 300; ++i) {
    cluster_.Command(*clients_[0], {"SET", Concat("key", i), "v"});
  }
  Settle();
  const auto applied = [&] {
    return cluster_.server(0).store(GroupId(1))->applied_index().value();
  };
  const uint64_t before = applied();
  EXPECT_EQ(cluster_.Command(*clients_[0], {"FLUSHALL"}), "+OK\r\n");
  EXPECT_GE(applied(), before + 8);
  EXPECT_EQ(cluster_.Command(*clients_[1], {"DBSIZE"}), ":0\r\n");
  Settle();
  ExpectBounded();
}

TEST_F(ApplyWorkTest, LargeTransaction_IsRefusedAsAWhole) {
  const auto transaction = [&](TestClient& client, int gets,
                               std::string_view key) {
    std::string requests = EncodeRequest({"MULTI"});
    requests += EncodeRequest({"SET", "{k}done", key});
    for (int i = 0; i < gets; ++i) requests += EncodeRequest({"GET", "{k}0"});
    requests += EncodeRequest({"EXEC"});
    const std::string replies =
        cluster_.Call(client, requests, static_cast<size_t>(gets) + 3);
    return replies.substr(replies.rfind("+QUEUED\r\n") + 9, 60);
  };
  for (auto& client : clients_) {
    EXPECT_EQ(transaction(*client, 6, "large"),
              "-EXECABORT Transaction discarded because of: ERR its command");
    EXPECT_EQ(cluster_.Command(*client, {"GET", "{k}done"}), "$-1\r\n");
  }
  for (auto& client : clients_) {
    EXPECT_TRUE(transaction(*client, 5, "small").starts_with("*6\r\n+OK"));
    EXPECT_EQ(cluster_.Command(*client, {"GET", "{k}done"}), "$5\r\nsmall\r\n");
  }
  // It makes its value long itself.
  std::string requests = EncodeRequest({"MULTI"});
  requests += EncodeRequest({"SETRANGE", "{k}new", Concat(kLongValue), "x"});
  for (int i = 0; i < 40; ++i) {
    requests += EncodeRequest({"SETBIT", "{k}new", "7", "1"});
  }
  const std::string replies =
      cluster_.Call(*clients_[0], requests + EncodeRequest({"EXEC"}), 43);
  EXPECT_NE(replies.find("-EXECABORT"), std::string::npos);
  EXPECT_EQ(cluster_.Command(*clients_[0], {"EXISTS", "{k}new"}), ":0\r\n");
}

// Only the values of a transaction's own keys count, whatever is under way.
TEST_F(ApplyWorkTest, SmallTransactionBesideLongWrites_IsExecuted) {
  constexpr int kGets = 200;
  const size_t leader = cluster_.LeaderOf(GroupId(1));
  const std::string value(15'000, 'w');
  std::vector<std::unique_ptr<TestClient>> writers;
  for (int i = 0; i < 3; ++i) writers.push_back(cluster_.ConnectResp(leader));
  auto client = cluster_.ConnectResp(leader);
  std::string reads;
  std::string expected = Concat("*", kGets, "\r\n");
  for (int i = 0; i < kGets; ++i) {
    const std::string key = Concat("{k}s", i);
    EXPECT_EQ(cluster_.Command(*client, {"SET", key, "tiny"}), "+OK\r\n");
    reads += EncodeRequest({"GET", key});
    expected += "$4\r\ntiny\r\n";
  }
  for (int round = 0; round < 10; ++round) {
    for (size_t i = 0; i < writers.size(); ++i) {
      const std::string write =
          EncodeRequest({"SET", Concat("{k}big", i), value});
      for (int k = 0; k < 10; ++k) writers[i]->Send(write);
    }
    const std::string replies = cluster_.Call(
        *client, EncodeRequest({"MULTI"}) + reads + EncodeRequest({"EXEC"}),
        kGets + 2);
    EXPECT_TRUE(replies.ends_with(expected))
        << replies.substr(replies.rfind("+QUEUED\r\n") + 9, 100);
  }
}

// A transaction that may be too large waits for the writes before it, and is
// decided by the values that they leave.
TEST_F(ApplyWorkTest, TransactionBehindWritesOfItsKeys_IsDecidedByTheirValues) {
  constexpr int kChanges = 12;
  const std::string value(kLongValue, 'v');
  for (size_t node = 0; node < clients_.size(); ++node) {
    // The reply to EXEC of changes of the key that `write` names.
    const auto exec_behind = [&](const std::vector<std::string_view>& write) {
      std::string requests = EncodeRequest(write) + EncodeRequest({"MULTI"});
      for (int i = 0; i < kChanges; ++i) {
        requests += EncodeRequest({"SETBIT", write[1], "6", "0"});
      }
      const std::string replies = cluster_.Call(
          *clients_[node], requests + EncodeRequest({"EXEC"}), kChanges + 3);
      return replies.substr(replies.rfind("+QUEUED\r\n") + 9, 40);
    };
    EXPECT_TRUE(
        exec_behind({"DEL", Concat("{k}", node)}).starts_with("*12\r\n"));
    EXPECT_TRUE(exec_behind({"SET", Concat("{k}", 3 + node), "v"})
                    .starts_with("*12\r\n"));
    const std::string key = Concat("{k}new", node);
    EXPECT_TRUE(exec_behind({"SET", key, value}).starts_with("-EXECABORT"));
    EXPECT_EQ(cluster_.Command(*clients_[node], {"STRLEN", key}),
              Concat(":", kLongValue, "\r\n"));
  }
  Settle();
  ExpectBounded();
}

// Without the bounds the tests above would fail.
class UnboundedApplyWorkTest : public ApplyWorkTest {
 protected:
  UnboundedApplyWorkTest()
      : ApplyWorkTest([](Config& config) {
          config.bounds.entry_work = std::numeric_limits<size_t>::max();
        }) {}
};

TEST_F(UnboundedApplyWorkTest, OneEntryTakesLong) {
  Pipeline(*clients_[0], {"SETBIT", "{k}2", "77", "1"});
  EXPECT_GT(longest(), 20 * cluster_.config(0).host.core.apply_bytes_max);
}

}  // namespace
}  // namespace quorate::node
