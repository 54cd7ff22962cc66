// raft/host/replica_snapshots.h: the snapshots of one replica, and what its log
// keeps behind them.
//
// It writes a snapshot once enough was applied, cuts the log behind it, sends
// chunks to followers, and stores and installs what a leader sends. Callbacks
// of the stores find it through its replica, which may be gone by then. Used
// only by the host.
#ifndef QUORATE_RAFT_HOST_REPLICA_SNAPSHOTS_H_
#define QUORATE_RAFT_HOST_REPLICA_SNAPSHOTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "env/boxed.h"
#include "env/pending.h"
#include "env/quota.h"
#include "env/time.h"
#include "env/tracer.h"
#include "raft/core/core.h"
#include "raft/host/host_types.h"
#include "raft/host/snapshot_loader.h"
#include "raft/host/state_machine.h"
#include "raft/log/read_attempts.h"

namespace quorate::raft {

struct ReplicaServices;

// Reads for followers that failed since the last one that did not.
class FailedReads {
 public:
  // Whether a read of the group for `to` that failed with `error` is to be
  // repeated. If not, the next one is the first again.
  bool MayRepeat(env::Tracer& tracer, GroupId group, ReplicaId to,
                 const absl::Status& error) {
    const auto [attempts, first] = attempts_.try_emplace(to);
    if (first) {
      tracer.Log(env::Severity::kWarning,
                 absl::StrCat("raft: group ", group.value(),
                              " cannot read what replica ", to.value(),
                              " lacks, and tries again: ", error.ToString()));
    }
    // A lack of descriptors or memory says nothing about the file, so reads
    // are repeated without a limit.
    if (absl::IsResourceExhausted(error) || attempts->second.MayRepeat(error)) {
      return true;
    }
    attempts_.erase(attempts);
    return false;
  }
  // A read for `to` did not fail.
  void Forget(ReplicaId to) { attempts_.erase(to); }

 private:
  absl::btree_map<ReplicaId, ReadAttempts> attempts_;
};

class ReplicaSnapshots {
 public:
  // The replica that has the snapshots.
  class Owner {
   public:
    virtual const Core& core() const = 0;
    // It is neither stopped nor fenced.
    virtual bool runs() const = 0;
    virtual void Step(Input&& input) = 0;
    // Ends the replica until the program starts again.
    virtual void Fence(const absl::Status& why) = 0;
    virtual void ProposeNoop() = 0;
    // The log has forgotten entries, or others of them are retained.
    virtual void ReportLogBytes() = 0;
    // The size of the places of its entries, as reported last.
    virtual uint64_t places_bytes() const = 0;
    // The snapshot has replaced the state. Its step comes next.
    virtual void OnRestored(const SnapshotDescriptor& snapshot) = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive the object.
  ReplicaSnapshots(const ReplicaServices& services, GroupKey key,
                   StateMachine& state_machine, Owner& owner)
      : services_(services),
        key_(key),
        state_machine_(state_machine),
        owner_(owner) {}

  // ---- Taking snapshots.
  // Entries of this size were applied.
  void OnApplied(uint64_t bytes) { bytes_since_snapshot_ += bytes; }
  // Begins a snapshot if one is due and no other replica is writing one.
  void MaybeBegin();
  // It begins none, because another object has the only reader of the state.
  void Suspend();
  void Resume() { suspended_ = false; }

  // ---- The log behind them.
  // It has more entries in memory than it needs, or more than the node's budget
  // leaves it.
  bool CanEvict() const;
  // Frees some of the oldest entries in memory, which stay in the log on disk.
  // It frees some if CanEvict().
  void Evict();
  // Removes entries that a snapshot covers. Returns true if a snapshot is being
  // written, after which more can be removed.
  bool ShortenLog();
  // The entry behind `after` cannot be read from the log. A snapshot that has
  // it takes the place of all entries before it.
  void OnEntriesUnreadable(Index after, const absl::Status& why);
  // Removes retained entries once no follower lacks them any more.
  void CheckRetained();
  // Retained entries that are not to count in the budget (LogCut::usual).
  uint64_t retained_bytes() const { return retained_bytes_; }

  // ---- Sending and receiving.
  void Handle(const Output& output);

  // The replica stops.
  void Stop();

 private:
  // Where the log begins behind a snapshot.
  struct LogCut {
    Index index;
    // Where it would begin if no follower lacked entries. Those between are
    // retained. They do not count in the budget up to the size of the snapshot:
    // no other snapshot could remove them.
    Index usual;
    // A follower that lacks entries up to `index`, and the last one that it
    // has; zero if there is none.
    NodeId cut_off;
    Index has;
  };
  // Reads that failed, and answers and installations that wait since they did.
  struct Failures {
    FailedReads chunk_reads;
    std::optional<ChunkWritten> late_chunk;
    env::Pending late_answer;
    env::Pending late_install;
  };

  // A callback for the log and the snapshot store, which may call it when the
  // replica is gone. `f` gets this object and the result.
  template <typename F>
  auto WhileHere(F f);
  const Core& core() const { return owner_.core(); }

  bool IsDue();
  // The disk had no room for the last snapshot, a short time ago.
  bool WaitsForRoom() const;
  // Waits if another replica is writing one.
  void Begin();
  void End();
  // Ends the one that is being written, and forgets the one that is to come.
  void GiveUp();
  void WritePiece();
  void OnPieceWritten(const absl::Status& status);
  void OnWritten(absl::StatusOr<SnapshotDescriptor> snapshot);
  void OnFailed(const absl::Status& status);

  uint64_t ResidentBytesMax() const;
  // Size of the entries that a group keeps while the node has too many.
  uint64_t LittleBytes() const;
  LogCut CutBehind(Index snapshot_index) const;
  // Forgets the entries before `cut`, which `snapshot` covers.
  void CutLog(SnapshotDescriptor snapshot, const LogCut& cut);
  void LogSnapshot(std::string_view what, const SnapshotDescriptor& snapshot);
  void SetRetained(const LogCut& cut, uint64_t snapshot_bytes);
  void NoteCutOff(const LogCut& cut);

  void KeepInTransfer();
  void ReadChunk(const SnapshotWork& work);
  void BeginChunkRead(const SnapshotWork& work, size_t size, Quota::Share held);
  void OnUnreadable(Index snapshot, const absl::Status& why);
  void WriteChunk(const SnapshotWork& work);
  void OnChunkWritten(const SnapshotDescriptor& snapshot, uint64_t end,
                      const absl::StatusOr<uint64_t>& received);
  // Steps the core with the answer; `late`: after an election timeout.
  void AnswerChunk(ChunkWritten answer, bool late);
  void LogStoreFailure(const std::string& what);
  void Install(const SnapshotDescriptor& snapshot);
  void OnInstallDurable(const SnapshotDescriptor& snapshot);
  void LoadInstalled(const SnapshotDescriptor& snapshot);
  void FinishInstall(const SnapshotDescriptor& snapshot, absl::Status status);

  const ReplicaServices& services_;
  const GroupKey key_;
  StateMachine& state_machine_;
  Owner& owner_;

  // The next snapshot keeps no entries behind: they cannot be read, or this is
  // a point of unlikely behaviour.
  bool cuts_whole_log_ = false;
  bool suspended_ = false;
  // The logs of the node are too long, so this group keeps fewer entries.
  bool keeps_little_ = false;
  uint64_t retained_bytes_ = 0;
  MonoTime check_retained_at_ = MonoTime::Min();
  uint64_t bytes_since_snapshot_ = 0;
  // The value from before the snapshot that is being written.
  uint64_t bytes_before_snapshot_ = 0;
  MonoTime not_before_ = MonoTime::Min();
  // Index of a snapshot that could not be read and is not replaced yet.
  Index unreadable_;
  // When one may be replaced again.
  MonoTime replace_at_ = MonoTime::Min();
  // When an error of the snapshot store may be logged again.
  MonoTime log_failure_at_ = MonoTime::Min();
  // Set while a snapshot is being written.
  std::unique_ptr<SnapshotReader> reader_;
  // The oldest snapshot in transfer to a follower that is still there; the
  // store keeps it.
  LogPosition kept_;
  std::unique_ptr<SnapshotLoader> loader_;
  // None before the first failure.
  Boxed<Failures> failures_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_REPLICA_SNAPSHOTS_H_
