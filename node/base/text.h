// node/base/text.h: concatenates short texts from std::string_view, numbers and
// strong ids.
//
// Debian's Abseil has its own string_view, to which std::string_view does not
// convert. The node uses these functions instead of absl::StrCat.
#ifndef QUORATE_NODE_BASE_TEXT_H_
#define QUORATE_NODE_BASE_TEXT_H_

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace quorate::node {

inline void AppendPiece(std::string* out, std::string_view piece) {
  out->append(piece);
}
inline void AppendPiece(std::string* out, char piece) { out->push_back(piece); }
template <std::integral T>
requires(!std::same_as<T, char> &&
         !std::same_as<T, bool>) void AppendPiece(std::string* out, T value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out->append(digits, end.ptr);
}
// Ids and ordinals of env/strong_types.h.
template <typename T>
requires requires(T id) {
  { id.value() } -> std::integral;
}
void AppendPiece(std::string* out, T id) { AppendPiece(out, id.value()); }

// Appends each piece in turn.
template <typename... Pieces>
void Append(std::string* out, const Pieces&... pieces) {
  (AppendPiece(out, pieces), ...);
}

template <typename... Pieces>
std::string Concat(const Pieces&... pieces) {
  std::string out;
  Append(&out, pieces...);
  return out;
}

// "512 KiB"; from 10 MiB on "20 MiB".
inline std::string SizeText(uint64_t bytes) {
  constexpr uint64_t kMebibytesFrom = uint64_t{10} << 20;
  return bytes < kMebibytesFrom ? Concat(bytes >> 10, " KiB")
                                : Concat(bytes >> 20, " MiB");
}

inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// ASCII only, as Redis compares names.
constexpr char LowerChar(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
inline std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = LowerChar(c);
  return lower;
}
constexpr bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (LowerChar(a[i]) != LowerChar(b[i])) return false;
  }
  return true;
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_TEXT_H_
