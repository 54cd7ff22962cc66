#include "lincheck/value.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace quorate::lincheck {

std::string Value::ToString() const {
  if (is_none()) return "none";
  if (is_nil()) return "nil";
  if (is_integer()) return absl::StrCat(integer());
  constexpr size_t kShownBytesMax = 80;
  const absl::string_view all(bytes().data(), bytes().size());
  if (all.size() <= kShownBytesMax) {
    return absl::StrCat("\"", absl::CHexEscape(all), "\"");
  }
  // Both ends: an appended value is told from another by its tail.
  return absl::StrCat(
      "\"", absl::CHexEscape(all.substr(0, kShownBytesMax / 2)), "\"…\"",
      absl::CHexEscape(all.substr(all.size() - kShownBytesMax / 2)), "\" (",
      all.size(), " bytes)");
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
    left_ = std::max(record, kChunkBytes);
    chunks_.push_back(std::make_unique<char[]>(left_));
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
