#include "raft/host/envelope.h"

#include <google/protobuf/arena.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/transport.h"
#include "raft/core/configuration.h"
#include "raft/host/envelope.pb.h"

namespace quorate::raft {
namespace {

constexpr size_t kPrefixBytes = 8;
// More than the largest encoded size of a header without variable parts.
constexpr size_t kMessageHeaderBytesMax = 160;
constexpr size_t kEntryHeaderBytesMax = 64;

uint32_t Seed(const EnvelopeLink& link) {
  return Crc32cSeed(link.cluster.value(), link.from.value(), link.to.value());
}

void ToWire(LogPosition position, wire::Position* out) {
  out->set_term(position.term.value());
  out->set_index(position.index.value());
}

LogPosition FromWire(const wire::Position& in) {
  return {Term(in.term()), Index(in.index())};
}

void ToWire(const Entry& entry, wire::EntryHeader* out) {
  out->set_term(entry.term.value());
  out->set_kind(static_cast<uint32_t>(entry.kind));
  out->set_version(entry.version);
  out->set_log_time_ns(entry.log_time.ns());
  if (entry.leader_wall.earliest != WallTime::Min()) {
    out->set_leader_earliest_ns(entry.leader_wall.earliest.ns());
  }
  if (entry.leader_wall.latest != WallTime::Max()) {
    out->set_leader_latest_ns(entry.leader_wall.latest.ns());
  }
  out->set_payload_bytes(static_cast<uint32_t>(entry.payload.size()));
}

void ToWire(const SnapshotDescriptor& snapshot, wire::Snapshot* out) {
  ToWire(snapshot.position, out->mutable_position());
  out->set_log_time_ns(snapshot.log_time.ns());
  // A reply contains the position only.
  if (!snapshot.configuration.voters.empty()) {
    const Buffer configuration = EncodeConfiguration(snapshot.configuration);
    out->set_configuration(configuration.data(), configuration.size());
  }
  out->set_size_bytes(snapshot.size_bytes);
  out->set_crc32c(snapshot.crc32c);
}

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

void ToWire(const GroupMessage& in, wire::GroupMessage* out) {
  const Message& message = in.message;
  out->set_group(in.group.group.value());
  out->set_incarnation(in.group.incarnation.value());
  out->set_type(static_cast<uint32_t>(message.type));
  out->set_term(message.term.value());
  out->set_reject(message.reject);
  out->set_forced(message.forced);
  const LogPosition position = PositionOf(message);
  if (position != LogPosition{}) ToWire(position, out->mutable_position());
  if (message.hint != LogPosition{}) ToWire(message.hint, out->mutable_hint());
  out->set_commit(message.commit.value());
  out->set_commit_log_time_ns(message.commit_log_time.ns());
  out->set_read_round(message.read_round.value());
  out->set_read_id(message.read_id);
  for (const Entry& entry : message.entries) ToWire(entry, out->add_entries());
  if (message.snapshot.position != LogPosition{}) {
    ToWire(message.snapshot, out->mutable_snapshot());
  }
  out->set_offset(message.offset);
  out->set_chunk_bytes(static_cast<uint32_t>(message.chunk.size()));
}

// A wire::Envelope whose parts need no allocations of their own. Those of most
// envelopes fit into the first block.
class EnvelopeArena {
 public:
  EnvelopeArena() : arena_(block_.data(), block_.size()) {}
  wire::Envelope& envelope() { return *envelope_; }

 private:
  alignas(std::max_align_t) std::array<char, 4096> block_;
  google::protobuf::Arena arena_;
  wire::Envelope* const envelope_ =
      google::protobuf::Arena::CreateMessage<wire::Envelope>(&arena_);
};

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

absl::Status DecodeEntries(const wire::GroupMessage& in,
                           PayloadCursor* payloads, Message* out) {
  out->entries.reserve(in.entries_size());
  Index index = out->previous.index;
  for (const wire::EntryHeader& header : in.entries()) {
    Entry entry;
    entry.term = Term(header.term());
    entry.index = ++index;
    if (header.kind() > 255 || header.version() > 255) {
      return absl::InvalidArgumentError(absl::StrCat(
          "entry ", index.value(), " has kind ", header.kind(), " and version ",
          header.version(), "; both are at most 255"));
    }
    entry.kind = static_cast<EntryKind>(header.kind());
    entry.version = static_cast<uint8_t>(header.version());
    entry.log_time = WallTime(header.log_time_ns());
    if (header.has_leader_earliest_ns()) {
      entry.leader_wall.earliest = WallTime(header.leader_earliest_ns());
    }
    if (header.has_leader_latest_ns()) {
      entry.leader_wall.latest = WallTime(header.leader_latest_ns());
    }
    if (!payloads->Take(header.payload_bytes(), &entry.payload)) {
      return absl::InvalidArgumentError("entry payload is cut short");
    }
    out->entries.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::Status DecodeSnapshot(const wire::Snapshot& in, MessageType type,
                            SnapshotDescriptor* out) {
  out->position = FromWire(in.position());
  out->log_time = WallTime(in.log_time_ns());
  if (!in.configuration().empty()) {
    absl::StatusOr<Configuration> configuration =
        DecodeConfiguration(in.configuration());
    if (!configuration.ok()) return configuration.status();
    out->configuration = *std::move(configuration);
  } else if (type != MessageType::kSnapshotReply) {
    return absl::InvalidArgumentError("snapshot without a configuration");
  }
  out->size_bytes = in.size_bytes();
  out->crc32c = in.crc32c();
  return absl::OkStatus();
}

absl::Status DecodeMessage(const EnvelopeLink& link,
                           const wire::GroupMessage& in,
                           PayloadCursor* payloads, GroupMessage* out) {
  if (in.type() < static_cast<uint32_t>(MessageType::kPreVote) ||
      in.type() > static_cast<uint32_t>(MessageType::kTimeoutNow)) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown message type ", in.type()));
  }
  out->group = {GroupId(in.group()), GroupIncarnation(in.incarnation())};
  Message& message = out->message;
  message.type = static_cast<MessageType>(in.type());
  message.from = link.from;
  message.to = link.to;
  message.term = Term(in.term());
  message.reject = in.reject();
  message.forced = in.forced();
  SetPosition(FromWire(in.position()), &message);
  message.hint = FromWire(in.hint());
  message.commit = Index(in.commit());
  message.commit_log_time = WallTime(in.commit_log_time_ns());
  message.read_round = ReadRound(in.read_round());
  message.read_id = in.read_id();
  message.offset = in.offset();
  absl::Status status = DecodeEntries(in, payloads, &message);
  if (!status.ok()) return status;
  if (in.has_snapshot()) {
    status = DecodeSnapshot(in.snapshot(), message.type, &message.snapshot);
    if (!status.ok()) return status;
  }
  if (!payloads->Take(in.chunk_bytes(), &message.chunk)) {
    return absl::InvalidArgumentError("snapshot chunk is cut short");
  }
  return absl::OkStatus();
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
  EnvelopeArena arena;
  wire::Envelope& envelope = arena.envelope();
  std::vector<Buffer> pieces(1);
  for (const GroupMessage& message : messages) {
    ToWire(message, envelope.add_messages());
    for (const Entry& entry : message.message.entries) {
      if (!entry.payload.empty()) pieces.push_back(entry.payload);
    }
    if (!message.message.chunk.empty()) {
      pieces.push_back(message.message.chunk);
    }
  }
  const size_t header_bytes = envelope.ByteSizeLong();
  pieces[0] = Buffer::Create(kPrefixBytes + header_bytes, [&](char* block) {
    StoreFixed(block + 4, static_cast<uint32_t>(header_bytes));
    CHECK(envelope.SerializeToArray(block + kPrefixBytes,
                                    static_cast<int>(header_bytes)));
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
  EnvelopeArena arena;
  wire::Envelope& envelope = arena.envelope();
  if (!envelope.ParseFromArray(bytes.data() + kPrefixBytes,
                               static_cast<int>(header_bytes))) {
    return absl::InvalidArgumentError("envelope header does not parse");
  }
  PayloadCursor payloads(bytes, kPrefixBytes + header_bytes);
  std::vector<GroupMessage> messages(envelope.messages_size());
  for (int i = 0; i < envelope.messages_size(); ++i) {
    absl::Status status =
        DecodeMessage(link, envelope.messages(i), &payloads, &messages[i]);
    if (!status.ok()) return status;
  }
  if (!payloads.AtEnd()) {
    return absl::InvalidArgumentError(
        "the envelope is followed by extra bytes");
  }
  return messages;
}

}  // namespace quorate::raft
