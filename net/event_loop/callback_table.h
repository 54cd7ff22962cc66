// net/event_loop/callback_table.h: the pending callbacks of an implementation
// of env/, and the env::Pending handles that cancel them. Used on the loop's
// thread only.
#ifndef QUORATE_NET_EVENT_LOOP_CALLBACK_TABLE_H_
#define QUORATE_NET_EVENT_LOOP_CALLBACK_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/pending.h"

namespace quorate::net {

// Slots with a generation each, so ids are never reused. Adding, taking and
// cancelling allocate nothing once the table has grown. Callback must be
// movable, default-constructible to "none", and testable as a bool.
template <typename Callback>
class CallbackTable final : public env::Pending::Source {
 public:
  // Number of pending callbacks.
  static constexpr size_t kSlotsMax = size_t{1} << 22;

  // Keeps `callback` until it is taken or cancelled. The id is never zero.
  uint64_t Add(Callback callback) {
    size_t slot;
    if (free_.empty()) {
      slot = slots_.size();
      CHECK_LT(slot, kSlotsMax);
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].callback = std::move(callback);
    slots_[slot].owed = true;
    ++size_;
    return slots_[slot].generation * kSlotsMax + slot;
  }

  env::Pending Handle(uint64_t id) { return env::Pending(this, id); }

  bool Owes(uint64_t id) const {
    const size_t slot = id % kSlotsMax;
    return slot < slots_.size() && slots_[slot].owed &&
           slots_[slot].generation == id / kSlotsMax;
  }

  // Removes and returns the callback; none if it was taken or cancelled.
  Callback Take(uint64_t id) {
    if (!Owes(id)) return Callback();
    Slot& slot = slots_[id % kSlotsMax];
    Callback callback = std::exchange(slot.callback, Callback());
    slot.owed = false;
    ++slot.generation;
    free_.push_back(id % kSlotsMax);
    --size_;
    return callback;
  }

  // The callback is destroyed here. Its destructor may cancel other callbacks.
  void Cancel(uint64_t id) override { Take(id); }

  size_t size() const { return size_; }

 private:
  struct Slot {
    Callback callback;
    uint64_t generation = 1;
    bool owed = false;
  };
  std::vector<Slot> slots_;
  std::vector<size_t> free_;
  size_t size_ = 0;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_EVENT_LOOP_CALLBACK_TABLE_H_
