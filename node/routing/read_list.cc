#include "node/routing/read_list.h"

#include "env/little_endian.h"

namespace quorate::node {

void ReadList::Append(const RoutedRequest& request, MonoTime deadline,
                      const kv::CommandSpec& spec) {
  items_.emplace_back(request.sink, request.token, request.redirect, deadline,
                      spec.op, spec.slot, spec.numbers, arena_.size(),
                      static_cast<uint32_t>(spec.arguments.size()));
  for (const std::string_view argument : spec.arguments) {
    AppendFixed(&arena_, static_cast<uint32_t>(argument.size()));
    arena_.append(argument);
  }
}

kv::CommandSpec ReadList::CommandOf(
    const Item& item, std::vector<std::string_view>* arguments) const {
  arguments->clear();
  const char* p = arena_.data() + item.arguments_offset;
  for (uint32_t i = 0; i < item.arguments_count; ++i) {
    const auto size = LoadFixed<uint32_t>(p);
    arguments->emplace_back(p + sizeof(size), size);
    p += sizeof(size) + size;
  }
  return {.op = item.op,
          .slot = item.slot,
          .numbers = item.numbers,
          .arguments = *arguments};
}

std::string_view ReadList::FirstArgumentOf(const Item& item) const {
  const char* p = arena_.data() + item.arguments_offset;
  return {p + sizeof(uint32_t), LoadFixed<uint32_t>(p)};
}

void ReadList::Clear() {
  items_.clear();
  arena_.clear();
}

}  // namespace quorate::node
