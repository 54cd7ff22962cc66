#include "shardctrl/controller/token.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/siphash.h"

namespace quorate::shardctrl {
namespace {

constexpr uint8_t kTokenVersion = 1;
constexpr size_t kTokenBytes = 1 + 8 + 4 + 8 + 8 + 8;

}  // namespace

std::string FormatToken(const JoinToken& token) {
  std::string bytes;
  AppendFixed<uint8_t>(&bytes, kTokenVersion);
  AppendFixed<uint64_t>(&bytes, token.cluster.value());
  AppendFixed<uint32_t>(&bytes, token.node.value());
  AppendFixed<int64_t>(&bytes, token.expires.ns());
  AppendFixed<uint64_t>(&bytes, token.secret_first);
  AppendFixed<uint64_t>(&bytes, token.secret_second);
  AppendFixed<uint32_t>(&bytes, Crc32c(0, bytes));
  return absl::WebSafeBase64Escape(bytes);
}

absl::StatusOr<JoinToken> ParseToken(std::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(std::string(text), &bytes) ||
      bytes.size() != kTokenBytes + sizeof(uint32_t) ||
      absl::WebSafeBase64Escape(bytes) != text ||
      LoadFixed<uint32_t>(bytes, kTokenBytes) !=
          Crc32c(0, std::string_view(bytes).substr(0, kTokenBytes))) {
    return absl::InvalidArgumentError(
        "this is no token; copy all of the word that quoratectl node add "
        "printed");
  }
  FixedReader reader(bytes);
  if (reader.Take<uint8_t>() != kTokenVersion) {
    return absl::InvalidArgumentError(
        "the token is of another version; take one that quoratectl of this "
        "version printed");
  }
  JoinToken token;
  token.cluster = ClusterId(reader.Take<uint64_t>());
  token.node = NodeId(reader.Take<uint32_t>());
  token.expires = WallTime(reader.Take<int64_t>());
  token.secret_first = reader.Take<uint64_t>();
  token.secret_second = reader.Take<uint64_t>();
  return token;
}

TokenDigest DigestOf(ClusterId cluster, uint64_t secret_first,
                     uint64_t secret_second) {
  const SipKey key{secret_first, secret_second};
  std::string text = "quorate token";
  AppendFixed<uint64_t>(&text, cluster.value());
  TokenDigest digest;
  digest.first = SipHash(key, text + "1");
  digest.second = SipHash(key, text + "2");
  return digest;
}

bool SameDigest(const TokenDigest& a, const TokenDigest& b) {
  const uint64_t difference = (a.first ^ b.first) | (a.second ^ b.second);
  return difference == 0 && !a.empty();
}

}  // namespace quorate::shardctrl
