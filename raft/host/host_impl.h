// raft/host/host_impl.h: the state of a Host.
//
// host.cc has its start, messages, time and budgets; host_groups.cc has groups
// that come and go at run time. Used only by the host.
#ifndef QUORATE_RAFT_HOST_HOST_IMPL_H_
#define QUORATE_RAFT_HOST_HOST_IMPL_H_

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "env/alarm.h"
#include "env/turn_meter.h"
#include "raft/host/bounds/log_budget.h"
#include "raft/host/bounds/node_room.h"
#include "raft/host/clock_rates.h"
#include "raft/host/dropped_states.h"
#include "raft/host/founding.h"
#include "raft/host/host.h"
#include "raft/host/outbox.h"
#include "raft/host/pulses.h"
#include "raft/host/removed_entries.h"
#include "raft/host/replica.h"
#include "raft/host/startup.h"
#include "raft/log/files/watched_disk.h"

namespace quorate::raft {

// Takes the place of an observer that is null.
class SilentObserver final : public HostObserver {};

class Host::Impl final : public env::Transport::Receiver {
 public:
  Impl(env::Env& env, HostOptions options, MakeStateMachine make,
       Observer* observer);
  ~Impl();
  void Start(Started started);

  using Finished = absl::AnyInvocable<void(absl::Status)>;
  // A replica of this node that does not run yet.
  struct Creation {
    GroupKey key;
    bool prepared = false;  // Its id is durable.
    Prepared on_prepared;
    // It is being made durable that it runs; null otherwise.
    std::unique_ptr<StateMachine> state_machine;
    Restored restored;  // Blank if it joins.
    Finished on_runs;
  };

  void OnMessage(NodeId from, StoreIncarnation incarnation,
                 Buffer bytes) override;
  Buffer OnAdmissionRequest(NodeId from, StoreIncarnation incarnation,
                            const Buffer& request) override;
  void OnLaneHasRoom(NodeId to, env::Lane lane) override;
  void OnLaneOpened(NodeId to, env::Lane lane) override;
  void OnLaneClosed(NodeId to, env::Lane lane) override;
  void OnStartSeen(NodeId node, const env::SeenStart& seen) override;
  void OnConflict(env::HandshakeRefusal reason,
                  const std::string& story) override;

  Replica* replica(GroupId id) { return replicas_.Find(id); }
  void AddReplica(GroupKey key, Restored restored,
                  std::unique_ptr<StateMachine> state_machine);
  // Call when the deadline of the group may be earlier than before.
  void UpdateTimer(GroupId id);
  // Returns true if the deadline is earlier than before. SetAlarm must follow.
  bool QueueDeadline(GroupId id);

  // Starts the transport of a store that is being founded.
  absl::Status ServeUnfounded(const StoreIdentity& store,
                              const BootstrapPlan& plan);
  // Starts the transport, or tells it that the store is founded.
  absl::Status Serve(const OpenedStore& opened);
  // The peers, with the starts of them that the directory remembers.
  std::vector<env::PeerAddress> WithSeenStarts(
      std::vector<env::PeerAddress> peers) const;
  void WriteStarts();
  void OnReplicaMessages(NodeId from, StoreIncarnation incarnation,
                         Buffer bytes);
  void OnOpened(absl::StatusOr<OpenedStore> opened);
  void ListenToLog();
  // Requires: there are log and snapshot store.
  void MakeServices();
  // Only the start needs it.
  void ForgetPlan();
  void Fail(absl::Status why);
  // Another program takes the place of this one.
  void GiveWay(const std::string& story);
  // The node stops, with status_ as the reason.
  void StopForGood(absl::Status why);
  void StopReplicas();

  // OK if the node works and holds no replica of the group.
  absl::Status CheckAbsent(GroupId group) const;
  static absl::Status IsDropped(GroupId group);
  static absl::Status IsRecovered(GroupId group);
  void PrepareReplica(GroupId group, Prepared done);
  // Makes the id of a replica durable.
  void WriteBlank(GroupKey key);
  void EndPreparation(GroupKey key, absl::Status status);
  void FoundReplica(GroupId group, Configuration first, Finished done);
  // Reads `first` as entry 1 of the prepared replica and makes its state
  // machine.
  absl::Status BeginFounding(const Configuration& first, Creation* creation);
  void OnFounded(GroupKey key, absl::Status status);
  void JoinReplica(GroupKey key, Configuration known, Finished done);
  // OK if the prepared replica of the group can begin to run now.
  absl::Status CheckPrepared(GroupId group) const;
  absl::Status BeginJoining(const Configuration& known, Creation* creation);
  void OnJoined(GroupKey key, absl::Status status);
  // Makes the state machine of a group with this configuration. `refuse` says
  // what cannot be done.
  absl::Status MakeMachine(const Configuration& configuration,
                           const char* refuse, Creation* creation);
  // The creation has ended well: the replica runs.
  void RunCreation(Creation creation);
  GroupKey GiveUpCreation(GroupId group);
  void DropReplica(GroupId group, Finished done);
  void BeginDrop(GroupKey key, Finished done);
  // Drops one after the other. Requires: there is one.
  void DropAll(GroupId group, std::vector<ReplicaId> replicas, Finished done);
  // Its log is removed.
  void OnLogDropped(GroupKey key, absl::Status status);
  void EndDrop(GroupId group, absl::Status status);
  // A replica that another one replaces, which is the only voter of its group.
  struct Recovery {
    GroupKey from;
    GroupKey to;
    Index base;  // That of the configuration of `from`.
    Term known_term;
    Configuration configuration;  // That of `to`.
    // The snapshot of `to` is being written.
    std::unique_ptr<SnapshotReader> reader;
    Restored restored;  // Those of `to`.
    Finished done;
  };
  void RecoverReplica(GroupKey from, RecoverOptions options, Finished done);
  absl::Status CheckRecovery(GroupKey from, uint64_t generation) const;
  void WriteRecoverySnapshot(GroupKey to);
  void OnRecoveryPiece(GroupKey to, absl::Status status);
  void OnRecoverySnapshot(GroupKey to,
                          absl::StatusOr<SnapshotDescriptor> written);
  // OK if the old replica is as it was when the recovery began.
  absl::Status CheckUnchanged(const Recovery& recovery) const;
  // Stops the old replica, and writes the log of the new one.
  void WriteRecoveredLog(GroupKey to);
  void OnRecoveredLog(GroupKey to, absl::Status status);
  // It has failed: the old replica goes on.
  void GiveUpRecovery(GroupKey to, absl::Status status);
  // Takes the stopped replica of the group out of all lists.
  void RemoveReplica(GroupId group);
  // Calls `done` in the next turn.
  template <typename Done, typename Result>
  void Answer(Done done, Result result) {
    callbacks_.AddForNextTurn(
        [done = std::move(done), result = std::move(result)]() mutable {
          done(std::move(result));
        });
  }
  void SetAlarm();
  void OnAlarm();
  void SendPulses();
  // The pulses of a node are late, or come from another process now.
  void WakeQuietPartners(NodeId node);
  void OfferRoom(NodeId to);
  void OfferRoomLater(NodeId to);
  void OfferRoomForEntriesLater();
  void OfferRoomForEntries();
  void EvictLater();
  void Evict();
  void ShortenLogsLater();
  void ShortenLogs();
  // Logs once that they are far beyond their budget, and again for each
  // doubling.
  void WarnOfLongLogs();
  void NextSnapshotLater();
  void NextSnapshot();

  env::Env& env_;
  WatchedDisk disk_;
  env::Env disk_env_;  // env_ with disk_, for the log and the snapshots.
  // Without `plan` and `accept_plan` once the start has succeeded: both take
  // memory for each group.
  HostOptions options_;
  const std::shared_ptr<const CoreOptions> core_options_;  // A copy for cores.
  MakeStateMachine make_;
  SilentObserver silent_;
  Observer& observer_;
  env::Transport::Receiver* receiver_ = nullptr;
  Started started_;
  std::unique_ptr<Startup> startup_;

  absl::Status status_ = absl::UnavailableError("the node is starting");
  env::TransportIdentity identity_;
  Starts starts_;
  bool starts_changed_ = false;            // Since the last write began.
  std::optional<StartsFile> starts_file_;  // Empty: no write is under way.
  std::string other_founding_;             // Why this node gives way to one.
  bool founded_now_ = false;               // This program founded the cluster.
  bool heard_peers_ = false;  // Some peer of this cluster was admitted.
  Level founded_level_;
  uint64_t hash_key_ = 0;
  bool serving_ = false;
  bool bad_envelope_logged_ = false;

  Founding founding_;
  Outbox outbox_;
  absl::btree_map<NodeId, env::Pending> offers_;  // send_room_ sets them.
  SendRoom send_room_;
  // The entries that all groups apply in a step of a turn, in units of
  // StateMachine::WorkOf. One message of a peer may let many groups commit.
  env::TurnMeter apply_work_;
  CallbackQueue callbacks_;
  RemovedEntries removed_;
  DroppedStates dropped_states_;
  HostCalls calls_;
  Pulses pulses_;
  ClockRates clock_rates_;
  env::Pending evict_;  // budgets_ set these.
  bool evict_pending_ = false;
  env::Pending shorten_;
  bool shorten_pending_ = false;
  LogBudgets budgets_;
  env::Pending room_for_entries_;  // rooms_ sets it.
  env::BulkPace bulk_pace_;
  NodeRooms rooms_;
  SnapshotTurn snapshot_turn_;
  // Replicas use the log and the snapshot store, and callbacks of both refer to
  // replicas. Members are destroyed in reverse order, so log and snapshot store
  // are destroyed first and call back no more.
  std::optional<ReplicaServices> services_;
  StepMemory step_memory_;
  ReplicaTable replicas_;
  // Replicas that the start could not run (OpenedGroup::failure). They keep
  // silent.
  struct Failed {
    std::vector<ReplicaId> replicas;
    absl::Status why;
  };
  absl::btree_map<GroupId, Failed> failed_;
  absl::btree_map<GroupId, Creation> creations_;
  absl::btree_map<GroupId, Finished> drops_;
  absl::btree_map<GroupId, Recovery> recoveries_;
  absl::btree_set<GroupKey> founded_;  // With the cluster, on this node.
  uint64_t next_draw_ = 1;
  std::unique_ptr<SnapshotStore> snapshots_;
  std::unique_ptr<Log> log_;

  // One element for each group with a deadline. It is never later than the
  // deadline; OnAlarm corrects an earlier one.
  absl::btree_set<std::pair<MonoTime, GroupId>> deadlines_;
  absl::btree_map<GroupId, MonoTime> queued_deadline_;
  std::vector<GroupId> due_;  // Reused by OnAlarm.
  uint64_t long_logs_warned_bytes_ = 0;
  env::Pending next_snapshot_;
  env::Alarm alarm_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_HOST_IMPL_H_
