// kv/store/table.h: the keys of one slot, in pages, iterated in the order of a
// keyed hash.
//
// A page holds up to PageBounds::keys keys whose hashes share a prefix, sorted
// by hash. It stores 16 bits of each hash; a record's hash is computed from its
// key where these bits are not enough. Pages hang in a trie of 64-way branches.
// A full page splits in two by the next bit of the hash, and two nearly empty
// neighbours merge. So every operation touches one page and a short path of
// branches, however many keys there are. Iteration order, digests and stored
// bytes depend on the keys alone, never on the history of splits.
//
// Copy on write: a TableView shares the whole table by adding one reference.
// The first write to a shared page or branch copies that page or branch. A
// PageReclaimer frees pages without references, a few at a time.
#ifndef QUORATE_KV_STORE_TABLE_H_
#define QUORATE_KV_STORE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kv/slots/keyed_hash.h"
#include "kv/store/page_bounds.h"
#include "kv/store/record.h"
#include "kv/store/record_pool.h"

namespace quorate::kv {

// Two neighbouring pages with at most this many keys together merge, if that is
// at most half of a page.
inline constexpr uint32_t kPageMergeKeysMax = 16;

struct PageCounters {
  uint64_t copied = 0;
  uint64_t split = 0;
  uint64_t merged = 0;
};

namespace table_internal {
struct TrieNode;
struct Page;
struct Branch;
}  // namespace table_internal

// Frees pages and branches that have no reference left, step by step.
class PageReclaimer {
 public:
  PageReclaimer() = default;
  ~PageReclaimer();
  PageReclaimer(const PageReclaimer&) = delete;
  PageReclaimer& operator=(const PageReclaimer&) = delete;

  // Drops one reference to `node`, which may be null. Keeps the node for
  // freeing if that was the last reference.
  void Drop(table_internal::TrieNode* node);
  // Frees up to `nodes_max` pages or nodes. False when nothing is left.
  bool Step(size_t nodes_max);
  bool idle() const { return dead_.empty(); }

 private:
  std::vector<table_internal::TrieNode*> dead_;
};

// Shared by the tables of one store and their views.
struct TableContext : std::enable_shared_from_this<TableContext> {
  using HashFunction = uint64_t (*)(uint64_t hash_key, std::string_view key);
  // Null: a pool of its own.
  explicit TableContext(uint64_t hash_key_of_store,
                        std::shared_ptr<RecordPool> record_pool = nullptr,
                        HashFunction hash_function = &KeyedHash,
                        uint32_t page_keys = kPageKeysMax);

  const uint64_t hash_key;
  const HashFunction hash;
  const uint32_t page_keys_max;
  const uint32_t merge_keys_max;
  const std::shared_ptr<RecordPool> pool;
  PageReclaimer reclaimer;  // Frees before the pool.
  PageCounters counters;
};

// An unchanging view of a table. Movable, not copyable.
class TableView {
 public:
  TableView() = default;
  TableView(table_internal::TrieNode* root,
            std::shared_ptr<TableContext> context);
  TableView(TableView&& other) noexcept;
  TableView& operator=(TableView&& other) noexcept;
  ~TableView();

  // Visits keys of the table as it was when the view was made; arguments and
  // result are those of Table::ScanPages.
  using Visit = absl::FunctionRef<void(uint64_t hash, const Record&)>;
  bool ScanPages(uint64_t from, size_t records_min, Visit visit,
                 uint64_t* next) const;

  // As in Table, for the table as it was when the view was made. A view without
  // a table has no key.
  uint64_t Hash(std::string_view key) const;
  const Record* Find(uint64_t hash, std::string_view key) const;

 private:
  friend class Table;

  table_internal::TrieNode* root_ = nullptr;
  std::shared_ptr<TableContext> context_;
};

// Movable, not copyable.
class Table {
 public:
  // A table without a context only compares as such: no other call is allowed.
  Table() = default;
  // `context` belongs to a shared_ptr and outlives the table.
  explicit Table(TableContext* context);
  ~Table();
  Table(Table&& other) noexcept;
  Table& operator=(Table&& other) noexcept;

  bool has_context() const { return context_ != nullptr; }

  uint64_t Hash(std::string_view key) const;

  // Returns null if the key is absent. The record is valid until the next
  // change of the table. `hash` is Hash(key) in all calls.
  const Record* Find(uint64_t hash, std::string_view key) const;

  // Calls visit(record) for each key that has this hash.
  void ForEachOfHash(uint64_t hash,
                     absl::FunctionRef<void(const Record&)> visit) const;

  // The way of Find(hash, …), in steps. Each step reads what the step before
  // began to bring into the processor's cache, so the steps of several keys
  // overlap. It changes nothing. Valid until the table changes.
  class Probe {
   public:
    Probe() = default;
    // `table` may be null.
    Probe(const Table* table, uint64_t hash)
        : Probe(table == nullptr ? nullptr : table->root_, hash) {}
    Probe(const TableView& view, uint64_t hash) : Probe(view.root_, hash) {}
    // Returns false at the end.
    bool Step();

   private:
    Probe(const table_internal::TrieNode* root, uint64_t hash);

    const table_internal::TrieNode* node_ = nullptr;  // Null: at the end.
    uint64_t hash_ = 0;
    bool at_entry_ = false;  // The entry of the page is on its way.
  };

  // Brings the root into the processor's cache.
  void PrefetchRoot() const { __builtin_prefetch(root_); }

  // Inserts or replaces. Neither key nor value may point into the table's own
  // record of that key, unless the new value differs in size from the present
  // one. Returns the expiry of the record before; 0 if there was none.
  int64_t Put(uint64_t hash, std::string_view key, const ValueSource& value,
              const Version& version, int64_t expire_at_ms);
  // Changes expiry and version of a key, not its value. Requires: the key is
  // present.
  void SetExpiry(uint64_t hash, std::string_view key, const Version& version,
                 int64_t expire_at_ms);
  // Returns false if the key was absent.
  bool Erase(uint64_t hash, std::string_view key);
  // Erases one key that has this hash and this expiry. Returns false if there
  // is none. For the expiry index, which stores hashes only.
  bool EraseExpired(uint64_t hash, int64_t expire_at_ms);

  // Visits the keys with hash >= `from` in the order of (hash, key), page by
  // page, until at least `records_min` keys were visited. Returns false at the
  // end of the table; else *next is the hash to continue from. All keys of one
  // hash are visited in one call.
  using Visit = TableView::Visit;
  bool ScanPages(uint64_t from, size_t records_min, Visit visit,
                 uint64_t* next) const;

  TableView TakeView() const;

  uint64_t key_count() const { return key_count_; }
  uint64_t size_bytes() const { return size_bytes_; }
  // Sum of RecordDigest over all keys, modulo 2^64.
  uint64_t digest() const { return digest_; }

  // Digest of a record: key (by its hash), value, expiry and version. Reads the
  // whole value.
  static uint64_t RecordDigest(uint64_t hash_key, uint64_t hash,
                               const Record& record);

 private:
  struct PagePath;

  // Descends to the page of `hash`. Copies each shared node on the way, so that
  // the path belongs to this table alone.
  PagePath FindForWrite(uint64_t hash);
  void Link(table_internal::Branch* parent, uint64_t hash,
            table_internal::TrieNode* child);
  void Widen(PagePath* path, uint64_t hash);
  void Split(PagePath* path, uint64_t hash);
  void Resize(PagePath* path, uint64_t hash, uint32_t capacity);
  Record* Replace(table_internal::Page* page, uint32_t at, std::string_view key,
                  const ValueSource& value, const Version& version,
                  int64_t expire_at_ms);
  void Insert(PagePath* path, uint64_t hash, Record* record);
  void MergeUpwards(PagePath path, uint64_t hash);
  table_internal::TrieNode* Unshare(table_internal::TrieNode* node);
  void EraseAt(PagePath path, uint32_t at, uint64_t hash);
  // Stores the hash of a long value in the record.
  void UpdateTotals(uint64_t hash, Record* record, bool added);

  TableContext* context_ = nullptr;
  table_internal::TrieNode* root_ = nullptr;
  uint64_t key_count_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t digest_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_TABLE_H_
