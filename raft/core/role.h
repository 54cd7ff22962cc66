// raft/core/role.h: the state that a replica has in one role only (Raft paper
// 5.1). The roles are alternatives of a variant, so a change of role destroys
// the state of the old one.
#ifndef QUORATE_RAFT_CORE_ROLE_H_
#define QUORATE_RAFT_CORE_ROLE_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "env/boxed.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/core/progress.h"
#include "raft/core/quorum.h"
#include "raft/core/types.h"

namespace quorate::raft {

// A read that this follower forwarded to its leader.
struct ForwardedRead {
  uint64_t read_id = 0;
  uint64_t tag = 0;
  bool by_round = false;
  MonoTime retry_at;
  MonoTime expires_at;
  bool answered = false;
  Index index;  // Valid if answered. The read is ready once it is applied.
  // The leader's. Valid if answered.
  WallTime log_time{0};
  WallTime present_log_time{0};
};
struct Follower {
  ReplicaId leader;  // Zero if unknown.
  MonoTime last_contact = MonoTime::Min();
  // In between, pulses of the leader's node count as contact.
  MonoTime quiet_from = MonoTime::Max();
  MonoTime quiet_until = MonoTime::Min();
  // Its last reply that left at once asked the leader to send no entries.
  bool asked_for_none = false;
  std::vector<ForwardedRead> reads;
};
struct PreCandidate {
  Tally tally;
};
struct Candidate {
  Tally tally;
  // By kTimeoutNow. The former leader has given up its lease.
  bool forced = false;
  WallTime log_time{0};  // The newest that a voter has replied with.
  // Promises of the voters last until then.
  MonoTime hold_until = MonoTime::Min();
};
// A read waiting for a confirmed round (thesis 6.4).
struct PendingRead {
  ReplicaId from;   // The follower that asked; zero for a read of this node.
  uint64_t id = 0;  // The caller's tag, or the follower's read id.
  bool by_round = false;  // A lease is not enough.
  MonoTime expires_at;    // Its caller may ask again from then on.
};
struct LeadershipTransfer {
  ReplicaId to;
  MonoTime deadline;
};
struct Leader {
  std::vector<Progress> members;  // All but this node, sorted.
  // The newest kAppend or kSnapshotChunk to any follower.
  AppendNumber last_append;
  // The end of this Step tries to commit, and sends appends.
  bool commit_due = false;
  bool send_due = false;
  // A Step had more to send than it may.
  bool send_backlog = false;
  // Sum of size_bytes over (commit, last].
  size_t uncommitted_bytes = 0;
  // The same over (durable, last].
  size_t unwritten_bytes = 0;
  // The largest proposal that found no room since the room closed. Zero: it is
  // open.
  size_t refused_bytes = 0;
  // When it gives the leadership away, because its disk is too slow.
  MonoTime give_away_at = MonoTime::Max();
  // It commits nothing before. Min(): it may commit.
  MonoTime hold_until = MonoTime::Min();
  // Only heartbeats that were sent later grant a lease.
  MonoTime lease_after = MonoTime::Min();
  // A kTimeoutNow has left, so another leader may commit.
  bool lease_released = false;
  // Reads of followers that the timer answers.
  std::vector<PendingRead> later_reads;
  // Log time when this leadership began.
  WallTime anchor_log_time;
  MonoTime anchor_mono;
  MonoTime heartbeat_at;
  // When it began to be quiet, or was again by a heartbeat; Max() if it is not.
  MonoTime quiet_from = MonoTime::Max();
  MonoTime quorum_check_at;
  // At `notification_at`, followers that were sent a lower commit index than
  // `notification_commit` get a heartbeat.
  MonoTime notification_at = MonoTime::Max();
  Index notification_commit;
  bool notification_due = false;  // This Step may schedule a notification.
  // The newest read round and its reads; reads that arrived later wait. Both
  // lists are in the order in which their reads expire.
  ReadRound read_round;
  Index round_index;
  WallTime round_log_time{0};
  std::vector<PendingRead> round_reads;
  std::vector<PendingRead> waiting_reads;
  // From then on, a round asks all members, which shows who confirms quickly.
  MonoTime ask_all_at = MonoTime::Min();
  // When the newest round asks the voters that are not quick; Max(): never.
  MonoTime ask_others_at = MonoTime::Max();
  MonoTime round_began_at;
  Duration last_round;  // The time from its beginning to its end.
  // Reads of this node that are confirmed and wait until their index is
  // applied.
  std::vector<std::pair<uint64_t, Index>> confirmed_reads;
  std::optional<LeadershipTransfer> transfer;
};

// In the order of RoleKind. Most replicas follow, and a leader takes several
// times as much memory.
using Role = std::variant<Follower, PreCandidate, Candidate, Boxed<Leader>>;

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_ROLE_H_
