#include "raft/host/envelope.h"

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/random.h"
#include "env/transport.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/testing/names.h"

namespace quorate::raft {
namespace {

const MessageLink kLink{
    .cluster = ClusterId(77), .from = NodeId(1), .to = NodeId(2)};

constexpr EnvelopeStamp kStamp = {.process = 0x4142434445464748,
                                  .sent = MonoTime(0x0b4c4d4e4f505152)};
constexpr size_t kProcessAt = kChecksumEnd + 8;
constexpr size_t kEnvelopePrefixBytes = kProcessAt + 16;

std::vector<Buffer> EncodeEnvelope(const MessageLink& link,
                                   const std::vector<GroupMessage>& messages,
                                   const EnvelopeStamp& stamp = kStamp) {
  EnvelopeBuilder builder;
  for (const GroupMessage& message : messages) {
    CHECK(builder.Add(message.group, message.message));
  }
  EXPECT_EQ(builder.empty(), messages.empty());
  return builder.Take(link, stamp);
}

Buffer Join(const std::vector<Buffer>& pieces) {
  std::string bytes;
  for (const Buffer& piece : pieces) bytes += piece.view();
  return Buffer::Copy(bytes);
}

void ExpectEqual(const GroupMessage& a, const GroupMessage& b) {
  EXPECT_EQ(a.group, b.group);
  EXPECT_TRUE(a.message == b.message)
      << MessageTypeName(a.message.type) << " and "
      << MessageTypeName(b.message.type) << " differ";
}

GroupMessage Make(MessageType type) {
  GroupMessage out{.group = GroupId(7)};
  out.message.type = type;
  out.message.from = ReplicaId(0x0102030405060708);
  out.message.to = ReplicaId(0x1112131415161718);
  out.message.term = Term(300);
  return out;
}

constexpr int kTypes = 13;

// Values for the fields of random messages.
class Drawing {
 public:
  explicit Drawing(uint64_t seed) : random_(seed) {}

  // A message in which every field that its type has is drawn.
  GroupMessage Draw() {
    GroupMessage out = Make(static_cast<MessageType>(1 + Below(kTypes)));
    out.group = GroupId(static_cast<uint32_t>(1 + Below(9)));
    out.message.from = ReplicaId(Below(3));
    out.message.to = ReplicaId(Below(3));
    out.message.term = Term(Below(1000));
    DrawFields(&out.message);
    return out;
  }
  uint64_t Below(uint64_t bound) {
    return random_.Below(bound, "envelope_test", 0, draws_++);
  }

 private:
  LogPosition Position() { return {Term(Below(9)), Index(Below(1 << 20))}; }
  WallTime Time() { return WallTime(static_cast<int64_t>(Below(1ULL << 60))); }

  void DrawFields(Message* m) {
    switch (m->type) {
      case MessageType::kPreVote:
        m->last_log = Position();
        break;
      case MessageType::kVote:
        m->last_log = Position();
        m->forced = Below(2) == 1;
        break;
      case MessageType::kPreVoteReply:
        m->reject = Below(2) == 1;
        break;
      case MessageType::kVoteReply:
        m->reject = Below(2) == 1;
        m->log_time = Time();
        m->promised = Nanoseconds(static_cast<int64_t>(Below(1 << 20)));
        break;
      case MessageType::kAppend:
        m->number = AppendNumber(Below(1 << 20));
        m->previous = Position();
        m->commit = Index(Below(1 << 20));
        m->commit_log_time = Time();
        DrawEntries(m);
        break;
      case MessageType::kAppendReply:
        m->reject = Below(2) == 1;
        m->no_entries = Below(2) == 1;
        m->number = AppendNumber(Below(1 << 20));
        if (m->reject) {
          m->hint = Position();
        } else {
          m->received = Index(Below(1 << 20));
          m->durable = Index(Below(1 << 20));
        }
        break;
      case MessageType::kHeartbeat:
        m->lost_entries = Below(2) == 1;
        m->commit = Index(Below(1 << 20));
        m->log_time = Time();
        m->read_round = ReadRound(Below(5));
        m->quiet_for = Nanoseconds(static_cast<int64_t>(Below(1 << 20)));
        m->sent = MonoTime(static_cast<int64_t>(Below(1 << 20)));
        m->state = {Index(Below(9)), Below(99)};
        break;
      case MessageType::kHeartbeatReply:
        m->no_entries = Below(2) == 1;
        m->read_round = ReadRound(Below(5));
        m->state = {Index(Below(9)), Below(99)};
        m->known_level = Level(Below(5));
        m->log_time = Time();
        m->sent = MonoTime(static_cast<int64_t>(Below(1 << 20)));
        break;
      case MessageType::kSnapshotChunk:
        m->number = AppendNumber(Below(9));
        DrawPart(&m->part.Mutable());
        break;
      case MessageType::kSnapshotReply:
        m->reject = Below(2) == 1;
        m->part.Mutable().snapshot.position = Position();
        m->number = AppendNumber(Below(9));
        m->part.Mutable().offset = Below(1 << 30);
        m->part.Mutable().staged = Below(1 << 30);
        break;
      case MessageType::kReadIndex:
        m->read_id = Below(5);
        m->forced = Below(2) == 1;
        break;
      case MessageType::kReadIndexReply:
        m->read_id = Below(5);
        m->reject = Below(2) == 1;
        if (m->reject) break;
        m->read_index = Index(Below(1 << 20));
        m->commit = Index(Below(1 << 20));
        m->log_time = Time();
        m->present_log_time = Time();
        break;
      case MessageType::kTimeoutNow:
        m->promised = Nanoseconds(static_cast<int64_t>(Below(1 << 20)));
        break;
    }
  }

  void DrawEntries(Message* m) {
    const uint64_t entries = Below(4);
    for (uint64_t i = 0; i < entries; ++i) {
      Entry entry{.term = Term(Below(9)), .index = m->previous.index + (i + 1)};
      entry.kind = static_cast<EntryKind>(1 + Below(3));
      entry.version = static_cast<uint8_t>(Below(256));
      entry.log_time = Time();
      if (Below(2) == 1) entry.leader_wall.earliest = WallTime(5);
      if (Below(2) == 1) entry.leader_wall.latest = WallTime(-7);
      entry.flags = static_cast<uint16_t>(Below(1 << 16));
      entry.payload = Buffer::Copy(std::string(Below(40), 'p'));
      entry.checksum = EntryChecksum(entry);
      m->entries.push_back(entry);
    }
  }

  void DrawPart(SnapshotPart* part) {
    SnapshotDescriptor& snapshot = part->snapshot;
    snapshot.position = Position();
    snapshot.log_time = Time();
    snapshot.latest = Time();
    snapshot.configuration.voters = {
        {ReplicaId(11), NodeId(1), StoreIncarnation(4)},
        {ReplicaId(13), NodeId(3), StoreIncarnation()}};
    if (Below(2) == 1) {
      snapshot.configuration.learners = {
          {ReplicaId(15), NodeId(5), StoreIncarnation(6)}};
    }
    snapshot.size_bytes = Below(1 << 30);
    snapshot.crc32c = static_cast<uint32_t>(Below(1ULL << 32));
    part->offset = Below(1 << 30);
    part->chunk = Buffer::Copy(std::string(Below(100), 'c'));
  }

  const Random random_;
  uint64_t draws_ = 0;
};

Entry WithChecksum(Entry entry) {
  entry.checksum = EntryChecksum(entry);
  return entry;
}

GroupMessage Draw(uint64_t seed) { return Drawing(seed).Draw(); }

// `bytes` with another checksum, that of its contents.
Buffer WithChecksum(std::string bytes) {
  const uint32_t seed = ChecksumSeed(kLink, Service::kReplicas);
  StoreFixed(bytes.data() + kServiceBytes,
             Crc32c(seed, std::string_view(bytes).substr(kChecksumEnd)));
  return Buffer::Copy(bytes);
}

// The reason for which `bytes` are refused, with a matching checksum.
std::string Refusal(std::string bytes) {
  const auto decoded = DecodeEnvelope(kLink, WithChecksum(std::move(bytes)));
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(decoded.status().message());
}

TEST(Envelope, AnyMessages_ComeBackEqual) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::vector<GroupMessage> messages;
    for (uint64_t i = 0; i < seed % 5; ++i) messages.push_back(Draw(seed + i));
    const Buffer bytes = Join(EncodeEnvelope(kLink, messages));
    auto decoded = DecodeEnvelope(kLink, bytes);
    ASSERT_TRUE(decoded.ok()) << "seed " << seed << " " << decoded.status();
    ASSERT_EQ(decoded->messages.size(), messages.size());
    EXPECT_EQ(decoded->stamp.process, kStamp.process);
    EXPECT_EQ(decoded->stamp.sent, kStamp.sent);
    for (size_t i = 0; i < messages.size(); ++i) {
      ExpectEqual(decoded->messages[i], messages[i]);
    }
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// One message of each type, and each kind of reply, with a value of its own in
// each field.
std::vector<GroupMessage> GoldenMessages() {
  std::vector<GroupMessage> messages;
  for (int type = 1; type <= kTypes; ++type) {
    messages.push_back(Make(static_cast<MessageType>(type)));
  }
  const auto at = [&](MessageType type) -> Message& {
    return messages[static_cast<size_t>(type) - 1].message;
  };
  at(MessageType::kPreVote).last_log = {Term(0x11), Index(0x12)};
  at(MessageType::kVote).last_log = {Term(0x13), Index(0x14)};
  at(MessageType::kVote).forced = true;
  at(MessageType::kVoteReply).reject = true;
  at(MessageType::kVoteReply).log_time = WallTime(0x43);
  at(MessageType::kVoteReply).promised = Nanoseconds(0x47);
  at(MessageType::kTimeoutNow).promised = Nanoseconds(0x49);
  Message& append = at(MessageType::kAppend);
  append.number = AppendNumber(0x35);
  append.previous = {Term(0x15), Index(0x16)};
  append.commit = Index(0x17);
  append.commit_log_time = WallTime(0x18);
  append.entries = {
      WithChecksum(Entry{.term = Term(0x19),
                         .index = Index(0x17),
                         .kind = EntryKind::kCommands,
                         .version = 2,
                         .flags = 0x3d3e,
                         .log_time = WallTime(0x1a),
                         .leader_wall = {WallTime(0x1b), WallTime(0x1c)},
                         .payload = Buffer::Copy("commands")}),
      WithChecksum(Entry{.term = Term(0x1d), .index = Index(0x18)})};
  Message& accepting = at(MessageType::kAppendReply);
  accepting.no_entries = true;
  accepting.number = AppendNumber(0x36);
  accepting.received = Index(0x37);
  accepting.durable = Index(0x1e);
  Message& heartbeat = at(MessageType::kHeartbeat);
  heartbeat.lost_entries = true;
  heartbeat.commit = Index(0x1f);
  heartbeat.log_time = WallTime(0x20);
  heartbeat.read_round = ReadRound(0x21);
  heartbeat.quiet_for = Nanoseconds(0x42);
  heartbeat.sent = MonoTime(0x45);
  heartbeat.state = {Index(0x39), 0x3a};
  Message& heard = at(MessageType::kHeartbeatReply);
  heard.read_round = ReadRound(0x22);
  heard.known_level = Level(0x38);
  heard.sent = MonoTime(0x46);
  heard.log_time = WallTime(0x48);
  heard.state = {Index(0x3b), 0x3c};
  Message& chunk = at(MessageType::kSnapshotChunk);
  chunk.number = AppendNumber(0x3f);
  chunk.part.Mutable().snapshot = {.position = {Term(0x23), Index(0x24)},
                                   .log_time = WallTime(0x25),
                                   .latest = WallTime(0x35),
                                   .size_bytes = 0x26,
                                   .crc32c = 0x27};
  chunk.part.Mutable().snapshot.configuration.voters = {
      {ReplicaId(3), NodeId(1), StoreIncarnation(2)}};
  chunk.part.Mutable().offset = 0x28;
  chunk.part.Mutable().chunk = Buffer::Copy("chunk");
  Message& staged = at(MessageType::kSnapshotReply);
  staged.number = AppendNumber(0x40);
  staged.part.Mutable().snapshot.position = {Term(0x29), Index(0x2a)};
  staged.part.Mutable().offset = 0x2b;
  staged.part.Mutable().staged = 0x41;
  at(MessageType::kReadIndex).read_id = 0x2c;
  at(MessageType::kReadIndex).forced = true;
  Message& read = at(MessageType::kReadIndexReply);
  read.read_id = 0x2d;
  read.read_index = Index(0x2e);
  read.commit = Index(0x2f);
  read.log_time = WallTime(0x44);
  read.present_log_time = WallTime(0x4a);
  GroupMessage rejecting = Make(MessageType::kAppendReply);
  rejecting.message.reject = true;
  rejecting.message.number = AppendNumber(0x31);
  rejecting.message.hint = {Term(0x32), Index(0x33)};
  messages.push_back(rejecting);
  GroupMessage refusing = Make(MessageType::kReadIndexReply);
  refusing.message.reject = true;
  refusing.message.read_id = 0x34;
  messages.push_back(refusing);
  return messages;
}

TEST(Envelope, Bytes_AreAsEver) {
  std::ifstream file("raft/host/testdata/envelope_v1.hex");
  std::string hex;
  for (std::string line; std::getline(file, line);) hex += line;
  const std::vector<GroupMessage> messages = GoldenMessages();
  const Buffer bytes = Join(EncodeEnvelope(kLink, messages));
  EXPECT_EQ(absl::BytesToHexString(std::string(bytes.view())), hex);
  const auto decoded =
      DecodeEnvelope(kLink, Buffer::Copy(absl::HexStringToBytes(hex)));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->messages.size(), messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    ExpectEqual(decoded->messages[i], messages[i]);
  }
}

TEST(Envelope, FieldsOfOtherTypes_AreNotSent) {
  GroupMessage heartbeat = Make(MessageType::kHeartbeat);
  const Buffer bytes = Join(EncodeEnvelope(kLink, {heartbeat}));
  EXPECT_EQ(bytes.size(), kEnvelopePrefixBytes + 86);
  heartbeat.message.hint = {Term(1), Index(2)};
  heartbeat.message.read_id = 3;
  heartbeat.message.part.Mutable().chunk = Buffer::Copy("chunk");
  EXPECT_EQ(Join(EncodeEnvelope(kLink, {heartbeat})), bytes);
}

TEST(EnvelopeBuilder, FullEnvelope_TakesNoMore) {
  GroupMessage append = Make(MessageType::kAppend);
  Entry entry{.term = Term(1), .index = Index(1)};
  entry.payload = Buffer::Copy(std::string(kEntryPayloadBytesMax, 'p'));
  append.message.entries = {WithChecksum(entry)};
  EnvelopeBuilder builder;
  EXPECT_TRUE(builder.Add(append.group, append.message));
  EXPECT_FALSE(builder.Add(append.group, append.message));
  const GroupMessage small = Make(MessageType::kTimeoutNow);
  EXPECT_TRUE(builder.Add(small.group, small.message));
  const auto first = DecodeEnvelope(kLink, Join(builder.Take(kLink, kStamp)));
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->messages.size(), 2u);
  ExpectEqual(first->messages[0], append);
  ExpectEqual(first->messages[1], small);
  // The messages are gone, and there is room again.
  EXPECT_TRUE(builder.empty());
  EXPECT_TRUE(builder.Add(append.group, append.message));
  const auto second = DecodeEnvelope(kLink, Join(builder.Take(kLink, kStamp)));
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->messages.size(), 1u);
}

TEST(EnvelopeBuilder, ManySmallMessages_FillAnEnvelope) {
  const GroupMessage small = Make(MessageType::kPreVoteReply);
  EnvelopeBuilder builder;
  size_t messages = 0;
  while (builder.Add(small.group, small.message)) ++messages;
  const Buffer bytes = Join(builder.Take(kLink, kStamp));
  EXPECT_LE(bytes.size(), env::kMessageBytesMax);
  EXPECT_GT(bytes.size(), env::kMessageBytesMax - 30);
  const auto decoded = DecodeEnvelope(kLink, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->messages.size(), messages);
}

TEST(Envelope, UnknownVersion_IsRefused) {
  std::string bytes(
      Join(EncodeEnvelope(kLink, {Make(MessageType::kTimeoutNow)})).view());
  bytes[kChecksumEnd] = kEnvelopeVersion + 1;
  EXPECT_EQ(Refusal(bytes),
            "envelope has version 2, but this program reads version 1");
}

// The envelope's own checksum matches: its sender had the damage in memory.
// The memory of the sender may have changed them. Messages of other groups are
// as good as before.
TEST(Envelope, EntryThatIsNotTheProposers_IsLeftOutWithItsMessage) {
  GroupMessage append = Make(MessageType::kAppend);
  Entry entry{.term = Term(1), .index = Index(1)};
  entry.payload = Buffer::Copy("proposed");
  entry.checksum = EntryChecksum(entry);
  entry.payload = Buffer::Copy("pr0posed");
  append.message.entries = {entry};
  const GroupMessage before = Make(MessageType::kVote);
  GroupMessage after = Make(MessageType::kAppend);
  after.message.entries = {WithChecksum(entry)};
  const auto decoded = DecodeEnvelope(
      kLink, Join(EncodeEnvelope(kLink, {before, append, append, after})));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->messages.size(), 2u);
  ExpectEqual(decoded->messages[0], before);
  ExpectEqual(decoded->messages[1], after);
  EXPECT_TRUE(absl::IsDataLoss(decoded->damage));
  EXPECT_EQ(decoded->damage.message(),
            "a message to group " + std::to_string(append.group.value()) +
                ": entry 1 does not match its checksum");
  EXPECT_TRUE(
      DecodeEnvelope(kLink, Join(EncodeEnvelope(kLink, {after})))->damage.ok());
}

// The receiver halts, instead of asking for the chunk for ever.
TEST(Envelope, ConfigurationOfANewerProgram_IsOneThatNoProgramKnows) {
  GroupMessage chunk = Make(MessageType::kSnapshotChunk);
  Configuration configuration;
  configuration.voters = {{ReplicaId(1), NodeId(1), StoreIncarnation(11)}};
  SnapshotPart part;
  part.snapshot.position = {Term(3), Index(9)};
  part.snapshot.configuration = configuration;
  part.chunk = Buffer::Copy("chunk");
  chunk.message.part = Boxed(std::move(part));
  std::string bytes(Join(EncodeEnvelope(kLink, {chunk})).view());
  const std::string encoded(EncodeConfiguration(configuration).view());
  const size_t at = bytes.find(encoded);
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 127;  // The version.
  const auto decoded = DecodeEnvelope(kLink, WithChecksum(bytes));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->damage.ok()) << decoded->damage;
  ASSERT_EQ(decoded->messages.size(), 1u);
  const SnapshotPart& read = *decoded->messages[0].message.part;
  EXPECT_FALSE(KnowsLevels(read.snapshot.configuration, Level(1'000'000)));
  EXPECT_EQ(read.snapshot.position, LogPosition(Term(3), Index(9)));
  EXPECT_EQ(read.chunk.view(), "chunk");
}

TEST(Envelope, UnknownTypeOrFlag_IsRefused) {
  const std::string good(
      Join(EncodeEnvelope(kLink, {Make(MessageType::kTimeoutNow)})).view());
  for (const int type : {0, kTypes + 1, 255}) {
    std::string bytes = good;
    bytes[kEnvelopePrefixBytes] = static_cast<char>(type);
    EXPECT_EQ(Refusal(bytes), "unknown message type " + std::to_string(type));
  }
  for (const int flag : {1, 2, 4, 128}) {
    std::string bytes = good;
    bytes[kEnvelopePrefixBytes + 1] = static_cast<char>(flag);
    EXPECT_EQ(Refusal(bytes),
              "a message of type 13 has unknown flags " + std::to_string(flag));
  }
}

// Bytes that are accepted in full are those that their messages are encoded to.
// So no bit of a message is ignored.
void ExpectOneForm(const Buffer& bytes, const Envelope& envelope) {
  for (const GroupMessage& one : envelope.messages) {
    // The form of a newer program is not known.
    if (one.message.part.has_value() &&
        one.message.part->snapshot.configuration == UnreadableConfiguration()) {
      return;
    }
  }
  EXPECT_EQ(Join(EncodeEnvelope(kLink, envelope.messages, envelope.stamp)),
            bytes);
}

TEST(Envelope, AnyChange_IsReadOrRefused) {
  const Random random(1);
  uint64_t accepted = 0;
  for (uint64_t round = 0; round < 20'000; ++round) {
    std::string bytes(
        Join(EncodeEnvelope(kLink, {Draw(round % 50), Draw(round % 49)}))
            .view());
    const uint64_t at = kChecksumEnd + random.Below(bytes.size() - kChecksumEnd,
                                                    "at", round, 0);
    bytes[at] = static_cast<char>(random.Below(256, "byte", round, 0));
    const Buffer changed = WithChecksum(bytes);
    const auto decoded = DecodeEnvelope(kLink, changed);
    if (!decoded.ok() || !decoded->damage.ok()) continue;
    ++accepted;
    ExpectOneForm(changed, *decoded);
    if (HasFailure()) FAIL() << "round " << round;
  }
  // Many changes of a number give another valid message.
  EXPECT_GT(accepted, 1'000u);
  EXPECT_LT(accepted, 20'000u);
}

TEST(Envelope, AnyBytes_AreReadOrRefused) {
  for (uint64_t seed = 0; seed < 20'000; ++seed) {
    Drawing drawing(seed);
    std::string bytes(drawing.Below(200), '\0');
    for (char& byte : bytes) {
      // Small values reach further than others.
      byte = static_cast<char>(drawing.Below(drawing.Below(2) == 0 ? 4 : 256));
    }
    if (bytes.size() < kEnvelopePrefixBytes) {
      EXPECT_FALSE(DecodeEnvelope(kLink, Buffer::Copy(bytes)).ok());
      continue;
    }
    bytes[0] = static_cast<char>(Service::kReplicas);
    StoreFixed(bytes.data() + kChecksumEnd, kEnvelopeVersion);
    StoreFixed<uint16_t>(bytes.data() + kChecksumEnd + 2, drawing.Below(3));
    StoreFixed<uint32_t>(bytes.data() + kChecksumEnd + 4,
                         drawing.Below(bytes.size()));
    const Buffer whole = WithChecksum(bytes);
    const auto decoded = DecodeEnvelope(kLink, whole);
    if (decoded.ok()) ExpectOneForm(whole, *decoded);
  }
}

TEST(Envelope, AnyShorterHeader_IsRefused) {
  const std::string good(Join(EncodeEnvelope(kLink, GoldenMessages())).view());
  const uint32_t header_bytes = LoadFixed<uint32_t>(good, kChecksumEnd + 4);
  for (uint32_t cut = 1; cut <= header_bytes; ++cut) {
    std::string bytes = good;
    bytes.erase(kEnvelopePrefixBytes + header_bytes - cut, cut);
    StoreFixed(bytes.data() + kChecksumEnd + 4, header_bytes - cut);
    Refusal(bytes);
  }
  // The cut bytes count as payload instead.
  for (uint32_t cut = 1; cut <= header_bytes; ++cut) {
    std::string bytes = good;
    StoreFixed(bytes.data() + kChecksumEnd + 4, header_bytes - cut);
    Refusal(bytes);
  }
}

TEST(Envelope, AnyPrefix_IsRefused) {
  const std::string good(Join(EncodeEnvelope(kLink, GoldenMessages())).view());
  for (size_t size = 0; size < good.size(); ++size) {
    const std::string bytes = good.substr(0, size);
    EXPECT_FALSE(DecodeEnvelope(kLink, Buffer::Copy(bytes)).ok());
    if (size >= kEnvelopePrefixBytes) Refusal(bytes);
  }
}

TEST(Envelope, MoreMessagesOrFewerThanStated_AreRefused) {
  const std::string good(Join(EncodeEnvelope(kLink, GoldenMessages())).view());
  const auto count = LoadFixed<uint16_t>(good, kChecksumEnd + 2);
  for (const int stated : {0, count - 1, count + 1, 65'535}) {
    std::string bytes = good;
    StoreFixed(bytes.data() + kChecksumEnd + 2, static_cast<uint16_t>(stated));
    Refusal(bytes);
  }
}

TEST(Envelope, MoreEntriesThanBytes_AreRefused) {
  std::string bytes(
      Join(EncodeEnvelope(kLink, {Make(MessageType::kAppend)})).view());
  // The number of entries is the last field.
  StoreFixed<uint32_t>(bytes.data() + bytes.size() - 4, 0xffffffff);
  EXPECT_EQ(Refusal(bytes), "entry headers are cut short");
}

TEST(Envelope, Payloads_AreSharedNotCopied) {
  GroupMessage append = Make(MessageType::kAppend);
  append.message.entries = {WithChecksum(Entry{
      .term = Term(1), .index = Index(1), .payload = Buffer::Copy("payload")})};
  const std::vector<Buffer> pieces = EncodeEnvelope(kLink, {append});
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].data(), append.message.entries[0].payload.data());
  const Buffer bytes = Join(pieces);
  const auto decoded = DecodeEnvelope(kLink, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->messages[0].message.entries[0].payload.data(),
            bytes.data() + bytes.size() - 7);
}

TEST(Envelope, AnyFlippedBit_IsRefused) {
  const Buffer good = Join(EncodeEnvelope(kLink, GoldenMessages()));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes(good.view());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    // Another service is refused before its checksum is read.
    EXPECT_EQ(DecodeEnvelope(kLink, Buffer::Copy(bytes)).status().code(),
              bit < 8 * kServiceBytes ? absl::StatusCode::kInvalidArgument
                                      : absl::StatusCode::kDataLoss);
  }
}

TEST(Envelope, AnotherLink_IsRefused) {
  const Buffer good = Join(EncodeEnvelope(kLink, {Draw(3)}));
  MessageLink other = kLink;
  other.to = NodeId(3);
  EXPECT_FALSE(DecodeEnvelope(other, good).ok());
  other = kLink;
  other.from = NodeId(3);
  EXPECT_FALSE(DecodeEnvelope(other, good).ok());
  other = kLink;
  other.cluster = ClusterId(78);
  EXPECT_FALSE(DecodeEnvelope(other, good).ok());
}

}  // namespace
}  // namespace quorate::raft
