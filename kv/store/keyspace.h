// kv/store/keyspace.h: the keys of all slots of one group, with what is due when,
// totals and digest.
//
// Knows log time only as the `now_ms` it is given; nothing here decides whether
// a slot is owned.
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
#include "kv/store/expiry.h"
#include "kv/store/record.h"
#include "kv/store/table.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Visits, in hash order and from `from` on, about `count_max` keys of a table:
// whole pages, and all keys of the last position that it touches.
ScanStep ScanTable(const Table& table, ScanPosition from, size_t count_max,
                   absl::FunctionRef<void(const Record&)> visit);

class Keyspace {
 public:
  Keyspace(uint64_t hash_key, uint32_t slot_count);
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  // A key's slot and hash, computed once for several calls.
  struct Key {
    Slot slot = {};
    std::string_view bytes = {};
    uint64_t hash = 0;
  };
  Key MakeKey(Slot slot, std::string_view bytes) const;

  // Brings what Find and Put of these keys will look at into the processor's
  // cache, all of them at once rather than one miss after the other.
  void Prefetch(absl::Span<const Key> keys) const;

  // Null if the key is not there or due at `now_ms`. Valid until the next
  // change of its slot.
  const Record* Find(const Key& key, int64_t now_ms) const;
  // The same without regard to time.
  const Record* FindEvenIfDue(const Key& key) const;

  // Inserts or replaces (see Table::Put for what the value may point to).
  void Put(const Key& key, const ValueSource& value, const Version& version,
           int64_t expire_at_ms);
  // Requires: the key is there.
  void SetExpiry(const Key& key, const Version& version, int64_t expire_at_ms);
  // Removals, `by` the command of that version. False if it was not there.
  bool Erase(const Key& key, const Version& by);
  // The same for a key that is due: counts as expired.
  void EraseDue(const Key& key, const Version& by);
  // Removes every key of the slot; how many. Their memory goes step by step.
  uint64_t DropSlot(Slot slot, const Version& by);

  // Removes up to `count_max` keys that are due, in the order of (time, slot,
  // hash); how many.
  size_t Expire(int64_t now_ms, size_t count_max, const Version& by);
  // When the first key is due, in milliseconds of log time; nothing if no key
  // has an expiry.
  std::optional<int64_t> first_due_ms() const {
    if (expiries_.empty()) return std::nullopt;
    return expiries_.First().at_ms;
  }

  // Which command removed a key from the slot last. None: no removal was
  // noted. Two readings of an absent key's slot that are equal prove that the
  // key was absent all the time between them.
  Version last_removal(Slot slot) const {
    return removals_.empty() ? Version{} : removals_[slot.value()];
  }
  // Removals are noted from here on; never before (rules of version 1).
  void NoteRemovals() { noting_removals_ = true; }
  void RestoreRemoval(Slot slot, const Version& by);
  // Those noted, by slot.
  std::vector<std::pair<Slot, Version>> Removals() const;
  // Sum of a keyed hash of each, modulo 2^64.
  uint64_t removals_digest() const { return removals_digest_; }

  // Frees about so many pages of what was dropped. False when nothing is left.
  bool Reclaim(size_t pages_max);
  bool reclaimable() const { return !reaper_->idle() || expiries_.dropped(); }

  // ScanTable of one slot; keys that are due are visited, too.
  ScanStep Scan(Slot slot, ScanPosition from, size_t count_max,
                absl::FunctionRef<void(const Record&)> visit) const;

  // Null if the slot has never had a key.
  const Table* table(Slot slot) const { return tables_[slot.value()].get(); }
  // All non-empty tables by slot, as they are now.
  std::vector<std::pair<Slot, TableView>> Share() const;

  uint64_t hash_key() const { return hash_key_; }
  uint32_t slot_count() const { return static_cast<uint32_t>(tables_.size()); }
  uint64_t key_count() const { return key_count_; }
  // Of some slots.
  uint64_t KeyCount(const SlotRange& slots) const;
  uint64_t expiring_key_count() const { return expiries_.size(); }
  uint64_t size_bytes() const { return size_bytes_; }
  // Keys removed because they were due, since construction.
  uint64_t keys_expired() const { return keys_expired_; }
  // Sum of the tables' digests, modulo 2^64.
  uint64_t digest() const { return digest_; }
  uint64_t RecomputeDigest() const;
  const PageCounters& page_counters() const { return *page_counters_; }

 private:
  // Takes a table out of the totals while it changes.
  class Change;

  void NoteRemoval(Slot slot, const Version& by);

  uint64_t hash_key_;
  // Outlive the tables and views.
  std::shared_ptr<Reaper> reaper_ = std::make_shared<Reaper>();
  std::unique_ptr<PageCounters> page_counters_ =
      std::make_unique<PageCounters>();
  std::vector<std::unique_ptr<Table>> tables_;
  ExpiryIndex expiries_;
  bool noting_removals_ = false;
  std::vector<Version> removals_;  // By slot; empty before the first.
  uint64_t removals_digest_ = 0;
  uint64_t key_count_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t digest_ = 0;
  uint64_t keys_expired_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_KEYSPACE_H_
