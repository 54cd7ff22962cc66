// raft/core/types.h: the values that the core takes and gives: entries,
// messages, configurations, snapshots. Names are those of the Raft paper
// (Figure 2) and thesis. Pure values; how they are encoded is
// raft/host/envelope.h (between nodes) and raft/log (on disk).
#ifndef QUORATE_RAFT_CORE_TYPES_H_
#define QUORATE_RAFT_CORE_TYPES_H_

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "env/buffer.h"
#include "env/ids.h"
#include "env/strong_types.h"
#include "env/time.h"

namespace quorate::raft {

// Zero is before every election; bootstrap entries are of term 1.
using Term = StrongOrdinal<struct TermTag>;
// Zero is before the first entry.
using Index = StrongOrdinal<struct IndexTag>;
// Names a read batch of one leader in one term; made by the leader, rises by
// one.
using ReadRound = StrongOrdinal<struct ReadRoundTag>;

// Where an entry stands. Ordered as votes compare logs: by term, then by index
// (Raft paper 5.4.1).
struct LogPosition {
  Term term;
  Index index;
  friend constexpr auto operator<=>(const LogPosition&,
                                    const LogPosition&) = default;
};

enum class EntryKind : uint8_t {
  // A new leader's first entry; also carries log time forward when nothing
  // else does.
  kNoop = 1,
  // Payload: an encoded Configuration (raft/core/configuration.h).
  kConfiguration = 2,
  // Payload: the state machine's.
  kCommands = 3,
};

// Largest payload of one entry, in bytes; the host refuses more.
inline constexpr size_t kEntryPayloadBytesMax = 512 << 10;

struct Entry {
  Term term;
  Index index;
  EntryKind kind = EntryKind::kNoop;
  // Of the kind. An unknown kind or version stops the replica.
  uint8_t version = 1;
  // Never falls from one entry to the next; expiry is decided by it (design:
  // log time).
  WallTime log_time{0};
  // The leader's wall interval when it appended; leases are computed from it.
  WallInterval leader_wall;
  Buffer payload;

  LogPosition position() const { return {term, index}; }
  // Logical size for every budget: a fixed 48 bytes of header plus the payload.
  size_t size_bytes() const { return 48 + payload.size(); }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// A replica is a node together with the store that holds its log.
struct Member {
  NodeId node;
  StoreIncarnation incarnation;
  friend constexpr auto operator<=>(const Member&, const Member&) = default;
};

// Who replicates the group. Takes effect when appended (thesis 4.1), and is
// derived again from the log after every truncation and restore. Each list is
// sorted by node and without duplicates; `outgoing_voters` is empty outside
// joint consensus (thesis 4.3); `next_learners` are outgoing voters that become
// learners when it ends.
struct Configuration {
  std::vector<Member> voters;
  std::vector<Member> outgoing_voters;
  std::vector<Member> learners;
  std::vector<Member> next_learners;
  // Zero: no leases. Shorter than the least election timeout minus clock
  // uncertainty.
  Duration lease_length;
  // Keys the order of the state machine's hash tables; the same on every
  // replica.
  uint64_t hash_key = 0;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// What must be durable before any message of that term leaves (Raft paper,
// Figure 2 "persistent state").
struct HardState {
  Term term;
  NodeId voted_for;  // Zero: nobody in this term.
  friend bool operator==(const HardState&, const HardState&) = default;
};

// What a snapshot stands for: the state after applying the entry at `position`.
struct SnapshotDescriptor {
  LogPosition position;
  WallTime log_time{0};
  Configuration configuration;  // In effect at `position`.
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;  // Of all bytes.
  friend bool operator==(const SnapshotDescriptor&,
                         const SnapshotDescriptor&) = default;
};

enum class MessageType : uint8_t {
  kPreVote = 1,
  kPreVoteReply,
  kVote,
  kVoteReply,
  kAppend,
  kAppendReply,
  kHeartbeat,
  kHeartbeatReply,
  kSnapshotChunk,
  kSnapshotReply,
  kReadIndex,
  kReadIndexReply,
  kTimeoutNow,
};

// One message of one group between two of its members. Fields that a type does
// not name here are zero.
//
// kPreVote, kVote: `last` is the candidate's last entry. kPreVote's term is the
// one it would campaign in. kVote: `forced`.
//
// kPreVoteReply: `reject`; granted: `term` is the one asked for, rejected: it
// is the voter's own. kVoteReply: `reject`.
//
// kAppend: `last` is the entry just before `entries` (which may be empty: a
// probe); `commit`, `commit_log_time`.
//
// kAppendReply, accepted: last.index is durable here and known to match.
// Rejected: `reject`, `last` is that of the kAppend, `hint` the follower's last
// entry at or before it whose term is not higher. A stale leader of any kind is
// answered by `reject` with a higher term.
//
// kHeartbeat: `commit`, already min(leader's, match of the receiver);
// `commit_log_time`; `read_round`, the newest (0: none).
// kHeartbeatReply: `read_round` echoed.
//
// kSnapshotChunk: `snapshot`, `offset`, `chunk`. kSnapshotReply:
// snapshot.position, `offset` is the next byte wanted; `reject`: start again
// from 0. A snapshot that is installed, or not needed, is answered by an
// accepting kAppendReply.
//
// kReadIndex: `read_id`. kReadIndexReply: `read_id` echoed; last.index is the
// index to wait for, or `reject`; `commit` as in kHeartbeat.
//
// kTimeoutNow: nothing.
struct Message {
  MessageType type = MessageType::kAppend;
  NodeId from;
  NodeId to;
  Term term;
  bool reject = false;
  // Of kVote: asked for by the leader itself (kTimeoutNow), so voters that
  // still hear from it do not refuse (thesis 4.2.3).
  bool forced = false;
  LogPosition last;
  LogPosition hint;
  Index commit;
  WallTime commit_log_time{0};
  ReadRound read_round;
  uint64_t read_id = 0;
  std::vector<Entry> entries;
  SnapshotDescriptor snapshot;
  uint64_t offset = 0;
  Buffer chunk;
};

std::string_view MessageTypeName(MessageType type);
std::string_view EntryKindName(EntryKind kind);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TYPES_H_
