#include "kv/store/ownership.h"

#include <algorithm>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {
namespace {

// Bit of a run's first word in the digest: its epoch is the second word. Groups
// without epochs keep the digests that earlier programs compute.
constexpr uint64_t kEpochFollows = uint64_t{1} << 32;

}  // namespace

std::vector<SlotRange> RangesOf(absl::Span<const SlotRun> runs) {
  std::vector<SlotRange> ranges;
  for (const SlotRun& run : runs) {
    if (!ranges.empty() &&
        run.first.value() == ranges.back().last.value() + 1) {
      ranges.back().last = run.last;
    } else {
      ranges.push_back({run.first, run.last});
    }
  }
  return ranges;
}

Ownership::Ownership(uint32_t slot_count, absl::Span<const SlotRun> runs)
    : runs_(runs.begin(), runs.end()) {
  for (const SlotRun& run : runs_) {
    CHECK_LE(run.first, run.last);
    CHECK_LT(run.last.value(), slot_count);
  }
  Merge();
  digest_ = HashWord(0, slot_count);
  for (const SlotRun& run : runs_) {
    const bool has_epoch = run.epoch != SlotEpoch();
    digest_ = HashWord(digest_, (has_epoch ? kEpochFollows : 0) |
                                    uint64_t{run.first.value()} << 16 |
                                    uint64_t{run.last.value()});
    if (has_epoch) digest_ = HashWord(digest_, run.epoch.value());
  }
}

void Ownership::Merge() {
  std::stable_sort(
      runs_.begin(), runs_.end(),
      [](const SlotRun& a, const SlotRun& b) { return a.first < b.first; });
  size_t merged = 0;
  for (const SlotRun& run : runs_) {
    SlotRun* const before = merged == 0 ? nullptr : &runs_[merged - 1];
    if (before != nullptr && run.epoch == before->epoch &&
        run.first.value() <= before->last.value() + 1) {
      before->last = std::max(before->last, run.last);
      continue;
    }
    if (before != nullptr) CHECK_GT(run.first, before->last);
    runs_[merged++] = run;
  }
  runs_.resize(merged);
}

bool Ownership::OwnsAll(SlotRange range) const {
  if (range.last < range.first) return true;
  uint32_t next = range.first.value();
  for (auto run = Find(range.first);
       run != runs_.end() && run->first.value() <= next; ++run) {
    if (range.last <= run->last) return true;
    next = std::max(next, run->last.value() + 1u);
  }
  return false;
}

}  // namespace quorate::kv
