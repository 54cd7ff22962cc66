// node/base/version.h: what this server says it is.
//
// Its own version, and the version of Redis whose commands it follows: clients switch features by it.
#ifndef QUORATE_NODE_BASE_VERSION_H_
#define QUORATE_NODE_BASE_VERSION_H_

#include <string_view>

namespace quorate::node {

inline constexpr std::string_view kQuorateVersion = "0.1.0";
// The Redis whose replies node/testdata/commands.txt holds, and whose commands
// docs/reference/redis.md lists. Clients switch features on by it.
inline constexpr std::string_view kRedisVersion = "7.0.15";

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_VERSION_H_
