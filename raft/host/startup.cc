#include "raft/host/startup.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/host/options_check.h"
#include "raft/log/read_attempts.h"

namespace quorate::raft {
namespace {
// The log of a replica that was prepared only, joins, or was dropped: no term
// and no entry.
bool IsBlank(const RecoveredGroup& group) {
  return group.fenced.ok() && group.hard_state == HardState() &&
         group.log_start == LogStart() && group.entries.empty();
}

// The log of a replica that a recovery was writing: its term comes last.
bool IsIncomplete(const RecoveredGroup& group) {
  return group.fenced.ok() && group.hard_state == HardState() &&
         !IsBlank(group);
}

// The message without the words that name the group and its state.
std::string WithoutGroup(const absl::Status& failure, GroupId group) {
  std::string message(failure.message());
  const std::string name = absl::StrCat("group ", group.value());
  for (const std::string& words : {name + " is fenced: ", name + ": "}) {
    if (message.starts_with(words)) return message.substr(words.size());
  }
  return message;
}

}  // namespace

Restored FirstState(const Configuration& first) {
  Entry entry{.term = Term(1),
              .index = Index(1),
              .kind = EntryKind::kConfiguration,
              .payload = EncodeConfiguration(first)};
  entry.checksum = EntryChecksum(entry);
  Restored restored;
  restored.hard_state.term = Term(1);
  restored.entries.push_back(std::move(entry));
  return restored;
}

Startup::Startup(env::Env& env, const HostOptions& options,
                 raft::MakeStateMachine& make, Founding& founding, Serve serve,
                 Done done)
    : env_(env),
      options_(options),
      make_(make),
      founding_(founding),
      admission_(env, options),
      serve_(std::move(serve)),
      done_(std::move(done)) {}

absl::Status Startup::WithAdvice(const absl::Status& why) const {
  return absl::Status(why.code(), absl::StrCat(why.message(), ". ",
                                               options_.lost_directory_advice));
}

LogOptions Startup::StoreOptions() const {
  LogOptions log = options_.log;
  log.cluster = opened_.identity.files_cluster();
  log.store = opened_.identity.store;
  return log;
}

void Startup::Begin() {
  const ClusterId cluster =
      options_.restore_as_new_cluster ? ClusterId() : options_.cluster;
  step_ = ReadStore(env_, cluster, options_.node,
                    [this](absl::StatusOr<StoreIdentity> identity) {
                      OnIdentityRead(std::move(identity));
                    });
}

void Startup::OnIdentityRead(absl::StatusOr<StoreIdentity> identity) {
  if (options_.restore_as_new_cluster && identity.ok()) {
    const absl::Status begun = Restore(*identity);
    return begun.ok() ? void() : Finish(begun);
  }
  if (!absl::IsNotFound(identity.status())) {
    return OnIdentity(std::move(identity));
  }
  if (!options_.bootstrap && !options_.join.has_value()) {
    return Finish(WithAdvice(identity.status()));
  }
  // Nothing is written for options that cannot work.
  absl::Status right = CheckNewStore(options_);
  if (!right.ok()) return Finish(std::move(right));
  step_ = CreateStore(env_, options_.cluster, options_.node,
                      [this](absl::StatusOr<StoreIdentity> created) {
                        OnIdentity(std::move(created));
                      });
}

absl::Status Startup::Restore(const StoreIdentity& identity) {
  if (identity.bootstrap_record.empty()) {
    return absl::FailedPreconditionError(
        "the data directory is a store without data: there is nothing to "
        "restore");
  }
  // A directory that was restored before still has data of its original.
  if (options_.cluster == ClusterId() ||
      options_.cluster == identity.files_cluster()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the directory has data of cluster ", identity.files_cluster().value(),
        ": a copy that is restored as a new cluster needs another id, the same "
        "for all its nodes"));
  }
  if (options_.cluster == identity.cluster) {  // An earlier start did it.
    OnIdentity(identity);
    return absl::OkStatus();
  }
  env_.tracer.Log(
      env::Severity::kInfo,
      absl::StrCat("this copy of a directory of cluster ",
                   identity.cluster.value(), " is restored as one of cluster ",
                   options_.cluster.value()));
  step_ = RestoreStore(env_, identity, options_.cluster,
                       [this](absl::StatusOr<StoreIdentity> restored) {
                         OnIdentity(std::move(restored));
                       });
  return absl::OkStatus();
}

void Startup::OnIdentity(absl::StatusOr<StoreIdentity> identity) {
  if (!identity.ok()) return Finish(identity.status());
  opened_.identity = *std::move(identity);
  new_ = opened_.identity.bootstrap_record.empty();
  if (!new_) {
    auto record = DecodeBootstrapRecord(opened_.identity.bootstrap_record);
    if (!record.ok()) return Finish(record.status());
    opened_.record = *std::move(record);
    starts_file_.emplace(env_.disk, opened_.identity.store);
    return starts_file_->Read([this](absl::StatusOr<Starts> starts) {
      OnStartsRead(std::move(starts));
    });
  }
  if (options_.join.has_value()) {
    const absl::Status begun = BeginJoining();
    if (!begun.ok()) Finish(begun);
    return;
  }
  if (!options_.bootstrap) {
    return Finish(absl::FailedPreconditionError(
        "the cluster of the data directory was not founded before this node "
        "stopped, or did not admit it: start with bootstrap again, or to "
        "join"));
  }
  const absl::Status valid = CheckNewStore(options_);
  if (!valid.ok()) return Finish(valid);
  std::vector<std::string> addresses = options_.seeds;
  addresses.push_back(OwnAddress());
  ProbeThen(addresses, &Startup::Found);
}

// A file that is missing or damaged remembers nothing.
void Startup::OnStartsRead(absl::StatusOr<Starts> starts) {
  if (starts.ok()) {
    opened_.starts = *std::move(starts);
  } else if (absl::IsDataLoss(starts.status())) {
    env_.tracer.Sometimes("raft.starts_forgotten");
    env_.tracer.Log(env::Severity::kWarning,
                    absl::StrCat(std::string(starts.status().message()),
                                 ": the starts that it held are forgotten"));
  } else if (!absl::IsNotFound(starts.status())) {
    return Finish(starts.status());
  }
  ProbeThen({OwnAddress(), opened_.starts.address}, &Startup::OpenIfNoCopy);
}

const std::string& Startup::OwnAddress() const {
  return options_.address.empty() ? options_.listen_address : options_.address;
}

// Those that the file `starts` can hold.
std::vector<std::string> Startup::OtherAddresses() const {
  std::set<std::string> others(options_.seeds.begin(), options_.seeds.end());
  if (options_.join.has_value()) {
    others.insert(options_.join->seeds.begin(), options_.join->seeds.end());
  }
  for (const env::PeerAddress& peer : options_.peers) {
    others.insert(peer.address);
  }
  std::erase_if(others, [](const std::string& address) {
    return address.empty() || address.size() > kStartAddressBytesMax;
  });
  std::vector<std::string> result(others.begin(), others.end());
  result.resize(std::min(result.size(), kStartOthersMax));
  return result;
}

void Startup::OpenIfNoCopy() {
  const absl::Status status = CheckNoCopy();
  if (status.ok()) return OpenLog();
  env_.tracer.Sometimes("raft.start_ended_as_a_copy");
  Finish(status);
}

// A node that moves has a new address of its own. Copies of several nodes have
// new ones of the others, too, and still remember those of the originals.
absl::Status Startup::CheckNoCopy() const {
  if (options_.restore_as_new_cluster) return absl::OkStatus();
  const Starts& starts = opened_.starts;
  if (starts.gave_way) {
    return absl::FailedPreconditionError(
        "this store founded a cluster of its own under the id of another one, "
        "and gave way to it. To read its data, restore it as a new cluster, "
        "with another id. To join the other cluster, start with an empty "
        "directory");
  }
  if (options_.moved || starts.address.empty() ||
      starts.address == OwnAddress()) {
    return absl::OkStatus();
  }
  for (const std::string& other : OtherAddresses()) {
    // Its own address of before may still be among the seeds.
    if (other == starts.address ||
        std::ranges::binary_search(starts.others, other)) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the last start of this directory was at ", starts.address,
        ", this one is at ", OwnAddress(), ", and is given ", other,
        " as a new address of another node. If the directory is a copy, "
        "restore it as a new cluster, with another id. If the nodes have "
        "moved, start this one as moved"));
  }
  return absl::OkStatus();
}

// If the directory is a copy, the program of its original may answer. It does
// so at the address that the directory remembers, or at that of this program.
void Startup::ProbeThen(const std::vector<std::string>& addresses,
                        void (Startup::*next)()) {
  after_probes_ = next;
  env::TransportIdentity self{
      .cluster = opened_.identity.cluster,
      .node = options_.node,
      .incarnation = opened_.identity.store,
      .bootstrap_checksum =
          new_ ? PlanChecksum(options_.plan) : opened_.record.plan_checksum()};
  if (!new_) self.founding_checksum = opened_.record.founding_checksum();
  const std::set<std::string> different(addresses.begin(), addresses.end());
  for (const std::string& address : different) {
    if (address.empty()) continue;
    std::optional<env::Pending> probe = env_.transport.Probe(
        self, options_.node, address,
        [this](absl::Status status) { OnProbed(std::move(status)); });
    if (!probe.has_value()) continue;
    probes_.push_back(*std::move(probe));
    ++unanswered_probes_;
  }
  if (unanswered_probes_ == 0) (this->*after_probes_)();
}

void Startup::OnProbed(absl::Status status) {
  if (done_ == nullptr) return;
  if (!status.ok()) {
    env_.tracer.Sometimes("raft.start_ended_by_a_probe");
    return Finish(std::move(status));
  }
  if (--unanswered_probes_ == 0) (this->*after_probes_)();
}

void Startup::Found() {
  const absl::Status begun = BeginFounding();
  if (!begun.ok()) Finish(begun);
}

absl::Status Startup::BeginFounding() {
  const absl::Status ready = serve_(opened_.identity, options_.plan);
  if (!ready.ok()) return ready;
  founding_.Begin(options_.plan, opened_.identity.store,
                  [this](absl::StatusOr<BootstrapRecord> record) {
                    OnRecord(std::move(record));
                  });
  return absl::OkStatus();
}

absl::Status Startup::BeginJoining() {
  const absl::Status right = CheckNewStore(options_);
  if (!right.ok()) return right;
  admission_.Begin(opened_.identity.store,
                   [this](absl::StatusOr<StoreAdmission::Admitted> admitted) {
                     if (!admitted.ok()) return Finish(admitted.status());
                     opened_.identity.cluster = admitted->cluster;
                     OnRecord(std::move(admitted->record));
                   });
  return absl::OkStatus();
}

void Startup::OnRecord(absl::StatusOr<BootstrapRecord> record) {
  if (!record.ok()) {
    return Finish(absl::IsFailedPrecondition(record.status())
                      ? WithAdvice(record.status())
                      : record.status());
  }
  opened_.record = *std::move(record);
  step_ = CreateLog(env_, opened_.identity,
                    [this](absl::StatusOr<StoreIdentity> created) {
                      if (!created.ok()) return Finish(created.status());
                      OpenLog();
                    });
}

void Startup::OpenLog() {
  const BootstrapPlan& plan = opened_.record.plan;
  absl::Status accepted;
  if (opened_.record.joined()) {
    if (options_.accept_welcome) {
      accepted = options_.accept_welcome(opened_.record.welcome);
    }
  } else if (options_.accept_plan) {
    accepted = options_.accept_plan(plan);
  } else if (plan != options_.plan) {
    accepted = absl::FailedPreconditionError(
        "the data directory was created with another plan of the cluster");
  }
  if (!accepted.ok()) return Finish(std::move(accepted));
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
  // Only now, since Log::Open has synced the directory: a process may have
  // ended between the rename of a snapshot and its sync.
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
  ListGroups();
  opened_.groups.reserve(groups_.size());  // They do not move.
  PrepareGroups();
}

// A founded replica that the log does not know was lost: one that was dropped
// is blank. Others are known from the log alone. One with a blank log joins if
// it has a snapshot without entries.
void Startup::ListGroups() {
  for (const GroupId group : opened_.record.plan.GroupsOn(options_.node)) {
    opened_.founded.insert(
        {group,
         ReplicaOn(FirstConfiguration(opened_.record, group), options_.node)});
  }
  absl::btree_set<GroupKey> held = opened_.founded;
  std::vector<GroupKey> left;
  for (const auto& [key, group] : opened_.log->recovered()) {
    if (IsIncomplete(group) && !opened_.founded.contains(key)) {
      left.push_back(key);
    } else if (!IsBlank(group) || Joins(key)) {
      held.insert(key);
    } else if (opened_.founded.contains(key)) {
      held.erase(key);
    } else {
      opened_.prepared.push_back(key);
    }
  }
  for (const GroupKey& key : opened_.log->dropped()) {
    if (held.erase(key) > 0) MarkDropped(key);
  }
  for (const GroupKey& key : Replaced(held)) {
    held.erase(key);
    left.push_back(key);
  }
  for (const GroupKey& key : left) DropLeft(key);
  groups_.assign(held.begin(), held.end());
  if (!new_) RemoveLeftSnapshots();
}

bool Startup::Joins(GroupKey key) const {
  const auto& newest = opened_.snapshots->newest();
  const auto found = newest.find(key);
  return found != newest.end() && found->second.position == LogPosition();
}

// A crash came between the end of a recovery and the drop of the replica that
// it replaced. Others stay, and CheckOneLog fences them: replicas of equal
// generations, and all if the newest log is damaged, which may be incomplete.
std::vector<GroupKey> Startup::Replaced(
    const absl::btree_set<GroupKey>& held) const {
  std::vector<GroupKey> replaced;
  for (auto first = held.begin(); first != held.end();) {
    auto end = first;
    std::vector<std::pair<uint64_t, GroupKey>> all;
    for (; end != held.end() && end->group == first->group; ++end) {
      all.push_back({GenerationOf(*end), *end});
    }
    first = end;
    if (all.size() < 2) continue;
    std::sort(all.begin(), all.end());
    if (all[all.size() - 2].first == all.back().first) continue;
    const auto newest = opened_.log->recovered().find(all.back().second);
    if (newest == opened_.log->recovered().end() ||
        !newest->second.fenced.ok()) {
      continue;
    }
    all.pop_back();
    for (const auto& [generation, key] : all) replaced.push_back(key);
  }
  return replaced;
}

// That of its newest snapshot or of entry 1: a recovery writes one of them.
// Zero if damage has left neither.
uint64_t Startup::GenerationOf(GroupKey key) const {
  const auto& newest = opened_.snapshots->newest();
  const auto snapshot = newest.find(key);
  if (snapshot != newest.end()) {
    return snapshot->second.configuration.generation;
  }
  const auto& recovered = opened_.log->recovered();
  const auto found = recovered.find(key);
  if (found == recovered.end() || found->second.entries.empty()) return 0;
  const auto first =
      DecodeConfiguration(found->second.entries.front().payload.view());
  return first.ok() ? first->generation : 0;
}

// Its snapshot goes with those of other replicas that are gone.
void Startup::DropLeft(GroupKey key) {
  env_.tracer.Sometimes("raft.left_replica_dropped");
  ++unready_;
  const auto leaves = opened_.founded.contains(key) ? Log::Leaves::kBlank
                                                    : Log::Leaves::kNothing;
  opened_.log->Drop(key, leaves, [this](absl::Status status) {
    OnMarked(std::move(status));
  });
}

// A crash tore the end of the drop off. The log keeps the record of the drop
// until it frees its segment, for which a later record must be durable. This is
// the first addition since the log was opened, so it comes before that one.
void Startup::MarkDropped(GroupKey key) {
  env_.tracer.Sometimes("raft.torn_drop_completed");
  ++unready_;
  const HardState blank;
  opened_.log->Append(key, &blank, Index(), {}, [this](absl::Status status) {
    OnMarked(std::move(status));
  });
}

void Startup::OnMarked(absl::Status status) {
  if (done_ == nullptr) return;  // The start has failed.
  if (!status.ok()) return Finish(std::move(status));
  --unready_;
  PrepareGroups();
}

// A crash came after the log of a dropped replica was removed. While a group is
// fenced, the files stay: its records may have been those of another one.
void Startup::RemoveLeftSnapshots() {
  for (const auto& [key, group] : opened_.log->recovered()) {
    if (!group.fenced.ok()) return;
  }
  for (const GroupKey& key : opened_.snapshots->groups()) {
    if (std::binary_search(groups_.begin(), groups_.end(), key)) continue;
    env_.tracer.Sometimes("raft.left_snapshot_removed");
    opened_.snapshots->Drop(key, [](absl::Status) {});
  }
}

// The first entries of a new store share durable writes. Groups of a known
// store load their snapshots: more of them at a time would only wait for room.
void Startup::PrepareGroups() {
  const size_t unready_max = new_ ? groups_.size() : SnapshotLoader::kPiecesMax;
  while (next_group_ < groups_.size() && unready_ < unready_max) {
    OpenedGroup& group = opened_.groups.emplace_back();
    group.key = groups_[next_group_++];
    if (PrepareGroup(&group) == Ready::kLater) {
      ++unready_;
    } else {
      LogFailure(group);
    }
  }
  if (unready_ == 0) FoundStoreIfNew();
}

// A store that has its record has had all its replicas, so one that is missing
// was lost.
Startup::Ready Startup::PrepareGroup(OpenedGroup* group) {
  if (new_) return CreateGroup(group);
  group->failure = CheckOneLog(group->key.group);
  if (!group->failure.ok()) return Ready::kNow;
  auto in_log = opened_.log->recovered().extract(group->key);
  const auto& newest = opened_.snapshots->newest();
  const auto snapshot = newest.find(group->key);
  if (in_log.empty()) {
    // Damage may have left nothing but a snapshot.
    group->failure = absl::DataLossError(
        absl::StrCat("group ", group->key.group.value(),
                     ": the log lost all that it held of it"));
    return Ready::kNow;
  }
  return PrepareKnownGroup(
      group, std::move(in_log.mapped()),
      snapshot == newest.end() ? nullptr : &snapshot->second);
}

// A replica is dropped, durably, before another one of its group is prepared.
// One that a recovery replaced is not in the list any more.
absl::Status Startup::CheckOneLog(GroupId group) const {
  const auto first = std::lower_bound(groups_.begin(), groups_.end(),
                                      GroupKey{group, ReplicaId()});
  CHECK(first != groups_.end() && first->group == group);
  const auto second = first + 1;
  if (second == groups_.end() || second->group != group) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "group ", group.value(), ": this store has logs of two replicas of it, ",
      absl::Hex(first->replica.value()), " and ",
      absl::Hex(second->replica.value())));
}

Startup::Ready Startup::CreateGroup(OpenedGroup* group) {
  const Configuration first =
      FirstConfiguration(opened_.record, group->key.group);
  group->restored = FirstState(first);
  MakeStateMachine(first, group);
  absl::Status right;
  if (group->state_machine != nullptr) {
    right = CheckFoundingLevel(options_, group->key.group,
                               group->state_machine->known_level());
  }
  // A store without its record is founded from the beginning at the next start.
  opened_.log->Append(
      group->key, &group->restored.hard_state, group->restored.commit,
      group->restored.entries,
      [this, group, right = std::move(right)](absl::Status status) {
        OnGroupReady(group, status.ok() ? right : std::move(status));
      });
  return Ready::kLater;
}

// The newest snapshot and the log may be one step apart, because one is written
// before the other.
Startup::Ready Startup::PrepareKnownGroup(OpenedGroup* group,
                                          RecoveredGroup recovered,
                                          const SnapshotDescriptor* snapshot) {
  Restored& restored = group->restored;
  restored.hard_state = recovered.hard_state;
  restored.commit = recovered.commit;
  group->failure = recovered.fenced;
  if (snapshot != nullptr) restored.snapshot = *snapshot;
  const LogPosition base = restored.snapshot.position;
  const LogPosition log_start = recovered.log_start.position;
  if (group->failure.ok() && base.index < log_start.index) {
    group->failure = absl::DataLossError(
        absl::StrCat("group ", group->key.group.value(),
                     ": the log begins after index ", log_start.index.value(),
                     " but the newest snapshot is at ", base.index.value()));
    AddDamagedSnapshot(log_start.index, group);
  }
  if (group->failure.ok() && base.index == log_start.index &&
      base.term != log_start.term) {
    group->failure = absl::DataLossError(absl::StrCat(
        "group ", group->key.group.value(), ": at index ", base.index.value(),
        " the log begins in term ", log_start.term.value(),
        " but the newest snapshot is of term ", base.term.value()));
  }
  if (!group->failure.ok()) return Ready::kNow;
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
  if (restored.log_start.position == LogPosition() &&
      restored.entries.empty() &&
      restored.snapshot.configuration.voters.empty()) {
    group->failure = absl::DataLossError(absl::StrCat(
        "group ", group->key.group.value(),
        ": the snapshot with which its replica began to join is missing"));
    AddDamagedSnapshot(Index(0), group);
    return Ready::kNow;
  }
  const absl::StatusOr<Configuration> configuration =
      ConfigurationOf(&restored, group->key.group);
  group->failure = configuration.status();
  if (group->failure.ok()) MakeStateMachine(*configuration, group);
  if (!group->failure.ok()) return Ready::kNow;
  if (continues) return LoadSnapshot(group);
  opened_.log->SetLogStart(
      group->key, restored.log_start, /*discard_suffix=*/true,
      [this, group](absl::Status status) {
        if (!status.ok() || LoadSnapshot(group) == Ready::kNow) {
          OnGroupReady(group, std::move(status));
        }
      });
  return Ready::kLater;
}

// That of the snapshot, or of entry 1. A replica that joins has neither. The
// configuration that it has is that of its group at some time, and not for its
// core.
absl::StatusOr<Configuration> Startup::ConfigurationOf(Restored* restored,
                                                       GroupId group) const {
  if (restored->snapshot.position.index > Index(0)) {
    return restored->snapshot.configuration;
  }
  const SnapshotDescriptor joined = std::exchange(restored->snapshot, {});
  if (restored->entries.empty() && !joined.configuration.voters.empty()) {
    env_.tracer.Sometimes("raft.joining_replica_started");
    return joined.configuration;
  }
  auto first = DecodeConfiguration(restored->entries[0].payload.view());
  if (absl::IsUnimplemented(first.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "group ", group.value(),
        ": a newer program wrote its configuration: start that program"));
  }
  return first;
}

// A file from before the log's start would not help, even to a program that
// can read it.
void Startup::AddDamagedSnapshot(Index log_start, OpenedGroup* group) const {
  const auto found = opened_.snapshots->damaged().find(group->key);
  if (found == opened_.snapshots->damaged().end()) return;
  const SnapshotStore::Damaged* needed = nullptr;
  for (const SnapshotStore::Damaged& file : found->second) {
    if (file.index < log_start) continue;
    if (needed == nullptr || absl::IsFailedPrecondition(file.why)) {
      needed = &file;
    }
  }
  if (needed == nullptr) return;
  group->failure = absl::Status(
      needed->why.code(),
      absl::StrCat(group->failure.message(), " (", needed->why.message(), ")"));
}

void Startup::MakeStateMachine(const Configuration& configuration,
                               OpenedGroup* group) {
  group->state_machine = make_(group->key.group, configuration);
  if (group->state_machine != nullptr) return;
  group->failure = absl::FailedPreconditionError(absl::StrCat(
      "group ", group->key.group.value(),
      ": this program has no state machine of kind ",
      configuration.machine_kind, ", or cannot read the ",
      configuration.parameters.size(),
      " bytes with which it was founded: start the program that wrote them"));
}

Startup::Ready Startup::LoadSnapshot(OpenedGroup* group) {
  const SnapshotDescriptor& snapshot = group->restored.snapshot;
  // The replica of a program that does not know the level halts at once.
  if (snapshot.position.index == Index(0) ||
      !KnowsLevels(snapshot.configuration,
                   group->state_machine->known_level())) {
    return Ready::kNow;
  }
  std::unique_ptr<SnapshotLoader>& loader = loaders_[group->key.group];
  loader = std::make_unique<SnapshotLoader>(
      env_.loop, opened_.snapshots.get(), &loads_room_, group->key, snapshot,
      group->state_machine.get(), [this, group](absl::Status status) {
        loaders_.erase(group->key.group);
        // A snapshot that cannot be read concerns this replica only.
        group->failure = std::move(status);
        OnGroupReady(group, absl::OkStatus());
      });
  loader->Start();
  return Ready::kLater;
}

void Startup::OnGroupReady(OpenedGroup* group, absl::Status status) {
  if (done_ == nullptr) return;  // The start has failed.
  if (!status.ok()) {
    Finish(std::move(status));
    return;
  }
  --unready_;
  LogFailure(*group);
  PrepareGroups();
}

void Startup::LogFailure(const OpenedGroup& group) const {
  if (group.failure.ok()) return;
  std::string state = "fenced";
  if (absl::IsFailedPrecondition(group.failure)) {
    state = "halted";
  } else if (ReadAttempts::MayPass(group.failure)) {
    state = "stopped until the next start";
  } else {
    env_.tracer.Sometimes("raft.replica_fenced");
  }
  env_.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", group.key.group.value(), " is ", state, ": ",
                   WithoutGroup(group.failure, group.key.group)));
}

// The replicas are durable: the record may follow.
void Startup::FoundStoreIfNew() {
  if (!new_) return RecordStart();
  step_ =
      FoundStore(env_, opened_.identity, EncodeBootstrapRecord(opened_.record),
                 [this](absl::StatusOr<StoreIdentity> founded) {
                   if (!founded.ok()) return Finish(founded.status());
                   RecordStart();
                 });
}

// The transport of a store that is being founded listens already.
absl::Status Startup::CheckAddress() const {
  if (new_ && !options_.join.has_value()) return absl::OkStatus();
  return env_.streams
      .Listen(options_.listen_address, [](std::unique_ptr<env::Connection>) {})
      .status();
}

// The number is that of the first segment if the directory remembers no start.
// Later segments have greater numbers, so a number is never used again.
void Startup::RecordStart() {
  absl::Status ready = CheckAddress();
  if (ready.ok() && options_.before_serving) ready = options_.before_serving();
  if (!ready.ok()) return Finish(std::move(ready));
  Starts& starts = opened_.starts;
  starts.number =
      starts.number == 0 ? opened_.log->start_number() : starts.number + 1;
  if (starts.tags.size() == env::kEarlierStartsMax) {
    starts.tags.erase(starts.tags.begin());
  }
  starts.tags.push_back(
      static_cast<uint32_t>(env_.random.Bits("raft.host.start_tag", 0, 0) &
                            env::StoreStart::kTagMax));
  starts.address = OwnAddress();
  if (starts.address.size() > kStartAddressBytesMax) starts.address.clear();
  starts.others = OtherAddresses();
  starts.gave_way = false;
  starts_file_.emplace(env_.disk, opened_.identity.store);
  starts_file_->Write(starts, [this](absl::Status status) { Finish(status); });
}

void Startup::Finish(absl::Status status) {
  Done done = std::move(done_);
  if (opened_.log != nullptr) {
    opened_.log->recovered().clear();
    opened_.log->dropped().clear();
  }
  if (status.ok()) {
    // This object remains, so it gives back what it has of each group.
    step_.reset();
    groups_ = std::vector<GroupKey>();
    done(std::move(opened_));
  } else {
    done(std::move(status));
  }
}

}  // namespace quorate::raft
