#include "kv/store/expiry.h"

#include "env/check.h"

namespace quorate::kv {

void ExpiryIndex::Add(Slot slot, int64_t at_ms, uint64_t hash) {
  SlotSet& set = slots_[slot];
  if (set.empty() || at_ms < set.begin()->first) {
    if (!set.empty()) firsts_.erase({set.begin()->first, slot});
    firsts_.insert({at_ms, slot});
  }
  set.insert({at_ms, hash});
  ++size_;
}

void ExpiryIndex::Remove(Slot slot, int64_t at_ms, uint64_t hash) {
  const auto of_slot = slots_.find(slot);
  CHECK(of_slot != slots_.end()) << "slot " << slot;
  SlotSet& set = of_slot->second;
  const auto element = set.find({at_ms, hash});
  CHECK(element != set.end()) << "slot " << slot << " at " << at_ms;
  const int64_t first_before = set.begin()->first;
  set.erase(element);
  --size_;
  if (set.empty()) {
    firsts_.erase({first_before, slot});
    slots_.erase(of_slot);
  } else if (set.begin()->first != first_before) {
    firsts_.erase({first_before, slot});
    firsts_.insert({set.begin()->first, slot});
  }
}

void ExpiryIndex::DropSlot(Slot slot) {
  const auto of_slot = slots_.find(slot);
  if (of_slot == slots_.end()) return;
  firsts_.erase({of_slot->second.begin()->first, slot});
  size_ -= of_slot->second.size();
  dropped_.push_back(std::move(of_slot->second));
  slots_.erase(of_slot);
}

ExpiryIndex::Due ExpiryIndex::First() const {
  CHECK(!firsts_.empty());
  const auto [at_ms, slot] = *firsts_.begin();
  const auto of_slot = slots_.find(slot);
  CHECK(of_slot != slots_.end());
  return {
      .at_ms = at_ms, .slot = slot, .hash = of_slot->second.begin()->second};
}

bool ExpiryIndex::Step(size_t count_max) {
  for (; count_max > 0 && !dropped_.empty(); --count_max) {
    SlotSet& set = dropped_.back();
    if (set.empty()) {
      dropped_.pop_back();
    } else {
      set.erase(set.begin());
    }
  }
  return !dropped_.empty();
}

}  // namespace quorate::kv
