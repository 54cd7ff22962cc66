// shardctrl/controller/token.h: the token that admits a new store to a cluster.
//
// `node add` prints it, and the new machine shows it once. It binds the
// cluster, the node's id and an expiry, and proves a random secret. The secret
// is in no log: commands and the state have its digest alone.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_TOKEN_H_
#define QUORATE_SHARDCTRL_CONTROLLER_TOKEN_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "env/time.h"
#include "shardctrl/controller/state.h"

namespace quorate::shardctrl {

struct JoinToken {
  ClusterId cluster = {};
  NodeId node = {};
  WallTime expires{0};
  // 128 bits from the operating system.
  uint64_t secret_first = 0;
  uint64_t secret_second = 0;
  friend bool operator==(const JoinToken&, const JoinToken&) = default;
};

// One word of letters, digits, '-' and '_', for a command line.
std::string FormatToken(const JoinToken& token);
// kInvalidArgument: FormatToken has never returned this text.
absl::StatusOr<JoinToken> ParseToken(std::string_view text);

// The digest that commands carry. It shows nothing of the secret, and another
// cluster has another one. The node and the expiry are those of the node's
// record, so a token with others admits no store.
TokenDigest DigestOf(ClusterId cluster, uint64_t secret_first,
                     uint64_t secret_second);
// Takes the same time for all digests. False if one of them is empty.
bool SameDigest(const TokenDigest& a, const TokenDigest& b);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_TOKEN_H_
