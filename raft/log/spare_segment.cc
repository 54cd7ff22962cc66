#include "raft/log/spare_segment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/log/record.h"

namespace quorate::raft {

SpareSegment::SpareSegment(env::Disk& disk, Options options, Done done)
    : disk_(disk), options_(std::move(options)), done_(std::move(done)) {
  CHECK_GT(options_.bytes, 0u);
  result_.made.name = SegmentName(options_.number);
  if (options_.recycled.name.empty()) {
    CheckSpace(env::Disk::OpenMode::kCreate);
    return;
  }
  pending_ = disk_.Rename(options_.recycled.name, result_.made.name,
                          [this](absl::Status status) {
                            if (!status.ok()) return Finish(status);
                            result_.made.bytes = options_.recycled.bytes;
                            if (result_.made.bytes >= options_.bytes) {
                              return SyncDirectory();
                            }
                            CheckSpace(env::Disk::OpenMode::kExisting);
                          });
}

void SpareSegment::CheckSpace(env::Disk::OpenMode mode) {
  pending_ = disk_.FreeBytes([this, mode](absl::StatusOr<uint64_t> free) {
    if (free.ok() && *free / 2 >= options_.bytes - result_.made.bytes) {
      return OpenToFill(mode);
    }
    result_.reusable = mode == env::Disk::OpenMode::kExisting;
    Finish(free.ok() ? absl::ResourceExhaustedError(absl::StrCat(
                           "only ", *free, " bytes are free on the disk"))
                     : free.status());
  });
}

void SpareSegment::OpenToFill(env::Disk::OpenMode mode) {
  pending_ =
      disk_.Open(result_.made.name, mode, env::FileUse::kBulk,
                 [this, mode](absl::StatusOr<std::unique_ptr<env::File>> file) {
                   if (!file.ok()) {
                     return OpeningFailed(
                         file.status(), mode == env::Disk::OpenMode::kExisting);
                   }
                   filled_ = *std::move(file);
                   Fill();
                 });
}

// Only bytes behind the end are written: after a crash the renaming may be
// lost, and the file is part of the chain again.
void SpareSegment::Fill() {
  const auto filled = [this](absl::Status status, uint64_t end) {
    result_.made.bytes = end;
    if (!status.ok()) return Finish(std::move(status));
    filled_.reset();
    SyncDirectory();
  };
  fill_ =
      std::make_unique<ZeroFill>(*filled_, result_.made.bytes, options_.bytes,
                                 options_.piece_bytes, limit_, filled);
}

void SpareSegment::RaiseLimit(uint64_t limit) {
  limit_ = std::max(limit_, limit);
  if (filled_ != nullptr) fill_->RaiseLimit(limit_);
}

void SpareSegment::SyncDirectory() {
  pending_ = disk_.SyncDirectory([this](absl::Status status) {
    if (!status.ok()) return Finish(status);
    OpenForLog();
  });
}

void SpareSegment::OpenForLog() {
  pending_ = disk_.Open(
      result_.made.name, env::Disk::OpenMode::kExisting, env::FileUse::kLog,
      [this](absl::StatusOr<std::unique_ptr<env::File>> file) {
        if (!file.ok()) return OpeningFailed(file.status(), true);
        result_.file = *std::move(file);
        Finish(absl::OkStatus());
      });
}

void SpareSegment::OpeningFailed(absl::Status status, bool reusable) {
  result_.reusable = reusable;
  result_.lacks_descriptors = absl::IsResourceExhausted(status);
  Finish(std::move(status));
}

void SpareSegment::Finish(absl::Status status) {
  filled_.reset();
  result_.status = std::move(status);
  Done done = std::move(done_);
  done(std::move(result_));
}

}  // namespace quorate::raft
