#include "raft/log/snapshot_staging.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "env/check.h"

namespace quorate::raft {

SnapshotStaging::SnapshotStaging(env::Env& env, const LogOptions& options,
                                 GroupKey group,
                                 const SnapshotDescriptor& descriptor,
                                 std::string staging_name,
                                 uint64_t bytes_per_second)
    : disk_(env.disk),
      loop_(env.loop),
      cluster_(options.cluster),
      store_(options.store),
      sync_bytes_(options.snapshot_sync_bytes),
      bytes_per_second_(bytes_per_second),
      group_(group),
      descriptor_(descriptor),
      staging_name_(std::move(staging_name)),
      checksums_(group, descriptor.position) {}

void SnapshotStaging::Create(Done done) {
  Add({Step::Kind::kCreate, Buffer(), std::move(done)});
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
      return CreateFile();
    case Step::Kind::kAppend:
      return WritePiece();
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

void SnapshotStaging::CreateFile() {
  pending_ =
      disk_.Open(staging_name_, env::Disk::OpenMode::kCreate,
                 [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
                   if (!file.ok()) return EndStep(file.status());
                   file_ = *std::move(file);
                   EndStep(absl::OkStatus());
                 });
}

void SnapshotStaging::WritePiece() {
  const Buffer& piece = steps_.front().piece;
  if (bytes_per_second_ > 0) {
    const uint64_t ns =
        piece.size() * uint64_t{1'000'000'000} / bytes_per_second_;
    paced_until_ = std::max(paced_until_, loop_.ReadClock().mono) +
                   Nanoseconds(static_cast<int64_t>(ns));
  }
  pending_ = file_->Write(written_bytes_, absl::MakeConstSpan(&piece, 1),
                          env::Durability::kLater, [this](absl::Status status) {
                            if (!status.ok()) return EndStep(status);
                            written_bytes_ += steps_.front().piece.size();
                            SyncPiece();
                          });
}

void SnapshotStaging::SyncPiece() {
  if (written_bytes_ - synced_bytes_ < sync_bytes_) return Pace();
  pending_ = file_->Sync([this](absl::Status status) {
    if (!status.ok()) return EndStep(status);
    synced_bytes_ = written_bytes_;
    Pace();
  });
}

void SnapshotStaging::Pace() {
  if (loop_.ReadClock().mono >= paced_until_) return EndStep(absl::OkStatus());
  pending_ = loop_.At(paced_until_, [this] { EndStep(absl::OkStatus()); });
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
  pending_ = disk_.Rename(
      staging_name_, SnapshotName(group_, descriptor_.position),
      [this](absl::Status renamed) {
        if (!renamed.ok()) return EndStep(renamed);
        pending_ = disk_.SyncDirectory(
            [this](absl::Status synced) { EndStep(std::move(synced)); });
      });
}

}  // namespace quorate::raft
