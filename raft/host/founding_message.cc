#include "raft/host/founding_message.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

// Service, checksum, version, kind, asker.
constexpr size_t kPrefixBytes = kChecksumEnd + 1 + 1 + 8;

}  // namespace

Buffer EncodeFounding(const MessageLink& link, const FoundingMessage& message) {
  std::string body;
  AppendFixed(&body, kFoundingVersion);
  AppendFixed(&body, static_cast<uint8_t>(message.kind));
  AppendFixed(&body, message.asker.value());
  body += message.record.view();
  std::string out;
  AppendFixed(&out, static_cast<uint8_t>(Service::kFounding));
  AppendFixed(&out, Crc32c(ChecksumSeed(link, Service::kFounding), body));
  return Buffer::Copy(out + body);
}

absl::StatusOr<FoundingMessage> DecodeFounding(const MessageLink& link,
                                               const Buffer& bytes) {
  if (bytes.size() < kPrefixBytes || !IsFor(Service::kFounding, bytes.view())) {
    return absl::InvalidArgumentError("not a message of a founding");
  }
  if (Crc32c(ChecksumSeed(link, Service::kFounding),
             bytes.view().substr(kChecksumEnd)) !=
      LoadFixed<uint32_t>(bytes.view(), kServiceBytes)) {
    return absl::DataLossError("the checksum of a founding does not match");
  }
  FixedReader reader(bytes.view().substr(kChecksumEnd));
  const auto version = reader.Take<uint8_t>();
  const auto kind = reader.Take<uint8_t>();
  using Kind = FoundingMessage::Kind;
  FoundingMessage message{
      .kind = static_cast<Kind>(kind),
      .asker = StoreIncarnation(reader.Take<uint64_t>()),
      .record = bytes.Slice(kPrefixBytes, bytes.size() - kPrefixBytes)};
  if (version != kFoundingVersion || kind < static_cast<uint8_t>(Kind::kAsk) ||
      kind > static_cast<uint8_t>(Kind::kNoPart) ||
      (message.kind == Kind::kAsk) != (message.asker == StoreIncarnation()) ||
      (message.kind == Kind::kRecord) == message.record.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a founding of version ", version, " and kind ", kind,
                     " with ", message.record.size(), " bytes of a record"));
  }
  return message;
}

}  // namespace quorate::raft
