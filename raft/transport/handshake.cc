#include "raft/transport/handshake.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kHelloMagic = 0x48545251;    // "QRTH"
constexpr uint32_t kWelcomeMagic = 0x57545251;  // "QRTW"

void Put32(std::string& out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> 8 * i));
}

void Put64(std::string& out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> 8 * i));
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  uint32_t Get32() { return static_cast<uint32_t>(Get(4)); }
  uint64_t Get64() { return Get(8); }

 private:
  uint64_t Get(int size) {
    uint64_t value = 0;
    for (int i = 0; i < size; ++i) {
      value |= uint64_t{static_cast<uint8_t>(bytes_[at_ + i])} << 8 * i;
    }
    at_ += size;
    return value;
  }
  std::string_view bytes_;
  size_t at_ = 0;
};

void Seal(std::string& out) { Put32(out, Crc32c(0, out)); }

absl::Status CheckSeal(std::string_view bytes, size_t size) {
  if (bytes.size() != size) {
    return absl::InvalidArgumentError("a handshake of the wrong size");
  }
  const std::string_view body = bytes.substr(0, size - 4);
  if (Reader(bytes.substr(size - 4)).Get32() != Crc32c(0, body)) {
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
         a.from.founding == b.from.founding && a.to == b.to && a.lane == b.lane;
}

std::string EncodeHello(const Hello& hello) {
  std::string out;
  out.reserve(kHelloBytes);
  Put32(out, kHelloMagic);
  Put64(out, hello.from.cluster.value());
  Put64(out, hello.from.incarnation.value());
  Put32(out, hello.from.node.value());
  Put32(out, hello.to.value());
  Put32(out, hello.from.version_min);
  Put32(out, hello.from.version_max);
  Put32(out, static_cast<uint32_t>(hello.lane));
  Put32(out, hello.from.founding);
  Seal(out);
  CHECK_EQ(out.size(), kHelloBytes);
  return out;
}

std::string EncodeWelcome(const Welcome& welcome) {
  std::string out;
  out.reserve(kWelcomeBytes);
  Put32(out, kWelcomeMagic);
  Put64(out, welcome.cluster.value());
  Put64(out, welcome.incarnation.value());
  Put32(out, welcome.node.value());
  Put32(out, static_cast<uint32_t>(welcome.refusal));
  Put32(out, welcome.version);
  Put32(out, welcome.founding);
  Seal(out);
  CHECK_EQ(out.size(), kWelcomeBytes);
  return out;
}

absl::StatusOr<Hello> DecodeHello(std::string_view bytes) {
  absl::Status sealed = CheckSeal(bytes, kHelloBytes);
  if (!sealed.ok()) return sealed;
  Reader in(bytes);
  if (in.Get32() != kHelloMagic) {
    return absl::InvalidArgumentError("not the handshake of a node");
  }
  Hello hello;
  hello.from.cluster = ClusterId(in.Get64());
  hello.from.incarnation = StoreIncarnation(in.Get64());
  hello.from.node = NodeId(in.Get32());
  hello.to = NodeId(in.Get32());
  hello.from.version_min = in.Get32();
  hello.from.version_max = in.Get32();
  const uint32_t lane = in.Get32();
  if (lane > static_cast<uint32_t>(env::Lane::kBulk)) {
    return absl::InvalidArgumentError("a handshake for an unknown lane");
  }
  hello.lane = static_cast<env::Lane>(lane);
  hello.from.founding = in.Get32();
  return hello;
}

absl::StatusOr<Welcome> DecodeWelcome(std::string_view bytes) {
  absl::Status sealed = CheckSeal(bytes, kWelcomeBytes);
  if (!sealed.ok()) return sealed;
  Reader in(bytes);
  if (in.Get32() != kWelcomeMagic) {
    return absl::InvalidArgumentError("not the answer of a node");
  }
  Welcome welcome;
  welcome.cluster = ClusterId(in.Get64());
  welcome.incarnation = StoreIncarnation(in.Get64());
  welcome.node = NodeId(in.Get32());
  const uint32_t refusal = in.Get32();
  if (refusal > static_cast<uint32_t>(Refusal::kOtherFounding)) {
    return absl::InvalidArgumentError("a refusal for an unknown reason");
  }
  welcome.refusal = static_cast<Refusal>(refusal);
  welcome.version = in.Get32();
  welcome.founding = in.Get32();
  return welcome;
}

Welcome Answer(const env::TransportIdentity& self, const Hello& hello,
               bool knows) {
  Welcome welcome{.cluster = self.cluster,
                  .node = self.node,
                  .incarnation = self.incarnation,
                  .founding = self.founding};
  const uint32_t version = std::min(self.version_max, hello.from.version_max);
  if (hello.from.cluster != self.cluster) {
    welcome.refusal = Refusal::kOtherCluster;
  } else if (hello.to != self.node) {
    welcome.refusal = Refusal::kOtherNode;
  } else if (!knows) {
    welcome.refusal = Refusal::kUnknownNode;
  } else if (version < self.version_min || version < hello.from.version_min) {
    welcome.refusal = Refusal::kNoCommonVersion;
  } else if (hello.from.founding != self.founding) {
    welcome.refusal = Refusal::kOtherFounding;
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
    case Refusal::kOtherFounding:
      return absl::StrCat(
          "node ", hello.from.node.value(), " and node ", welcome.node.value(),
          " were bootstrapped with different groups, replicas, read-only nodes "
          "or slots in their configuration files: the file that differs from "
          "the majority's is wrong, see docs/operate/failures.md");
  }
  return absl::StrCat("node ", self.node.value(), " was not refused");
}

}  // namespace quorate::raft
