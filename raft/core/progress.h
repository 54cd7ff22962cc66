// raft/core/progress.h: what a leader knows about one other member, and what it
// may send next.
//
// - kProbe: the leader searches for the last index at which the logs agree,
//   with one kAppend at a time.
// - kReplicate: the logs are believed to agree up to index next - 1. The leader
//   sends further kAppend before replies arrive, within limits of messages and
//   bytes.
// - kSnapshot: the follower needs entries that the leader's log no longer has.
//   The leader sends one chunk at a time, at the offset that the follower
//   names.
//
// Become() resets the fields of the old state at every change of state.
#ifndef QUORATE_RAFT_CORE_PROGRESS_H_
#define QUORATE_RAFT_CORE_PROGRESS_H_

#include <cstdint>
#include <deque>
#include <string_view>

#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"

namespace quorate::raft {

// The kAppend messages without a reply, oldest first, limited by number and
// bytes.
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
  // Forgets every message whose last entry is at or before `match`.
  void FreeThrough(Index match);
  void Clear();

 private:
  struct Sent {
    Index last;
    size_t bytes = 0;
  };
  std::deque<Sent> sent_;
  size_t bytes_ = 0;  // Invariant: the sum over sent_.
};

class Progress {
 public:
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };

  // A snapshot that is being sent to the follower.
  struct PendingSnapshot {
    SnapshotDescriptor snapshot;
    uint64_t offset = 0;       // The next byte that the follower needs.
    bool reading = false;      // A SnapshotWork::kRead is outstanding.
    uint64_t read_offset = 0;  // The offset of that kRead.
    bool in_flight = false;    // The chunk at `offset` was sent; no reply yet.
  };

  // Begins in kProbe. Requires: next > 0.
  Progress(NodeId node, Index next, MonoTime now);

  NodeId node() const { return node_; }
  State state() const { return state_; }
  // Last entry known to be on the follower's disk and to match. Never falls.
  Index match() const { return match_; }
  // First entry to send next. Invariant: match < next.
  Index next() const { return next_; }
  const Inflights& inflights() const { return inflights_; }
  // Valid in kSnapshot.
  const PendingSnapshot& pending_snapshot() const { return pending_snapshot_; }
  PendingSnapshot& pending_snapshot() { return pending_snapshot_; }

  // When the message without a reply should be sent again; Max() if there is no
  // such message.
  MonoTime retry_at() const { return retry_at_; }
  void set_retry_at(MonoTime at) { retry_at_ = at; }

  // Starts again after `match`.
  void BecomeProbe();
  // The reply to the probe is overdue; a probe may be sent again. Requires:
  // kProbe.
  void ProbeAgain();
  void BecomeReplicate();
  void BecomeSnapshot(const SnapshotDescriptor& snapshot);

  // True if an append may be sent now.
  bool CanAppend(const Inflights::Limits& limits) const;
  // An append with entries up to `last` (next - 1: none) of `bytes` was sent.
  void AppendSent(Index last, size_t bytes, MonoTime retry_at);
  // The follower has all entries up to `index`. Returns true if match() rises.
  // `retry_at` is for messages that still have no reply.
  bool Acknowledged(Index index, MonoTime retry_at);
  // The follower rejected an append after `previous`; the logs may agree at
  // `hint`. Returns false if the reply is stale; otherwise the state is kProbe.
  bool Rejected(Index previous, Index hint);

  // When a message of this term last arrived from the follower.
  MonoTime last_contact() const { return last_contact_; }
  void RecordContact(MonoTime now) { last_contact_ = now; }
  // The newest read round that the follower confirmed.
  ReadRound read_round() const { return read_round_; }
  void ConfirmReadRound(ReadRound round);
  // The newest commit index that was sent to the follower.
  Index commit_sent() const { return commit_sent_; }
  void CommitSent(Index commit);

 private:
  void Become(State state);

  NodeId node_;
  State state_ = State::kProbe;
  Index match_;
  Index next_;
  bool probe_outstanding_ = false;    // kProbe only.
  Inflights inflights_;               // kReplicate only.
  PendingSnapshot pending_snapshot_;  // kSnapshot only.
  MonoTime retry_at_ = MonoTime::Max();
  MonoTime last_contact_;
  ReadRound read_round_;
  Index commit_sent_;
};

std::string_view ProgressStateName(Progress::State state);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_PROGRESS_H_
