// raft/core/types.h: the values in inputs and outputs of the core: messages,
// configurations, snapshots; with entry.h, the entries. Names are those of the
// Raft paper (Figure 2) and thesis. raft/host/envelope.h encodes them for
// messages, raft/log for the disk.
#ifndef QUORATE_RAFT_CORE_TYPES_H_
#define QUORATE_RAFT_CORE_TYPES_H_

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

#include "env/boxed.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/strong_types.h"
#include "env/time.h"
#include "raft/core/entry.h"
#include "raft/core/entry_list.h"

namespace quorate::raft {

// Names a replica of a node, and its log. A node may hold several replicas of a
// group while one replaces another.
struct GroupKey {
  GroupId group;
  ReplicaId replica;
  friend constexpr auto operator<=>(const GroupKey&, const GroupKey&) = default;
};

// Numbers the kAppend and kSnapshotChunk messages of one leader in one term,
// from 1; zero means none.
using AppendNumber = StrongOrdinal<struct AppendNumberTag>;
// Numbers the read rounds of one leader in one term, from 1; zero means none.
using ReadRound = StrongOrdinal<struct ReadRoundTag>;

// A version of the replicated rules of a group's state machine: everything that
// decides the effects of its commands. Levels of one state machine are counted
// from 1. Zero means none.
using Level = StrongOrdinal<struct LevelTag>;

// A member of a group: a replica, its node, and the store that holds its log.
struct Member {
  ReplicaId replica;
  NodeId node;
  StoreIncarnation store;
  // For choosing a leader: a higher one is preferred. Nothing reads it yet.
  uint32_t priority = 0;
  // Notes of operators about the member, in their own encoding.
  Buffer note = {};
  friend bool operator==(const Member&, const Member&) = default;
};

// The level of the rules of raft/ itself that this program knows: kinds of
// entries, flags, and what configurations mean.
inline constexpr Level kRaftLevel(1);

// Crystals differ by 100 ppm at most, and time services slew by 500.
inline constexpr uint32_t kLeaseDriftPpm = 1000;

// The members of a group. A configuration takes effect when it is appended
// (thesis 4.1), and is derived again from the log after every truncation and
// restore. Each list is sorted by replica, without duplicates.
// `outgoing_voters` is empty outside joint consensus (thesis 4.3).
// `next_learners` are outgoing voters that become learners when joint consensus
// ends.
struct Configuration {
  std::vector<Member> voters;
  std::vector<Member> outgoing_voters;
  std::vector<Member> learners;
  std::vector<Member> next_learners;
  // For how long a leader serves reads after a heartbeat that a majority
  // answers. A new leader commits nothing for as long after the last contact to
  // the old one, so the least election timeout is a good length. Zero: no
  // leases. It never changes.
  Duration lease_length;
  // The most by which monotonic clocks differ from true time, in parts per
  // million. It never changes.
  uint32_t lease_drift_ppm = kLeaseDriftPpm;
  // The level of the rules of raft/ in the group.
  Level raft_level = kRaftLevel;
  // The level of the state machine's rules. A leader raises it once all members
  // have announced that their programs know a higher one. No entry needs more
  // than the level of the configuration before it.
  Level level{1};
  // How often the group was created again or recovered by force.
  uint64_t generation = 0;
  // The kind of the state machine: a number that the maker of the program
  // chooses, or 0. It never changes.
  uint32_t machine_kind = 0;
  // Key of the state machine's hash tables; equal on every replica.
  uint64_t hash_key = 0;
  // The parameters with which the group's state machine was founded, in its own
  // encoding. They never change.
  Buffer parameters;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// HardState::voted_for of a replica that is held (HoldRequested). No replica
// has this id.
inline constexpr ReplicaId kHeldVote{~uint64_t{0}};

// Term and vote. They must be durable before any message of that term leaves
// (Raft paper, Figure 2 "persistent state").
struct HardState {
  Term term;
  ReplicaId voted_for;  // Zero: no vote in this term.
  friend bool operator==(const HardState&, const HardState&) = default;
};

// The position before the first entry of a log, and times of the entries up to
// there, which the log does not hold.
struct LogStart {
  LogPosition position;
  WallTime log_time{0};
  // The greatest latest end of their leaders' bounded wall intervals.
  WallTime latest{0};
  friend bool operator==(const LogStart&, const LogStart&) = default;
};

// Describes a snapshot: the state after applying the entry at `position`.
struct SnapshotDescriptor {
  LogPosition position;
  WallTime log_time{0};
  WallTime latest{0};           // As in the LogStart at `position`.
  Configuration configuration;  // The one in effect at `position`.
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;  // Checksum of all bytes.

  LogStart log_start() const { return {position, log_time, latest}; }
  friend bool operator==(const SnapshotDescriptor&,
                         const SnapshotDescriptor&) = default;
};

// The digest of a state machine after the entry `index`. Zero: none, or not
// known.
struct StateDigest {
  Index index;
  uint64_t digest = 0;
  friend bool operator==(const StateDigest&, const StateDigest&) = default;
};

// Bytes of a snapshot: `chunk` at `offset`. In a reply: the bytes before
// `offset` were accepted, and those before `staged` are in the staging file.
struct SnapshotPart {
  SnapshotDescriptor snapshot;
  uint64_t offset = 0;
  uint64_t staged = 0;
  Buffer chunk;
  friend bool operator==(const SnapshotPart&, const SnapshotPart&) = default;
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

// One message of one group between two of its members. A field that is not
// listed for a type is zero.
//
// kPreVote: `last_log`. `term` is the term of the intended campaign.
// kPreVoteReply: `reject`. `term` is the requested one if the vote is granted,
// else the voter's own.
//
// kVote: `last_log`; `forced`.
// kVoteReply: `reject`; `log_time`, the newest one that the voter knows;
// `promised`.
//
// kAppend: `number`; `previous`; `entries`, which are empty in some probes;
// `commit`; `commit_log_time`.
// kAppendReply, accepted: `number` of the kAppend, or none in reply to a
// snapshot or to nothing; `received`; `durable`; `no_entries`.
// kAppendReply, rejected: `reject`; `number` of the kAppend; `hint`, the
// sender's last entry at or before `previous` whose term is not higher. Any
// message of a stale leader gets a rejecting kAppendReply with the higher term
// and no number. It may have `no_entries`, too.
//
// kHeartbeat: `commit`, the least of the leader's commit index and the
// receiver's match; `log_time`, the leader's present one; `read_round`, the
// newest one; `quiet_for`; `lost_entries`; `sent`. Also `state`, a question of
// the host (raft/host/state_digests.h).
// kHeartbeatReply: `read_round`, `sent` and `log_time` of the kHeartbeat;
// `known_level`; `no_entries`; `state`, the answer.
//
// kSnapshotChunk: `number`; `part`. Without bytes it asks what the receiver
// has.
// kSnapshotReply: `number`, the newest chunk, or none if that came from an
// earlier leader; of `part` the snapshot's position, `offset` and `staged`;
// `reject`. A rejection makes the leader go back to `offset`: a chunk did not
// follow those before it, or the staging file was lost. A follower that has
// installed the snapshot, or does not need it, sends an accepting kAppendReply
// instead.
//
// kReadIndex: `read_id`; `forced`: a lease is not enough.
// kReadIndexReply: `read_id` of the kReadIndex; `read_index`, or `reject`;
// `commit` as in kHeartbeat; `log_time` and `present_log_time` of the read.
//
// kTimeoutNow: `promised`.
struct Message {
  MessageType type = MessageType::kAppend;
  ReplicaId from;
  ReplicaId to;
  Term term;
  bool reject = false;
  // The leader itself requested this kVote (kTimeoutNow), so voters with recent
  // leader contact do not ignore it (thesis 4.2.3).
  bool forced = false;
  // The sender wants no entries now: its disk has no room, or it has too much
  // that it has not applied. This ends with a later message without the flag
  // that has no `number`. One with a number may have waited for the disk.
  bool no_entries = false;
  // The receiver lacks entries that it acknowledged as durable to this leader.
  bool lost_entries = false;
  LogPosition last_log;  // The candidate's last entry.
  AppendNumber number;
  LogPosition previous;  // The entry just before `entries`.
  // Up to here the sender's log matches the leader's. It may still be in memory
  // alone, so a restart of the sender may lose it.
  Index received;
  // Up to here that log is also on the sender's disk. At most `received`.
  Index durable;
  Index read_index;  // A read may be served once this index is applied.
  LogPosition hint;
  Index commit;
  WallTime commit_log_time{0};
  // The newest that the sender knows of heartbeats and reads; zero: none.
  WallTime log_time{0};
  ReadRound read_round;
  WallTime present_log_time;  // See Core::present_log_time.
  // The next heartbeat may come so much later. Until then pulses of the
  // leader's node stand in for heartbeats.
  Duration quiet_for;
  // When it was sent, by the leader's monotonic clock. Min(): it grants no
  // lease.
  MonoTime sent = MonoTime::Min();
  // In a vote: for how long the voter's promises to leaders last. In
  // kTimeoutNow: for how long the sender itself may not commit.
  Duration promised;
  // The highest level that the sender's program knows.
  Level known_level;
  // The core neither reads nor writes it.
  StateDigest state;
  uint64_t read_id = 0;
  EntryList entries;
  Boxed<SnapshotPart> part;
  friend bool operator==(const Message&, const Message&) = default;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TYPES_H_
