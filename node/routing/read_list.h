// node/routing/read_list.h: reads that wait, as a list without an allocation
// for each read.
//
// The arguments of all reads are in one arena, each after its length. The list
// knows neither leaders nor read points.
#ifndef QUORATE_NODE_ROUTING_READ_LIST_H_
#define QUORATE_NODE_ROUTING_READ_LIST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/kept_memory.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: the arguments of an item stay valid until Clear.
class ReadList {
 public:
  struct Item {
    RequestSink* sink;  // Null if the read was taken out.
    uint64_t token;
    bool redirect;
    MonoTime deadline;
    kv::Op op;
    Slot slot;
    std::array<int64_t, 2> numbers;
    // The place of the arguments in the arena.
    size_t arguments_offset;
    uint32_t arguments_count;

    RoutedRequest Request() const { return {sink, token, redirect}; }
  };

  // The arguments in one block, each after its length.
  static Buffer Pack(absl::Span<const std::string_view> arguments);
  // The `count` arguments that begin at `packed`, as views into it.
  static void Unpack(const char* packed, uint32_t count,
                     std::vector<std::string_view>* arguments);

  // `spec` is a read outside the log: without flags, session and conditions.
  // Requires: the arguments of `spec` are not of this list.
  void Append(const RoutedRequest& request, MonoTime deadline,
              const kv::CommandSpec& spec);
  // The command of `item`, which is of this list. `arguments` is its storage.
  kv::CommandSpec CommandOf(const Item& item,
                            std::vector<std::string_view>* arguments) const;
  // Sorts the reads of the sink in the order in which it sent them. Those of
  // others stay in place.
  void SortReadsOf(RequestSink* sink);
  // Requires: the item has arguments.
  kv::SlotKey FirstKeyOf(const Item& item) const;
  std::vector<Item>& items() { return items_; }
  const std::vector<Item>& items() const { return items_; }
  // Bytes of the arguments of all items, also of those that were taken out.
  size_t bytes() const { return arena_.size(); }
  // Keeps memory for the next reads (env/kept_memory.h).
  void Clear();
  // Bytes of the list's memory.
  size_t capacity_bytes() const {
    return CapacityBytes(items_) + CapacityBytes(arena_);
  }

 private:
  std::vector<Item> items_;
  std::string arena_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_READ_LIST_H_
