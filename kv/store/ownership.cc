#include "kv/store/ownership.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {
namespace {

// From this bit on a run's first word in the digest has its state. Its epoch is
// the second word.
constexpr int kStateShift = 32;

}  // namespace

std::vector<SlotRange> RangesOf(absl::Span<const SlotRun> runs) {
  std::vector<SlotRange> ranges;
  for (const SlotRun& run : runs) {
    if (run.state != SlotState::kOwned) continue;
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
    : slot_count_(slot_count) {
  Add(runs);
}

void Ownership::Put(absl::Span<const SlotRange> slots, SlotEpoch epoch,
                    SlotState state) {
  Cut(slots);
  std::vector<SlotRun> runs;
  for (const SlotRange& range : slots) {
    runs.push_back({range.first, range.last, epoch, state});
  }
  Add(runs);
}

void Ownership::SetState(absl::Span<const SlotRange> slots, SlotState state) {
  std::vector<SlotRun> runs = Cut(slots);
  for (SlotRun& run : runs) run.state = state;
  Add(runs);
}

std::vector<SlotRun> Ownership::Cut(absl::Span<const SlotRange> slots) {
  std::vector<SlotRun> kept;
  std::vector<SlotRun> cut;
  const auto keep = [](const SlotRun& run, uint32_t first, uint32_t last,
                       std::vector<SlotRun>* runs) {
    if (first > last) return;
    runs->push_back(run);
    runs->back().first = Slot(static_cast<uint16_t>(first));
    runs->back().last = Slot(static_cast<uint16_t>(last));
  };
  for (const SlotRun& run : runs_) {
    uint32_t next = run.first.value();
    auto range = std::partition_point(
        slots.begin(), slots.end(),
        [&](const SlotRange& one) { return one.last < run.first; });
    for (; range != slots.end() && range->first <= run.last; ++range) {
      const uint32_t first = std::max(next, uint32_t{range->first.value()});
      const uint32_t last = std::min(range->last, run.last).value();
      if (first > next) keep(run, next, first - 1, &kept);
      keep(run, first, last, &cut);
      next = last + 1;
    }
    keep(run, next, run.last.value(), &kept);
  }
  runs_ = std::move(kept);
  return cut;
}

void Ownership::Add(absl::Span<const SlotRun> runs) {
  for (const SlotRun& run : runs) {
    CHECK_LE(run.first, run.last);
    CHECK_LT(run.last.value(), slot_count_);
    runs_.push_back(run);
  }
  std::stable_sort(
      runs_.begin(), runs_.end(),
      [](const SlotRun& a, const SlotRun& b) { return a.first < b.first; });
  size_t merged = 0;
  for (const SlotRun& run : runs_) {
    SlotRun* const before = merged == 0 ? nullptr : &runs_[merged - 1];
    if (before != nullptr && run.epoch == before->epoch &&
        run.state == before->state &&
        run.first.value() <= before->last.value() + 1) {
      before->last = std::max(before->last, run.last);
      continue;
    }
    if (before != nullptr) CHECK_GT(run.first, before->last);
    runs_[merged++] = run;
  }
  runs_.resize(merged);
  digest_ = HashWord(0, slot_count_);
  for (const SlotRun& run : runs_) {
    const uint64_t state = static_cast<uint64_t>(run.state) -
                           static_cast<uint64_t>(SlotState::kOwned);
    digest_ = HashWord(digest_, state << kStateShift |
                                    uint64_t{run.first.value()} << 16 |
                                    uint64_t{run.last.value()});
    digest_ = HashWord(digest_, run.epoch.value());
  }
}

bool Ownership::OwnsAll(SlotRange range) const {
  if (range.last < range.first) return true;
  uint32_t next = range.first.value();
  for (auto run = Find(range.first);
       run != runs_.end() && run->first.value() <= next &&
       run->state == SlotState::kOwned;
       ++run) {
    if (range.last <= run->last) return true;
    next = std::max(next, run->last.value() + 1u);
  }
  return false;
}

}  // namespace quorate::kv
