// kv/store/table.h: the keys of one slot: a hash table whose iteration order is that
// of a keyed hash, in pages.
//
// A page holds up to kPageKeysMax keys whose hashes share a prefix, sorted by
// hash. Pages hang in a trie of 64-way nodes; a full page splits in two by the
// next bit of the hash, and two that became nearly empty merge, so that no
// operation ever touches more than one page and a path of a few nodes, however
// many keys there are. What is iterated, digested and stored depends on the
// keys alone, never on the history of splits.
//
// Copy on write: a TableView shares the whole table for the price of one count;
// the first write to a shared page or node copies just that. What the last
// holder lets go is freed by a Reaper, a few pages at a time.
#ifndef QUORATE_KV_STORE_TABLE_H_
#define QUORATE_KV_STORE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kv/store/record.h"

namespace quorate::kv {

inline constexpr uint32_t kPageKeysMax = 64;
// Two neighbouring pages that hold no more than so many keys together become
// one.
inline constexpr uint32_t kPageMergeKeysMax = 16;

struct PageCounters {
  uint64_t copied = 0;
  uint64_t split = 0;
  uint64_t merged = 0;
};

namespace table_internal {
struct Node;
struct Page;
struct Branch;
}  // namespace table_internal

// Takes pages that nobody holds any more and frees them step by step.
class Reaper {
 public:
  Reaper() = default;
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // Drops one reference to `node` (null: nothing) and keeps it for freeing if
  // that was the last.
  void Drop(table_internal::Node* node);
  // Frees up to `nodes_max` pages or nodes. False when nothing is left.
  bool Step(size_t nodes_max);
  bool idle() const { return dead_.empty(); }

 private:
  std::vector<table_internal::Node*> dead_;
};

// A table as it was at one moment. Values may be moved, not copied.
class TableView {
 public:
  TableView() = default;
  TableView(table_internal::Node* root, std::shared_ptr<Reaper> reaper);
  TableView(TableView&& other) noexcept;
  TableView& operator=(TableView&& other) noexcept;
  ~TableView();

  // See Table::Scan.
  using Visit = absl::FunctionRef<void(uint64_t hash, const Record&)>;
  bool ScanPages(uint64_t from, size_t records_min, Visit visit,
                 uint64_t* next) const;

 private:
  table_internal::Node* root_ = nullptr;
  std::shared_ptr<Reaper> reaper_;
};

class Table {
 public:
  // All tables of a store share key, reaper and counters; the latter two
  // outlive them.
  Table(uint64_t hash_key, std::shared_ptr<Reaper> reaper,
        PageCounters* counters);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  uint64_t Hash(std::string_view key) const;

  // Null if it is not there. Valid until the next change of the table. `hash`
  // is Hash(key) in all calls.
  const Record* Find(uint64_t hash, std::string_view key) const;

  // Hints for the processor's cache, in this order, other work in between:
  // what Find(hash, …) will look at. They change and read nothing that counts.
  void PrefetchRoot() const;
  void PrefetchRecord(uint64_t hash) const;

  // Inserts or replaces. Neither key nor value may point into the table's own
  // record of that key, unless the value's size differs from the present one.
  void Put(uint64_t hash, std::string_view key, const ValueSource& value,
           const Version& version, int64_t expire_at_ms);
  // Changes expiry and version of a key that is there, not its value.
  void SetExpiry(uint64_t hash, std::string_view key, const Version& version,
                 int64_t expire_at_ms);
  // False if it was not there.
  bool Erase(uint64_t hash, std::string_view key);
  // Erases one key of this hash that has this expiry; false if there is none.
  // For expiry, which remembers hashes only.
  bool EraseExpired(uint64_t hash, int64_t expire_at_ms);

  // Visits, in the order of (hash, key), the keys with hash >= from, page by
  // page, until at least `records_min` were visited. False if that was the end;
  // else *next is the hash to go on from: keys of one hash are never torn
  // apart.
  using Visit = TableView::Visit;
  bool ScanPages(uint64_t from, size_t records_min, Visit visit,
                 uint64_t* next) const;

  TableView Share() const;

  uint64_t key_count() const { return key_count_; }
  uint64_t size_bytes() const { return size_bytes_; }
  // Sum of RecordDigest over all keys, modulo 2^64.
  uint64_t digest() const { return digest_; }

  // Of key (by its hash), value, expiry and version.
  static uint64_t RecordDigest(uint64_t hash_key, uint64_t hash,
                               const Record& record);

 private:
  struct Place;

  // Descends to the page of `hash`, making every node on the way this table's
  // own.
  Place FindForWrite(uint64_t hash);
  void Link(table_internal::Branch* parent, uint64_t hash,
            table_internal::Node* child);
  void Split(Place* place, uint64_t hash);
  void Grow(Place* place, uint64_t hash);
  void MergeUpwards(Place place, uint64_t hash);
  table_internal::Node* Own(table_internal::Node* node);
  void EraseAt(const Place& place, uint32_t at, uint64_t hash);
  void Account(uint64_t hash, const Record& record, bool added);

  uint64_t hash_key_;
  std::shared_ptr<Reaper> reaper_;
  PageCounters* counters_;
  table_internal::Node* root_ = nullptr;
  uint64_t key_count_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t digest_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_TABLE_H_
