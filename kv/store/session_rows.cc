#include "kv/store/session_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "env/check.h"

namespace quorate::kv {

size_t SessionRows::PageOf(ClientId client) const {
  const auto behind = std::partition_point(
      pages_.begin() + 1, pages_.end(), [&](const std::shared_ptr<Page>& page) {
        return page->rows.front().client <= client;
      });
  return static_cast<size_t>(behind - pages_.begin()) - 1;
}

std::vector<SessionRows::Entry>::const_iterator SessionRows::PlaceIn(
    const Page& page, ClientId client) {
  return std::ranges::lower_bound(page.rows, client, {}, &Entry::client);
}

const SessionRows::Row* SessionRows::Find(ClientId client) const {
  if (pages_.empty()) return nullptr;
  const Page& page = *pages_[PageOf(client)];
  const auto place = PlaceIn(page, client);
  return place == page.rows.end() || place->client != client ? nullptr
                                                             : &place->row;
}

SessionRows::Page& SessionRows::Unshare(size_t index) {
  std::shared_ptr<Page>& page = pages_[index];
  if (page.use_count() > 1) page = std::make_shared<Page>(*page);
  return *page;
}

SessionRows::Row& SessionRows::At(ClientId client) {
  if (pages_.empty()) pages_.push_back(std::make_shared<Page>());
  size_t index = PageOf(client);
  Page* page = &Unshare(index);
  auto place = PlaceIn(*page, client);
  if (place == page->rows.end() || place->client != client) {
    if (page->rows.size() == page_rows_max_) {
      const auto half =
          page->rows.begin() + static_cast<ptrdiff_t>(page_rows_max_ / 2);
      auto upper = std::make_shared<Page>();
      upper->rows.assign(std::make_move_iterator(half),
                         std::make_move_iterator(page->rows.end()));
      page->rows.erase(half, page->rows.end());
      pages_.insert(pages_.begin() + static_cast<ptrdiff_t>(index) + 1, upper);
      if (client >= upper->rows.front().client) ++index;
      page = pages_[index].get();
      place = PlaceIn(*page, client);
    }
    place = page->rows.insert(place, {client, nullptr});
    ++size_;
  }
  return page->rows[static_cast<size_t>(place - page->rows.begin())].row;
}

void SessionRows::Erase(ClientId client) {
  CHECK(!pages_.empty());
  const size_t index = PageOf(client);
  Page& page = Unshare(index);
  const auto place = PlaceIn(page, client);
  CHECK(place != page.rows.end() && place->client == client) << client;
  page.rows.erase(place);
  --size_;
  if (page.rows.empty()) {
    pages_.erase(pages_.begin() + static_cast<ptrdiff_t>(index));
    return;
  }
  if (index + 1 < pages_.size()) MergeWithNext(index);
  if (index > 0) MergeWithNext(index - 1);
}

void SessionRows::MergeWithNext(size_t index) {
  const Page& next = *pages_[index + 1];
  if (pages_[index]->rows.size() + next.rows.size() > page_rows_max_ / 2) {
    return;
  }
  Page& page = Unshare(index);
  page.rows.insert(page.rows.end(), next.rows.begin(), next.rows.end());
  pages_.erase(pages_.begin() + static_cast<ptrdiff_t>(index) + 1);
}

void SessionRows::EraseLast(size_t count_max) {
  while (count_max > 0 && !pages_.empty()) {
    Page& page = *pages_.back();
    // The rows of a shared page stay.
    if (pages_.back().use_count() > 1 || page.rows.size() <= count_max) {
      const size_t count = page.rows.size();
      pages_.pop_back();
      size_ -= count;
      count_max -= std::min(count, count_max);
    } else {
      page.rows.resize(page.rows.size() - count_max);
      size_ -= count_max;
      count_max = 0;
    }
  }
}

size_t SessionRows::shared_page_count() const {
  return static_cast<size_t>(std::ranges::count_if(
      pages_, [](const auto& page) { return page.use_count() > 1; }));
}

}  // namespace quorate::kv
