// env/parse_duration.h: parses durations as people write them, such as "30s".
//
// lincheck/cmd has a parser of its own, since lincheck depends on no other
// folder.
#ifndef QUORATE_ENV_PARSE_DURATION_H_
#define QUORATE_ENV_PARSE_DURATION_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace quorate {

// The longest duration in milliseconds. A wall-clock time plus this duration
// does not overflow.
inline constexpr int64_t kParsedMsMax = std::numeric_limits<int64_t>::max() / 4;

// Returns "1500ms", "30s", "5m" or "2h" in milliseconds; a number without a
// unit is in seconds. None unless the number is a positive integer in its only
// spelling and the result at most kParsedMsMax.
std::optional<int64_t> ParseDurationMs(std::string_view text);

}  // namespace quorate

#endif  // QUORATE_ENV_PARSE_DURATION_H_
