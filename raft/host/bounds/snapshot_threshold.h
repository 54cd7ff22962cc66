// raft/host/bounds/snapshot_threshold.h: the size of entries after which a
// group takes its next snapshot. Pure.
#ifndef QUORATE_RAFT_HOST_BOUNDS_SNAPSHOT_THRESHOLD_H_
#define QUORATE_RAFT_HOST_BOUNDS_SNAPSHOT_THRESHOLD_H_

#include <algorithm>
#include <cstdint>

#include "env/random.h"
#include "raft/core/types.h"

namespace quorate::raft {

// Returns the larger of `bytes_min` and half the size of the last snapshot. So
// a large state is not written again for a little log. The result is at most
// `bytes_max`, unless `bytes_min` is larger. A draw for each snapshot then
// takes 3/4 to 5/4 of it, so that replicas do not write at the same time.
inline uint64_t SnapshotThreshold(uint64_t bytes_min, uint64_t bytes_max,
                                  GroupId group, const SnapshotDescriptor& last,
                                  const Random& random) {
  const uint64_t bytes =
      std::max(bytes_min, std::min(last.size_bytes / 2, bytes_max));
  return bytes - bytes / 4 +
         random.Below(bytes / 2 + 1, "raft.host.snapshot_threshold",
                      group.value(), last.position.index.value());
}

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BOUNDS_SNAPSHOT_THRESHOLD_H_
