#include "raft/host/envelope.h"

#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/random.h"
#include "env/transport.h"
#include "gtest/gtest.h"
#include "raft/host/envelope.pb.h"

namespace quorate::raft {
namespace {

const EnvelopeLink kLink{
    .cluster = ClusterId(77), .from = NodeId(1), .to = NodeId(2)};

Buffer Join(const std::vector<Buffer>& pieces) {
  std::string bytes;
  for (const Buffer& piece : pieces) bytes += piece.view();
  return Buffer::Copy(bytes);
}

void ExpectEqual(const Message& a, const Message& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.from, b.from);
  EXPECT_EQ(a.to, b.to);
  EXPECT_EQ(a.term, b.term);
  EXPECT_EQ(a.reject, b.reject);
  EXPECT_EQ(a.forced, b.forced);
  EXPECT_EQ(a.last_log, b.last_log);
  EXPECT_EQ(a.previous, b.previous);
  EXPECT_EQ(a.match, b.match);
  EXPECT_EQ(a.read_index, b.read_index);
  EXPECT_EQ(a.hint, b.hint);
  EXPECT_EQ(a.commit, b.commit);
  EXPECT_EQ(a.commit_log_time, b.commit_log_time);
  EXPECT_EQ(a.read_round, b.read_round);
  EXPECT_EQ(a.read_id, b.read_id);
  EXPECT_EQ(a.entries, b.entries);
  EXPECT_EQ(a.snapshot, b.snapshot);
  EXPECT_EQ(a.offset, b.offset);
  EXPECT_EQ(a.chunk, b.chunk);
}

// A message in which every field that its type may carry is drawn.
GroupMessage Draw(uint64_t seed) {
  const Random random(seed);
  uint64_t draws = 0;
  auto below = [&](uint64_t bound) {
    return random.Below(bound, "envelope_test", 0, draws++);
  };
  GroupMessage out{.group = {GroupId(static_cast<uint32_t>(1 + below(9))),
                             GroupIncarnation(below(3))}};
  Message& m = out.message;
  m.type = static_cast<MessageType>(1 + below(13));
  m.from = kLink.from;
  m.to = kLink.to;
  m.term = Term(below(1000));
  m.reject = below(2) == 1;
  m.forced = below(2) == 1;
  switch (m.type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      m.last_log = {Term(below(9)), Index(below(1 << 20))};
      break;
    case MessageType::kAppendReply:
      if (m.reject) {
        m.previous = {Term(below(9)), Index(below(1 << 20))};
      } else {
        m.match = Index(below(1 << 20));
      }
      break;
    case MessageType::kReadIndexReply:
      m.read_index = Index(below(1 << 20));
      break;
    case MessageType::kAppend:
      m.previous = {Term(below(9)), Index(below(1 << 20))};
      break;
    default:
      break;
  }
  m.hint = {Term(below(9)), Index(below(2))};
  m.commit = Index(below(1 << 20));
  m.commit_log_time = WallTime(static_cast<int64_t>(below(1ULL << 60)));
  m.read_round = ReadRound(below(5));
  m.read_id = below(5);
  const uint64_t entries = below(4);
  for (uint64_t i = 0; i < entries; ++i) {
    Entry entry{.term = Term(below(9)), .index = m.previous.index + (i + 1)};
    entry.kind = static_cast<EntryKind>(1 + below(3));
    entry.log_time = WallTime(static_cast<int64_t>(below(1000)));
    if (below(2) == 1) entry.leader_wall.earliest = WallTime(5);
    if (below(2) == 1) entry.leader_wall.latest = WallTime(-7);
    entry.payload = Buffer::Copy(std::string(below(40), 'p'));
    m.entries.push_back(entry);
  }
  if (below(3) == 0) {
    m.snapshot.position = {Term(1), Index(1 + below(9))};
    m.snapshot.configuration.voters = {{NodeId(1), StoreIncarnation(4)},
                                       {NodeId(3), StoreIncarnation()}};
    m.snapshot.size_bytes = below(1 << 30);
    m.snapshot.crc32c = static_cast<uint32_t>(below(1ULL << 32));
    m.offset = below(1 << 30);
    m.chunk = Buffer::Copy(std::string(below(100), 'c'));
  }
  return out;
}

TEST(Envelope, AnyMessages_ComeBackEqual) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::vector<GroupMessage> messages;
    for (uint64_t i = 0; i <= seed % 4; ++i) messages.push_back(Draw(seed + i));
    const Buffer bytes = Join(EncodeEnvelope(kLink, messages));
    auto decoded = DecodeEnvelope(kLink, bytes);
    ASSERT_TRUE(decoded.ok()) << "seed " << seed << " " << decoded.status();
    ASSERT_EQ(decoded->size(), messages.size());
    size_t bound = 16;
    for (size_t i = 0; i < messages.size(); ++i) {
      EXPECT_EQ((*decoded)[i].group, messages[i].group);
      ExpectEqual((*decoded)[i].message, messages[i].message);
      bound += EnvelopeBytesBound(messages[i]);
    }
    EXPECT_LE(bytes.size(), bound) << "seed " << seed;
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// The header of an envelope, and how to put another one in its place.
std::string HeaderOf(const Buffer& bytes) {
  return std::string(
      bytes.view().substr(8, LoadFixed<uint32_t>(bytes.view(), 4)));
}
Buffer WithHeader(const Buffer& bytes, const std::string& header) {
  std::string changed;
  AppendFixed(&changed, static_cast<uint32_t>(header.size()));
  changed += header;
  changed += bytes.view().substr(8 + HeaderOf(bytes).size());
  const uint32_t seed =
      Crc32cSeed(kLink.cluster.value(), kLink.from.value(), kLink.to.value());
  std::string whole;
  AppendFixed(&whole, Crc32c(seed, changed));
  return Buffer::Copy(whole + changed);
}

TEST(Envelope, Headers_AreThoseOfEnvelopeProto) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::vector<GroupMessage> messages;
    for (uint64_t i = 0; i <= seed % 4; ++i) messages.push_back(Draw(seed + i));
    const std::string header = HeaderOf(Join(EncodeEnvelope(kLink, messages)));
    wire::Envelope envelope;
    ASSERT_TRUE(envelope.ParseFromString(header)) << "seed " << seed;
    // Each field is known, and the bytes are those that protoc's code writes.
    ASSERT_EQ(envelope.SerializeAsString(), header) << "seed " << seed;
    ASSERT_EQ(envelope.messages_size(), static_cast<int>(messages.size()));
    for (int i = 0; i < envelope.messages_size(); ++i) {
      const wire::GroupMessage& sent = envelope.messages(i);
      const Message& message = messages[i].message;
      EXPECT_TRUE(sent.GetReflection()->GetUnknownFields(sent).empty());
      EXPECT_EQ(sent.group(), messages[i].group.group.value());
      EXPECT_EQ(sent.incarnation(), messages[i].group.incarnation.value());
      EXPECT_EQ(sent.type(), static_cast<uint32_t>(message.type));
      EXPECT_EQ(sent.term(), message.term.value());
      EXPECT_EQ(sent.reject(), message.reject);
      EXPECT_EQ(sent.forced(), message.forced);
      EXPECT_EQ(sent.hint().index(), message.hint.index.value());
      EXPECT_EQ(sent.commit(), message.commit.value());
      EXPECT_EQ(sent.commit_log_time_ns(), message.commit_log_time.ns());
      EXPECT_EQ(sent.read_round(), message.read_round.value());
      EXPECT_EQ(sent.read_id(), message.read_id);
      EXPECT_EQ(sent.entries_size(), static_cast<int>(message.entries.size()));
      EXPECT_EQ(sent.has_snapshot(),
                message.snapshot.position != LogPosition{});
      EXPECT_EQ(sent.offset(), message.offset);
      EXPECT_EQ(sent.chunk_bytes(), message.chunk.size());
    }
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(Envelope, UnknownFields_AreSkipped) {
  const GroupMessage message = Draw(3);
  const Buffer bytes = Join(EncodeEnvelope(kLink, {message}));
  wire::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(HeaderOf(bytes)));
  for (google::protobuf::Message* const part :
       std::initializer_list<google::protobuf::Message*>{
           &envelope, envelope.mutable_messages(0)}) {
    google::protobuf::UnknownFieldSet* const fields =
        part->GetReflection()->MutableUnknownFields(part);
    fields->AddVarint(100, 300);
    fields->AddFixed64(101, 1);
    fields->AddLengthDelimited(102, "abc");
    fields->AddFixed32(103, 1);
  }
  const auto decoded =
      DecodeEnvelope(kLink, WithHeader(bytes, envelope.SerializeAsString()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->size(), 1u);
  ExpectEqual((*decoded)[0].message, message.message);
}

TEST(Envelope, AnyHeader_IsReadOrRefused) {
  const Random random(1);
  uint64_t accepted = 0;
  for (uint64_t round = 0; round < 20'000; ++round) {
    const Buffer bytes = Join(EncodeEnvelope(kLink, {Draw(round % 50)}));
    std::string header = HeaderOf(bytes);
    const uint64_t at = random.Below(header.size(), "at", round, 0);
    header[at] = static_cast<char>(random.Below(256, "byte", round, 0));
    accepted += DecodeEnvelope(kLink, WithHeader(bytes, header)).ok();
  }
  // Many changes of a number give another valid message.
  EXPECT_GT(accepted, 1'000u);
  EXPECT_LT(accepted, 20'000u);
}

TEST(Envelope, SnapshotReply_NeedsNoConfiguration) {
  GroupMessage reply = Draw(1);
  reply.message.type = MessageType::kSnapshotReply;
  reply.message.snapshot = {.position = {Term(2), Index(5)}};
  auto decoded = DecodeEnvelope(kLink, Join(EncodeEnvelope(kLink, {reply})));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectEqual((*decoded)[0].message, reply.message);
  reply.message.type = MessageType::kSnapshotChunk;
  EXPECT_FALSE(
      DecodeEnvelope(kLink, Join(EncodeEnvelope(kLink, {reply}))).ok());
}

TEST(Envelope, Payloads_AreSharedNotCopied) {
  GroupMessage message = Draw(1);
  message.message.entries = {Entry{.term = Term(1),
                                   .index = message.message.previous.index + 1,
                                   .payload = Buffer::Copy("payload")}};
  const std::vector<Buffer> pieces = EncodeEnvelope(kLink, {message});
  ASSERT_GE(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].data(), message.message.entries[0].payload.data());
}

TEST(Envelope, AnyFlippedBit_IsRefused) {
  const Buffer good = Join(EncodeEnvelope(kLink, {Draw(3), Draw(4)}));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes(good.view());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeEnvelope(kLink, Buffer::Copy(bytes)).ok());
  }
}

TEST(Envelope, AnotherLink_IsRefused) {
  const Buffer good = Join(EncodeEnvelope(kLink, {Draw(3)}));
  EnvelopeLink other = kLink;
  other.to = NodeId(3);
  EXPECT_FALSE(DecodeEnvelope(other, good).ok());
  other = kLink;
  other.from = NodeId(3);
  EXPECT_FALSE(DecodeEnvelope(other, good).ok());
  other = kLink;
  other.cluster = ClusterId(78);
  EXPECT_FALSE(DecodeEnvelope(other, good).ok());
}

TEST(Envelope, AnyPrefix_IsRefused) {
  const Buffer good = Join(EncodeEnvelope(kLink, {Draw(3)}));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeEnvelope(kLink, good.Slice(0, size)).ok());
  }
}

}  // namespace
}  // namespace quorate::raft
