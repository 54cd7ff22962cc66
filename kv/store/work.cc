#include "kv/store/work.h"

#include <algorithm>
#include <limits>

#include "env/check.h"
#include "kv/command/decimal.h"
#include "kv/slots/keyed_hash.h"
#include "kv/slots/slot_scan.h"

namespace quorate::kv {
namespace {

// Values that are not longer are not counted.
constexpr uint64_t kCountedBytesMin = 256;
constexpr size_t kCells = 512;
// Any number; the cells of keys need not be secret.
constexpr uint64_t kHashKey = 0x9d3c;
// A due key or a slot counts as so many bytes of values.
constexpr uint64_t kBytesPerDueKey = 256;
constexpr uint64_t kBytesPerSlot = 32;
// A slot that is flushed, even of few keys, costs as much as a small command.
constexpr uint64_t kBytesPerFlushedSlot = 512;
// An addition of decimals takes so much longer than a copy of their texts.
constexpr uint64_t kDecimalFactor = 4;

uint64_t BytesPerSlot(Op op) {
  return op == Op::kFlush ? kBytesPerFlushedSlot : kBytesPerSlot;
}

uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }

bool IsConditional(const CommandSpec& command) {
  return command.expected.has_value() ||
         (command.flags & (kIfAbsent | kIfPresent)) != 0;
}
bool IsConditional(const CommandView& command) {
  return command.has_expected ||
         (command.flags & (kIfAbsent | kIfPresent)) != 0;
}

uint64_t Clamp(int64_t number, uint64_t most) {
  return std::min(number < 0 ? 0 : static_cast<uint64_t>(number), most);
}

}  // namespace

bool WorkEstimate::CopiesNothing(const CommandHeader& header) const {
  if (!none_noted() || header.size_bytes > kCountedBytesMin) return false;
  switch (header.op) {
    case Op::kSet:
      return (header.flags & kReturnOld) == 0;
    case Op::kMSet:
    case Op::kDel:
    case Op::kIncrBy:
      return true;
    default:
      return false;
  }
}

uint64_t WorkEstimate::Present(Slot slot, std::string_view key,
                               SizeOf size_of) const {
  if (none_noted()) return size_of(slot, key);
  const uint64_t hash = KeyedHash(kHashKey, key);
  const Cell& cell = cells_[hash % kCells];
  if (cell.number <= forgotten_) return size_of(slot, key);
  if (cell.tag == TagOf(hash)) return cell.bytes;
  const uint64_t size = size_of(slot, key);
  return cell.tag == kShared ? std::max<uint64_t>(size, cell.bytes) : size;
}

void WorkEstimate::Note(std::string_view key, uint64_t size) {
  const bool is_long = size > kCountedBytesMin;
  if (!is_long && none_noted()) return;
  if (cells_.empty()) cells_.resize(kCells);
  const uint64_t hash = KeyedHash(kHashKey, key);
  Cell& cell = cells_[hash % kCells];
  const bool used = cell.number > forgotten_;
  const bool same = used && cell.tag == TagOf(hash);
  if (!is_long && !same) return;
  const auto bytes = static_cast<uint32_t>(
      std::min<uint64_t>(size, std::numeric_limits<uint32_t>::max()));
  if (used && !same) {
    cell = {number_, kShared, std::max(cell.bytes, bytes)};
  } else {
    cell = {number_, TagOf(hash), bytes};
  }
  newest_ = number_;
}

template <typename Command, typename Next>
uint64_t WorkEstimate::AddReplacement(const Command& command,
                                      uint32_t arguments, Next next,
                                      SizeOf size_of) {
  // A conditional command may leave the value as it is.
  const bool replaces = !IsConditional(command);
  const auto replace = [&](std::string_view key, uint64_t size) {
    Note(key,
         replaces ? size : std::max(Present(command.slot, key, size_of), size));
  };
  if (command.op == Op::kDel) {
    for (uint32_t i = 0; i < arguments; ++i) replace(next(), 0);
    return 0;
  }
  if (command.op == Op::kMSet) {
    for (uint32_t i = 0; i < arguments / 2; ++i) {
      const std::string_view key = next();
      replace(key, next().size());
    }
    return 0;
  }
  const std::string_view key = next();
  const bool removes = command.op == Op::kGetDel;
  const bool returns = removes || (command.flags & kReturnOld) != 0;
  const uint64_t returned = returns ? Present(command.slot, key, size_of) : 0;
  replace(key, removes ? 0 : next().size());
  return returned;
}

template <typename Command, typename Next>
uint64_t WorkEstimate::AddOne(const Command& command, uint32_t arguments,
                              Next next, SizeOf size_of) {
  const auto present = [&](std::string_view argument) {
    const SlotKey of = KeyOf(command.op, command.slot, argument);
    return Present(of.slot, of.key, size_of);
  };
  // Of a command that changes a part of the value, which then has this size at
  // least.
  const auto change = [&](uint64_t size_min) {
    const std::string_view key = next();
    const uint64_t size = std::max(present(key), size_min);
    Note(key, size);
    return size;
  };
  const auto [first, second] = command.numbers;
  switch (command.op) {
    case Op::kGet:
      return present(next());
    case Op::kGetRange: {
      const uint64_t size = present(next());
      const bool counted = first >= 0 && second >= first;
      return counted ? Clamp(second - first, size) : size;
    }
    case Op::kMGet:
    case Op::kMGetOfSlots: {
      uint64_t bytes = 0;
      for (uint32_t i = 0; i < arguments; ++i) bytes += present(next());
      return bytes;
    }
    case Op::kGetDel:
    case Op::kDel:
    case Op::kSet:
    case Op::kMSet:
      return AddReplacement(command, arguments, next, size_of);
    case Op::kAppend: {
      const std::string_view key = next();
      const uint64_t size = present(key) + next().size();
      Note(key, size);
      return size / 4;
    }
    // The new value is copied twice.
    case Op::kSetRange:
      return change(Clamp(first, kValueBytesMax)) / 2;
    case Op::kSetBit:
      return change(Clamp(first / 16, kValueBytesMax)) / 2;
    case Op::kIncrByFloat:
      return kDecimalFactor *
             std::min<uint64_t>(present(next()), Decimal::kTextBytesMax);
    case Op::kScan:
      return kScanBytesMax;
    case Op::kExpire:
      return kBytesPerDueKey * Clamp(first, kExpireKeysMax);
    case Op::kMove:
      return kBytesPerFlushedSlot * Clamp(first, kHashSlotCount);
    case Op::kKeyCount:
    case Op::kFlush:
      return BytesPerSlot(command.op) * Clamp(second - first, kHashSlotCount);
    default:
      return 0;
  }
}

uint64_t WorkEstimate::AddValueBytes(const CommandSpec& command,
                                     SizeOf size_of) {
  size_t at = 0;
  return AddOne(
      command, static_cast<uint32_t>(command.arguments.size()),
      [&] { return command.arguments[at++]; }, size_of);
}

uint64_t WorkEstimate::AddValueBytes(const CommandView& command,
                                     SizeOf size_of) {
  if (command.op == Op::kAtomic) {
    uint64_t bytes = 0;
    CommandReader reader = CommandReader::Nested(command);
    CommandView nested;
    while (!reader.done()) {
      CHECK(reader.Next(&nested)) << "checked when the kAtomic was decoded";
      bytes += AddValueBytes(nested, size_of);
    }
    return bytes;
  }
  ArgumentReader arguments = command.arguments;
  return AddOne(
      command, command.arguments.count(), [&] { return arguments.Next(); },
      size_of);
}

}  // namespace quorate::kv
