// node/base/version.h: the versions that this server reports.
//
// Its own version (env/program/version.h), and that of Redis whose commands it
// implements.
#ifndef QUORATE_NODE_BASE_VERSION_H_
#define QUORATE_NODE_BASE_VERSION_H_

#include <string_view>

#include "env/program/version.h"

namespace quorate::node {

// The Redis version whose replies node/testdata/commands.txt holds, and whose
// commands docs/reference/redis.md lists. INFO and HELLO report it, because
// clients enable features by this version.
inline constexpr std::string_view kRedisVersion = "7.0.15";

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_VERSION_H_
