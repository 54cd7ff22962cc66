// kv/store/paged_map.h: an ordered map in pages that copies share.
//
// A copy of a map costs a key and a pointer for each page. A change costs a
// copy of one page if it is shared. So a snapshot takes a copy of a map of any
// size, and later changes of the map leave that copy as it is.
#ifndef QUORATE_KV_STORE_PAGED_MAP_H_
#define QUORATE_KV_STORE_PAGED_MAP_H_

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "env/check.h"
#include "kv/store/page_bounds.h"

namespace quorate::kv {

// Ascending by key. Copies are independent, but share equal values.
//
// Invariant: no page is empty, and none has more than `page_rows_max` rows.
template <typename Key, typename Value>
class PagedMap {
 public:
  explicit PagedMap(size_t page_rows_max = kPageRowsMax)
      : page_rows_max_(page_rows_max) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Returns null if there is none.
  const Value* Find(const Key& key) const {
    if (pages_.empty()) return nullptr;
    const Page& page = *pages_[PageOf(key)].rows;
    const auto place = PlaceIn(page, key);
    return place == page.end() || place->key != key ? nullptr : &place->value;
  }
  // The place of the key's value, for writing; Value{} if there was none. Valid
  // until the next change.
  Value& At(const Key& key);
  // Requires: the key is present.
  void Erase(const Key& key);
  // Removes up to `count_max` rows from the end, more if pages are shared.
  void EraseLast(size_t count_max);

  // Steps through the rows of an object that does not change meanwhile.
  class Cursor {
   public:
    Cursor() = default;
    explicit Cursor(const PagedMap& map) : map_(&map) {}
    // Begins at the first row whose key is at least `from`.
    Cursor(const PagedMap& map, const Key& from) : map_(&map) {
      if (map.pages_.empty()) return;
      page_ = map.PageOf(from);
      const Page& page = *map.pages_[page_].rows;
      index_ = static_cast<size_t>(PlaceIn(page, from) - page.begin());
      if (index_ == page.size()) NextPage();
    }
    bool done() const {
      return map_ == nullptr || page_ == map_->pages_.size();
    }
    const Key& key() const { return row().key; }
    const Value& value() const { return row().value; }
    void Next() {
      if (++index_ == map_->pages_[page_].rows->size()) NextPage();
    }

   private:
    const auto& row() const { return (*map_->pages_[page_].rows)[index_]; }
    void NextPage() {
      ++page_;
      index_ = 0;
    }

    const PagedMap* map_ = nullptr;
    size_t page_ = 0;
    size_t index_ = 0;
  };

  size_t page_count() const { return pages_.size(); }
  // Pages that are part of another object too.
  size_t shared_page_count() const {
    return static_cast<size_t>(std::ranges::count_if(
        pages_, [](const auto& page) { return page.rows.use_count() > 1; }));
  }

 private:
  struct Row {
    Key key;
    Value value;
  };
  using Page = std::vector<Row>;
  struct PageRef {
    explicit PageRef(std::shared_ptr<Page> page)
        : front(page->front().key), rows(std::move(page)) {}
    // The key of the first row. A search reads no other page.
    Key front;
    std::shared_ptr<Page> rows;
  };

  // The index of the page that has the key if any page has. Requires: there is
  // a page.
  size_t PageOf(const Key& key) const {
    const auto behind = std::partition_point(
        pages_.begin() + 1, pages_.end(),
        [&](const PageRef& page) { return page.front <= key; });
    return static_cast<size_t>(behind - pages_.begin()) - 1;
  }
  static typename Page::const_iterator PlaceIn(const Page& page,
                                               const Key& key) {
    return std::ranges::lower_bound(page, key, {}, &Row::key);
  }
  // The page, after copying it if it is shared.
  Page& Unshare(size_t index) {
    std::shared_ptr<Page>& page = pages_[index].rows;
    if (page.use_count() > 1) page = std::make_shared<Page>(*page);
    return *page;
  }
  // Merges a page with the next one if both together fill half a page.
  void MergeWithNext(size_t index);

  size_t page_rows_max_;
  std::vector<PageRef> pages_;
  size_t size_ = 0;
};

template <typename Key, typename Value>
Value& PagedMap<Key, Value>::At(const Key& key) {
  const Row added{key, Value{}};
  if (pages_.empty()) {
    pages_.emplace_back(std::make_shared<Page>(1, added));
    ++size_;
    return pages_.front().rows->front().value;
  }
  size_t index = PageOf(key);
  Page* page = &Unshare(index);
  auto place = PlaceIn(*page, key);
  if (place == page->end() || place->key != key) {
    ++size_;
    const bool behind_all = index + 1 == pages_.size() && place == page->end();
    if (page->size() == page_rows_max_ && behind_all) {
      // Keys that ascend fill pages.
      pages_.emplace_back(std::make_shared<Page>(1, added));
      return pages_.back().rows->front().value;
    }
    if (page->size() == page_rows_max_) {
      const auto half =
          page->begin() + static_cast<ptrdiff_t>(page_rows_max_ / 2);
      const PageRef upper(std::make_shared<Page>(
          std::make_move_iterator(half), std::make_move_iterator(page->end())));
      page->erase(half, page->end());
      pages_.insert(pages_.begin() + static_cast<ptrdiff_t>(index) + 1, upper);
      if (key >= upper.front) ++index;
      page = pages_[index].rows.get();
      place = PlaceIn(*page, key);
    }
    place = page->insert(place, added);
    pages_[index].front = page->front().key;
  }
  return (*page)[static_cast<size_t>(place - page->begin())].value;
}

template <typename Key, typename Value>
void PagedMap<Key, Value>::Erase(const Key& key) {
  CHECK(!pages_.empty());
  const size_t index = PageOf(key);
  Page& page = Unshare(index);
  const auto place = PlaceIn(page, key);
  CHECK(place != page.end() && place->key == key);
  page.erase(place);
  --size_;
  if (page.empty()) {
    pages_.erase(pages_.begin() + static_cast<ptrdiff_t>(index));
    return;
  }
  pages_[index].front = page.front().key;
  if (page.size() > page_rows_max_ / 2) return;
  if (index + 1 < pages_.size()) MergeWithNext(index);
  if (index > 0) MergeWithNext(index - 1);
}

template <typename Key, typename Value>
void PagedMap<Key, Value>::MergeWithNext(size_t index) {
  const Page& next = *pages_[index + 1].rows;
  if (pages_[index].rows->size() + next.size() > page_rows_max_ / 2) return;
  Page& page = Unshare(index);
  page.insert(page.end(), next.begin(), next.end());
  pages_.erase(pages_.begin() + static_cast<ptrdiff_t>(index) + 1);
}

template <typename Key, typename Value>
void PagedMap<Key, Value>::EraseLast(size_t count_max) {
  while (count_max > 0 && !pages_.empty()) {
    Page& page = *pages_.back().rows;
    // The rows of a shared page stay.
    if (pages_.back().rows.use_count() > 1 || page.size() <= count_max) {
      const size_t count = page.size();
      pages_.pop_back();
      size_ -= count;
      count_max -= std::min(count, count_max);
    } else {
      page.erase(page.end() - static_cast<ptrdiff_t>(count_max), page.end());
      size_ -= count_max;
      count_max = 0;
    }
  }
}

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_PAGED_MAP_H_
