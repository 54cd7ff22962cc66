#include "kv/command/version.h"

#include "absl/strings/str_cat.h"
#include "env/parse_integer.h"

namespace quorate::kv {

std::string FormatVersion(const Version& version) {
  return absl::StrCat(version.group.value(), ".", version.index.value(), ".",
                      version.position);
}

std::optional<Version> ParseVersion(std::string_view text) {
  const size_t first = text.find('.');
  const size_t last = text.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  uint32_t group = 0;
  uint64_t index = 0;
  uint32_t position = 0;
  if (!ParseInteger(text.substr(0, first), &group) ||
      !ParseInteger(text.substr(first + 1, last - first - 1), &index) ||
      !ParseInteger(text.substr(last + 1), &position)) {
    return std::nullopt;
  }
  return Version{GroupId(group), raft::Index(index), position};
}

}  // namespace quorate::kv
