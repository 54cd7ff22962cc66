// raft/log/entry_reader.h: reads entries from a segment. Finding the segment is
// up to the caller (live_entries.h).
#ifndef QUORATE_RAFT_LOG_ENTRY_READER_H_
#define QUORATE_RAFT_LOG_ENTRY_READER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/disk.h"
#include "env/pending.h"
#include "raft/core/types.h"
#include "raft/log/log.h"

namespace quorate::raft {

// The entries [first, first + count) of `key`, whose newest records are in the
// bytes [begin, end) of a segment.
struct EntryRange {
  GroupKey key;
  Index first;
  uint64_t count = 0;
  uint64_t segment = 0;
  uint32_t segment_seed = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  // The bytes behind `end` are being written, and may have the last entries.
  bool under_way = false;
};

// The entries of a range, from the bytes of the segment there. Those that are
// under way are left out. Errors:
// - kDataLoss: a record does not verify, or not all entries are there.
// - kNotFound: all entries are under way.
absl::StatusOr<EntryList> FindEntries(const EntryRange& range,
                                      std::string_view bytes);

// Reads ranges of one segment at once. Destroying the object cancels it.
class EntryReader {
 public:
  // The entries of each range. kDataLoss, or an error of the disk. `done` may
  // destroy the object.
  using Result = absl::StatusOr<std::vector<EntryList>>;
  using Done = absl::AnyInvocable<void(Result)>;

  // Requires: at least one range; from the first one's begin to the last end
  // there are at most kDiskOperationBytesMax.
  EntryReader(env::Disk& disk, std::vector<EntryRange> ranges, Done done);

 private:
  void OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file);
  void OnRead(absl::StatusOr<Buffer> read);
  void Finish(Result result);

  const std::vector<EntryRange> ranges_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  Done done_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_ENTRY_READER_H_
