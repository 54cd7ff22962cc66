// node/commands/translate.h: what a RESP command on keys means to the store, and how the store's result is written as its reply.
//
// Pure: relative times become absolute by the clock given; errors are Redis's. Knows nothing of groups and leaders.
#ifndef QUORATE_NODE_COMMANDS_TRANSLATE_H_
#define QUORATE_NODE_COMMANDS_TRANSLATE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/commands/command_table.h"
#include "node/config/config.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {

// How a result is written.
enum class Shape : uint8_t {
  kBulk,  // Bytes or null.
  kInteger,
  kLength,        // Of a value that grew.
  kDecimal,       // INCRBYFLOAT.
  kStatusOk,      // +OK whatever was done.
  kOkOrNull,      // +OK if it wrote, else null.
  kOldValue,      // The old value or null.
  kWroteInteger,  // 1 if it wrote, else 0.
  kArray,         // Bytes or null each.
  kTtlSeconds,
  kTtlMs,
  kExpireTimeSeconds,
  kType,             // +string or +none.
  kEncoding,         // OBJECT ENCODING.
  kRefcount,         // OBJECT REFCOUNT.
  kMemory,           // MEMORY USAGE.
  kSum,              // Of the integers of several results (DBSIZE).
  kBulkThenIgnored,  // Of two results, the first as kBulk (GETEX).
};

// One command on keys, as the store takes it. `specs` refer to the request's bytes and to `storage`: neither copied nor moved.
struct Translated {
  Translated() = default;
  Translated(const Translated&) = delete;
  Translated& operator=(const Translated&) = delete;

  Slot slot;
  Shape shape = Shape::kBulk;
  // One, or two to be done as one.
  size_t count = 1;
  std::array<kv::CommandSpec, 2> specs;
  std::array<std::string_view, 2> storage;
  // Without the leading '-'; empty if there is no error.
  std::string error;

  absl::Span<const kv::CommandSpec> all() const {
    return absl::MakeSpan(specs.data(), count);
  }
  bool read_only() const { return count == 1 && kv::IsRead(specs[0].op); }
};

// True if the row is a command on keys that Translate knows.
bool IsKeyCommand(const CommandSpec& row);

// Requires: IsKeyCommand(row), row.AcceptsCount(request.size()). `now_ms` is Unix time. On error only out->error is set.
void Translate(const CommandSpec& row, Arguments request, int64_t now_ms,
               const LimitsConfig& limits, Translated* out);

// The error for a key that is longer than limits.key_bytes.
std::string KeyTooLong(const LimitsConfig& limits);

inline constexpr std::string_view kCrossSlot =
    "CROSSSLOT Keys in request don't hash to the same slot";

// How many results (nested ones, in a transaction) a shape takes.
inline size_t ResultCount(Shape shape) {
  return shape == Shape::kBulkThenIgnored ? 2 : 1;
}

// The error for a status that is one, or empty.
std::string_view ErrorOf(kv::ResultStatus status);

// Writes one reply. For kBulkThenIgnored, `result` is the first of the two.
void WriteResult(Shape shape, const kv::ResultView& result,
                 const LimitsConfig& limits, RespWriter& reply);

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_TRANSLATE_H_
