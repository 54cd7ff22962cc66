// sim/state/slot_pool.h: values in reused slots, with ids that are never
// reused. The pools have operations, messages, streams and callbacks in flight.
// Iteration is in the order of slots, which is the same in every run.
#ifndef QUORATE_SIM_STATE_SLOT_POOL_H_
#define QUORATE_SIM_STATE_SLOT_POOL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "env/check.h"

namespace quorate::sim {

// Ids are (generation, slot). Zero is no id. Find and Remove ignore an id whose
// value is gone. References stay valid until the next Add.
template <typename T>
class SlotPool {
 public:
  uint64_t Add(T value) {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    slots_[index].value.emplace(std::move(value));
    ++size_;
    return uint64_t{slots_[index].generation} << 32 | index;
  }
  T* Find(uint64_t id) {
    const auto index = static_cast<uint32_t>(id);
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    if (slot.generation != id >> 32 || !slot.value) return nullptr;
    return &*slot.value;
  }
  // Takes the value out. Requires: Find(id) is not null.
  T Take(uint64_t id) {
    CHECK(Find(id) != nullptr);
    T value = std::move(*slots_[static_cast<uint32_t>(id)].value);
    Remove(id);
    return value;
  }
  void Remove(uint64_t id) {
    if (Find(id) == nullptr) return;
    const auto index = static_cast<uint32_t>(id);
    // Frees the slot before the value is destroyed, because its destructor may
    // call this pool.
    [[maybe_unused]] const std::optional<T> dying =
        std::move(slots_[index].value);
    slots_[index].value.reset();
    ++slots_[index].generation;
    free_.push_back(index);
    --size_;
  }
  // All ids, in the order of slots.
  std::vector<uint64_t> Ids() const {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].value) {
        ids.push_back(uint64_t{slots_[i].generation} << 32 | i);
      }
    }
    return ids;
  }
  void Clear() {
    for (uint64_t id : Ids()) Remove(id);
  }
  size_t size() const { return size_; }

 private:
  struct Slot {
    std::optional<T> value;
    uint32_t generation = 1;
  };
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_STATE_SLOT_POOL_H_
