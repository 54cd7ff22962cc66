// env/fifo.h: a queue that takes no memory while it was never used, and little
// while it is empty.
#ifndef QUORATE_ENV_FIFO_H_
#define QUORATE_ENV_FIFO_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/kept_memory.h"

namespace quorate {

// First in, first out. An element is moved at most once for every element that
// is taken out. Adding may move all elements. An empty queue keeps at most
// `kKeptBytes` for the next ones, so that a burst gives its memory back.
template <typename T, size_t kKeptBytes = 4096>
class Fifo {
 public:
  using iterator = typename std::vector<T>::iterator;

  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  // Bytes of memory for elements.
  size_t capacity_bytes() const { return CapacityBytes(items_); }
  // Require: not empty.
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  iterator begin() { return items_.begin() + head_; }
  iterator end() { return items_.end(); }
  auto begin() const { return items_.begin() + head_; }
  auto end() const { return items_.end(); }

  void push_back(T item) { items_.push_back(std::move(item)); }
  void insert(iterator before, T item) {
    items_.insert(before, std::move(item));
  }
  // Destroys the first element. Requires: not empty.
  void pop_front() {
    CHECK(!empty());
    // Destroyed last: its destructor may use the queue.
    [[maybe_unused]] const T gone = std::move(items_[head_]);
    if (++head_ == items_.size()) {
      ClearAndTrim(&items_, kKeptBytes);
      head_ = 0;
    } else if (head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + head_);
      head_ = 0;
    }
  }

 private:
  std::vector<T> items_;
  size_t head_ = 0;  // Elements before it were taken out.
};

}  // namespace quorate

#endif  // QUORATE_ENV_FIFO_H_
