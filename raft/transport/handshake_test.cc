#include "raft/transport/handshake.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

env::StoreStart AnyStart() {
  env::StoreStart start;
  start.number = *rc::gen::arbitrary<uint64_t>();
  start.tag = *rc::gen::inRange<uint32_t>(0, env::StoreStart::kTagMax + 1);
  return start;
}

env::EarlierStarts AnyEarlierStarts() {
  const auto count = *rc::gen::inRange<size_t>(0, env::kEarlierStartsMax + 1);
  if (count == 0) return nullptr;
  return std::make_shared<const std::vector<uint32_t>>(
      *rc::gen::container<std::vector<uint32_t>>(
          count, rc::gen::inRange<uint32_t>(0, env::StoreStart::kTagMax + 1)));
}

bool Same(const env::EarlierStarts& a, const env::EarlierStarts& b) {
  return a == nullptr || b == nullptr ? a == b : *a == *b;
}

Hello AnyHello() {
  Hello hello;
  hello.from.cluster = ClusterId(*rc::gen::arbitrary<uint64_t>());
  hello.from.node = NodeId(*rc::gen::arbitrary<uint32_t>());
  hello.from.incarnation = StoreIncarnation(*rc::gen::arbitrary<uint64_t>());
  hello.from.version_min = *rc::gen::arbitrary<uint32_t>();
  hello.from.version_max = *rc::gen::arbitrary<uint32_t>();
  hello.from.founding_checksum = *rc::gen::arbitrary<uint32_t>();
  hello.from.earlier = AnyEarlierStarts();
  hello.from.bootstrap_checksum = *rc::gen::arbitrary<uint32_t>();
  hello.to = NodeId(*rc::gen::arbitrary<uint32_t>());
  hello.lane =
      *rc::gen::arbitrary<bool>() ? env::Lane::kBulk : env::Lane::kControl;
  hello.from.start = AnyStart();
  return hello;
}

bool Same(const Hello& a, const Hello& b) {
  return a.from.cluster == b.from.cluster && a.from.node == b.from.node &&
         a.from.incarnation == b.from.incarnation &&
         a.from.version_min == b.from.version_min &&
         a.from.version_max == b.from.version_max &&
         a.from.bootstrap_checksum == b.from.bootstrap_checksum &&
         a.from.founding_checksum == b.from.founding_checksum &&
         Same(a.from.earlier, b.from.earlier) && a.from.start == b.from.start &&
         a.to == b.to && a.lane == b.lane;
}

bool Same(const HelloReply& a, const HelloReply& b) {
  return a.refusal == b.refusal && a.cluster == b.cluster && a.node == b.node &&
         a.incarnation == b.incarnation && a.version == b.version &&
         a.bootstrap_checksum == b.bootstrap_checksum && a.start == b.start &&
         Same(a.earlier, b.earlier) &&
         a.founding_checksum == b.founding_checksum &&
         a.seen_number == b.seen_number;
}

RC_GTEST_PROP(Handshake, Hello_Encoded_DecodesToItself, ()) {
  const Hello hello = AnyHello();
  const auto decoded = DecodeHello(EncodeHello(hello));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(Same(*decoded, hello));
}

RC_GTEST_PROP(Handshake, Reply_Encoded_DecodesToItselfOrARefusal, ()) {
  HelloReply reply{
      .refusal = static_cast<HandshakeRefusal>(*rc::gen::inRange(0, 10)),
      .cluster = ClusterId(*rc::gen::arbitrary<uint64_t>()),
      .node = NodeId(*rc::gen::arbitrary<uint32_t>()),
      .incarnation = StoreIncarnation(*rc::gen::arbitrary<uint64_t>()),
      .version = *rc::gen::arbitrary<uint32_t>(),
      .bootstrap_checksum = *rc::gen::arbitrary<uint32_t>(),
      .start = AnyStart(),
      .earlier = AnyEarlierStarts(),
      .founding_checksum = *rc::gen::arbitrary<uint32_t>(),
      .seen_number = *rc::gen::arbitrary<uint64_t>()};
  const auto decoded = DecodeHelloReply(EncodeHelloReply(reply));
  RC_ASSERT(decoded.ok());
  // Other refusals have no field of the node that refuses.
  if (reply.refusal != HandshakeRefusal::kNone &&
      reply.refusal != HandshakeRefusal::kEarlierStart &&
      reply.refusal != HandshakeRefusal::kOwnStore) {
    reply = {.refusal = reply.refusal};
  }
  RC_ASSERT(Same(*decoded, reply));
}

RC_GTEST_PROP(Handshake, OneBitFlipped_IsRefused, ()) {
  std::string hello = EncodeHello(AnyHello());
  const auto bit = *rc::gen::inRange<size_t>(0, hello.size() * 8);
  hello[bit / 8] = static_cast<char>(hello[bit / 8] ^ (1 << bit % 8));
  RC_ASSERT(!DecodeHello(hello).ok());
}

RC_GTEST_PROP(Handshake, AnyBytes_NeverDecodeByChance, (std::string bytes)) {
  RC_ASSERT(!DecodeHello(bytes).ok());
  RC_ASSERT(!DecodeHelloReply(bytes).ok());
}

TEST(Handshake, HelloInBytes_IsAsWrittenDown) {
  Hello hello;
  hello.from = {.cluster = ClusterId(0x0102030405060708),
                .node = NodeId(3),
                .incarnation = StoreIncarnation(0x1112131415161718),
                .version_min = 1,
                .version_max = 16,
                .bootstrap_checksum = 0x21222324};
  hello.from.start = {.number = 0x4142434445464748, .tag = 0x313233};
  hello.to = NodeId(4);
  hello.lane = env::Lane::kBulk;
  const std::string body(
      "QRTH\x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11"
      "\x03\0\0\0\x04\0\0\0\x01\0\0\0\x10\0\0\0\x01\x33\x32\x31\x24\x23\x22"
      "\x21",
      44);
  const std::string bytes = EncodeHello(hello);
  EXPECT_EQ(bytes.substr(0, 44), body);
  EXPECT_EQ(bytes.substr(48, 8), "\x48\x47\x46\x45\x44\x43\x42\x41");
}

// A directory of three starts, with numbers 7 to 9.
class ContinuesTest : public testing::Test {
 protected:
  bool Continued(uint64_t number, uint32_t tag) const {
    return Continues({number, tag}, {9, 90}, earlier_);
  }
  const env::EarlierStarts earlier_ =
      std::make_shared<const std::vector<uint32_t>>(
          std::vector<uint32_t>{70, 80});
};

TEST_F(ContinuesTest, AStartThatTheDirectoryHad_IsContinued) {
  EXPECT_TRUE(Continued(9, 90));
  EXPECT_TRUE(Continued(8, 80));
  EXPECT_TRUE(Continued(7, 70));
}

TEST_F(ContinuesTest, AnotherStartWithANumberItHad_IsNot) {
  EXPECT_FALSE(Continued(9, 91));
  EXPECT_FALSE(Continued(8, 81));
  EXPECT_FALSE(Continued(7, 71));
}

TEST_F(ContinuesTest, ALaterStart_IsNot) {
  EXPECT_FALSE(Continued(10, 100));
  EXPECT_FALSE(Continued(10, 90));
}

TEST_F(ContinuesTest, AStartThatIsForgottenOrHasNoNumber_ProvesNothing) {
  EXPECT_TRUE(Continued(6, 61));
  EXPECT_TRUE(Continued(0, 5));
  EXPECT_TRUE(Continues({8, 81}, {0, 90}, nullptr));
  EXPECT_TRUE(Continues({8, 81}, {9, 90}, nullptr));
  EXPECT_FALSE(Continues({9, 81}, {9, 90}, nullptr));
}

TEST(Handshake, Refusal_HasTheSizeThatEveryVersionReads) {
  EXPECT_EQ(
      EncodeHelloReply({.refusal = HandshakeRefusal::kNoCommonVersion}).size(),
      40u);
}

class AnswerTest : public testing::Test {
 protected:
  AnswerTest() {
    hello_.from = {.cluster = ClusterId(7),
                   .node = NodeId(2),
                   .incarnation = StoreIncarnation(22),
                   .version_min = 2,
                   .version_max = 4};
    hello_.to = NodeId(1);
  }
  HandshakeRefusal Why(bool knows = true) const {
    return MakeHelloReply(self_, hello_, knows).refusal;
  }
  env::TransportIdentity self_{.cluster = ClusterId(7),
                               .node = NodeId(1),
                               .incarnation = StoreIncarnation(11),
                               .version_min = 1,
                               .version_max = 3};
  Hello hello_;
};

TEST_F(AnswerTest, APeer_IsWelcomeInTheHighestCommonVersion) {
  const HelloReply reply = MakeHelloReply(self_, hello_, true);
  EXPECT_EQ(reply.refusal, HandshakeRefusal::kNone);
  EXPECT_EQ(reply.version, 3u);
  EXPECT_EQ(reply.node, NodeId(1));
  EXPECT_EQ(reply.incarnation, StoreIncarnation(11));
}

TEST_F(AnswerTest, PeerThatDoesNotBelong_IsRefusedWithTheReason) {
  EXPECT_EQ(Why(/*knows=*/false), HandshakeRefusal::kUnknownNode);
  hello_.to = NodeId(9);
  EXPECT_EQ(Why(), HandshakeRefusal::kOtherNode);
  hello_.from.cluster = ClusterId(8);
  EXPECT_EQ(Why(), HandshakeRefusal::kOtherCluster);
}

TEST_F(AnswerTest, AnotherBootstrapRecord_IsRefusedAndExplained) {
  hello_.from.bootstrap_checksum = 5;
  EXPECT_EQ(Why(), HandshakeRefusal::kOtherBootstrap);
  const std::string why =
      DescribeRefusal(self_, hello_, MakeHelloReply(self_, hello_, true));
  EXPECT_NE(why.find("node 2 and node 1 have different plans"),
            std::string::npos)
      << why;
  // Another version may have another digest: the reason must then be the
  // version.
  hello_.from.version_min = 4;
  EXPECT_EQ(Why(), HandshakeRefusal::kNoCommonVersion);
}

TEST_F(AnswerTest, OwnStore_IsRefusedAndToldWhoRuns) {
  hello_.from.node = self_.node;
  hello_.from.incarnation = self_.incarnation;
  self_.start = {.number = 5, .tag = 6};
  const HelloReply reply = MakeHelloReply(self_, hello_, /*knows=*/false);
  EXPECT_EQ(reply.refusal, HandshakeRefusal::kOwnStore);
  const std::string why = DescribeRefusal(hello_.from, hello_, reply);
  EXPECT_NE(why.find("node 1 runs already, with start 5"), std::string::npos)
      << why;
}

TEST_F(AnswerTest, TwoFoundingsUnderOneId_AreRefused) {
  self_.founding_checksum = 3;
  hello_.from.founding_checksum = 3;
  EXPECT_EQ(Why(), HandshakeRefusal::kNone);
  EXPECT_EQ(Why(/*knows=*/false), HandshakeRefusal::kUnknownNode);
  hello_.from.founding_checksum = 4;
  EXPECT_EQ(Why(), HandshakeRefusal::kOtherFounding);
}

TEST_F(AnswerTest, StoreBeingFounded_IsRefusedIfTheClusterDoesNotPlanIt) {
  self_.founding_checksum = 3;
  EXPECT_EQ(Why(), HandshakeRefusal::kNone);
  EXPECT_EQ(Why(/*knows=*/false), HandshakeRefusal::kOtherFounding);
  hello_.from.bootstrap_checksum = 5;
  EXPECT_EQ(Why(), HandshakeRefusal::kOtherFounding);
}

TEST_F(AnswerTest, NoCommonVersion_IsRefused) {
  hello_.from.version_min = 4;
  hello_.from.version_max = 9;
  EXPECT_EQ(Why(), HandshakeRefusal::kNoCommonVersion);
  hello_.from.version_min = 0;
  hello_.from.version_max = 0;
  EXPECT_EQ(Why(), HandshakeRefusal::kNoCommonVersion);
}

}  // namespace
}  // namespace quorate::raft
