// raft/core/progress.h: what a leader knows about one other member, and what it
// may send next.
//
// - kProbe: the leader searches for the last index at which the logs agree,
//   with one kAppend at a time.
// - kReplicate: the logs are believed to agree up to index next - 1. The leader
//   sends further kAppend before replies arrive, within limits of messages and
//   bytes.
// - kSnapshot: the follower needs entries that the leader's log no longer has.
//   The leader sends chunks before replies arrive, within a limit of bytes.
//
// An entry or chunk is sent again on evidence of its loss alone: the follower
// rejected a later message of that kind. When replies are overdue, the leader
// sends a message without entries or bytes behind the last one. The reply says
// how much the follower has, even if its disk is slow. So nothing that the
// follower has in memory is sent twice.
#ifndef QUORATE_RAFT_CORE_PROGRESS_H_
#define QUORATE_RAFT_CORE_PROGRESS_H_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "env/boxed.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/core/core_digest.h"
#include "raft/core/entry_list.h"
#include "raft/core/types.h"

namespace quorate::raft {

// The sent entries that are not known to be on the follower's disk, by their
// kAppend, oldest first. Limited by number and bytes.
class Inflights {
 public:
  struct Limits {
    uint32_t messages = 64;
    size_t bytes = 8 << 20;
  };

  // True if no more should be sent. A first message always fits.
  bool Full(const Limits& limits) const;
  bool empty() const { return sent_.empty(); }
  size_t count() const { return sent_.size(); }
  size_t bytes() const { return bytes_; }

  // `last`: the last entry of the message. Requires: `last` does not fall.
  void Add(Index last, size_t bytes);
  // Forgets every message whose last entry is at or before `durable`.
  void FreeThrough(Index durable);
  // Forgets every message whose last entry is after `index`.
  void DropAfter(Index index);
  void Clear();
  void AddTo(CoreDigest* digest) const;

 private:
  struct Sent {
    Index last;
    size_t bytes = 0;
  };
  std::vector<Sent> sent_;
  size_t bytes_ = 0;  // Invariant: the sum over sent_.
};

class Progress {
 public:
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };

  // A snapshot that is being sent to the follower. Invariant: staged <= next <=
  // size of the snapshot.
  struct PendingSnapshot {
    SnapshotDescriptor snapshot;
    uint64_t next = 0;    // The first byte to send next.
    uint64_t staged = 0;  // The follower has written the bytes before it.
    // Replies to chunks before this number are out of date: `next` has gone
    // back since.
    AppendNumber current_from;
    // The follower has not said since then how much it has. One chunk at a time
    // is in flight.
    bool probing = true;
    // The bytes of chunks that may be in flight. The follower may have less
    // room than the leader allows. Each refusal costs what is in flight, so it
    // halves the window, and each byte that is written widens it by one.
    uint64_t window = ~uint64_t{0};
    bool reading = false;      // A SnapshotWork::kRead is outstanding.
    uint64_t read_offset = 0;  // The offset of that kRead.

    // Whether a chunk at `next` may be sent. `bytes_max`: the size of all
    // chunks in flight.
    bool MaySendMore(uint64_t bytes_max) const;
    // The follower has accepted the bytes before `offset`, and written those
    // before `written`.
    void Accepted(uint64_t offset, uint64_t written);
    // The follower has exactly these bytes. `number`: the leader's next chunk.
    void GoTo(uint64_t offset, uint64_t written, AppendNumber number);
  };

  // Begins in kProbe. `number`: the leader's next kAppend. Requires: next > 0.
  Progress(ReplicaId replica, Index next, AppendNumber number, MonoTime now);

  // Reads of entries for a follower that lags behind the entries in memory, one
  // piece at a time.
  struct CatchUp {
    enum class Read : uint8_t {
      kNone,
      kOutstanding,
      kFailed
    } read = Read::kNone;
    Index after;  // The last read began behind it.
    // The entries that were read, during the step that sends them. The rest is
    // read again, so a leader keeps no entries for slow followers.
    EntryList entries;
  };

  ReplicaId replica() const { return replica_; }
  State state() const { return state_; }
  // Last entry known to be on the follower's disk and to match. Never falls,
  // except to zero when the follower has lost entries that were on its disk.
  Index match() const { return match_; }
  // First entry to send next. Invariant: match < next.
  Index next() const { return next_; }
  const Inflights& inflights() const { return inflights_; }
  // Require: kSnapshot.
  const PendingSnapshot& pending_snapshot() const { return *pending_snapshot_; }
  PendingSnapshot& pending_snapshot() { return *pending_snapshot_; }
  const CatchUp& catch_up() const { return catch_up_; }
  CatchUp& catch_up() { return catch_up_; }
  // The offset of the entry at next() in the entries that were read; their
  // number if it is not there.
  size_t CatchUpOffset() const;

  // When a reply is overdue; Max() if none is awaited.
  MonoTime retry_at() const { return retry_at_; }
  void set_retry_at(MonoTime at) { retry_at_ = at; }

  // `number`: the leader's next kAppend. Replies to earlier ones no longer
  // count as evidence.
  void BecomeReplicate(AppendNumber number);
  void BecomeSnapshot(const SnapshotDescriptor& snapshot, AppendNumber number);

  // True if an append with entries may be sent now.
  bool CanAppend(const Inflights::Limits& limits) const;
  // An append with the entries from next() to `last` (next - 1: none) of
  // `bytes` was sent.
  void AppendSent(Index last, size_t bytes, MonoTime retry_at);

  // A reply of the follower to the append `number`; none for other messages.
  struct Reply {
    AppendNumber number;
    Index received;
    Index durable;
  };
  // The logs agree up to `received`. Returns true if match() rises. `next` is
  // the leader's next kAppend. `retry_at` is for entries that are still not
  // durable.
  bool Acknowledged(const Reply& reply, AppendNumber next, MonoTime retry_at);

  enum class Rejection : uint8_t {
    kStale,     // It is out of date.
    kWentBack,  // Entries were lost on the way, or the logs differ.
    // The follower has lost entries that were on its disk. From now on it has
    // no match, is sent nothing, and its replies do not count.
    kLostDurable,
  };
  // The follower rejected the append `number`. Its log may agree at `hint`, a
  // position of the follower's log, and `agreed`, the same for the leader's.
  // The state is kProbe after kWentBack.
  Rejection Rejected(AppendNumber number, Index hint, Index agreed,
                     AppendNumber next);

  // When a message of this term last arrived from the follower.
  MonoTime last_contact() const { return last_contact_; }
  void RecordContact(MonoTime now) { last_contact_ = now; }
  // When the newest heartbeat that it has answered was sent.
  MonoTime answered() const { return answered_; }
  // The log time of that heartbeat, which the member knows.
  WallTime known_log_time() const { return known_log_time_; }
  void RecordAnswer(MonoTime sent, WallTime log_time) {
    answered_ = std::max(answered_, sent);
    known_log_time_ = std::max(known_log_time_, log_time);
  }
  // Whether the follower has lost entries that were on its disk.
  bool lost_durable() const { return lost_durable_; }
  // Whether the follower wants no entries now.
  bool wants_no_entries() const { return wants_no_entries_; }
  void set_wants_no_entries(bool value) { wants_no_entries_ = value; }
  // The newest read round that the follower confirmed.
  ReadRound read_round() const { return read_round_; }
  void ConfirmReadRound(ReadRound round);
  // Whether the last read round ended by confirmations of this voter and
  // others.
  bool quick() const { return quick_; }
  void set_quick(bool value) { quick_ = value; }
  // The highest level that the follower's program knows; zero until it has
  // announced one in this term.
  Level known_level() const { return known_level_; }
  void RecordKnownLevel(Level level) { known_level_ = level; }
  // The newest commit index that was sent to the follower.
  Index commit_sent() const { return commit_sent_; }
  void CommitSent(Index commit);

  void AddTo(CoreDigest* digest) const;

 private:
  void Become(State state, AppendNumber number);

  ReplicaId replica_;
  State state_ = State::kProbe;
  bool lost_durable_ = false;       // Invariant: match_ is zero then.
  bool probe_outstanding_ = false;  // kProbe only.
  bool wants_no_entries_ = false;
  bool quick_ = false;
  Index match_;
  // Appends from this number on were sent after match_ was known.
  AppendNumber match_known_from_;
  Index next_;
  // Replies to appends before this number are out of date: next_ has gone back
  // since, or the follower has accepted a newer append.
  AppendNumber current_from_;
  Inflights inflights_;  // Empty in kSnapshot.
  // Invariant: none but in kSnapshot.
  Boxed<PendingSnapshot> pending_snapshot_;
  CatchUp catch_up_;
  MonoTime retry_at_ = MonoTime::Max();
  MonoTime last_contact_;
  MonoTime answered_ = MonoTime::Min();
  WallTime known_log_time_;
  ReadRound read_round_;
  Level known_level_;
  Index commit_sent_;
};

std::string_view ProgressStateName(Progress::State state);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_PROGRESS_H_
