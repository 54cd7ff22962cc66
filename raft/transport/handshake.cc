#include "raft/transport/handshake.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kHelloMagic = 0x48545251;    // "QRTH"
constexpr uint32_t kWelcomeMagic = 0x57545251;  // "QRTW"

void Seal(std::string& out) { AppendFixed<uint32_t>(&out, Crc32c(0, out)); }

absl::Status CheckSeal(std::string_view bytes, size_t size) {
  if (bytes.size() != size) {
    return absl::InvalidArgumentError("a handshake of the wrong size");
  }
  const std::string_view body = bytes.substr(0, size - 4);
  if (LoadFixed<uint32_t>(bytes, size - 4) != Crc32c(0, body)) {
    return absl::InvalidArgumentError("a handshake with a wrong checksum");
  }
  return absl::OkStatus();
}

}  // namespace

bool operator==(const Hello& a, const Hello& b) {
  return a.from.cluster == b.from.cluster && a.from.node == b.from.node &&
         a.from.incarnation == b.from.incarnation &&
         a.from.version_min == b.from.version_min &&
         a.from.version_max == b.from.version_max &&
         a.from.bootstrap_checksum == b.from.bootstrap_checksum &&
         a.to == b.to && a.lane == b.lane;
}

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
  AppendFixed<uint32_t>(&out, static_cast<uint32_t>(hello.lane));
  AppendFixed<uint32_t>(&out, hello.from.bootstrap_checksum);
  Seal(out);
  CHECK_EQ(out.size(), kHelloBytes);
  return out;
}

std::string EncodeWelcome(const Welcome& welcome) {
  std::string out;
  out.reserve(kWelcomeBytes);
  AppendFixed<uint32_t>(&out, kWelcomeMagic);
  AppendFixed<uint64_t>(&out, welcome.cluster.value());
  AppendFixed<uint64_t>(&out, welcome.incarnation.value());
  AppendFixed<uint32_t>(&out, welcome.node.value());
  AppendFixed<uint32_t>(&out, static_cast<uint32_t>(welcome.refusal));
  AppendFixed<uint32_t>(&out, welcome.version);
  AppendFixed<uint32_t>(&out, welcome.bootstrap_checksum);
  Seal(out);
  CHECK_EQ(out.size(), kWelcomeBytes);
  return out;
}

absl::StatusOr<Hello> DecodeHello(std::string_view bytes) {
  absl::Status sealed = CheckSeal(bytes, kHelloBytes);
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
  const uint32_t lane = in.Take<uint32_t>();
  if (lane > static_cast<uint32_t>(env::Lane::kBulk)) {
    return absl::InvalidArgumentError("a handshake for an unknown lane");
  }
  hello.lane = static_cast<env::Lane>(lane);
  hello.from.bootstrap_checksum = in.Take<uint32_t>();
  return hello;
}

absl::StatusOr<Welcome> DecodeWelcome(std::string_view bytes) {
  absl::Status sealed = CheckSeal(bytes, kWelcomeBytes);
  if (!sealed.ok()) return sealed;
  FixedReader in(bytes);
  if (in.Take<uint32_t>() != kWelcomeMagic) {
    return absl::InvalidArgumentError("not the answer of a node");
  }
  Welcome welcome;
  welcome.cluster = ClusterId(in.Take<uint64_t>());
  welcome.incarnation = StoreIncarnation(in.Take<uint64_t>());
  welcome.node = NodeId(in.Take<uint32_t>());
  const uint32_t refusal = in.Take<uint32_t>();
  if (refusal > static_cast<uint32_t>(Refusal::kOtherBootstrap)) {
    return absl::InvalidArgumentError("a refusal for an unknown reason");
  }
  welcome.refusal = static_cast<Refusal>(refusal);
  welcome.version = in.Take<uint32_t>();
  welcome.bootstrap_checksum = in.Take<uint32_t>();
  return welcome;
}

Welcome Answer(const env::TransportIdentity& self, const Hello& hello,
               bool knows) {
  Welcome welcome{.cluster = self.cluster,
                  .node = self.node,
                  .incarnation = self.incarnation,
                  .bootstrap_checksum = self.bootstrap_checksum};
  const uint32_t version = std::min(self.version_max, hello.from.version_max);
  if (hello.from.cluster != self.cluster) {
    welcome.refusal = Refusal::kOtherCluster;
  } else if (hello.to != self.node) {
    welcome.refusal = Refusal::kOtherNode;
  } else if (!knows) {
    welcome.refusal = Refusal::kUnknownNode;
  } else if (version < self.version_min || version < hello.from.version_min) {
    welcome.refusal = Refusal::kNoCommonVersion;
  } else if (hello.from.bootstrap_checksum != self.bootstrap_checksum) {
    welcome.refusal = Refusal::kOtherBootstrap;
  } else {
    welcome.version = version;
  }
  return welcome;
}

std::string DescribeRefusal(const env::TransportIdentity& self,
                            const Hello& hello, const Welcome& welcome) {
  switch (welcome.refusal) {
    case Refusal::kNone:
      break;
    case Refusal::kOtherCluster:
      return absl::StrCat("node ", hello.from.node.value(), " is of cluster ",
                          hello.from.cluster.value(), ", node ",
                          welcome.node.value(), " of cluster ",
                          welcome.cluster.value());
    case Refusal::kOtherNode:
      return absl::StrCat("node ", hello.from.node.value(), " looked for node ",
                          hello.to.value(), " and found node ",
                          welcome.node.value());
    case Refusal::kNoCommonVersion:
      return absl::StrCat("node ", hello.from.node.value(),
                          " speaks the peer protocol's versions ",
                          hello.from.version_min, " to ",
                          hello.from.version_max, ", node ",
                          welcome.node.value(), " has none of them");
    case Refusal::kUnknownNode:
      return absl::StrCat("the configuration of node ", welcome.node.value(),
                          " does not name node ", hello.from.node.value());
    case Refusal::kOtherBootstrap:
      return absl::StrCat(
          "node ", hello.from.node.value(), " and node ", welcome.node.value(),
          " were bootstrapped with different groups, replicas, read-only nodes "
          "or slots in their configuration files: the file that differs from "
          "the majority's is wrong, see docs/operate/failures.md");
  }
  return absl::StrCat("node ", self.node.value(), " was not refused");
}

}  // namespace quorate::raft
