#include "raft/host/startup.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

ReplicaId ReplicaOn(NodeId node, const GroupSpec& spec) {
  ReplicaId found;
  ForEachMember(spec.initial_configuration, [&](const Member& member) {
    if (member.node == node) found = member.replica;
  });
  CHECK_NE(found, ReplicaId())
      << "group " << spec.group << " has no member on node " << node;
  return found;
}

}  // namespace

Startup::Startup(env::Env& env, const HostOptions& options,
                 Host::MakeStateMachine& make, Done done)
    : env_(env), options_(options), make_(make), done_(std::move(done)) {}

LogOptions Startup::StoreOptions() const {
  LogOptions log = options_.log;
  log.cluster = options_.cluster;
  log.store = opened_.store;
  return log;
}

void Startup::Begin() {
  step_ = ReadStore(env_, options_.cluster, options_.node,
                    [this](absl::StatusOr<StoreIdentity> identity) {
                      OnIdentityRead(std::move(identity));
                    });
}

void Startup::OnIdentityRead(absl::StatusOr<StoreIdentity> identity) {
  if (!absl::IsNotFound(identity.status()) || !options_.bootstrap) {
    OnIdentity(std::move(identity));
    return;
  }
  step_ = CreateStore(env_, options_.cluster, options_.node,
                      options_.bootstrap_record,
                      [this](absl::StatusOr<StoreIdentity> created) {
                        OnIdentity(std::move(created));
                      });
}

void Startup::OnIdentity(absl::StatusOr<StoreIdentity> identity) {
  if (!identity.ok()) {
    Finish(identity.status());
    return;
  }
  absl::Status accepted;
  if (options_.accept_bootstrap_record) {
    accepted = options_.accept_bootstrap_record(identity->bootstrap_record);
  } else if (identity->bootstrap_record != options_.bootstrap_record) {
    accepted = absl::FailedPreconditionError(
        "the data directory was created with another bootstrap record");
  }
  if (!accepted.ok()) {
    Finish(std::move(accepted));
    return;
  }
  opened_.store = identity->store;
  opened_.bootstrap_record = std::move(identity->bootstrap_record);
  step_ = Log::Open(env_, StoreOptions(),
                    [this](absl::StatusOr<std::unique_ptr<Log>> log) {
                      OnLog(std::move(log));
                    });
}

void Startup::OnLog(absl::StatusOr<std::unique_ptr<Log>> log) {
  if (!log.ok()) {
    Finish(log.status());
    return;
  }
  opened_.log = *std::move(log);
  step_ = SnapshotStore::Open(
      env_, StoreOptions(),
      [this](absl::StatusOr<std::unique_ptr<SnapshotStore>> snapshots) {
        OnSnapshots(std::move(snapshots));
      });
}

void Startup::OnSnapshots(
    absl::StatusOr<std::unique_ptr<SnapshotStore>> snapshots) {
  if (!snapshots.ok()) {
    Finish(snapshots.status());
    return;
  }
  step_.reset();  // Closes the file that it read last.
  opened_.snapshots = *std::move(snapshots);
  opened_.groups.reserve(options_.groups.size());
  PrepareGroups();
}

void Startup::PrepareGroups() {
  while (next_group_ < options_.groups.size()) {
    if (PrepareGroup(options_.groups[next_group_++]) == Ready::kLater) return;
    LogIfFenced();
  }
  Finish(absl::OkStatus());
}

Startup::Ready Startup::PrepareGroup(const GroupSpec& spec) {
  OpenedGroup& group = opened_.groups.emplace_back();
  group.key = {spec.group, ReplicaOn(options_.node, spec)};
  auto& recovered = opened_.log->recovered();
  const auto in_log = recovered.extract(group.key);
  const auto& newest = opened_.snapshots->newest();
  auto snapshot = newest.find(group.key);
  if (in_log.empty() && snapshot == newest.end()) {
    return CreateGroup(spec, &group);
  }
  // A snapshot without a log may be all that damage left of the group.
  if (in_log.empty()) group.fenced = opened_.log->unknown_groups_fenced();
  if (!group.fenced.ok()) return Ready::kNow;
  return PrepareKnownGroup(
      &group, in_log.empty() ? RecoveredGroup() : std::move(in_log.mapped()),
      snapshot == newest.end() ? nullptr : &snapshot->second);
}

// A group that is not in the log was never created here, since a log that lost
// records reports it. So the next start with `bootstrap` completes an
// interrupted bootstrap.
Startup::Ready Startup::CreateGroup(const GroupSpec& spec, OpenedGroup* group) {
  group->fenced = opened_.log->unknown_groups_fenced();
  auto damaged = opened_.snapshots->damaged().find(group->key);
  if (group->fenced.ok() && damaged != opened_.snapshots->damaged().end()) {
    group->fenced = damaged->second;
  }
  if (!group->fenced.ok()) return Ready::kNow;
  if (!options_.bootstrap) {
    Finish(absl::FailedPreconditionError(absl::StrCat(
        "the data directory holds no replica of group ", spec.group.value(),
        ": its bootstrap did not finish; start with bootstrap again")));
    return Ready::kLater;
  }
  Entry first{.term = Term(1),
              .index = Index(1),
              .kind = EntryKind::kConfiguration,
              .payload = EncodeConfiguration(spec.initial_configuration)};
  group->restored.hard_state.term = Term(1);
  group->restored.entries.push_back(first);
  group->state_machine = make_(spec.group, spec.initial_configuration);
  opened_.log->Append(group->key, &group->restored.hard_state,
                      group->restored.entries,
                      [this](absl::Status status) { OnGroupReady(status); });
  return Ready::kLater;
}

// The newest snapshot and the log may be one step apart, because one is written
// before the other.
Startup::Ready Startup::PrepareKnownGroup(OpenedGroup* group,
                                          RecoveredGroup recovered,
                                          const SnapshotDescriptor* snapshot) {
  Restored& restored = group->restored;
  restored.hard_state = recovered.hard_state;
  group->fenced = recovered.fenced;
  if (snapshot != nullptr) restored.snapshot = *snapshot;
  const LogPosition base = restored.snapshot.position;
  const LogPosition log_start = recovered.log_start.position;
  if (group->fenced.ok() && base.index < log_start.index) {
    auto damaged = opened_.snapshots->damaged().find(group->key);
    group->fenced = absl::DataLossError(
        absl::StrCat("group ", group->key.group.value(),
                     ": the log begins after index ", log_start.index.value(),
                     " but the newest snapshot is at ", base.index.value(),
                     damaged == opened_.snapshots->damaged().end()
                         ? ""
                         : absl::StrCat(" (", damaged->second.message(), ")")));
  }
  if (group->fenced.ok() && base.index == log_start.index &&
      base.term != log_start.term) {
    group->fenced = absl::DataLossError(absl::StrCat(
        "group ", group->key.group.value(), ": at index ", base.index.value(),
        " the log begins in term ", log_start.term.value(),
        " but the newest snapshot is of term ", base.term.value()));
  }
  if (!group->fenced.ok()) return Ready::kNow;
  // If the log ends before the snapshot's position, or holds another entry
  // there, an install was interrupted after the snapshot became durable. The
  // log is cut now.
  bool continues = log_start == base;
  const uint64_t covered = base.index - log_start.index;
  if (covered > 0 && covered <= recovered.entries.size()) {
    continues = recovered.entries[covered - 1].term == base.term;
  }
  restored.log_start =
      continues ? recovered.log_start : restored.snapshot.log_start();
  if (continues) restored.entries = std::move(recovered.entries);
  if (restored.hard_state.term < base.term) {
    restored.hard_state = {base.term, ReplicaId()};
  }
  const GroupSpec& spec = options_.groups[next_group_ - 1];
  group->state_machine = make_(
      spec.group, base.index == Index(0) ? spec.initial_configuration
                                         : restored.snapshot.configuration);
  if (continues) return LoadSnapshot();
  opened_.log->SetLogStart(
      group->key, restored.log_start, /*discard_suffix=*/true,
      [this](absl::Status status) {
        if (!status.ok() || LoadSnapshot() == Ready::kNow) {
          OnGroupReady(std::move(status));
        }
      });
  return Ready::kLater;
}

Startup::Ready Startup::LoadSnapshot() {
  OpenedGroup& group = opened_.groups.back();
  if (group.restored.snapshot.position.index == Index(0)) return Ready::kNow;
  loader_ = std::make_unique<SnapshotLoader>(
      opened_.snapshots.get(), group.key, group.restored.snapshot,
      group.state_machine.get(), [this](absl::Status status) {
        loader_.reset();
        // A snapshot that cannot be read fences this replica only.
        opened_.groups.back().fenced = std::move(status);
        OnGroupReady(absl::OkStatus());
      });
  loader_->Start();
  return Ready::kLater;
}

void Startup::OnGroupReady(absl::Status status) {
  if (!status.ok()) {
    Finish(std::move(status));
    return;
  }
  LogIfFenced();
  PrepareGroups();
}

void Startup::LogIfFenced() const {
  const OpenedGroup& group = opened_.groups.back();
  if (group.fenced.ok()) return;
  env_.tracer.Sometimes("raft.replica_fenced");
  env_.tracer.Log(env::Severity::kError,
                  absl::StrCat("raft: group ", group.key.group.value(),
                               " is fenced: ", group.fenced.ToString()));
}

void Startup::Finish(absl::Status status) {
  Done done = std::move(done_);
  if (opened_.log != nullptr) opened_.log->recovered().clear();
  if (status.ok()) {
    done(std::move(opened_));
  } else {
    done(std::move(status));
  }
}

}  // namespace quorate::raft
