#include "raft/transport/handshake.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kHelloMagic = 0x48545251;       // "QRTH"
constexpr uint32_t kHelloReplyMagic = 0x57545251;  // "QRTW"

// Of a Hello, and of a HelloReply that is no short refusal.
constexpr size_t kEarlierCountAt = 60;
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

void AppendEarlier(std::string* out, const env::EarlierStarts& earlier) {
  const size_t count = earlier == nullptr ? 0 : earlier->size();
  CHECK_LE(count, env::kEarlierStartsMax);
  AppendFixed(out, static_cast<uint16_t>(count));
  for (size_t i = 0; i < count; ++i) AppendFixed<uint32_t>(out, (*earlier)[i]);
}

// Null if there are none. Requires: the bytes have the size of their count.
env::EarlierStarts TakeEarlier(FixedReader* in) {
  const auto count = in->Take<uint16_t>();
  if (count == 0) return nullptr;
  std::vector<uint32_t> tags(count);
  for (uint32_t& tag : tags) tag = in->Take<uint32_t>();
  return std::make_shared<const std::vector<uint32_t>>(std::move(tags));
}

// The size of a message of `fixed` bytes and the earlier starts. A count that
// no node sends is taken for zero: then the checksum is not at its place.
size_t SizeWithEarlier(std::string_view bytes, size_t fixed) {
  if (bytes.size() < kEarlierCountAt + 2) return kEarlierCountAt + 2;
  const size_t count = LoadFixed<uint16_t>(bytes, kEarlierCountAt);
  return fixed + (count > env::kEarlierStartsMax ? 0 : 4 * count);
}

bool IsShort(HandshakeRefusal refusal) {
  return refusal != HandshakeRefusal::kNone &&
         refusal != HandshakeRefusal::kEarlierStart &&
         refusal != HandshakeRefusal::kOwnStore;
}

std::string StoryOf(NodeId node, const env::StoreStart& start) {
  return absl::StrCat("start ", start.number, " of the data directory of node ",
                      node.value());
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
  AppendFixed<uint64_t>(&out, hello.from.start.number);
  AppendFixed<uint32_t>(&out, hello.from.founding_checksum);
  AppendEarlier(&out, hello.from.earlier);
  Seal(out);
  CHECK_EQ(out.size(), HelloSize(out));
  return out;
}

std::string EncodeHelloReply(const HelloReply& answer) {
  HelloReply reply = answer;
  // A strange program must not learn who answers.
  if (IsShort(answer.refusal)) reply = {.refusal = answer.refusal};
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
  if (!IsShort(reply.refusal)) {
    AppendFixed<uint64_t>(&out, reply.start.number);
    AppendFixed<uint32_t>(&out, reply.founding_checksum);
    AppendFixed<uint64_t>(&out, reply.seen_number);
    AppendEarlier(&out, reply.earlier);
    Seal(out);
  }
  CHECK_EQ(out.size(), HelloReplySize(out));
  return out;
}

size_t HelloSize(std::string_view bytes) {
  return SizeWithEarlier(bytes, kHelloBytes);
}

size_t HelloReplySize(std::string_view bytes) {
  if (bytes.size() < kHelloRefusalBytes) return kHelloRefusalBytes;
  const auto refusal =
      static_cast<HandshakeRefusal>(static_cast<uint8_t>(bytes[kRefusalAt]));
  return IsShort(refusal) ? kHelloRefusalBytes
                          : SizeWithEarlier(bytes, kHelloReplyBytes);
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
  in.Take<uint32_t>();  // The checksum of the part before.
  hello.from.start.number = in.Take<uint64_t>();
  hello.from.founding_checksum = in.Take<uint32_t>();
  hello.from.earlier = TakeEarlier(&in);
  if (!in.ok()) return absl::InvalidArgumentError("a handshake cut short");
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
  if (refusal > static_cast<uint32_t>(HandshakeRefusal::kOtherCertificate)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a refusal for the unknown reason ", refusal,
                     ": the node may have a newer program"));
  }
  reply.refusal = static_cast<HandshakeRefusal>(refusal);
  reply.version = in.Take<uint32_t>();
  reply.bootstrap_checksum = in.Take<uint32_t>();
  if (!IsShort(reply.refusal)) {
    in.Take<uint32_t>();  // The checksum of the part before.
    reply.start.number = in.Take<uint64_t>();
    reply.founding_checksum = in.Take<uint32_t>();
    reply.seen_number = in.Take<uint64_t>();
    reply.earlier = TakeEarlier(&in);
  }
  if (!in.ok()) return absl::InvalidArgumentError("a handshake cut short");
  return reply;
}

std::string NameOfNode(ClusterId cluster, NodeId node) {
  return absl::StrCat("quorate://", cluster.value(), "/", node.value());
}

bool MaySpeakAs(const env::StreamIdentity& identity, ClusterId cluster,
                NodeId node) {
  return !identity.secured || identity.name == NameOfNode(cluster, node);
}

HandshakeRefusal CheckReply(const env::TransportIdentity& self, NodeId peer,
                            const env::StreamIdentity& identity,
                            const HelloReply& reply) {
  if (!MaySpeakAs(identity, self.cluster, peer)) {
    return HandshakeRefusal::kOtherCertificate;
  }
  if (reply.refusal != HandshakeRefusal::kNone) return reply.refusal;
  if (reply.cluster != self.cluster) return HandshakeRefusal::kOtherCluster;
  if (reply.node != peer) return HandshakeRefusal::kOtherNode;
  if (reply.bootstrap_checksum != self.bootstrap_checksum) {
    return HandshakeRefusal::kOtherBootstrap;
  }
  return HandshakeRefusal::kNone;
}

bool AsksForAdmission(const Hello& hello) {
  return hello.from.cluster == ClusterId();
}

bool Continues(const env::StoreStart& seen, const env::StoreStart& start,
               const env::EarlierStarts& earlier) {
  // A store in no cluster yet has promised nothing.
  if (seen.number == 0 || start.number == 0) return true;
  if (start.number <= seen.number) return start == seen;
  const uint64_t back = start.number - seen.number;
  if (earlier == nullptr || back > earlier->size()) return true;
  return (*earlier)[earlier->size() - back] == seen.tag;
}

// Two clusters have one id. Nodes that are being founded have a part in that of
// a founded one if they are in its plan.
bool FoundedApart(const env::TransportIdentity& self, const Hello& hello,
                  bool knows) {
  if (hello.from.founding_checksum == self.founding_checksum) return false;
  if (hello.from.founding_checksum != 0 && self.founding_checksum != 0) {
    return true;
  }
  return !knows || hello.from.bootstrap_checksum != self.bootstrap_checksum;
}

HelloReply MakeHelloReply(const env::TransportIdentity& self,
                          const Hello& hello, bool knows) {
  HelloReply reply{.cluster = self.cluster,
                   .node = self.node,
                   .incarnation = self.incarnation,
                   .bootstrap_checksum = self.bootstrap_checksum,
                   .start = self.start,
                   .earlier = self.earlier,
                   .founding_checksum = self.founding_checksum};
  const uint32_t version = std::min(self.version_max, hello.from.version_max);
  const bool asks = AsksForAdmission(hello);
  const bool speaks =
      version >= self.version_min && version >= hello.from.version_min;
  if (asks) reply = {};
  if (!asks && hello.from.cluster != self.cluster) {
    reply.refusal = HandshakeRefusal::kOtherCluster;
  } else if (!asks && speaks && hello.from.node == self.node &&
             hello.from.incarnation == self.incarnation) {
    reply.refusal = HandshakeRefusal::kOwnStore;
  } else if (!asks && speaks && FoundedApart(self, hello, knows)) {
    reply.refusal = HandshakeRefusal::kOtherFounding;
  } else if (!asks && hello.to != self.node) {
    reply.refusal = HandshakeRefusal::kOtherNode;
  } else if (!asks && !knows) {
    reply.refusal = HandshakeRefusal::kUnknownNode;
  } else if (!speaks) {
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
          " have different plans of the cluster: the plan that differs from "
          "the majority's is wrong");
    case HandshakeRefusal::kOtherStore:
      return absl::StrCat(
          "the data directory of node ", hello.from.node.value(),
          " is not the one that node ", other.value(),
          " knows: the node was replaced, or another process that is node ",
          hello.from.node.value(), " is connected. Only one of them may run");
    case HandshakeRefusal::kEarlierStart:
      return absl::StrCat(
          "node ", other.value(), " has seen ",
          StoryOf(hello.from.node, {.number = reply.seen_number}),
          ", which the directory of the program with start ",
          hello.from.start.number,
          " does not have: that directory is a copy, or an older state of "
          "itself");
    case HandshakeRefusal::kOwnStore:
      return absl::StrCat(
          "node ", self.node.value(), " runs already, with ",
          StoryOf(self.node, known ? reply.start : self.start),
          "; the program that asks has a copy of that directory: only one of "
          "them may run");
    case HandshakeRefusal::kOtherFounding:
      return absl::StrCat(
          "node ", hello.from.node.value(), " and node ", other.value(),
          " name the same cluster, ", self.cluster.value(),
          ", and were not founded together: one of them needs another cluster "
          "id, or has to join the cluster of the other one");
    case HandshakeRefusal::kOtherCertificate:
      return absl::StrCat(
          "between node ", hello.from.node.value(), " and node ", other.value(),
          " a program shows a certificate that does not name its node by "
          "quorate://",
          self.cluster.value(), "/ and its number");
  }
  return absl::StrCat("node ", self.node.value(), " was not refused");
}

}  // namespace quorate::raft
