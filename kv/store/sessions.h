// kv/store/sessions.h: what makes a stamped command take effect exactly once: for
// each slot and session a row with the results of its commands that the client
// has not acknowledged. Replicated state: decided at apply, by log time alone.
//
// Rules and why they hold: kv/command/session_stamp.h. A view shares rows with the
// present until they change (copy on write by slot, then by row).
#ifndef QUORATE_KV_STORE_SESSIONS_H_
#define QUORATE_KV_STORE_SESSIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "env/buffer.h"
#include "env/time.h"
#include "kv/command/result.h"
#include "kv/command/session_stamp.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// What a command returned, as a duplicate is answered.
struct StoredResult {
  Sequence sequence = {};
  uint64_t request_hash = 0;
  ResultStatus status = ResultStatus::kOk;
  PayloadKind kind = PayloadKind::kNone;
  bool wrote = false;
  Version version = {};
  Buffer payload = {};
  // ResultDigest of the fields above, computed once.
  uint64_t digest = 0;
};

uint64_t ResultDigest(uint64_t hash_key, const StoredResult& result);

struct SessionRow {
  SessionToken token = {};
  int64_t expire_at_ms = 0;
  Sequence floor = {};
  // Ascending by sequence, all at or above `floor`; at most
  // kSessionOutstandingMax.
  std::vector<StoredResult> results = {};
};

class Sessions {
 public:
  using Row = std::shared_ptr<SessionRow>;
  // Rows of one slot by client.
  struct SlotRows {
    absl::btree_map<ClientId, Row> rows;
    // Sum of RowDigest, modulo 2^64.
    uint64_t digest = 0;
  };
  // All rows at one moment, by slot. Never written through.
  using View = absl::btree_map<Slot, std::shared_ptr<const SlotRows>>;

  explicit Sessions(uint64_t hash_key) : hash_key_(hash_key) {}
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  struct Admission {
    enum class Verdict : uint8_t { kRun, kDuplicate, kRefused };
    Verdict verdict = Verdict::kRun;
    ResultStatus refusal = ResultStatus::kOk;  // kRefused.
    StoredResult result = {};                  // kDuplicate.
  };
  // Whether a command may run. Changes nothing, but that a duplicate raises
  // floor and lifetime of its row.
  Admission Admit(Slot slot, const SessionStamp& stamp, uint64_t request_hash,
                  int64_t now_ms);
  // Keeps what a command returned that Admit let run. Makes the row if it is
  // the first.
  void Keep(Slot slot, const SessionStamp& stamp, uint64_t request_hash,
            const ResultView& result, int64_t now_ms);

  // Removes up to `count_max` rows whose time has come, in the order of (time,
  // slot, client); how many.
  size_t Expire(int64_t now_ms, size_t count_max);

  // Adds a row that is not there, as it was stored. For restoring.
  void Restore(Slot slot, SessionRow row);
  bool Contains(Slot slot, ClientId client) const;

  View Share() const;

  uint64_t row_count() const { return expiries_.size(); }
  uint64_t rows_made() const { return rows_made_; }
  uint64_t SlotDigest(Slot slot) const;
  uint64_t digest() const { return digest_; }
  // The sum computed from scratch.
  uint64_t RecomputeDigest() const;

 private:
  struct Target {
    SlotRows* slot_rows = nullptr;
    SessionRow* row = nullptr;
  };

  const SessionRow* Find(Slot slot, ClientId client) const;
  SlotRows* OwnSlot(Slot slot);
  // The row for writing, its digest taken out; made if it is not there.
  Target BeginChange(Slot slot, const SessionToken& token);
  void EndChange(Slot slot, const Target& target);
  void Touch(Slot slot, SessionRow* row, const SessionStamp& stamp,
             int64_t now_ms);
  uint64_t RowDigest(Slot slot, const SessionRow& row) const;

  uint64_t hash_key_;
  absl::btree_map<Slot, std::shared_ptr<SlotRows>> slots_;
  absl::btree_set<std::tuple<int64_t, Slot, ClientId>> expiries_;
  uint64_t digest_ = 0;
  uint64_t rows_made_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SESSIONS_H_
