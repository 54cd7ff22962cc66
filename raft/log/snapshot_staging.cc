#include "raft/log/snapshot_staging.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"

namespace quorate::raft {
namespace {
// How long files that are removed may take to become free space.
constexpr Duration kRoomPause = Milliseconds(500);
// The room is checked again when this part of the reserve was written.
constexpr uint64_t kRoomParts = 8;
}  // namespace

SnapshotStaging::SnapshotStaging(env::Env& env, const LogOptions& options,
                                 GroupKey group,
                                 const SnapshotDescriptor& descriptor,
                                 std::string staging_name, Pace pace,
                                 Origin origin, FileRemover& remover,
                                 SnapshotRoom& room)
    : disk_(env.disk),
      loop_(env.loop),
      remover_(remover),
      room_(room),
      cluster_(options.cluster),
      store_(options.store),
      sync_bytes_(options.snapshot_sync_bytes),
      bytes_max_(options.snapshot_bytes_max),
      pace_(std::move(pace)),
      group_(group),
      descriptor_(descriptor),
      staging_name_(std::move(staging_name)),
      checksums_(group, descriptor.position),
      origin_(origin) {}

void SnapshotStaging::Create(Done done) {
  Add({Step::Kind::kCreate, Buffer(), std::move(done)});
}

void SnapshotStaging::Resume(const SnapshotProgress& progress, Done done) {
  resuming_ = has_progress_ = true;
  progress_header_ = progress.header_bytes;
  pieces_ = progress.pieces;
  Add({Step::Kind::kResume, Buffer(), std::move(done)});
}

void SnapshotStaging::Wait(Done done) {
  Add({Step::Kind::kWait, Buffer(), std::move(done)});
}

void SnapshotStaging::Append(Buffer piece, Done done) {
  CHECK_LE(piece.size(), env::kDiskOperationBytesMax);
  checksums_.Add(piece.view());
  Add({Step::Kind::kAppend, std::move(piece), std::move(done)});
}

void SnapshotStaging::Finish(Done done) {
  descriptor_.size_bytes = checksums_.size_bytes();
  descriptor_.crc32c = checksums_.crc32c();
  Add({Step::Kind::kFinish, Buffer(), std::move(done)});
}

void SnapshotStaging::Add(Step step) {
  CHECK(status_.ok()) << "the staging file failed and is to be thrown away";
  steps_.push_back(std::move(step));
  if (steps_.size() == 1) Next();
}

void SnapshotStaging::Next() {
  if (steps_.empty()) return;
  switch (steps_.front().kind) {
    case Step::Kind::kCreate:
      return CheckSize(&SnapshotStaging::CreateFile);
    case Step::Kind::kResume:
      return OpenFile();
    case Step::Kind::kWait:
      // Behind the callback of the step before, which may destroy this object.
      pending_ = loop_.Defer([this] { EndStep(absl::OkStatus()); });
      return;
    case Step::Kind::kAppend:
      return CheckSize(&SnapshotStaging::PacePiece);
    case Step::Kind::kFinish:
      return WriteEnd();
  }
}

void SnapshotStaging::EndStep(absl::Status status) {
  if (!status.ok()) {
    status_ = status;
    std::deque<Step> failed = std::move(steps_);
    steps_.clear();
    // The first callback may destroy this object, so no member is used from
    // here on.
    for (Step& step : failed) step.done(status);
    return;
  }
  Done done = std::move(steps_.front().done);
  steps_.pop_front();
  Next();
  done(absl::OkStatus());
}

void SnapshotStaging::CheckSize(Then next) {
  const uint64_t size = origin_ == Origin::kReceived
                            ? descriptor_.size_bytes
                            : written_bytes_ + steps_.front().piece.size();
  if (size <= bytes_max_) return CheckRoom(next);
  // Not within the call that adds the step.
  pending_ = loop_.Defer([this] {
    EndStep(absl::InvalidArgumentError(absl::StrCat(
        staging_name_, " has more than ", bytes_max_,
        " bytes, the limit of a snapshot: its group must keep fewer")));
  });
}

void SnapshotStaging::CheckRoom(Then next, bool may_make_room) {
  if (written_bytes_ + steps_.front().piece.size() <= room_checked_until_) {
    return (this->*next)();
  }
  const uint64_t to_come = origin_ == Origin::kReceived
                               ? descriptor_.size_bytes - written_bytes_
                               : steps_.front().piece.size();
  const uint64_t needed = room_.reserve_bytes + to_come;
  const auto answered = [this, next, needed,
                         may_make_room](absl::StatusOr<uint64_t> free) {
    // The write itself shows whether there is room if the disk does not say.
    if (!free.ok() || *free >= needed) {
      room_checked_until_ = written_bytes_ + room_.reserve_bytes / kRoomParts;
      return (this->*next)();
    }
    if (may_make_room && room_.make()) {
      pending_ = loop_.At(loop_.ReadClock().mono + kRoomPause,
                          [this, next] { CheckRoom(next, false); });
      return;
    }
    ++room_.refusals;
    EndStep(absl::ResourceExhaustedError(absl::StrCat(
        staging_name_, " needs ", needed - room_.reserve_bytes, " bytes and ",
        room_.reserve_bytes, " are kept for the log, but ", *free,
        " bytes are free on the disk")));
  };
  pending_ = disk_.FreeBytes(answered);
}

void SnapshotStaging::EndNaming(Done done) {
  if (creating_) {
    ended_ = std::move(done);
  } else {
    steps_.front().done = std::move(done);
  }
}

void SnapshotStaging::CreateAs(const std::string& name,
                               std::unique_ptr<env::File>* file,
                               absl::AnyInvocable<void()> then) {
  creating_ = true;
  pending_ = disk_.Open(
      name, env::Disk::OpenMode::kCreate,
      [this, file, then = std::move(then)](
          absl::StatusOr<std::unique_ptr<env::File>> created) mutable {
        creating_ = false;
        if (ended_ != nullptr) {
          Done ended = std::move(ended_);
          return ended(created.status());
        }
        if (!created.ok()) return EndStep(created.status());
        *file = *std::move(created);
        then();
      });
}

void SnapshotStaging::CreateFile() {
  CreateAs(staging_name_, &file_, [this] { EndStep(absl::OkStatus()); });
}

void SnapshotStaging::OpenFile() {
  pending_ = disk_.Open(
      staging_name_, env::Disk::OpenMode::kExisting,
      [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return EndStep(file.status());
        file_ = *std::move(file);
        pending_ = disk_.Open(
            SnapshotProgressName(staging_name_), env::Disk::OpenMode::kExisting,
            [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
              if (!file.ok()) return EndStep(file.status());
              progress_file_ = *std::move(file);
              VerifyPiece();
            });
      });
}

void SnapshotStaging::VerifyPiece() {
  if (verified_ == pieces_.size()) return EndResume();
  const uint64_t begin = checksums_.size_bytes();
  const uint64_t size = pieces_[verified_].end - begin;
  if (size > env::kDiskOperationBytesMax) return EndResume();
  pending_ = file_->Read(begin, size, [this](absl::StatusOr<Buffer> bytes) {
    OnPiece(std::move(bytes));
  });
}

// Bytes that the disk cannot read are received again.
void SnapshotStaging::OnPiece(absl::StatusOr<Buffer> bytes) {
  const SyncedPiece& piece = pieces_[verified_];
  if (!bytes.ok() || checksums_.size_bytes() + bytes->size() != piece.end ||
      Crc32c(0, bytes->view()) != piece.crc32c) {
    return EndResume();
  }
  checksums_.Add(bytes->view());
  ++verified_;
  VerifyPiece();
}

void SnapshotStaging::EndResume() {
  written_bytes_ = synced_bytes_ = checksums_.size_bytes();
  progress_bytes_ =
      progress_header_.size() + verified_ * kSnapshotProgressRecordBytes;
  pieces_.clear();
  resuming_ = false;
  EndStep(absl::OkStatus());
}

void SnapshotStaging::PacePiece() {
  const MonoTime at = pace_(steps_.front().piece.size());
  if (loop_.ReadClock().mono >= at) return WritePiece();
  pending_ = loop_.At(at, [this] { WritePiece(); });
}

void SnapshotStaging::WritePiece() {
  const Buffer& piece = steps_.front().piece;
  pending_ = file_->Write(written_bytes_, absl::MakeConstSpan(&piece, 1),
                          env::Durability::kLater, [this](absl::Status status) {
                            if (!status.ok()) return EndStep(status);
                            const Buffer& piece = steps_.front().piece;
                            written_bytes_ += piece.size();
                            unsynced_crc_ = Crc32c(unsynced_crc_, piece.view());
                            SyncPiece();
                          });
}

void SnapshotStaging::SyncPiece() {
  if (written_bytes_ - synced_bytes_ < sync_bytes_)
    return EndStep(absl::OkStatus());
  pending_ = file_->Sync([this](absl::Status status) {
    if (!status.ok()) return EndStep(status);
    RecordPiece();
  });
}

// The bytes are durable, so the record may become so.
void SnapshotStaging::RecordPiece() {
  synced_bytes_ = written_bytes_;
  if (origin_ == Origin::kOwn) return EndStep(absl::OkStatus());
  if (progress_file_ != nullptr) return WriteRecord();
  has_progress_ = true;
  CreateAs(SnapshotProgressName(staging_name_), &progress_file_, [this] {
    progress_header_ =
        EncodeSnapshotProgressHeader({cluster_, store_, group_, descriptor_});
    WriteRecord();
  });
}

void SnapshotStaging::WriteRecord() {
  const bool first = progress_bytes_ == 0;
  std::string bytes = first ? progress_header_ : "";
  bytes += EncodeSyncedPiece(progress_header_,
                             {synced_bytes_, std::exchange(unsynced_crc_, 0)});
  const std::vector<Buffer> pieces = {Buffer::Copy(bytes)};
  pending_ = progress_file_->Write(
      progress_bytes_, pieces, env::Durability::kDurable,
      [this, first, size = bytes.size()](absl::Status status) {
        if (!status.ok()) return EndStep(status);
        progress_bytes_ += size;
        if (!first) return EndStep(absl::OkStatus());
        // Both names become durable.
        pending_ = disk_.SyncDirectory(
            [this](absl::Status status) { EndStep(std::move(status)); });
      });
}

void SnapshotStaging::WriteEnd() {
  CHECK_EQ(written_bytes_, checksums_.size_bytes());
  const std::string end = EncodeSnapshotEnd(
      cluster_, store_, {group_, descriptor_, checksums_.blocks()});
  std::vector<Buffer> pieces = {Buffer::Copy(end)};
  pending_ = file_->Write(written_bytes_, pieces, env::Durability::kLater,
                          [this](absl::Status written) {
                            if (!written.ok()) return EndStep(written);
                            pending_ = file_->Sync([this](absl::Status synced) {
                              if (!synced.ok()) return EndStep(synced);
                              Commit();
                            });
                          });
}

void SnapshotStaging::Commit() {
  committing_ = true;
  // An earlier attempt may have failed, and its file may be about to go.
  const std::string name = SnapshotName(group_, descriptor_.position);
  remover_.Reclaim(name, [this, name] {
    pending_ = disk_.Rename(staging_name_, name, [this](absl::Status renamed) {
      if (!renamed.ok()) return EndStep(renamed);
      pending_ = disk_.SyncDirectory(
          [this](absl::Status synced) { EndStep(std::move(synced)); });
    });
  });
}

}  // namespace quorate::raft
