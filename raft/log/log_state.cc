#include "raft/log/log_state.h"

#include <algorithm>
#include <utility>

#include "env/check.h"

namespace quorate::raft {

size_t LiveEntries::BytesOf(Extent extent) const {
  size_t bytes = 0;
  auto it = entries_.At(extent.offset);
  for (size_t i = 0; i < extent.count; ++i, ++it) bytes += it->size_bytes();
  return bytes;
}

void LiveEntries::Add(std::vector<Run>* runs, Run run) {
  if (run.count == 0) return;
  if (!runs->empty() && runs->back().segment == run.segment) {
    runs->back().count += run.count;
  } else {
    runs->push_back(run);
  }
}

LiveEntries::Extent LiveEntries::FirstIn(const Segment* segment) const {
  size_t offset = 0;
  for (const Run& run : runs_) {
    if (run.segment == segment) return {offset, run.count};
    offset += run.count;
  }
  return {};
}

void LiveEntries::Append(const EntryList& entries, Segment* segment) {
  for (const Entry& entry : entries) segment->live_bytes += entry.size_bytes();
  entries_.Append(entries);
  Add(&runs_, {segment, entries.size()});
}

void LiveEntries::Truncate(size_t size) {
  CHECK_LE(size, this->size());
  size_t excess = this->size() - size;
  size_t end = this->size();
  while (excess > 0) {
    Run& last = runs_.back();
    const size_t count = std::min(excess, last.count);
    last.segment->live_bytes -= BytesOf({end - count, count});
    last.count -= count;
    if (last.count == 0) runs_.pop_back();
    end -= count;
    excess -= count;
  }
  entries_.Truncate(size);
}

void LiveEntries::DropFront(size_t count) {
  CHECK_LE(count, size());
  size_t done = 0;
  size_t runs = 0;  // Runs that are removed as a whole.
  while (done < count) {
    Run& run = runs_[runs];
    const size_t dropped = std::min(count - done, run.count);
    run.segment->live_bytes -= BytesOf({done, dropped});
    run.count -= dropped;
    if (run.count == 0) ++runs;
    done += dropped;
  }
  entries_.RemovePrefix(count);
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<ptrdiff_t>(runs));
}

void LiveEntries::Move(Extent extent, Segment* segment) {
  CHECK_LE(extent.offset + extent.count, size());
  std::vector<Run> runs;
  size_t at = 0;
  const size_t end = extent.offset + extent.count;
  for (const Run& run : runs_) {
    const size_t run_end = at + run.count;
    const size_t begin = std::clamp(extent.offset, at, run_end);
    const size_t stop = std::clamp(end, begin, run_end);
    const size_t bytes = BytesOf({begin, stop - begin});
    run.segment->live_bytes -= bytes;
    segment->live_bytes += bytes;
    Add(&runs, {run.segment, begin - at});
    Add(&runs, {segment, stop - begin});
    Add(&runs, {run.segment, run_end - stop});
    at = run_end;
  }
  runs_ = std::move(runs);
}

StateBody GroupLog::state() const {
  StateBody state;
  state.hard_state = hard_state;
  state.fenced = !fenced.ok();
  state.log_start = log_start;
  state.last = last();
  return state;
}

GroupLog& LogState::group(GroupKey key) {
  std::unique_ptr<GroupLog>& group = groups_[key];
  if (group == nullptr) {
    group = std::make_unique<GroupLog>();
    group->key = key;
  }
  return *group;
}

const GroupLog* LogState::Find(GroupKey key) const {
  const auto found = groups_.find(key);
  return found == groups_.end() ? nullptr : found->second.get();
}

void LogState::AddSegment(uint64_t number, uint64_t file_bytes) {
  CHECK(segments_.empty() || segments_.back()->number < number);
  segments_.push_back(std::make_unique<Segment>(Segment{number, file_bytes}));
}

void LogState::Append(GroupLog& group, const HardState* hard_state,
                      const EntryList& entries) {
  if (hard_state != nullptr) {
    CHECK(hard_state->term >= group.hard_state.term)
        << "group " << group.key.group;
    group.hard_state = *hard_state;
  }
  if (entries.empty()) return;
  const Index from = entries.front().index;
  CHECK_GT(from, group.log_start.position.index);
  CHECK_LE(from, group.last() + 1);
  group.live.Truncate(from - group.log_start.position.index - 1);
  Index next = from;
  for (const Entry& entry : entries) {
    CHECK_EQ(entry.index, next);
    next = next + 1;
  }
  group.live.Append(entries, current());
}

void LogState::SetLogStart(GroupLog& group, const LogStart& log_start,
                           bool discard_suffix) {
  CHECK_GE(log_start.position.index, group.log_start.position.index);
  if (discard_suffix || log_start.position.index >= group.last()) {
    group.live.Truncate(0);
  } else {
    group.live.DropFront(log_start.position.index -
                         group.log_start.position.index);
  }
  group.log_start = log_start;
}

void LogState::Drop(GroupKey key) {
  const auto found = groups_.find(key);
  if (found == groups_.end()) return;
  found->second->live.Truncate(0);
  groups_.erase(found);
}

std::vector<std::pair<GroupKey, StateBody>> LogState::States() const {
  std::vector<std::pair<GroupKey, StateBody>> states;
  states.reserve(groups_.size());
  for (const auto& [key, group] : groups_) {
    states.emplace_back(key, group->state());
  }
  return states;
}

size_t LogState::live_bytes() const {
  size_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment->live_bytes;
  return bytes;
}

uint64_t LogState::file_bytes() const {
  uint64_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment->file_bytes;
  return bytes;
}

}  // namespace quorate::raft
