// sim/protocol/key_prefixes.h: the prefixes of keys that belong to one kind of
// simulated client, which checks their values itself.
#ifndef QUORATE_SIM_PROTOCOL_KEY_PREFIXES_H_
#define QUORATE_SIM_PROTOCOL_KEY_PREFIXES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

// The keys of DeepClient. It checks their values itself.
inline constexpr std::string_view kDeepKeyPrefix = "deep";
// The keys of CalmClient. They never exist.
inline constexpr std::string_view kCalmKeyPrefix = "calm";
// The keys of SurfaceClient. No checker follows their values.
inline constexpr std::string_view kSurfaceKeyPrefix = "surface";

// Whether no checker follows the values of the key. Its client may.
inline bool NoCheckerFollows(std::string_view key) {
  return key.starts_with(kDeepKeyPrefix) || key.starts_with(kCalmKeyPrefix) ||
         key.starts_with(kSurfaceKeyPrefix);
}

// The beginning of a key of SurfaceClient: a hash tag, which keeps `which` to
// one slot.
inline std::string SurfaceKey(uint64_t which) {
  const std::string prefix(kSurfaceKeyPrefix);
  return absl::StrCat(prefix, ":{", prefix, which, "}");
}

}  // namespace quorate::sim

#endif  // QUORATE_SIM_PROTOCOL_KEY_PREFIXES_H_
