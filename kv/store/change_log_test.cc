// A log of changes against a plain map, and the order of expiry with groups
// that are held.
#include "kv/store/change_log.h"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "gtest/gtest.h"
#include "kv/store/expiry.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

// The removal of all keys of a slot, or a key.
Change ChangeOf(uint64_t hash) {
  if (hash < 3)
    return {ChangeKind::kCleared, Slot(static_cast<uint16_t>(hash))};
  return {ChangeKind::kKey, Slot(static_cast<uint16_t>(hash % 3)), hash};
}

RC_GTEST_PROP(ChangeLog, RandomChanges_ModelAgrees, ()) {
  ChangeLog log(7);
  std::map<Change, uint64_t> model;
  uint64_t last = 0;
  uint64_t settled = 0;
  bool always = false;
  const auto steps = *rc::gen::inRange(0, 2'000);
  ChangeLog::Numbered copy;
  std::map<uint64_t, Change> copied;
  for (int i = 0; i < steps; ++i) {
    if (*rc::gen::inRange(0, 20) == 0) {
      const auto through = *rc::gen::inRange<uint64_t>(0, last + 1);
      const auto most = *rc::gen::inRange<size_t>(0, 40);
      std::map<uint64_t, Change> by_number;
      for (const auto& [change, number] : model) by_number[number] = change;
      size_t removed = 0;
      for (const auto& [number, change] : by_number) {
        if (number > through || removed == most) break;
        model.erase(change);
        ++removed;
      }
      RC_ASSERT(log.Forget(ChangeNumber(through), most) == removed);
    } else if (*rc::gen::inRange(0, 50) == 0) {
      copy = log.numbered();
      copied.clear();
      for (const auto& [change, number] : model) copied[number] = change;
    } else if (*rc::gen::inRange(0, 50) == 0) {
      log.Settle();
      settled = last;
    } else if (*rc::gen::inRange(0, 1'000) == 0) {
      log.SettleAlways();
      always = true;
      settled = last;
    } else {
      const Change change = ChangeOf(*rc::gen::inRange<uint64_t>(0, 300));
      log.Note(change);
      const bool clears = change.kind == ChangeKind::kCleared;
      uint64_t& number = model[change];
      if (number <= settled || clears) number = ++last;
      if (clears || always) settled = last;
    }
    RC_ASSERT(log.settled() == ChangeNumber(settled));
    RC_ASSERT(log.size() == model.size());
    RC_ASSERT(log.last() == ChangeNumber(last));
  }
  std::map<uint64_t, Change> expected;
  for (const auto& [change, number] : model) expected[number] = change;
  // In order, from any number on.
  const auto from = *rc::gen::inRange<uint64_t>(0, last + 2);
  auto next = expected.lower_bound(from);
  for (ChangeLog::Numbered::Cursor at(log.numbered(), ChangeNumber(from));
       !at.done(); at.Next(), ++next) {
    RC_ASSERT(next != expected.end());
    RC_ASSERT(at.key() == ChangeNumber(next->first));
    RC_ASSERT(at.value() == next->second);
  }
  RC_ASSERT(next == expected.end());
  auto old = copied.begin();
  for (ChangeLog::Numbered::Cursor at(copy); !at.done(); at.Next(), ++old) {
    RC_ASSERT(at.key() == ChangeNumber(old->first));
    RC_ASSERT(at.value() == old->second);
  }
  RC_ASSERT(old == copied.end());
  // A log with equal changes has the same digest.
  ChangeLog fresh(7, log.last(), log.settled());
  for (const auto& [number, change] : expected) {
    RC_ASSERT(fresh.Restore(ChangeNumber(number), change));
  }
  RC_ASSERT(fresh.digest() == log.digest());
  RC_ASSERT(!fresh.Restore(ChangeNumber(last + 1), ChangeOf(1'000)));
  while (log.Reclaim(100)) {
  }
  RC_ASSERT(log.size() == 0u);
}

RC_GTEST_PROP(ExpiryOrder, RandomChanges_ModelAgrees, ()) {
  ExpiryIndex order;
  std::multiset<std::pair<int64_t, std::pair<uint16_t, uint64_t>>> model;
  std::set<uint16_t> held;
  const auto steps = *rc::gen::inRange(0, 300);
  for (int i = 0; i < steps; ++i) {
    const auto slot = *rc::gen::inRange<uint16_t>(0, 4);
    const auto at_ms = *rc::gen::inRange<int64_t>(0, 9);
    const auto hash = *rc::gen::inRange<uint64_t>(0, 5);
    switch (*rc::gen::inRange(0, 9)) {
      case 0:
        order.Drop(Slot(slot));
        std::erase_if(
            model, [&](const auto& one) { return one.second.first == slot; });
        break;
      case 1:
        order.Hold(Slot(slot));
        held.insert(slot);
        break;
      case 2:
        order.Unhold(Slot(slot));
        held.erase(slot);
        break;
      case 3:
      case 4: {
        const auto found = model.find({at_ms, {slot, hash}});
        if (found == model.end()) break;
        model.erase(found);
        order.Remove(Slot(slot), at_ms, hash);
        break;
      }
      default:
        model.insert({at_ms, {slot, hash}});
        order.Add(Slot(slot), at_ms, hash);
    }
    RC_ASSERT(order.size() == model.size());
    auto first = model.begin();
    while (first != model.end() && held.contains(first->second.first)) ++first;
    RC_ASSERT(order.empty() == (first == model.end()));
    if (order.empty()) continue;
    const ExpiryIndex::Due due = order.First();
    RC_ASSERT(due.at_ms == first->first);
    RC_ASSERT(due.of == Slot(first->second.first));
    RC_ASSERT(due.id == first->second.second);
  }
}

}  // namespace
}  // namespace quorate::kv
