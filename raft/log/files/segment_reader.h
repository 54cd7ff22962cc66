// raft/log/files/segment_reader.h: reads the beginning of a file, around
// pages that the disk cannot read.
#ifndef QUORATE_RAFT_LOG_FILES_SEGMENT_READER_H_
#define QUORATE_RAFT_LOG_FILES_SEGMENT_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/disk.h"

namespace quorate::raft {

inline constexpr uint64_t kUnreadablePageBytes = 4096;

// True for the errors of a disk that cannot read some bytes.
bool IsUnreadable(const absl::Status& status);

// Reads one file. Destroying the object cancels it. Each page that cannot be
// read is tried twice.
class SegmentReader {
 public:
  struct Result {
    Buffer bytes;
    // Offsets of pages of kUnreadablePageBytes; `bytes` has zeros there.
    std::vector<uint64_t> unreadable;
    absl::Status error;  // The first error, if a page is unreadable.
  };
  // An error that IsUnreadable does not name ends the reading.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Result>)>;

  // Reads up to `limit` bytes. `done` may destroy the object.
  SegmentReader(std::unique_ptr<env::File> file, uint64_t limit, Done done);

 private:
  uint64_t position() const { return first_.size() + joined_.size(); }
  void ReadNext();
  void Add(const Buffer& bytes);
  // Reads page by page up to `end`; `attempt` counts from 1.
  void ReadPages(uint64_t end, int attempt);
  void Finish(absl::Status status);

  const std::unique_ptr<env::File> file_;
  uint64_t limit_;
  Done done_;
  size_t read_bytes_max_ = env::kDiskReadBytesMax;
  // The bytes of the first read; joined_ collects those of several reads.
  Buffer first_;
  std::string joined_;
  Result result_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_SEGMENT_READER_H_
