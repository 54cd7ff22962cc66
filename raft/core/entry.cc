#include "raft/core/entry.h"

#include <string_view>

#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {

uint32_t EntryChecksum(const Entry& entry) {
  char fields[48] = {};
  StoreFixed<uint64_t>(fields, entry.term.value());
  StoreFixed<uint64_t>(fields + 8, entry.index.value());
  StoreFixed<int64_t>(fields + 16, entry.log_time.ns());
  StoreFixed<int64_t>(fields + 24, entry.leader_wall.earliest.ns());
  StoreFixed<int64_t>(fields + 32, entry.leader_wall.latest.ns());
  StoreFixed<uint8_t>(fields + 40, static_cast<uint8_t>(entry.kind));
  StoreFixed<uint8_t>(fields + 41, entry.version);
  StoreFixed<uint16_t>(fields + 42, entry.flags);
  const uint32_t crc = Crc32c(0, std::string_view(fields, sizeof(fields)));
  return Crc32c(crc, entry.payload.view());
}

}  // namespace quorate::raft
