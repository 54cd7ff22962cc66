// A group without its majority is to go on from one node, and that node dies
// before it does. The old members that come back meanwhile confirm nothing that
// is lost later.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kv/slots/slot.h"
#include "node/base/text.h"
#include "node/testing/operated_cluster.h"
#include "node/testing/test_cluster.h"
#include "raft/host/host.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"

namespace quorate::node {
namespace {

// Positions of nodes 4, 5 and 6, whose group it is. The majority of the
// controller is on others.
constexpr size_t kFirst = 3;
constexpr size_t kSecond = 4;
constexpr size_t kChosen = 5;

class HeldReplicasTest : public OperatedCluster {
 protected:
  // Nodes 4 and 5 are gone, and the controller knows.
  void LoseMajority(uint64_t seed = 1) {
    Begin({.nodes = 6, .groups = 4, .replicas = 3, .seed = seed});
    ASSERT_TRUE(AwaitAddresses(6)) << last_.dump(1);
    ASSERT_TRUE(Await("/v1/groups", [&](const Json& answer) {
      for (const Json& group : answer["groups"]) {
        if (group["voters"] != Json({4, 5, 6})) continue;
        group_ = GroupId(group["id"].get<uint32_t>());
      }
      return group_ != GroupId();
    })) << last_.dump(1);
    key_ = KeyOfTheGroup();
    ASSERT_TRUE(Increment(0));
    cluster_->world().RunFor(Seconds(2));  // All replicas have it.
    for (const size_t n : {kFirst, kSecond}) {
      cluster_->Crash(n, sim::CrashKind::kMachine);
    }
    std::string why;
    for (int i = 0; i < 100; ++i) {
      why = Recover("").second["error"]["message"];
      if (absl::StrContains(why, "Nothing has changed")) break;
      cluster_->world().RunFor(Milliseconds(200));
    }
    ASSERT_TRUE(absl::StrContains(why, "would go on from node 6")) << why;
  }
  std::string KeyOfTheGroup() {
    const shardctrl::ClusterState& state = StateOn(0);
    for (int i = 0;; ++i) {
      const std::string key = absl::StrCat("k", i);
      for (const shardctrl::AssignedRun& run : state.slots) {
        const Slot slot = kv::HashSlot(key);
        if (run.group == group_ && run.slots.first <= slot &&
            slot <= run.slots.last) {
          return key;
        }
      }
    }
  }
  std::pair<int, Json> Recover(std::string_view body) {
    return Ask(0, "POST", Concat("/v1/groups/", group_, "/recover"), body);
  }
  // Returns at the moment when the wish is in the controller's log. The chosen
  // node has not heard of it.
  std::unique_ptr<TestClient> Wish() {
    auto client = cluster_->ConnectAdmin(0);
    constexpr std::string_view kBody = "{\"accept_loss\": true}";
    client->Send(Concat("POST /v1/groups/", group_,
                        "/recover HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: close\r\nContent-Length: ",
                        kBody.size(), "\r\n\r\n", kBody));
    EXPECT_TRUE(RunUntil([&] {
      for (size_t n = 0; n < 3; ++n) {
        if (StateOn(n).FindGroup(group_)->recovery.has_value()) return true;
      }
      return false;
    }));
    EXPECT_EQ(Generation(kChosen), 0u);
    return client;
  }
  void WishAndLoseTheChosenNode() {
    auto client = Wish();
    cluster_->Crash(kChosen, sim::CrashKind::kMachine);
    RunUntil([&] { return client->closed(); });
    EXPECT_TRUE(client->Take().starts_with("HTTP/1.1 200 "));
  }
  void RestartOldVoters() {
    for (const size_t n : {kFirst, kSecond}) cluster_->Restart(n);
  }
  bool AwaitThreeVoters() {
    return Await(Concat("/v1/groups/", group_), [](const Json& row) {
      return row["settled"] == true && row["voters"].size() == 3;
    });
  }
  // It hears the controller before it hears the other members of the group.
  void RestartTheChosenNode() {
    CutChosen(true);
    cluster_->Restart(kChosen);
    RunUntil([&] {
      return host(kChosen).core(group_) != nullptr && Generation(kChosen) > 0;
    });
    CutChosen(false);
  }
  void CutChosen(bool cut) {
    for (const size_t n : {kFirst, kSecond}) CutBetween(kChosen, n, cut);
  }
  // Its voters are on the first three nodes.
  void CutFromTheController(size_t node, bool cut) {
    for (size_t other = 0; other < 3; ++other) CutBetween(node, other, cut);
  }
  bool IsHeld(size_t node) {
    const raft::Core* const core = host(node).core(group_);
    return core != nullptr && core->held();
  }
  uint64_t Generation(size_t node) {
    return host(node).core(group_)->configuration().generation;
  }
  // True: the write is confirmed.
  bool Increment(size_t node) {
    auto client = cluster_->ConnectResp(node);
    if (!client->connected()) return false;
    const std::string answer = cluster_->Command(*client, {"INCR", key_});
    const bool confirmed = answer.starts_with(":");
    confirmed_ += confirmed ? 1 : 0;
    sent_ += 1;
    return confirmed;
  }
  // Clients write at all nodes that are up.
  void WriteFor(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (const size_t n : {size_t{0}, kFirst, kSecond}) Increment(n);
      cluster_->world().RunFor(Milliseconds(50));
    }
  }
  // Each confirmed write counts.
  void ExpectNothingLost() {
    auto client = cluster_->ConnectResp(0);
    int64_t value = 0;
    for (int i = 0; i < 50; ++i) {
      const std::string answer = cluster_->Command(*client, {"GET", key_});
      const size_t end = answer.find("\r\n");
      if (answer.starts_with("$") &&
          absl::SimpleAtoi(answer.substr(end + 2, answer.size() - end - 4),
                           &value)) {
        break;
      }
      cluster_->world().RunFor(Milliseconds(200));
    }
    EXPECT_GE(value, confirmed_);
    EXPECT_LE(value, sent_);
  }

  GroupId group_;
  std::string key_;
  int64_t confirmed_ = 0;
  int64_t sent_ = 0;
};

TEST_F(HeldReplicasTest, OldMajorityThatComesBack_ConfirmsNothingThatIsLost) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    group_ = GroupId();
    confirmed_ = sent_ = 0;
    LoseMajority(seed);
    WishAndLoseTheChosenNode();
    RestartOldVoters();
    WriteFor(20);
    RestartTheChosenNode();
    ASSERT_TRUE(Await(Concat("/v1/groups/", group_), [](const Json& row) {
      return row["recovering"].is_null() && row["leader"] == 6;
    })) << last_.dump(1);
    WriteFor(3);
    ExpectNothingLost();
    ASSERT_TRUE(AwaitThreeVoters()) << last_.dump(1);
    ExpectNothingLost();
  }
}

// Nodes 4 and 5 are back, and 6 is gone for good.
TEST_F(HeldReplicasTest, SecondRecovery_ChoosesAnotherVoter) {
  LoseMajority();
  WishAndLoseTheChosenNode();
  RestartOldVoters();
  ASSERT_TRUE(Await(Concat("/v1/groups/", group_), [&](const Json& row) {
    return row["problem"].is_string() &&
           row["problem"] ==
               Concat(
                   "is being recovered from node 6, which does not answer: "
                   "start it, or go on from another voter with quoratectl "
                   "recover ",
                   group_, " --accept-loss");
  })) << last_.dump(1);
  WriteFor(3);
  int status = 0;
  Json answer;
  for (int i = 0; i < 100 && status != 200; ++i) {
    std::tie(status, answer) = Recover("{\"accept_loss\": true}");
    if (status != 200) {
      EXPECT_EQ(answer["error"]["code"], "NOT_YET") << answer.dump(1);
    }
    cluster_->world().RunFor(Milliseconds(200));
  }
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(Await(Concat("/v1/groups/", group_), [](const Json& row) {
    return row["recovering"].is_null() &&
           (row["leader"] == 4 || row["leader"] == 5);
  })) << last_.dump(1);
  WriteFor(3);
  EXPECT_GT(confirmed_, 1);
  ExpectNothingLost();
  cluster_->Restart(kChosen);
  WriteFor(3);
  ASSERT_TRUE(AwaitThreeVoters()) << last_.dump(1);
  ExpectNothingLost();
}

// They lead again. The chosen node hears them before it hears of the recovery,
// and they hear of that from it alone.
TEST_F(HeldReplicasTest, ChosenNode_WaitsForOldVotersThatAnswer) {
  LoseMajority();
  CutChosen(true);
  CutFromTheController(kFirst, true);
  CutFromTheController(kSecond, true);
  RestartOldVoters();
  for (int i = 0; i < 20 && !Increment(kFirst); ++i) {
    cluster_->world().RunFor(Milliseconds(200));
  }
  ASSERT_GT(confirmed_, 1);
  const auto client = Wish();
  CutFromTheController(kChosen, true);
  CutChosen(false);
  ASSERT_TRUE(RunUntil([&] {
    return host(kChosen).leader(group_) == NodeId(4) ||
           host(kChosen).leader(group_) == NodeId(5);
  }));
  cluster_->world().RunFor(Seconds(2));
  ASSERT_EQ(Generation(kChosen), 0u);
  CutFromTheController(kChosen, false);
  ASSERT_TRUE(RunUntil([&] {
    return host(kChosen).core(group_) != nullptr && Generation(kChosen) > 0;
  }));
  EXPECT_TRUE(IsHeld(kFirst));
  EXPECT_TRUE(IsHeld(kSecond));
  CutFromTheController(kFirst, false);
  CutFromTheController(kSecond, false);
  ASSERT_TRUE(AwaitThreeVoters()) << last_.dump(1);
  ExpectNothingLost();
}

// Once their nodes know of the recovery, they reach only each other.
TEST_F(HeldReplicasTest, WithoutTheController_StayHeld) {
  LoseMajority();
  WishAndLoseTheChosenNode();
  RestartOldVoters();
  ASSERT_TRUE(RunUntil([&] { return IsHeld(kFirst) && IsHeld(kSecond); }));
  for (const size_t n : {kFirst, kSecond}) {
    cluster_->Crash(n, sim::CrashKind::kMachine);
    CutFromTheController(n, true);
  }
  RestartOldVoters();
  for (int i = 0; i < 20; ++i) {
    for (const size_t n : {kFirst, kSecond}) {
      EXPECT_FALSE(Increment(n));
    }
  }
  EXPECT_TRUE(IsHeld(kFirst));
  EXPECT_TRUE(IsHeld(kSecond));
  CutFromTheController(kFirst, false);
  CutFromTheController(kSecond, false);
  cluster_->Restart(kChosen);
  ASSERT_TRUE(AwaitThreeVoters()) << last_.dump(1);
  ExpectNothingLost();
}

}  // namespace
}  // namespace quorate::node
