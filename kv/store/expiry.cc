#include "kv/store/expiry.h"

#include "env/check.h"

namespace quorate::kv {

void ExpiryIndex::Add(Slot slot, int64_t at_ms, uint64_t hash) {
  Sets& sets = sets_.Mutable();
  SlotSet& set = sets.slots[slot];
  if (set.empty() || at_ms < set.begin()->first) {
    if (!set.empty()) sets.firsts.erase({set.begin()->first, slot});
    sets.firsts.insert({at_ms, slot});
  }
  set.insert({at_ms, hash});
  ++sets.size;
}

void ExpiryIndex::Remove(Slot slot, int64_t at_ms, uint64_t hash) {
  const auto of_slot = sets_->slots.find(slot);
  CHECK(of_slot != sets_->slots.end()) << "slot " << slot;
  SlotSet& set = of_slot->second;
  const auto element = set.find({at_ms, hash});
  CHECK(element != set.end()) << "slot " << slot << " at " << at_ms;
  const int64_t first_before = set.begin()->first;
  set.erase(element);
  --sets_->size;
  if (set.empty()) {
    sets_->firsts.erase({first_before, slot});
    sets_->slots.erase(of_slot);
  } else if (set.begin()->first != first_before) {
    sets_->firsts.erase({first_before, slot});
    sets_->firsts.insert({set.begin()->first, slot});
  }
}

void ExpiryIndex::DropSlot(Slot slot) {
  if (!sets_.has_value()) return;
  const auto of_slot = sets_->slots.find(slot);
  if (of_slot == sets_->slots.end()) return;
  sets_->firsts.erase({of_slot->second.begin()->first, slot});
  sets_->size -= of_slot->second.size();
  sets_->dropped.push_back(std::move(of_slot->second));
  sets_->slots.erase(of_slot);
}

ExpiryIndex::Due ExpiryIndex::First() const {
  CHECK(!empty());
  const auto [at_ms, slot] = *sets_->firsts.begin();
  const auto of_slot = sets_->slots.find(slot);
  CHECK(of_slot != sets_->slots.end());
  return {
      .at_ms = at_ms, .slot = slot, .hash = of_slot->second.begin()->second};
}

bool ExpiryIndex::Step(size_t count_max) {
  if (!dropped()) return false;
  for (; count_max > 0 && !sets_->dropped.empty(); --count_max) {
    SlotSet& set = sets_->dropped.back();
    if (set.empty()) {
      sets_->dropped.pop_back();
    } else {
      set.erase(set.begin());
    }
  }
  return !sets_->dropped.empty();
}

}  // namespace quorate::kv
