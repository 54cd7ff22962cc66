#include "node/routing/read_list.h"

#include <cstring>

namespace quorate::node {

void ReadList::Append(Item item, absl::Span<const std::string_view> arguments) {
  item.arguments_offset = arena_.size();
  item.arguments_count = static_cast<uint32_t>(arguments.size());
  for (const std::string_view argument : arguments) {
    const auto size = static_cast<uint32_t>(argument.size());
    char bytes[sizeof(size)];
    std::memcpy(bytes, &size, sizeof(size));
    arena_.append(bytes, sizeof(size));
    arena_.append(argument);
  }
  items_.push_back(item);
}

kv::CommandSpec ReadList::CommandOf(
    const Item& item, std::vector<std::string_view>* arguments) const {
  arguments->clear();
  const char* p = arena_.data() + item.arguments_offset;
  for (uint32_t i = 0; i < item.arguments_count; ++i) {
    uint32_t size;
    std::memcpy(&size, p, sizeof(size));
    arguments->emplace_back(p + sizeof(size), size);
    p += sizeof(size) + size;
  }
  kv::CommandSpec spec;
  spec.op = item.op;
  spec.slot = item.slot;
  spec.numbers = item.numbers;
  spec.arguments = *arguments;
  return spec;
}

void ReadList::Clear() {
  items_.clear();
  arena_.clear();
}

}  // namespace quorate::node
