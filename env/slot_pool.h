// env/slot_pool.h: values in reused slots, with ids that are never reused.
// Adding and removing allocate nothing once the pool has grown. Iteration is in
// the order of slots, which is the same in every run.
#ifndef QUORATE_ENV_SLOT_POOL_H_
#define QUORATE_ENV_SLOT_POOL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "env/check.h"

namespace quorate {

// Ids have the generation of their slot, 1 at first, and the slot. Zero is no
// id. Find and Remove ignore an id whose value is gone. References stay valid
// until the next Add.
template <typename T>
class SlotPool {
 public:
  // Number of values.
  static constexpr size_t kSlotsMax = size_t{1} << 22;

  uint64_t Add(T&& value) {
    size_t index;
    if (free_.empty()) {
      index = slots_.size();
      CHECK_LT(index, kSlotsMax);
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    slots_[index].value.emplace(std::move(value));
    ++size_;
    return IdOf(index);
  }
  T* Find(uint64_t id) {
    const size_t index = id % kSlotsMax;
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    // The generation of a free slot is that of no id yet.
    return slot.generation == id / kSlotsMax ? &*slot.value : nullptr;
  }
  // Takes the value out. Requires: Find(id) is not null.
  T Take(uint64_t id) {
    T* const found = Find(id);
    CHECK(found != nullptr);
    T value = std::move(*found);
    const size_t index = id % kSlotsMax;
    slots_[index].value.reset();
    Free(index);
    return value;
  }
  // The value of `id`, taken out, or nothing if it is gone.
  std::optional<T> TakeIfThere(uint64_t id) {
    std::optional<T> value;
    if (T* const found = Find(id)) {
      value.emplace(std::move(*found));
      const size_t index = id % kSlotsMax;
      slots_[index].value.reset();
      Free(index);
    }
    return value;
  }
  void Remove(uint64_t id) {
    if (Find(id) == nullptr) return;
    const size_t index = id % kSlotsMax;
    // Frees the slot before the value is destroyed, because its destructor may
    // call this pool.
    [[maybe_unused]] const std::optional<T> dying =
        std::move(slots_[index].value);
    slots_[index].value.reset();
    Free(index);
  }
  // All ids, in the order of slots.
  std::vector<uint64_t> Ids() const {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].value) ids.push_back(IdOf(i));
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
    uint64_t generation = 1;
  };
  uint64_t IdOf(size_t index) const {
    return slots_[index].generation * kSlotsMax + index;
  }

  // The value of the slot is gone.
  void Free(size_t index) {
    ++slots_[index].generation;
    free_.push_back(index);
    --size_;
  }

  std::vector<Slot> slots_;
  std::vector<size_t> free_;
  size_t size_ = 0;
};

}  // namespace quorate

#endif  // QUORATE_ENV_SLOT_POOL_H_
