// raft/log/segment_opener.h: begins a new segment: its file, its header, every group's state, durable, and the directory's entry.
//
// Used when the log rolls and at the end of recovery. Until it is done nothing in the segment is acknowledged.
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

// What a new segment begins with.
struct SegmentOpening {
  SegmentHeader header;
  uint64_t write_number = 0;  // Number of the durable writes of the opening.
  // Every group as of the end of the stream that comes before, which recovery compares; then what is added to it.
  std::vector<std::pair<GroupKey, StateBody>> states;
  std::vector<UnconfirmedRecord> copies;
  bool unknown_groups_fenced = false;
};

// The opening as the pieces of one durable write after another, none above about `write_bytes_max`. Nothing of it counts
// before the last is durable.
std::vector<std::vector<Buffer>> EncodeOpening(const SegmentOpening& opening,
                                               size_t write_bytes_max);

// Carries an opening out. Destroying it cancels.
class SegmentOpener {
 public:
  struct Opened {
    std::unique_ptr<env::File> file;
    uint64_t end = 0;  // Where records go on.
    uint64_t written_bytes = 0;
    uint64_t writes = 0;
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Opened>)>;

  // `recycled`: a file to rename and overwrite; empty: a new one is made. `done` may destroy the opener.
  SegmentOpener(env::Disk& disk, const SegmentOpening& opening,
                size_t write_bytes_max, std::string recycled, Done done);

 private:
  void OpenFile(env::Disk::OpenMode mode);
  void WriteNext();
  void Finish(absl::Status status);

  env::Disk& disk_;
  const std::string name_;
  std::deque<std::vector<Buffer>> writes_;
  Opened opened_;
  Done done_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SEGMENT_OPENER_H_
