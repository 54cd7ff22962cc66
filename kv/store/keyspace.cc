#include "kv/store/keyspace.h"

#include <array>
#include <string>
#include <utility>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {

class Keyspace::Change {
 public:
  Change(Keyspace* keyspace, Slot slot) : keyspace_(*keyspace) {
    table_ = &keyspace_.tables_[slot];
    if (!table_->has_context()) *table_ = Table(keyspace_.context_.get());
    keyspace_.key_count_ -= table_->key_count();
    keyspace_.size_bytes_ -= table_->size_bytes();
    keyspace_.digest_ -= table_->digest();
  }
  ~Change() {
    keyspace_.key_count_ += table_->key_count();
    keyspace_.size_bytes_ += table_->size_bytes();
    keyspace_.digest_ += table_->digest();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  Table* operator->() const { return table_; }

 private:
  Keyspace& keyspace_;
  Table* table_;
};

Keyspace::Keyspace(uint64_t hash_key, uint32_t slot_count,
                   std::shared_ptr<RecordPool> pool, uint32_t page_keys_max)
    : hash_key_(hash_key),
      context_(std::make_shared<TableContext>(hash_key, std::move(pool),
                                              &KeyedHash, page_keys_max)),
      tables_(slot_count),
      removals_(slot_count) {
  CHECK_GT(slot_count, 0u);
  CHECK_LE(slot_count, kHashSlotCount);
}

template <typename Visit>
void Keyspace::ForEachTable(const SlotRange& slots, Visit&& visit) const {
  tables_.ForEachPage(slots, [&](Slot first, absl::Span<const Table> tables) {
    for (const Table& table : tables) table.PrefetchRoot();
    for (size_t i = 0; i < tables.size(); ++i) {
      if (!tables[i].has_context()) continue;
      visit(Slot(static_cast<uint16_t>(first.value() + i)), tables[i]);
    }
  });
}

Keyspace::Key Keyspace::MakeKey(Slot slot, std::string_view bytes) const {
  CHECK_LT(slot.value(), slot_count());
  return {.slot = slot, .bytes = bytes, .hash = KeyedHash(hash_key_, bytes)};
}

void Keyspace::Prefetch(absl::Span<const Key> keys) const {
  CHECK_LE(keys.size(), kPrefetchMax);
  for (const Key& key : keys) tables_.Prefetch(key.slot);
  std::array<Table::Probe, kPrefetchMax> probes;
  for (size_t i = 0; i < keys.size(); ++i) {
    probes[i] = Table::Probe(table(keys[i].slot), keys[i].hash);
  }
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < keys.size(); ++i) any = probes[i].Step() || any;
  }
}

const Record* Keyspace::FindEvenIfDue(const Key& key) const {
  const Table* of = table(key.slot);
  return of == nullptr ? nullptr : of->Find(key.hash, key.bytes);
}

void Keyspace::Put(const Key& key, const ValueSource& value,
                   const Version& version, int64_t expire_at_ms) {
  NoteChange(ChangeKind::kKey, key.slot, key.hash);
  Change table(this, key.slot);
  const int64_t old_expire_at_ms =
      table->Put(key.hash, key.bytes, value, version, expire_at_ms);
  if (old_expire_at_ms == expire_at_ms) return;
  if (old_expire_at_ms != 0) {
    expiries_.Remove(key.slot, old_expire_at_ms, key.hash);
  }
  if (expire_at_ms != 0) expiries_.Add(key.slot, expire_at_ms, key.hash);
}

void Keyspace::SetExpiry(const Key& key, const Version& version,
                         int64_t expire_at_ms) {
  const Record* old = FindEvenIfDue(key);
  CHECK(old != nullptr);
  const int64_t old_expire_at_ms = old->expire_at_ms();
  NoteChange(ChangeKind::kKey, key.slot, key.hash);
  Change table(this, key.slot);
  table->SetExpiry(key.hash, key.bytes, version, expire_at_ms);
  if (old_expire_at_ms != 0) {
    expiries_.Remove(key.slot, old_expire_at_ms, key.hash);
  }
  if (expire_at_ms != 0) expiries_.Add(key.slot, expire_at_ms, key.hash);
}

void Keyspace::NoteRemoval(Slot slot, const Version& by) {
  if (by.none()) return;
  RestoreRemoval(slot, by);
  NoteChange(ChangeKind::kRemoval, slot, 0);
}

void Keyspace::RestoreRemoval(Slot slot, const Version& by) {
  Version& last = removals_[slot];
  const auto digest = [&](const Version& version) {
    if (version.none()) return uint64_t{0};
    const uint64_t place =
        HashWord(hash_key_, uint64_t{slot.value()} << 32 | version.position);
    return HashWord(HashWord(place, version.group.value()),
                    version.index.value());
  };
  removals_digest_ -= digest(last);
  last = by;
  removals_digest_ += digest(last);
}

std::vector<std::pair<Slot, Version>> Keyspace::Removals() const {
  std::vector<std::pair<Slot, Version>> noted;
  removals_.ForEach([&](Slot slot, const Version& last) {
    if (!last.none()) noted.emplace_back(slot, last);
  });
  return noted;
}

bool Keyspace::Erase(const Key& key, const Version& by) {
  const Record* old = FindEvenIfDue(key);
  if (old == nullptr) return false;
  const int64_t expire_at_ms = old->expire_at_ms();
  if (expire_at_ms != 0) expiries_.Remove(key.slot, expire_at_ms, key.hash);
  NoteChange(ChangeKind::kKey, key.slot, key.hash);
  Change table(this, key.slot);
  CHECK(table->Erase(key.hash, key.bytes));
  NoteRemoval(key.slot, by);
  return true;
}

void Keyspace::EraseExpired(const Key& key, const Version& by) {
  CHECK(Erase(key, by));
  ++keys_expired_;
}

void Keyspace::EraseHash(Slot slot, uint64_t hash) {
  const Table* const of = table(slot);
  if (of == nullptr) return;
  std::vector<std::string> keys;
  of->ForEachOfHash(
      hash, [&](const Record& record) { keys.emplace_back(record.key()); });
  for (const std::string& key : keys) {
    CHECK(Erase({.slot = slot, .bytes = key, .hash = hash}, Version{}));
  }
}

uint64_t Keyspace::DropSlot(Slot slot, const Version& by) {
  CHECK_LT(slot.value(), slot_count());
  Table* table = tables_.Find(slot);
  if (table == nullptr || !table->has_context()) return 0;
  const uint64_t removed = table->key_count();
  key_count_ -= removed;
  size_bytes_ -= table->size_bytes();
  digest_ -= table->digest();
  *table = Table();
  expiries_.Drop(slot);
  // A replica that was restored has no table without keys.
  if (removed == 0) return 0;
  NoteChange(ChangeKind::kCleared, slot, 0);
  NoteRemoval(slot, by);
  return removed;
}

uint64_t Keyspace::DropSlots(const SlotRange& slots, const Version& by) {
  CHECK_LT(slots.last.value(), slot_count());
  uint64_t removed = 0;
  ForEachTable(slots,
               [&](Slot slot, const Table&) { removed += DropSlot(slot, by); });
  return removed;
}

size_t Keyspace::Expire(int64_t now_ms, size_t count_max, const Version& by) {
  size_t removed = 0;
  while (removed < count_max && !expiries_.empty()) {
    const ExpiryIndex::Due due = expiries_.First();
    if (due.at_ms > now_ms) break;
    expiries_.Remove(due.of, due.at_ms, due.id);
    NoteChange(ChangeKind::kKey, due.of, due.id);
    Change table(this, due.of);
    CHECK(table->EraseExpired(due.id, due.at_ms)) << "slot " << due.of;
    NoteRemoval(due.of, by);
    ++removed;
  }
  keys_expired_ += removed;
  return removed;
}

ScanStep ScanTable(const Table& table, ScanPosition from, size_t count_max,
                   absl::FunctionRef<void(const Record&)> visit) {
  constexpr int kShift = 64 - ScanPosition::kBits;
  constexpr uint64_t kBehindPosition = (uint64_t{1} << kShift) - 1;
  const auto visit_record = [&](uint64_t, const Record& record) {
    visit(record);
  };
  uint64_t next = 0;
  bool more =
      table.ScanPages(from.value << kShift, count_max, visit_record, &next);
  // Visit the rest of the position: a cursor cannot express a place within one.
  while (more && (next & kBehindPosition) != 0) {
    more = table.ScanPages(next, 1, visit_record, &next);
  }
  if (!more) return {.done = true};
  return {.done = false, .next = {.value = next >> kShift}};
}

ScanStep Keyspace::Scan(Slot slot, ScanPosition from, size_t count_max,
                        absl::FunctionRef<void(const Record&)> visit) const {
  const Table* found = table(slot);
  if (found == nullptr) {
    const auto exists = [](const Table& table) { return table.has_context(); };
    return {.done = true,
            .next_slot = tables_.NextWhere(slot.value() + 1u, exists)};
  }
  return ScanTable(*found, from, count_max, visit);
}

uint64_t Keyspace::KeyCount(const SlotRange& slots) const {
  uint64_t count = 0;
  ForEachTable(slots,
               [&](Slot, const Table& table) { count += table.key_count(); });
  return count;
}

uint64_t Keyspace::SizeBytes(const SlotRange& slots) const {
  uint64_t bytes = 0;
  ForEachTable(slots,
               [&](Slot, const Table& table) { bytes += table.size_bytes(); });
  return bytes;
}

bool Keyspace::Reclaim(size_t pages_max) {
  const bool pages = context_->reclaimer.Step(pages_max);
  const bool expiries = expiries_.Step(pages_max * kPageKeysMax);
  return pages || expiries;
}

std::vector<std::pair<Slot, TableView>> Keyspace::TakeView() const {
  std::vector<std::pair<Slot, TableView>> views;
  ForEachTable(tables_.AllSlots(), [&](Slot slot, const Table& table) {
    if (table.key_count() > 0) views.emplace_back(slot, table.TakeView());
  });
  return views;
}

uint64_t Keyspace::RecomputeDigest() const {
  uint64_t digest = 0;
  ForEachTable(tables_.AllSlots(), [&](Slot, const Table& table) {
    uint64_t next = 0;
    const auto add = [&](uint64_t, const Record& record) {
      digest += Table::RecordDigest(hash_key_,
                                    KeyedHash(hash_key_, record.key()), record);
    };
    while (table.ScanPages(next, 1, add, &next)) {
    }
  });
  return digest;
}

}  // namespace quorate::kv
