#include "kv/command/session_stamp.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "env/parse_integer.h"

namespace quorate::kv {

namespace {
constexpr uint64_t kKeySession = uint64_t{1} << 63;
}  // namespace

SessionToken MakeSessionToken(uint64_t bits, WallTime now,
                              Duration open_window) {
  const uint64_t client = bits & ~kKeySession;
  return {.client = ClientId(client == 0 ? 1 : client),
          .open_until_ms = (now + open_window).ms()};
}

SessionToken MakeKeySessionToken(uint64_t hash, WallTime now,
                                 Duration open_window) {
  return {.client = ClientId(hash | kKeySession),
          .open_until_ms = (now + open_window).ms()};
}

std::string FormatSessionToken(const SessionToken& token) {
  return absl::StrCat(absl::Hex(token.client.value(), absl::kZeroPad16), "-",
                      token.open_until_ms);
}

std::optional<SessionToken> ParseSessionToken(std::string_view text) {
  if (text.size() < 18 || text[16] != '-') return std::nullopt;
  uint64_t client = 0;
  int64_t open_until_ms = 0;
  const char* end = text.data() + 16;
  if (std::from_chars(text.data(), end, client, 16).ptr != end ||
      !ParseInteger(text.substr(17), &open_until_ms)) {
    return std::nullopt;
  }
  const SessionToken token{ClientId(client), open_until_ms};
  if (client == 0 || FormatSessionToken(token) != text) return std::nullopt;
  return token;
}

}  // namespace quorate::kv
