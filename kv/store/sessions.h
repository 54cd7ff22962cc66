// kv/store/sessions.h: rows that make a stamped command take effect exactly
// once.
//
// There is one row for each slot and session. It holds the results of the
// commands that the client has not acknowledged. Rows are replicated state:
// they change at apply, by log time alone. kv/command/session_stamp.h has the
// rules and why they hold. A view shares rows with the present state until they
// change (copy on write by page of a slot, then by row).
#ifndef QUORATE_KV_STORE_SESSIONS_H_
#define QUORATE_KV_STORE_SESSIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/buffer.h"
#include "env/time.h"
#include "kv/command/result.h"
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
#include "kv/store/change_log.h"
#include "kv/store/expiry.h"
#include "kv/store/session_rows.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

uint64_t ResultDigest(uint64_t hash_key, const StoredResult& result);

class Sessions {
 public:
  // The rows of one slot.
  struct SlotRows {
    SessionRows rows;
    // Rows with IsKeySession.
    uint32_t key_rows = 0;
    // Sum of the rows' RowDigest, modulo 2^64.
    uint64_t digest = 0;
    // Logical bytes.
    uint64_t size_bytes = 0;
  };
  // All rows at one point in time, by slot. Read-only.
  using View = absl::btree_map<Slot, std::shared_ptr<const SlotRows>>;

  // `page_rows_max`: PageBounds::rows.
  Sessions(uint64_t hash_key, const SessionRules& rules,
           size_t page_rows_max = kPageRowsMax)
      : hash_key_(hash_key), rules_(rules), page_rows_max_(page_rows_max) {}
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  struct Decision {
    enum class Verdict : uint8_t { kRun, kDuplicate, kRefused };
    Verdict verdict = Verdict::kRun;
    ResultStatus refusal = ResultStatus::kOk;  // Set for kRefused.
    StoredResult result = {};                  // Set for kDuplicate.
  };
  // Decides whether a command may run. A duplicate raises floor and lifetime of
  // its row. An expired row of the client is removed. So are others, in a slot
  // without room for a new row.
  Decision Check(Slot slot, const SessionStamp& stamp, uint64_t request_hash,
                 int64_t now_ms);
  // Stores the result of a command for which Check returned kRun. Creates the
  // row if there is none.
  void StoreResult(Slot slot, const SessionStamp& stamp, uint64_t request_hash,
                   const ResultView& result, int64_t now_ms);

  // Removes every row of the slot. Memory is freed step by step.
  void DropSlot(Slot slot);
  void DropAll();
  // Frees up to `count_max` dropped rows. Returns true if there are more.
  bool Reclaim(size_t count_max);
  bool reclaimable() const { return !dropped_.empty() || expiries_.dropped(); }

  // Removes up to `count_max` expired rows in the order of (time, slot,
  // client). Returns how many were removed.
  size_t Expire(int64_t now_ms, size_t count_max);
  // The expiry of the first row that expires. Slots that are held do not count.
  std::optional<int64_t> first_expiry_ms() const {
    if (expiries_.empty()) return std::nullopt;
    return expiries_.first_ms();
  }
  // Rows of a slot that is held do not expire.
  void Hold(Slot slot);
  void Unhold(Slot slot);

  // Adds a row from a snapshot. Requires: there is none for its client in the
  // slot.
  void Restore(Slot slot, SessionRow row);
  // Removes a row. Does nothing if there is none.
  void Forget(Slot slot, ClientId client) {
    if (Has(slot, client)) Remove(slot, client);
  }

  View TakeView() const;
  // Null if the slot has no rows.
  std::shared_ptr<const SlotRows> TakeView(Slot slot) const {
    const auto of_slot = slots_.find(slot);
    return of_slot == slots_.end() ? nullptr : of_slot->second;
  }
  // Null if there is none.
  const SessionRow* Find(Slot slot, ClientId client) const;

  // Notes each change of a tracked slot there. It outlives the object. Null: no
  // slot is tracked.
  void SetTracking(ChangeTracking* tracking) { tracking_ = tracking; }

  // Rows that one command removes to make room for its own, at most. Part of
  // the replicated rules.
  static constexpr size_t kRemovedForRoomMax = 64;

  // Counted for each row, and for each result of a row in addition to its
  // payload, in every budget.
  static constexpr size_t kRowOverheadBytes = 192;
  static constexpr size_t kResultOverheadBytes = 96;
  bool Has(Slot slot, ClientId client) const {
    return Find(slot, client) != nullptr;
  }
  // Logical bytes of all rows.
  uint64_t size_bytes() const { return size_bytes_; }

  uint64_t row_count() const { return expiries_.size(); }
  uint64_t rows_made() const { return rows_made_; }
  uint64_t row_count(Slot slot) const {
    const auto of_slot = slots_.find(slot);
    return of_slot == slots_.end() ? 0 : of_slot->second->rows.size();
  }
  uint64_t SlotDigest(Slot slot) const;
  uint64_t digest() const { return digest_; }
  // The digest computed from scratch, for tests.
  uint64_t RecomputeDigest() const;

 private:
  // Rows that have one maximum together: the rows of a slot, or those of its
  // clients and those of its Idempotency-Keys.
  struct Room {
    Slot slot = {};
    bool keys = false;
    friend auto operator<=>(const Room&, const Room&) = default;
  };
  struct Target {
    SlotRows* slot_rows = nullptr;
    SessionRow* row = nullptr;
  };

  SlotRows* UnshareSlot(Slot slot);
  // Returns the row for writing, after subtracting its digest and size. Creates
  // the row if there is none.
  Target BeginChange(Slot slot, const SessionToken& token);
  void EndChange(Slot slot, const Target& target);
  void NoteChange(Slot slot, ClientId client) {
    if (tracking_ == nullptr) return;
    tracking_->Note({ChangeKind::kRow, slot, client.value()});
  }
  // Whether the slot has room for a row of the client, after removing expired
  // ones.
  bool MakeRoom(Slot slot, ClientId client, int64_t now_ms);
  bool HasRoom(const SlotRows& slot_rows, ClientId client) const;
  Room RoomOf(Slot slot, ClientId client) const;
  void Remove(Slot slot, ClientId client);
  // Removes up to `count_max` expired rows of the room.
  void RemoveExpired(Room room, int64_t now_ms, size_t count_max);
  void Renew(Slot slot, SessionRow* row, const SessionStamp& stamp,
             int64_t now_ms);
  uint64_t RowDigest(Slot slot, const SessionRow& row) const;

  const uint64_t hash_key_;
  const SessionRules rules_;
  const size_t page_rows_max_;
  absl::btree_map<Slot, std::shared_ptr<SlotRows>> slots_;
  ExpiryOrder<Room, ClientId> expiries_;
  std::vector<std::shared_ptr<SlotRows>> dropped_;
  ChangeTracking* tracking_ = nullptr;
  uint64_t digest_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t rows_made_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SESSIONS_H_
