#include "sim/run/message_key.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "env/little_endian.h"
#include "env/random.h"
#include "raft/host/envelope.h"
#include "raft/host/service.h"

namespace quorate::sim {
namespace {

constexpr size_t kEntryHeaderBytes = 44;
constexpr uint8_t kReject = 1;
// Values of the type of a message.
enum : uint8_t {
  kPreVote = 1,
  kPreVoteReply,
  kVote,
  kVoteReply,
  kAppend,
  kAppendReply,
  kHeartbeat,
  kHeartbeatReply,
  kSnapshotChunk,
  kSnapshotReply,
  kReadIndex,
  kReadIndexReply,
  kTimeoutNow,
};

std::string_view TypeText(uint8_t type) {
  static constexpr std::string_view kTexts[] = {
      "message",          "pre-vote",       "pre-vote reply", "vote",
      "vote reply",       "append",         "append reply",   "heartbeat",
      "heartbeat reply",  "snapshot chunk", "snapshot reply", "read index",
      "read index reply", "timeout now"};
  return kTexts[type < std::size(kTexts) ? type : 0];
}

// The fields that name one message.
struct MessageName {
  uint32_t group = 0;
  uint8_t type = 0;
  uint64_t term = 0;
  uint64_t index = 0;
  uint64_t offset = 0;
};

// The headers of the messages in an envelope, one after another.
class Headers {
 public:
  explicit Headers(std::string_view envelope) : rest_(envelope) {
    if (!raft::IsFor(raft::Service::kReplicas, envelope)) rest_.Fail();
    rest_.TakeBytes(raft::kChecksumEnd);
    if (rest_.Take<uint16_t>() != raft::kEnvelopeVersion) rest_.Fail();
    left_ = rest_.Take<uint16_t>();
    const auto size = rest_.Take<uint32_t>();
    rest_.TakeBytes(16);  // The process, and when it sent.
    rest_ = FixedReader(rest_.TakeBytes(size));
  }

  // Reads the next header. False at the end and at malformed bytes.
  bool Next(MessageName* name) {
    if (left_ == 0) return false;
    --left_;
    *name = {};
    name->type = rest_.Take<uint8_t>();
    const bool reject = (rest_.Take<uint8_t>() & kReject) != 0;
    name->group = rest_.Take<uint32_t>();
    rest_.TakeBytes(16);  // Receiver and sender.
    name->term = rest_.Take<uint64_t>();
    TakeFields(reject, name);
    return rest_.ok();
  }

 private:
  void TakeFields(bool reject, MessageName* name) {
    switch (name->type) {
      case kPreVote:
      case kVote:
        name->index = TakePosition();
        break;
      case kAppend:
        rest_.Take<uint64_t>();  // Its number.
        name->index = TakePosition();
        rest_.TakeBytes(16);  // Commit index and its log time.
        rest_.TakeBytes(kEntryHeaderBytes * rest_.Take<uint32_t>());
        break;
      case kAppendReply:
        rest_.Take<uint64_t>();  // Number of the append.
        if (reject) {
          name->index = TakePosition();  // Hint.
        } else {
          name->index = rest_.Take<uint64_t>();  // Received.
          rest_.Take<uint64_t>();                // Durable.
        }
        break;
      case kHeartbeat:
        rest_.TakeBytes(56);
        break;
      case kHeartbeatReply:
        rest_.TakeBytes(48);
        break;
      case kReadIndex:
        rest_.TakeBytes(8);
        break;
      case kSnapshotChunk:
        rest_.Take<uint64_t>();  // Its number.
        rest_.TakeBytes(44);     // From the position to the checksum.
        rest_.TakeBytes(rest_.Take<uint32_t>());
        name->offset = rest_.Take<uint64_t>();
        rest_.Take<uint32_t>();  // Size of the chunk.
        break;
      case kSnapshotReply:
        rest_.Take<uint64_t>();  // Number of the chunk.
        TakePosition();
        name->offset = rest_.Take<uint64_t>();
        rest_.Take<uint64_t>();  // Staged.
        break;
      case kReadIndexReply:
        rest_.Take<uint64_t>();  // Number of the read.
        if (reject) break;
        name->index = rest_.Take<uint64_t>();
        rest_.TakeBytes(24);  // Commit index and log times.
        break;
      case kVoteReply:
        rest_.TakeBytes(16);
        break;
      case kTimeoutNow:
        rest_.TakeBytes(8);
        break;
      case kPreVoteReply:
        break;
      default:
        rest_.Fail();
    }
  }
  // Takes a term and an index; returns the index.
  uint64_t TakePosition() {
    rest_.Take<uint64_t>();
    return rest_.Take<uint64_t>();
  }

  FixedReader rest_;
  size_t left_ = 0;
};

// The kind of a founding message. Zero for others.
uint8_t FoundingKind(std::string_view bytes) {
  if (!raft::IsFor(raft::Service::kFounding, bytes)) return 0;
  FixedReader reader(bytes);
  reader.TakeBytes(raft::kChecksumEnd + 1);  // The version is the last byte.
  return reader.Take<uint8_t>();
}

// A request or an answer between nodes.
struct NodeMessage {
  uint8_t kind = 0;  // Zero: it is another message.
  uint64_t number = 0;
  uint32_t offset = 0;  // The place of a piece in its answer.
};

NodeMessage ReadNodeMessage(std::string_view bytes) {
  constexpr uint8_t kPiece = 4;
  if (!raft::IsFor(raft::Service::kNodes, bytes)) return {};
  FixedReader reader(bytes);
  reader.TakeBytes(raft::kChecksumEnd + 1);  // The version is the last byte.
  NodeMessage message{.kind = reader.Take<uint8_t>()};
  reader.TakeBytes(8);  // The asking process.
  message.number = reader.Take<uint64_t>();
  if (message.kind == kPiece) {
    reader.TakeBytes(4);  // Size of the answer.
    message.offset = reader.Take<uint32_t>();
  }
  return reader.ok() ? message : NodeMessage();
}

std::string NodeMessageText(const NodeMessage& message) {
  static constexpr std::string_view kTexts[] = {
      "open",         "apply",         "read",   "answer",
      "status query", "status answer", "control"};
  return absl::StrCat(
      "nodes: ",
      std::string(message.kind <= std::size(kTexts) ? kTexts[message.kind - 1]
                                                    : "?"),
      ", number ", message.number);
}

}  // namespace

uint64_t EnvelopeKey(std::string_view bytes) {
  if (const uint8_t kind = FoundingKind(bytes)) return Mix64(kind) + 1;
  if (const NodeMessage message = ReadNodeMessage(bytes); message.kind != 0) {
    return Mix64(Mix64(message.number ^ message.kind << 8) ^ message.offset);
  }
  MessageName name;
  if (!Headers(bytes).Next(&name)) return 0;
  uint64_t key = 0;
  for (const uint64_t part : {uint64_t{name.group}, uint64_t{name.type},
                              name.term, name.index, name.offset}) {
    key = Mix64(key ^ part) + 1;
  }
  return key;
}

std::string EnvelopeText(std::string_view bytes) {
  if (const uint8_t kind = FoundingKind(bytes)) {
    static constexpr std::string_view kTexts[] = {"ask", "unfounded", "record",
                                                  "no part"};
    return absl::StrCat(
        "founding: ",
        std::string(kind <= std::size(kTexts) ? kTexts[kind - 1] : "?"));
  }
  if (const NodeMessage message = ReadNodeMessage(bytes); message.kind != 0) {
    return NodeMessageText(message);
  }
  std::string text;
  Headers headers(bytes);
  for (MessageName name; headers.Next(&name);) {
    absl::StrAppend(&text, text.empty() ? "" : "; ",
                    std::string(TypeText(name.type)), " of group ", name.group,
                    ", term ", name.term);
    if (name.index > 0) absl::StrAppend(&text, ", index ", name.index);
  }
  const bool pulse =
      text.empty() && raft::IsFor(raft::Service::kReplicas, bytes);
  return pulse ? "pulse" : text;
}

std::string MessageText(std::string_view bytes) {
  std::string frames;
  std::string_view rest = bytes;
  // A frame has the size of its message in front.
  for (uint32_t size; rest.size() >= sizeof(size);) {
    size = LoadFixed<uint32_t>(rest.data());
    rest.remove_prefix(sizeof(size));
    if (size > rest.size()) break;
    const std::string message = EnvelopeText(rest.substr(0, size));
    if (message.empty()) break;
    absl::StrAppend(&frames, frames.empty() ? "" : "; ", message);
    rest.remove_prefix(size);
  }
  return frames.empty() ? EnvelopeText(bytes) : frames;
}

}  // namespace quorate::sim
