// raft/core/role.h: what a replica knows only in one role (Raft paper 5.1).
// Alternatives of a variant: a follower has no leader's state to leave behind.
#ifndef QUORATE_RAFT_CORE_ROLE_H_
#define QUORATE_RAFT_CORE_ROLE_H_

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "raft/core/progress.h"
#include "raft/core/quorum.h"
#include "raft/core/types.h"

namespace quorate::raft {

// A read that this follower sent on to its leader.
struct ForwardedRead {
  uint64_t read_id = 0;
  uint64_t tag = 0;
  MonoTime retry_at;
  MonoTime expires_at;
  bool answered = false;
  Index index;  // Valid if answered: ready once applied.
};
struct Follower {
  NodeId leader;  // Zero: not known.
  MonoTime last_contact = MonoTime::Min();
  std::vector<ForwardedRead> reads;
};
struct PreCandidate {
  Tally tally;
};
struct Candidate {
  Tally tally;
};
// A read waiting for a confirmed round (thesis 6.4).
struct PendingRead {
  NodeId from;      // Zero: asked here.
  uint64_t id = 0;  // The caller's tag, or the follower's read id.
};
struct LeadershipTransfer {
  NodeId to;
  MonoTime deadline;
};
struct Leader {
  std::vector<Progress> members;  // All but this node, sorted.
  // Sum of size_bytes over (commit, last].
  size_t uncommitted_bytes = 0;
  // Where log time stood when this leadership began.
  WallTime anchor_log_time;
  MonoTime anchor_mono;
  MonoTime heartbeat_at;
  MonoTime quorum_check_at;
  // Followers that know less than `notification_commit` by then get a heartbeat.
  MonoTime notification_at = MonoTime::Max();
  Index notification_commit;
  bool notification_due = false;  // Something this Step may want a notice.
  // Reads in the round named `batch`, and those that came after it began.
  ReadRound read_round;
  Index round_index;
  std::vector<PendingRead> round_reads;
  std::vector<PendingRead> waiting_reads;
  std::optional<LeadershipTransfer> transfer;
};

// In the order of RoleKind.
using Role = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_ROLE_H_
