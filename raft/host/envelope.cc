#include "raft/host/envelope.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/transport.h"
#include "raft/core/configuration.h"
#include "raft/host/wire_fields.h"

namespace quorate::raft {
namespace {

constexpr size_t kPrefixBytes = 8;
// More than the largest encoded size of a header without variable parts.
constexpr size_t kMessageHeaderBytesMax = 160;
constexpr size_t kEntryHeaderBytesMax = 64;

uint32_t Seed(const EnvelopeLink& link) {
  return Crc32cSeed(link.cluster.value(), link.from.value(), link.to.value());
}

// The numbers of fields are those of envelope.proto.
namespace position_field {
constexpr uint32_t kTerm = 1;
constexpr uint32_t kIndex = 2;
}  // namespace position_field
namespace entry_field {
constexpr uint32_t kTerm = 1;
constexpr uint32_t kKind = 2;
constexpr uint32_t kVersion = 3;
constexpr uint32_t kLogTime = 4;
constexpr uint32_t kLeaderEarliest = 5;
constexpr uint32_t kLeaderLatest = 6;
constexpr uint32_t kPayloadBytes = 7;
}  // namespace entry_field
namespace snapshot_field {
constexpr uint32_t kPosition = 1;
constexpr uint32_t kLogTime = 2;
constexpr uint32_t kConfiguration = 3;
constexpr uint32_t kSizeBytes = 4;
constexpr uint32_t kCrc32c = 5;
}  // namespace snapshot_field
namespace message_field {
constexpr uint32_t kGroup = 1;
constexpr uint32_t kIncarnation = 2;
constexpr uint32_t kType = 3;
constexpr uint32_t kTerm = 4;
constexpr uint32_t kReject = 5;
constexpr uint32_t kPosition = 6;
constexpr uint32_t kHint = 7;
constexpr uint32_t kCommit = 8;
constexpr uint32_t kCommitLogTime = 9;
constexpr uint32_t kReadRound = 10;
constexpr uint32_t kReadId = 11;
constexpr uint32_t kEntries = 12;
constexpr uint32_t kSnapshot = 13;
constexpr uint32_t kOffset = 14;
constexpr uint32_t kChunkBytes = 15;
constexpr uint32_t kForced = 16;
}  // namespace message_field
namespace envelope_field {
constexpr uint32_t kMessages = 1;
}  // namespace envelope_field

// The field of `message` that its type sends as `position`.
LogPosition PositionOf(const Message& message) {
  switch (message.type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      return message.last_log;
    case MessageType::kAppend:
      return message.previous;
    case MessageType::kAppendReply:
      return message.reject ? message.previous
                            : LogPosition{Term(), message.match};
    case MessageType::kReadIndexReply:
      return {Term(), message.read_index};
    default:
      return {};
  }
}

// The inverse of PositionOf; the type and `reject` of `message` are set.
void SetPosition(const LogPosition& position, Message* message) {
  switch (message->type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      message->last_log = position;
      break;
    case MessageType::kAppend:
      message->previous = position;
      break;
    case MessageType::kAppendReply:
      if (message->reject) {
        message->previous = position;
      } else {
        message->match = position.index;
      }
      break;
    case MessageType::kReadIndexReply:
      message->read_index = position.index;
      break;
    default:
      break;
  }
}

}  // namespace

// The compiler finds these functions in the namespace of their arguments, so
// they are not in the unnamed one.
template <typename Fields>
static void PutFields(const LogPosition& position, Fields* out) {
  out->Number(position_field::kTerm, position.term.value());
  out->Number(position_field::kIndex, position.index.value());
}

template <typename Fields>
static void PutFields(const Entry& entry, Fields* out) {
  out->Number(entry_field::kTerm, entry.term.value());
  out->Number(entry_field::kKind, static_cast<uint32_t>(entry.kind));
  out->Number(entry_field::kVersion, entry.version);
  out->Fixed64(entry_field::kLogTime, entry.log_time.ns());
  // A bound is absent if the interval is unbounded on that side.
  if (entry.leader_wall.earliest != WallTime::Min()) {
    out->PresentFixed64(entry_field::kLeaderEarliest,
                        entry.leader_wall.earliest.ns());
  }
  if (entry.leader_wall.latest != WallTime::Max()) {
    out->PresentFixed64(entry_field::kLeaderLatest,
                        entry.leader_wall.latest.ns());
  }
  out->Number(entry_field::kPayloadBytes, entry.payload.size());
}

template <typename Fields>
static void PutFields(const SnapshotDescriptor& snapshot, Fields* out) {
  out->Message(snapshot_field::kPosition, snapshot.position);
  out->Fixed64(snapshot_field::kLogTime, snapshot.log_time.ns());
  // A reply contains the position only.
  if (!snapshot.configuration.voters.empty()) {
    out->Bytes(snapshot_field::kConfiguration,
               EncodeConfiguration(snapshot.configuration).view());
  }
  out->Number(snapshot_field::kSizeBytes, snapshot.size_bytes);
  out->Fixed32(snapshot_field::kCrc32c, snapshot.crc32c);
}

template <typename Fields>
static void PutFields(const GroupMessage& in, Fields* out) {
  const Message& message = in.message;
  out->Number(message_field::kGroup, in.group.group.value());
  out->Number(message_field::kIncarnation, in.group.incarnation.value());
  out->Number(message_field::kType, static_cast<uint32_t>(message.type));
  out->Number(message_field::kTerm, message.term.value());
  out->Number(message_field::kReject, message.reject);
  const LogPosition position = PositionOf(message);
  if (position != LogPosition{}) {
    out->Message(message_field::kPosition, position);
  }
  if (message.hint != LogPosition{}) {
    out->Message(message_field::kHint, message.hint);
  }
  out->Number(message_field::kCommit, message.commit.value());
  out->Fixed64(message_field::kCommitLogTime, message.commit_log_time.ns());
  out->Number(message_field::kReadRound, message.read_round.value());
  out->Number(message_field::kReadId, message.read_id);
  for (const Entry& entry : message.entries) {
    out->Message(message_field::kEntries, entry);
  }
  if (message.snapshot.position != LogPosition{}) {
    out->Message(message_field::kSnapshot, message.snapshot);
  }
  out->Number(message_field::kOffset, message.offset);
  out->Number(message_field::kChunkBytes, message.chunk.size());
  out->Number(message_field::kForced, message.forced);
}

template <typename Fields>
static void PutFields(const std::vector<GroupMessage>& messages, Fields* out) {
  for (const GroupMessage& message : messages) {
    out->Message(envelope_field::kMessages, message);
  }
}

namespace {

// Takes the raw bytes after the envelope, in order.
class PayloadCursor {
 public:
  PayloadCursor(const Buffer& bytes, size_t offset)
      : bytes_(bytes), offset_(offset) {}
  bool Take(size_t size, Buffer* out) {
    if (size > bytes_.size() - offset_) return false;
    *out = bytes_.Slice(offset_, size);
    offset_ += size;
    return true;
  }
  bool AtEnd() const { return offset_ == bytes_.size(); }

 private:
  const Buffer& bytes_;
  size_t offset_;
};

// The contents of a message of envelope.proto, as they were sent.
struct SentEntry {
  uint64_t term = 0;
  uint32_t kind = 0;
  uint32_t version = 0;
  WallTime log_time{0};
  WallInterval leader_wall;
  uint32_t payload_bytes = 0;
};
struct SentMessage {
  explicit SentMessage(Message* decoded) : message(*decoded) {}

  uint32_t group = 0;
  uint64_t incarnation = 0;
  uint32_t type = 0;
  bool has_snapshot = false;
  std::string_view configuration;  // The one of the snapshot.
  LogPosition position;
  std::vector<SentEntry> entries;
  uint32_t chunk_bytes = 0;
  // The decoded message. Fields that are the same in both are read into it.
  Message& message;
};

// Reads the fields into `*out`, on top of those that it has: a message that is
// sent twice is the sum of both. False: the bytes are malformed.
bool TakeFields(std::string_view bytes, LogPosition* out) {
  using namespace position_field;
  FieldReader in(bytes);
  while (in.Next()) {
    switch (in.tag()) {
      case WireTag(kTerm, WireType::kVarint):
        out->term = Term(in.number());
        break;
      case WireTag(kIndex, WireType::kVarint):
        out->index = Index(in.number());
        break;
    }
  }
  return in.ok();
}

bool TakeFields(std::string_view bytes, SentEntry* out) {
  using namespace entry_field;
  FieldReader in(bytes);
  while (in.Next()) {
    const auto number = static_cast<uint32_t>(in.number());
    const WallTime time(static_cast<int64_t>(in.number()));
    switch (in.tag()) {
      case WireTag(kTerm, WireType::kVarint):
        out->term = in.number();
        break;
      case WireTag(kKind, WireType::kVarint):
        out->kind = number;
        break;
      case WireTag(kVersion, WireType::kVarint):
        out->version = number;
        break;
      case WireTag(kLogTime, WireType::kFixed64):
        out->log_time = time;
        break;
      case WireTag(kLeaderEarliest, WireType::kFixed64):
        out->leader_wall.earliest = time;
        break;
      case WireTag(kLeaderLatest, WireType::kFixed64):
        out->leader_wall.latest = time;
        break;
      case WireTag(kPayloadBytes, WireType::kVarint):
        out->payload_bytes = number;
        break;
    }
  }
  return in.ok();
}

bool TakeSnapshotFields(std::string_view bytes, SentMessage* out) {
  using namespace snapshot_field;
  SnapshotDescriptor& snapshot = out->message.snapshot;
  bool ok = true;
  FieldReader in(bytes);
  while (in.Next()) {
    switch (in.tag()) {
      case WireTag(kPosition, WireType::kBytes):
        ok = ok && TakeFields(in.bytes(), &snapshot.position);
        break;
      case WireTag(kLogTime, WireType::kFixed64):
        snapshot.log_time = WallTime(static_cast<int64_t>(in.number()));
        break;
      case WireTag(kConfiguration, WireType::kBytes):
        out->configuration = in.bytes();
        break;
      case WireTag(kSizeBytes, WireType::kVarint):
        snapshot.size_bytes = in.number();
        break;
      case WireTag(kCrc32c, WireType::kFixed32):
        snapshot.crc32c = static_cast<uint32_t>(in.number());
        break;
    }
  }
  return ok && in.ok();
}

// A field of a SentMessage that is a number. False: it is none of these.
bool TakeNumber(const FieldReader& in, SentMessage* out) {
  using namespace message_field;
  Message& message = out->message;
  const auto number = static_cast<uint32_t>(in.number());
  switch (in.tag()) {
    case WireTag(kGroup, WireType::kVarint):
      out->group = number;
      return true;
    case WireTag(kIncarnation, WireType::kVarint):
      out->incarnation = in.number();
      return true;
    case WireTag(kType, WireType::kVarint):
      out->type = number;
      return true;
    case WireTag(kTerm, WireType::kVarint):
      message.term = Term(in.number());
      return true;
    case WireTag(kReject, WireType::kVarint):
      message.reject = in.number() != 0;
      return true;
    case WireTag(kCommit, WireType::kVarint):
      message.commit = Index(in.number());
      return true;
    case WireTag(kCommitLogTime, WireType::kFixed64):
      message.commit_log_time = WallTime(static_cast<int64_t>(in.number()));
      return true;
    case WireTag(kReadRound, WireType::kVarint):
      message.read_round = ReadRound(in.number());
      return true;
    case WireTag(kReadId, WireType::kVarint):
      message.read_id = in.number();
      return true;
    case WireTag(kOffset, WireType::kVarint):
      message.offset = in.number();
      return true;
    case WireTag(kChunkBytes, WireType::kVarint):
      out->chunk_bytes = number;
      return true;
    case WireTag(kForced, WireType::kVarint):
      message.forced = in.number() != 0;
      return true;
  }
  return false;
}

bool TakeFields(std::string_view bytes, SentMessage* out) {
  using namespace message_field;
  bool ok = true;
  FieldReader in(bytes);
  while (in.Next()) {
    if (TakeNumber(in, out)) continue;
    switch (in.tag()) {
      case WireTag(kPosition, WireType::kBytes):
        ok = ok && TakeFields(in.bytes(), &out->position);
        break;
      case WireTag(kHint, WireType::kBytes):
        ok = ok && TakeFields(in.bytes(), &out->message.hint);
        break;
      case WireTag(kEntries, WireType::kBytes):
        ok = ok && TakeFields(in.bytes(), &out->entries.emplace_back());
        break;
      case WireTag(kSnapshot, WireType::kBytes):
        out->has_snapshot = true;
        ok = ok && TakeSnapshotFields(in.bytes(), out);
        break;
    }
  }
  return ok && in.ok();
}

absl::Status DecodeEntries(const std::vector<SentEntry>& sent,
                           PayloadCursor* payloads, Message* out) {
  out->entries.reserve(sent.size());
  Index index = out->previous.index;
  for (const SentEntry& header : sent) {
    Entry entry;
    entry.term = Term(header.term);
    entry.index = ++index;
    if (header.kind > 255 || header.version > 255) {
      return absl::InvalidArgumentError(absl::StrCat(
          "entry ", index.value(), " has kind ", header.kind, " and version ",
          header.version, "; both are at most 255"));
    }
    entry.kind = static_cast<EntryKind>(header.kind);
    entry.version = static_cast<uint8_t>(header.version);
    entry.log_time = header.log_time;
    entry.leader_wall = header.leader_wall;
    if (!payloads->Take(header.payload_bytes, &entry.payload)) {
      return absl::InvalidArgumentError("entry payload is cut short");
    }
    out->entries.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::Status DecodeMessage(const EnvelopeLink& link, const SentMessage& sent,
                           PayloadCursor* payloads, GroupMessage* out) {
  if (sent.type < static_cast<uint32_t>(MessageType::kPreVote) ||
      sent.type > static_cast<uint32_t>(MessageType::kTimeoutNow)) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown message type ", sent.type));
  }
  out->group = {GroupId(sent.group), GroupIncarnation(sent.incarnation)};
  Message& message = out->message;
  message.type = static_cast<MessageType>(sent.type);
  message.from = link.from;
  message.to = link.to;
  SetPosition(sent.position, &message);
  const absl::Status status = DecodeEntries(sent.entries, payloads, &message);
  if (!status.ok()) return status;
  if (!sent.configuration.empty()) {
    absl::StatusOr<Configuration> configuration =
        DecodeConfiguration(sent.configuration);
    if (!configuration.ok()) return configuration.status();
    message.snapshot.configuration = *std::move(configuration);
  } else if (sent.has_snapshot && message.type != MessageType::kSnapshotReply) {
    return absl::InvalidArgumentError("snapshot without a configuration");
  }
  if (!payloads->Take(sent.chunk_bytes, &message.chunk)) {
    return absl::InvalidArgumentError("snapshot chunk is cut short");
  }
  return absl::OkStatus();
}

absl::Status DoesNotParse() {
  return absl::InvalidArgumentError("envelope header does not parse");
}

}  // namespace

size_t EnvelopeBytesBound(const GroupMessage& message) {
  const Message& m = message.message;
  size_t bytes = kMessageHeaderBytesMax + m.chunk.size();
  for (const Entry& entry : m.entries) {
    bytes += kEntryHeaderBytesMax + entry.payload.size();
  }
  const Configuration& c = m.snapshot.configuration;
  bytes += 32 * (c.voters.size() + c.outgoing_voters.size() +
                 c.learners.size() + c.next_learners.size());
  if (m.snapshot.position != LogPosition{}) bytes += 128;
  return bytes;
}

std::vector<Buffer> EncodeEnvelope(const EnvelopeLink& link,
                                   const std::vector<GroupMessage>& messages) {
  std::vector<Buffer> pieces(1);
  for (const GroupMessage& message : messages) {
    for (const Entry& entry : message.message.entries) {
      if (!entry.payload.empty()) pieces.push_back(entry.payload);
    }
    if (!message.message.chunk.empty()) {
      pieces.push_back(message.message.chunk);
    }
  }
  const size_t header_bytes = FieldCounter::SizeOf(messages);
  pieces[0] = Buffer::Create(kPrefixBytes + header_bytes, [&](char* block) {
    StoreFixed(block + 4, static_cast<uint32_t>(header_bytes));
    FieldWriter writer(block + kPrefixBytes);
    PutFields(messages, &writer);
    CHECK_EQ(writer.end(), block + kPrefixBytes + header_bytes);
    uint32_t crc =
        Crc32c(Seed(link), std::string_view(block + 4, 4 + header_bytes));
    for (size_t i = 1; i < pieces.size(); ++i) {
      crc = Crc32c(crc, pieces[i].view());
    }
    StoreFixed(block, crc);
  });
  return pieces;
}

absl::StatusOr<std::vector<GroupMessage>> DecodeEnvelope(
    const EnvelopeLink& link, const Buffer& bytes) {
  if (bytes.size() < kPrefixBytes) {
    return absl::InvalidArgumentError("envelope is shorter than its prefix");
  }
  const uint32_t stated = LoadFixed<uint32_t>(bytes.view(), 0);
  if (Crc32c(Seed(link), bytes.view().substr(4)) != stated) {
    return absl::DataLossError("envelope checksum does not match");
  }
  const size_t header_bytes = LoadFixed<uint32_t>(bytes.view(), 4);
  if (header_bytes > bytes.size() - kPrefixBytes) {
    return absl::InvalidArgumentError("envelope header is cut short");
  }
  PayloadCursor payloads(bytes, kPrefixBytes + header_bytes);
  const std::string_view header =
      bytes.view().substr(kPrefixBytes, header_bytes);
  constexpr uint32_t kTag =
      WireTag(envelope_field::kMessages, WireType::kBytes);
  size_t count = 0;
  for (FieldReader in(header); in.Next();) count += in.tag() == kTag;
  std::vector<GroupMessage> messages;
  messages.reserve(count);
  FieldReader in(header);
  while (in.Next()) {
    if (in.tag() != kTag) continue;
    GroupMessage& decoded = messages.emplace_back();
    SentMessage sent(&decoded.message);
    if (!TakeFields(in.bytes(), &sent)) return DoesNotParse();
    absl::Status status = DecodeMessage(link, sent, &payloads, &decoded);
    if (!status.ok()) return status;
  }
  if (!in.ok()) return DoesNotParse();
  if (!payloads.AtEnd()) {
    return absl::InvalidArgumentError(
        "the envelope is followed by extra bytes");
  }
  return messages;
}

}  // namespace quorate::raft
