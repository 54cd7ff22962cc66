#include "raft/host/envelope.h"

#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/kept_memory.h"
#include "env/little_endian.h"
#include "env/transport.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

// Version, number of messages, size of the headers, process, time.
constexpr size_t kCountAt = kChecksumEnd + 2;
constexpr size_t kHeaderBytesAt = kCountAt + 2;
constexpr size_t kProcessAt = kHeaderBytesAt + 4;
constexpr size_t kSentAt = kProcessAt + 8;
constexpr size_t kEnvelopePrefixBytes = kSentAt + 8;
// Differences of two such times, and of two differences, are no overflow.
constexpr MonoTime kSentMax(std::numeric_limits<int64_t>::max() / 4);
// Without the fields that depend on the type of message.
constexpr size_t kMessageHeaderBytes = 30;
constexpr size_t kEntryHeaderBytes = 44;
// An EnvelopeBuilder keeps so much memory for the next envelope, which is
// plenty for heartbeats and short appends.
constexpr size_t kKeptHeaderBytes = 16 << 10;
constexpr size_t kKeptPayloadsBytes = 256 * sizeof(Buffer);
constexpr uint8_t kFlagReject = 1;
constexpr uint8_t kFlagForced = 2;
constexpr uint8_t kFlagNoEntries = 4;
constexpr uint8_t kFlagLostEntries = 8;

// The flags that a message of `type` may have.
uint8_t FlagsOf(MessageType type) {
  switch (type) {
    case MessageType::kVote:
    case MessageType::kReadIndex:
      return kFlagForced;
    case MessageType::kPreVoteReply:
    case MessageType::kVoteReply:
    case MessageType::kSnapshotReply:
    case MessageType::kReadIndexReply:
      return kFlagReject;
    case MessageType::kAppendReply:
      return kFlagReject | kFlagNoEntries;
    case MessageType::kHeartbeat:
      return kFlagLostEntries;
    case MessageType::kHeartbeatReply:
      return kFlagNoEntries;
    default:
      return 0;
  }
}

SnapshotPart& PartOf(Message& message) { return message.part.Mutable(); }
const SnapshotPart& PartOf(const Message& message) { return *message.part; }

template <typename P, typename Visit>
void VisitPart(P& part, const Visit& visit) {
  visit(part.snapshot.position, part.snapshot.log_time, part.snapshot.latest,
        part.snapshot.size_bytes, part.snapshot.crc32c,
        part.snapshot.configuration, part.offset, part.chunk);
}

// Calls `visit` with the fields that the type of `message` has, in their order
// in an envelope. `reject` is set before. M is Message or const Message.
template <typename M, typename Visit>
void VisitFields(M& message, const Visit& visit) {
  switch (message.type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      return visit(message.last_log);
    case MessageType::kAppend:
      return visit(message.number, message.previous, message.commit,
                   message.commit_log_time, message.entries);
    case MessageType::kAppendReply:
      if (message.reject) return visit(message.number, message.hint);
      return visit(message.number, message.received, message.durable);
    case MessageType::kHeartbeat:
      return visit(message.commit, message.log_time, message.read_round,
                   message.quiet_for, message.sent, message.state.index,
                   message.state.digest);
    case MessageType::kHeartbeatReply:
      return visit(message.read_round, message.sent, message.log_time,
                   message.known_level, message.state.index,
                   message.state.digest);
    case MessageType::kSnapshotChunk:
      visit(message.number);
      return VisitPart(PartOf(message), visit);
    case MessageType::kSnapshotReply:
      return visit(message.number, PartOf(message).snapshot.position,
                   PartOf(message).offset, PartOf(message).staged);
    case MessageType::kReadIndex:
      return visit(message.read_id);
    case MessageType::kReadIndexReply:
      if (message.reject) return visit(message.read_id);
      return visit(message.read_id, message.read_index, message.commit,
                   message.log_time, message.present_log_time);
    case MessageType::kVoteReply:
      return visit(message.log_time, message.promised);
    case MessageType::kTimeoutNow:
      return visit(message.promised);
    case MessageType::kPreVoteReply:
      return;
  }
}

// Calls `visit` with the fields of an entry. Its index is not sent: it follows
// from the entry before.
template <typename E, typename Visit>
void VisitEntry(E& entry, const Visit& visit) {
  visit(entry.term, entry.log_time, entry.leader_wall.earliest,
        entry.leader_wall.latest, entry.kind, entry.version, entry.flags,
        entry.checksum, entry.payload);
}

// The bytes of one message.
struct MessageBytes {
  size_t header = 0;
  size_t payload = 0;
};

// Writes the header of a message, or only counts its bytes.
template <bool kWrites>
class HeaderPass {
 public:
  // Both are null if the pass only counts.
  HeaderPass(char* header, std::vector<Buffer>* payloads)
      : header_(header), payloads_(payloads) {}

  MessageBytes Put(GroupId group, const Message& message) {
    const uint8_t flags = (message.reject ? kFlagReject : 0) |
                          (message.forced ? kFlagForced : 0) |
                          (message.no_entries ? kFlagNoEntries : 0) |
                          (message.lost_entries ? kFlagLostEntries : 0);
    CHECK_EQ(flags & ~FlagsOf(message.type), 0);
    Put(static_cast<uint8_t>(message.type));
    Put(flags);
    Put(group.value());
    Put(message.to.value());
    Put(message.from.value());
    Put(message.term.value());
    VisitFields(message, [this](const auto&... field) { (Put(field), ...); });
    return bytes_;
  }

 private:
  void Put(std::integral auto value) {
    if constexpr (kWrites) StoreFixed(header_ + bytes_.header, value);
    bytes_.header += sizeof(value);
  }
  template <typename Tag>
  void Put(StrongOrdinal<Tag> value) {
    Put(value.value());
  }
  void Put(WallTime time) { Put(time.ns()); }
  void Put(MonoTime time) { Put(time.ns()); }
  void Put(Duration duration) { Put(duration.ns()); }
  void Put(EntryKind kind) { Put(static_cast<uint8_t>(kind)); }
  void Put(const LogPosition& position) {
    Put(position.term);
    Put(position.index);
  }
  void Put(const Configuration& configuration) {
    const Buffer bytes = EncodeConfiguration(configuration);
    Put(static_cast<uint32_t>(bytes.size()));
    for (const char byte : bytes.view()) Put(byte);
  }
  void Put(const EntryList& entries) {
    Put(static_cast<uint32_t>(entries.size()));
    for (const Entry& entry : entries) {
      VisitEntry(entry, [this](const auto&... field) { (Put(field), ...); });
    }
  }
  void Put(const Buffer& payload) {
    Put(static_cast<uint32_t>(payload.size()));
    bytes_.payload += payload.size();
    if constexpr (kWrites) {
      if (!payload.empty()) payloads_->push_back(payload);
    }
  }

  char* const header_;
  std::vector<Buffer>* const payloads_;
  MessageBytes bytes_;
};

// Reads headers of messages, and takes their payloads from the bytes behind all
// headers. After a failure every further field is zero or empty.
class HeaderReader {
 public:
  // The headers are the `header_bytes` bytes behind the prefix of `envelope`.
  HeaderReader(const Buffer& envelope, size_t header_bytes)
      : envelope_(envelope),
        headers_(envelope.view().substr(kEnvelopePrefixBytes, header_bytes)),
        payload_at_(kEnvelopePrefixBytes + header_bytes) {}

  void Take(GroupMessage* out) {
    damage_.clear();
    Message& message = out->message;
    const auto type = headers_.Take<uint8_t>();
    const auto flags = headers_.Take<uint8_t>();
    if (!headers_.ok()) return;
    if (type < static_cast<uint8_t>(MessageType::kPreVote) ||
        type > static_cast<uint8_t>(MessageType::kTimeoutNow)) {
      return Refuse(absl::StrCat("unknown message type ", type));
    }
    message.type = static_cast<MessageType>(type);
    if ((flags & ~FlagsOf(message.type)) != 0) {
      return Refuse(absl::StrCat("a message of type ", type,
                                 " has unknown flags ", flags));
    }
    message.reject = (flags & kFlagReject) != 0;
    message.forced = (flags & kFlagForced) != 0;
    message.no_entries = (flags & kFlagNoEntries) != 0;
    message.lost_entries = (flags & kFlagLostEntries) != 0;
    out->group = GroupId(headers_.Take<uint32_t>());
    message.to = ReplicaId(headers_.Take<uint64_t>());
    message.from = ReplicaId(headers_.Take<uint64_t>());
    Take(&message.term);
    previous_ = &message.previous;
    VisitFields(message, [this](auto&... field) { (Take(&field), ...); });
  }

  absl::Status status() const {
    if (!status_.ok() || headers_.ok()) return status_;
    return absl::InvalidArgumentError("a message header is cut short");
  }
  // Why the last message is wrong although its fields could be read; empty: it
  // is not.
  const std::string& damage() const { return damage_; }
  // Whether everything was taken.
  bool AtEnd() const {
    return headers_.rest().empty() && payload_at_ == envelope_.size();
  }

 private:
  void Refuse(const std::string& reason) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(reason);
    headers_.Fail();
  }

  template <std::integral T>
  void Take(T* value) {
    *value = headers_.Take<T>();
  }
  template <typename Tag>
  void Take(StrongOrdinal<Tag>* value) {
    *value = StrongOrdinal<Tag>(headers_.Take<uint64_t>());
  }
  void Take(WallTime* time) { *time = WallTime(headers_.Take<int64_t>()); }
  void Take(MonoTime* time) { *time = MonoTime(headers_.Take<int64_t>()); }
  void Take(Duration* duration) {
    *duration = Nanoseconds(headers_.Take<int64_t>());
  }
  void Take(EntryKind* kind) {
    *kind = static_cast<EntryKind>(headers_.Take<uint8_t>());
  }
  void Take(LogPosition* position) {
    Take(&position->term);
    Take(&position->index);
  }
  void Take(Configuration* out) {
    const std::string_view bytes =
        headers_.TakeBytes(headers_.Take<uint32_t>());
    if (!headers_.ok()) return;
    absl::StatusOr<Configuration> configuration = DecodeConfiguration(bytes);
    if (absl::IsUnimplemented(configuration.status())) {
      configuration = UnreadableConfiguration();  // The receiver halts.
    }
    if (!configuration.ok()) {
      damage_ = std::string(configuration.status().message());
      return;
    }
    *out = *std::move(configuration);
  }
  void Take(EntryList* entries) {
    const auto count = headers_.Take<uint32_t>();
    if (count > headers_.rest().size() / kEntryHeaderBytes) {
      return Refuse("entry headers are cut short");
    }
    Index index = previous_->index;
    for (uint32_t i = 0; i < count; ++i) {
      Entry entry;
      VisitEntry(entry, [this](auto&... field) { (Take(&field), ...); });
      entry.index = ++index;
      if (headers_.ok() && entry.checksum != EntryChecksum(entry)) {
        damage_ = absl::StrCat("entry ", index.value(),
                               " does not match its checksum");
      }
      entries->push_back(std::move(entry));
    }
  }
  void Take(Buffer* payload) {
    const auto size = headers_.Take<uint32_t>();
    if (size > envelope_.size() - payload_at_) {
      return Refuse("a payload is cut short");
    }
    if (size > 0) *payload = envelope_.Slice(payload_at_, size);
    payload_at_ += size;
  }

  const Buffer& envelope_;
  FixedReader headers_;
  size_t payload_at_;
  // The entry before those of the message; taken before them.
  const LogPosition* previous_ = nullptr;
  std::string damage_;
  absl::Status status_;
};

}  // namespace

bool EnvelopeBuilder::Add(GroupId group, const Message& message) {
  const MessageBytes added =
      HeaderPass<false>(nullptr, nullptr).Put(group, message);
  const size_t bytes = kEnvelopePrefixBytes + headers_.size() + payload_bytes_ +
                       added.header + added.payload;
  if (bytes > env::kMessageBytesMax) {
    CHECK(!empty()) << "a message of " << bytes << " bytes";
    return false;
  }
  const size_t offset = headers_.size();
  headers_.resize(offset + added.header);
  HeaderPass<true>(headers_.data() + offset, &payloads_).Put(group, message);
  payload_bytes_ += added.payload;
  // The size of an envelope bounds the number of its messages.
  static_assert(env::kMessageBytesMax / kMessageHeaderBytes <=
                std::numeric_limits<uint16_t>::max());
  ++count_;
  return true;
}

std::vector<Buffer> EnvelopeBuilder::Take(const MessageLink& link,
                                          const EnvelopeStamp& stamp) {
  std::vector<Buffer> pieces;
  pieces.reserve(1 + payloads_.size());
  const size_t size_bytes = kEnvelopePrefixBytes + headers_.size();
  pieces.push_back(Buffer::Create(size_bytes, [&](char* block) {
    StoreFixed(block, static_cast<uint8_t>(Service::kReplicas));
    StoreFixed(block + kChecksumEnd, kEnvelopeVersion);
    StoreFixed(block + kCountAt, count_);
    StoreFixed(block + kHeaderBytesAt, static_cast<uint32_t>(headers_.size()));
    StoreFixed(block + kProcessAt, stamp.process);
    StoreFixed(block + kSentAt, stamp.sent.ns());
    std::memcpy(block + kEnvelopePrefixBytes, headers_.data(), headers_.size());
    uint32_t crc = Crc32c(
        ChecksumSeed(link, Service::kReplicas),
        std::string_view(block + kChecksumEnd, size_bytes - kChecksumEnd));
    for (const Buffer& payload : payloads_) crc = Crc32c(crc, payload.view());
    StoreFixed(block + kServiceBytes, crc);
  }));
  for (Buffer& payload : payloads_) pieces.push_back(std::move(payload));
  Clear();
  return pieces;
}

void EnvelopeBuilder::Clear() {
  ClearAndTrim(&headers_, kKeptHeaderBytes);
  ClearAndTrim(&payloads_, kKeptPayloadsBytes);
  payload_bytes_ = 0;
  count_ = 0;
}

absl::StatusOr<Envelope> DecodeEnvelope(const MessageLink& link,
                                        const Buffer& bytes) {
  if (bytes.size() < kEnvelopePrefixBytes ||
      !IsFor(Service::kReplicas, bytes.view())) {
    return absl::InvalidArgumentError(
        "not an envelope, or shorter than its prefix");
  }
  if (Crc32c(ChecksumSeed(link, Service::kReplicas),
             bytes.view().substr(kChecksumEnd)) !=
      LoadFixed<uint32_t>(bytes.data() + kServiceBytes)) {
    return absl::DataLossError("envelope checksum does not match");
  }
  const auto version = LoadFixed<uint16_t>(bytes.data() + kChecksumEnd);
  if (version != kEnvelopeVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("envelope has version ", version,
                     ", but this program reads version ", kEnvelopeVersion));
  }
  const size_t count = LoadFixed<uint16_t>(bytes.data() + kCountAt);
  const size_t header_bytes =
      LoadFixed<uint32_t>(bytes.data() + kHeaderBytesAt);
  if (header_bytes > bytes.size() - kEnvelopePrefixBytes ||
      count > header_bytes / kMessageHeaderBytes) {
    return absl::InvalidArgumentError("message headers are cut short");
  }
  HeaderReader reader(bytes, header_bytes);
  Envelope envelope;
  envelope.stamp = {
      .process = LoadFixed<uint64_t>(bytes.data() + kProcessAt),
      .sent = MonoTime(LoadFixed<int64_t>(bytes.data() + kSentAt))};
  if (envelope.stamp.sent < MonoTime(0) || envelope.stamp.sent > kSentMax) {
    return absl::InvalidArgumentError(
        "envelope was sent at no time of a clock");
  }
  envelope.messages.resize(count);
  size_t taken = 0;
  for (size_t i = 0; i < count; ++i) {
    GroupMessage& message = envelope.messages[taken];
    reader.Take(&message);
    if (!reader.status().ok()) return reader.status();
    if (reader.damage().empty()) {
      ++taken;
      continue;
    }
    if (envelope.damage.ok()) {
      envelope.damage = absl::DataLossError(absl::StrCat(
          "a message to group ", message.group.value(), ": ", reader.damage()));
    }
    message = GroupMessage();
  }
  if (taken < count) envelope.messages.resize(taken);
  if (!reader.AtEnd()) {
    return absl::InvalidArgumentError("extra bytes follow the last message");
  }
  return envelope;
}

}  // namespace quorate::raft
