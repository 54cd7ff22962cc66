// raft/core/entry.h: one entry of a group's log, and its position.
//
// A value. It knows nothing of the encodings of logs and messages.
#ifndef QUORATE_RAFT_CORE_ENTRY_H_
#define QUORATE_RAFT_CORE_ENTRY_H_

#include <compare>
#include <cstddef>
#include <cstdint>

#include "env/buffer.h"
#include "env/strong_types.h"
#include "env/time.h"

namespace quorate::raft {

// Zero is before every election. Bootstrap entries have term 1.
using Term = StrongOrdinal<struct TermTag>;
// Zero is before the first entry.
using Index = StrongOrdinal<struct IndexTag>;
// The position of an entry. Ordered by term, then by index, as votes compare
// logs (Raft paper 5.4.1).
struct LogPosition {
  Term term;
  Index index;
  friend constexpr auto operator<=>(const LogPosition&,
                                    const LogPosition&) = default;
};

enum class EntryKind : uint8_t {
  // A new leader's first entry. It also advances log time.
  kNoop = 1,
  // Payload: an encoded Configuration (raft/core/configuration.h).
  kConfiguration = 2,
  // Payload: commands of the state machine.
  kCommands = 3,
};

// Largest payload of one entry, in bytes. The host refuses larger ones.
inline constexpr size_t kEntryPayloadBytesMax = 512 << 10;

// The version of all kinds that this program knows.
inline constexpr uint8_t kEntryVersion = 1;

struct Entry {
  Term term;
  Index index;
  EntryKind kind = EntryKind::kNoop;
  // Version of the kind's format. A replica keeps and acknowledges an entry of
  // an unknown kind or version, and halts before it.
  uint8_t version = kEntryVersion;
  // Reserved, zero. A replica halts before an entry with another value.
  uint16_t flags = 0;
  // EntryChecksum of all other fields, made by the proposer. It stays with the
  // entry: a replica that receives or recovers the entry verifies it.
  uint32_t checksum = 0;
  // Never falls from one entry to the next. Replicas decide expiry by it.
  WallTime log_time{0};
  // The leader's wall clock interval when it appended the entry.
  WallInterval leader_wall;
  Buffer payload;

  LogPosition position() const { return {term, index}; }
  // The latest end of the leader's wall interval if it is bounded; else Min().
  WallTime bounded_latest() const {
    return leader_wall.bounded() ? leader_wall.latest : WallTime::Min();
  }
  // The size that counts for every limit: the payload and 48 bytes of header.
  size_t size_bytes() const { return 48 + payload.size(); }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// The CRC-32C of an entry without its `checksum`.
uint32_t EntryChecksum(const Entry& entry);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_ENTRY_H_
