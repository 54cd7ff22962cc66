#include "raft/host/admission_message.h"

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/transport.h"

namespace quorate::raft {
namespace {

// The checksums of the two messages begin with these.
constexpr uint32_t kRequestSeed = 0x51414452;  // "RDAQ"
constexpr uint32_t kAnswerSeed = 0x41414452;   // "RDAA"

void AppendText(std::string* out, std::string_view text) {
  AppendFixed(out, static_cast<uint32_t>(text.size()));
  *out += text;
}

std::string TakeText(FixedReader* reader) {
  const auto size = reader->Take<uint32_t>();
  if (size > reader->rest().size()) {
    reader->Fail();
    return "";
  }
  return std::string(reader->TakeBytes(size));
}

Buffer Seal(uint32_t seed, std::string_view body) {
  std::string out;
  AppendFixed(&out, Crc32c(seed, body));
  out.append(body);
  return Buffer::Copy(out);
}

// The body behind a right checksum and version.
absl::StatusOr<FixedReader> Open(uint32_t seed, const Buffer& bytes) {
  FixedReader reader(bytes.view());
  const auto checksum = reader.Take<uint32_t>();
  if (!reader.ok() || Crc32c(seed, reader.rest()) != checksum) {
    return absl::DataLossError("the checksum of an admission does not match");
  }
  const auto version = reader.Take<uint8_t>();
  if (!reader.ok() || version != kAdmissionVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("an admission of version ", version));
  }
  return reader;
}

}  // namespace

Buffer EncodeAdmissionRequest(const AdmissionRequest& request) {
  CHECK_LE(request.address.size(), kJoinAddressBytesMax);
  CHECK_LE(request.token.size(), kJoinTokenBytesMax);
  std::string body;
  AppendFixed(&body, kAdmissionVersion);
  AppendText(&body, request.address);
  AppendText(&body, request.token);
  return Seal(kRequestSeed, body);
}

Buffer EncodeAdmissionAnswer(const AdmissionAnswer& answer) {
  std::string body;
  AppendFixed(&body, kAdmissionVersion);
  AppendFixed(&body, static_cast<uint8_t>(answer.kind));
  AppendFixed(&body, answer.cluster.value());
  AppendText(&body, answer.record);
  AppendText(&body, answer.why);
  CHECK_LT(body.size(), env::kAdmissionAnswerBytesMax - sizeof(uint32_t));
  return Seal(kAnswerSeed, body);
}

absl::StatusOr<AdmissionRequest> DecodeAdmissionRequest(const Buffer& bytes) {
  auto reader = Open(kRequestSeed, bytes);
  if (!reader.ok()) return reader.status();
  AdmissionRequest request{.address = TakeText(&*reader)};
  request.token = TakeText(&*reader);
  if (!reader->ok() || !reader->rest().empty() ||
      request.address.size() > kJoinAddressBytesMax ||
      request.token.size() > kJoinTokenBytesMax) {
    return absl::InvalidArgumentError("a malformed request for admission");
  }
  return request;
}

absl::StatusOr<AdmissionAnswer> DecodeAdmissionAnswer(const Buffer& bytes) {
  auto reader = Open(kAnswerSeed, bytes);
  if (!reader.ok()) return reader.status();
  using Kind = AdmissionAnswer::Kind;
  AdmissionAnswer answer{.kind = static_cast<Kind>(reader->Take<uint8_t>())};
  answer.cluster = ClusterId(reader->Take<uint64_t>());
  answer.record = TakeText(&*reader);
  answer.why = TakeText(&*reader);
  const bool admitted = answer.kind == Kind::kAdmitted;
  if (!reader->ok() || !reader->rest().empty() ||
      (!admitted && answer.kind != Kind::kRefused &&
       answer.kind != Kind::kLater) ||
      admitted == answer.record.empty() ||
      admitted == (answer.cluster == ClusterId())) {
    return absl::InvalidArgumentError("a malformed answer to an admission");
  }
  return answer;
}

}  // namespace quorate::raft
