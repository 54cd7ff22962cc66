// raft/host/replica.h: one replica inside a host: its core, its state machine,
// and who waits for what.
//
// Carries out the Outputs of the core: writes to the log, messages to the
// outbox, entries to the state machine, snapshots to their store. Callers'
// callbacks never run inside; they are handed to CallbackQueue. Used only by the
// host.
#ifndef QUORATE_RAFT_HOST_REPLICA_H_
#define QUORATE_RAFT_HOST_REPLICA_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "raft/host/host.h"
#include "raft/host/outbox.h"
#include "raft/host/snapshot_loader.h"
#include "raft/log/callback_queue.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

// What a host lends its groups; everything outlives them.
struct ReplicaServices {
  env::Env& env;
  const HostOptions& options;
  Log& log;
  SnapshotStore& snapshots;
  Outbox& outbox;
  CallbackQueue& callbacks;
  Host::Observer& observer;
  // Store incarnations that other nodes presented, and this node's own.
  const absl::btree_map<NodeId, StoreIncarnation>& stores;
  // The log failed: the whole node stops.
  absl::AnyInvocable<void(absl::Status)>& fail_node;
  // The group's deadline() may have come closer.
  absl::AnyInvocable<void(GroupId)>& on_deadline_changed;
};

class Replica {
 public:
  Replica(const ReplicaServices& services, GroupKey key, Restored restored,
          std::unique_ptr<StateMachine> state_machine);

  void OnMessage(StoreIncarnation from_store, Message message);
  void Propose(EntryKind kind, Buffer payload, Host::ProposeDone done);
  void Read(Host::ReadDone done);
  void TransferLeadership(NodeId to);
  // Call when deadline() has come.
  void OnTimer();
  MonoTime deadline() const;
  // Fails everything that waits; nothing is stepped any more.
  void Stop(const absl::Status& why);

  const Core& core() const { return *core_; }
  StateMachine* state_machine() const { return state_machine_.get(); }
  const absl::Status& status() const { return status_; }
  GroupKey key() const { return key_; }

 private:
  struct PendingProposal {
    Host::ProposeDone done;
  };

  void Step(Input input);
  // replica.cc: the parts of an Output, in the order in which they are carried
  // out.
  void HandleEvents();
  void HandleProposals();
  void HandleWrites();
  void HandleMessages();
  void HandleApply();
  void HandleReads();
  void ApplyEntry(const Entry& entry);
  void OnWritten(WriteToken token, std::vector<Message> after,
                 absl::Status status);
  void CompleteReads(std::vector<Host::ReadDone> reads, absl::Status status);
  void CompleteProposal(Host::ProposeDone done, ProposeResult result);
  absl::Status RefusalStatus(Refused::Reason reason) const;
  void ExpireProposals();
  void FlushReads();
  void PinStoreIds();
  bool SenderIsMember(NodeId from, StoreIncarnation store);

  // replica_snapshots.cc.
  void HandleSnapshots();
  void MaybeBeginSnapshot();
  void WriteSnapshotPiece();
  void OnSnapshotWritten(absl::StatusOr<SnapshotDescriptor> snapshot);
  void OnSnapshotFailed(const absl::Status& status);
  Index TrailingIndex(Index snapshot_index) const;
  void ReadChunk(const SnapshotWork& work);
  void WriteChunk(const SnapshotWork& work);
  void Install(const SnapshotDescriptor& snapshot);
  void OnInstallDurable(const SnapshotDescriptor& snapshot);
  void FinishInstall(const SnapshotDescriptor& snapshot, absl::Status status);

  ReplicaServices services_;
  const GroupKey key_;
  absl::Status status_;
  std::unique_ptr<StateMachine> state_machine_;
  std::unique_ptr<Core> core_;
  Output output_;
  MonoTime core_deadline_;

  uint64_t next_tag_ = 1;
  // The callback of the Propose being stepped.
  Host::ProposeDone proposing_;
  absl::btree_map<std::pair<Index, Term>, PendingProposal> proposals_;
  // When proposals of lost leaderships become unknown; Max(): there are none.
  MonoTime proposals_deadline_ = MonoTime::Max();

  // Reads of this turn, then by tag until the core answers.
  std::vector<Host::ReadDone> turn_reads_;
  env::Pending flush_reads_;
  absl::btree_map<uint64_t, std::vector<Host::ReadDone>> reads_in_core_;

  // Some member of the configuration is not yet bound to a store.
  bool has_unpinned_stores_ = true;
  bool pinning_in_flight_ = false;
  bool refusal_logged_ = false;

  uint64_t bytes_since_snapshot_ = 0;
  std::unique_ptr<SnapshotReader>
      snapshot_reader_;  // Set while one is being written.
  // A snapshot is on its way to a follower, as far as can be told; what was
  // last read for each.
  MonoTime transfer_until_ = MonoTime::Min();
  absl::btree_map<NodeId, uint64_t> sent_offsets_;
  std::unique_ptr<SnapshotLoader> loader_;
  bool installing_ = false;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_REPLICA_H_
