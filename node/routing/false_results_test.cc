// A node whose peer answers forwarded commands with results of other commands.
// The peer has the identity of the leader's node.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/env.h"
#include "env/outcome.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/peers/node_report.h"
#include "node/peers/peer_message.h"
#include "node/testing/false_peer.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr GroupId kAskedGroup(1);
constexpr size_t kSoleLeader = 0;  // The node with the only replica.
constexpr size_t kWithout = 1;     // The node without a replica.

// Says that it leads, and answers each command with a result of one kind.
class Impostor final : public FalsePeer {
 public:
  using FalsePeer::FalsePeer;
  void AnswerWith(kv::PayloadKind kind) { kind_ = kind; }
  // Answers with one result for each status, without a payload, within another.
  void AnswerWithNested(std::vector<kv::ResultStatus> statuses) {
    kind_ = kv::PayloadKind::kNested;
    nested_ = std::move(statuses);
  }
  // The next write is answered as a batch that was refused as malformed.
  void RefuseOnce() { refuses_ = true; }
  size_t writes() const { return writes_; }
  size_t reads() const { return reads_; }

 private:
  PeerResult Answer(const PeerRequest& request) override {
    PeerResult result;
    result.result.outcome = Outcome::kDone;
    if (request.kind == PeerRequest::Kind::kOpen) {
      result.channel = {.term = kTerm, .channel = 1};
      return result;
    }
    if (request.kind == PeerRequest::Kind::kRead) ++reads_;
    if (request.kind == PeerRequest::Kind::kApply) ++writes_;
    const kv::CommandReader commands(request.payload.view());
    const kv::Version entry = {kAskedGroup, raft::Index(1'000), 0};
    if (request.kind == PeerRequest::Kind::kApply &&
        std::exchange(refuses_, false)) {
      result.result.result = kv::ResultBuilder::Refused(entry);
      return result;
    }
    kv::ResultBuilder results(entry);
    for (uint32_t i = 0; i < commands.count(); ++i) AddTo(results, entry);
    result.result.result = results.Finish();
    return result;
  }
  void AddTo(kv::ResultBuilder& results, const kv::Version& entry) {
    const kv::ResultView head = {.version = entry};
    switch (kind_) {
      case kv::PayloadKind::kNone:
        return results.AddNone(head);
      case kv::PayloadKind::kInteger:
        return results.AddInteger(head, 7);
      case kv::PayloadKind::kBytes:
        return results.AddBytes(head, "bytes");
      case kv::PayloadKind::kArray:
        results.BeginArray(head, 1);
        results.AddElement("element");
        return results.EndArray();
      case kv::PayloadKind::kNested:
        results.BeginNested(head);
        for (const kv::ResultStatus status : nested_) {
          results.AddNone({.status = status, .version = entry});
        }
        if (nested_.empty()) results.AddInteger(head, 7);
        return results.EndNested(/*wrote=*/false);
    }
  }
  NodeReport Report(NodeId, StoreIncarnation, const StatusQuery&) override {
    return {.start = 1,
            .changes = 1,
            .rows = {{.group = kAskedGroup,
                      .leader = config().node,
                      .term = kTerm,
                      .level = raft::Level(1)}}};
  }

  // Above the terms of the leader in whose place it answers.
  static constexpr raft::Term kTerm = raft::Term(100);

  kv::PayloadKind kind_ = kv::PayloadKind::kNone;
  std::vector<kv::ResultStatus> nested_;
  bool refuses_ = false;
  size_t writes_ = 0;
  size_t reads_ = 0;
};

class FalseResultsTest : public ::testing::Test {
 protected:
  FalseResultsTest() : cluster_({.nodes = 2, .adjust = OneReplica}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    impostor_ = ReplaceByFalsePeer<Impostor>(cluster_, kSoleLeader, kWithout);
    client_ = cluster_.ConnectResp(kWithout);
  }

  // The reply, for which the client waits until the node gives up.
  std::string Do(std::vector<std::string_view> words) {
    client_->Send(EncodeRequest(words));
    cluster_.world().RunUntilTrue(
        [&] { return ReplySize(client_->received()) > 0; }, Seconds(20));
    return client_->Take();
  }

  TestCluster cluster_;
  Impostor* impostor_ = nullptr;
  std::unique_ptr<TestClient> client_;
};

TEST_F(FalseResultsTest, OfWrites_HaveAnUnknownOutcome) {
  const struct {
    std::vector<std::string_view> words;
    kv::PayloadKind kind;
  } kCases[] = {
      {{"SET", "k", "v"}, kv::PayloadKind::kInteger},
      {{"SET", "k", "v", "NX"}, kv::PayloadKind::kArray},
      {{"MSET", "k", "v"}, kv::PayloadKind::kNested},
      {{"APPEND", "k", "v"}, kv::PayloadKind::kBytes},
      {{"INCR", "k"}, kv::PayloadKind::kNone},
      {{"GETDEL", "k"}, kv::PayloadKind::kInteger},
      {{"DEL", "k"}, kv::PayloadKind::kArray},
  };
  for (const auto& [words, kind] : kCases) {
    impostor_->AnswerWith(kind);
    const size_t before = impostor_->writes();
    EXPECT_TRUE(Do(words).starts_with("-UNKNOWN ")) << words[0];
    EXPECT_EQ(impostor_->writes(), before + 1) << words[0];
  }
  impostor_->AnswerWith(kv::PayloadKind::kInteger);
  EXPECT_EQ(Do({"APPEND", "k", "v"}), ":7\r\n");
}

TEST_F(FalseResultsTest, OfReads_AreNotUsed) {
  const struct {
    std::vector<std::string_view> words;
    kv::PayloadKind kind;
  } kCases[] = {
      {{"GET", "k"}, kv::PayloadKind::kInteger},
      {{"GET", "k"}, kv::PayloadKind::kArray},
      {{"MGET", "{k}1", "{k}2"}, kv::PayloadKind::kInteger},
      {{"MGET", "{k}1", "{k}2"}, kv::PayloadKind::kNested},
      {{"SCAN", "0"}, kv::PayloadKind::kInteger},
      {{"KEYS", "*"}, kv::PayloadKind::kBytes},
      {{"STRLEN", "k"}, kv::PayloadKind::kBytes},
      {{"DBSIZE"}, kv::PayloadKind::kNone},
  };
  for (const auto& [words, kind] : kCases) {
    impostor_->AnswerWith(kind);
    const size_t before = impostor_->reads();
    EXPECT_TRUE(Do(words).starts_with("-CLUSTERDOWN ")) << words[0];
    EXPECT_GT(impostor_->reads(), before) << words[0];
  }
  impostor_->AnswerWith(kv::PayloadKind::kBytes);
  EXPECT_EQ(Do({"GET", "k"}), "$5\r\nbytes\r\n");
}

// The pieces are batches of their own. The first one certainly had no effect,
// but the others may have had one.
TEST_F(FalseResultsTest, OfSomePiecesOfAFlush_LeaveItsOutcomeUnknown) {
  impostor_->AnswerWith(kv::PayloadKind::kArray);
  impostor_->RefuseOnce();
  const std::string reply = Do({"FLUSHALL"});
  EXPECT_EQ(impostor_->writes(), 8u);
  EXPECT_TRUE(reply.starts_with("-UNKNOWN ")) << reply;
  EXPECT_NE(reply.find(" did not execute the command for all its slots, other "
                       "slots may be flushed: "),
            std::string::npos)
      << reply;
}

// The steps of a transaction have results of their own.
TEST_F(FalseResultsTest, OfTransactions_HaveAnUnknownOutcome) {
  for (const kv::PayloadKind kind :
       {kv::PayloadKind::kInteger, kv::PayloadKind::kArray,
        kv::PayloadKind::kNested}) {
    impostor_->AnswerWith(kind);
    EXPECT_EQ(Do({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(Do({"SET", "k", "v"}), "+QUEUED\r\n");
    EXPECT_TRUE(Do({"EXEC"}).starts_with("-UNKNOWN "));
  }
  EXPECT_EQ(Do({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(Do({"APPEND", "k", "v"}), "+QUEUED\r\n");
  EXPECT_EQ(Do({"EXEC"}), "*1\r\n:7\r\n");
}

// A result for one of two keys, and one that is an error.
TEST_F(FalseResultsTest, OfWatches_AreErrorsAndWatchNothing) {
  using enum kv::ResultStatus;
  impostor_->AnswerWithNested({kOk});
  EXPECT_TRUE(Do({"WATCH", "{k}1", "{k}2"}).starts_with('-'));
  impostor_->AnswerWithNested({kOk, kWrongType});
  EXPECT_TRUE(Do({"WATCH", "{k}1", "{k}2"}).starts_with('-'));
  impostor_->AnswerWithNested({});
  EXPECT_EQ(Do({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(Do({"APPEND", "k", "v"}), "+QUEUED\r\n");
  // One result suffices, so there are no checks.
  EXPECT_EQ(Do({"EXEC"}), "*1\r\n:7\r\n");
  impostor_->AnswerWithNested({kOk, kOk});
  EXPECT_EQ(Do({"WATCH", "{k}1", "{k}2"}), "+OK\r\n");
  impostor_->AnswerWithNested({});
  EXPECT_EQ(Do({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(Do({"APPEND", "k", "v"}), "+QUEUED\r\n");
  EXPECT_TRUE(Do({"EXEC"}).starts_with("-UNKNOWN "));
}

}  // namespace
}  // namespace quorate::node
