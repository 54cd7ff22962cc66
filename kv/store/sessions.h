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
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
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
  // its row. In a slot without room for a new row, expired rows are removed.
  // `rules`: the version of the command's batch.
  Decision Check(Slot slot, const SessionStamp& stamp, uint64_t request_hash,
                 int64_t now_ms, uint32_t rules);
  // Stores the result of a command for which Check returned kRun. Creates the
  // row if there is none.
  void StoreResult(Slot slot, const SessionStamp& stamp, uint64_t request_hash,
                   const ResultView& result, int64_t now_ms);

  // Frees up to `count_max` rows of an object that is no longer used, in no
  // useful order. Returns true if there are more. Afterwards only Reclaim and
  // the destructor may be called.
  bool Reclaim(size_t count_max);

  // Removes up to `count_max` expired rows in the order of (time, slot,
  // client). Returns how many were removed.
  size_t Expire(int64_t now_ms, size_t count_max);
  // The expiry of the first row that expires.
  std::optional<int64_t> first_expiry_ms() const {
    if (firsts_.empty()) return std::nullopt;
    return firsts_.begin()->first;
  }

  // Adds a row from a snapshot. Requires: there is none for its client in the
  // slot.
  void Restore(Slot slot, SessionRow row);

  View TakeView() const;

  // Rows that one command removes to make room for its own, at most. Part of
  // the replicated rules from version 4 on. Before, it removes all expired rows
  // of its slot.
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

  const SessionRow* Find(Slot slot, ClientId client) const;
  SlotRows* UnshareSlot(Slot slot);
  // Returns the row for writing, after subtracting its digest and size. Creates
  // the row if there is none.
  Target BeginChange(Slot slot, const SessionToken& token);
  void EndChange(Slot slot, const Target& target);
  // Whether the slot has room for a row of the client, after removing expired
  // ones.
  bool MakeRoom(Slot slot, ClientId client, int64_t now_ms, uint32_t rules);
  bool HasRoom(const SlotRows& slot_rows, ClientId client) const;
  Room RoomOf(Slot slot, ClientId client) const;
  // The first row of the room that expires: its time and client.
  std::optional<std::pair<int64_t, ClientId>> FirstOf(Room room) const;
  void AddExpiry(Room room, int64_t at_ms, ClientId client);
  void RemoveExpiry(Room room, int64_t at_ms, ClientId client);
  // RemoveExpiry, then AddExpiry.
  void MoveExpiry(Room room, ClientId client, int64_t from_ms, int64_t to_ms);
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
  absl::btree_set<std::tuple<Room, int64_t, ClientId>> expiries_;
  // Invariant: the first expiry of each room that has rows.
  absl::btree_set<std::pair<int64_t, Room>> firsts_;
  uint64_t digest_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t rows_made_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SESSIONS_H_
