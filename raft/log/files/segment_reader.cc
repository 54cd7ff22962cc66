#include "raft/log/files/segment_reader.h"

#include <algorithm>
#include <utility>

namespace quorate::raft {
namespace {
constexpr int kAttempts = 2;
// The size of further reads once a page could not be read. Only reads that fail
// are repeated page by page.
constexpr size_t kSmallReadBytes = 8 << 20;
}  // namespace

bool IsUnreadable(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnavailable(status);
}

SegmentReader::SegmentReader(std::unique_ptr<env::File> file, uint64_t limit,
                             Done done)
    : file_(std::move(file)), limit_(limit), done_(std::move(done)) {
  ReadNext();
}

void SegmentReader::ReadNext() {
  const uint64_t offset = position();
  // A file without bytes is read, too, so that `done` is called later.
  const size_t size = std::clamp<uint64_t>(limit_ - offset, 1, read_bytes_max_);
  pending_ = file_->Read(
      offset, size, [this, offset, size](absl::StatusOr<Buffer> read) {
        if (IsUnreadable(read.status())) {
          if (result_.error.ok()) result_.error = read.status();
          read_bytes_max_ = kSmallReadBytes;
          return size > kSmallReadBytes ? ReadNext()
                                        : ReadPages(offset + size, 1);
        }
        if (!read.ok()) return Finish(read.status());
        Add(*read);
        if (read->empty() || position() >= limit_) {
          return Finish(absl::OkStatus());
        }
        ReadNext();
      });
}

void SegmentReader::Add(const Buffer& bytes) {
  if (position() == 0) {
    first_ = bytes;
    return;
  }
  if (joined_.empty()) {
    joined_.reserve(limit_);
    joined_ = std::exchange(first_, Buffer()).view();
  }
  joined_ += bytes.view();
}

void SegmentReader::ReadPages(uint64_t end, int attempt) {
  const uint64_t offset = position();
  if (offset >= end) {
    return end >= limit_ ? Finish(absl::OkStatus()) : ReadNext();
  }
  const size_t size = std::min(end - offset, kUnreadablePageBytes);
  pending_ = file_->Read(
      offset, size,
      [this, offset, size, end, attempt](absl::StatusOr<Buffer> read) {
        if (IsUnreadable(read.status())) {
          if (attempt < kAttempts) return ReadPages(end, attempt + 1);
          result_.unreadable.push_back(offset);
          Add(Buffer::Take(std::string(size, '\0')));
          return ReadPages(end, 1);
        }
        if (!read.ok()) return Finish(read.status());
        Add(*read);
        // The file ends before its limit.
        if (read->size() < size) return Finish(absl::OkStatus());
        ReadPages(end, 1);
      });
}

void SegmentReader::Finish(absl::Status status) {
  Done done = std::move(done_);
  if (!status.ok()) return done(std::move(status));
  result_.bytes =
      joined_.empty() ? std::move(first_) : Buffer::Take(std::move(joined_));
  if (result_.unreadable.empty()) result_.error = absl::OkStatus();
  done(std::move(result_));
}

}  // namespace quorate::raft
