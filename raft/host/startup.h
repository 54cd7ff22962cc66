// raft/host/startup.h: opens a data directory, or creates it, and prepares its
// replicas: identity, log, snapshots, state machines.
//
// Every step is asynchronous; the first error ends the start. Used only by the
// host.
#ifndef QUORATE_RAFT_HOST_STARTUP_H_
#define QUORATE_RAFT_HOST_STARTUP_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "raft/host/host.h"
#include "raft/host/snapshot_loader.h"
#include "raft/log/identity.h"
#include "raft/log/log.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

struct OpenedGroup {
  GroupKey key;
  Restored restored;
  std::unique_ptr<StateMachine> state_machine;
  // Not OK: the replica is fenced.
  absl::Status fenced;
};

struct OpenedStore {
  StoreIncarnation store;
  std::string bootstrap_record;
  std::unique_ptr<Log> log;
  std::unique_ptr<SnapshotStore> snapshots;
  std::vector<OpenedGroup> groups;
};

// One start. Destroying it abandons the start without a call.
class Startup {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<OpenedStore>)>;

  // `env`, `options` and `make` outlive the Startup.
  Startup(env::Env& env, const HostOptions& options,
          Host::MakeStateMachine& make, Done done);

  void Begin();

 private:
  void OnIdentityRead(absl::StatusOr<StoreIdentity> identity);
  void OnIdentity(absl::StatusOr<StoreIdentity> identity);
  void OnLog(absl::StatusOr<std::unique_ptr<Log>> log);
  void OnSnapshots(absl::StatusOr<std::unique_ptr<SnapshotStore>> snapshots);
  // Whether a group is ready at once. If not, OnGroupReady is called later.
  enum class Ready : bool { kLater, kNow };
  // Prepares group `next_group_` and then those after it.
  void PrepareGroups();
  Ready PrepareGroup(const GroupSpec& spec);
  Ready PrepareKnownGroup(OpenedGroup* group, RecoveredGroup recovered,
                          const SnapshotDescriptor* snapshot);
  Ready CreateGroup(const GroupSpec& spec, OpenedGroup* group);
  Ready LoadSnapshot();
  void OnGroupReady(absl::Status status);
  void LogIfFenced() const;
  void Finish(absl::Status status);
  LogOptions StoreOptions() const;

  env::Env& env_;
  const HostOptions& options_;
  Host::MakeStateMachine& make_;
  Done done_;
  OpenedStore opened_;
  size_t next_group_ = 0;
  std::unique_ptr<SnapshotLoader> loader_;
  std::unique_ptr<AsyncTask> step_;  // The operation in progress.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_STARTUP_H_
