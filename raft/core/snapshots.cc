// Snapshots: compacting the log, and sending the state to a follower that needs
// entries which the log no longer has (Raft paper 7; thesis 5).
//
// One chunk is in flight per follower, and the follower names the next byte
// that it needs. So a new leader with the same snapshot continues a transfer,
// and a follower continues one as far as the host kept its staging file. The
// host reads and stores the bytes (SnapshotWork).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

void Core::Impl::OnSnapshotTaken(SnapshotTaken event) {
  CHECK_LE(event.compact_index, event.snapshot.position.index);
  CHECK_LE(event.snapshot.position.index, applied_);
  if (event.snapshot.position.index < snapshot_.position.index) return;
  CHECK(log_.Matches(event.snapshot.position));
  snapshot_ = std::move(event.snapshot);
  // Entries whose write is in flight stay in memory.
  const Index boundary = std::min(event.compact_index, durable_);
  if (boundary > log_.start().index) log_.CompactTo(boundary);
}

// ---- The leader's side.

void Core::Impl::StartSnapshot(Progress& member) {
  CHECK_GE(snapshot_.position.index, log_.start().index);
  member.BecomeSnapshot(snapshot_);
  ReadChunk(member);
}

// Asks the host for the bytes at the offset that the follower needs, unless a
// read is outstanding. A transfer that is still at offset 0 changes to the
// newest snapshot.
void Core::Impl::ReadChunk(Progress& member) {
  if (member.pending_snapshot().reading) return;
  if (member.pending_snapshot().offset == 0 &&
      member.pending_snapshot().snapshot.position != snapshot_.position) {
    member.BecomeSnapshot(snapshot_);
  }
  Progress::PendingSnapshot& transfer = member.pending_snapshot();
  transfer.in_flight = false;
  if (!MaySend(member)) {
    member.set_retry_at(now_.mono + options_.retry_interval);
    return;
  }
  transfer.reading = true;
  transfer.read_offset = transfer.offset;
  member.set_retry_at(MonoTime::Max());
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kRead;
  work.to = member.replica();
  work.snapshot = transfer.snapshot;
  work.offset = transfer.offset;
  out_->snapshots.push_back(std::move(work));
}

void Core::Impl::OnChunkRead(ChunkRead event) {
  Progress* member =
      std::holds_alternative<Leader>(role_) ? FindMember(event.to) : nullptr;
  if (member == nullptr || member->state() != Progress::State::kSnapshot) {
    return;
  }
  Progress::PendingSnapshot& transfer = member->pending_snapshot();
  if (!transfer.reading || event.offset != transfer.read_offset ||
      event.snapshot.position != transfer.snapshot.position) {
    return;  // The read belongs to an abandoned transfer.
  }
  transfer.reading = false;
  if (event.gone) {
    // A newer snapshot has replaced it or will.
    transfer.offset = 0;
    member->set_retry_at(now_.mono + options_.retry_interval);
    if (snapshot_.position != transfer.snapshot.position) ReadChunk(*member);
    return;
  }
  if (transfer.offset != event.offset) {
    ReadChunk(*member);  // The follower needs another offset by now.
    return;
  }
  transfer.in_flight = true;
  member->set_retry_at(now_.mono + options_.retry_interval);
  Message message = NewMessage(MessageType::kSnapshotChunk, member->replica());
  message.part.Mutable() = {transfer.snapshot, event.offset,
                            std::move(event.chunk)};
  Send(std::move(message));
}

void Core::Impl::OnSnapshotReply(const Message& message) {
  Progress* member = std::holds_alternative<Leader>(role_)
                         ? FindMember(message.from)
                         : nullptr;
  if (member == nullptr) return;
  member->RecordContact(now_.mono);
  if (!message.part.has_value()) return DropInvalid();
  if (member->state() != Progress::State::kSnapshot) return;
  Progress::PendingSnapshot& transfer = member->pending_snapshot();
  if (message.part->snapshot.position != transfer.snapshot.position) return;
  if (message.part->offset > transfer.snapshot.size_bytes) {
    DropInvalid();
    return;
  }
  // A repeated request for the present offset changes nothing. The chunk is
  // being read or is in flight, and retry_at() decides when it is sent again.
  if (!message.reject && message.part->offset == transfer.offset &&
      (transfer.reading || transfer.in_flight)) {
    return;
  }
  transfer.offset = message.reject ? 0 : message.part->offset;
  ReadChunk(*member);
}

// ---- The follower's side.

// Raft paper Figure 13, InstallSnapshot RPC.
void Core::Impl::OnSnapshotChunk(const Message& message) {
  if (!AcceptLeader(message)) return;
  // The snapshot has the entry that this program does not know.
  if (installing() || halted()) return;
  if (!message.part.has_value()) return DropInvalid();
  const SnapshotDescriptor& snapshot = message.part->snapshot;
  if (snapshot.position.index == Index() ||
      snapshot.position.index > kIndexMax || snapshot.position.term == Term() ||
      snapshot.position.term > message.term ||
      message.part->offset > snapshot.size_bytes ||
      message.part->chunk.size() > snapshot.size_bytes - message.part->offset ||
      !ValidateConfiguration(snapshot.configuration).ok()) {
    DropInvalid();
    return;
  }
  if (AlreadyCovered(snapshot.position)) return;
  if (snapshot.configuration.level > options_.known_level) {
    return HaltBefore(commit_ + 1);
  }
  // One chunk is written at a time.
  if (incoming_snapshot_ && incoming_snapshot_->writing) return;
  if (!incoming_snapshot_ || incoming_snapshot_->snapshot != snapshot) {
    incoming_snapshot_ = IncomingSnapshot();
    incoming_snapshot_->snapshot = snapshot;
  }
  const bool useful = !message.part->chunk.empty() || snapshot.size_bytes == 0;
  if (message.part->offset != incoming_snapshot_->received || !useful) {
    ReplyToChunk(snapshot.position, incoming_snapshot_->received,
                 /*reject=*/false);
    return;
  }
  incoming_snapshot_->writing = true;
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kWrite;
  work.to = options_.replica;
  work.snapshot = message.part->snapshot;
  work.offset = message.part->offset;
  work.chunk = message.part->chunk;
  out_->snapshots.push_back(std::move(work));
}

// True if the snapshot is not needed: this replica has committed its position,
// or the log holds the entry at its position. In the second case the entries
// after that position stay (Figure 13, rule 6). In both the acknowledgement
// lets the leader continue with entries.
bool Core::Impl::AlreadyCovered(LogPosition position) {
  const bool old = position.index <= commit_;
  if (!old && !log_.Matches(position)) return false;
  const Index covered = old ? commit_ : position.index;
  FollowerCommit(position.index, position.index);
  if (leader() != ReplicaId()) AckMatch(AppendNumber(), covered);
  return true;
}

void Core::Impl::ReplyToChunk(LogPosition position, uint64_t offset,
                              bool reject) {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader == ReplicaId()) return;
  Message reply = NewMessage(MessageType::kSnapshotReply, follower->leader);
  reply.part.Mutable().snapshot.position = position;
  reply.part.Mutable().offset = offset;
  reply.reject = reject;
  Send(std::move(reply));
}

void Core::Impl::OnChunkWritten(ChunkWritten event) {
  if (!incoming_snapshot_ || !incoming_snapshot_->writing ||
      incoming_snapshot_->snapshot != event.snapshot) {
    return;
  }
  incoming_snapshot_->writing = false;
  incoming_snapshot_->received = event.received;
  if (!std::holds_alternative<Follower>(role_)) {
    DiscardIncomingSnapshot();  // A candidate keeps its log.
    return;
  }
  if (AlreadyCovered(event.snapshot.position)) return;
  if (event.received < event.snapshot.size_bytes) {
    ReplyToChunk(event.snapshot.position, event.received, /*reject=*/false);
    return;
  }
  incoming_snapshot_->installing = true;
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kInstall;
  work.to = options_.replica;
  work.snapshot = std::move(event.snapshot);
  out_->snapshots.push_back(std::move(work));
}

void Core::Impl::DiscardIncomingSnapshot() {
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kDiscard;
  work.to = options_.replica;
  work.snapshot = std::move(incoming_snapshot_->snapshot);
  out_->snapshots.push_back(std::move(work));
  incoming_snapshot_.reset();
}

// The host has replaced the state machine and cut the log. No entry is left in
// the log.
void Core::Impl::OnSnapshotInstalled(SnapshotInstalled event) {
  if (!installing() || incoming_snapshot_->snapshot != event.snapshot) return;
  incoming_snapshot_.reset();
  const LogPosition position = event.snapshot.position;
  if (!event.ok) {
    ReplyToChunk(position, 0, /*reject=*/true);
    return;
  }
  CHECK_GT(position.index, commit_);
  log_.Reset(event.snapshot.log_start(), event.snapshot.configuration);
  applied_latest_ = event.snapshot.latest;
  snapshot_ = std::move(event.snapshot);
  ++epoch_;
  commit_ = reacted_commit_ = applied_ = durable_ = position.index;
  unapplied_bytes_ = 0;
  Emit(Event::Kind::kSnapshotInstalled, position.index);
  Emit(Event::Kind::kConfigurationChanged, position.index);
  ReleaseForwardedReads();
  if (leader() != ReplicaId()) AckMatch(AppendNumber(), position.index);
}

}  // namespace quorate::raft
