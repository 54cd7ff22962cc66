#include "bench/snapshot_files.h"

#include <filesystem>
#include <system_error>

#include "raft/log/snapshot_format.h"

namespace quorate::bench {

SnapshotFiles ReadSnapshotFiles(const std::string& folder) {
  SnapshotFiles found;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(folder, error)) {
    const auto name = raft::ParseSnapshotName(file.path().filename().string());
    if (!name.has_value()) continue;
    if (name->staging) {
      // Those with a number come from other nodes.
      found.writing = found.writing || name->received == 0;
      continue;
    }
    const uint64_t index = name->position.index.value();
    const uint64_t bytes = file.file_size(error);
    // A newer one may have replaced it meanwhile.
    if (error || index <= found.index) continue;
    found.index = index;
    found.bytes = bytes;
  }
  return found;
}

bool SnapshotTimer::Look(int64_t now_ns) {
  if (bytes_ > 0) return true;
  const SnapshotFiles files = ReadSnapshotFiles(folder_);
  if (!begin_ns_.has_value()) {
    if (!files.writing) return false;
    begin_ns_ = now_ns;
    index_before_ = files.index;
  }
  if (files.index <= index_before_) return false;
  end_ns_ = now_ns;
  bytes_ = files.bytes;
  return true;
}

}  // namespace quorate::bench
