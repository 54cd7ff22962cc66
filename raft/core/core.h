// raft/core/core.h: one replica of one Raft group as a state machine without
// I/O, threads or ticks.
//
// Step takes one input at a time and returns everything to be done in an
// Output. The host (raft/host) carries the Output out. The core knows nothing
// of disks, sockets, encodings or the meaning of commands.
//
// Contract of an Output:
//   - `messages` and `heartbeats` may leave at once, in any order.
//   - A `write` is carried out behind those of earlier Outputs. Only when it is
//     durable may its `after` leave; then step WriteDone(token). Messages that
//     wait for the hard state alone are in the Output of that step. So a write
//     that takes long does not make their number grow.
//   - `apply` is applied in order, before the next Step. It may run while
//     writes are in flight. It has a bounded size: further committed entries
//     follow after `deadline`, which is then at once.
//   - `reads` are answered after `apply` of the same Output.
//   - `deadline` replaces the earlier one. Step TimerFired when it has come, in
//     a later turn; MonoTime::Max() means that there is none.
// The Output is reused: Step clears it first, and it is valid until the next
// Step.
#ifndef QUORATE_RAFT_CORE_CORE_H_
#define QUORATE_RAFT_CORE_CORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "env/buggify.h"
#include "env/random.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

class HostGate;

// Which replica a core is, and what it uses.
struct CoreContext {
  ReplicaId replica;
  GroupId group;  // Only a key of random draws.
  // The highest level that this program knows. A replica halts before a
  // configuration of a higher one.
  Level known_level{1};
  // Points of unlikely behaviour. Null: none fires. It outlives the core.
  env::Buggify* buggify = nullptr;
  // Null: every link has room, and every entry is known. It outlives the core.
  HostGate* gate = nullptr;
};

// May be the same for all cores of a node.
struct CoreOptions {
  // A follower without contact to a leader campaigns after a time that is drawn
  // for each wait, uniform in [min, max].
  Duration election_timeout_min = Milliseconds(300);
  Duration election_timeout_max = Milliseconds(600);
  // A leader sends heartbeats at every multiple of this interval of its
  // monotonic clock.
  Duration heartbeat_interval = Milliseconds(75);
  // A group is quiet when every member has everything and no caller waits. Its
  // leader then sends heartbeats at this interval, and the members trust the
  // pulses of its node meanwhile. Zero, or without a gate: no group is quiet.
  Duration quiet_interval = Seconds(2);
  // When a reply to an append or a chunk is overdue. The leader then asks what
  // the follower has.
  Duration retry_interval = Milliseconds(150);
  size_t append_bytes_max = 256 << 10;  // Entries in one kAppend.
  uint32_t inflight_messages_max = 64;  // Unanswered kAppend per follower.
  size_t inflight_bytes_max = 8 << 20;  // Entries in those kAppend.
  // A leader refuses proposals that would exceed one of these. They count the
  // bytes of entries that are not committed, that it has not applied, and that
  // its own disk has not written. A leader whose disk stays behind gives its
  // leadership away. A follower that has committed more than it may hold before
  // applying it asks for no entries meanwhile.
  size_t uncommitted_bytes_max = 16 << 20;
  size_t unapplied_bytes_max = 64 << 20;
  size_t unwritten_bytes_max = 32 << 20;
  // Size and work of the entries in Output::apply; a single entry may exceed
  // it.
  size_t apply_bytes_max = 64 << 10;
  // A step sends about so many bytes of entries to a member. The timer sends
  // more, so a step never fills a link at once.
  size_t send_bytes_max = 1 << 20;
  size_t snapshot_chunk_bytes = 64 << 10;
  // Size of the chunks to one follower that it has not written. A follower
  // holds as much in memory. A single chunk may exceed it.
  uint64_t snapshot_inflight_bytes_max = 4 << 20;
  // A transfer of a snapshot counts as ended once the follower has been silent
  // for so long.
  Duration snapshot_transfer_timeout = Seconds(60);
  // Under one leader, log time advances at most by the monotonic time that has
  // passed, plus this many parts per million of it.
  uint32_t log_time_slew_ppm = 1000;
  // The next append carries the commit index to a follower. If there is none
  // within this time, a heartbeat does.
  Duration commit_notification_delay = Milliseconds(5);
  // A round of read confirmations asks the voters that confirmed the last one.
  // It asks the others after this time, or after twice the time of the last
  // round if that is longer. Once in a heartbeat interval it asks all members.
  Duration read_hedge_delay = Milliseconds(2);
  // A leader with a lease serves reads without a round
  // (Configuration::lease_length).
  bool lease_reads = true;
  // Unanswered read requests; more are refused.
  uint32_t pending_reads_max = 64 << 10;
};

// The data of a replica that recovery read from the disk.
struct Restored {
  HardState hard_state;
  // A hint: this replica knew before that the entries through this index are
  // committed. It may be too low, and greater than the last index. Entries stay
  // committed, so those that are here are applied before any leader is heard.
  Index commit;
  // The newest snapshot, or the empty position (0, 0) with an empty
  // configuration.
  SnapshotDescriptor snapshot;
  // At or before the snapshot, whose position the log holds.
  LogStart log_start;
  // The entries after `log_start`, without a gap; all durable.
  EntryList entries;
};

// Names a write. The host copies it from Write::token into WriteDone.
struct WriteToken {
  // The core's epoch at the time of the write. The core raises its epoch when
  // it truncates, because an index may then hold another entry. A write with an
  // older epoch makes only its hard state durable for the core.
  uint64_t epoch = 0;
  // Last entry of the write; (0, 0) if it has none.
  LogPosition last;
  // Durable once the write is: this write or an earlier one contains it.
  HardState hard_state;
  friend bool operator==(const WriteToken&, const WriteToken&) = default;
};

// ---- Inputs: events.

// A message arrived. The host has checked the cluster and that the link is that
// of the sender's node and store; the core checks everything else.
struct MessageReceived {
  Message message;
};
// A caller wants one entry appended. Requires: a payload of at most
// kEntryPayloadBytesMax; another kind than kConfiguration.
struct Proposal {
  uint64_t tag = 0;  // The caller's; returned in Output.
  EntryKind kind = EntryKind::kCommands;
  Buffer payload;
};
// The core appends the proposals in their order, if this replica leads and has
// room. Once it refuses one, it refuses those behind it. Each is answered by
// Output::proposed or Output::refused. All that are accepted share one write
// and the appends of one step.
struct Proposals {
  Proposals() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a single one.
  Proposals(Proposal proposal) { all.push_back(std::move(proposal)); }
  std::vector<Proposal> all;
};
// A caller wants an index such that a read of the state applied through it is
// linearizable (thesis 6.4). A follower asks its leader. Answered by
// Output::reads with the same tag.
struct ReadRequested {
  uint64_t tag = 0;
  bool shows_log_time = false;  // See ReadPointOptions.
};
// The deadline has come.
struct TimerFired {};
// A write is durable.
struct WriteDone {
  WriteToken token;
};
// A snapshot of this replica's own state is durable; it may be the present one.
// The core forgets entries through `compact_index`, but keeps those whose write
// is in flight. Requires:
// compact_index <= snapshot.position.index <= applied.
struct SnapshotTaken {
  SnapshotDescriptor snapshot;
  Index compact_index;
};
// The host needs memory. The core frees its oldest entries, which stay in the
// log on disk, until the rest has at most `keep_bytes`. It keeps entries that
// are not applied or not durable; of a halted replica, those that are not
// committed or not durable.
struct Evict {
  uint64_t keep_bytes = 0;
};
// Answer to Output::entry_reads: entries of this replica's log behind `after`,
// without a gap, at least one; none if they cannot be read. The core asks again
// after a while.
struct EntriesRead {
  ReplicaId to;
  Index after;
  EntryList entries;
  // Nothing was read: there is no room to send it. The core asks again when
  // there is (RoomToSend).
  bool waits = false;
};
// Answer to SnapshotWork::kRead: bytes of the snapshot at `offset`. An empty
// `chunk` means that they cannot be read. With `gone` they never can. Otherwise
// the core asks again after a while.
struct ChunkRead {
  ReplicaId to;
  SnapshotDescriptor snapshot;
  uint64_t offset = 0;
  Buffer chunk;
  bool gone = false;
};
// Answer to SnapshotWork::kWrite, in the order of the works: the staging file
// now holds the first `received` bytes of the snapshot. If they are fewer than
// `end`, the chunk is not among them, and those behind it will not be.
struct ChunkWritten {
  SnapshotDescriptor snapshot;
  uint64_t received = 0;
  uint64_t end = 0;  // The offset behind the chunk.
};
// Answer to SnapshotWork::kInstall. `ok`: the snapshot is durable, the log is
// cut and the state machine replaced. Otherwise the snapshot was discarded.
struct SnapshotInstalled {
  SnapshotDescriptor snapshot;
  bool ok = false;
};
// A caller wants the leadership transferred to `to` (thesis 3.10). The transfer
// is abandoned after one election timeout, and at once if this replica does not
// lead or `to` is not another voter. Proposals are refused meanwhile.
struct TransferRequested {
  ReplicaId to;
};

// A caller wants another configuration (thesis 4). Answered by Output::proposed
// with the position of the first entry of the change, or by Output::refused.
// If the voters change, that entry begins joint consensus, and the leader ends
// it with a second one when the first is committed. The change is complete when
// Core::configuration has no outgoing voters and its entry is committed. A
// leader that is no voter then steps down.
struct ChangeConfiguration {
  uint64_t tag = 0;  // The caller's; returned in Output.
  // Core::configuration_index of the configuration from which the caller made
  // `target`. So no change undoes another one that the caller has not seen.
  Index base;
  // Without outgoing voters and next learners. Voters, learners and level may
  // differ from those of `base`. A new voter must be a learner before.
  Configuration target;
};

// The replica takes no part any more: it neither votes, campaigns, leads nor
// acknowledges, and ignores all messages. It goes on to apply what it knows to
// be committed. It stays so, also after restarts: its last hard state votes for
// kHeldVote, in a term of its own. A second request changes nothing.
// (docs/decisions/0132)
struct HoldRequested {};

// The link to `to` has room after HostGate::MaySend refused, or it is new.
// Messages of an older link may be lost, and `to` may have been started again.
// So a new link is used at once to ask what `to` has.
struct RoomToSend {
  ReplicaId to;
  bool link_is_new = false;
};

// The link that takes replies to `leader` is new. Replies over an older link,
// or before it, may be lost. Needed only by a follower of that replica.
struct RepliesLost {
  ReplicaId leader;
};

// There is room after HostGate::MayWrite or MayLag refused. Needed only by a
// core that asked its leader for no entries (asked_for_no_entries).
struct RoomForEntries {};

using Input =
    std::variant<MessageReceived, Proposals, ReadRequested, TimerFired,
                 WriteDone, SnapshotTaken, Evict, EntriesRead, ChunkRead,
                 ChunkWritten, SnapshotInstalled, TransferRequested,
                 ChangeConfiguration, RoomToSend, RepliesLost, RoomForEntries,
                 HoldRequested>;

// ---- Output

// One atomic, ordered addition to the log on disk. Entries replace everything
// that the log held from entries.front().index on: replay is in physical order
// with unconditional truncation.
struct Write {
  WriteToken token;
  bool hard_state_changed = false;
  HardState hard_state;
  // The commit index, which need not be durable. This write and earlier ones
  // contain the entries through it.
  Index commit;
  EntryList entries;
  std::vector<Message> after;  // Acknowledgements of `entries`.
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
    kTooMuchUnapplied,
    kTooMuchUnwritten,    // This replica's disk is too slow.
    kTransferInProgress,  // A leadership transfer is in progress.
    // The rest is for ChangeConfiguration.
    kNothingCommittedInTerm,  // No entry of this term is committed yet.
    kChangeInProgress,        // An earlier change is not complete.
    kConfigurationIsNewer,    // The present one is newer than `base`.
    kConfigurationIsTheSame,
    // The target breaks a rule, or changes a part that never changes.
    kConfigurationIsInvalid,
    // The program of a member does not know the level, or has not said so.
    kLevelIsNotKnown,
    // A new voter is no learner, or lacks too many entries.
    kVoterHasNotCaughtUp,
  } reason = Reason::kNotLeader;
};
struct ReadReady {
  uint64_t tag = 0;
  // False: no leader confirmed the read. The caller may ask again.
  bool ok = false;
  // At most applied_index(). Serve the read after `apply` of the same Output.
  Index index;
};

// Entries for `to`, which are only on disk. Read some of (after, through], from
// the first one on; answer EntriesRead. One read for each replica at a time.
struct EntryRead {
  ReplicaId to;
  Index after;
  Index through;
};

struct SnapshotWork {
  enum class Kind : uint8_t {
    // Read up to snapshot_chunk_bytes at `offset` for `to`; answer ChunkRead.
    kRead,
    // Store `chunk` at `offset` of the staging file of `snapshot`; answer
    // ChunkWritten. Several may be outstanding.
    kWrite,
    // All bytes are staged: verify them, make them durable, cut the log,
    // replace the state machine; answer SnapshotInstalled.
    kInstall,
    // Remove the staging file of `snapshot`, which is not needed any more. A
    // write to it needs no answer.
    kDiscard,
  } kind = Kind::kRead;
  ReplicaId to;
  SnapshotDescriptor snapshot;
  uint64_t offset = 0;
  Buffer chunk;
};

enum class RoleKind : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
std::string_view RoleName(RoleKind role);

// An event of a Step, for metrics, traces and checkers.
struct Event {
  enum class Kind : uint8_t {
    kTermChanged,
    kRoleChanged,
    // leader() changed, perhaps to none.
    kLeaderKnown,
    // `index` is the first entry that was removed.
    kSuffixTruncated,
    kConfigurationChanged,
    kCommitAdvanced,
    // Check-quorum failed.
    kStepDownNoQuorum,
    // `index` is the last entry that the snapshot covers.
    kSnapshotInstalled,
    // The target of a leadership transfer did not take over in time.
    kTransferAbandoned,
    // This leader's disk is too slow; it transfers its leadership.
    kGivesLeadershipAway,
    // A follower's log has lost entries that it had acknowledged as durable.
    // `index` is the last of them. It gets no more entries, and is told.
    kFollowerLostEntries,
    // The leader says that this replica's log lacks entries that it had
    // acknowledged as durable. It must be fenced.
    kLostEntries,
    // This program does not know the entry `index`, or a snapshot that has it.
    kHalted,
    // A peer sent a message that no correct peer sends; it was dropped.
    kInvalidMessage,
  } kind = Kind::kTermChanged;
  Term term;
  RoleKind role = RoleKind::kFollower;
  ReplicaId leader;
  Index index;
};

struct Output {
  // kHeartbeat and kHeartbeatReply; separate, so that the host can coalesce
  // them per pair of nodes.
  std::vector<Message> heartbeats;
  std::vector<Message> messages;
  std::optional<Write> write;
  EntryList apply;
  uint64_t apply_work = 0;  // Sum of HostGate::WorkOf over `apply`.
  std::vector<Proposed> proposed;
  std::vector<Refused> refused;
  std::vector<ReadReady> reads;
  // The index of each read, of this node or another one, that the lease of this
  // leader confirmed. For checkers and numbers.
  std::vector<Index> lease_reads;
  std::vector<EntryRead> entry_reads;
  std::vector<SnapshotWork> snapshots;
  std::vector<Event> events;
  // Entries that left the memory of this replica. They may be many, so that the
  // host frees them over several turns.
  EntryList removed;
  MonoTime deadline = MonoTime::Max();

  void Clear();
};

// One replica. Not thread-safe. The host owns it.
class Core {
 public:
  // Starts as a follower without a known leader. `random` is used for election
  // timeouts and, with the clocks, for the ids of forwarded reads.
  Core(std::shared_ptr<const CoreOptions> options, const CoreContext& context,
       Restored restored, Random random, Now now);
  ~Core();
  // A copy for a search of states. It has the same gate and points of unlikely
  // behaviour.
  Core(const Core& other);
  Core& operator=(const Core&) = delete;

  // The one entry point. Clears `output` first. Requires: `now.mono` never goes
  // back.
  void Step(Now now, Input&& input, Output* output);

  // The first deadline, before any Step.
  MonoTime deadline() const;
  // The first one that is not there just to apply more entries.
  MonoTime deadline_without_backlog() const;

  ReplicaId replica() const;
  RoleKind role() const;
  Term term() const;
  ReplicaId voted_for() const;
  // The leader of this replica's term; zero if unknown.
  ReplicaId leader() const;
  // The leader has given this follower a read point, and the state here is
  // older than that.
  bool lags_behind_read() const;
  Index commit_index() const;
  // Last entry that Output::apply has contained.
  Index applied_index() const;
  // The entry before which this replica halted; zero if it did not.
  Index halted_at() const;
  // Whether this replica is new to a group that others founded, and has no
  // entry and no snapshot yet. It knows no configuration, grants no vote, and
  // becomes no voter before it has the configuration that names it.
  bool joining() const;
  // Whether this replica is held (HoldRequested), and that is durable.
  bool held() const;
  // Whether a snapshot replaces this replica's log and state now, between
  // SnapshotWork::kInstall and SnapshotInstalled.
  bool installing() const;
  // Whether this leader transfers its leadership, and takes no proposals
  // meanwhile.
  bool transferring() const;
  // Whether this replica relies on pulses since the last Step. A leader does on
  // those of all members' nodes, a follower on that of its leader's node.
  bool quiet() const;
  // The last entry, or log_start() if there is no entry after it.
  LogPosition last() const;
  // The position just before the first entry of the log.
  LogPosition log_start() const;
  // log_start() with its times.
  const LogStart& boundary() const;
  // Term at `index`, or zero if it is outside [log_start, last].
  Term TermAt(Index index) const;
  // The last entry that is only on disk; log_start if there is none.
  Index evicted() const;
  // The last entry that Evict may free.
  Index evictable() const;
  // Takes the entries out of the memory, for a caller that steps the core no
  // more. As if all of them were only on disk.
  EntryList ReleaseEntries();
  // The entry at `index`. Requires: evicted < index <= last.
  const Entry& EntryAt(Index index) const;
  // Sum of size_bytes of the entries (log_start, last], and of those of them
  // that are in memory.
  size_t log_bytes() const;
  size_t resident_log_bytes() const;
  // Sum of size_bytes of the entries (applied, commit]. Zero if it halted: it
  // applies no more, and its entries may leave the memory.
  size_t apply_backlog_bytes() const;
  // A follower that has asked its leader to send no entries.
  bool asked_for_no_entries() const;
  // Sum of size_bytes of the entries (applied, through] that are in memory, or
  // a part of it that is at least `enough`. Requires: through <= last.
  size_t UnappliedBytes(Index through, size_t enough = SIZE_MAX) const;
  // The first index where the log may start such that the entries (index,
  // through] have about `bytes` or fewer. Requires: log_start <= through <=
  // last.
  Index CutBefore(Index through, size_t bytes) const;
  // Size of the entries (log_start, index]; among evicted ones about. Zero if
  // there are none. Requires: index <= last.
  size_t LogBytesThrough(Index index) const;
  // The configuration in effect: the newest in the log, committed or not.
  const Configuration& configuration() const;
  // The index of its entry. At most log_start() if the log does not hold it.
  Index configuration_index() const;
  // The configuration in effect at `index`; a snapshot taken there must contain
  // it. Requires: snapshot().position.index <= index <= last.
  const Configuration& ConfigurationAt(Index index) const;
  // Last entry known to be on this replica's own disk.
  Index durable_index() const;
  // The newest snapshot known to be durable here, or the empty descriptor. The
  // reference is valid until the next Step.
  const SnapshotDescriptor& snapshot() const;
  // True if this replica leads and an entry of its own term is committed. Every
  // read path of a leader asks it (thesis 6.4 step 1).
  bool CanServeReads() const;
  // Log time of the last applied entry.
  WallTime applied_log_time() const;
  // LogStart::latest of a log that starts after the last applied entry.
  WallTime applied_latest() const;
  // Log time that an entry proposed at `now` would get. Requires: this replica
  // leads.
  WallTime NextLogTime(const Now& now) const;
  // The state machine has learned of a later log time, such as that of another
  // group. If this replica leads, log time goes on from there; a later leader
  // begins there at least, unless restarts have lost it. Changes nothing if the
  // log time of this replica is as late. Requires: `log_time` is not ahead
  // of the true time.
  void RaiseLogTime(WallTime log_time, const Now& now);
  // The log time by which a read finds out what is due, once its ReadReady has
  // come. No read of any replica that begins later gets an earlier one, unless
  // restarts have lost it (docs/decisions/0084). Zero: there was no read.
  WallTime read_log_time() const;
  // The leader's log time at that read, not before read_log_time. The next
  // leader may begin before it. So a read shows nothing of it, and an entry has
  // to advance log time to it where that makes a difference.
  WallTime present_log_time() const;

  // The leader's view of each other member. Empty if this replica does not
  // lead.
  struct FollowerStatus {
    ReplicaId replica;
    NodeId node;
    Index match;
    Index next;
    std::string_view state;  // "probe", "replicate", "snapshot".
    // A message of this term arrived within the greatest election timeout.
    bool active = false;
    // It has much to apply or to write, and asked for no further entries.
    bool wants_no_entries = false;
    // A change of the configuration may make it a voter, if it is a learner.
    bool caught_up = false;
    // The snapshot in transfer to it; empty if there is none, or if the
    // follower has been silent for snapshot_transfer_timeout.
    LogPosition snapshot;
    // The bytes of it that the follower has, and its size.
    uint64_t snapshot_staged = 0;
    uint64_t snapshot_bytes = 0;
  };
  std::vector<FollowerStatus> followers() const;
  // The matches alone, in place of the elements of `matches`. For checkers that
  // look after every step.
  struct FollowerMatch {
    ReplicaId replica;
    Index match;
  };
  void GetMatches(std::vector<FollowerMatch>* matches) const;

  // The entries that each other member has not acknowledged as durable, in
  // place of the elements of `followers`. Zero for a member without contact for
  // the greatest election timeout. Empty if this replica does not lead.
  struct FollowerInFlight {
    NodeId node;
    uint64_t bytes = 0;
    friend bool operator==(const FollowerInFlight&,
                           const FollowerInFlight&) = default;
  };
  void GetInFlight(std::vector<FollowerInFlight>* followers) const;

  // Cores with the same digest and options behave alike from `now` on, whatever
  // their past. Only their log times may differ.
  uint64_t Digest(MonoTime now) const;

  // CHECKs every invariant that one replica can observe in its own state. Tests
  // and the simulator call it.
  void CheckInvariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The answers that only the host knows.
class HostGate {
 public:
  enum class Load : uint8_t { kEntries, kChunk };
  // Asked before entries or a chunk of a snapshot leave for `to`. False: they
  // wait. The host then steps the core with RoomToSend once there is room.
  virtual bool MaySend(ReplicaId to, Load load) = 0;
  // Whether the disk of this node may be given so many further bytes of
  // entries. After a refusal it may be given none for a while; then the host
  // steps the core with RoomForEntries. False: a leader refuses proposals, and
  // a follower entries.
  virtual bool MayWrite(uint64_t bytes) {
    (void)bytes;
    return true;
  }
  // The same for committed entries of all groups that this node has not
  // applied: whether there may be more of them.
  virtual bool MayLag() { return true; }
  // The same for bytes of snapshots that leaders send. False: a follower
  // accepts no chunk. Its leader asks again later.
  virtual bool MayStage(uint64_t bytes) {
    (void)bytes;
    return true;
  }
  // Asked before a committed entry is handed out. False: this program does not
  // know it, since a newer one wrote it. The replica halts before it: it keeps
  // its log and its vote, applies no more, and never leads.
  virtual bool CanApply(const Entry& entry) {
    (void)entry;
    return true;
  }
  // The work of applying the entry to the present state, in bytes of entries
  // that take least. It decides only how many entries are handed out at a time.
  virtual uint64_t WorkOf(const Entry& entry) { return entry.size_bytes(); }
  // Whether a halted replica may take further entries of its leader. It takes
  // no snapshot, so nothing shortens its log.
  virtual bool MayGrowHalted() { return true; }
  // The work that may be handed out now; further entries wait for the core's
  // timer. 0: all do.
  virtual uint64_t ApplyRoom() { return UINT64_MAX; }
  // When the node of `replica` last gave a sign that it works, if one and the
  // same process has given all of them since `since`. Min(): it has not, or it
  // gives none. Quiet groups rely on these signs instead of heartbeats. They
  // set no timers to look for them. The host fires the timer of a quiet replica
  // when the signs of a partner's node are late by the least election timeout.
  // It does so, too, when they come from another process.
  virtual MonoTime LastPulse(ReplicaId replica, MonoTime since) {
    (void)replica;
    (void)since;
    return MonoTime::Min();
  }
  // True if this node's monotonic clock differs in rate from those of most
  // other nodes, by more than `ppm_max` parts per million.
  virtual bool ClockDiffers(int64_t ppm_max) {
    (void)ppm_max;
    return false;
  }
  // Whether this leader may do without heartbeats. The host may have something
  // to add to them.
  virtual bool MayBeQuiet() { return true; }

 protected:
  ~HostGate() = default;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_CORE_H_
