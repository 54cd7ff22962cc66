#include "kv/store/table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {
namespace table_internal {

// The most bits of the hash that one branch decides.
constexpr uint32_t kBranchBits = 6;
// A page whose keys share this many bits grows instead of splitting, so that a
// scan position of 48 bits can name every page.
constexpr uint32_t kPageDepthMax = 48;
constexpr uint32_t kPathMax = kPageDepthMax / kBranchBits;
// Capacities of pages: with these, a page fills a size class of jemalloc.
constexpr auto kPageCapacities = std::to_array<uint32_t>(
    {4, 6, 8, 10, 12, 14, 18, 22, 26, 30, 38, 46, 54, kPageKeysMax});

struct TrieNode {
  uint32_t references = 1;
  bool is_page = false;
  // In a page: the number of bits that the hashes of its keys share. In a
  // branch: the number of bits decided above it, a multiple of kBranchBits.
  uint8_t depth = 0;
  // In a branch: the number of bits that it decides.
  uint8_t bits = 0;
};

// A record and its tag, in one word: pointers of programs have 48 bits.
class PageEntry {
 public:
  PageEntry(uint64_t tag, Record* record)
      : word_(tag << kPointerBits | reinterpret_cast<uintptr_t>(record)) {
    CHECK_EQ(reinterpret_cast<uintptr_t>(record) & ~kPointerMask, uintptr_t{0});
  }
  uint64_t tag() const { return word_ >> kPointerBits; }
  Record* record() const {
    return reinterpret_cast<Record*>(word_ & kPointerMask);
  }

 private:
  static constexpr int kPointerBits = 48;
  static constexpr uint64_t kPointerMask = (uint64_t{1} << kPointerBits) - 1;
  uint64_t word_;
};
static_assert(sizeof(PageEntry) == 8);

// Followed in memory by entries[capacity]. The first `count` are in use, sorted
// by (hash, key) of their records.
struct Page : TrieNode {
  uint32_t count = 0;
  uint32_t capacity = 0;

  PageEntry* entries() { return reinterpret_cast<PageEntry*>(this + 1); }
  const PageEntry* entries() const {
    return reinterpret_cast<const PageEntry*>(this + 1);
  }
  Record* record(uint32_t at) const { return entries()[at].record(); }
};
static_assert(sizeof(Page) == 16);

// Followed in memory by 2^bits children. A page of depth l below a branch of
// depth d fills 2^(d + bits - l) neighbouring children, and counts as one
// reference. A branch below a branch fills one child. A branch begins with one
// bit; the number of bits grows up to kBranchBits before a page below gets a
// branch of its own.
struct Branch : TrieNode {
  uint32_t child_count() const { return uint32_t{1} << bits; }
  TrieNode** children() { return reinterpret_cast<TrieNode**>(this + 1); }
  TrieNode* const* children() const {
    return reinterpret_cast<TrieNode* const*>(this + 1);
  }
};
static_assert(sizeof(Branch) == 8);

namespace {

uint32_t CapacityFor(uint32_t count) {
  for (const uint32_t capacity : kPageCapacities) {
    if (capacity >= count) return capacity;
  }
  return count * 2;  // A page at kPageDepthMax.
}

Page* NewPage(uint32_t depth, uint32_t capacity) {
  void* block = ::operator new(sizeof(Page) + capacity * sizeof(PageEntry));
  Page* page = new (block) Page();
  page->is_page = true;
  page->depth = static_cast<uint8_t>(depth);
  page->capacity = capacity;
  return page;
}

// Frees the page alone, not its records.
void DeletePage(Page* page) { ::operator delete(page); }

Branch* NewBranch(uint32_t depth, uint32_t bits) {
  void* block =
      ::operator new(sizeof(Branch) + (size_t{1} << bits) * sizeof(TrieNode*));
  Branch* branch = new (block) Branch();
  branch->depth = static_cast<uint8_t>(depth);
  branch->bits = static_cast<uint8_t>(bits);
  return branch;
}

// Frees the branch alone, not its children.
void DeleteBranch(Branch* branch) { ::operator delete(branch); }

uint32_t RunLength(const Branch& branch, const TrieNode& child) {
  if (!child.is_page) return 1;
  return branch.child_count() >> (child.depth - branch.depth);
}

uint32_t ChildIndex(const Branch& branch, uint64_t hash) {
  return static_cast<uint32_t>((hash << branch.depth) >> (64 - branch.bits));
}

uint32_t RunStart(const Branch& branch, const TrieNode& child, uint64_t hash) {
  return ChildIndex(branch, hash) & ~(RunLength(branch, child) - 1);
}

void SetRun(Branch* branch, uint32_t start, uint32_t length, TrieNode* child) {
  std::fill_n(branch->children() + start, length, child);
}

uint64_t HashOf(const TableContext& context, const Record& record) {
  return context.hash(context.hash_key, record.key());
}

// The first hash bit of a page's tags. It changes with every kBranchBits splits
// only, so few splits compute
// tags again.
uint32_t TagBit(uint32_t depth) { return depth - depth % kBranchBits; }

uint64_t TagOf(uint64_t hash, uint32_t depth) {
  return (hash << TagBit(depth)) >> 48;
}

void PrefetchRecords(const Page& page) {
  for (uint32_t i = 0; i < page.count; ++i) {
    __builtin_prefetch(page.record(i));
  }
}

// Computes the tags of all entries, after a change of TagBit.
void SetTags(const TableContext& context, Page* page) {
  PrefetchRecords(*page);
  for (uint32_t i = 0; i < page->count; ++i) {
    Record* record = page->record(i);
    page->entries()[i] =
        PageEntry(TagOf(HashOf(context, *record), page->depth), record);
  }
}

// Hashes are uniform, so the place by proportion is a few positions off.
uint32_t GuessedPlace(const Page& page, uint64_t hash) {
  const uint64_t fraction = (hash << page.depth) >> 32;
  return static_cast<uint32_t>((fraction * page.count) >> 32);
}

// The first index whose tag is at least that of `hash`.
uint32_t LowerBound(const Page& page, uint64_t hash) {
  const PageEntry* entries = page.entries();
  const uint64_t tag = TagOf(hash, page.depth);
  uint32_t at = GuessedPlace(page, hash);
  while (at > 0 && entries[at - 1].tag() >= tag) --at;
  while (at < page.count && entries[at].tag() < tag) ++at;
  return at;
}

// The index of the key; page.count if the key is absent.
uint32_t FindKey(const Page& page, uint64_t hash, std::string_view key) {
  const uint64_t tag = TagOf(hash, page.depth);
  for (uint32_t at = LowerBound(page, hash);
       at < page.count && page.entries()[at].tag() == tag; ++at) {
    if (page.record(at)->key() == key) return at;
  }
  return page.count;
}

// The first index whose (hash, key) is at least the given one. Reads records
// only where tags are equal.
uint32_t LowerBound(const TableContext& context, const Page& page,
                    uint64_t hash, std::string_view key) {
  const uint64_t tag = TagOf(hash, page.depth);
  uint32_t at = LowerBound(page, hash);
  while (at < page.count && page.entries()[at].tag() == tag) {
    const Record& record = *page.record(at);
    if (std::pair(HashOf(context, record), record.key()) >=
        std::pair(hash, key)) {
      break;
    }
    ++at;
  }
  return at;
}

const Page* FindPage(const TrieNode* node, uint64_t hash) {
  while (!node->is_page) {
    const auto* branch = static_cast<const Branch*>(node);
    node = branch->children()[ChildIndex(*branch, hash)];
  }
  return static_cast<const Page*>(node);
}

// Returns null if the key is absent. `root` may be null.
const Record* FindRecord(const TrieNode* root, uint64_t hash,
                         std::string_view key) {
  if (root == nullptr) return nullptr;
  const Page& page = *FindPage(root, hash);
  const uint32_t at = FindKey(page, hash, key);
  return at < page.count ? page.record(at) : nullptr;
}

// The least hash above all hashes that the page of `hash` may hold; 0 for the
// last page.
uint64_t EndOfPage(const Page& page, uint64_t hash) {
  if (page.depth == 0) return 0;
  const uint32_t low_bits = 64 - page.depth;
  return ((hash >> low_bits) + 1) << low_bits;
}

TrieNode* CopyOf(const TrieNode& node) {
  if (!node.is_page) {
    const auto& branch = static_cast<const Branch&>(node);
    Branch* copy = NewBranch(branch.depth, branch.bits);
    std::copy_n(branch.children(), branch.child_count(), copy->children());
    for (uint32_t i = 0; i < copy->child_count();
         i += RunLength(*copy, *copy->children()[i])) {
      ++copy->children()[i]->references;
    }
    return copy;
  }
  const auto& page = static_cast<const Page&>(node);
  Page* copy = NewPage(page.depth, page.capacity);
  copy->count = page.count;
  std::copy_n(page.entries(), page.count, copy->entries());
  PrefetchRecords(page);  // So that the cache misses of counting overlap.
  for (uint32_t i = 0; i < page.count; ++i) copy->record(i)->Ref();
  return copy;
}

bool ScanPagesOf(const TableContext& context, const TrieNode* root,
                 uint64_t from, size_t records_min, Table::Visit visit,
                 uint64_t* next) {
  if (root == nullptr) return false;
  size_t visited = 0;
  while (true) {
    const Page& page = *FindPage(root, from);
    PrefetchRecords(page);
    for (uint32_t at = LowerBound(context, page, from, ""); at < page.count;
         ++at) {
      const Record& record = *page.record(at);
      visit(HashOf(context, record), record);
      ++visited;
    }
    ++visited;  // An empty page counts as well: visiting it takes time.
    const uint64_t end = EndOfPage(page, from);
    if (end == 0) return false;
    from = end;
    if (visited >= records_min) {
      *next = from;
      return true;
    }
  }
}

}  // namespace
}  // namespace table_internal

using table_internal::Branch;
using table_internal::Page;
using table_internal::PageEntry;
using table_internal::TrieNode;

PageReclaimer::~PageReclaimer() {
  while (Step(1024)) {
  }
}

void PageReclaimer::Drop(TrieNode* node) {
  if (node != nullptr && --node->references == 0) dead_.push_back(node);
}

bool PageReclaimer::Step(size_t nodes_max) {
  for (; nodes_max > 0 && !dead_.empty(); --nodes_max) {
    TrieNode* node = dead_.back();
    dead_.pop_back();
    if (node->is_page) {
      auto* page = static_cast<Page*>(node);
      table_internal::PrefetchRecords(*page);
      for (uint32_t i = 0; i < page->count; ++i) page->record(i)->Unref();
      table_internal::DeletePage(page);
      continue;
    }
    auto* branch = static_cast<Branch*>(node);
    for (uint32_t i = 0; i < branch->child_count();) {
      TrieNode* child = branch->children()[i];
      i += table_internal::RunLength(*branch, *child);
      Drop(child);
    }
    table_internal::DeleteBranch(branch);
  }
  return !dead_.empty();
}

TableContext::TableContext(uint64_t hash_key_of_store,
                           std::shared_ptr<RecordPool> record_pool,
                           HashFunction hash_function, uint32_t page_keys)
    : hash_key(hash_key_of_store),
      hash(hash_function),
      page_keys_max(page_keys),
      merge_keys_max(std::min(kPageMergeKeysMax, page_keys / 2)),
      pool(record_pool != nullptr ? std::move(record_pool)
                                  : std::make_shared<RecordPool>()) {}

TableView::TableView(TrieNode* root, std::shared_ptr<TableContext> context)
    : root_(root), context_(std::move(context)) {
  if (root_ != nullptr) ++root_->references;
}

TableView::TableView(TableView&& other) noexcept
    : root_(std::exchange(other.root_, nullptr)),
      context_(std::move(other.context_)) {}

TableView& TableView::operator=(TableView&& other) noexcept {
  std::swap(root_, other.root_);
  std::swap(context_, other.context_);
  return *this;
}

TableView::~TableView() {
  if (context_ != nullptr) context_->reclaimer.Drop(root_);
}

bool TableView::ScanPages(uint64_t from, size_t records_min, Visit visit,
                          uint64_t* next) const {
  return table_internal::ScanPagesOf(*context_, root_, from, records_min, visit,
                                     next);
}

uint64_t TableView::Hash(std::string_view key) const {
  return context_ == nullptr ? 0 : context_->hash(context_->hash_key, key);
}

const Record* TableView::Find(uint64_t hash, std::string_view key) const {
  return table_internal::FindRecord(root_, hash, key);
}

// The page of a hash and the branches above it, all unshared.
struct Table::PagePath {
  std::array<Branch*, table_internal::kPathMax> branches;
  uint32_t branch_count = 0;
  Page* page = nullptr;

  Branch* parent() const { return Ancestor(1); }
  // The branch `levels` above the page; null if the root is below it.
  Branch* Ancestor(uint32_t levels) const {
    return branch_count < levels ? nullptr : branches[branch_count - levels];
  }
};

Table::Table(TableContext* context) : context_(context) {
  CHECK(context_ != nullptr);
}

Table::~Table() {
  if (context_ != nullptr) context_->reclaimer.Drop(root_);
}

Table::Table(Table&& other) noexcept { *this = std::move(other); }

Table& Table::operator=(Table&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(root_, other.root_);
  std::swap(key_count_, other.key_count_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(digest_, other.digest_);
  return *this;
}

uint64_t Table::Hash(std::string_view key) const {
  return context_->hash(context_->hash_key, key);
}

namespace {

uint64_t HashOfValue(uint64_t hash_key, const Record& record) {
  return KeyedHash(hash_key + 1, record.value());
}

uint64_t DigestOf(uint64_t hash, const Record& record, uint64_t value_hash) {
  const Version version = record.version();
  const uint64_t position_bits =
      uint64_t{version.group.value()} << 32 | uint64_t{version.position};
  // Both hashes are uniform, so a client cannot make a factor zero.
  uint64_t digest =
      FoldMultiply(hash ^ version.index.value(),
                   value_hash ^ static_cast<uint64_t>(record.expire_at_ms()));
  return HashWord(digest, position_bits);
}

}  // namespace

uint64_t Table::RecordDigest(uint64_t hash_key, uint64_t hash,
                             const Record& record) {
  return DigestOf(hash, record, HashOfValue(hash_key, record));
}

void Table::UpdateTotals(uint64_t hash, Record* record, bool added) {
  uint64_t value_hash = record->value_hash();
  if (value_hash == 0) {
    value_hash = HashOfValue(context_->hash_key, *record);
    record->SetValueHash(value_hash);
  }
  const uint64_t digest = DigestOf(hash, *record, value_hash);
  if (added) {
    ++key_count_;
    size_bytes_ += record->size_bytes();
    digest_ += digest;
  } else {
    --key_count_;
    size_bytes_ -= record->size_bytes();
    digest_ -= digest;
  }
}

const Record* Table::Find(uint64_t hash, std::string_view key) const {
  return table_internal::FindRecord(root_, hash, key);
}

void Table::ForEachOfHash(uint64_t hash,
                          absl::FunctionRef<void(const Record&)> visit) const {
  if (root_ == nullptr) return;
  const Page& page = *table_internal::FindPage(root_, hash);
  for (uint32_t at = table_internal::LowerBound(*context_, page, hash, "");
       at < page.count; ++at) {
    const Record& record = *page.record(at);
    if (table_internal::HashOf(*context_, record) != hash) return;
    visit(record);
  }
}

Table::Probe::Probe(const TrieNode* root, uint64_t hash)
    : node_(root), hash_(hash) {
  __builtin_prefetch(node_);
}

bool Table::Probe::Step() {
  if (node_ == nullptr) return false;
  if (!node_->is_page) {
    const auto* branch = static_cast<const Branch*>(node_);
    node_ = branch->children()[table_internal::ChildIndex(*branch, hash_)];
    __builtin_prefetch(node_);
    return true;
  }
  const auto& page = *static_cast<const Page*>(node_);
  if (!std::exchange(at_entry_, true)) {
    __builtin_prefetch(page.entries() +
                       table_internal::GuessedPlace(page, hash_));
    return true;
  }
  node_ = nullptr;
  const uint32_t at = table_internal::LowerBound(page, hash_);
  if (at == page.count) return false;
  const char* record = reinterpret_cast<const char*>(page.record(at));
  __builtin_prefetch(record);
  __builtin_prefetch(record + 64);
  // A short value ends here, wherever its cache line begins.
  __builtin_prefetch(record + 127);
  return false;
}

TrieNode* Table::Unshare(TrieNode* node) {
  if (node->references == 1) return node;
  TrieNode* copy = table_internal::CopyOf(*node);
  --node->references;
  ++context_->counters.copied;
  return copy;
}

// Links `child` into `parent` at the position of `hash`; null: at the root.
void Table::Link(Branch* parent, uint64_t hash, TrieNode* child) {
  if (parent == nullptr) {
    root_ = child;
    return;
  }
  table_internal::SetRun(parent,
                         table_internal::RunStart(*parent, *child, hash),
                         table_internal::RunLength(*parent, *child), child);
}

Table::PagePath Table::FindForWrite(uint64_t hash) {
  PagePath path;
  if (root_ == nullptr) {
    root_ = table_internal::NewPage(0, table_internal::kPageCapacities[0]);
  }
  TrieNode* node = root_;
  while (true) {
    TrieNode* own = Unshare(node);
    if (own != node) Link(path.parent(), hash, own);
    if (own->is_page) {
      path.page = static_cast<Page*>(own);
      return path;
    }
    auto* branch = static_cast<Branch*>(own);
    CHECK_LT(path.branch_count, table_internal::kPathMax);
    path.branches[path.branch_count++] = branch;
    node = branch->children()[table_internal::ChildIndex(*branch, hash)];
  }
}

// Makes the page of `path` fill at least two children of its parent.
void Table::Widen(PagePath* path, uint64_t hash) {
  Page* page = path->page;
  if (page->depth % table_internal::kBranchBits == 0) {
    // Insert a branch between the page and its parent.
    Branch* branch = table_internal::NewBranch(page->depth, 1);
    Link(path->parent(), hash, branch);
    std::fill_n(branch->children(), branch->child_count(), page);
    path->branches[path->branch_count++] = branch;
    return;
  }
  Branch* narrow = path->parent();
  if (page->depth < narrow->depth + narrow->bits) return;
  Branch* wide = table_internal::NewBranch(narrow->depth, narrow->bits + 1u);
  for (uint32_t i = 0; i < wide->child_count(); ++i) {
    wide->children()[i] = narrow->children()[i / 2];
  }
  Link(path->Ancestor(2), hash, wide);
  path->branches[path->branch_count - 1] = wide;
  table_internal::DeleteBranch(narrow);
}

// Splits the page of `path` by its next bit. Afterwards `path` has the half of
// `hash`.
void Table::Split(PagePath* path, uint64_t hash) {
  Page* page = path->page;
  const uint32_t depth = page->depth;
  CHECK_LT(depth, table_internal::kPageDepthMax);
  Widen(path, hash);
  const uint64_t bit = uint64_t{1} << (63 - depth);
  // Tags begin at the branch's first bit, so the bit is one of the first six.
  const uint64_t tag_bit = table_internal::TagOf(bit, depth);
  PageEntry* entries = page->entries();
  const auto cut = static_cast<uint32_t>(
      std::partition_point(
          entries, entries + page->count,
          [&](PageEntry entry) { return (entry.tag() & tag_bit) == 0; }) -
      entries);
  const auto half = [&](uint32_t first, uint32_t count, uint64_t of) {
    // One entry more, since the caller inserts one.
    Page* made = table_internal::NewPage(
        depth + 1, table_internal::CapacityFor(count + 1));
    made->count = count;
    std::copy_n(entries + first, count, made->entries());
    if (table_internal::TagBit(depth + 1) != table_internal::TagBit(depth)) {
      table_internal::SetTags(*context_, made);
    }
    Link(path->parent(), of, made);
    return made;
  };
  Page* low = half(0, cut, hash & ~bit);
  Page* high = half(cut, page->count - cut, hash | bit);
  path->page = (hash & bit) != 0 ? high : low;
  table_internal::DeletePage(page);
  ++context_->counters.split;
}

// Replaces the page by one of another capacity.
void Table::Resize(PagePath* path, uint64_t hash, uint32_t capacity) {
  Page* page = path->page;
  Page* resized = table_internal::NewPage(page->depth, capacity);
  resized->count = page->count;
  std::copy_n(page->entries(), page->count, resized->entries());
  Link(path->parent(), hash, resized);
  table_internal::DeletePage(page);
  path->page = resized;
}

// Inserts a record whose key is absent.
void Table::Insert(PagePath* path, uint64_t hash, Record* record) {
  while (path->page->count >= context_->page_keys_max &&
         path->page->depth < table_internal::kPageDepthMax) {
    Split(path, hash);
  }
  if (path->page->count == path->page->capacity) {
    Resize(path, hash, table_internal::CapacityFor(path->page->count + 1));
  }
  Page* page = path->page;
  const uint32_t at =
      table_internal::LowerBound(*context_, *page, hash, record->key());
  PageEntry* entries = page->entries();
  std::copy_backward(entries + at, entries + page->count,
                     entries + page->count + 1);
  entries[at] = PageEntry(table_internal::TagOf(hash, page->depth), record);
  ++page->count;
  UpdateTotals(hash, record, /*added=*/true);
}

int64_t Table::Put(uint64_t hash, std::string_view key,
                   const ValueSource& value, const Version& version,
                   int64_t expire_at_ms) {
  PagePath path = FindForWrite(hash);
  Page* page = path.page;
  const uint32_t at = table_internal::FindKey(*page, hash, key);
  if (at == page->count) {
    Insert(
        &path, hash,
        Record::Make(context_->pool.get(), key, value, version, expire_at_ms));
    return 0;
  }
  Record* record = page->record(at);
  const int64_t old_expire_at_ms = record->expire_at_ms();
  UpdateTotals(hash, record, /*added=*/false);
  if (!record->shared() && record->Fits(value, expire_at_ms)) {
    record->SetValue(value);
    record->SetVersion(version);
    record->SetExpiry(expire_at_ms);
  } else {
    record = Replace(page, at, key, value, version, expire_at_ms);
  }
  UpdateTotals(hash, record, /*added=*/true);
  return old_expire_at_ms;
}

// Puts a new record at the place of another one of the same key.
Record* Table::Replace(Page* page, uint32_t at, std::string_view key,
                       const ValueSource& value, const Version& version,
                       int64_t expire_at_ms) {
  PageEntry& entry = page->entries()[at];
  Record* fresh =
      Record::Make(context_->pool.get(), key, value, version, expire_at_ms);
  entry.record()->Unref();
  entry = PageEntry(entry.tag(), fresh);
  return fresh;
}

void Table::SetExpiry(uint64_t hash, std::string_view key,
                      const Version& version, int64_t expire_at_ms) {
  const PagePath path = FindForWrite(hash);
  Page* page = path.page;
  const uint32_t at = table_internal::FindKey(*page, hash, key);
  CHECK_LT(at, page->count);
  Record* record = page->record(at);
  UpdateTotals(hash, record, /*added=*/false);
  const uint64_t value_hash = record->value_hash();
  if (record->shared() || !record->FitsExpiry(expire_at_ms)) {
    const ValueSource value{
        .head = record->buffer() != nullptr ? "" : record->value(),
        .shared = record->buffer()};
    record = Replace(page, at, record->key(), value, version, expire_at_ms);
    record->SetValueHash(value_hash);
  } else {
    record->SetVersion(version);
    record->SetExpiry(expire_at_ms);
  }
  UpdateTotals(hash, record, /*added=*/true);
}

bool Table::Erase(uint64_t hash, std::string_view key) {
  if (Find(hash, key) == nullptr) return false;
  const PagePath path = FindForWrite(hash);
  EraseAt(path, table_internal::FindKey(*path.page, hash, key), hash);
  return true;
}

bool Table::EraseExpired(uint64_t hash, int64_t expire_at_ms) {
  if (root_ == nullptr) return false;
  const Page& page = *table_internal::FindPage(root_, hash);
  uint32_t at = table_internal::LowerBound(*context_, page, hash, "");
  for (; at < page.count; ++at) {
    const Record& record = *page.record(at);
    if (table_internal::HashOf(*context_, record) != hash) return false;
    if (record.expire_at_ms() == expire_at_ms) break;
  }
  if (at == page.count) return false;
  EraseAt(FindForWrite(hash), at, hash);
  return true;
}

void Table::EraseAt(PagePath path, uint32_t at, uint64_t hash) {
  Page* page = path.page;
  Record* record = page->record(at);
  UpdateTotals(hash, record, /*added=*/false);
  record->Unref();
  PageEntry* entries = page->entries();
  std::copy(entries + at + 1, entries + page->count, entries + at);
  --page->count;
  // A page shrinks when half of it is free, and keeps some room, so that the
  // next key does not make it grow.
  const uint32_t capacity =
      table_internal::CapacityFor(page->count + page->count / 4 + 1);
  if (page->count * 2 < page->capacity && capacity < page->capacity) {
    Resize(&path, hash, capacity);
  }
  if (path.page->count <= context_->merge_keys_max) MergeUpwards(path, hash);
}

// Merges the page of `path` with its neighbour while both are nearly empty, and
// removes branches that hold a single page.
void Table::MergeUpwards(PagePath path, uint64_t hash) {
  Page* page = path.page;
  while (path.parent() != nullptr) {
    Branch* branch = path.parent();
    const uint32_t run = table_internal::RunLength(*branch, *page);
    const uint32_t start = table_internal::RunStart(*branch, *page, hash);
    TrieNode* other = branch->children()[start ^ run];
    if (!other->is_page || other->depth != page->depth) return;
    auto* high = static_cast<Page*>(other);
    if (page->count + high->count > context_->merge_keys_max) return;
    Page* low = page;
    if (start & run) std::swap(low, high);
    page = table_internal::NewPage(
        low->depth - 1, table_internal::CapacityFor(low->count + high->count));
    for (Page* half : {low, high}) {
      std::copy_n(half->entries(), half->count, page->entries() + page->count);
      page->count += half->count;
      if (half->references == 1) {
        table_internal::DeletePage(half);
        continue;
      }
      for (uint32_t i = 0; i < half->count; ++i) half->record(i)->Ref();
      --half->references;
    }
    if (table_internal::TagBit(page->depth) !=
        table_internal::TagBit(page->depth + 1)) {
      table_internal::SetTags(*context_, page);
    }
    ++context_->counters.merged;
    if (page->depth == branch->depth) {
      --path.branch_count;
      table_internal::DeleteBranch(branch);
    }
    Link(path.parent(), hash, page);
  }
  if (page->count == 0) {
    table_internal::DeletePage(page);
    root_ = nullptr;
  }
}

bool Table::ScanPages(uint64_t from, size_t records_min, Visit visit,
                      uint64_t* next) const {
  return table_internal::ScanPagesOf(*context_, root_, from, records_min, visit,
                                     next);
}

TableView Table::TakeView() const {
  return TableView(root_, context_->weak_from_this().lock());
}

}  // namespace quorate::kv
