// A node whose peer asks it for what no node asks. The peer has the identity of
// a node of the cluster.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "env/outcome.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/peers/peer_message.h"
#include "node/testing/false_peer.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr GroupId kGroup(1);
constexpr size_t kLeader = 0;  // The node with the only replica.
constexpr size_t kAsker = 1;
constexpr Slot kSlotOfK(7629);  // The key is "k".

class Asker final : public FalsePeer {
 public:
  using FalsePeer::FalsePeer;
  void Ask(PeerRequest request, PeerDone done) {
    links().To(NodeId(1)).Ask(std::move(request), std::move(done));
  }
};

class FalseRequestsTest : public ::testing::Test {
 protected:
  FalseRequestsTest() : cluster_({.nodes = 2, .adjust = OneReplica}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    client_ = cluster_.ConnectResp(kLeader);
    asker_ = ReplaceByFalsePeer<Asker>(cluster_, kAsker, kLeader);
  }

  PeerResult Ask(PeerRequest request) {
    std::optional<PeerResult> answer;
    request.group = kGroup;
    env::Env& env = cluster_.world().env(cluster_.machine(kAsker));
    const env::Pending turn = env.loop.Defer([&] {
      asker_->Ask(std::move(request),
                  [&](PeerResult result) { answer = std::move(result); });
    });
    EXPECT_TRUE(
        cluster_.world().RunUntilTrue([&] { return answer.has_value(); }));
    return answer.value_or(PeerResult());
  }
  PeerResult Read(const kv::CommandSpec& spec) {
    return Ask({.kind = PeerRequest::Kind::kRead, .payload = BatchOf(spec)});
  }
  PeerResult Apply(const kv::CommandSpec& spec) { return Apply(BatchOf(spec)); }
  PeerResult Apply(Buffer batch) {
    const PeerResult opened = Ask({.kind = PeerRequest::Kind::kOpen});
    ForwardStamp stamp = opened.channel;
    ++stamp.number;
    return Ask({.kind = PeerRequest::Kind::kApply,
                .stamp = stamp,
                .payload = std::move(batch)});
  }
  static Buffer BatchOf(const kv::CommandSpec& spec) {
    kv::BatchBuilder batch;
    batch.Add(spec);
    return batch.Finish();
  }
  // The status of the only result, which the leader gives without harm.
  kv::ResultStatus StatusOf(const PeerResult& answer) {
    const kv::ResultReader reader(answer.result.result.view());
    kv::ResultReader results = reader;
    if (answer.result.outcome != Outcome::kDone || !results.ok() ||
        results.done()) {
      ADD_FAILURE() << "no result";
      return kv::ResultStatus::kOk;
    }
    return results.Next().status;
  }
  // The leader goes on.
  void ExpectWorks() {
    EXPECT_EQ(cluster_.Command(*client_, {"SET", "alive", "yes"}), "+OK\r\n");
    EXPECT_EQ(cluster_.Command(*client_, {"GET", "alive"}), "$3\r\nyes\r\n");
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
  Asker* asker_ = nullptr;
};

TEST_F(FalseRequestsTest, WritesAsReads_AreMalformedAndDoNothing) {
  const std::vector<std::string_view> key = {"k"};
  const std::vector<std::string_view> pair = {"k", "v"};
  const kv::CommandSpec writes[] = {
      {.op = kv::Op::kSet, .arguments = pair},
      {.op = kv::Op::kMSet, .arguments = pair},
      {.op = kv::Op::kAppend, .numbers = {1000}, .arguments = pair},
      {.op = kv::Op::kDel, .arguments = key},
      {.op = kv::Op::kGetDel, .arguments = key},
      {.op = kv::Op::kIncrBy, .numbers = {1}, .arguments = key},
      {.op = kv::Op::kPersist, .arguments = key},
      {.op = kv::Op::kWatch, .arguments = key}};
  for (kv::CommandSpec spec : writes) {
    spec.slot = kSlotOfK;
    EXPECT_EQ(StatusOf(Read(spec)), kv::ResultStatus::kMalformed)
        << kv::OpName(spec.op);
  }
  EXPECT_EQ(cluster_.Command(*client_, {"EXISTS", "k"}), ":0\r\n");
  ExpectWorks();
}

// No client would find the key there.
TEST_F(FalseRequestsTest, KeysOfOtherSlots_AreRefused) {
  const std::vector<std::string_view> pair = {"k", "v"};
  const Slot right = kSlotOfK;
  const Slot wrong(static_cast<uint16_t>(right.value() ^ 1));
  const PeerResult refused =
      Apply({.op = kv::Op::kSet, .slot = wrong, .arguments = pair});
  EXPECT_EQ(refused.result.outcome, Outcome::kNotExecuted);
  EXPECT_EQ(refused.result.status.message(),
            "a key does not belong to the slot of its command");
  const PeerResult read = Read({.op = kv::Op::kGet,
                                .slot = wrong,
                                .arguments = absl::MakeSpan(pair).first(1)});
  EXPECT_EQ(read.result.outcome, Outcome::kNotExecuted);
  const std::vector<std::string_view> pairs = {"k", "v", "{other}", "v"};
  EXPECT_EQ(Apply({.op = kv::Op::kMSet, .slot = right, .arguments = pairs})
                .result.outcome,
            Outcome::kNotExecuted);
  kv::BatchBuilder nested;
  nested.BeginAtomic(right, std::nullopt);
  nested.Add({.op = kv::Op::kSet, .slot = wrong, .arguments = pair});
  nested.EndAtomic();
  EXPECT_EQ(StatusOf(Apply(nested.Finish())), kv::ResultStatus::kMalformed);
  EXPECT_EQ(cluster_.Command(*client_, {"DBSIZE"}), ":0\r\n");
  // A count of keys names no key.
  EXPECT_EQ(
      Read({.op = kv::Op::kKeyCount, .numbers = {0, 16'383}}).result.outcome,
      Outcome::kDone);
  const PeerResult done =
      Apply({.op = kv::Op::kSet, .slot = right, .arguments = pair});
  EXPECT_EQ(done.result.outcome, Outcome::kDone) << done.result.status;
  EXPECT_EQ(cluster_.Command(*client_, {"GET", "k"}), "$1\r\nv\r\n");
  ExpectWorks();
}

}  // namespace
}  // namespace quorate::node
