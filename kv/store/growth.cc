#include "kv/store/growth.h"

#include <algorithm>
#include <limits>

#include "env/check.h"
#include "kv/command/decimal.h"
#include "kv/command/move_command.h"
#include "kv/command/rules.h"
#include "kv/store/record.h"
#include "kv/store/sessions.h"

namespace quorate::kv {
namespace {

// The longest text of a 64-bit integer.
constexpr uint64_t kIntegerBytesMax = 20;

// The items of a piece grow by their overhead in tables. A result of a session
// has the least bytes for its overhead.
constexpr uint64_t kGrowthOfPieces = 6;

bool MayGrow(Op op) {
  switch (op) {
    case Op::kSet:
    case Op::kMSet:
    case Op::kAppend:
    case Op::kSetRange:
    case Op::kSetBit:
    case Op::kIncrBy:
    case Op::kIncrByFloat:
      return true;
    default:
      return false;
  }
}

// The bytes of a step of a move. Other steps than these two end the need for
// memory.
uint64_t GrowthOfStep(const CommandView& command) {
  ArgumentReader arguments = command.arguments;
  const std::string_view step = arguments.Next();
  if (IsStageStep(step)) return kGrowthOfPieces * command.encoded.size();
  return MemoryForSlots(PreparedBytes(step));
}

// The bytes of a command that is no kAtomic, without its session.
uint64_t GrowthOfKeys(const CommandView& command) {
  if (command.op == Op::kMove) return GrowthOfStep(command);
  if (!MayGrow(command.op)) return 0;
  ArgumentReader arguments = command.arguments;
  uint64_t bytes = 0;
  switch (command.op) {
    case Op::kSet:
    case Op::kMSet:
      // Pairs of key and value.
      for (uint32_t i = arguments.count(); i > 0; --i) {
        bytes += arguments.Next().size();
      }
      return bytes + command.arguments.count() / 2 * kRecordOverheadBytes;
    case Op::kAppend:
      bytes = arguments.Next().size();
      return bytes + arguments.Next().size() + kRecordOverheadBytes;
    case Op::kSetRange: {
      bytes = arguments.Next().size();
      const int64_t gap = std::clamp<int64_t>(
          command.numbers[0], 0, static_cast<int64_t>(kValueBytesMax));
      return bytes + kRecordOverheadBytes +
             std::min<uint64_t>(
                 static_cast<uint64_t>(gap) + arguments.Next().size(),
                 kValueBytesMax);
    }
    case Op::kSetBit: {
      // Up to the byte of the bit.
      const int64_t gap = std::clamp<int64_t>(
          command.numbers[0] / 16, 0, static_cast<int64_t>(kValueBytesMax) - 1);
      return arguments.Next().size() + kRecordOverheadBytes +
             static_cast<uint64_t>(gap) + 1;
    }
    case Op::kIncrBy:
      return arguments.Next().size() + kRecordOverheadBytes + kIntegerBytesMax;
    default:
      CHECK(command.op == Op::kIncrByFloat) << OpName(command.op);
      return arguments.Next().size() + kRecordOverheadBytes +
             Decimal::kTextBytesMax;
  }
}

// The most bytes of a result that the session keeps.
uint64_t ResultBound(const CommandView& command) {
  const bool returns_values = command.op == Op::kAtomic ||
                              command.op == Op::kGetDel ||
                              (command.flags & kReturnOld) != 0;
  if (returns_values) return SessionRules().result_bytes_max;
  return command.op == Op::kIncrByFloat ? Decimal::kTextBytesMax
                                        : sizeof(int64_t);
}

// Nested commands are decoded again: the caller has checked the batch.
template <typename Visit>
void ForEachNested(const CommandView& atomic, Visit visit) {
  CommandReader reader = CommandReader::Nested(atomic);
  CommandView nested;
  while (!reader.done()) {
    CHECK(reader.Next(&nested)) << "checked when the kAtomic was decoded";
    visit(nested);
  }
}

}  // namespace

bool MayGrow(const CommandView& command) {
  // Each Idempotency-Key has a row of its own.
  if (command.has_session && IsKeySession(command.session.token.client)) {
    return true;
  }
  if (command.op != Op::kAtomic) {
    return MayGrow(command.op) || GrowthOfKeys(command) > 0;
  }
  bool grows = false;
  ForEachNested(command, [&](const CommandView& nested) {
    // A session keeps a value that a transaction reads, and the value stays.
    grows = grows || MayGrow(nested.op) ||
            (command.has_session && IsRead(nested.op));
  });
  return grows;
}

uint64_t GrowthBound(const CommandView& command) {
  uint64_t bytes = 0;
  if (command.op == Op::kAtomic) {
    ForEachNested(command, [&](const CommandView& nested) {
      bytes += GrowthOfKeys(nested);
    });
  } else {
    bytes = GrowthOfKeys(command);
  }
  if (!command.has_session || !MayGrow(command)) return bytes;
  return bytes + Sessions::kRowOverheadBytes + Sessions::kResultOverheadBytes +
         ResultBound(command);
}

// The last piece needs room for its bound, too.
uint64_t MemoryForSlots(uint64_t bytes) {
  const uint64_t most =
      std::min(bytes, std::numeric_limits<uint64_t>::max() / 2);
  return most +
         (kGrowthOfPieces - 1) * std::min<uint64_t>(most, kPieceBytesMax);
}

}  // namespace quorate::kv
