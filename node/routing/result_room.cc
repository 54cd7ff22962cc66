#include "node/routing/result_room.h"

#include <algorithm>
#include <string_view>

#include "kv/store/store.h"
#include "node/base/turn_work.h"

namespace quorate::node {
namespace {

// A connection may have any number of results up to this size in flight,
// whatever the node's budget.
constexpr size_t kFreeResultBytes = 1 << 10;
// The size of a result without its payload.
constexpr size_t kResultFrameBytes = 64;
static_assert(kv::kValueBytesMax + 2 * kResultFrameBytes <=
              ResultRoom::kSmallBytes);

}  // namespace

size_t ResultRoom::BytesOf(const ConnectionOrder& order,
                           const kv::CommandSpec& spec) const {
  if (kv::GetsMany(spec.op) && leadership_.store() != nullptr) {
    parts_.work.Add(TurnWork::kLookup * spec.arguments.size());
  }
  return BytesBehind(/*before_bytes=*/0, order, spec);
}

size_t ResultRoom::BytesBehind(size_t before_bytes,
                               const ConnectionOrder& order,
                               const kv::CommandSpec& spec) const {
  switch (spec.op) {
    case kv::Op::kSet:
      if ((spec.flags & kv::kReturnOld) == 0) return kResultFrameBytes;
      break;
    case kv::Op::kGet:
    case kv::Op::kGetRange:
    case kv::Op::kGetDel:
    case kv::Op::kMGet:
    case kv::Op::kMGetOfSlots:
      break;
    case kv::Op::kScan:
      return 2 * kv::kScanBytesMax;
    default:
      return kResultFrameBytes;
  }
  const size_t keys = kv::GetsMany(spec.op) ? spec.arguments.size() : size_t{1};
  const kv::Store* here = leadership_.store();
  const size_t added =
      order.write_bytes() + order.unsettled_bytes + before_bytes;
  size_t bytes = kResultFrameBytes;
  for (const std::string_view argument : spec.arguments.first(keys)) {
    size_t value = kv::kValueBytesMax;
    if (here != nullptr) {
      const kv::SlotKey of = kv::KeyOf(spec.op, spec.slot, argument);
      value = here->Get(of.slot, of.key, {}).value.size();
      value = std::min(value + added, std::max(value, kv::kValueBytesMax));
    }
    bytes += value + sizeof(uint64_t);
    if (bytes > kv::kReturnedBytesMax) return kv::kReturnedBytesMax;
  }
  return bytes;
}

size_t ResultRoom::BytesOfAtomic(
    const ConnectionOrder& order,
    absl::Span<const kv::CommandSpec> specs) const {
  size_t bytes = kResultFrameBytes;
  size_t before_bytes = 0;
  for (const kv::CommandSpec& spec : specs) {
    bytes += BytesBehind(before_bytes, order, spec);
    if (!kv::IsRead(spec.op)) {
      before_bytes += kv::BatchBuilder::EncodedSize(spec);
    }
  }
  return std::min(bytes, kv::kReturnedBytesMax);
}

bool ResultRoom::Fits(const ConnectionOrder& order, size_t bytes) const {
  const size_t under_way = order.result_bytes();
  // A single command is always admitted.
  return (under_way == 0 && bytes <= kv::kReturnedBytesMax) ||
         (under_way + bytes <=
              std::max(kSmallBytes, parts_.config.bounds.output_buffer_bytes) &&
          !parts_.buggify.Fire("node.no_room_for_result") &&
          (bytes <= kFreeResultBytes || parts_.budget.Fits(bytes)));
}

}  // namespace quorate::node
