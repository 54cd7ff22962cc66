#include "raft/log/log_state.h"

#include <utility>

#include "env/check.h"

namespace quorate::raft {

void LiveEntries::Append(Entry entry, Segment* segment) {
  segment->live_bytes += entry.size_bytes();
  entries_.push_back(std::move(entry));
  segment_of_.push_back(segment);
}

void LiveEntries::Truncate(size_t size) {
  CHECK_LE(size, this->size());
  while (this->size() > size) {
    segment_of_.back()->live_bytes -= entries_.back().size_bytes();
    entries_.pop_back();
    segment_of_.pop_back();
  }
}

void LiveEntries::DropFront(size_t count) {
  CHECK_LE(count, size());
  for (size_t i = 0; i < count; ++i, ++head_) {
    segment_of_[head_]->live_bytes -= entries_[head_].size_bytes();
    entries_[head_].payload = Buffer();
  }
  // Each entry is moved at most once for every entry dropped.
  if (2 * head_ >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + head_);
    segment_of_.erase(segment_of_.begin(), segment_of_.begin() + head_);
    head_ = 0;
  }
}

void LiveEntries::Move(size_t i, Segment* segment) {
  const size_t bytes = entries_[head_ + i].size_bytes();
  segment_of_[head_ + i]->live_bytes -= bytes;
  segment_of_[head_ + i] = segment;
  segment->live_bytes += bytes;
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
                      absl::Span<Entry> entries) {
  if (hard_state != nullptr) {
    CHECK(hard_state->term >= group.hard_state.term)
        << "group " << group.key.group;
    group.hard_state = *hard_state;
  }
  if (entries.empty()) return;
  const Index from = entries.front().index;
  CHECK_GT(from, group.log_start.index);
  CHECK_LE(from, group.last() + 1);
  group.live.Truncate(from - group.log_start.index - 1);
  for (Entry& entry : entries) {
    CHECK_EQ(entry.index, group.last() + 1);
    group.live.Append(std::move(entry), current());
  }
}

void LogState::SetLogStart(GroupLog& group, LogPosition log_start,
                           bool discard_suffix) {
  CHECK_GE(log_start.index, group.log_start.index);
  if (discard_suffix || log_start.index >= group.last()) {
    group.live.Truncate(0);
  } else {
    group.live.DropFront(log_start.index - group.log_start.index);
  }
  group.log_start = log_start;
}

void LogState::Drop(GroupKey key) {
  const auto found = groups_.find(key);
  if (found != groups_.end()) {
    found->second->live.Truncate(0);
    groups_.erase(found);
  }
  dropped_.insert(key);
}

std::vector<std::pair<GroupKey, StateBody>> LogState::States() const {
  std::vector<std::pair<GroupKey, StateBody>> states;
  states.reserve(groups_.size() + dropped_.size());
  for (const auto& [key, group] : groups_) {
    states.emplace_back(key, group->state());
  }
  for (const GroupKey& key : dropped_) {
    StateBody state;
    state.dropped = true;
    states.emplace_back(key, state);
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
