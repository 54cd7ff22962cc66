// raft/log/log.h: the write-ahead log of a node, shared by all its groups, and what recovery returns.
//
// One stream of records in segment files; one durable write carries what every group appended since the last one. Formats:
// docs/reference/formats/log.md. Torn tails are cut, corruption below the last known synced position fences the groups concerned.
#ifndef QUORATE_RAFT_LOG_LOG_H_
#define QUORATE_RAFT_LOG_LOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "raft/core/types.h"
#include "raft/log/async_task.h"

namespace quorate::raft {

struct GroupKey {
  GroupId group;
  GroupIncarnation incarnation;
  friend constexpr auto operator<=>(const GroupKey&, const GroupKey&) = default;
};

struct LogOptions {
  ClusterId cluster;
  StoreIncarnation store;
  uint64_t segment_bytes = 64 << 20;
  size_t batch_bytes_max = 4 << 20;  // Of one durable write.
  size_t group_bytes_max =
      1 << 20;  // A group's share of one durable write while others wait.
};

// What the log holds of one group.
struct RecoveredGroup {
  HardState hard_state;
  // The last log_start recorded: entries at or before it are gone; a snapshot at least that new must exist.
  LogPosition log_start;
  std::vector<Entry>
      entries;  // After `log_start`, without a gap. Durable: made so again before being returned.
  // Not OK: this replica must neither vote, lead nor acknowledge; the message says which record is damaged.
  absl::Status fenced = absl::OkStatus();
};

class Log {
 public:
  using Opened = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Log>>)>;
  // Called in order when that append is durable, or once with the error that stopped the log for good.
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // Reads every segment, cuts a torn tail, makes what remains durable again, then calls `opened` in a later turn. Fails with
  // kDataLoss (unreadable beyond one group), kFailedPrecondition (another store's or a newer format's files), or the disk's.
  // The store must have been created (raft/log/identity.h): a log whose files are all missing is kDataLoss, not a new one.
  [[nodiscard]] static std::unique_ptr<AsyncTask> Open(
      env::Env& env, const LogOptions& options, Opened opened);
  virtual ~Log() = default;

  // What recovery found, by group. Entries may be moved out.
  virtual std::map<GroupKey, RecoveredGroup>& recovered() = 0;

  // Not OK: a damaged record may have held a group that recovered() does not know. Such a group must not be created again here
  // under the same incarnation, since it may have voted; Append refuses it with this status.
  virtual absl::Status unknown_groups_fenced() const = 0;

  // Queues one addition of `group`: replaces from entries.front().index on. It becomes part of a durable write begun no later
  // than the end of this turn unless one is in flight; then of the next. After a crash an addition that was not acknowledged
  // is there or not; of one above 1 MiB also a prefix may be, with the hard state. After a failure every call reports it.
  virtual void Append(GroupKey group, const HardState* hard_state,
                      absl::Span<const Entry> entries, Done done) = 0;

  // Records, in the stream, that entries at or before `log_start` are not needed any more (a snapshot covers them) and, when
  // `discard_suffix`, that nothing after it is valid either (a snapshot was installed over the log). Old segments go when no
  // group needs them.
  virtual void SetLogStart(GroupKey group, LogPosition log_start,
                           bool discard_suffix, Done done) = 0;

  // Forgets the group for ever; later records of this incarnation are refused.
  virtual void Drop(GroupKey group, Done done) = 0;

  // OK, or why the log stopped: the node must stop acknowledging.
  virtual absl::Status status() const = 0;

  struct Counters {
    uint64_t durable_writes = 0;
    uint64_t written_bytes = 0;
    uint64_t appends = 0;
    uint64_t segments = 0;
  };
  virtual Counters counters() const = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LOG_H_
