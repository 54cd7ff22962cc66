// kv/command/version.h: the position in a group's log at which a value was
// written. Every result carries one.
#ifndef QUORATE_KV_COMMAND_VERSION_H_
#define QUORATE_KV_COMMAND_VERSION_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "env/ids.h"
#include "raft/core/types.h"

namespace quorate::kv {

// Unique in the cluster. It rises with each write of a key while the key's slot
// stays in one group. All zero: never written.
struct Version {
  GroupId group = {};
  raft::Index index = {};
  uint32_t position = 0;  // The command's position in its entry.
  bool none() const { return index == raft::Index{}; }
  friend constexpr auto operator<=>(const Version&, const Version&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Version& v) {
    return out << v.group << "." << v.index << "." << v.position;
  }
};

// Writes "group.index.position" in decimal, as in ETag headers; none is
// "0.0.0".
std::string FormatVersion(const Version& version);
std::optional<Version> ParseVersion(std::string_view text);

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_VERSION_H_
