#include "raft/log/replay.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::raft {
namespace {

std::string Describe(uint64_t segment, const ScannedRecord& record) {
  return absl::StrCat("bytes ", record.offset, " to ", record.end, " of ",
                      SegmentName(segment));
}

absl::Status NewerFormat(uint64_t segment, const ScannedRecord& record) {
  return absl::FailedPreconditionError(absl::StrCat(
      SegmentName(segment), " holds at ", record.offset, " a record of type ",
      static_cast<int>(record.header.type), ", version ", record.header.version,
      " and flags ", record.header.flags,
      ", which this program does not know: it was written by a newer one; "
      "start that one. Nothing on the disk was changed"));
}

// The flags that a record of this type may have.
uint16_t KnownFlags(RecordType type) {
  switch (type) {
    case RecordType::kAppend:
      return kFlagHardState | kFlagCommit;
    case RecordType::kLogStart:
      return kFlagDiscardSuffix;
    default:
      return 0;
  }
}

constexpr char kStaysFenced[] =
    "it stays fenced. Other replicas of the group go on; without any, put the "
    "right files back, or restore a backup";

}  // namespace

void Replay::Fence(GroupKey key, const std::string& why) {
  Group& group = groups_[key];
  if (!group.fenced.ok()) return;
  newly_fenced_ = true;
  group.fenced = absl::DataLossError(absl::StrCat(
      "group ", key.group.value(), " is fenced: its log is damaged (", why,
      "); ", kStaysFenced));
}

void Replay::FenceAll(const std::string& why) {
  for (const auto& [key, group] : groups_) Fence(key, why);
}

void Replay::OnCorruptRecord(const ScannedRecord& record, uint64_t segment) {
  const std::string extent = Describe(segment, record);
  if (record.kind == ScannedRecord::Kind::kBadBody &&
      record.header.key.group != GroupId()) {
    return Fence(record.header.key, extent);
  }
  if (fence_all_.empty()) fence_all_ = extent;
}

absl::Status Replay::ApplyState(GroupKey key, const StateBody& state) {
  const auto found = groups_.find(key);
  // The state at the end of the previous segments must be the state with which
  // this segment begins. A difference shows a loss that left no damaged record.
  // The commit index may differ: not every record has the newest one.
  if (found != groups_.end() && found->second.fenced.ok() && !state.fenced &&
      (found->second.hard_state != state.hard_state ||
       found->second.log_start != state.log_start ||
       found->second.last != state.last)) {
    Fence(key, "a segment begins with another state than the one before ends");
  } else if (found == groups_.end() && !first_ && !state.fenced) {
    Fence(key, "a segment begins with a group that the one before lacks");
  }
  Group& group = groups_[key];
  group.hard_state = state.hard_state;
  group.commit = std::max(group.commit, state.commit);
  group.log_start = state.log_start;
  group.last = state.last;
  if (state.fenced && group.fenced.ok()) {
    group.fenced = absl::DataLossError(
        absl::StrCat("group ", key.group.value(),
                     " is fenced: an earlier run found that its log or its "
                     "state is wrong; ",
                     kStaysFenced));
  }
  return absl::OkStatus();
}

void Replay::Entries::Put(Slot slot) {
  const Index index = slot.entry.index;
  const bool is_older = newest_.empty()
                            ? !older_.empty() && index <= older_.rbegin()->first
                            : index < newest_.front().entry.index;
  if (is_older) {
    older_.insert_or_assign(index, std::move(slot));
    return;
  }
  if (!newest_.empty() && index > newest_.back().entry.index + 1) {
    for (Slot& before : newest_) {
      older_.insert_or_assign(older_.end(), before.entry.index,
                              std::move(before));
    }
    newest_.clear();
  }
  if (newest_.empty() || index > newest_.back().entry.index) {
    newest_.push_back(std::move(slot));
  } else {
    newest_[index.value() - newest_.front().entry.index.value()] =
        std::move(slot);
  }
}

void Replay::Entries::EraseFrom(Index index) {
  while (!newest_.empty() && newest_.back().entry.index >= index) {
    newest_.pop_back();
  }
  if (newest_.empty()) {
    older_.erase(older_.lower_bound(index), older_.end());
  }
}

void Replay::Entries::EraseTo(Index index) {
  older_.erase(older_.begin(), older_.upper_bound(index));
  while (!newest_.empty() && newest_.front().entry.index <= index) {
    newest_.pop_front();
  }
}

absl::Status Replay::ApplyEntries(RecordType type, GroupKey key,
                                  EntriesBody body, const Place& place) {
  Group& group = groups_[key];
  if (body.hard_state.has_value()) group.hard_state = *body.hard_state;
  group.commit = std::max(group.commit, body.commit);
  if (body.entries.empty()) return absl::OkStatus();
  const Index from = body.entries.front().index;
  if (type == RecordType::kAppend) {
    if (from > group.last + 1) {
      Fence(key,
            absl::StrCat("entries after ", group.last.value(), " are missing"));
    }
    group.entries.EraseFrom(from);
    group.last = body.entries.back().index;
  }
  places_.push_back(place);
  for (Entry& entry : body.entries) {
    if (entry.index <= group.log_start.position.index) continue;
    group.entries.Put({std::move(entry), places_.size() - 1});
  }
  return absl::OkStatus();
}

void Replay::ApplyLogStart(GroupKey key, const LogStart& log_start,
                           bool discard_suffix) {
  Group& group = groups_[key];
  group.log_start = log_start;
  if (discard_suffix) {
    group.entries = {};
    group.last = log_start.position.index;
  }
  group.entries.EraseTo(log_start.position.index);
  group.last = std::max(group.last, log_start.position.index);
}

absl::Status Replay::Apply(const ScannedRecord& record, uint64_t segment,
                           const Place& place) {
  const RecordHeader& header = record.header;
  if (header.version != kRecordVersion ||
      (header.flags & ~KnownFlags(header.type)) != 0) {
    return absl::FailedPreconditionError("a record of a newer program");
  }
  const GroupKey key = record.header.key;
  switch (record.header.type) {
    case RecordType::kState: {
      auto state = DecodeStateBody(record.body);
      if (!state.ok()) return state.status();
      return ApplyState(key, *state);
    }
    case RecordType::kAppend:
    case RecordType::kRewrite: {
      auto body = DecodeEntriesBody(record.header.flags, record.body);
      if (!body.ok()) return body.status();
      if (body->mismatch != Index()) {
        Fence(key, absl::StrCat("entry ", body->mismatch.value(), " in ",
                                Describe(segment, record),
                                " does not match its checksum"));
      }
      return ApplyEntries(record.header.type, key, *std::move(body), place);
    }
    case RecordType::kLogStart: {
      auto log_start = DecodeLogStartBody(record.body);
      if (!log_start.ok()) return log_start.status();
      ApplyLogStart(key, *log_start,
                    (record.header.flags & kFlagDiscardSuffix) != 0);
      return absl::OkStatus();
    }
    case RecordType::kDrop:
      groups_.erase(key);
      dropped_.insert(key);
      return absl::OkStatus();
    case RecordType::kOpened:
      return CheckOpenedBody(record.body);
    case RecordType::kWitness:
      if (record.body.empty()) return absl::OkStatus();
      return absl::DataLossError("a witness has a body");
  }
  return absl::FailedPreconditionError("a record of an unknown type");
}

absl::Status Replay::AddClosed(uint64_t number, const Scan& scan,
                               bool header_ok) {
  return AddLast(number, scan, ~uint64_t{0}, header_ok);
}

absl::Status Replay::AddLast(uint64_t number, const Scan& scan,
                             uint64_t unconfirmed_from, bool header_ok) {
  fence_all_.clear();
  if (!header_ok) {
    fence_all_ = absl::StrCat("the header of ", SegmentName(number));
  }
  for (size_t i = 0; i < scan.records.size(); ++i) {
    const ScannedRecord& record = scan.records[i];
    if (record.kind != ScannedRecord::Kind::kGood) {
      if (record.offset >= unconfirmed_from) {
        // Old bytes of a recycled segment are not a torn write. A record that
        // verifies behind the gap is one.
        torn_tail_cut_ = record.kind == ScannedRecord::Kind::kBadBody ||
                         i + 1 < scan.records.size();
        break;
      }
      OnCorruptRecord(record, number);
      continue;
    }
    const bool unconfirmed = record.offset >= unconfirmed_from &&
                             record.header.type != RecordType::kState &&
                             record.header.type != RecordType::kOpened &&
                             record.header.type != RecordType::kWitness;
    if (unconfirmed && unconfirmed_.empty()) states_ = States();
    const Place place = unconfirmed ? Place{0, unconfirmed_.size(), 0}
                                    : Place{number, record.offset, record.end};
    const absl::Status applied = Apply(record, number, place);
    if (absl::IsDataLoss(applied)) {
      // The record verifies but cannot be decoded: treat it as unreadable.
      if (fence_all_.empty()) fence_all_ = Describe(number, record);
      continue;
    }
    if (!applied.ok()) return NewerFormat(number, record);
    if (unconfirmed) {
      unconfirmed_.push_back({record.header.type, record.header.flags,
                              record.header.key, std::string(record.body)});
    }
  }
  if (!fence_all_.empty()) FenceAll(fence_all_);
  first_ = false;
  return absl::OkStatus();
}

std::vector<std::pair<GroupKey, StateBody>> Replay::States() const {
  std::vector<std::pair<GroupKey, StateBody>> states;
  for (const auto& [key, group] : groups_) {
    StateBody state;
    state.hard_state = group.hard_state;
    state.commit = group.commit;
    state.log_start = group.log_start;
    state.last = group.last;
    states.emplace_back(key, state);
  }
  return states;
}

Replay::Result Replay::Finish() {
  Result result;
  if (unconfirmed_.empty()) states_ = States();
  for (auto& [key, group] : groups_) {
    RecoveredGroup& recovered = result.groups[key];
    std::vector<size_t>& place_of = result.place_of[key];
    recovered.hard_state = group.hard_state;
    recovered.commit = group.commit;
    recovered.log_start = group.log_start;
    Index last = group.log_start.position.index;
    group.entries.ForEach([&](Slot& slot) {
      if (slot.entry.index != last + 1) return false;
      last = slot.entry.index;
      recovered.entries.push_back(std::move(slot.entry));
      place_of.push_back(slot.place);
      return true;
    });
    if (last != group.last) {
      Fence(key, absl::StrCat("entries after ", last.value(), " up to ",
                              group.last.value(), " are missing"));
    }
    recovered.fenced = group.fenced;
  }
  // A fenced group stays fenced when the damaged record is gone.
  std::set<GroupKey> fenced;
  for (const auto& [key, group] : groups_) {
    if (!group.fenced.ok()) fenced.insert(key);
  }
  for (auto& [key, state] : states_) state.fenced = fenced.erase(key) > 0;
  for (const GroupKey& key : fenced) {
    StateBody state;
    state.fenced = true;
    states_.emplace_back(key, state);
  }
  for (const auto& [key, group] : groups_) dropped_.erase(key);
  result.dropped = std::move(dropped_);
  result.places = std::move(places_);
  result.states = std::move(states_);
  result.unconfirmed = std::move(unconfirmed_);
  result.torn_tail_cut = torn_tail_cut_;
  result.newly_fenced = newly_fenced_;
  return result;
}

}  // namespace quorate::raft
