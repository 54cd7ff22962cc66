#include "sim/run/strange_peer.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/transport.h"
#include "raft/host/envelope.h"
#include "raft/host/founding.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kBetweenVisitsMaxMs = 2'000;
constexpr Duration kStayMax = Seconds(3);
constexpr uint64_t kManners = 5;
// Types of messages (docs/reference/formats/envelope.md).
constexpr uint8_t kVoteReply = 4;
constexpr uint8_t kAppend = 5;
constexpr uint8_t kSnapshotChunk = 9;
constexpr uint64_t kEnvelopes = 10;
// The version of messages of nodes (docs/reference/formats/forwarding.md).
constexpr uint8_t kNodeMessageVersion = 1;
// The lane is the eighth field of a handshake.
constexpr size_t kLaneAt = 36;
// The reason of a refusal in the reply to a handshake.
constexpr size_t kRefusalAt = 24;
// A value that no field of a handshake has.
constexpr uint32_t kUnknown = 77;

// The header of a message up to the fields of its type.
std::string MessageHeader(uint8_t type, uint8_t flags) {
  std::string out;
  AppendFixed(&out, type);
  AppendFixed(&out, flags);
  AppendFixed(&out, uint32_t{1});  // The group.
  AppendFixed(&out, uint64_t{1});  // The receiver.
  AppendFixed(&out, uint64_t{2});  // The sender.
  AppendFixed(&out, uint64_t{1});  // The term.
  return out;
}

std::string AppendOf(uint32_t entries) {
  std::string out = MessageHeader(kAppend, 0) + std::string(40, '\0');
  AppendFixed(&out, entries);
  return out;
}

// Replaces a field, and renews the checksum at the end.
std::string WithField(std::string bytes, size_t offset, uint32_t value) {
  StoreFixed<uint32_t>(bytes.data() + offset, value);
  bytes.resize(bytes.size() - sizeof(uint32_t));
  AppendFixed<uint32_t>(&bytes, Crc32c(0, bytes));
  return bytes;
}

}  // namespace

enum class StrangePeer::Manner : uint8_t {
  kLaterVersion,   // It speaks later versions of the protocol only.
  kUnknownLane,    // It opens a lane that does not exist.
  kOtherProtocol,  // It begins as no node begins.
  kHugeMessage,    // It announces a message above the limit.
  kBadEnvelope,    // Its message does not parse.
};

class StrangePeer::Visitor final : env::Connection::Observer {
 public:
  Visitor(StrangePeer* peer, std::unique_ptr<env::Connection> connection)
      : peer_(peer), connection_(std::move(connection)) {
    connection_->SetObserver(this);
  }

 private:
  void OnBytes(std::string_view bytes) override {
    hello_.append(bytes);
    if (answered_ || hello_.size() < raft::HelloSize(hello_)) return;
    answered_ = true;
    const auto hello = raft::DecodeHello(
        std::string_view(hello_).substr(0, raft::HelloSize(hello_)));
    if (!hello.ok()) {
      return peer_->options_.violate(
          absl::StrCat("handshake: a node sends one that does not parse: ",
                       hello.status().ToString()));
    }
    connection_->Write(Buffer::Copy(peer_->DrawAnswer(*hello)));
  }
  void OnEnd() override { connection_->End(); }
  void OnClosed(absl::Status) override {}
  void OnDrained() override {}

  StrangePeer* const peer_;
  const std::unique_ptr<env::Connection> connection_;
  std::string hello_;
  bool answered_ = false;
};

StrangePeer::StrangePeer(env::Env& env, StrangePeerOptions options)
    : Dialogue(env), env_(env), options_(std::move(options)), manner_() {
  auto listener =
      env_.streams.Listen(options_.listen_address,
                          [this](std::unique_ptr<env::Connection> connection) {
                            visitors_.push_back(std::make_unique<Visitor>(
                                this, std::move(connection)));
                          });
  CHECK(listener.ok()) << listener.status().ToString();
  listener_ = *std::move(listener);
  Leave();
}

StrangePeer::~StrangePeer() = default;

void StrangePeer::Leave() {
  if (stopped()) {
    Close();
    listener_.reset();
    visitors_.clear();
    return;
  }
  BeginAfter(Milliseconds(
      static_cast<int64_t>(Draw("strange_peer.wait", kBetweenVisitsMaxMs))));
}

void StrangePeer::OnBegin() {
  ++dialled_;
  address_ = Draw("strange_peer.address", options_.addresses.size());
  Open(options_.addresses[address_], Protocol::kNone);
}

void StrangePeer::OnOpen() {
  raft::Hello hello;
  if (!options_.hello(address_, &hello)) return Leave();
  manner_ = static_cast<Manner>(Draw("strange_peer.manner", kManners));
  reply_.clear();
  std::string bytes;
  switch (manner_) {
    case Manner::kLaterVersion:
      hello.from.version_min = hello.from.version_max + 1;
      hello.from.version_max += 2;
      bytes = raft::EncodeHello(hello);
      break;
    case Manner::kUnknownLane:
      bytes = WithField(raft::EncodeHello(hello), kLaneAt, kUnknown);
      break;
    case Manner::kOtherProtocol:
      bytes = WithField(raft::EncodeHello(hello), 0, kUnknown);
      break;
    case Manner::kHugeMessage:
      bytes = raft::EncodeHello(hello);
      AppendFixed(&bytes, static_cast<uint32_t>(env::kMessageBytesMax + 1));
      break;
    case Manner::kBadEnvelope: {
      const std::string envelope = DrawEnvelope(hello);
      bytes = raft::EncodeHello(hello);
      AppendFixed(&bytes, static_cast<uint32_t>(envelope.size()));
      bytes += envelope;
      break;
    }
  }
  ++sent_;
  Send(std::move(bytes));
  SetTimeout(kStayMax);
}

void StrangePeer::OnBytes(std::string_view bytes) {
  reply_.append(bytes);
  if (reply_.size() < raft::HelloReplySize(reply_)) return;
  const auto reply = raft::DecodeHelloReply(reply_);
  const bool later = manner_ == Manner::kLaterVersion;
  const bool right =
      reply.ok() &&
      (manner_ == Manner::kHugeMessage || manner_ == Manner::kBadEnvelope ||
       (later && reply->refusal == raft::HandshakeRefusal::kNoCommonVersion));
  if (!right) {
    options_.violate(absl::StrCat(
        "handshake: ", options_.addresses[address_], " answers handshake ",
        static_cast<int>(manner_), " of a strange node with ", reply_.size(),
        " bytes: ", reply.status().ToString()));
  }
  if (!later) return;
  if (right) env_.tracer.Sometimes("net.transport.later_version_refused");
  Leave();
}

// A message of which only the body is strange.
std::string StrangePeer::Sealed(raft::Service service, const raft::Hello& hello,
                                const std::string& body) {
  const raft::MessageLink link{hello.from.cluster, hello.from.node, hello.to};
  std::string out;
  AppendFixed(&out, static_cast<uint8_t>(service));
  AppendFixed(&out, Crc32c(raft::ChecksumSeed(link, service), body));
  return out + body;
}

// An answer to a question that was not asked, or that does not parse.
std::string StrangePeer::DrawFounding(const raft::Hello& hello) const {
  std::string body;
  AppendFixed(&body, raft::kFoundingVersion);
  AppendFixed(&body,
              static_cast<uint8_t>(Draw("strange_peer.founding_kind", 6)));
  AppendFixed(&body, uint64_t{kUnknown});
  body.append(Draw("strange_peer.founding_record", 3), 'x');
  return Sealed(raft::Service::kFounding, hello, body);
}

// A request or an answer between nodes that does not parse, or is an answer to
// no request.
std::string StrangePeer::DrawNodeMessage(const raft::Hello& hello) const {
  std::string body;
  AppendFixed(&body, kNodeMessageVersion);
  AppendFixed(&body, static_cast<uint8_t>(Draw("strange_peer.node_kind", 7)));
  AppendFixed(&body, uint64_t{kUnknown});
  AppendFixed(&body, Draw("strange_peer.node_number", 3));
  switch (Draw("strange_peer.node_body", 4)) {
    case 0:  // The whole answer "unknown", to no request.
      AppendFixed(&body, uint32_t{1});
      AppendFixed(&body, uint32_t{0});
      AppendFixed(&body, uint8_t{4});
      break;
    case 1:  // A piece of a huge answer.
      AppendFixed(&body, ~uint32_t{0});
      AppendFixed(&body, uint32_t{0});
      body.append(100, 'x');
      break;
    case 2:  // A batch that is none, in a channel that does not exist.
      AppendFixed(&body, uint64_t{1});
      AppendFixed(&body, uint32_t{1});
      for (int i = 0; i < 4; ++i) AppendFixed(&body, uint64_t{kUnknown});
      body.append("no batch");
      break;
    default:
      body.append(Draw("strange_peer.node_bytes", 80), 'x');
      break;
  }
  return Sealed(raft::Service::kNodes, hello, body);
}

std::string StrangePeer::DrawEnvelope(const raft::Hello& hello) const {
  switch (Draw("strange_peer.service", 4)) {
    case 0:
      return DrawFounding(hello);
    case 1:
      return DrawNodeMessage(hello);
    default:
      break;
  }
  uint16_t version = raft::kEnvelopeVersion;
  uint16_t count = 1;
  uint32_t cut = 0;  // Bytes that the headers lack.
  std::string headers;
  std::string payloads;
  switch (Draw("strange_peer.envelope", kEnvelopes)) {
    case 0:
      version = kUnknown;
      break;
    case 1:
      cut = kUnknown;
      break;
    case 2:
      count = kUnknown;
      break;
    case 3:  // Bytes behind the last message.
      count = 0;
      payloads = "x";
      break;
    case 4:
      headers = MessageHeader(kUnknown, 0);
      break;
    case 5:
      headers = MessageHeader(kVoteReply, kUnknown);
      break;
    case 6:  // More entries than bytes.
      headers = AppendOf(kUnknown);
      break;
    case 7:  // The only entry has a larger payload than the envelope.
      headers = AppendOf(1) + std::string(40, '\0');
      AppendFixed(&headers, kUnknown);
      break;
    case 8:  // The message ends before its fields.
      headers = MessageHeader(kAppend, 0);
      break;
    default:  // The configuration is one byte long.
      headers = MessageHeader(kSnapshotChunk, 0) + std::string(44, '\0');
      AppendFixed(&headers, uint32_t{1});
      headers.push_back('x');
      headers.append(12, '\0');
      break;
  }
  std::string envelope;
  AppendFixed(&envelope, version);
  AppendFixed(&envelope, count);
  AppendFixed(&envelope, static_cast<uint32_t>(headers.size()) + cut);
  AppendFixed(&envelope, uint64_t{1});  // The process.
  AppendFixed(&envelope, int64_t{1});   // When it sent.
  envelope += headers + payloads;
  return Sealed(raft::Service::kReplicas, hello, envelope);
}

std::string StrangePeer::DrawAnswer(const raft::Hello& hello) {
  ++answered_;
  raft::HelloReply reply{.cluster = hello.from.cluster,
                         .node = hello.to,
                         .incarnation = StoreIncarnation(kUnknown),
                         .version = hello.from.version_max,
                         .bootstrap_checksum = hello.from.bootstrap_checksum};
  switch (Draw("strange_peer.answer", 7)) {
    case 0:
      reply.cluster = ClusterId(kUnknown);
      return EncodeHelloReply(reply);
    case 1:
      reply.node = NodeId(kUnknown);
      return EncodeHelloReply(reply);
    case 2:
      reply.bootstrap_checksum ^= 1;
      return EncodeHelloReply(reply);
    case 3:
      return WithField(EncodeHelloReply(reply), kRefusalAt, kUnknown);
    case 4:
      return WithField(EncodeHelloReply(reply), 0, kUnknown);
    case 5:
      return std::string(raft::kHelloReplyBytes, 'x');
    default:
      // A node sends nothing behind its reply.
      return EncodeHelloReply(reply) + "x";
  }
}

}  // namespace quorate::sim
