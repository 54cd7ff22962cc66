#include "lincheck/value.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "absl/hash/hash.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lincheck/text/utf8.h"
#include "lincheck/text/words.h"

namespace quorate::lincheck {

namespace {

// Bytes that are no text, or change how other text looks, are escaped.
std::string Escaped(std::string_view bytes) {
  std::string shown;
  for (size_t at = 0; at < bytes.size();) {
    const std::string_view rest = bytes.substr(at);
    const size_t size = Utf8CharacterSize(rest);
    // U+0080 to U+009F are control characters.
    const bool control = size == 2 && rest[0] == '\xc2' && rest[1] < '\xa0';
    if (size > 1 && !control) {
      shown.append(rest.substr(0, size));
      at += size;
    } else {
      shown += absl::CHexEscape(absl::string_view(rest.data(), 1));
      ++at;
    }
  }
  return shown;
}

}  // namespace

void Value::RefuseInteger(int64_t n) {
  std::fprintf(stderr,
               "lincheck: Value::Integer(%" PRId64
               "): an integer beyond +-(2^61 - 1) is stored as a string of its "
               "digits. History::Integer() does so. A model compares a result "
               "with such an integer as `op.result == n`.\n",
               n);
  std::abort();
}

std::string Value::ToString() const {
  if (is_none()) return "none";
  if (is_nil()) return "nil";
  if (is_integer()) return absl::StrCat(integer());
  constexpr size_t kShownBytesMax = 80;
  const std::string_view all = bytes();
  if (all.size() <= kShownBytesMax) {
    return absl::StrCat("\"", Escaped(all), "\"");
  }
  // Both ends: an appended value is told from another by its tail.
  const size_t first = BetweenCharacters(all, kShownBytesMax / 2);
  const size_t last = BetweenCharacters(all, all.size() - kShownBytesMax / 2);
  return absl::StrCat("\"", Escaped(all.substr(0, first)), "\"…\"",
                      Escaped(all.substr(last)), "\" (", all.size(), " bytes)");
}

size_t ValueHash::operator()(Value v) const {
  if (v.is_string()) return absl::Hash<std::string_view>{}(v.bytes());
  return absl::Hash<int64_t>{}(v.is_integer() ? v.integer() : -1);
}

Value ValueArena::String(std::string_view bytes) {
  const auto size = static_cast<uint32_t>(bytes.size());
  // Records are aligned to 4, so that the low bits of their addresses are free.
  const size_t record = (sizeof(size) + bytes.size() + 3) & ~size_t{3};
  if (record > left_) {
    // No more than there was already: there may be many arenas.
    left_ = std::max(record,
                     std::clamp(size_bytes_, kChunkBytesMin, kChunkBytesMax));
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
    next_ = chunks_.back().get();
  }
  char* at = next_;
  next_ += record;
  left_ -= record;
  size_bytes_ += record;
  std::memcpy(at, &size, sizeof(size));
  if (!bytes.empty()) {
    std::memcpy(at + sizeof(size), bytes.data(), bytes.size());
  }
  return Value(reinterpret_cast<uint64_t>(at));
}

Value ValueArena::Copy(Value value) {
  return value.is_string() ? String(value.bytes()) : value;
}

}  // namespace quorate::lincheck
