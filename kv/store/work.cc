#include "kv/store/work.h"

#include <algorithm>

#include "env/check.h"
#include "kv/command/decimal.h"
#include "kv/slots/slot_scan.h"

namespace quorate::kv {
namespace {

// The keys of shorter values are not noted, since a turn may change many of
// them. Any key may then have the longest of these values.
constexpr uint64_t kNotedBytesMin = 16 << 10;
// Values that are not longer are not counted.
constexpr uint64_t kCountedBytesMin = 256;
// Beyond this number all are forgotten. More commands that make values long do
// not travel at a time.
constexpr size_t kNotedMax = 4'096;
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

uint64_t Clamp(int64_t number, uint64_t most) {
  return std::min(number < 0 ? 0 : static_cast<uint64_t>(number), most);
}

}  // namespace

bool WorkEstimate::CopiesNothing(const CommandHeader& header) const {
  if (!noted_.empty() ||
      header.size_bytes > std::max(longest_short_, kCountedBytesMin)) {
    return false;
  }
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

void WorkEstimate::Note(std::string_view key, uint64_t size) {
  const auto found = noted_.find(key);
  if (found != noted_.end()) {
    found->second = size;
    return;
  }
  if (size < kNotedBytesMin) {
    if (size > kCountedBytesMin) {
      longest_short_ = std::max(longest_short_, size);
    }
    return;
  }
  if (noted_.size() >= kNotedMax) noted_.clear();
  noted_.emplace(key, size);
}

template <typename Command, typename Next>
uint64_t WorkEstimate::AddOne(const Command& command, uint32_t arguments,
                              Next next, SizeOf size_of) {
  const auto present = [&](std::string_view key) {
    const auto found = noted_.find(key);
    return found != noted_.end()
               ? found->second
               : std::max(size_of(command.slot, key), longest_short_);
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
    case Op::kGetDel:
      return present(next());
    case Op::kGetRange: {
      const uint64_t size = present(next());
      const bool counted = first >= 0 && second >= first;
      return counted ? Clamp(second - first, size) : size;
    }
    case Op::kMGet: {
      uint64_t bytes = 0;
      for (uint32_t i = 0; i < arguments; ++i) bytes += present(next());
      return bytes;
    }
    case Op::kSet: {
      const std::string_view key = next();
      const bool returns = (command.flags & kReturnOld) != 0;
      const uint64_t returned = returns ? present(key) : 0;
      Note(key, next().size());
      return returned;
    }
    case Op::kMSet:
      for (uint32_t i = 0; i < arguments / 2; ++i) {
        const std::string_view key = next();
        Note(key, next().size());
      }
      return 0;
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
