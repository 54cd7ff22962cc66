#include "raft/log/log_state.h"

#include <algorithm>
#include <utility>

#include "env/check.h"

namespace quorate::raft {

StateBody GroupLog::state() const {
  StateBody state;
  state.hard_state = hard_state;
  state.commit = commit;
  state.fenced = !fenced.ok();
  state.log_start = log_start;
  state.last = last();
  return state;
}

GroupLog& LogState::group(GroupKey key) {
  return groups_.try_emplace(key, key).first->second;
}

const GroupLog* LogState::Find(GroupKey key) const {
  const auto found = groups_.find(key);
  return found == groups_.end() ? nullptr : &found->second;
}

const LiveEntries::Span* LogState::FindSpan(GroupKey key, Index index) const {
  const GroupLog* const group = Find(key);
  return group == nullptr ? nullptr : group->live.Find(index);
}

void LogState::AddSegment(uint64_t number, uint64_t file_bytes) {
  CHECK(segments_.empty() || segments_.back()->number < number);
  segments_.push_back(std::make_unique<Segment>());
  segments_.back()->number = number;
  segments_.back()->file_bytes = file_bytes;
}

void LogState::Append(GroupLog& group, const HardState* hard_state,
                      Index commit, const EntryList& entries, uint64_t begin,
                      uint64_t end) {
  group.commit = std::max(group.commit, commit);
  if (hard_state != nullptr) {
    CHECK(hard_state->term >= group.hard_state.term)
        << "group " << group.key().group;
    group.hard_state = *hard_state;
  }
  if (entries.empty()) return;
  const Index from = entries.front().index;
  CHECK_GT(from, group.log_start.position.index);
  CHECK_LE(from, group.last() + 1);
  group.live.TruncateFrom(from);
  size_t bytes = 0;
  Index next = from;
  for (const Entry& entry : entries) {
    CHECK_EQ(entry.index, next);
    next = next + 1;
    bytes += entry.size_bytes();
  }
  group.live.Append({from,
                     {current(), begin, end},
                     static_cast<uint32_t>(entries.size()),
                     static_cast<uint32_t>(bytes)});
}

void LogState::SetLogStart(GroupLog& group, const LogStart& log_start,
                           bool discard_suffix) {
  CHECK_GE(log_start.position.index, group.log_start.position.index);
  if (discard_suffix || log_start.position.index >= group.last()) {
    RemoveAll(group);
  } else {
    group.live.DropThrough(log_start.position.index);
    if (group.live.has_removed()) shortened_.insert(group.key());
  }
  group.log_start = log_start;
}

void LogState::Fence(GroupLog& group, const absl::Status& why) {
  CHECK(!why.ok()) << "group " << group.key().group;
  group.fenced = why;
  RemoveAll(group);
}

void LogState::Drop(GroupKey key) {
  const auto found = groups_.find(key);
  if (found == groups_.end()) return;
  RemoveAll(found->second);
  groups_.erase(found);
}

void LogState::RemoveAll(GroupLog& group) {
  shortened_.erase(group.key());
  LiveEntries removed = group.live.RemoveAll();
  if (removed.has_removed()) removed_.push_back(std::move(removed));
}

std::vector<GroupKey> LogState::FreeRemoved(size_t most) {
  std::vector<GroupKey> ended;
  while (most > 0 && !removed_.empty()) {
    most -= removed_.back().FreeRemoved(most);
    if (!removed_.back().has_removed()) removed_.pop_back();
  }
  while (most > 0 && !shortened_.empty()) {
    const GroupKey key = *shortened_.begin();
    LiveEntries& live = groups_.at(key).live;
    most -= live.FreeRemoved(most);
    if (live.has_removed()) break;
    shortened_.erase(shortened_.begin());
    ended.push_back(key);
  }
  return ended;
}

size_t LogState::spans() const {
  size_t spans = 0;
  for (const auto& segment : segments_) spans += segment->spans.size();
  return spans;
}

std::vector<std::pair<GroupKey, StateBody>> LogState::States() const {
  std::vector<std::pair<GroupKey, StateBody>> states;
  states.reserve(groups_.size());
  for (const auto& [key, group] : groups_) {
    states.emplace_back(key, group.state());
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
