// raft/log/entry_reader.h: reads entries of one group from a segment. Finding
// the segment is up to the caller (live_entries.h).
#ifndef QUORATE_RAFT_LOG_ENTRY_READER_H_
#define QUORATE_RAFT_LOG_ENTRY_READER_H_

#include <cstdint>
#include <memory>

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
};

// The entries of a range, from the bytes of the segment there. kDataLoss: a
// record does not verify, or not all entries are there.
absl::StatusOr<EntryList> FindEntries(const EntryRange& range,
                                      std::string_view bytes);

// Reads one range. Destroying the object cancels it.
class EntryReader {
 public:
  // kDataLoss, or an error of the disk. `done` may destroy the object.
  using Done = absl::AnyInvocable<void(absl::StatusOr<EntryList>)>;

  EntryReader(env::Disk& disk, const EntryRange& range, Done done);

 private:
  void OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file);
  void Finish(absl::StatusOr<EntryList> entries);

  const EntryRange range_;
  Done done_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_ENTRY_READER_H_
