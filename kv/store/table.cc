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
// A page whose keys share so many bits grows instead of splitting, so that scan
// positions of 48 bits can name every page.
constexpr uint32_t kPageDepthMax = 48;
constexpr uint32_t kPathMax = kPageDepthMax / kBranchBits;
constexpr uint32_t kPageCapacityMin = 4;

struct Node {
  uint32_t references = 1;
  bool is_page = false;
  // Of a page: bits that the hashes of its keys share. Of a branch: bits
  // decided above it, a multiple of kBranchBits.
  uint8_t depth = 0;
};

// Followed by hashes[capacity] and records[capacity], the first `count` in use,
// sorted by (hash, key).
struct Page : Node {
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

// A page of depth l below a branch of depth d stands in 2^(d + 6 - l)
// neighbouring children, and counts as one reference.
struct Branch : Node {
  std::array<Node*, kBranchChildren> children = {};
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

// Not the records.
void DeletePage(Page* page) { ::operator delete(page); }

uint32_t RunLength(const Branch& branch, const Node& child) {
  if (!child.is_page) return 1;
  return kBranchChildren >> (child.depth - branch.depth);
}

uint32_t ChildIndex(const Branch& branch, uint64_t hash) {
  return static_cast<uint32_t>((hash << branch.depth) >> (64 - kBranchBits));
}

uint32_t RunStart(const Branch& branch, const Node& child, uint64_t hash) {
  return ChildIndex(branch, hash) & ~(RunLength(branch, child) - 1);
}

void SetRun(Branch* branch, uint32_t start, uint32_t length, Node* child) {
  std::fill_n(branch->children.begin() + start, length, child);
}

// The first place whose hash is not below `hash`. Hashes are uniform: a guess
// by proportion is a few places off.
uint32_t LowerBound(const Page& page, uint64_t hash) {
  const uint64_t* hashes = page.hashes();
  const uint64_t fraction = (hash << page.depth) >> 32;
  auto at = static_cast<uint32_t>((fraction * page.count) >> 32);
  while (at > 0 && hashes[at - 1] >= hash) --at;
  while (at < page.count && hashes[at] < hash) ++at;
  return at;
}

// The place of the key, or where to insert it.
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

const Page* FindPage(const Node* node, uint64_t hash) {
  while (!node->is_page) {
    const auto* branch = static_cast<const Branch*>(node);
    node = branch->children[ChildIndex(*branch, hash)];
  }
  return static_cast<const Page*>(node);
}

// The first hash behind the page that holds `hash`; 0: it is the last one.
uint64_t EndOfPage(const Page& page, uint64_t hash) {
  if (page.depth == 0) return 0;
  const uint32_t low_bits = 64 - page.depth;
  return ((hash >> low_bits) + 1) << low_bits;
}

Node* CopyOf(const Node& node) {
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

bool ScanPagesOf(const Node* root, uint64_t from, size_t records_min,
                 Table::Visit visit, uint64_t* next) {
  if (root == nullptr) return false;
  size_t visited = 0;
  while (true) {
    const Page& page = *FindPage(root, from);
    for (uint32_t at = LowerBound(page, from); at < page.count; ++at) {
      visit(page.hashes()[at], *page.records()[at]);
      ++visited;
    }
    ++visited;  // An empty page is work, too.
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
using table_internal::Node;
using table_internal::Page;

Reaper::~Reaper() {
  while (Step(1024)) {
  }
}

void Reaper::Drop(Node* node) {
  if (node != nullptr && --node->references == 0) dead_.push_back(node);
}

bool Reaper::Step(size_t nodes_max) {
  for (; nodes_max > 0 && !dead_.empty(); --nodes_max) {
    Node* node = dead_.back();
    dead_.pop_back();
    if (node->is_page) {
      auto* page = static_cast<Page*>(node);
      for (uint32_t i = 0; i < page->count; ++i) page->records()[i]->Unref();
      table_internal::DeletePage(page);
      continue;
    }
    auto* branch = static_cast<Branch*>(node);
    for (uint32_t i = 0; i < table_internal::kBranchChildren;) {
      Node* child = branch->children[i];
      i += table_internal::RunLength(*branch, *child);
      Drop(child);
    }
    delete branch;
  }
  return !dead_.empty();
}

TableView::TableView(Node* root, std::shared_ptr<Reaper> reaper)
    : root_(root), reaper_(std::move(reaper)) {
  if (root_ != nullptr) ++root_->references;
}

TableView::TableView(TableView&& other) noexcept
    : root_(std::exchange(other.root_, nullptr)),
      reaper_(std::move(other.reaper_)) {}

TableView& TableView::operator=(TableView&& other) noexcept {
  std::swap(root_, other.root_);
  std::swap(reaper_, other.reaper_);
  return *this;
}

TableView::~TableView() {
  if (reaper_ != nullptr) reaper_->Drop(root_);
}

bool TableView::ScanPages(uint64_t from, size_t records_min, Visit visit,
                          uint64_t* next) const {
  return table_internal::ScanPagesOf(root_, from, records_min, visit, next);
}

// Where a hash belongs: its page and the branches above it, all of them this
// table's own.
struct Table::Place {
  std::array<Branch*, table_internal::kPathMax> branches;
  uint32_t branch_count = 0;
  Page* page = nullptr;

  Branch* parent() const {
    return branch_count == 0 ? nullptr : branches[branch_count - 1];
  }
};

Table::Table(uint64_t hash_key, std::shared_ptr<Reaper> reaper,
             PageCounters* counters)
    : hash_key_(hash_key), reaper_(std::move(reaper)), counters_(counters) {
  CHECK(reaper_ != nullptr);
  CHECK(counters_ != nullptr);
}

Table::~Table() { reaper_->Drop(root_); }

uint64_t Table::Hash(std::string_view key) const {
  return KeyedHash(hash_key_, key);
}

uint64_t Table::RecordDigest(uint64_t hash_key, uint64_t hash,
                             const Record& record) {
  const Version version = record.version();
  const uint64_t place =
      uint64_t{version.group.value()} << 32 | uint64_t{version.position};
  // Both hashes are uniform, so neither factor can be made zero at will.
  uint64_t digest =
      FoldMultiply(hash ^ version.index.value(),
                   KeyedHash(hash_key + 1, record.value()) ^
                       static_cast<uint64_t>(record.expire_at_ms()));
  return HashWord(digest, place);
}

void Table::Account(uint64_t hash, const Record& record, bool added) {
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

Node* Table::Own(Node* node) {
  if (node->references == 1) return node;
  Node* copy = table_internal::CopyOf(*node);
  --node->references;
  ++counters_->copied;
  return copy;
}

// Puts `child` where `hash` leads below `parent`, or at the root.
void Table::Link(Branch* parent, uint64_t hash, Node* child) {
  if (parent == nullptr) {
    root_ = child;
    return;
  }
  table_internal::SetRun(parent,
                         table_internal::RunStart(*parent, *child, hash),
                         table_internal::RunLength(*parent, *child), child);
}

Table::Place Table::FindForWrite(uint64_t hash) {
  Place place;
  if (root_ == nullptr) {
    root_ = table_internal::NewPage(0, table_internal::kPageCapacityMin);
  }
  Node* node = root_;
  while (true) {
    Node* own = Own(node);
    if (own != node) Link(place.parent(), hash, own);
    if (own->is_page) {
      place.page = static_cast<Page*>(own);
      return place;
    }
    auto* branch = static_cast<Branch*>(own);
    CHECK_LT(place.branch_count, table_internal::kPathMax);
    place.branches[place.branch_count++] = branch;
    node = branch->children[table_internal::ChildIndex(*branch, hash)];
  }
}

// Halves the page of `place` by its next bit and leaves in `place` the half to
// which `hash` belongs.
void Table::Split(Place* place, uint64_t hash) {
  Page* low = place->page;
  const uint32_t depth = low->depth;
  CHECK_LT(depth, table_internal::kPageDepthMax);
  if (depth % table_internal::kBranchBits == 0) {
    // The page fills all that its parent gives it: a branch of its own.
    auto* branch = new Branch();
    branch->depth = static_cast<uint8_t>(depth);
    Link(place->parent(), hash, branch);
    branch->children.fill(low);
    place->branches[place->branch_count++] = branch;
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
  Link(place->parent(), hash & ~bit, low);
  Link(place->parent(), hash | bit, high);
  place->page = (hash & bit) != 0 ? high : low;
  ++counters_->split;
}

// Makes room for one more record.
void Table::Grow(Place* place, uint64_t hash) {
  Page* page = place->page;
  if (page->count < page->capacity) return;
  Page* larger = table_internal::NewPage(page->depth, page->capacity * 2);
  larger->count = page->count;
  std::copy_n(page->hashes(), page->count, larger->hashes());
  std::copy_n(page->records(), page->count, larger->records());
  Link(place->parent(), hash, larger);
  table_internal::DeletePage(page);
  place->page = larger;
}

void Table::Put(uint64_t hash, std::string_view key, const ValueSource& value,
                const Version& version, int64_t expire_at_ms) {
  Place place = FindForWrite(hash);
  bool found = false;
  uint32_t at = table_internal::FindKey(*place.page, hash, key, &found);
  if (!found) {
    Record* record = Record::Make(key, value, version, expire_at_ms);
    while (place.page->count >= kPageKeysMax &&
           place.page->depth < table_internal::kPageDepthMax) {
      Split(&place, hash);
    }
    Grow(&place, hash);
    Page* page = place.page;
    at = table_internal::FindKey(*page, hash, key, &found);
    std::copy_backward(page->hashes() + at, page->hashes() + page->count,
                       page->hashes() + page->count + 1);
    std::copy_backward(page->records() + at, page->records() + page->count,
                       page->records() + page->count + 1);
    page->hashes()[at] = hash;
    page->records()[at] = record;
    ++page->count;
    Account(hash, *record, /*added=*/true);
    return;
  }
  Record*& record = place.page->records()[at];
  Account(hash, *record, /*added=*/false);
  if (!record->shared() && record->Fits(value)) {
    record->SetValue(value);
    record->SetVersion(version);
    record->SetExpiry(expire_at_ms);
  } else {
    Record* fresh = Record::Make(key, value, version, expire_at_ms);
    record->Unref();
    record = fresh;
  }
  Account(hash, *record, /*added=*/true);
}

void Table::SetExpiry(uint64_t hash, std::string_view key,
                      const Version& version, int64_t expire_at_ms) {
  const Place place = FindForWrite(hash);
  bool found = false;
  const uint32_t at = table_internal::FindKey(*place.page, hash, key, &found);
  CHECK(found);
  Record*& record = place.page->records()[at];
  Account(hash, *record, /*added=*/false);
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
  Account(hash, *record, /*added=*/true);
}

bool Table::Erase(uint64_t hash, std::string_view key) {
  if (Find(hash, key) == nullptr) return false;
  const Place place = FindForWrite(hash);
  bool found = false;
  const uint32_t at = table_internal::FindKey(*place.page, hash, key, &found);
  EraseAt(place, at, hash);
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

void Table::EraseAt(const Place& place, uint32_t at, uint64_t hash) {
  Page* page = place.page;
  Record* record = page->records()[at];
  Account(hash, *record, /*added=*/false);
  record->Unref();
  std::copy(page->hashes() + at + 1, page->hashes() + page->count,
            page->hashes() + at);
  std::copy(page->records() + at + 1, page->records() + page->count,
            page->records() + at);
  --page->count;
  if (page->count <= kPageMergeKeysMax) MergeUpwards(place, hash);
}

// Joins the page of `place` with its neighbour while both are nearly empty, and
// drops branches that hold one page only.
void Table::MergeUpwards(Place place, uint64_t hash) {
  Page* page = place.page;
  while (place.parent() != nullptr) {
    Branch* branch = place.parent();
    const uint32_t run = table_internal::RunLength(*branch, *page);
    const uint32_t start = table_internal::RunStart(*branch, *page, hash);
    Node* other = branch->children[start ^ run];
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
      reaper_->Drop(half);
    }
    ++counters_->merged;
    if (page->depth == branch->depth) {
      --place.branch_count;
      delete branch;
    }
    Link(place.parent(), hash, page);
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

TableView Table::Share() const { return TableView(root_, reaper_); }

}  // namespace quorate::kv
