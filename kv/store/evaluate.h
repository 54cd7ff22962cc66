// kv/store/evaluate.h: what each command does to the keys: the semantics of Redis 7.0
// for strings and expiry.
//
// Pure: the keyspace, the entry's log time and the command decide everything.
// Knows nothing of ownership and sessions.
#ifndef QUORATE_KV_STORE_EVALUATE_H_
#define QUORATE_KV_STORE_EVALUATE_H_

#include <cstdint>

#include "env/buffer.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/keyspace.h"

namespace quorate::kv {

// A value of at least so many bytes that fills at least half of the block it
// arrived in is kept as a slice of that block; others are copied, so that no
// small value pins a large message.
inline constexpr size_t kSharedValueBytesMin = 4 << 10;

struct Evaluation {
  Keyspace& keyspace;
  int64_t now_ms;         // Log time.
  Version version;        // Of what the command writes.
  const Buffer& payload;  // Of the entry: what the command's views point into.
};

// Runs a command and appends its one result to `results` (null: nobody wants
// it).
void Evaluate(const Evaluation& evaluation, const CommandView& command,
              ResultBuilder* results);

// The bytes that GETRANGE takes: `start` to `end` inclusive, negative ones
// counting from the end; also for reads that do not travel in an entry.
std::string_view ValueRange(std::string_view value, int64_t start, int64_t end);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_EVALUATE_H_
