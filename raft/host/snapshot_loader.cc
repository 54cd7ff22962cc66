#include "raft/host/snapshot_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::raft {

SnapshotLoader::SnapshotLoader(env::Loop& loop, SnapshotStore* store,
                               ReadRoom* room, GroupKey group,
                               const SnapshotDescriptor& snapshot,
                               StateMachine* state_machine, Done done)
    : loop_(loop),
      store_(store),
      room_(room),
      group_(group),
      snapshot_(snapshot),
      writer_(state_machine->BeginRestore(snapshot)),
      done_(std::move(done)) {}

void SnapshotLoader::Start() { ReadNext(); }

void SnapshotLoader::ReadNext() {
  room_->Add(env::BulkKind::kSnapshotInstall, group_.replica, ReplicaId(),
             kPieceBytes, [this, alive = alive_](Quota::Share held) {
               if (*alive) BeginRead(std::move(held));
             });
}

void SnapshotLoader::BeginRead(Quota::Share held) {
  store_->Read(group_, snapshot_.position, offset_, kPieceBytes,
               [this, alive = alive_, room = room_,
                held = std::move(held)](absl::StatusOr<Buffer> bytes) mutable {
                 if (*alive) OnRead(std::move(bytes));
                 held.End();
                 room->BeginWaiting();
               });
}

void SnapshotLoader::OnRead(absl::StatusOr<Buffer> bytes) {
  absl::Status status = bytes.status();
  if (!status.ok() && attempts_.MayRepeat(status)) {
    next_attempt_ = loop_.At(loop_.ReadClock().mono + ReadAttempts::kPause,
                             [this] { ReadNext(); });
    return;
  }
  attempts_.Reset();
  if (status.ok() && bytes->empty() && offset_ < snapshot_.size_bytes) {
    status = absl::DataLossError(
        absl::StrCat("snapshot at index ", snapshot_.position.index.value(),
                     " ends at byte ", offset_, " of ", snapshot_.size_bytes));
  }
  if (status.ok() && !bytes->empty()) {
    status = writer_->Add(bytes->view());
    offset_ += bytes->size();
  }
  if (status.ok() && offset_ < snapshot_.size_bytes) {
    ReadNext();
    return;
  }
  if (status.ok()) status = writer_->Commit();
  // The callback may destroy this object.
  Done done = std::move(done_);
  done(std::move(status));
}

}  // namespace quorate::raft
