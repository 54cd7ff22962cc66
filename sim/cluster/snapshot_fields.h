// sim/cluster/snapshot_fields.h: where a snapshot of a store has its fields
// (docs/reference/formats/kv-snapshot.md), for faults that change its bytes.
#ifndef QUORATE_SIM_CLUSTER_SNAPSHOT_FIELDS_H_
#define QUORATE_SIM_CLUSTER_SNAPSHOT_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "env/little_endian.h"

namespace quorate::sim {

// The number of runs of slots. The runs follow, and then the number of slots
// with a removal and the removals.
inline constexpr size_t kSnapshotRunsAt = 40;
inline constexpr size_t kSnapshotRemovalBytes = 18;
// The checksum of all bytes before it.
inline constexpr size_t kSnapshotChecksumBytes = 4;

inline size_t SnapshotRemovalsAt(std::string_view bytes) {
  constexpr size_t kRunBytes = 16;
  return kSnapshotRunsAt + sizeof(uint32_t) +
         LoadFixed<uint32_t>(bytes, kSnapshotRunsAt) * kRunBytes;
}

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_SNAPSHOT_FIELDS_H_
