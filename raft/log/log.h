// raft/log/log.h: the write-ahead log of a node, shared by all its groups, and
// the result of its recovery.
//
// All groups write into one stream of records, stored in segment files. One
// durable write carries the additions of all groups since the previous one.
// Recovery cuts a torn tail; corruption before the last offset known to be
// synced fences the groups it affects. Format: docs/reference/formats/log.md.
#ifndef QUORATE_RAFT_LOG_LOG_H_
#define QUORATE_RAFT_LOG_LOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "env/time.h"
#include "raft/core/types.h"
#include "raft/log/async_task.h"

namespace quorate::raft {

struct LogOptions {
  ClusterId cluster;
  StoreIncarnation store;
  uint64_t segment_bytes = 64 << 20;
  size_t batch_bytes_max = 4 << 20;  // Size limit of one durable write.
  // Size limit of one group's share of a durable write while other groups wait.
  size_t group_bytes_max = 1 << 20;
  // Size limit of the entries of one record. A single entry may exceed it.
  size_t record_bytes_max = 1 << 20;
  // Size limit of rewritten entries in one durable write, so that new entries
  // do not wait for them.
  size_t rewrite_bytes_max = 256 << 10;
  // Zeros that are written to the next segment before each sync; at least
  // 64 KiB.
  size_t preallocation_bytes_max = 1 << 20;
  // Old segments are rewritten when files take more than four times the bytes
  // of live entries, and this many segments more.
  uint64_t slack_segments = 4;
  // Time without work after which the log writes a witness (Log::Witness).
  Duration witness_delay = Seconds(1);
  // Size of a file that is removed if the disk is full at a start; 0: none.
  uint64_t ballast_bytes = 32 << 20;
  // A snapshot file is synced after each piece of this size. A durable write of
  // the log may wait for one piece.
  size_t snapshot_sync_bytes = 512 << 10;
  // Size limit of the state machine's bytes of a snapshot, at most 127 GiB. The
  // end of the file has a checksum for each 64 KiB, and is written at once.
  uint64_t snapshot_bytes_max = uint64_t{127} << 30;
};

// The contents of the log for one group.
struct RecoveredGroup {
  HardState hard_state;
  // A hint: this replica once knew that the entries through this index are
  // committed. It may be far behind, or behind the last entry. Zero: not known.
  Index commit;
  // The last log start recorded. The log holds no entry at or before it, so a
  // snapshot at least as new must exist.
  LogStart log_start;
  // The entries after `log_start`, without a gap. Recovery makes them durable
  // again before it returns them. The log does not keep them in memory.
  EntryList entries;
  // If not OK, this replica must neither vote, lead nor acknowledge. The
  // message names the damaged record.
  absl::Status fenced = absl::OkStatus();
};

class Log {
 public:
  using Opened = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Log>>)>;
  // Called in order of the calls: with OK when the addition is durable, or once
  // with the error that stopped the log.
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // Reads every segment, cuts a torn tail and makes the rest durable again.
  // Before it writes, it removes files that are left over, such as unfinished
  // snapshots. If less than the size of the ballast is free, it removes that
  // file, too.
  // Calls `opened` in a later turn. Errors: kDataLoss if more than single
  // groups cannot be read; kFailedPrecondition if files belong to another store
  // or a newer format; errors of the disk. The store must have been created
  // (raft/log/identity.h). If all files of the log are missing, Open fails with
  // kDataLoss and does not create a new log.
  [[nodiscard]] static std::unique_ptr<AsyncTask> Open(
      env::Env& env, const LogOptions& options, Opened opened);
  virtual ~Log() = default;

  // The result of recovery, by group. The caller takes out what it needs, and
  // clears the rest, which would stay in memory otherwise.
  virtual std::map<GroupKey, RecoveredGroup>& recovered() = 0;
  // Replicas that were dropped, and of which the log has nothing else: those of
  // its older drops are forgotten. The caller clears it, too.
  virtual std::set<GroupKey>& dropped() = 0;

  // Greater than in every earlier run of this store, also after a crash. It is
  // durable.
  virtual uint64_t start_number() const = 0;

  // Queues one addition to the log of `group`. Entries replace everything from
  // entries.front().index on. The addition becomes part of a durable write that
  // begins at the end of this turn. If a write is in flight, the addition
  // becomes part of the next one. An addition that was not acknowledged before
  // a crash may be there afterwards or not. If it is larger than 1 MiB, a
  // prefix of its entries may be there, with the hard state. After a failure
  // every call reports the error.
  // `commit`: the commit index. These entries and those of earlier calls
  // contain all entries through it. It is written with a hard state, and at the
  // beginning of a segment, so it causes no write by itself.
  virtual void Append(GroupKey group, const HardState* hard_state, Index commit,
                      const EntryList& entries, Done done) = 0;

  // Records in the stream that entries at or before `log_start` are not needed
  // any more, because a snapshot covers them. With `discard_suffix`, entries
  // after it become invalid too, because a snapshot was installed over the log.
  // Old segments are removed when no group needs them.
  virtual void SetLogStart(GroupKey group, const LogStart& log_start,
                           bool discard_suffix, Done done) = 0;

  // Records that the replica must not take part any more, also after a restart.
  // From now on every addition to its log fails with kDataLoss. Only Drop ends
  // this. `why` is not stored.
  virtual void Fence(GroupKey group, const absl::Status& why, Done done) = 0;

  // The remains of a dropped replica. kBlank: a group without a term and
  // entries, as if a blank hard state were appended.
  enum class Leaves : uint8_t { kNothing, kBlank };
  // Removes the replica permanently: its id is never used again. A crash may
  // tear the blank group off a drop that was not acknowledged. Then the next
  // start has the replica in dropped(). It should append the blank hard state
  // before anything else, while the log still has the drop.
  virtual void Drop(GroupKey group, Leaves leaves, Done done) = 0;

  // Writes a witness, unless one follows the last durable write: a record that
  // shows that everything before it is durable. Without such a record, damage
  // to the last durable write looks like a write that a crash tore, and
  // recovery cuts acknowledged entries. The log writes one by itself when it
  // has no work for LogOptions::witness_delay. Call this method before the
  // program ends. `done` waits for all additions, also for those that are made
  // meanwhile.
  virtual void Witness(Done done) = 0;

  // Removes the files that are kept to be overwritten, except the next segment,
  // to make room on the disk. Returns false if there are none.
  virtual bool GiveBackUnused() = 0;

  // Reads durable entries of `group` behind `after`: the next one, and those
  // that are stored beside it. Calls `done` in a later turn. kNotFound: the log
  // has no entry behind `after`, which is reported in step 2 of this turn.
  // Other errors: kDataLoss and errors of the disk.
  // Reading BytesToRead(group, after) bytes is one operation of the disk.
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<EntryList>)>;
  virtual void Read(GroupKey group, Index after, ReadDone done) = 0;
  // Zero if the log has no entry behind `after`.
  virtual uint64_t BytesToRead(GroupKey group, Index after) const = 0;

  // The places of entries of `group` that the log has in memory: one for
  // entries that are near to each other on disk. Each takes about 90 bytes.
  // Those of removed entries go over several turns. `handler` is called when
  // all of them are gone.
  virtual size_t places(GroupKey group) const = 0;
  using PlacesFreed = absl::AnyInvocable<void(GroupKey group)>;
  virtual void OnPlacesFreed(PlacesFreed handler) = 0;

  // `handler` is called when entries of a group up to `last` could not be read
  // several times. The oldest segment, and all segments behind it, stay until a
  // log start covers these entries. The owner of the group should take a
  // snapshot and set it. The call is repeated until then.
  using Unreadable = absl::AnyInvocable<void(GroupKey group, Index last,
                                             const absl::Status& why)>;
  virtual void OnUnreadable(Unreadable handler) = 0;

  // `handler` is called after each durable write of additions, with the time
  // that it took and its size.
  using DurableWrite = absl::AnyInvocable<void(Duration took, uint64_t bytes)>;
  virtual void OnDurableWrite(DurableWrite handler) = 0;

  // OK, or the error that stopped the log. After an error the node must not
  // acknowledge anything.
  virtual absl::Status status() const = 0;

  struct Counters {
    uint64_t durable_writes = 0;
    uint64_t written_bytes = 0;
    uint64_t appends = 0;
    uint64_t segments = 0;
    uint64_t witnesses = 0;
  };
  virtual Counters counters() const = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_LOG_H_
