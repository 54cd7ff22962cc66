// node/commands/translate.h: translates RESP commands on keys into commands of
// the store, and results of the store into replies.
//
// Deterministic: the caller supplies the time by which relative times become
// absolute. Errors are those of Redis. Independent of groups and leaders.
#ifndef QUORATE_NODE_COMMANDS_TRANSLATE_H_
#define QUORATE_NODE_COMMANDS_TRANSLATE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/slots/slot_strategy.h"
#include "node/commands/command_table.h"
#include "node/config/config.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {

// The format in which a result is written.
enum class ReplyFormat : uint8_t {
  kBulk,  // Bytes or null.
  kInteger,
  kLength,        // An integer; the command may make a value longer.
  kDecimal,       // INCRBYFLOAT.
  kStatusOk,      // +OK for every result.
  kOkOrNull,      // +OK if the command wrote, else null.
  kOldValue,      // The old value or null.
  kWroteInteger,  // 1 if the command wrote, else 0.
  kArray,         // Each element is bytes or null.
  kTtlSeconds,
  kTtlMs,
  kExpireTimeSeconds,
  kType,             // +string or +none.
  kEncoding,         // OBJECT ENCODING.
  kRefcount,         // OBJECT REFCOUNT.
  kMemory,           // MEMORY USAGE.
  kSum,              // The sum of several results (DBSIZE).
  kBulkThenIgnored,  // The first of two results, as kBulk (GETEX).
};

// A command on keys in the store's form. `specs` point to the request's bytes
// and to `storage`, so it can be neither copied nor moved.
struct Translated {
  Translated() = default;
  Translated(const Translated&) = delete;
  Translated& operator=(const Translated&) = delete;

  Slot slot;
  ReplyFormat format = ReplyFormat::kBulk;
  // Number of specs: one, or two that are evaluated as one kAtomic.
  size_t count = 1;
  std::array<kv::CommandSpec, 2> specs;
  std::array<std::string_view, 2> storage;
  // Without the leading '-'; empty if there is no error.
  std::string error;
  // The error is kCrossSlot: the command is right but for its slots. `specs`
  // has it without a slot.
  bool cross_slot = false;

  absl::Span<const kv::CommandSpec> all() const {
    return absl::MakeSpan(specs.data(), count);
  }
  bool read_only() const { return count == 1 && kv::IsRead(specs[0].op); }
};

// True if the row is a command on keys that Translate knows.
bool IsKeyCommand(const CommandRow& row);

// Inputs of a translation besides the request.
struct TranslationRules {
  int64_t now_ms = 0;  // Unix time.
  const BoundsConfig& bounds;
  const kv::SlotStrategy& slots;
};

// Requires: IsKeyCommand(row), row.AcceptsCount(request.size()). On error only
// out->error is set, unless it is kCrossSlot.
void Translate(const CommandRow& row, Arguments request,
               const TranslationRules& rules, Translated* out);

// The error for a key that is longer than bounds.key_bytes.
std::string KeyTooLong(const BoundsConfig& bounds);

inline constexpr std::string_view kCrossSlot =
    "CROSSSLOT Keys in request don't hash to the same slot";

inline constexpr std::string_view kEntryTooLarge =
    "ERR request is larger than one log entry holds (524288 bytes)";
// True if an entry holds the command by itself.
bool FitsOneEntry(absl::Span<const kv::CommandSpec> specs);

// The error for a write that bounds.memory_bytes does not allow.
inline constexpr std::string_view kOutOfMemory =
    "OOM command not allowed when used memory > 'maxmemory'.";

// The number of results (nested ones, in a transaction) that a format uses.
inline size_t ResultCount(ReplyFormat format) {
  return format == ReplyFormat::kBulkThenIgnored ? 2 : 1;
}

// The error text of a status; empty if the status is no error.
std::string_view ErrorOf(kv::ResultStatus status);

// Writes one reply. For kBulkThenIgnored, `result` is the first of the two.
void WriteResult(ReplyFormat format, const kv::ResultView& result,
                 const BoundsConfig& bounds, RespWriter& reply);

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_TRANSLATE_H_
