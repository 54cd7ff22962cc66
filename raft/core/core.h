// raft/core/core.h: one replica of one Raft group as a state machine without
// I/O, threads or ticks.
//
// Inputs go in one at a time through Step; everything to be done comes out in
// an Output. The host (raft/host) carries it out. The core knows nothing of
// disks, sockets, encodings or what commands mean.
//
// Contract of an Output, in the fewest words:
//   - `messages` and `heartbeats` may leave at once, in any order;
//   - `writes` are done in order; when one is durable, and only then, its
//   `after` may leave and WriteDone(token) is stepped;
//   - `apply` is applied in order before anything of a later Output; it may run
//   beside the writes;
//   - `reads` are answered after `apply` of the same Output;
//   - `deadline` replaces the earlier one: step Timeout when it has come
//   (MonoTime::Max(): nothing to wait for).
// The Output is reused: Step clears it first, and it is valid until the next
// Step.
#ifndef QUORATE_RAFT_CORE_CORE_H_
#define QUORATE_RAFT_CORE_CORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "env/random.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

struct CoreOptions {
  NodeId node;
  GroupId group;  // Only keys the random draws.
  // A follower that hears nothing campaigns after a time drawn anew for each
  // wait, uniform in [min, max].
  Duration election_timeout_min = Milliseconds(300);
  Duration election_timeout_max = Milliseconds(600);
  // A leader beats at every multiple of this on its monotonic clock.
  Duration heartbeat_interval = Milliseconds(75);
  // A probe or append that got no answer is sent again after this long.
  Duration retry_interval = Milliseconds(150);
  size_t append_bytes_max = 256 << 10;      // Of entries in one kAppend.
  uint32_t inflight_messages_max = 64;      // Unanswered kAppends per follower.
  size_t inflight_bytes_max = 8 << 20;      // Entries in them.
  size_t uncommitted_bytes_max = 16 << 20;  // Proposals beyond it are refused.
  size_t snapshot_chunk_bytes = 64 << 10;
  // Log time of one leader advances at most by the monotonic time passed plus
  // this many parts per million.
  uint32_t log_time_slew_ppm = 1000;
  // Followers learn of a commit with the next append; if none follows, with a
  // heartbeat after this long.
  Duration commit_notification_delay = Milliseconds(5);
  // Read requests not yet answered; more are refused.
  uint32_t pending_reads_max = 64 << 10;
};

// What recovery found on disk.
struct Restored {
  HardState hard_state;
  // The newest snapshot's, or the empty position (0, 0) with an empty
  // configuration.
  SnapshotDescriptor snapshot;
  // The entries after the snapshot, without a gap; all durable.
  std::vector<Entry> entries;
};

// Says which write became durable. An acknowledgement of entries whose epoch is
// no longer the core's is ignored: something was truncated since, and the same
// index may hold another entry. Copied from Write::token as it stands.
struct WriteToken {
  uint64_t epoch = 0;
  // Last entry durable once this write is; (0, 0) if it wrote none.
  LogPosition last;
  // Durable once this write is (it, or an earlier write, holds it).
  HardState hard_state;
  friend bool operator==(const WriteToken&, const WriteToken&) = default;
};

// ---- Inputs

// The host checked cluster, group incarnation and the sender's store; the core
// checks everything else.
struct MessageReceived {
  Message message;
};
// Appends one entry if this replica leads and has room; see Output::proposed
// and Output::refused. Requires: payload at most
// kEntryPayloadBytesMax; a configuration only PinsStoreIdsOnly of the present one.
struct Proposal {
  uint64_t tag = 0;  // The caller's, returned in Output.
  EntryKind kind = EntryKind::kCommands;
  Buffer payload;
};
// Asks for an index such that reading the state applied through it is
// linearizable (thesis 6.4). On a follower the leader is asked. Answered by
// Output::reads with the same tag.
struct ReadRequested {
  uint64_t tag = 0;
};
struct TimerFired {};
struct WriteDone {
  WriteToken token;
};
// A snapshot of this replica's own state is durable: entries through
// `compact_index` may be forgotten in memory (those whose write is under way
// stay). Requires: compact_index <= snapshot.position.index <= applied.
struct SnapshotTaken {
  SnapshotDescriptor snapshot;
  Index compact_index;
};
// Answer to SnapshotWork::kRead: bytes of the snapshot at `offset` (empty
// `chunk` and `gone`: it is not there any more).
struct ChunkRead {
  NodeId to;
  SnapshotDescriptor snapshot;
  uint64_t offset = 0;
  Buffer chunk;
  bool gone = false;
};
// Answer to SnapshotWork::kWrite: the staging file now holds `received` bytes
// in order (it may also fall back to 0).
struct ChunkWritten {
  SnapshotDescriptor snapshot;
  uint64_t received = 0;
};
// Answer to SnapshotWork::kInstall: `ok`: durable, log cut, state machine
// swapped. Otherwise it was discarded.
struct SnapshotInstalled {
  SnapshotDescriptor snapshot;
  bool ok = false;
};
// Hands leadership to `to` (thesis 3.10). Given up after one election timeout,
// and at once if this replica does not lead or `to` is no other voter; proposals
// are refused meanwhile.
struct TransferRequested {
  NodeId to;
};

using Input = std::variant<MessageReceived, Proposal, ReadRequested, TimerFired,
                           WriteDone, SnapshotTaken, ChunkRead, ChunkWritten,
                           SnapshotInstalled, TransferRequested>;

// ---- Output

// One atomic, ordered addition to the log on disk. If `entries` is not empty,
// whatever the log held from entries.front().index on is replaced: replay is in
// physical order with unconditional truncation.
struct Write {
  WriteToken token;
  bool hard_state_changed = false;
  HardState hard_state;
  std::vector<Entry> entries;
  std::vector<Message> after;
};

struct Proposed {
  uint64_t tag = 0;
  LogPosition position;
};
struct Refused {
  uint64_t tag = 0;
  enum class Reason : uint8_t {
    kNotLeader,
    kTooMuchUncommitted,
    kTransferInProgress,  // Leadership is being handed over (thesis 3.10).
  } reason = Reason::kNotLeader;
};
struct ReadReady {
  uint64_t tag = 0;
  // False: no leader confirmed it; certainly harmless to ask again.
  bool ok = false;
  // At most applied_index(): serve after `apply` of the same Output.
  Index index;
};

struct SnapshotWork {
  enum class Kind : uint8_t {
    // Read up to snapshot_chunk_bytes at `offset` for `to`; answer ChunkRead.
    kRead,
    // Store `chunk` at `offset` of the staging file of `snapshot`; answer
    // ChunkWritten.
    kWrite,
    // All bytes are staged: verify, make durable, cut the log, swap the state
    // machine; answer SnapshotInstalled.
    kInstall,
  } kind = Kind::kRead;
  NodeId to;
  SnapshotDescriptor snapshot;
  uint64_t offset = 0;
  Buffer chunk;
};

enum class RoleKind : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
std::string_view RoleName(RoleKind role);

// What happened, for metrics, traces and judges.
struct Event {
  enum class Kind : uint8_t {
    kTermChanged,
    kRoleChanged,
    kLeaderKnown,      // leader() changed, also to none.
    kSuffixTruncated,  // `index` is the first entry removed.
    kConfigurationChanged,
    kCommitAdvanced,
    kStepDownNoQuorum,   // Check-quorum failed.
    kSnapshotInstalled,  // `index` is its last one.
    kTransferAbandoned,  // The target did not take over in time.
    kInvalidMessage,     // A peer sent what it must not; ignored.
  } kind = Kind::kTermChanged;
  Term term;
  RoleKind role = RoleKind::kFollower;
  NodeId leader;
  Index index;
};

struct Output {
  // kHeartbeat and kHeartbeatReply, apart so that the host can coalesce them
  // per node pair.
  std::vector<Message> heartbeats;
  std::vector<Message> messages;
  std::vector<Write> writes;
  std::vector<Entry> apply;
  std::vector<Proposed> proposed;
  std::vector<Refused> refused;
  std::vector<ReadReady> reads;
  std::vector<SnapshotWork> snapshots;
  std::vector<Event> events;
  MonoTime deadline = MonoTime::Max();

  void Clear();
};

// One replica. Not thread-safe; owned by the host.
class Core {
 public:
  // Starts as a follower that has not heard of a leader. `random` serves
  // election jitter and, with the clocks, the ids of forwarded reads.
  Core(const CoreOptions& options, Restored restored, Random random, Now now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // The one entry point. `now` never goes back in `mono`. `output` is cleared
  // first.
  void Step(Now now, Input input, Output* output);

  // First deadline, before any Step.
  MonoTime deadline() const;

  RoleKind role() const;
  Term term() const;
  NodeId voted_for() const;
  // Whom this replica takes for the leader of its term; zero if unknown.
  NodeId leader() const;
  Index commit_index() const;
  // Last entry handed out in Output::apply.
  Index applied_index() const;
  // The one accessor of the end of the log; knows the snapshot boundary.
  LogPosition last() const;
  // The entry before the first one still in memory.
  LogPosition log_start() const;
  // Term at `index`, or zero if it is outside [boundary, last].
  Term TermAt(Index index) const;
  // The entry at `index`. Requires: boundary < index <= last.
  const Entry& EntryAt(Index index) const;
  // In effect now: the newest in the log, committed or not.
  const Configuration& configuration() const;
  // In effect at `index` (what a snapshot taken there must carry). Requires:
  // boundary <= index <= last.
  const Configuration& ConfigurationAt(Index index) const;
  // Last entry known to be on this replica's own disk.
  Index durable_index() const;
  // The newest snapshot known to be durable here, or the empty descriptor.
  const SnapshotDescriptor& snapshot() const;
  // The one gate of every read path of a leader: an entry of its own term is
  // committed (thesis 6.4 step 1).
  bool CanServeReads() const;
  // Log time of the last applied entry.
  WallTime applied_log_time() const;
  // Log time that an entry proposed at `now` would get. Requires: leader.
  WallTime NextLogTime(const Now& now) const;

  // What the leader knows of each other member, for status pages.
  struct FollowerStatus {
    NodeId node;
    Index match;
    Index next;
    std::string_view state;  // "probe", "replicate", "snapshot".
  };
  std::vector<FollowerStatus> followers() const;

  // CHECKs every invariant that one replica can see of itself. Cheap; runs
  // after each Step in tests and simulation.
  void CheckInvariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_CORE_H_
