// raft/log/spare_segment.h: prepares the file of the next segment before the
// log needs it: under its final name, with its space allocated, all of it
// durable.
//
// This is bulk work through an open file of its own, which is closed before the
// log opens the file for itself. So no error of this work is reported to a
// write of the log, and no write of the log waits for it.
#ifndef QUORATE_RAFT_LOG_SPARE_SEGMENT_H_
#define QUORATE_RAFT_LOG_SPARE_SEGMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/disk.h"
#include "env/pending.h"
#include "raft/log/files/zero_fill.h"

namespace quorate::raft {

// A file that is not in the chain of segments. The next segment may overwrite
// it.
struct UnusedFile {
  std::string name;
  uint64_t bytes = 0;
};

// Prepares one file, unless that would take more than half of the free space of
// the disk. Destroying the object cancels it, and leaves the file.
class SpareSegment {
 public:
  struct Options {
    uint64_t number = 0;     // Number of the segment.
    uint64_t bytes = 0;      // Size to allocate; not zero.
    size_t piece_bytes = 0;  // Zeros that are written before each sync.
    UnusedFile recycled;     // Renamed and extended; if unnamed, a new file.
  };
  struct Result {
    absl::Status status;
    std::unique_ptr<env::File> file;  // Open for the log, if OK.
    // The file as it is. After an error it is to be removed, or, if `reusable`,
    // it is kept for the next attempt.
    UnusedFile made;
    bool reusable = false;
    // A file could not be opened, for lack of descriptors, memory or room for a
    // name. That passes, and concerns no data.
    bool lacks_descriptors = false;
  };
  using Done = absl::AnyInvocable<void(Result)>;

  // `done` may destroy the object.
  SpareSegment(env::Disk& disk, Options options, Done done);
  // Zeros are written up to about `limit` for now, at first none. A smaller
  // limit than before has no effect.
  void RaiseLimit(uint64_t limit);

 private:
  void CheckSpace(env::Disk::OpenMode mode);
  void OpenToFill(env::Disk::OpenMode mode);
  void Fill();
  void SyncDirectory();
  void OpenForLog();
  void OpeningFailed(absl::Status status, bool reusable);
  void Finish(absl::Status status);

  env::Disk& disk_;
  const Options options_;
  uint64_t limit_ = 0;
  Result result_;
  Done done_;
  std::unique_ptr<env::File> filled_;
  std::unique_ptr<ZeroFill> fill_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SPARE_SEGMENT_H_
