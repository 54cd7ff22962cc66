#include "sim/run/message_key.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "env/random.h"

namespace quorate::sim {
namespace {

constexpr size_t kHeaderBytes = 8;  // Checksum and size.
// Fields of GroupMessage and Position (raft/host/envelope.proto).
constexpr uint64_t kMessages = 1;
constexpr uint64_t kGroup = 1;
constexpr uint64_t kType = 3;
constexpr uint64_t kTerm = 4;
constexpr uint64_t kLast = 6;
constexpr uint64_t kOffset = 14;
constexpr uint64_t kPositionIndex = 2;

// Fields of a protobuf message, one after another.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  // Reads the next field. False at the end and at malformed bytes.
  bool Next() {
    uint64_t tag = 0;
    if (!Varint(&tag)) return false;
    number = tag >> 3;
    value = 0;
    bytes = {};
    switch (tag & 7) {
      case 0:
        return Varint(&value);
      case 1:
        return Skip(8);
      case 2:
        return Varint(&value) && Skip(value);
      case 5:
        return Skip(4);
      default:
        return false;
    }
  }

  uint64_t number = 0;
  uint64_t value = 0;      // A varint.
  std::string_view bytes;  // The contents of any other field.

 private:
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      *value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Skip(uint64_t count) {
    if (count > rest_.size()) return false;
    bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return true;
  }

  std::string_view rest_;
};

// Values of the type of a message.
std::string_view TypeText(uint64_t type) {
  static constexpr std::string_view kTexts[] = {
      "message",          "pre-vote",       "pre-vote reply", "vote",
      "vote reply",       "append",         "append reply",   "heartbeat",
      "heartbeat reply",  "snapshot chunk", "snapshot reply", "read index",
      "read index reply", "timeout now"};
  return kTexts[type < std::size(kTexts) ? type : 0];
}

// The fields that name one message.
struct MessageName {
  uint64_t group = 0;
  uint64_t type = 0;
  uint64_t term = 0;
  uint64_t index = 0;
  uint64_t offset = 0;
};

MessageName NameOf(std::string_view bytes) {
  MessageName name;
  Fields message(bytes);
  while (message.Next()) {
    if (message.number == kGroup) name.group = message.value;
    if (message.number == kType) name.type = message.value;
    if (message.number == kTerm) name.term = message.value;
    if (message.number == kOffset) name.offset = message.value;
    if (message.number != kLast) continue;
    Fields position(message.bytes);
    while (position.Next()) {
      if (position.number == kPositionIndex) name.index = position.value;
    }
  }
  return name;
}

}  // namespace

uint64_t EnvelopeKey(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return 0;
  Fields envelope(bytes.substr(kHeaderBytes));
  if (!envelope.Next() || envelope.number != kMessages) return 0;
  const MessageName name = NameOf(envelope.bytes);
  uint64_t key = 0;
  for (const uint64_t part :
       {name.group, name.type, name.term, name.index, name.offset}) {
    key = Mix64(key ^ part) + 1;
  }
  return key;
}

std::string EnvelopeText(std::string_view bytes) {
  std::string text;
  if (bytes.size() < kHeaderBytes) return text;
  Fields envelope(bytes.substr(kHeaderBytes));
  while (envelope.Next()) {
    if (envelope.number != kMessages) continue;
    const MessageName name = NameOf(envelope.bytes);
    absl::StrAppend(&text, text.empty() ? "" : "; ",
                    std::string(TypeText(name.type)), " of group ", name.group,
                    ", term ", name.term);
    if (name.index > 0) absl::StrAppend(&text, ", index ", name.index);
  }
  return text;
}

}  // namespace quorate::sim
