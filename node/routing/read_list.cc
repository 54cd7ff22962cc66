#include "node/routing/read_list.h"

#include <algorithm>
#include <cstring>

#include "env/kept_memory.h"
#include "env/little_endian.h"

namespace quorate::node {

Buffer ReadList::Pack(absl::Span<const std::string_view> arguments) {
  size_t size = 0;
  for (const std::string_view argument : arguments) {
    size += sizeof(uint32_t) + argument.size();
  }
  return Buffer::Create(size, [arguments](char* out) {
    for (const std::string_view argument : arguments) {
      StoreFixed(out, static_cast<uint32_t>(argument.size()));
      out += sizeof(uint32_t);
      if (!argument.empty()) {
        std::memcpy(out, argument.data(), argument.size());
      }
      out += argument.size();
    }
  });
}

void ReadList::Unpack(const char* packed, uint32_t count,
                      std::vector<std::string_view>* arguments) {
  arguments->clear();
  arguments->reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const auto size = LoadFixed<uint32_t>(packed);
    arguments->emplace_back(packed + sizeof(size), size);
    packed += sizeof(size) + size;
  }
}

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
  Unpack(arena_.data() + item.arguments_offset, item.arguments_count,
         arguments);
  return {.op = item.op,
          .slot = item.slot,
          .numbers = item.numbers,
          .arguments = *arguments};
}

void ReadList::SortReadsOf(RequestSink* sink) {
  std::vector<size_t> places;
  std::vector<Item> sorted;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].sink != sink) continue;
    places.push_back(i);
    sorted.push_back(items_[i]);
  }
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const Item& a, const Item& b) { return a.token < b.token; });
  for (size_t i = 0; i < places.size(); ++i) items_[places[i]] = sorted[i];
}

kv::SlotKey ReadList::FirstKeyOf(const Item& item) const {
  const char* p = arena_.data() + item.arguments_offset;
  return kv::KeyOf(item.op, item.slot,
                   {p + sizeof(uint32_t), LoadFixed<uint32_t>(p)});
}

void ReadList::Clear() {
  ClearAndTrim(&items_);
  ClearAndTrim(&arena_);
}

}  // namespace quorate::node
