#include "sim/checks/repeated_work.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// Whether the entry is on the disk of the replica.
bool Has(const raft::Core& core, raft::LogPosition entry) {
  if (entry.index > core.durable_index()) return false;
  return entry.index <= core.log_start().index ||
         core.TermAt(entry.index) == entry.term;
}

}  // namespace

void RepeatedWork::Begin(const Windows& windows) {
  windows_ = windows;
  groups_.clear();
}

void RepeatedWork::OnStep(GroupId id, const raft::Core& core,
                          const raft::Output& output, Find find) {
  if (!windows_.has_value()) return;
  Group& group = groups_[id];
  if (group.first == raft::Term()) group.first = core.term();
  for (const raft::SnapshotWork& work : output.snapshots) {
    OnSnapshotWork(&group, core, work, find);
  }
  if (core.role() != raft::RoleKind::kLeader) return;
  for (const raft::Message& message : output.messages) {
    OnMessage(id, &group, message, find);
  }
}

void RepeatedWork::OnSnapshotWork(Group* group, const raft::Core& core,
                                  const raft::SnapshotWork& work, Find find) {
  using Kind = raft::SnapshotWork::Kind;
  Group::Accepted& accepted = group->accepted[work.to];
  if (work.kind == Kind::kRead && work.offset == 0) {
    const raft::Core* const member = find(work.to);
    if (member != nullptr && Has(*member, work.snapshot.position)) return;
    group->sent[{core.term(), work.to}].snapshots.insert(
        work.snapshot.position.index);
  } else if (work.kind == Kind::kWrite) {
    accepted = {work.snapshot.position, work.offset + work.chunk.size()};
  } else if (work.kind == Kind::kDiscard) {
    accepted = {};
  }
}

void RepeatedWork::OnMessage(GroupId id, Group* group,
                             const raft::Message& message, Find find) {
  const bool entries =
      message.type == raft::MessageType::kAppend && !message.entries.empty();
  const bool chunk = message.type == raft::MessageType::kSnapshotChunk &&
                     !message.part->chunk.empty();
  if (!entries && !chunk) return;
  const raft::Core* const member = find(message.to);
  if (member == nullptr) return;
  Sent& sent = group->sent[{message.term, message.to}];
  if (entries) {
    uint64_t repeated = 0;
    for (const raft::Entry& entry : message.entries) {
      if (!Has(*member, entry.position())) break;
      repeated += entry.size_bytes();
    }
    if (repeated == 0) return;
    sent.entry_bytes += repeated;
    const bool began = message.term > group->first;
    return Require(id, message, "entries", sent.entry_bytes,
                   began ? windows_->entry_bytes : 0);
  }
  const raft::SnapshotPart& part = *message.part;
  const Group::Accepted& accepted = group->accepted[message.to];
  const bool has = Has(*member, part.snapshot.position) ||
                   (accepted.snapshot == part.snapshot.position &&
                    part.offset < accepted.end);
  if (!has) return;
  sent.chunk_bytes += part.chunk.size();
  Require(id, message, "chunks", sent.chunk_bytes,
          sent.snapshots.size() * windows_->chunk_bytes);
}

void RepeatedWork::Require(GroupId id, const raft::Message& message,
                           std::string_view what, uint64_t bytes,
                           uint64_t bound) {
  if (bytes <= bound) return;
  violate_(absl::StrCat(
      "availability: the leader of group ", id.value(), " in term ",
      message.term.value(), " sent replica ", message.to.value(), " ", bytes,
      " bytes of ", std::string(what),
      " that it has, though no fault was left; at most ", bound));
}

}  // namespace quorate::sim
