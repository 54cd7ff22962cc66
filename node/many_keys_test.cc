// Commands and transactions of many keys: writes of too many are refused, and
// all others take turns whose work is bounded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/testing/test_cluster.h"
#include "node/testing/turn_work_fixture.h"

namespace quorate::node {
namespace {

// Commands with the most keys that are allowed.
class ManyKeysTest : public TurnWorkFixture {
 protected:
  ManyKeysTest() {
    for (size_t i = 0; i <= kv::kEntryKeysMax; ++i) {
      keys_.push_back(Concat("{s}", i));
    }
  }

  std::string Request(std::string_view name, size_t keys) const {
    std::vector<std::string_view> words = {name};
    for (size_t i = 0; i < keys; ++i) {
      words.push_back(keys_[i]);
      if (name.starts_with("MSET")) words.push_back("v");
    }
    return EncodeRequest(words);
  }
  int64_t ProposedCommands() {
    return cluster_.Metric(0, "quorate_proposed_commands_total{group=\"1\"}");
  }

  std::vector<std::string> keys_;
};

TEST_F(ManyKeysTest, Writes_OfMoreKeysThanATurnTakes_AreRefused) {
  for (const char* name : {"DEL", "UNLINK", "MSET", "MSETNX"}) {
    EXPECT_EQ(cluster_.Call(*client_, Request(name, kv::kEntryKeysMax + 1)),
              "-ERR a command writes at most 10000 keys\r\n")
        << name;
  }
  EXPECT_EQ(cluster_.Call(*client_, Request("EXISTS", kv::kEntryKeysMax + 1)),
            ":0\r\n");
  EXPECT_EQ(cluster_.Call(*client_, Request("MSET", kv::kEntryKeysMax)),
            "+OK\r\n");
  EXPECT_EQ(cluster_.Call(*client_, Request("DEL", kv::kEntryKeysMax)),
            Concat(":", kv::kEntryKeysMax, "\r\n"));
}

TEST_F(ManyKeysTest, Transactions_CountTheKeysOfAllTheirCommands) {
  const std::string half = Request("DEL", kv::kEntryKeysMax / 2);
  const std::string most =
      EncodeRequest({"MULTI"}) + half + half + EncodeRequest({"EXEC"});
  EXPECT_EQ(cluster_.Call(*client_, most, 4),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:0\r\n:0\r\n");
  // Reads count, too. No key of an earlier transaction does.
  EXPECT_EQ(cluster_.Call(*client_,
                          EncodeRequest({"MULTI"}) + half + half +
                              EncodeRequest({"GET", "{s}1"}) +
                              EncodeRequest({"SET", "{s}1", "v"}) +
                              EncodeRequest({"EXEC"}),
                          6),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n"
            "-ERR a transaction names at most 10000 keys\r\n"
            "-ERR a transaction names at most 10000 keys\r\n"
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

// An EXEC of a few bytes does the work of all its commands.
TEST_F(ManyKeysTest, TransactionsOfManyConnections_ShareTurns) {
  constexpr size_t kNamed = kv::kEntryKeysMax / 2;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(cluster_.ConnectResp(0));
    EXPECT_EQ(
        cluster_.Call(*clients.back(),
                      EncodeRequest({"MULTI"}) + Request("EXISTS", kNamed), 2),
        "+OK\r\n+QUEUED\r\n");
  }
  int64_t before = ProposedCommands();
  int64_t most = 0;  // The transactions that one turn proposed.
  cluster_.world().SetStepHook([&](sim::MachineId machine) {
    if (machine != cluster_.machine(0)) return;
    const int64_t now = ProposedCommands();
    most = std::max(most, now - std::exchange(before, now));
  });
  for (auto& client : clients) client->Send(EncodeRequest({"EXEC"}));
  for (auto& client : clients) {
    EXPECT_EQ(cluster_.Call(*client, ""), "*1\r\n:0\r\n");
  }
  cluster_.world().SetStepHook(nullptr);
  EXPECT_EQ(most, 1);
  ExpectBounded(TurnWork::kRequest + 1 + kNamed * TurnWork::kExecArgument);
}

TEST_F(ManyKeysTest, ReadOfManyKeysBehindAWrite_NeedsNoEntry) {
  // The commands that were proposed for a write and a read of so many keys.
  const auto proposed = [&](size_t keys) {
    const int64_t before = ProposedCommands();
    EXPECT_EQ(
        cluster_.Call(
            *client_,
            EncodeRequest({"SET", "{s}1", "v"}) + Request("EXISTS", keys), 2),
        "+OK\r\n:1\r\n");
    return ProposedCommands() - before;
  };
  EXPECT_EQ(proposed(2), 2);
  EXPECT_EQ(proposed(kv::kEntryKeysMax + 1), 1);
}

// The size of each value is looked up before a read enters an entry, in each
// attempt. A read of more keys than an entry takes waits without lookups.
TEST_F(ManyKeysTest, ReadOfManyKeysBehindAWrite_CountsItsLookups) {
  // Short lines: both requests arrive at once.
  const auto longest = [&](size_t keys) {
    std::string requests = "SET k v\r\nMGET";
    for (size_t i = 0; i < keys; ++i) requests += " k";
    const std::string reply = cluster_.Call(*client_, requests + "\r\n", 2);
    EXPECT_TRUE(reply.starts_with(Concat("+OK\r\n*", keys, "\r\n$1\r\nv")));
    return cluster_.server(0).resources().longest_turn_work;
  };
  EXPECT_LT(longest(kv::kEntryKeysMax + 1), 2 * kv::kEntryKeysMax);
  EXPECT_GE(longest(kv::kEntryKeysMax), 2 * kv::kEntryKeysMax);
}

// The turns of all nodes are counted: followers apply the same entries.
TEST_F(ManyKeysTest, Pipelines_ChangeABoundedNumberOfKeysInATurn) {
  std::vector<uint64_t> before(3);
  uint64_t most = 0;
  cluster_.world().SetStepHook([&](sim::MachineId machine) {
    for (size_t i = 0; i < before.size(); ++i) {
      if (machine != cluster_.machine(i)) continue;
      uint64_t keys = 0;
      for (const GroupId group : cluster_.server(i).host().groups()) {
        const kv::Store* const store = cluster_.server(i).store(group);
        if (store != nullptr) keys += store->key_count();
      }
      const uint64_t old = std::exchange(before[i], keys);
      most = std::max(most, keys > old ? keys - old : old - keys);
    }
  });
  std::string requests;
  for (int i = 0; i < 5; ++i) {
    requests += Request("MSET", kv::kEntryKeysMax);
    requests += Request("DEL", kv::kEntryKeysMax);
  }
  cluster_.Call(*client_, requests, 10);
  cluster_.world().SetStepHook(nullptr);
  EXPECT_EQ(most, kv::kEntryKeysMax);
  ExpectBounded(TurnWork::kRequest + 2 * kv::kEntryKeysMax + 1);
}

}  // namespace
}  // namespace quorate::node
