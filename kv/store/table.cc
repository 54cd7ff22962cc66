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

// Bits of the hash that one branch decides.
constexpr uint32_t kBranchBits = 6;
constexpr uint32_t kBranchChildren = 1 << kBranchBits;
// A page whose keys share this many bits grows instead of splitting, so that a
// scan position of 48 bits can name every page.
constexpr uint32_t kPageDepthMax = 48;
constexpr uint32_t kPathMax = kPageDepthMax / kBranchBits;
constexpr uint32_t kPageCapacityMin = 4;

struct TrieNode {
  uint32_t references = 1;
  bool is_page = false;
  // In a page: the number of bits that the hashes of its keys share. In a
  // branch: the number of bits decided above it, a multiple of kBranchBits.
  uint8_t depth = 0;
};

// Followed in memory by hashes[capacity] and records[capacity]. The first
// `count` are in use, sorted by (hash, key).
struct Page : TrieNode {
  uint32_t count = 0;
  uint32_t capacity = 0;

  uint64_t* hashes() { return reinterpret_cast<uint64_t*>(this + 1); }
  const uint64_t* hashes() const {
    return reinterpret_cast<const uint64_t*>(this + 1);
  }
  Record** records() { return reinterpret_cast<Record**>(hashes() + capacity); }
  Record* const* records() const {
    return reinterpret_cast<Record* const*>(hashes() + capacity);
  }
};
static_assert(sizeof(Page) % alignof(uint64_t) == 0);

// A page of depth l below a branch of depth d fills 2^(d + 6 - l) neighbouring
// children, and counts as one reference.
struct Branch : TrieNode {
  std::array<TrieNode*, kBranchChildren> children = {};
};

namespace {

Page* NewPage(uint32_t depth, uint32_t capacity) {
  void* block = ::operator new(sizeof(Page) +
                               capacity * (sizeof(uint64_t) + sizeof(Record*)));
  Page* page = new (block) Page();
  page->is_page = true;
  page->depth = static_cast<uint8_t>(depth);
  page->capacity = capacity;
  return page;
}

// Frees the page alone, not its records.
void DeletePage(Page* page) { ::operator delete(page); }

uint32_t RunLength(const Branch& branch, const TrieNode& child) {
  if (!child.is_page) return 1;
  return kBranchChildren >> (child.depth - branch.depth);
}

uint32_t ChildIndex(const Branch& branch, uint64_t hash) {
  return static_cast<uint32_t>((hash << branch.depth) >> (64 - kBranchBits));
}

uint32_t RunStart(const Branch& branch, const TrieNode& child, uint64_t hash) {
  return ChildIndex(branch, hash) & ~(RunLength(branch, child) - 1);
}

void SetRun(Branch* branch, uint32_t start, uint32_t length, TrieNode* child) {
  std::fill_n(branch->children.begin() + start, length, child);
}

// The first index whose hash is at least `hash`. Hashes are uniform, so a guess
// by proportion is a few positions off.
uint32_t LowerBound(const Page& page, uint64_t hash) {
  const uint64_t* hashes = page.hashes();
  const uint64_t fraction = (hash << page.depth) >> 32;
  auto at = static_cast<uint32_t>((fraction * page.count) >> 32);
  while (at > 0 && hashes[at - 1] >= hash) --at;
  while (at < page.count && hashes[at] < hash) ++at;
  return at;
}

// The index of the key, or the index at which to insert it.
uint32_t FindKey(const Page& page, uint64_t hash, std::string_view key,
                 bool* found) {
  uint32_t at = LowerBound(page, hash);
  *found = false;
  for (; at < page.count && page.hashes()[at] == hash; ++at) {
    const int order = page.records()[at]->key().compare(key);
    if (order < 0) continue;
    *found = order == 0;
    break;
  }
  return at;
}

const Page* FindPage(const TrieNode* node, uint64_t hash) {
  while (!node->is_page) {
    const auto* branch = static_cast<const Branch*>(node);
    node = branch->children[ChildIndex(*branch, hash)];
  }
  return static_cast<const Page*>(node);
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
    auto* copy = new Branch(static_cast<const Branch&>(node));
    copy->references = 1;
    for (uint32_t i = 0; i < kBranchChildren;
         i += RunLength(*copy, *copy->children[i])) {
      ++copy->children[i]->references;
    }
    return copy;
  }
  const auto& page = static_cast<const Page&>(node);
  Page* copy = NewPage(page.depth, page.capacity);
  copy->count = page.count;
  std::copy_n(page.hashes(), page.count, copy->hashes());
  std::copy_n(page.records(), page.count, copy->records());
  for (uint32_t i = 0; i < page.count; ++i) copy->records()[i]->Ref();
  return copy;
}

bool ScanPagesOf(const TrieNode* root, uint64_t from, size_t records_min,
                 Table::Visit visit, uint64_t* next) {
  if (root == nullptr) return false;
  size_t visited = 0;
  while (true) {
    const Page& page = *FindPage(root, from);
    for (uint32_t at = LowerBound(page, from); at < page.count; ++at) {
      visit(page.hashes()[at], *page.records()[at]);
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
      for (uint32_t i = 0; i < page->count; ++i) page->records()[i]->Unref();
      table_internal::DeletePage(page);
      continue;
    }
    auto* branch = static_cast<Branch*>(node);
    for (uint32_t i = 0; i < table_internal::kBranchChildren;) {
      TrieNode* child = branch->children[i];
      i += table_internal::RunLength(*branch, *child);
      Drop(child);
    }
    delete branch;
  }
  return !dead_.empty();
}

TableView::TableView(TrieNode* root, std::shared_ptr<PageReclaimer> reclaimer)
    : root_(root), reclaimer_(std::move(reclaimer)) {
  if (root_ != nullptr) ++root_->references;
}

TableView::TableView(TableView&& other) noexcept
    : root_(std::exchange(other.root_, nullptr)),
      reclaimer_(std::move(other.reclaimer_)) {}

TableView& TableView::operator=(TableView&& other) noexcept {
  std::swap(root_, other.root_);
  std::swap(reclaimer_, other.reclaimer_);
  return *this;
}

TableView::~TableView() {
  if (reclaimer_ != nullptr) reclaimer_->Drop(root_);
}

bool TableView::ScanPages(uint64_t from, size_t records_min, Visit visit,
                          uint64_t* next) const {
  return table_internal::ScanPagesOf(root_, from, records_min, visit, next);
}

// The page of a hash and the branches above it, all unshared.
struct Table::PagePath {
  std::array<Branch*, table_internal::kPathMax> branches;
  uint32_t branch_count = 0;
  Page* page = nullptr;

  Branch* parent() const {
    return branch_count == 0 ? nullptr : branches[branch_count - 1];
  }
};

Table::Table(uint64_t hash_key, std::shared_ptr<PageReclaimer> reclaimer,
             PageCounters* counters)
    : hash_key_(hash_key),
      reclaimer_(std::move(reclaimer)),
      counters_(counters) {
  CHECK(reclaimer_ != nullptr);
  CHECK(counters_ != nullptr);
}

Table::~Table() { reclaimer_->Drop(root_); }

uint64_t Table::Hash(std::string_view key) const {
  return KeyedHash(hash_key_, key);
}

uint64_t Table::RecordDigest(uint64_t hash_key, uint64_t hash,
                             const Record& record) {
  const Version version = record.version();
  const uint64_t position_bits =
      uint64_t{version.group.value()} << 32 | uint64_t{version.position};
  // Both hashes are uniform, so a client cannot make a factor zero.
  uint64_t digest =
      FoldMultiply(hash ^ version.index.value(),
                   KeyedHash(hash_key + 1, record.value()) ^
                       static_cast<uint64_t>(record.expire_at_ms()));
  return HashWord(digest, position_bits);
}

void Table::UpdateTotals(uint64_t hash, const Record& record, bool added) {
  const uint64_t digest = RecordDigest(hash_key_, hash, record);
  if (added) {
    ++key_count_;
    size_bytes_ += record.size_bytes();
    digest_ += digest;
  } else {
    --key_count_;
    size_bytes_ -= record.size_bytes();
    digest_ -= digest;
  }
}

const Record* Table::Find(uint64_t hash, std::string_view key) const {
  if (root_ == nullptr) return nullptr;
  const Page& page = *table_internal::FindPage(root_, hash);
  bool found = false;
  const uint32_t at = table_internal::FindKey(page, hash, key, &found);
  return found ? page.records()[at] : nullptr;
}

void Table::PrefetchRoot() const {
  // Header, hashes and records of a small page fill two cache lines.
  const char* root = reinterpret_cast<const char*>(root_);
  __builtin_prefetch(root);
  __builtin_prefetch(root + 64);
}

void Table::PrefetchRecord(uint64_t hash) const {
  if (root_ == nullptr) return;
  const Page& page = *table_internal::FindPage(root_, hash);
  const uint32_t at = table_internal::LowerBound(page, hash);
  if (at == page.count) return;
  const char* record = reinterpret_cast<const char*>(page.records()[at]);
  __builtin_prefetch(record);
  __builtin_prefetch(record + 64);
}

TrieNode* Table::Unshare(TrieNode* node) {
  if (node->references == 1) return node;
  TrieNode* copy = table_internal::CopyOf(*node);
  --node->references;
  ++counters_->copied;
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
    root_ = table_internal::NewPage(0, table_internal::kPageCapacityMin);
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
    node = branch->children[table_internal::ChildIndex(*branch, hash)];
  }
}

// Splits the page of `path` by its next bit. Afterwards `path` has the half of
// `hash`.
void Table::Split(PagePath* path, uint64_t hash) {
  Page* low = path->page;
  const uint32_t depth = low->depth;
  CHECK_LT(depth, table_internal::kPageDepthMax);
  if (depth % table_internal::kBranchBits == 0) {
    // The page fills all children of its parent: insert a branch between them.
    auto* branch = new Branch();
    branch->depth = static_cast<uint8_t>(depth);
    Link(path->parent(), hash, branch);
    branch->children.fill(low);
    path->branches[path->branch_count++] = branch;
  }
  const uint64_t bit = uint64_t{1} << (63 - depth);
  const uint64_t* hashes = low->hashes();
  const auto cut = static_cast<uint32_t>(
      std::partition_point(hashes, hashes + low->count,
                           [bit](uint64_t h) { return (h & bit) == 0; }) -
      hashes);
  Page* high = table_internal::NewPage(depth + 1, kPageKeysMax);
  high->count = low->count - cut;
  std::copy_n(low->hashes() + cut, high->count, high->hashes());
  std::copy_n(low->records() + cut, high->count, high->records());
  low->count = cut;
  low->depth = static_cast<uint8_t>(depth + 1);
  Link(path->parent(), hash & ~bit, low);
  Link(path->parent(), hash | bit, high);
  path->page = (hash & bit) != 0 ? high : low;
  ++counters_->split;
}

// Replaces the page by one with room for another record.
void Table::Grow(PagePath* path, uint64_t hash) {
  Page* page = path->page;
  if (page->count < page->capacity) return;
  Page* larger = table_internal::NewPage(page->depth, page->capacity * 2);
  larger->count = page->count;
  std::copy_n(page->hashes(), page->count, larger->hashes());
  std::copy_n(page->records(), page->count, larger->records());
  Link(path->parent(), hash, larger);
  table_internal::DeletePage(page);
  path->page = larger;
}

void Table::Put(uint64_t hash, std::string_view key, const ValueSource& value,
                const Version& version, int64_t expire_at_ms) {
  PagePath path = FindForWrite(hash);
  bool found = false;
  uint32_t at = table_internal::FindKey(*path.page, hash, key, &found);
  if (!found) {
    Record* record = Record::Make(key, value, version, expire_at_ms);
    while (path.page->count >= kPageKeysMax &&
           path.page->depth < table_internal::kPageDepthMax) {
      Split(&path, hash);
    }
    Grow(&path, hash);
    Page* page = path.page;
    at = table_internal::FindKey(*page, hash, key, &found);
    std::copy_backward(page->hashes() + at, page->hashes() + page->count,
                       page->hashes() + page->count + 1);
    std::copy_backward(page->records() + at, page->records() + page->count,
                       page->records() + page->count + 1);
    page->hashes()[at] = hash;
    page->records()[at] = record;
    ++page->count;
    UpdateTotals(hash, *record, /*added=*/true);
    return;
  }
  Record*& record = path.page->records()[at];
  UpdateTotals(hash, *record, /*added=*/false);
  if (!record->shared() && record->Fits(value)) {
    record->SetValue(value);
    record->SetVersion(version);
    record->SetExpiry(expire_at_ms);
  } else {
    Record* fresh = Record::Make(key, value, version, expire_at_ms);
    record->Unref();
    record = fresh;
  }
  UpdateTotals(hash, *record, /*added=*/true);
}

void Table::SetExpiry(uint64_t hash, std::string_view key,
                      const Version& version, int64_t expire_at_ms) {
  const PagePath path = FindForWrite(hash);
  bool found = false;
  const uint32_t at = table_internal::FindKey(*path.page, hash, key, &found);
  CHECK(found);
  Record*& record = path.page->records()[at];
  UpdateTotals(hash, *record, /*added=*/false);
  if (record->shared()) {
    const ValueSource value{
        .head = record->buffer() != nullptr ? "" : record->value(),
        .shared = record->buffer()};
    Record* fresh = Record::Make(record->key(), value, version, expire_at_ms);
    record->Unref();
    record = fresh;
  } else {
    record->SetVersion(version);
    record->SetExpiry(expire_at_ms);
  }
  UpdateTotals(hash, *record, /*added=*/true);
}

bool Table::Erase(uint64_t hash, std::string_view key) {
  if (Find(hash, key) == nullptr) return false;
  const PagePath path = FindForWrite(hash);
  bool found = false;
  const uint32_t at = table_internal::FindKey(*path.page, hash, key, &found);
  EraseAt(path, at, hash);
  return true;
}

bool Table::EraseExpired(uint64_t hash, int64_t expire_at_ms) {
  if (root_ == nullptr) return false;
  const Page& page = *table_internal::FindPage(root_, hash);
  uint32_t at = table_internal::LowerBound(page, hash);
  while (at < page.count && page.hashes()[at] == hash &&
         page.records()[at]->expire_at_ms() != expire_at_ms) {
    ++at;
  }
  if (at == page.count || page.hashes()[at] != hash) return false;
  EraseAt(FindForWrite(hash), at, hash);
  return true;
}

void Table::EraseAt(const PagePath& path, uint32_t at, uint64_t hash) {
  Page* page = path.page;
  Record* record = page->records()[at];
  UpdateTotals(hash, *record, /*added=*/false);
  record->Unref();
  std::copy(page->hashes() + at + 1, page->hashes() + page->count,
            page->hashes() + at);
  std::copy(page->records() + at + 1, page->records() + page->count,
            page->records() + at);
  --page->count;
  if (page->count <= kPageMergeKeysMax) MergeUpwards(path, hash);
}

// Merges the page of `path` with its neighbour while both are nearly empty, and
// removes branches that hold a single page.
void Table::MergeUpwards(PagePath path, uint64_t hash) {
  Page* page = path.page;
  while (path.parent() != nullptr) {
    Branch* branch = path.parent();
    const uint32_t run = table_internal::RunLength(*branch, *page);
    const uint32_t start = table_internal::RunStart(*branch, *page, hash);
    TrieNode* other = branch->children[start ^ run];
    if (!other->is_page || other->depth != page->depth) return;
    auto* high = static_cast<Page*>(other);
    if (page->count + high->count > kPageMergeKeysMax) return;
    Page* low = page;
    if (start & run) std::swap(low, high);
    page = table_internal::NewPage(low->depth - 1, kPageMergeKeysMax);
    for (Page* half : {low, high}) {
      for (uint32_t i = 0; i < half->count; ++i) {
        half->records()[i]->Ref();
        page->hashes()[page->count] = half->hashes()[i];
        page->records()[page->count++] = half->records()[i];
      }
      reclaimer_->Drop(half);
    }
    ++counters_->merged;
    if (page->depth == branch->depth) {
      --path.branch_count;
      delete branch;
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
  return table_internal::ScanPagesOf(root_, from, records_min, visit, next);
}

TableView Table::TakeView() const { return TableView(root_, reclaimer_); }

}  // namespace quorate::kv
