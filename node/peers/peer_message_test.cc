// Requests and answers between nodes: their bytes, and what is refused.
#include "node/peers/peer_message.h"

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

using Kind = PeerRequest::Kind;

constexpr raft::MessageLink kLink{ClusterId(77), NodeId(1), NodeId(2)};
constexpr PeerRequestId kId{.asker = 0x0102030405060708, .number = 9};
constexpr PeerRequestId kOtherId{.asker = 0x1112131415161718, .number = 3};

Buffer Whole(const std::vector<Buffer>& parts) {
  std::string bytes;
  for (const Buffer& part : parts) bytes += part.view();
  return Buffer::Copy(bytes);
}

Buffer EncodePiece(const PeerResult& result) {
  return Whole(EncodePeerAnswerPiece(kLink, kId, EncodePeerResult(result), 0));
}

ForwardStamp Stamp(uint64_t number) {
  return {.term = raft::Term(3), .channel = 4, .number = number, .life = 5};
}

std::vector<PeerRequestMessage> Requests() {
  return {{.id = kId, .settled = 8, .request = {.group = GroupId(1)}},
          {.id = kId,
           .settled = 9,
           .request = {.group = GroupId(1), .stamp = Stamp(0)}},
          {.id = kId,
           .settled = 1,
           .request = {.kind = Kind::kApply,
                       .group = GroupId(2),
                       .stamp = Stamp(6),
                       .payload = Buffer::Copy("a batch")}},
          {.id = kId,
           .settled = 1,
           .request = {.kind = Kind::kRead,
                       .group = GroupId(2),
                       .payload = Buffer::Copy("reads")}}};
}

std::vector<PeerResult> Results() {
  PeerResult applied;
  applied.result = {.outcome = Outcome::kDone,
                    .position = {raft::Term(3), raft::Index(10)},
                    .log_time = WallTime(11),
                    .result = Buffer::Copy("the results")};
  PeerResult opened;
  opened.result.outcome = Outcome::kDone;
  opened.channel = Stamp(0);
  PeerResult refused;
  refused.result = {.outcome = Outcome::kNotExecuted,
                    .status = absl::UnavailableError("not here")};
  refused.leader = NodeId(3);
  refused.term = raft::Term(4);
  PeerResult unknown;
  unknown.result = {.outcome = Outcome::kUnknown,
                    .status = absl::UnavailableError("perhaps")};
  return {applied, opened, refused, unknown};
}

StatusQuery Query() { return {.id = kId, .start = 6, .changes = 7}; }

NodeAddresses Addresses(uint32_t node) {
  return {.node = NodeId(node),
          .store = StoreIncarnation(77),
          .start = 3,
          .peer = "n:9001",
          .resp = "n:7001",
          .resp_cluster = "n:7101",
          .http = "[::1]:8001"};
}

std::vector<StatusAnswer> Answers() {
  NodeReport none;
  none.start = 1;
  NodeReport report;
  report.start = 6;
  report.changes = 8;
  report.map = shardctrl::MapVersion(9);
  report.refused = {GroupId(1), GroupId(3)};
  report.rows = {{.group = GroupId(1),
                  .leader = NodeId(2),
                  .term = raft::Term(4),
                  .level = raft::Level(5)},
                 {.group = GroupId(2), .state = ReplicaState::kFenced},
                 {.group = GroupId(3), .state = ReplicaState::kRefused}};
  report.addresses = {Addresses(2), Addresses(5)};
  NodeReport known;
  known.start = 6;
  known.changes = 8;
  known.map = shardctrl::MapVersion(10);
  known.known = true;
  return {{.id = kOtherId, .report = none},
          {.id = kOtherId, .report = report},
          {.id = kOtherId, .report = known}};
}

StatusMessage WithAnswer(const StatusAnswer& answer) {
  return {.kind = StatusMessage::Kind::kAnswers,
          .query = Query(),
          .answer = answer};
}

// A query alone, a query with an answer, answers.
std::vector<StatusMessage> StatusMessages() {
  std::vector<StatusMessage> messages = {
      {.query = Query()},
      {.query = Query(), .own = Addresses(1)},
      {.query = Query(), .answer = Answers()[1]}};
  for (const StatusAnswer& answer : Answers()) {
    messages.push_back(WithAnswer(answer));
  }
  messages.push_back({.query = Query(), .gives_away = true});
  messages.push_back(WithAnswer(Answers()[0]));
  messages.back().gives_away = true;
  return messages;
}

std::vector<Buffer> Samples() {
  std::vector<Buffer> samples;
  for (const PeerRequestMessage& request : Requests()) {
    samples.push_back(Whole(EncodePeerRequest(kLink, request)));
  }
  for (const PeerResult& result : Results()) {
    samples.push_back(EncodePiece(result));
  }
  for (const StatusMessage& message : StatusMessages()) {
    samples.push_back(Whole(EncodeStatus(kLink, message)));
  }
  return samples;
}

bool Accepted(const Buffer& bytes) {
  return DecodePeerMessage(kLink, bytes).ok();
}

// The same message with the checksum that its bytes should have.
Buffer Resealed(std::string bytes) {
  StoreFixed(bytes.data() + raft::kServiceBytes,
             Crc32c(raft::ChecksumSeed(kLink, raft::Service::kNodes),
                    std::string_view(bytes).substr(raft::kChecksumEnd)));
  return Buffer::Copy(bytes);
}

// The bytes that the encoder makes of a decoded message.
Buffer EncodeAgain(const PeerMessage& message) {
  if (const auto* request = std::get_if<PeerRequestMessage>(&message)) {
    return Whole(EncodePeerRequest(kLink, *request));
  }
  if (const auto* status = std::get_if<StatusMessage>(&message)) {
    return Whole(EncodeStatus(kLink, *status));
  }
  // An answer of this size whose bytes at this place are those of the piece.
  const auto& piece = std::get<PeerAnswerPiece>(message);
  std::string answer(piece.size, '\0');
  answer.replace(piece.offset, piece.bytes.size(), piece.bytes.view());
  return Whole(EncodePeerAnswerPiece(
      kLink, piece.id, {.head = Buffer::Copy(answer)}, piece.offset));
}

TEST(PeerMessage, Request_DecodesToItself) {
  for (const PeerRequestMessage& request : Requests()) {
    const auto decoded =
        DecodePeerMessage(kLink, Whole(EncodePeerRequest(kLink, request)));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    const auto& out = std::get<PeerRequestMessage>(*decoded);
    EXPECT_EQ(out.id, request.id);
    EXPECT_EQ(out.settled, request.settled);
    EXPECT_EQ(out.request.kind, request.request.kind);
    EXPECT_EQ(out.request.group, request.request.group);
    EXPECT_EQ(out.request.stamp.term, request.request.stamp.term);
    EXPECT_EQ(out.request.stamp.channel, request.request.stamp.channel);
    EXPECT_EQ(out.request.stamp.number, request.request.stamp.number);
    EXPECT_EQ(out.request.stamp.life, request.request.stamp.life);
    EXPECT_EQ(out.request.payload, request.request.payload);
  }
}

TEST(PeerMessage, Answer_DecodesToItself) {
  for (const PeerResult& result : Results()) {
    const bool opened = result.channel.channel != 0;
    const auto decoded = DecodePeerMessage(kLink, EncodePiece(result));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    const auto& piece = std::get<PeerAnswerPiece>(*decoded);
    EXPECT_EQ(piece.id, kId);
    EXPECT_EQ(piece.size, piece.bytes.size());
    const auto out =
        DecodePeerResult(opened ? Kind::kOpen : Kind::kApply, piece.bytes);
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(out->result.outcome, result.result.outcome);
    EXPECT_EQ(out->result.status, result.result.status);
    EXPECT_EQ(out->result.position, result.result.position);
    EXPECT_EQ(out->result.log_time, result.result.log_time);
    EXPECT_EQ(out->result.result, result.result.result);
    EXPECT_EQ(out->leader, result.leader);
    EXPECT_EQ(out->term, result.term);
    EXPECT_EQ(out->channel.channel, result.channel.channel);
    EXPECT_EQ(out->channel.life, result.channel.life);
  }
}

TEST(PeerMessage, Status_DecodesToItself) {
  for (const StatusMessage& message : StatusMessages()) {
    const auto decoded =
        DecodePeerMessage(kLink, Whole(EncodeStatus(kLink, message)));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    const auto& out = std::get<StatusMessage>(*decoded);
    EXPECT_EQ(out.kind, message.kind);
    EXPECT_EQ(out.query.id, kId);
    EXPECT_EQ(out.query.start, 6u);
    EXPECT_EQ(out.query.changes, 7u);
    EXPECT_EQ(out.own, message.own);
    EXPECT_EQ(out.gives_away, message.gives_away);
    ASSERT_EQ(out.answer.has_value(), message.answer.has_value());
    if (!out.answer) continue;
    EXPECT_EQ(out.answer->id, kOtherId);
    EXPECT_EQ(out.answer->report, message.answer->report);
  }
}

TEST(PeerMessage, StatusAnswerWithoutReport_IsRefused) {
  StatusMessage message = {.kind = StatusMessage::Kind::kAnswers,
                           .query = Query()};
  EXPECT_FALSE(Accepted(Whole(EncodeStatus(kLink, message))));
}

TEST(PeerMessage, ReportWithFieldsOutOfRange_IsRefused) {
  const auto refused = [](auto change) {
    StatusAnswer answer = Answers()[1];
    change(answer.report);
    return absl::IsInvalidArgument(
        DecodePeerMessage(kLink, Whole(EncodeStatus(kLink, WithAnswer(answer))))
            .status());
  };
  EXPECT_FALSE(refused([](NodeReport&) {}));
  EXPECT_FALSE(
      refused([](NodeReport& r) { r.rows[0].state = ReplicaState::kHalted; }));
  EXPECT_TRUE(refused([](NodeReport& r) { r.start = 0; }));
  EXPECT_TRUE(refused([](NodeReport& r) { r.known = true; }));
  EXPECT_TRUE(
      refused([](NodeReport& r) { r.rows[0].state = ReplicaState::kUnknown; }));
  EXPECT_TRUE(refused(
      [](NodeReport& r) { r.rows[0].state = static_cast<ReplicaState>(6); }));
  // A count of rows that the message does not have.
  std::string bytes(
      Whole(EncodeStatus(kLink, WithAnswer(Answers()[0]))).view());
  constexpr size_t kRefusedAt = 108;
  for (const size_t at : {kRefusedAt, kRefusedAt + 4, kRefusedAt + 8}) {
    std::string more = bytes;
    StoreFixed(more.data() + at, uint32_t{1} << 31);
    EXPECT_FALSE(Accepted(Resealed(more)));
  }
  EXPECT_TRUE(Accepted(Resealed(bytes)));
}

TEST(PeerMessage, LargestReport_FitsAMessage) {
  StatusAnswer answer = Answers()[0];
  answer.report.rows.resize(kReportRowsMax);
  answer.report.refused.resize(kReportRowsMax);
  StatusMessage with_answer = WithAnswer(answer);
  NodeAddresses longest = Addresses(1);
  for (std::string* address :
       {&longest.peer, &longest.resp, &longest.resp_cluster, &longest.http}) {
    *address = std::string(kAddressBytesMax, 'h');
  }
  with_answer.own = longest;
  while ((with_answer.answer->report.addresses.size() + 1) *
             EncodedSize(longest) <=
         kReportAddressBytesMax) {
    with_answer.answer->report.addresses.push_back(longest);
  }
  const Buffer message = Whole(EncodeStatus(kLink, with_answer));
  EXPECT_LE(message.size(), size_t{1} << 20);
  EXPECT_TRUE(Accepted(message));
}

TEST(PeerMessage, AnswerOfAnotherKindOfRequest_IsRefused) {
  const std::vector<PeerResult> results = Results();
  const auto decode = [&](Kind kind, const PeerResult& result) {
    const PeerAnswer answer = EncodePeerResult(result);
    return DecodePeerResult(kind, Whole({answer.head, answer.results})).ok();
  };
  EXPECT_FALSE(decode(Kind::kOpen, results[0]));
  EXPECT_FALSE(decode(Kind::kApply, results[1]));
  EXPECT_FALSE(decode(Kind::kRead, results[1]));
  EXPECT_TRUE(decode(Kind::kRead, results[0]));
}

TEST(PeerMessage, AnyFlippedBitAndAnyPrefix_AreRefused) {
  for (const Buffer& sample : Samples()) {
    const std::string good(sample.view());
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bytes = good;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(Accepted(Buffer::Copy(bytes))) << bit;
    }
    for (size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(Accepted(Buffer::Copy(good.substr(0, size)))) << size;
    }
  }
}

TEST(PeerMessage, AnotherLink_IsRefused) {
  for (const Buffer& sample : Samples()) {
    for (const raft::MessageLink& link :
         {raft::MessageLink{ClusterId(78), NodeId(1), NodeId(2)},
          raft::MessageLink{ClusterId(77), NodeId(2), NodeId(1)}}) {
      EXPECT_TRUE(absl::IsDataLoss(DecodePeerMessage(link, sample).status()));
    }
  }
}

TEST(PeerMessage, FieldsThatTheKindDoesNotHave_AreRefused) {
  std::vector<PeerRequestMessage> wrong;
  const auto change = [&](size_t sample, auto change) {
    wrong.push_back(Requests()[sample]);
    change(wrong.back());
  };
  for (size_t i = 0; i < 4; ++i) {
    change(i, [](auto& m) { m.id.asker = 0; });
    change(i, [](auto& m) { m.id.number = 0; });
    change(i, [](auto& m) { m.settled = 0; });
    change(i, [](auto& m) { m.settled = m.id.number + 1; });
    change(i, [](auto& m) { m.request.kind = static_cast<Kind>(10); });
  }
  change(0, [](auto& m) { m.request.payload = Buffer::Copy("x"); });
  change(0, [](auto& m) { m.request.stamp.term = raft::Term(1); });
  change(1, [](auto& m) { m.request.stamp.life = 0; });
  change(2, [](auto& m) { m.request.payload = Buffer(); });
  change(2, [](auto& m) { m.request.stamp.number = 0; });
  change(2, [](auto& m) { m.request.stamp.channel = 0; });
  change(2, [](auto& m) { m.request.stamp.life = 0; });
  change(3, [](auto& m) { m.request.payload = Buffer(); });
  change(3, [](auto& m) { m.request.stamp = Stamp(1); });
  for (const PeerRequestMessage& message : wrong) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        DecodePeerMessage(kLink, Whole(EncodePeerRequest(kLink, message)))
            .status()));
  }
}

TEST(PeerMessage, PayloadAboveTheSizeOfAnEntry_IsRefused) {
  PeerRequestMessage message = Requests()[2];
  message.request.payload =
      Buffer::Copy(std::string(raft::kEntryPayloadBytesMax, 'x'));
  std::string bytes(Whole(EncodePeerRequest(kLink, message)).view());
  EXPECT_TRUE(Accepted(Buffer::Copy(bytes)));
  EXPECT_FALSE(Accepted(Resealed(bytes + "x")));
}

TEST(PeerMessage, LongAnswer_IsCutIntoPieces) {
  PeerResult result = Results()[0];
  std::string results(2 * kAnswerPieceBytes + 5, 'r');
  results.front() = 'f';
  results.back() = 'b';
  result.result.result = Buffer::Copy(results);
  const PeerAnswer answer = EncodePeerResult(result);
  std::string whole;
  for (size_t at = 0; at < answer.size(); at += kAnswerPieceBytes) {
    const Buffer message = Whole(EncodePeerAnswerPiece(kLink, kId, answer, at));
    EXPECT_LE(message.size(), size_t{1} << 20);
    const auto decoded = DecodePeerMessage(kLink, message);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    const auto& piece = std::get<PeerAnswerPiece>(*decoded);
    EXPECT_EQ(piece.size, answer.size());
    EXPECT_EQ(piece.offset, whole.size());
    whole += piece.bytes.view();
  }
  const auto out = DecodePeerResult(Kind::kApply, Buffer::Copy(whole));
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(out->result.result.view(), results);
}

TEST(PeerMessage, PieceThatDoesNotFitItsAnswer_IsRefused) {
  const std::string good(EncodePiece(Results()[0]).view());
  constexpr size_t kSizeAt = 23;
  constexpr size_t kOffsetAt = 27;
  const auto with = [&](size_t at, uint32_t value) {
    std::string bytes = good;
    StoreFixed(bytes.data() + at, value);
    return Resealed(bytes);
  };
  const auto size = LoadFixed<uint32_t>(good, kSizeAt);
  EXPECT_TRUE(Accepted(with(kSizeAt, size)));
  EXPECT_FALSE(Accepted(with(kSizeAt, 0)));
  EXPECT_FALSE(Accepted(with(kSizeAt, size + 1)));
  EXPECT_FALSE(Accepted(with(kSizeAt, kAnswerBytesMax + 1)));
  EXPECT_FALSE(Accepted(with(kOffsetAt, 1)));
  EXPECT_FALSE(Accepted(with(kOffsetAt, kAnswerPieceBytes)));
}

TEST(PeerMessage, TextOfARefusal_IsCut) {
  PeerResult refused = Results()[2];
  refused.result.status = absl::UnavailableError(std::string(5000, 't'));
  const auto out =
      DecodePeerResult(Kind::kApply, EncodePeerResult(refused).head);
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(out->result.status.message().size(), kAnswerTextBytesMax);
}

// A message that passes for another one would be counted, or executed, twice.
RC_GTEST_PROP(PeerMessageRandom, AnyBytes_AreRefusedOrHaveOneForm, ()) {
  const std::vector<Buffer> samples = Samples();
  std::string bytes(
      samples[*rc::gen::inRange<size_t>(0, samples.size())].view());
  const auto changes = *rc::gen::inRange(0, 4);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<size_t>(raft::kChecksumEnd, bytes.size());
    bytes[at] = *rc::gen::arbitrary<char>();
  }
  bytes.resize(bytes.size() - *rc::gen::inRange<size_t>(0, 3));
  bytes += *rc::gen::arbitrary<std::string>();
  const Buffer message = Resealed(bytes);
  const auto decoded = DecodePeerMessage(kLink, message);
  if (decoded.ok()) RC_ASSERT(EncodeAgain(*decoded).view() == message.view());
}

RC_GTEST_PROP(PeerMessageRandom, AnyAnswer_IsDecodedOrRefused, ()) {
  const Buffer bytes = Buffer::Copy(*rc::gen::arbitrary<std::string>());
  for (const Kind kind :
       {Kind::kOpen, Kind::kApply, Kind::kRead, Kind::kControl}) {
    const auto decoded = DecodePeerResult(kind, bytes);
    if (decoded.ok() && decoded->result.outcome != Outcome::kDone) {
      RC_ASSERT(decoded->result.status.message().size() <= bytes.size());
    }
  }
}

TEST(PeerMessage, Bytes_AreAsEver) {
  std::ifstream file("node/peers/testdata/peer_message_v1.hex");
  for (const Buffer& sample : Samples()) {
    std::string golden;
    const std::string hex = absl::BytesToHexString(std::string(sample.view()));
    EXPECT_TRUE(std::getline(file, golden)) << hex;
    EXPECT_EQ(hex, golden);
    const auto decoded =
        DecodePeerMessage(kLink, Buffer::Copy(absl::HexStringToBytes(golden)));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(EncodeAgain(*decoded), sample);
  }
}

}  // namespace
}  // namespace quorate::node
