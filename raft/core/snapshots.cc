// Snapshots: compacting the log, and sending the state to a follower that needs
// entries which the log no longer has (Raft paper 7; thesis 5).
//
// The leader reads one chunk after another and has several in flight, within a
// limit of bytes. Each chunk has a number. The follower accepts chunks in
// order, writes them, and says how many bytes it has accepted and how many it
// has written. A chunk is sent again on evidence of its loss alone: the
// follower has refused a chunk that was sent after it. When replies are
// overdue, the leader sends an empty chunk, which asks what the follower has.
//
// So a new leader with the same snapshot continues a transfer, and a follower
// continues one as far as the host kept its staging file. The host reads and
// stores the bytes (SnapshotWork).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

void Core::Impl::OnSnapshotTaken(SnapshotTaken event) {
  CHECK_LE(event.compact_index, event.snapshot.position.index);
  CHECK_LE(event.snapshot.position.index, applied_);
  if (event.snapshot.position.index < snapshot().position.index) return;
  CHECK(log_.Matches(event.snapshot.position));
  snapshot_.Mutable() = std::move(event.snapshot);
  // Entries whose write is in flight stay in memory.
  const Index boundary = std::min(event.compact_index, durable_);
  if (boundary > log_.start().index) log_.CompactTo(boundary);
}

// ---- The leader's side.

void Core::Impl::StartSnapshot(Progress& member) {
  CHECK_GE(snapshot().position.index, log_.start().index);
  member.BecomeSnapshot(snapshot(), NextNumber());
  member.set_retry_at(now_.mono + options_->retry_interval);
  if (snapshot().size_bytes == 0) {
    SendChunk(member, Buffer());
  } else {
    ReadChunk(member);
  }
}

// Asks the host for the next bytes, if another chunk may be in flight. A
// transfer that is still at offset 0 changes to the newest snapshot.
void Core::Impl::ReadChunk(Progress& member) {
  if (member.pending_snapshot().reading) return;
  if (member.pending_snapshot().next == 0 &&
      member.pending_snapshot().snapshot.position != snapshot().position) {
    const MonoTime retry_at = member.retry_at();
    member.BecomeSnapshot(snapshot(), NextNumber());
    member.set_retry_at(retry_at);
  }
  Progress::PendingSnapshot& transfer = member.pending_snapshot();
  if (!transfer.MaySendMore(options_->snapshot_inflight_bytes_max) ||
      !MaySend(member, HostGate::Load::kChunk)) {
    return;
  }
  transfer.reading = true;
  transfer.read_offset = transfer.next;
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kRead;
  work.to = member.replica();
  work.snapshot = transfer.snapshot;
  work.offset = transfer.next;
  out_->snapshots.push_back(std::move(work));
}

void Core::Impl::OnChunkRead(ChunkRead event) {
  Progress* member = leads() ? FindMember(event.to) : nullptr;
  if (member == nullptr || member->state() != Progress::State::kSnapshot) {
    return;
  }
  Progress::PendingSnapshot& transfer = member->pending_snapshot();
  if (!transfer.reading || event.offset != transfer.read_offset ||
      event.snapshot.position != transfer.snapshot.position) {
    return;  // The read belongs to an abandoned transfer.
  }
  transfer.reading = false;
  if (event.chunk.empty() && !event.gone) {
    member->set_retry_at(now_.mono + options_->retry_interval);
    return;
  }
  if (event.gone) {
    // A newer snapshot has replaced it or will.
    transfer.GoTo(0, 0, NextNumber());
    member->set_retry_at(now_.mono + options_->retry_interval);
    if (snapshot().position != transfer.snapshot.position) ReadChunk(*member);
    return;
  }
  if (transfer.next == event.offset) {
    const uint64_t end = event.offset + event.chunk.size();
    CHECK_GT(end, event.offset);
    CHECK_LE(end, transfer.snapshot.size_bytes);
    SendChunk(*member, std::move(event.chunk));
    transfer.next = end;
  }
  // Otherwise the follower needs another offset by now.
  ReadChunk(*member);
}

// Sends the bytes at the next offset. Without bytes, the chunk asks what the
// follower has.
void Core::Impl::SendChunk(Progress& member, Buffer chunk) {
  const Progress::PendingSnapshot& transfer = member.pending_snapshot();
  Message message = NewMessage(MessageType::kSnapshotChunk, member.replica());
  message.number = ++leader_role().last_append;
  message.part.Mutable().snapshot = transfer.snapshot;
  message.part.Mutable().offset = transfer.next;
  message.part.Mutable().chunk = std::move(chunk);
  Send(std::move(message));
}

// A reply is overdue. Nothing is read or sent for a follower that does not
// answer.
void Core::Impl::RetryChunk(Progress& member) {
  member.set_retry_at(now_.mono + options_->retry_interval);
  if (IsInactive(member)) return;
  const Progress::PendingSnapshot& transfer = member.pending_snapshot();
  if (transfer.next > transfer.staged ||
      transfer.next == transfer.snapshot.size_bytes) {
    SendChunk(member, Buffer());
  }
  ReadChunk(member);
}

void Core::Impl::OnSnapshotReply(const Message& message) {
  Progress* member = leads() ? FindMember(message.from) : nullptr;
  if (member == nullptr) return;
  member->RecordContact(now_.mono);
  if (!message.part.has_value()) return DropInvalid();
  if (member->state() != Progress::State::kSnapshot) return;
  Progress::PendingSnapshot& transfer = member->pending_snapshot();
  const SnapshotPart& part = *message.part;
  if (part.snapshot.position != transfer.snapshot.position) return;
  if (message.number >= NextNumber() || part.staged > part.offset ||
      part.offset > transfer.snapshot.size_bytes) {
    return DropInvalid();
  }
  if (message.number < transfer.current_from) return;
  if (message.reject) {
    transfer.GoTo(part.offset, part.staged, NextNumber());
  } else {
    transfer.Accepted(part.offset, part.staged);
  }
  member->set_retry_at(now_.mono + options_->retry_interval);
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
      message.part->chunk.size() > snapshot.size_bytes - message.part->offset) {
    return DropInvalid();
  }
  const bool known = KnowsLevels(snapshot.configuration, context_.known_level);
  if (known && !ValidateConfiguration(snapshot.configuration).ok()) {
    return DropInvalid();
  }
  if (AlreadyCovered(snapshot.position)) return;
  if (!known) return HaltBefore(commit_ + 1);
  if (!incoming_snapshot_.has_value() ||
      incoming_snapshot_->snapshot != snapshot) {
    incoming_snapshot_ = Boxed(IncomingSnapshot{.snapshot = snapshot});
  }
  if (incoming_snapshot_->term != message.term) {
    incoming_snapshot_->term = message.term;
    incoming_snapshot_->number = AppendNumber();
  }
  incoming_snapshot_->number =
      std::max(incoming_snapshot_->number, message.number);
  AcceptChunk(*message.part);
}

// Chunks are accepted in order. A limit of bytes wait for those before them to
// be written.
void Core::Impl::AcceptChunk(const SnapshotPart& part) {
  IncomingSnapshot& incoming = *incoming_snapshot_;
  const uint64_t waiting = incoming.accepted - incoming.staged;
  const size_t size = part.chunk.size();
  const bool room = (waiting == 0 ||
                     waiting + size <= options_->snapshot_inflight_bytes_max) &&
                    MayStage(std::max<size_t>(1, size));
  if (part.offset > incoming.accepted ||
      (part.offset == incoming.accepted && !room)) {
    // The reply to the next write follows once there is room. If no write of
    // this replica is under way, the leader asks.
    incoming.refused = !room;
    if (room) ReplyToChunk(incoming, /*reject=*/true);
    return;
  }
  const bool useful = !part.chunk.empty() || part.snapshot.size_bytes == 0;
  if (part.offset < incoming.accepted || !useful) {
    return ReplyToChunk(incoming, /*reject=*/false);
  }
  incoming.accepted += part.chunk.size();
  incoming.refused = false;
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kWrite;
  work.to = context_.replica;
  work.snapshot = part.snapshot;
  work.offset = part.offset;
  work.chunk = part.chunk;
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

// Numbers of an earlier leader mean nothing to this one.
void Core::Impl::ReplyToChunk(const IncomingSnapshot& incoming, bool reject) {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader == ReplicaId()) return;
  Message reply = NewMessage(MessageType::kSnapshotReply, follower->leader);
  if (incoming.term == hard_state_.term) reply.number = incoming.number;
  reply.part.Mutable().snapshot.position = incoming.snapshot.position;
  reply.part.Mutable().offset = incoming.accepted;
  reply.part.Mutable().staged = incoming.staged;
  reply.reject = reject;
  Send(std::move(reply));
}

void Core::Impl::OnChunkWritten(ChunkWritten event) {
  if (!incoming_snapshot_.has_value() || installing() ||
      incoming_snapshot_->snapshot != event.snapshot) {
    return;
  }
  IncomingSnapshot& incoming = *incoming_snapshot_;
  const bool lost = event.received < event.end;
  if (lost) {
    incoming.staged = incoming.accepted = event.received;
  } else {
    incoming.staged = std::max(incoming.staged, event.received);
    incoming.accepted = std::max(incoming.accepted, incoming.staged);
  }
  if (!std::holds_alternative<Follower>(role_)) {
    DiscardIncomingSnapshot();  // A candidate keeps its log.
    return;
  }
  if (AlreadyCovered(event.snapshot.position)) return;
  if (incoming.staged < event.snapshot.size_bytes) {
    const bool room = incoming.accepted - incoming.staged <=
                          options_->snapshot_inflight_bytes_max / 2 &&
                      MayStage(1);
    const bool reject = lost || (incoming.refused && room);
    if (reject) incoming.refused = false;
    ReplyToChunk(incoming, reject);
    return;
  }
  incoming_snapshot_->installing = true;
  // They describe the log that is replaced.
  held_ = std::vector<Message>();
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kInstall;
  work.to = context_.replica;
  work.snapshot = std::move(event.snapshot);
  out_->snapshots.push_back(std::move(work));
}

void Core::Impl::DiscardIncomingSnapshot() {
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kDiscard;
  work.to = context_.replica;
  work.snapshot = std::move(incoming_snapshot_->snapshot);
  out_->snapshots.push_back(std::move(work));
  incoming_snapshot_.reset();
}

// The host has replaced the state machine and cut the log. No entry is left in
// the log.
void Core::Impl::OnSnapshotInstalled(SnapshotInstalled event) {
  if (!installing() || incoming_snapshot_->snapshot != event.snapshot) return;
  IncomingSnapshot incoming = std::move(*incoming_snapshot_);
  incoming_snapshot_.reset();
  const LogPosition position = event.snapshot.position;
  if (!event.ok) {
    incoming.accepted = incoming.staged = 0;
    ReplyToChunk(incoming, /*reject=*/true);
    return;
  }
  CHECK_GT(position.index, commit_);
  log_.Reset(event.snapshot.log_start(), event.snapshot.configuration);
  applied_log_time_ = event.snapshot.log_time;
  applied_latest_ = event.snapshot.latest;
  snapshot_.Mutable() = std::move(event.snapshot);
  ++epoch_;
  commit_ = reacted_commit_ = applied_ = durable_ = position.index;
  unapplied_bytes_ = 0;
  Emit(Event::Kind::kSnapshotInstalled, position.index);
  Emit(Event::Kind::kConfigurationChanged, position.index);
  ReleaseForwardedReads();
  if (leader() != ReplicaId()) AckMatch(AppendNumber(), position.index);
}

}  // namespace quorate::raft
