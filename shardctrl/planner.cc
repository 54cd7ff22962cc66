#include "shardctrl/planner.h"

#include <algorithm>
#include <tuple>

#include "env/check.h"

namespace quorate::shardctrl {
namespace {

// Moves single slots in memory; the transfers are what differs at the end.
class Balancer {
 public:
  Balancer(absl::Span<const Assignment> owners,
           absl::Span<const SlotShare> shares,
           absl::Span<const SlotRange> pinned);

  std::vector<SlotTransfer> Plan();

 private:
  // A group, and how many slots more than its share it has.
  struct Party {
    GroupId group = {};
    uint64_t weight = 0;  // Zero: it shall own none.
    bool takes = false;
    int64_t surplus = 0;
  };
  static constexpr size_t kNone = static_cast<size_t>(-1);

  size_t IndexOf(GroupId group) const;
  void SetShares();
  bool Gives(size_t slot) const {
    return !pinned_[slot] && parties_[owner_[slot]].surplus > 0;
  }
  bool Takes(size_t party) const {
    return parties_[party].takes && parties_[party].surplus < 0;
  }
  void Give(size_t slot, size_t to);
  void GiveToNeighbours();
  void GiveToOthers();
  void TakeRun(size_t taker, size_t first);

  std::vector<Party> parties_;  // Sorted by group.
  std::vector<size_t> owner_;   // Of each slot: a position in parties_.
  std::vector<size_t> former_;
  std::vector<bool> pinned_;
};

Balancer::Balancer(absl::Span<const Assignment> owners,
                   absl::Span<const SlotShare> shares,
                   absl::Span<const SlotRange> pinned) {
  std::vector<GroupId> all;
  for (const SlotShare& share : shares) all.push_back(share.group);
  size_t slots = 0;
  for (const Assignment& one : owners) {
    all.push_back(one.group);
    slots = std::max(slots, size_t{one.slots.last.value()} + 1);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (GroupId group : all) parties_.push_back({.group = group});
  for (const SlotShare& share : shares) {
    CHECK_GE(share.weight, 1u);
    Party& party = parties_[IndexOf(share.group)];
    party.weight = share.weight;
    party.takes = share.takes;
  }
  owner_.assign(slots, kNone);
  for (const Assignment& one : owners) {
    const size_t party = IndexOf(one.group);
    parties_[party].surplus += one.slots.size();
    std::fill_n(owner_.begin() + one.slots.first.value(), one.slots.size(),
                party);
  }
  CHECK(std::find(owner_.begin(), owner_.end(), kNone) == owner_.end());
  former_ = owner_;
  pinned_.assign(slots, false);
  for (SlotRange range : pinned) {
    std::fill_n(pinned_.begin() + range.first.value(), range.size(), true);
  }
  SetShares();
}

size_t Balancer::IndexOf(GroupId group) const {
  const auto at = std::lower_bound(
      parties_.begin(), parties_.end(), group,
      [](const Party& party, GroupId id) { return party.group < id; });
  return static_cast<size_t>(at - parties_.begin());
}

// Shares are rounded down first. The slots that are left over go to the groups
// with the greatest surplus: they need not give them away then.
void Balancer::SetShares() {
  const uint64_t slots = owner_.size();
  uint64_t weights = 0;
  for (const Party& party : parties_) weights += party.weight;
  uint64_t left_over = slots;
  std::vector<Party*> rounded_down;
  for (Party& party : parties_) {
    const uint64_t share = slots * party.weight / weights;
    party.surplus -= static_cast<int64_t>(share);
    left_over -= share;
    if (slots * party.weight % weights != 0) rounded_down.push_back(&party);
  }
  std::stable_sort(rounded_down.begin(), rounded_down.end(),
                   [](const Party* a, const Party* b) {
                     return std::tuple(-a->surplus, a->group) <
                            std::tuple(-b->surplus, b->group);
                   });
  for (size_t i = 0; i < left_over; ++i) --rounded_down[i]->surplus;
}

void Balancer::Give(size_t slot, size_t to) {
  --parties_[owner_[slot]].surplus;
  ++parties_[to].surplus;
  owner_[slot] = to;
}

// Where a range ends, a group that needs slots takes those of its neighbour.
void Balancer::GiveToNeighbours() {
  for (size_t slot = 1; slot < owner_.size(); ++slot) {
    const size_t left = owner_[slot - 1];
    const size_t right = owner_[slot];
    if (left == right) continue;
    if (Takes(left) && Gives(slot)) {
      Give(slot, left);
      continue;
    }
    for (size_t at = slot;
         at > 0 && owner_[at - 1] == left && Takes(right) && Gives(at - 1);
         --at) {
      Give(at - 1, right);
    }
  }
}

// `first` is the first slot of a range whose owner has too many. The taker gets
// one end of the range: the head if that lengthens a range of its own.
void Balancer::TakeRun(size_t taker, size_t first) {
  const size_t giver = owner_[first];
  size_t end = first;
  while (end < owner_.size() && owner_[end] == giver && !pinned_[end]) ++end;
  const auto count = static_cast<size_t>(
      std::min({parties_[giver].surplus, -parties_[taker].surplus,
                static_cast<int64_t>(end - first)}));
  const bool head = first > 0 && owner_[first - 1] == taker;
  const size_t begin = head ? first : end - count;
  for (size_t slot = begin; slot < begin + count; ++slot) Give(slot, taker);
}

void Balancer::GiveToOthers() {
  size_t slot = 0;
  for (size_t taker = 0; taker < parties_.size(); ++taker) {
    while (Takes(taker) && slot < owner_.size()) {
      if (Gives(slot)) {
        TakeRun(taker, slot);
      } else {
        ++slot;
      }
    }
  }
}

std::vector<SlotTransfer> Balancer::Plan() {
  GiveToNeighbours();
  GiveToOthers();
  std::vector<SlotTransfer> transfers;
  for (size_t slot = 0; slot < owner_.size(); ++slot) {
    if (owner_[slot] == former_[slot]) continue;
    const Slot id(static_cast<uint16_t>(slot));
    const GroupId from = parties_[former_[slot]].group;
    const GroupId to = parties_[owner_[slot]].group;
    SlotTransfer* const last = transfers.empty() ? nullptr : &transfers.back();
    if (last != nullptr && last->from == from && last->to == to &&
        last->slots.last.value() + 1u == slot) {
      last->slots.last = id;
    } else {
      transfers.push_back({.slots = {id, id}, .from = from, .to = to});
    }
  }
  return transfers;
}

}  // namespace

std::vector<Assignment> AssignEvenly(uint32_t slot_count,
                                     absl::Span<const GroupId> groups) {
  CHECK(!groups.empty());
  std::vector<Assignment> assignments;
  const uint64_t count = groups.size();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t begin = slot_count * i / count;
    const uint64_t end = slot_count * (i + 1) / count;
    if (begin == end) continue;
    assignments.push_back({.slots = {Slot(static_cast<uint16_t>(begin)),
                                     Slot(static_cast<uint16_t>(end - 1))},
                           .group = groups[i]});
  }
  return assignments;
}

std::vector<SlotTransfer> PlanBalance(absl::Span<const Assignment> owners,
                                      absl::Span<const SlotShare> shares,
                                      absl::Span<const SlotRange> pinned) {
  CHECK(!shares.empty());
  return Balancer(owners, shares, pinned).Plan();
}

}  // namespace quorate::shardctrl
