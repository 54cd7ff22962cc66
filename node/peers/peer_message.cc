#include "node/peers/peer_message.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/outcome.h"
#include "env/transport.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

using raft::kChecksumEnd;
using raft::kServiceBytes;
using raft::MessageLink;
using raft::Service;
using Kind = PeerRequest::Kind;

// The kinds behind those of requests.
constexpr uint8_t kPiece = 4;
// Added to the kind of a status message if the sender gives its leaderships
// away.
constexpr uint8_t kGivesAway = 3;
// Service, checksum, version, kind, asker, number.
constexpr size_t kPrefixBytes = kChecksumEnd + 1 + 1 + 8 + 8;
// Size of the answer, offset.
constexpr size_t kPieceHeaderBytes = kPrefixBytes + 4 + 4;
// Start and changes of the newest known report.
constexpr size_t kQueryBytes = 8 + 8;
// Asker, number, start, changes, map, known, refused groups, rows, addresses.
constexpr size_t kAnswerHeaderBytes = 8 + 8 + 8 + 8 + 8 + 1 + 4 + 4 + 4;
// A refused group. Group, state, leader, term, level.
constexpr size_t kGroupBytes = 4;
constexpr size_t kRowBytes = 4 + 1 + 4 + 8 + 8;
static_assert(kPrefixBytes + kQueryBytes + kAddressesFixedBytes +
                  4 * kAddressBytesMax + kAnswerHeaderBytes +
                  kReportRowsMax * (kGroupBytes + kRowBytes) +
                  kReportAddressBytesMax <=
              env::kMessageBytesMax);
// Settled, group; term, channel, number and life of the stamp.
static_assert(kRequestHeaderBytes == kPrefixBytes + 8 + 4 + 4 * 8);

// The first byte of an answer.
enum class AnswerKind : uint8_t {
  kApplied = 1,
  kOpened = 2,
  kNotExecuted = 3,
  kUnknown = 4,
};

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(Concat("a message of a node: ", what));
}

// Returns the first kPrefixBytes of a message, with room for `more` bytes. Seal
// fills in the service and the checksum.
std::string Begin(uint8_t kind, const PeerRequestId& id, size_t more) {
  std::string message;
  message.reserve(kPrefixBytes + more);
  message.resize(kChecksumEnd);
  AppendFixed(&message, kPeerMessageVersion);
  AppendFixed(&message, kind);
  AppendFixed(&message, id.asker);
  AppendFixed(&message, id.number);
  return message;
}

// `message` is all but the payloads.
std::vector<Buffer> Seal(const MessageLink& link, std::string message,
                         std::vector<Buffer> payloads = {}) {
  uint32_t crc = Crc32c(raft::ChecksumSeed(link, Service::kNodes),
                        std::string_view(message).substr(kChecksumEnd));
  for (const Buffer& payload : payloads) crc = Crc32c(crc, payload.view());
  StoreFixed(message.data(), static_cast<uint8_t>(Service::kNodes));
  StoreFixed(message.data() + kServiceBytes, crc);
  std::vector<Buffer> pieces;
  pieces.reserve(1 + payloads.size());
  pieces.push_back(Buffer::Copy(message));
  for (Buffer& payload : payloads) pieces.push_back(std::move(payload));
  return pieces;
}

// True if the request has the fields of its kind, and no others.
bool HasFieldsOfKind(const PeerRequest& request) {
  const ForwardStamp& stamp = request.stamp;
  const bool named = stamp.channel != 0 && stamp.life != 0;
  const bool empty = stamp.channel == 0 && stamp.life == 0 &&
                     stamp.term == raft::Term() && stamp.number == 0;
  switch (request.kind) {
    case Kind::kOpen:
      return request.payload.empty() && (named || empty);
    case Kind::kApply:
      return !request.payload.empty() && named && stamp.number != 0;
    case Kind::kRead:
    case Kind::kControl:
      return !request.payload.empty() && empty;
  }
  return false;
}

absl::StatusOr<PeerMessage> DecodeRequest(Kind kind, const PeerRequestId& id,
                                          FixedReader reader,
                                          const Buffer& bytes) {
  PeerRequestMessage message{.id = id};
  message.settled = reader.Take<uint64_t>();
  PeerRequest& request = message.request;
  request.kind = kind;
  request.group = GroupId(reader.Take<uint32_t>());
  request.stamp.term = raft::Term(reader.Take<uint64_t>());
  request.stamp.channel = reader.Take<uint64_t>();
  request.stamp.number = reader.Take<uint64_t>();
  request.stamp.life = reader.Take<uint64_t>();
  if (!reader.ok()) return Malformed("a request is cut short");
  if (reader.rest().size() > raft::kEntryPayloadBytesMax) {
    return Malformed(Concat("a request has ", reader.rest().size(), " bytes"));
  }
  request.payload = bytes.Suffix(kRequestHeaderBytes);
  if (message.settled == 0 || message.settled > id.number ||
      !HasFieldsOfKind(request)) {
    return Malformed("a request lacks fields of its kind, or has others");
  }
  return message;
}

absl::StatusOr<PeerMessage> DecodePiece(const PeerRequestId& id,
                                        FixedReader reader,
                                        const Buffer& bytes) {
  PeerAnswerPiece piece{.id = id};
  piece.size = reader.Take<uint32_t>();
  piece.offset = reader.Take<uint32_t>();
  if (!reader.ok()) return Malformed("an answer is cut short");
  if (piece.size > kAnswerBytesMax || piece.offset >= piece.size ||
      piece.offset % kAnswerPieceBytes != 0 ||
      reader.rest().size() !=
          std::min<size_t>(kAnswerPieceBytes, piece.size - piece.offset)) {
    return Malformed(Concat("a piece of ", reader.rest().size(), " bytes at ",
                            piece.offset, " of an answer of ", piece.size));
  }
  piece.bytes = bytes.Suffix(kPieceHeaderBytes);
  return piece;
}

absl::StatusOr<StatusAnswer> DecodeStatusAnswer(FixedReader reader) {
  StatusAnswer answer;
  answer.id.asker = reader.Take<uint64_t>();
  answer.id.number = reader.Take<uint64_t>();
  NodeReport& report = answer.report;
  report.start = reader.Take<uint64_t>();
  report.changes = reader.Take<uint64_t>();
  report.map = shardctrl::MapVersion(reader.Take<uint64_t>());
  const auto known = reader.Take<uint8_t>();
  const auto refused = reader.Take<uint32_t>();
  const auto rows = reader.Take<uint32_t>();
  const auto addresses = reader.Take<uint32_t>();
  if (!reader.ok() || answer.id.asker == 0 || answer.id.number == 0 ||
      report.start == 0 || known > 1 || refused > kReportRowsMax ||
      rows > kReportRowsMax || (known == 1 && (rows != 0 || addresses != 0)) ||
      reader.rest().size() < refused * kGroupBytes + rows * kRowBytes) {
    return Malformed("the size of a report does not fit its rows");
  }
  report.known = known == 1;
  for (uint32_t i = 0; i < refused; ++i) {
    report.refused.push_back(GroupId(reader.Take<uint32_t>()));
  }
  for (uint32_t i = 0; i < rows; ++i) {
    ReplicaReport& row = report.rows.emplace_back();
    row.group = GroupId(reader.Take<uint32_t>());
    row.state = static_cast<ReplicaState>(reader.Take<uint8_t>());
    row.leader = NodeId(reader.Take<uint32_t>());
    row.term = raft::Term(reader.Take<uint64_t>());
    row.level = raft::Level(reader.Take<uint64_t>());
    if (row.state == ReplicaState::kUnknown ||
        row.state > ReplicaState::kHalted) {
      return Malformed("a report has an unknown state of a replica");
    }
  }
  if (reader.rest().size() > kReportAddressBytesMax) {
    return Malformed("a report has too many addresses");
  }
  for (uint32_t i = 0; i < addresses && reader.ok(); ++i) {
    report.addresses.push_back(TakeAddresses(&reader));
  }
  if (!reader.ok() || !reader.rest().empty()) {
    return Malformed("the size of a report does not fit its addresses");
  }
  return answer;
}

absl::StatusOr<PeerMessage> DecodeStatus(StatusMessage::Kind kind,
                                         bool gives_away,
                                         const PeerRequestId& id,
                                         FixedReader reader) {
  StatusMessage message{
      .kind = kind, .query = {.id = id}, .gives_away = gives_away};
  message.query.start = reader.Take<uint64_t>();
  message.query.changes = reader.Take<uint64_t>();
  message.own = TakeAddresses(&reader);
  if (!reader.ok()) return Malformed("a status query is cut short");
  if (kind == StatusMessage::Kind::kAsks && reader.rest().empty()) {
    return message;
  }
  absl::StatusOr<StatusAnswer> answer = DecodeStatusAnswer(reader);
  if (!answer.ok()) return answer.status();
  message.answer = *std::move(answer);
  return message;
}

void AppendAnswer(std::string* body, const StatusAnswer& answer) {
  const NodeReport& report = answer.report;
  AppendFixed(body, answer.id.asker);
  AppendFixed(body, answer.id.number);
  AppendFixed(body, report.start);
  AppendFixed(body, report.changes);
  AppendFixed(body, report.map.value());
  AppendFixed(body, static_cast<uint8_t>(report.known ? 1 : 0));
  AppendFixed(body, static_cast<uint32_t>(report.refused.size()));
  AppendFixed(body, static_cast<uint32_t>(report.rows.size()));
  AppendFixed(body, static_cast<uint32_t>(report.addresses.size()));
  for (const GroupId group : report.refused) AppendFixed(body, group.value());
  for (const ReplicaReport& row : report.rows) {
    AppendFixed(body, row.group.value());
    AppendFixed(body, static_cast<uint8_t>(row.state));
    AppendFixed(body, row.leader.value());
    AppendFixed(body, row.term.value());
    AppendFixed(body, row.level.value());
  }
  for (const NodeAddresses& row : report.addresses) AppendAddresses(body, row);
}

size_t SizeOf(const std::vector<NodeAddresses>& addresses) {
  size_t size = 0;
  for (const NodeAddresses& row : addresses) size += EncodedSize(row);
  return size;
}

}  // namespace

std::vector<Buffer> EncodePeerRequest(const MessageLink& link,
                                      const PeerRequestMessage& message) {
  const PeerRequest& request = message.request;
  CHECK_LE(request.payload.size(), raft::kEntryPayloadBytesMax);
  std::string body = Begin(static_cast<uint8_t>(request.kind), message.id,
                           kRequestHeaderBytes - kPrefixBytes);
  AppendFixed(&body, message.settled);
  AppendFixed(&body, request.group.value());
  AppendFixed(&body, request.stamp.term.value());
  AppendFixed(&body, request.stamp.channel);
  AppendFixed(&body, request.stamp.number);
  AppendFixed(&body, request.stamp.life);
  if (request.payload.empty()) return Seal(link, std::move(body));
  return Seal(link, std::move(body), {request.payload});
}

PeerAnswer EncodePeerResult(const PeerResult& result) {
  const raft::ProposeResult& r = result.result;
  std::string head;
  PeerAnswer answer;
  switch (r.outcome) {
    case Outcome::kDone:
      if (result.channel.channel != 0) {
        AppendFixed(&head, static_cast<uint8_t>(AnswerKind::kOpened));
        AppendFixed(&head, result.channel.term.value());
        AppendFixed(&head, result.channel.channel);
        AppendFixed(&head, result.channel.life);
        break;
      }
      AppendFixed(&head, static_cast<uint8_t>(AnswerKind::kApplied));
      AppendFixed(&head, r.position.term.value());
      AppendFixed(&head, r.position.index.value());
      AppendFixed(&head, r.log_time.ns());
      answer.results = r.result;
      break;
    case Outcome::kNotExecuted:
      AppendFixed(&head, static_cast<uint8_t>(AnswerKind::kNotExecuted));
      AppendFixed(&head, result.leader.value());
      AppendFixed(&head, result.term.value());
      head += Message(r.status).substr(0, kAnswerTextBytesMax);
      break;
    case Outcome::kUnknown:
      AppendFixed(&head, static_cast<uint8_t>(AnswerKind::kUnknown));
      head += Message(r.status).substr(0, kAnswerTextBytesMax);
      break;
  }
  answer.head = Buffer::Copy(head);
  if (answer.size() <= kAnswerBytesMax) return answer;
  PeerResult unknown;
  unknown.result.outcome = Outcome::kUnknown;
  unknown.result.status = absl::ResourceExhaustedError(
      Concat("the results have ", r.result.size(), " bytes"));
  return EncodePeerResult(unknown);
}

std::vector<Buffer> EncodePeerAnswerPiece(const MessageLink& link,
                                          const PeerRequestId& id,
                                          const PeerAnswer& answer,
                                          size_t offset) {
  CHECK_LT(offset, answer.size());
  CHECK_EQ(offset % kAnswerPieceBytes, size_t{0});
  const size_t end = std::min(answer.size(), offset + kAnswerPieceBytes);
  std::string body = Begin(kPiece, id, kPieceHeaderBytes - kPrefixBytes);
  AppendFixed(&body, static_cast<uint32_t>(answer.size()));
  AppendFixed(&body, static_cast<uint32_t>(offset));
  std::vector<Buffer> parts;
  const size_t head = answer.head.size();
  if (offset < head) {
    parts.push_back(answer.head.Slice(offset, std::min(head, end) - offset));
  }
  if (end > head) {
    const size_t from = std::max(offset, head);
    parts.push_back(answer.results.Slice(from - head, end - from));
  }
  return Seal(link, std::move(body), std::move(parts));
}

std::vector<Buffer> EncodeStatus(const MessageLink& link,
                                 const StatusMessage& message) {
  size_t more = kQueryBytes + EncodedSize(message.own);
  if (message.answer) {
    const NodeReport& report = message.answer->report;
    CHECK_LE(report.refused.size(), kReportRowsMax);
    CHECK_LE(report.rows.size(), kReportRowsMax);
    const size_t address_bytes = SizeOf(report.addresses);
    CHECK_LE(address_bytes, kReportAddressBytesMax);
    more += kAnswerHeaderBytes + report.refused.size() * kGroupBytes +
            report.rows.size() * kRowBytes + address_bytes;
  }
  const uint8_t added = message.gives_away ? kGivesAway : 0;
  std::string body =
      Begin(static_cast<uint8_t>(message.kind) + added, message.query.id, more);
  AppendFixed(&body, message.query.start);
  AppendFixed(&body, message.query.changes);
  AppendAddresses(&body, message.own);
  if (message.answer) AppendAnswer(&body, *message.answer);
  return Seal(link, std::move(body));
}

absl::StatusOr<PeerMessage> DecodePeerMessage(const MessageLink& link,
                                              const Buffer& bytes) {
  if (bytes.size() < kPrefixBytes ||
      !raft::IsFor(Service::kNodes, bytes.view())) {
    return Malformed("shorter than its prefix, or of another service");
  }
  if (Crc32c(raft::ChecksumSeed(link, Service::kNodes),
             bytes.view().substr(kChecksumEnd)) !=
      LoadFixed<uint32_t>(bytes.view(), kServiceBytes)) {
    return absl::DataLossError("the checksum of a node's message differs");
  }
  FixedReader reader(bytes.view().substr(kChecksumEnd));
  const auto version = reader.Take<uint8_t>();
  const auto kind = reader.Take<uint8_t>();
  PeerRequestId id;
  id.asker = reader.Take<uint64_t>();
  id.number = reader.Take<uint64_t>();
  using Status = StatusMessage::Kind;
  if (version != kPeerMessageVersion || kind == 0 ||
      kind > static_cast<uint8_t>(Status::kAnswers) + kGivesAway ||
      id.asker == 0 || id.number == 0) {
    return Malformed(
        Concat("version ", +version, ", kind ", +kind, ", number ", id.number));
  }
  if (kind == kPiece) return DecodePiece(id, reader, bytes);
  const bool gives_away = kind > static_cast<uint8_t>(Kind::kControl);
  const auto status = static_cast<Status>(kind - (gives_away ? kGivesAway : 0));
  if (status == Status::kAsks || status == Status::kAnswers) {
    return DecodeStatus(status, gives_away, id, reader);
  }
  return DecodeRequest(static_cast<Kind>(kind), id, reader, bytes);
}

absl::StatusOr<PeerResult> DecodePeerResult(Kind kind, const Buffer& answer) {
  FixedReader reader(answer.view());
  PeerResult result;
  raft::ProposeResult& r = result.result;
  const auto type = static_cast<AnswerKind>(reader.Take<uint8_t>());
  switch (type) {
    case AnswerKind::kApplied:
      r.outcome = Outcome::kDone;
      r.position.term = raft::Term(reader.Take<uint64_t>());
      r.position.index = raft::Index(reader.Take<uint64_t>());
      r.log_time = WallTime(reader.Take<int64_t>());
      if (!reader.ok() || kind == Kind::kOpen) break;
      r.result = answer.Suffix(answer.size() - reader.rest().size());
      return result;
    case AnswerKind::kOpened:
      r.outcome = Outcome::kDone;
      result.channel.term = raft::Term(reader.Take<uint64_t>());
      result.channel.channel = reader.Take<uint64_t>();
      result.channel.life = reader.Take<uint64_t>();
      if (!reader.ok() || kind != Kind::kOpen || !reader.rest().empty() ||
          result.channel.channel == 0 || result.channel.life == 0) {
        break;
      }
      return result;
    case AnswerKind::kNotExecuted:
      r.outcome = Outcome::kNotExecuted;
      result.leader = NodeId(reader.Take<uint32_t>());
      result.term = raft::Term(reader.Take<uint64_t>());
      if (!reader.ok() || reader.rest().size() > kAnswerTextBytesMax) break;
      r.status = absl::UnavailableError(std::string(reader.rest()));
      return result;
    case AnswerKind::kUnknown:
      r.outcome = Outcome::kUnknown;
      if (!reader.ok() || reader.rest().size() > kAnswerTextBytesMax) break;
      r.status = absl::UnavailableError(std::string(reader.rest()));
      return result;
  }
  return Malformed("an answer lacks fields of its kind, or has others");
}

}  // namespace quorate::node
