#include "raft/host/admission.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

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
namespace {

// Pauses between two questions, doubled from the first to the last.
constexpr Duration kPauseMin = Milliseconds(50);
constexpr Duration kPauseMax = Milliseconds(1000);
// A seed that is deciding is asked so often, then another one.
constexpr int kAsksMax = 3;
constexpr Duration kLogInterval = Seconds(10);
// Size limit of the text of a refusal.
constexpr size_t kWhyBytesMax = 1024;

using Kind = AdmissionAnswer::Kind;

Buffer Refuse(Kind kind, std::string why) {
  why.resize(std::min(why.size(), kWhyBytesMax));
  return EncodeAdmissionAnswer({.kind = kind, .why = std::move(why)});
}

}  // namespace

void StoreAdmission::Begin(StoreIncarnation store, Done done) {
  store_ = store;
  done_ = std::move(done);
  pause_ = kPauseMin;
  log_at_ = env_.loop.ReadClock().mono + kPauseMax;
  Ask();
}

void StoreAdmission::Ask() {
  const auto& seeds = options_.join->seeds;
  const std::string& seed = seeds[seed_ % seeds.size()];
  call_ = env_.transport.AskForAdmission(
      {.node = options_.node, .incarnation = store_}, seed,
      EncodeAdmissionRequest(
          {.address = options_.listen_address, .token = options_.join->token}),
      [this](absl::StatusOr<Buffer> answer) { OnAnswer(std::move(answer)); });
}

void StoreAdmission::OnAnswer(absl::StatusOr<Buffer> bytes) {
  if (absl::IsFailedPrecondition(bytes.status())) {
    return Finish(bytes.status());
  }
  const bool decides = bytes.ok() && asks_ + 1 < kAsksMax;
  asks_ = decides ? asks_ + 1 : 0;
  if (!decides) ++seed_;
  if (!bytes.ok()) return AskLater(bytes.status());
  const absl::StatusOr<AdmissionAnswer> answer = DecodeAdmissionAnswer(*bytes);
  if (!answer.ok()) return AskLater(answer.status());
  if (answer->kind == Kind::kLater) {
    return AskLater(absl::UnavailableError(answer->why));
  }
  if (answer->kind == Kind::kRefused) {
    return Finish(absl::FailedPreconditionError(
        absl::StrCat("the cluster does not admit node ", options_.node.value(),
                     ": ", answer->why)));
  }
  if (options_.cluster != ClusterId() && options_.cluster != answer->cluster) {
    return Finish(absl::FailedPreconditionError(absl::StrCat(
        "the seeds are nodes of cluster ", answer->cluster.value(),
        ", this node is configured for cluster ", options_.cluster.value())));
  }
  absl::StatusOr<BootstrapRecord> record =
      DecodeBootstrapRecord(answer->record);
  if (!record.ok() || !record->joined()) {
    return AskLater(absl::DataLossError("the answer has no record"));
  }
  env_.tracer.Sometimes("raft.store_admitted");
  Finish(Admitted{answer->cluster, *std::move(record)});
}

void StoreAdmission::AskLater(const absl::Status& why) {
  const MonoTime now = env_.loop.ReadClock().mono;
  if (now >= log_at_) {
    log_at_ = now + kLogInterval;
    env_.tracer.Log(env::Severity::kInfo,
                    absl::StrCat("joining a cluster: not admitted yet: ",
                                 std::string(why.message())));
  }
  timer_ = env_.loop.At(now + pause_, [this] { Ask(); });
  pause_ = std::min(pause_ * 2, kPauseMax);
}

void StoreAdmission::Finish(absl::StatusOr<Admitted> result) {
  Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

Buffer AnswerAdmission(const HostOptions& options, NodeId node,
                       StoreIncarnation store, const Buffer& request,
                       BootstrapRecord* record) {
  absl::StatusOr<AdmissionRequest> decoded = DecodeAdmissionRequest(request);
  if (!decoded.ok()) return Buffer();
  if (record == nullptr) {
    return Refuse(Kind::kLater,
                  absl::StrCat("node ", options.node.value(), " is starting"));
  }
  absl::Status admitted;
  if (node == NodeId() || node == options.node || store == StoreIncarnation()) {
    admitted = absl::InvalidArgumentError(absl::StrCat(
        "the answering node is node ", options.node.value(), " itself"));
  } else if (options.admit == nullptr) {
    admitted = absl::PermissionDeniedError(absl::StrCat(
        "node ", options.node.value(), " is configured to admit no node"));
  } else {
    admitted = options.admit({.node = node,
                              .store = store,
                              .address = std::move(decoded->address),
                              .token = std::move(decoded->token)});
  }
  if (admitted.ok()) {
    if (options.welcome) record->welcome = options.welcome();
    if (record->welcome.size() <= kWelcomeBytesMax) {
      return EncodeAdmissionAnswer({.kind = Kind::kAdmitted,
                                    .cluster = options.cluster,
                                    .record = EncodeBootstrapRecord(*record)});
    }
    admitted = absl::ResourceExhaustedError(
        absl::StrCat("what a new node must know of the cluster takes ",
                     record->welcome.size(), " bytes, and ", kWelcomeBytesMax,
                     " are allowed"));
  }
  return Refuse(absl::IsUnavailable(admitted) ? Kind::kLater : Kind::kRefused,
                std::string(admitted.message()));
}

}  // namespace quorate::raft
