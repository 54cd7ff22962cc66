#include "raft/transport/handshake.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kHelloMagic = 0x48545251;       // "QRTH"
constexpr uint32_t kHelloReplyMagic = 0x57545251;  // "QRTW"

// The least version whose nodes send the number of their start.
constexpr uint32_t kNumberedStartVersion = 16;
constexpr size_t kUnnumberedHelloBytes = 48;
constexpr size_t kVersionMaxAt = 32;
constexpr size_t kRefusalAt = 24;

void Seal(std::string& out) { AppendFixed<uint32_t>(&out, Crc32c(0, out)); }

absl::Status CheckSeal(std::string_view bytes, size_t size) {
  if (bytes.size() != size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a handshake of ", bytes.size(), " bytes, expected ", size));
  }
  const std::string_view body = bytes.substr(0, size - 4);
  if (LoadFixed<uint32_t>(bytes, size - 4) != Crc32c(0, body)) {
    return absl::InvalidArgumentError("the handshake's checksum is wrong");
  }
  return absl::OkStatus();
}

// A byte and the three bytes of a tag.
void AppendTagged(std::string* out, uint32_t byte, uint32_t tag) {
  CHECK_LE(tag, env::StoreStart::kTagMax);
  AppendFixed<uint32_t>(out, byte | tag << 8);
}

uint32_t TakeTagged(FixedReader* in, uint32_t* tag) {
  const uint32_t tagged = in->Take<uint32_t>();
  *tag = tagged >> 8;
  return tagged & 0xff;
}

}  // namespace

std::string EncodeHello(const Hello& hello) {
  std::string out;
  out.reserve(kHelloBytes);
  AppendFixed<uint32_t>(&out, kHelloMagic);
  AppendFixed<uint64_t>(&out, hello.from.cluster.value());
  AppendFixed<uint64_t>(&out, hello.from.incarnation.value());
  AppendFixed<uint32_t>(&out, hello.from.node.value());
  AppendFixed<uint32_t>(&out, hello.to.value());
  AppendFixed<uint32_t>(&out, hello.from.version_min);
  AppendFixed<uint32_t>(&out, hello.from.version_max);
  AppendTagged(&out, static_cast<uint32_t>(hello.lane), hello.from.start.tag);
  AppendFixed<uint32_t>(&out, hello.from.bootstrap_checksum);
  Seal(out);
  if (hello.from.version_max >= kNumberedStartVersion) {
    AppendFixed<uint64_t>(&out, hello.from.start.number);
    Seal(out);
  }
  CHECK_EQ(out.size(), HelloSize(out));
  return out;
}

std::string EncodeHelloReply(const HelloReply& answer) {
  HelloReply reply = answer;
  // A strange program must not learn who answers.
  if (answer.refusal != HandshakeRefusal::kNone) {
    reply = {.refusal = answer.refusal};
  }
  std::string out;
  out.reserve(kHelloReplyBytes);
  AppendFixed<uint32_t>(&out, kHelloReplyMagic);
  AppendFixed<uint64_t>(&out, reply.cluster.value());
  AppendFixed<uint64_t>(&out, reply.incarnation.value());
  AppendFixed<uint32_t>(&out, reply.node.value());
  AppendTagged(&out, static_cast<uint32_t>(reply.refusal), reply.start.tag);
  AppendFixed<uint32_t>(&out, reply.version);
  AppendFixed<uint32_t>(&out, reply.bootstrap_checksum);
  Seal(out);
  if (reply.refusal == HandshakeRefusal::kNone) {
    AppendFixed<uint64_t>(&out, reply.start.number);
    Seal(out);
  }
  CHECK_EQ(out.size(), HelloReplySize(out));
  return out;
}

size_t HelloSize(std::string_view bytes) {
  if (bytes.size() < kUnnumberedHelloBytes) return kUnnumberedHelloBytes;
  return LoadFixed<uint32_t>(bytes, kVersionMaxAt) < kNumberedStartVersion
             ? kUnnumberedHelloBytes
             : kHelloBytes;
}

size_t HelloReplySize(std::string_view bytes) {
  if (bytes.size() < kHelloRefusalBytes) return kHelloRefusalBytes;
  return bytes[kRefusalAt] == 0 ? kHelloReplyBytes : kHelloRefusalBytes;
}

absl::StatusOr<Hello> DecodeHello(std::string_view bytes) {
  absl::Status sealed = CheckSeal(bytes, HelloSize(bytes));
  if (!sealed.ok()) return sealed;
  FixedReader in(bytes);
  if (in.Take<uint32_t>() != kHelloMagic) {
    return absl::InvalidArgumentError("not the handshake of a node");
  }
  Hello hello;
  hello.from.cluster = ClusterId(in.Take<uint64_t>());
  hello.from.incarnation = StoreIncarnation(in.Take<uint64_t>());
  hello.from.node = NodeId(in.Take<uint32_t>());
  hello.to = NodeId(in.Take<uint32_t>());
  hello.from.version_min = in.Take<uint32_t>();
  hello.from.version_max = in.Take<uint32_t>();
  const uint32_t lane = TakeTagged(&in, &hello.from.start.tag);
  if (lane >= env::kLanes) {
    return absl::InvalidArgumentError("a handshake for an unknown lane");
  }
  hello.lane = static_cast<env::Lane>(lane);
  hello.from.bootstrap_checksum = in.Take<uint32_t>();
  if (bytes.size() == kHelloBytes) {
    in.Take<uint32_t>();  // The checksum of the part before.
    hello.from.start.number = in.Take<uint64_t>();
  }
  return hello;
}

absl::StatusOr<HelloReply> DecodeHelloReply(std::string_view bytes) {
  absl::Status sealed = CheckSeal(bytes, HelloReplySize(bytes));
  if (!sealed.ok()) return sealed;
  FixedReader in(bytes);
  if (in.Take<uint32_t>() != kHelloReplyMagic) {
    return absl::InvalidArgumentError(
        "not the answer of a node to a handshake");
  }
  HelloReply reply;
  reply.cluster = ClusterId(in.Take<uint64_t>());
  reply.incarnation = StoreIncarnation(in.Take<uint64_t>());
  reply.node = NodeId(in.Take<uint32_t>());
  const uint32_t refusal = TakeTagged(&in, &reply.start.tag);
  if (refusal > static_cast<uint32_t>(HandshakeRefusal::kEarlierStart)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a refusal for the unknown reason ", refusal,
                     ": the node may have a newer program"));
  }
  reply.refusal = static_cast<HandshakeRefusal>(refusal);
  reply.version = in.Take<uint32_t>();
  reply.bootstrap_checksum = in.Take<uint32_t>();
  if (reply.refusal == HandshakeRefusal::kNone) {
    in.Take<uint32_t>();  // The checksum of the part before.
    reply.start.number = in.Take<uint64_t>();
  }
  return reply;
}

bool AsksForAdmission(const Hello& hello) {
  return hello.from.cluster == ClusterId();
}

HelloReply MakeHelloReply(const env::TransportIdentity& self,
                          const Hello& hello, bool knows) {
  HelloReply reply{.cluster = self.cluster,
                   .node = self.node,
                   .incarnation = self.incarnation,
                   .bootstrap_checksum = self.bootstrap_checksum,
                   .start = self.start};
  const uint32_t version = std::min(self.version_max, hello.from.version_max);
  const bool asks = AsksForAdmission(hello);
  if (asks) reply = {};
  if (!asks && hello.from.cluster != self.cluster) {
    reply.refusal = HandshakeRefusal::kOtherCluster;
  } else if (!asks && hello.to != self.node) {
    reply.refusal = HandshakeRefusal::kOtherNode;
  } else if (!asks && !knows) {
    reply.refusal = HandshakeRefusal::kUnknownNode;
  } else if (version < self.version_min || version < hello.from.version_min) {
    reply.refusal = HandshakeRefusal::kNoCommonVersion;
  } else if (!asks &&
             hello.from.bootstrap_checksum != self.bootstrap_checksum) {
    reply.refusal = HandshakeRefusal::kOtherBootstrap;
  } else {
    reply.version = version;
  }
  return reply;
}

std::string DescribeRefusal(const env::TransportIdentity& self,
                            const Hello& hello, const HelloReply& reply) {
  // The refusing node knows its own identity, the refused one does not.
  const bool known = reply.node != NodeId();
  const NodeId other = known ? reply.node : hello.to;
  switch (reply.refusal) {
    case HandshakeRefusal::kNone:
      break;
    case HandshakeRefusal::kOtherCluster:
      return absl::StrCat(
          "node ", hello.from.node.value(), " is of cluster ",
          hello.from.cluster.value(), ", node ", other.value(), " of ",
          known ? absl::StrCat("cluster ", reply.cluster.value())
                : "another cluster");
    case HandshakeRefusal::kOtherNode:
      return absl::StrCat(
          "node ", hello.from.node.value(), " looked for node ",
          hello.to.value(), " and found ",
          known ? absl::StrCat("node ", reply.node.value()) : "another node");
    case HandshakeRefusal::kNoCommonVersion:
      return absl::StrCat("node ", hello.from.node.value(),
                          " speaks the peer protocol's versions ",
                          hello.from.version_min, " to ",
                          hello.from.version_max, ", node ", other.value(),
                          " has none of them");
    case HandshakeRefusal::kUnknownNode:
      return absl::StrCat("the configuration of node ", other.value(),
                          " does not name node ", hello.from.node.value());
    case HandshakeRefusal::kOtherBootstrap:
      return absl::StrCat(
          "node ", hello.from.node.value(), " and node ", other.value(),
          " have different groups, replicas, read-only nodes or slots in their "
          "configuration files: the file that differs from the majority's is "
          "wrong, see docs/operate/failures.md");
    case HandshakeRefusal::kOtherStore:
      return absl::StrCat(
          "node ", other.value(), " is connected to another process that is ",
          "node ", hello.from.node.value(),
          " and has another data directory: only one of them may run");
    case HandshakeRefusal::kEarlierStart:
      return absl::StrCat(
          "node ", other.value(), " knows a later start of the data directory ",
          "of node ", hello.from.node.value(), " than start ",
          hello.from.start.number,
          ", or another start with this number: was it restored from a copy, "
          "or does a copy run? See docs/operate/failures.md");
  }
  return absl::StrCat("node ", self.node.value(), " was not refused");
}

}  // namespace quorate::raft
