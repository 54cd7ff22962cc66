// kv/store/evaluate.h: what each command does to the keys, with the semantics
// of Redis 7.0 for strings and expiry.
//
// Deterministic: results depend on keyspace, log time and command alone.
// Ownership and sessions are checked elsewhere.
#ifndef QUORATE_KV_STORE_EVALUATE_H_
#define QUORATE_KV_STORE_EVALUATE_H_

#include <cstdint>

#include "env/buffer.h"
#include "kv/command/command.h"
#include "kv/command/key_reads.h"
#include "kv/command/result.h"
#include "kv/store/keyspace.h"

namespace quorate::kv {

// A value of at least this size may be stored as a slice of the block in which
// it arrived. It has to fill seven eighths of the block. Others are copied.
// So a small value never keeps a large message in memory, and values take at
// most an eighth more memory than is counted.
inline constexpr size_t kSharedValueBytesMin = 4 << 10;
inline constexpr size_t kUnusedShareOfBlock = 8;

struct Evaluation {
  Keyspace& keyspace;
  int64_t now_ms;   // Log time.
  Version version;  // The version that written keys get.
  // The entry's payload, into which the command's views point.
  const Buffer& payload;
  // The rows of sessions that the command removed, if it is a kExpire.
  size_t rows_expired = 0;
  // Counts the keys that the command reads. Null: not counted.
  KeyReads* key_reads = nullptr;
};

// Runs a command and appends its result to `results`; null discards the result.
void Evaluate(const Evaluation& evaluation, const CommandView& command,
              ResultBuilder* results);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_EVALUATE_H_
