// raft/log/segment_opener.h: begins a new segment: writes header and states
// durably, into a file that is ready or that is created first.
//
// Used when the log rolls and at the end of recovery. Nothing in the segment is
// acknowledged before the opening is durable.
#ifndef QUORATE_RAFT_LOG_SEGMENT_OPENER_H_
#define QUORATE_RAFT_LOG_SEGMENT_OPENER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/disk.h"
#include "env/pending.h"
#include "raft/log/record.h"
#include "raft/log/replay.h"

namespace quorate::raft {

// Contents of the opening of a new segment.
struct SegmentOpening {
  SegmentHeader header;
  uint64_t write_number = 0;  // Number of the durable writes of the opening.
  // The state of every group at the end of the previous segment, which recovery
  // compares; then the records that are added.
  std::vector<std::pair<GroupKey, StateBody>> states;
  std::vector<UnconfirmedRecord> copies;
};

// The bytes [begin, end) of a segment.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Encodes the opening as the pieces of consecutive durable writes of at most
// about `write_bytes_max` bytes. The opening counts only when the last write is
// durable. `copies`, if not null, gets the place of each of opening.copies.
std::vector<std::vector<Buffer>> EncodeOpening(
    const SegmentOpening& opening, size_t write_bytes_max,
    std::vector<ByteRange>* copies = nullptr);

// Writes an opening. Destroying the object cancels it.
class SegmentOpener {
 public:
  struct Opened {
    std::unique_ptr<env::File> file;
    uint64_t end = 0;  // Offset of the next record.
    uint64_t written_bytes = 0;
    uint64_t writes = 0;
    std::vector<ByteRange> copies;  // The places of SegmentOpening::copies.
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Opened>)>;

  // `recycled`: a file to rename and overwrite; if empty, a new file is
  // created. `done` may destroy the opener.
  SegmentOpener(env::Disk& disk, const SegmentOpening& opening,
                size_t write_bytes_max, std::string recycled, Done done);
  // `file`: the file of the segment, open for the log; its name is durable.
  SegmentOpener(std::unique_ptr<env::File> file, const SegmentOpening& opening,
                size_t write_bytes_max, Done done);

 private:
  void Encode(const SegmentOpening& opening, size_t write_bytes_max);
  void OpenFile(env::Disk& disk, env::Disk::OpenMode mode);
  void WriteNext();
  void Finish(absl::Status status);

  const std::string name_;
  std::deque<std::vector<Buffer>> writes_;
  Opened opened_;
  Done done_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SEGMENT_OPENER_H_
