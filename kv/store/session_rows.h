// kv/store/session_rows.h: the rows of the sessions of one slot.
//
// A slot may have tens of thousands of rows, so that they are in pages.
#ifndef QUORATE_KV_STORE_SESSION_ROWS_H_
#define QUORATE_KV_STORE_SESSION_ROWS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "env/buffer.h"
#include "kv/command/result.h"
#include "kv/command/session_stamp.h"
#include "kv/store/paged_map.h"

namespace quorate::kv {

// The result of a command, for answering duplicates of it.
struct StoredResult {
  Sequence sequence = {};
  uint64_t request_hash = 0;
  ResultStatus status = ResultStatus::kOk;
  PayloadKind kind = PayloadKind::kNone;
  bool wrote = false;
  Version version = {};
  Buffer payload = {};
  // ResultDigest of the other fields, computed once.
  uint64_t digest = 0;
};

struct SessionRow {
  SessionToken token = {};
  int64_t expire_at_ms = 0;
  Sequence floor = {};
  // At most kSessionOutstandingMax results, ascending by sequence, none below
  // `floor`.
  std::vector<StoredResult> results = {};
};

using SessionRows = PagedMap<ClientId, std::shared_ptr<SessionRow>>;

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SESSION_ROWS_H_
