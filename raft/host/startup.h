// raft/host/startup.h: opens a data directory, or creates it, and prepares its
// replicas: identity, log, snapshots, state machines.
//
// A store without a bootstrap record takes part in the founding of its cluster
// first, or asks for admission to one. Then it writes its replicas, and the
// record last: until then the next start begins again. Every step is
// asynchronous; the first error ends the start. Used only by the host.
#ifndef QUORATE_RAFT_HOST_STARTUP_H_
#define QUORATE_RAFT_HOST_STARTUP_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "raft/host/admission.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/founding.h"
#include "raft/host/host_types.h"
#include "raft/host/snapshot_loader.h"
#include "raft/log/files/starts.h"
#include "raft/log/identity.h"
#include "raft/log/log.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

struct OpenedGroup {
  GroupKey key;
  Restored restored;
  std::unique_ptr<StateMachine> state_machine;
  // Not OK: the replica does not run. kFailedPrecondition: it is halted, since
  // only a newer program can read its data. Other errors: it is fenced.
  absl::Status failure;
};

struct OpenedStore {
  StoreIdentity identity;
  Starts starts;  // With this one, durably.
  BootstrapRecord record;
  std::unique_ptr<Log> log;
  std::unique_ptr<SnapshotStore> snapshots;
  std::vector<OpenedGroup> groups;
  // Replicas that were prepared and not founded.
  std::vector<GroupKey> prepared;
  // The replicas of this node that were founded with the cluster, whether or
  // not they were dropped.
  absl::btree_set<GroupKey> founded;
};

// The state with which a member of a new group starts: entry 1 is the
// configuration.
Restored FirstState(const Configuration& first);

// One start. Destroying it abandons the start without a call.
class Startup {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<OpenedStore>)>;

  // Starts the transport under this identity, for a plan of this cluster,
  // before the store is in a cluster.
  using Serve = absl::AnyInvocable<absl::Status(const StoreIdentity&,
                                                const BootstrapPlan&)>;

  // All but `done` outlive the Startup.
  Startup(env::Env& env, const HostOptions& options,
          raft::MakeStateMachine& make, Founding& founding, Serve serve,
          Done done);

  void Begin();

 private:
  void OnIdentityRead(absl::StatusOr<StoreIdentity> identity);
  void OnStartsRead(absl::StatusOr<Starts> starts);
  // Makes the copy of a directory one of another cluster.
  absl::Status Restore(const StoreIdentity& identity);
  void OnIdentity(absl::StatusOr<StoreIdentity> identity);
  // Asks at the addresses whether this store may run, then calls `next`. An
  // answer that it may not ends the start.
  void ProbeThen(const std::vector<std::string>& addresses,
                 void (Startup::*next)());
  void OnProbed(absl::Status status);
  const std::string& OwnAddress() const;
  // The addresses that the options give for other nodes, as Starts::others.
  std::vector<std::string> OtherAddresses() const;
  // Opens the log, unless the options are those of a copy.
  void OpenIfNoCopy();
  absl::Status CheckNoCopy() const;
  // Begins to get the record of a new store.
  void Found();
  absl::Status BeginFounding();
  absl::Status BeginJoining();
  void OnRecord(absl::StatusOr<BootstrapRecord> record);
  void OpenLog();
  void OnLog(absl::StatusOr<std::unique_ptr<Log>> log);
  void OnSnapshots(absl::StatusOr<std::unique_ptr<SnapshotStore>> snapshots);
  // Finds the replicas of a known store.
  void ListGroups();
  // The replica has a snapshot without entries (Host::JoinReplica).
  bool Joins(GroupKey key) const;
  // Writes the blank log of a founded replica whose drop left none.
  void MarkDropped(GroupKey key);
  // Replicas of `held` that others replaced, which have a higher generation.
  std::vector<GroupKey> Replaced(const absl::btree_set<GroupKey>& held) const;
  uint64_t GenerationOf(GroupKey key) const;
  // Drops what a crash left of a recovery.
  void DropLeft(GroupKey key);
  // The record of a drop is durable.
  void OnMarked(absl::Status status);
  // Removes snapshots of replicas that are gone.
  void RemoveLeftSnapshots();
  // Whether a group is ready at once. If not, OnGroupReady is called later.
  enum class Ready : bool { kLater, kNow };
  // Prepares the replica `next_group_` and those after it, several at a time.
  void PrepareGroups();
  Ready PrepareGroup(OpenedGroup* group);
  // An error if the store has logs of two replicas of the group.
  absl::Status CheckOneLog(GroupId group) const;
  Ready CreateGroup(OpenedGroup* group);
  Ready PrepareKnownGroup(OpenedGroup* group, RecoveredGroup recovered,
                          const SnapshotDescriptor* snapshot);
  // The configuration of which the state machine is made.
  absl::StatusOr<Configuration> ConfigurationOf(Restored* restored,
                                                GroupId group) const;
  // Adds to the failure of a group that lacks a snapshot which file may be it.
  void AddDamagedSnapshot(Index log_start, OpenedGroup* group) const;
  // Halts the group if the program cannot make one.
  void MakeStateMachine(const Configuration& configuration, OpenedGroup* group);
  Ready LoadSnapshot(OpenedGroup* group);
  void OnGroupReady(OpenedGroup* group, absl::Status status);
  void LogFailure(const OpenedGroup& group) const;
  void FoundStoreIfNew();
  absl::Status CheckAddress() const;
  // From here on the start counts.
  void RecordStart();
  void Finish(absl::Status status);
  LogOptions StoreOptions() const;
  // The error of a store that may have lost its directory.
  absl::Status WithAdvice(const absl::Status& why) const;

  env::Env& env_;
  const HostOptions& options_;
  raft::MakeStateMachine& make_;
  Founding& founding_;
  StoreAdmission admission_;
  Serve serve_;
  Done done_;
  // Reads of the snapshot store hold parts of it.
  ReadRoom loads_room_{env_.loop, /*pace=*/nullptr, SnapshotLoader::kRoomBytes};
  OpenedStore opened_;
  bool new_ = false;  // The store has no record yet.
  std::vector<GroupKey> groups_;
  size_t next_group_ = 0;
  size_t unready_ = 0;  // Groups that are being prepared.
  absl::btree_map<GroupId, std::unique_ptr<SnapshotLoader>> loaders_;
  std::unique_ptr<AsyncTask> step_;  // The operation in progress.
  std::optional<StartsFile> starts_file_;
  std::vector<env::Pending> probes_;
  size_t unanswered_probes_ = 0;
  void (Startup::*after_probes_)() = nullptr;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_STARTUP_H_
