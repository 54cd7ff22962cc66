// kv/store/keyspace.h: the keys of all slots of one group, with their expiry
// order, totals and digest.
//
// Its time is the `now_ms` that callers pass: log time. Callers check whether
// the group owns a slot.
#ifndef QUORATE_KV_STORE_KEYSPACE_H_
#define QUORATE_KV_STORE_KEYSPACE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "kv/slots/slot_scan.h"
#include "kv/store/change_log.h"
#include "kv/store/expiry.h"
#include "kv/store/record.h"
#include "kv/store/record_pool.h"
#include "kv/store/slot_array.h"
#include "kv/store/table.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Visits about `count_max` keys of a table in hash order, beginning at `from`.
// It visits whole pages, and all keys of the last position.
ScanStep ScanTable(const Table& table, ScanPosition from, size_t count_max,
                   absl::FunctionRef<void(const Record&)> visit);

class Keyspace {
 public:
  // `pool` has the memory of records. Null: a pool of its own. `page_keys_max`:
  // PageBounds::keys.
  Keyspace(uint64_t hash_key, uint32_t slot_count,
           std::shared_ptr<RecordPool> pool = nullptr,
           uint32_t page_keys_max = kPageKeysMax);
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  // A key's slot and hash, computed once for several calls.
  struct Key {
    Slot slot = {};
    std::string_view bytes = {};
    uint64_t hash = 0;
  };
  Key MakeKey(Slot slot, std::string_view bytes) const;

  static constexpr size_t kPrefetchMax = 16;
  // Loads what Find and Put of these keys will read into the processor's cache,
  // all at once, so that cache misses overlap. Requires: at most kPrefetchMax
  // keys.
  void Prefetch(absl::Span<const Key> keys) const;

  // Returns the record whether or not it is due; null if the key is absent.
  const Record* FindEvenIfDue(const Key& key) const;

  // Inserts or replaces. Table::Put says where `value` may point.
  void Put(const Key& key, const ValueSource& value, const Version& version,
           int64_t expire_at_ms);
  // Requires: the key is present.
  void SetExpiry(const Key& key, const Version& version, int64_t expire_at_ms);
  // Removes a key on behalf of the command with version `by`; none: the removal
  // is not noted. Returns false if the key was absent.
  bool Erase(const Key& key, const Version& by);
  // Removes a due key, which counts as expired. Requires: the key is present.
  void EraseExpired(const Key& key, const Version& by);
  // Removes every key that has this hash. The removal is not noted.
  void EraseHash(Slot slot, uint64_t hash);
  // Removes every key of the slot and returns their number. Memory is freed
  // step by step. `by` is that of Erase.
  uint64_t DropSlot(Slot slot, const Version& by);
  // DropSlot of every slot of `slots`, in order.
  uint64_t DropSlots(const SlotRange& slots, const Version& by);

  // Removes up to `count_max` due keys in the order of (time, slot, hash).
  // Returns how many were removed.
  size_t Expire(int64_t now_ms, size_t count_max, const Version& by);
  // Keys of a slot that is held do not expire.
  void Hold(Slot slot) { expiries_.Hold(slot); }
  void Unhold(Slot slot) { expiries_.Unhold(slot); }
  // The time at which the first key is due, in milliseconds of log time;
  // nullopt if no key has an expiry. Slots that are held do not count.
  std::optional<int64_t> first_due_ms() const {
    if (expiries_.empty()) return std::nullopt;
    return expiries_.first_ms();
  }

  // The command that last removed a key from the slot; none if no removal was
  // noted. If two readings for an absent key's slot are equal, the key was
  // absent all the time between them.
  Version last_removal(Slot slot) const {
    const Version* last = removals_.Find(slot);
    return last == nullptr ? Version{} : *last;
  }
  void RestoreRemoval(Slot slot, const Version& by);
  // Forgets it.
  void ForgetRemoval(Slot slot) {
    if (!last_removal(slot).none()) RestoreRemoval(slot, Version{});
  }
  // The noted removals, by slot.
  std::vector<std::pair<Slot, Version>> Removals() const;
  // Sum of a keyed hash of each noted removal, modulo 2^64.
  uint64_t removals_digest() const { return removals_digest_; }

  // Notes each change of a tracked slot there. It outlives the object. Null: no
  // slot is tracked.
  void SetTracking(ChangeTracking* tracking) { tracking_ = tracking; }

  // Frees about `pages_max` pages of removed or replaced data. Returns false
  // when nothing is left.
  bool Reclaim(size_t pages_max);
  bool reclaimable() const {
    return !context_->reclaimer.idle() || expiries_.dropped();
  }
  // True while a view exists. Its end may make pages reclaimable.
  bool viewed() const { return context_.use_count() > 1; }

  // ScanTable of one slot. Due keys are visited as well.
  ScanStep Scan(Slot slot, ScanPosition from, size_t count_max,
                absl::FunctionRef<void(const Record&)> visit) const;

  // Null if the slot has never had a key.
  const Table* table(Slot slot) const {
    const Table* table = tables_.Find(slot);
    return table == nullptr || !table->has_context() ? nullptr : table;
  }
  // A view of the slot's table.
  TableView TakeView(Slot slot) const {
    const Table* of = table(slot);
    return of == nullptr ? TableView() : of->TakeView();
  }
  // Views of all non-empty tables, by slot.
  std::vector<std::pair<Slot, TableView>> TakeView() const;

  uint64_t hash_key() const { return hash_key_; }
  uint32_t slot_count() const { return tables_.slot_count(); }
  uint64_t key_count() const { return key_count_; }
  // Keys in these slots, and their part of size_bytes().
  uint64_t KeyCount(const SlotRange& slots) const;
  uint64_t SizeBytes(const SlotRange& slots) const;
  uint64_t expiring_key_count() const { return expiries_.size(); }
  uint64_t expiring_key_count(Slot slot) const { return expiries_.size(slot); }
  uint64_t size_bytes() const { return size_bytes_; }
  // Keys removed because they were due, since construction.
  uint64_t keys_expired() const { return keys_expired_; }
  // Sum of the tables' digests, modulo 2^64.
  uint64_t digest() const { return digest_; }
  uint64_t RecomputeDigest() const;
  const PageCounters& page_counters() const { return context_->counters; }

 private:
  // Subtracts a table from the totals while it changes.
  class Change;

  void NoteRemoval(Slot slot, const Version& by);
  void NoteChange(ChangeKind kind, Slot slot, uint64_t id) {
    if (tracking_ != nullptr) tracking_->Note({kind, slot, id});
  }
  // Calls visit(Slot, const Table&) for the tables of `slots`, in order. The
  // cache misses of the roots of a page of tables overlap.
  template <typename Visit>
  void ForEachTable(const SlotRange& slots, Visit&& visit) const;

  uint64_t hash_key_;
  // Outlives tables and views.
  std::shared_ptr<TableContext> context_;
  SlotArray<Table> tables_;
  ExpiryIndex expiries_;
  ChangeTracking* tracking_ = nullptr;
  SlotArray<Version> removals_;
  uint64_t removals_digest_ = 0;
  uint64_t key_count_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t digest_ = 0;
  uint64_t keys_expired_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_KEYSPACE_H_
