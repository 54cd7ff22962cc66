// Snapshots: making room in the log, and bringing a follower up that needs what
// the log no longer has (Raft paper 7; thesis 5).
//
// One chunk is in flight per follower; the follower names the next byte it
// wants, so a transfer goes on where it stood after a restart of either side.
// Bytes are read and stored by the host (SnapshotWork).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

void Core::Impl::Handle(Compacted input) {
  CHECK_LE(input.keep_after, input.snapshot.position.index);
  CHECK_LE(input.snapshot.position.index, applied_);
  if (input.snapshot.position.index <= snapshot_.position.index) return;
  CHECK(log_.Has(input.snapshot.position));
  snapshot_ = std::move(input.snapshot);
  // Entries whose write is under way stay until it is done.
  const Index boundary = std::min(input.keep_after, durable_);
  if (boundary > log_.boundary().index) log_.CompactTo(boundary);
}

// ---- The leader's side.

void Core::Impl::StartSnapshot(Progress& member) {
  CHECK_GE(snapshot_.position.index, log_.boundary().index);
  member.BecomeSnapshot(snapshot_);
  ReadChunk(member);
}

// Asks the host for the bytes at the wanted offset, unless it is at it. A
// transfer that has not begun moves on to the newest snapshot.
void Core::Impl::ReadChunk(Progress& member) {
  if (member.transfer().reading) return;
  if (member.transfer().offset == 0 &&
      member.transfer().snapshot.position != snapshot_.position) {
    member.BecomeSnapshot(snapshot_);
  }
  Progress::Transfer& transfer = member.transfer();
  transfer.reading = true;
  transfer.read_offset = transfer.offset;
  transfer.in_flight = false;
  member.set_retry_at(MonoTime::Max());
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kRead;
  work.to = member.node();
  work.snapshot = transfer.snapshot;
  work.offset = transfer.offset;
  out_->snapshots.push_back(std::move(work));
}

void Core::Impl::Handle(ChunkRead input) {
  Progress* member =
      std::holds_alternative<Leader>(role_) ? FindMember(input.to) : nullptr;
  if (member == nullptr || member->state() != Progress::State::kSnapshot) {
    return;
  }
  Progress::Transfer& transfer = member->transfer();
  if (!transfer.reading || input.offset != transfer.read_offset ||
      input.snapshot.position != transfer.snapshot.position) {
    return;  // The answer to a transfer that was given up.
  }
  transfer.reading = false;
  if (input.gone) {
    // A newer one took its place, or will.
    transfer.offset = 0;
    member->set_retry_at(now_.mono + options_.retry_interval);
    if (snapshot_.position != transfer.snapshot.position) ReadChunk(*member);
    return;
  }
  if (transfer.offset != input.offset) {
    ReadChunk(*member);  // The follower wants another part by now.
    return;
  }
  transfer.in_flight = true;
  member->set_retry_at(now_.mono + options_.retry_interval);
  Message message = NewMessage(MessageType::kSnapshotChunk, member->node());
  message.snapshot = transfer.snapshot;
  message.offset = input.offset;
  message.chunk = std::move(input.chunk);
  Send(std::move(message));
}

void Core::Impl::OnSnapshotReply(const Message& message) {
  Progress* member = std::holds_alternative<Leader>(role_)
                         ? FindMember(message.from)
                         : nullptr;
  if (member == nullptr) return;
  member->Heard(now_.mono);
  if (member->state() != Progress::State::kSnapshot) return;
  Progress::Transfer& transfer = member->transfer();
  if (message.snapshot.position != transfer.snapshot.position) return;
  if (message.offset > transfer.snapshot.size_bytes) {
    Refuse();
    return;
  }
  // The same wish again changes nothing: the chunk is being read, or on its
  // way, and its retry has a time of its own.
  if (!message.reject && message.offset == transfer.offset &&
      (transfer.reading || transfer.in_flight)) {
    return;
  }
  transfer.offset = message.reject ? 0 : message.offset;
  ReadChunk(*member);
}

// ---- The follower's side.

// Raft paper Figure 13, InstallSnapshot RPC.
void Core::Impl::OnSnapshotChunk(Message message) {
  if (!FollowSender(message)) return;
  if (installing()) return;
  const SnapshotDescriptor& snapshot = message.snapshot;
  if (snapshot.position.index == Index() ||
      snapshot.position.index > kIndexMax || snapshot.position.term == Term() ||
      snapshot.position.term > message.term ||
      message.offset > snapshot.size_bytes ||
      message.chunk.size() > snapshot.size_bytes - message.offset ||
      !ValidateConfiguration(snapshot.configuration).ok()) {
    Refuse();
    return;
  }
  if (AlreadyCovered(snapshot.position)) return;
  if (receiving_ && receiving_->writing) return;  // One at a time.
  if (!receiving_ || receiving_->snapshot != snapshot) {
    receiving_ = Receiving();
    receiving_->snapshot = snapshot;
  }
  const bool useful = !message.chunk.empty() || snapshot.size_bytes == 0;
  if (message.offset != receiving_->received || !useful) {
    AnswerChunk(snapshot.position, receiving_->received, /*reject=*/false);
    return;
  }
  receiving_->writing = true;
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kWrite;
  work.to = options_.node;
  work.snapshot = std::move(message.snapshot);
  work.offset = message.offset;
  work.chunk = std::move(message.chunk);
  out_->snapshots.push_back(std::move(work));
}

// A snapshot of what is committed here is old; one that ends at an entry the
// log holds adds nothing to it, and what follows that entry stays (Figure 13,
// rule 6). Either way the leader may go on with entries.
bool Core::Impl::AlreadyCovered(LogPosition position) {
  const bool old = position.index <= commit_;
  if (!old && !log_.Has(position)) return false;
  const Index covered = old ? commit_ : position.index;
  FollowerCommit(position.index, position.index);
  receiving_.reset();
  if (leader() != NodeId()) AckMatch(covered);
  return true;
}

void Core::Impl::AnswerChunk(LogPosition position, uint64_t offset,
                             bool reject) {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader == NodeId()) return;
  Message reply = NewMessage(MessageType::kSnapshotReply, follower->leader);
  reply.snapshot.position = position;
  reply.offset = offset;
  reply.reject = reject;
  Send(std::move(reply));
}

void Core::Impl::Handle(ChunkWritten input) {
  if (!receiving_ || !receiving_->writing ||
      receiving_->snapshot != input.snapshot) {
    return;
  }
  receiving_->writing = false;
  receiving_->received = input.received;
  if (!std::holds_alternative<Follower>(role_)) {
    receiving_.reset();  // A campaign goes with the log as it is.
    return;
  }
  if (AlreadyCovered(input.snapshot.position)) return;
  if (input.received < input.snapshot.size_bytes) {
    AnswerChunk(input.snapshot.position, input.received, /*reject=*/false);
    return;
  }
  receiving_->installing = true;
  SnapshotWork work;
  work.kind = SnapshotWork::Kind::kInstall;
  work.to = options_.node;
  work.snapshot = std::move(input.snapshot);
  out_->snapshots.push_back(std::move(work));
}

// The host has swapped the state machine and cut the log: nothing of what was
// in the log is in it any more.
void Core::Impl::Handle(SnapshotInstalled input) {
  if (!installing() || receiving_->snapshot != input.snapshot) return;
  receiving_.reset();
  const LogPosition position = input.snapshot.position;
  if (!input.ok) {
    AnswerChunk(position, 0, /*reject=*/true);
    return;
  }
  CHECK_GT(position.index, commit_);
  log_.Reset({position, input.snapshot.log_time, input.snapshot.configuration});
  snapshot_ = std::move(input.snapshot);
  ++epoch_;
  commit_ = applied_ = durable_ = position.index;
  Emit(Event::Kind::kSnapshotInstalled, position.index);
  Emit(Event::Kind::kConfigurationChanged, position.index);
  ReleaseForwardedReads();
  if (leader() != NodeId()) AckMatch(position.index);
}

}  // namespace quorate::raft
