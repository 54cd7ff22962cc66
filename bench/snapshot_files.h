// bench/snapshot_files.h: the snapshots in the data folder of a node, and the
// time that it takes to write one.
#ifndef QUORATE_BENCH_SNAPSHOT_FILES_H_
#define QUORATE_BENCH_SNAPSHOT_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace quorate::bench {

// The snapshots of a node with one group.
struct SnapshotFiles {
  // The newest complete one: its index and its size; 0: there is none.
  uint64_t index = 0;
  uint64_t bytes = 0;
  bool writing = false;  // The node writes one.
};

SnapshotFiles ReadSnapshotFiles(const std::string& folder);

// Times the next snapshot of a node. One that the node discards counts as a
// part of the time of the snapshot that it completes later.
class SnapshotTimer {
 public:
  explicit SnapshotTimer(std::string folder) : folder_(std::move(folder)) {}

  // Looks at the files. True once a snapshot is complete that is newer than
  // all that were complete when the node began to write.
  bool Look(int64_t now_ns);

  // ---- Requires: Look returned true.
  int64_t took_ns() const { return end_ns_ - *begin_ns_; }
  uint64_t bytes() const { return bytes_; }

 private:
  const std::string folder_;
  std::optional<int64_t> begin_ns_;
  uint64_t index_before_ = 0;
  int64_t end_ns_ = 0;
  uint64_t bytes_ = 0;  // 0: not complete yet.
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SNAPSHOT_FILES_H_
