#include "node/cluster/slot_owners.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "env/check.h"

namespace quorate::node {
namespace {

// The former owners of a slot that `after`, of the map `version`, got from
// `before`.
std::vector<SlotOwners::Former> FormerOf(const SlotOwners::Range& before,
                                         const SlotOwners::Range& after,
                                         shardctrl::MapVersion version) {
  std::vector<SlotOwners::Former> former = before.former;
  if (before.group == after.group) return former;
  std::erase_if(former, [&](const SlotOwners::Former& one) {
    return one.group == after.group;
  });
  former.push_back({before.group, version});
  return former;
}

std::pair<Slot, GroupId> Owner(const SlotOwners::Range& range) {
  return {range.first, range.group};
}

}  // namespace

SlotOwners::SlotOwners(const shardctrl::ShardMap& map)
    : version_(map.version()),
      ranges_(Assigned(map)),
      changed_(map.slots_move()) {
  TakeFirsts();
}

std::vector<SlotOwners::Range> SlotOwners::Assigned(
    const shardctrl::ShardMap& map) {
  const absl::Span<const shardctrl::Group> groups = map.groups();
  std::vector<Range> ranges;
  for (const shardctrl::Assignment& assignment : map.assignments()) {
    const auto group =
        std::ranges::find_if(groups, [&](const shardctrl::Group& one) {
          return one.id == assignment.group;
        });
    CHECK(group != groups.end()) << "group " << assignment.group;
    ranges.push_back({assignment.slots.first,
                      assignment.group,
                      static_cast<size_t>(group - groups.begin()),
                      {}});
  }
  return ranges;
}

void SlotOwners::Update(const shardctrl::ShardMap& map) {
  CHECK_GT(map.version(), version_);
  version_ = map.version();
  const std::vector<Range> before = std::exchange(ranges_, {});
  const std::vector<Range> after = Assigned(map);
  changed_ = changed_ || map.slots_move() || before.size() != after.size() ||
             !std::ranges::equal(before, after, {}, Owner, Owner);
  Merge(before, after);
  TakeFirsts();
}

void SlotOwners::Merge(const std::vector<Range>& before,
                       const std::vector<Range>& after) {
  size_t old = 0;
  size_t now = 0;
  Slot first = after[0].first;
  while (true) {
    Range range = after[now];
    range.first = first;
    range.former = FormerOf(before[old], range, version_);
    if (before[old].group != range.group) moved_ = version_;
    if (ranges_.empty() || ranges_.back().group != range.group ||
        ranges_.back().former != range.former) {
      ranges_.push_back(std::move(range));
    }
    const bool old_ends = old + 1 < before.size();
    const bool now_ends = now + 1 < after.size();
    if (!old_ends && !now_ends) return;
    // The next piece begins where the nearer one of both ranges ends.
    if (!now_ends ||
        (old_ends && before[old + 1].first <= after[now + 1].first)) {
      first = before[old + 1].first;
    } else {
      first = after[now + 1].first;
    }
    if (old_ends && before[old + 1].first == first) ++old;
    if (now_ends && after[now + 1].first == first) ++now;
  }
}

void SlotOwners::TakeFirsts() {
  firsts_.clear();
  for (const Range& range : ranges_) firsts_.push_back(range.first);
}

std::vector<const SlotOwners::Range*> SlotOwners::RangesOf(Slot first,
                                                           Slot last) const {
  std::vector<const Range*> found;
  for (size_t i = Find(first); i < ranges_.size() && ranges_[i].first <= last;
       ++i) {
    found.push_back(&ranges_[i]);
  }
  return found;
}

}  // namespace quorate::node
