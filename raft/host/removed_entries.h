// raft/host/removed_entries.h: frees the entries that left the memory of a
// node's replicas, a bounded number in a turn.
//
// A snapshot lets a group forget hundreds of thousands of entries at once. Each
// has an allocation of its own, which is in no cache of the processor.
#ifndef QUORATE_RAFT_HOST_REMOVED_ENTRIES_H_
#define QUORATE_RAFT_HOST_REMOVED_ENTRIES_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "env/loop.h"
#include "raft/core/entry_list.h"

namespace quorate::raft {

class RemovedEntries {
 public:
  // A turn frees so many entries, or this part of those that wait. The part
  // keeps pace with turns that remove more than the number.
  static constexpr size_t kTurnEntries = 1024;
  static constexpr size_t kTurnPart = 256;

  // `loop` outlives the object.
  explicit RemovedEntries(env::Loop& loop) : loop_(loop) {}

  // Frees `entries` from the end of this turn on.
  void Add(EntryList entries) {
    if (entries.empty()) return;
    waiting_ += entries.size();
    lists_.push_back(std::move(entries));
    if (lists_.size() == 1) next_ = loop_.Defer([this] { FreeSome(); });
  }
  // The number of entries that are not freed yet.
  size_t waiting() const { return waiting_; }

 private:
  void FreeSome() {
    size_t left = std::max(kTurnEntries, waiting_ / kTurnPart);
    while (left > 0 && !lists_.empty()) {
      EntryList& last = lists_.back();
      const size_t freed = std::min(left, last.size());
      last.Truncate(last.size() - freed);
      left -= freed;
      waiting_ -= freed;
      if (last.empty()) lists_.pop_back();
    }
    if (lists_.empty()) return;
    next_ = loop_.At(loop_.ReadClock().mono, [this] { FreeSome(); });
  }

  env::Loop& loop_;
  std::vector<EntryList> lists_;  // Not empty ones.
  size_t waiting_ = 0;
  env::Pending next_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_REMOVED_ENTRIES_H_
