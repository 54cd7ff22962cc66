// The part of Host that creates, drops and recovers replicas at run time.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "raft/host/host_impl.h"

namespace quorate::raft {

absl::Status Host::Impl::IsDropped(GroupId group) {
  return absl::UnavailableError(
      absl::StrCat("a replica of group ", group.value(),
                   " is being dropped from this node: try again later"));
}

absl::Status Host::Impl::CheckAbsent(GroupId group) const {
  if (!status_.ok()) return status_;
  if (drops_.contains(group)) return IsDropped(group);
  if (replicas_.Find(group) == nullptr && !failed_.contains(group)) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "this node holds a replica of group ", group.value(), ": drop it first"));
}

void Host::Impl::PrepareReplica(GroupId group, Prepared done) {
  const absl::Status absent = CheckAbsent(group);
  if (!absent.ok()) {
    return Answer(std::move(done), absl::StatusOr<ReplicaId>(absent));
  }
  const GroupKey key{group, ReplicaId(env_.random.Bits(
                                "raft.replica", group.value(), next_draw_++))};
  if (!creations_.contains(group)) {
    creations_[group] = {.key = key, .on_prepared = std::move(done)};
    return WriteBlank(key);
  }
  // The earlier one must be gone before anybody hears of this one. Otherwise a
  // crash could bring it back.
  const GroupKey earlier = GiveUpCreation(group);
  creations_[group] = {.key = key, .on_prepared = std::move(done)};
  BeginDrop(earlier, [this, key](absl::Status dropped) {
    if (dropped.ok()) return WriteBlank(key);
    EndPreparation(key, std::move(dropped));
  });
}

void Host::Impl::WriteBlank(GroupKey key) {
  const HardState blank;
  log_->Append(key, &blank, Index(), {}, [this, key](absl::Status status) {
    if (!status.ok()) Fail(status);
    EndPreparation(key, std::move(status));
  });
}

void Host::Impl::EndPreparation(GroupKey key, absl::Status status) {
  const auto found = creations_.find(key.group);
  if (found == creations_.end() || found->second.key != key) return;
  Prepared done = std::move(found->second.on_prepared);
  if (status.ok()) {
    found->second.prepared = true;
    return done(key.replica);
  }
  creations_.erase(found);
  done(std::move(status));
}

absl::Status Host::Impl::CheckPrepared(GroupId group) const {
  const absl::Status absent = CheckAbsent(group);
  if (!absent.ok()) return absent;
  const auto found = creations_.find(group);
  if (found != creations_.end() && found->second.prepared &&
      found->second.state_machine == nullptr) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no replica of group ", group.value(), " is prepared on this node"));
}

absl::Status Host::Impl::MakeMachine(const Configuration& configuration,
                                     const char* refuse, Creation* creation) {
  const GroupId group = creation->key.group;
  const auto error = [&](const char* why) {
    return absl::FailedPreconditionError(
        absl::StrCat("group ", group.value(), refuse, why));
  };
  if (configuration.hash_key != hash_key_) {
    return error("its hash key is not that of the cluster");
  }
  std::unique_ptr<StateMachine> made = make_(group, configuration);
  if (made == nullptr || !KnowsLevels(configuration, made->known_level())) {
    return error(
        "this program does not know its state machine, its parameters or its "
        "levels");
  }
  creation->state_machine = std::move(made);
  return absl::OkStatus();
}

absl::Status Host::Impl::BeginFounding(const Configuration& first,
                                       Creation* creation) {
  constexpr char kRefuse[] = " cannot be founded: ";
  absl::Status valid = ValidateConfiguration(first);
  if (!valid.ok()) return valid;
  const Member* const self = FindMember(first, creation->key.replica);
  if (self == nullptr || self->node != options_.node ||
      self->store != identity_.incarnation) {
    return absl::FailedPreconditionError(
        absl::StrCat("group ", creation->key.group.value(), kRefuse,
                     "its configuration does not name the prepared replica"));
  }
  absl::Status made = MakeMachine(first, kRefuse, creation);
  if (made.ok()) creation->restored = FirstState(first);
  return made;
}

void Host::Impl::FoundReplica(GroupId group, Configuration first,
                              Finished done) {
  absl::Status ready = CheckPrepared(group);
  const auto found = creations_.find(group);
  if (ready.ok()) ready = BeginFounding(first, &found->second);
  if (!ready.ok()) return Answer(std::move(done), std::move(ready));
  Creation& creation = found->second;
  creation.on_runs = std::move(done);
  log_->Append(creation.key, &creation.restored.hard_state,
               creation.restored.commit, creation.restored.entries,
               [this, key = creation.key](absl::Status status) {
                 OnFounded(key, std::move(status));
               });
}

void Host::Impl::OnFounded(GroupKey key, absl::Status status) {
  const auto found = creations_.find(key.group);
  if (found == creations_.end() || found->second.key != key) return;
  Creation creation = std::move(found->second);
  creations_.erase(found);
  if (!status.ok()) {
    Fail(std::move(status));
    return creation.on_runs(status_);
  }
  if (status_.ok()) {
    env_.tracer.Sometimes("raft.replica_founded_at_run_time");
  }
  RunCreation(std::move(creation));
}

void Host::Impl::RunCreation(Creation creation) {
  const GroupKey key = creation.key;
  if (status_.ok()) {
    AddReplica(key, std::move(creation.restored),
               std::move(creation.state_machine));
    UpdateTimer(key.group);
  }
  creation.on_runs(status_);
}

absl::Status Host::Impl::BeginJoining(const Configuration& known,
                                      Creation* creation) {
  constexpr char kRefuse[] = " cannot be joined: ";
  absl::Status valid = ValidateConfiguration(known);
  if (!valid.ok()) return valid;
  const Member* const self = FindMember(known, creation->key.replica);
  const bool elsewhere =
      self != nullptr &&
      (self->node != options_.node || self->store != identity_.incarnation);
  if (elsewhere || IsVoter(known, creation->key.replica)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "group ", creation->key.group.value(), kRefuse,
        "its configuration says that the prepared replica ",
        elsewhere ? "is in another store" : "is a voter, so its log is lost"));
  }
  creation->restored = {};
  return MakeMachine(known, kRefuse, creation);
}

// A snapshot without entries says that the replica joins, and has what a start
// needs to make its state machine. The first snapshot of the leader, or of the
// replica itself, takes its place.
void Host::Impl::JoinReplica(GroupKey key, Configuration known, Finished done) {
  if (const Replica* const running = replicas_.Find(key.group);
      running != nullptr && running->key() == key && status_.ok()) {
    return Answer(std::move(done), absl::OkStatus());
  }
  const auto found = creations_.find(key.group);
  if (found != creations_.end() && found->second.key == key &&
      found->second.state_machine != nullptr) {
    return Answer(std::move(done),
                  absl::UnavailableError(
                      absl::StrCat("the replica of group ", key.group.value(),
                                   " is beginning to run: try again later")));
  }
  absl::Status ready = CheckPrepared(key.group);
  if (ready.ok() && found->second.key != key) {
    ready = absl::FailedPreconditionError(absl::StrCat(
        "another replica of group ", key.group.value(), " is prepared here, ",
        absl::Hex(found->second.key.replica.value())));
  }
  if (ready.ok()) ready = BeginJoining(known, &found->second);
  if (!ready.ok()) return Answer(std::move(done), std::move(ready));
  found->second.on_runs = std::move(done);
  snapshots_->Begin(
      key, {.configuration = std::move(known)},
      [this, key](absl::Status begun) {
        if (!begun.ok()) return OnJoined(key, std::move(begun));
        snapshots_->Finish(
            key, [this, key](absl::StatusOr<SnapshotDescriptor> written) {
              OnJoined(key, written.status());
            });
      });
}

// A disk without room refuses the snapshot. The id stays prepared then.
void Host::Impl::OnJoined(GroupKey key, absl::Status status) {
  const auto found = creations_.find(key.group);
  if (found == creations_.end() || found->second.key != key) return;
  if (!status.ok()) {
    found->second.state_machine = nullptr;
    return std::exchange(found->second.on_runs, nullptr)(std::move(status));
  }
  Creation creation = std::move(found->second);
  creations_.erase(found);
  if (status_.ok()) env_.tracer.Sometimes("raft.replica_joins");
  RunCreation(std::move(creation));
}

// Its id is never used. The caller removes its log.
GroupKey Host::Impl::GiveUpCreation(GroupId group) {
  const auto found = creations_.find(group);
  Creation creation = std::move(found->second);
  creations_.erase(found);
  const absl::Status why = absl::AbortedError(absl::StrCat(
      "the replica of group ", group.value(), " was given up before it ran"));
  if (creation.on_prepared != nullptr) {
    Answer(std::move(creation.on_prepared), absl::StatusOr<ReplicaId>(why));
  }
  if (creation.on_runs != nullptr) {
    Answer(std::move(creation.on_runs), why);
  }
  return creation.key;
}

void Host::Impl::RemoveReplica(GroupId group) {
  replicas_.Remove(group);
  const auto queued = queued_deadline_.find(group);
  if (queued == queued_deadline_.end()) return;
  deadlines_.erase({queued->second, group});
  queued_deadline_.erase(queued);
}

void Host::Impl::DropReplica(GroupId group, Finished done) {
  if (!status_.ok()) return Answer(std::move(done), status_);
  if (drops_.contains(group)) return Answer(std::move(done), IsDropped(group));
  if (recoveries_.contains(group)) {
    return Answer(std::move(done), IsRecovered(group));
  }
  std::vector<ReplicaId> replicas;
  if (Replica* const running = replica(group)) {
    replicas = {running->key().replica};
    running->Leave(absl::NotFoundError(absl::StrCat(
        "the replica of group ", group.value(), " on this node was dropped")));
    std::unique_ptr<StateMachine> state = running->TakeStateMachine();
    RemoveReplica(group);
    dropped_states_.Add(std::move(state));
  } else if (const auto failed = failed_.find(group); failed != failed_.end()) {
    replicas = std::move(failed->second.replicas);
    failed_.erase(failed);
  } else if (creations_.contains(group)) {
    replicas = {GiveUpCreation(group).replica};
  } else {
    return Answer(std::move(done),
                  absl::NotFoundError(absl::StrCat(
                      "this node holds no replica of group ", group.value())));
  }
  env_.tracer.Log(env::Severity::kInfo,
                  absl::StrCat("raft: group ", group.value(),
                               ": the replica of this node is dropped"));
  observer_.OnDropped(group);
  DropAll(group, std::move(replicas), std::move(done));
}

void Host::Impl::DropAll(GroupId group, std::vector<ReplicaId> replicas,
                         Finished done) {
  const GroupKey key{group, replicas.back()};
  replicas.pop_back();
  if (replicas.empty()) return BeginDrop(key, std::move(done));
  BeginDrop(key, [this, group, replicas = std::move(replicas),
                  done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    DropAll(group, std::move(replicas), std::move(done));
  });
}

// The absence of a replica that was founded with the cluster would look like a
// loss. A blank log marks it as dropped. If a crash tears the mark off, the
// next start writes it.
void Host::Impl::BeginDrop(GroupKey key, Finished done) {
  drops_[key.group] = std::move(done);
  const auto leaves =
      founded_.contains(key) ? Log::Leaves::kBlank : Log::Leaves::kNothing;
  log_->Drop(key, leaves, [this, key](absl::Status status) {
    OnLogDropped(key, std::move(status));
  });
}

void Host::Impl::OnLogDropped(GroupKey key, absl::Status status) {
  if (!status.ok()) {
    Fail(status);
    return EndDrop(key.group, std::move(status));
  }
  snapshots_->Drop(key, [this, key](absl::Status removed) {
    env_.tracer.Sometimes("raft.replica_dropped");
    EndDrop(key.group, std::move(removed));
  });
}

void Host::Impl::EndDrop(GroupId group, absl::Status status) {
  const auto found = drops_.find(group);
  Finished done = std::move(found->second);
  drops_.erase(found);
  done(std::move(status));
}

// ---- Recovery from one replica (docs/decisions/0098)
//
// Everything is written under the id of a new replica, beside the old one. The
// hard state of the new log comes last. From then on the new replica counts
// (startup.cc). A log with entries and without a term is not complete.

namespace {

// No old member reaches the terms of a recovered group, however many elections
// it held alone. So its leaders never count as the newest ones.
constexpr uint64_t kTermsOfAGeneration = uint64_t{1} << 32;
// Two nodes that do not hear each other may recover one group. Each has terms
// of its own, so that no term has two leaders.
constexpr uint64_t kTermsOfANode = uint64_t{1} << 20;

Term RecoveredTerm(Term known, NodeId node) {
  const uint64_t generation = known.value() / kTermsOfAGeneration + 1;
  const uint64_t nodes = kTermsOfAGeneration / kTermsOfANode;
  return Term(generation * kTermsOfAGeneration +
              node.value() % nodes * kTermsOfANode);
}

}  // namespace

absl::Status Host::Impl::IsRecovered(GroupId group) {
  return absl::UnavailableError(
      absl::StrCat("group ", group.value(),
                   " is being recovered on this node: try again later"));
}

absl::Status Host::Impl::CheckRecovery(GroupKey from,
                                       uint64_t generation) const {
  if (!status_.ok()) return status_;
  if (drops_.contains(from.group)) return IsDropped(from.group);
  if (recoveries_.contains(from.group)) return IsRecovered(from.group);
  const Replica* const old = replicas_.Find(from);
  const std::string name = absl::StrCat("group ", from.group.value());
  if (old == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("this node does not hold the replica of ", name));
  }
  if (!old->status().ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name,
                     " cannot be recovered from a replica that does not "
                     "work: ",
                     old->status().message()));
  }
  const Core& core = old->core();
  const Configuration& present = core.configuration();
  if (core.last() == LogPosition() ||
      FindMember(present, from.replica) == nullptr ||
      !KnowsLevels(present, old->state_machine()->known_level())) {
    return absl::FailedPreconditionError(
        absl::StrCat(name,
                     " cannot be recovered from a replica that is no "
                     "member, or has no entry"));
  }
  if (generation <= present.generation) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has the generation ", present.generation,
                     ", which is not below ", generation));
  }
  if (core.installing() || core.applied_index() != core.commit_index()) {
    return absl::UnavailableError(
        absl::StrCat(name, " applies entries: try again later"));
  }
  return absl::OkStatus();
}

// The id needs no durable record of its own: no other node hears of it before
// the new log is complete.
void Host::Impl::RecoverReplica(GroupKey from, RecoverOptions options,
                                Finished done) {
  absl::Status ready = CheckRecovery(from, options.generation);
  if (!ready.ok()) return Answer(std::move(done), std::move(ready));
  Replica* const old = replicas_.Find(from);
  const Core& core = old->core();
  const GroupKey to{
      from.group, ReplicaId(env_.random.Bits("raft.replica", from.group.value(),
                                             next_draw_++))};
  Recovery& recovery = recoveries_[from.group];
  recovery = {.from = from,
              .to = to,
              .base = core.configuration_index(),
              .known_term = options.known_term,
              .configuration = core.configuration(),
              .done = std::move(done)};
  Configuration& next = recovery.configuration;
  Member self = *FindMember(next, from.replica);
  self.replica = to.replica;
  next.generation = options.generation;
  next.voters = {std::move(self)};
  next.outgoing_voters.clear();
  next.learners.clear();
  next.next_learners.clear();
  // Entry 1 then has the configuration.
  if (core.applied_index() == Index()) {
    callbacks_.Add([this, to] { WriteRecoveredLog(to); });
    return;
  }
  old->snapshots().Suspend();
  recovery.reader = old->state_machine()->TakeSnapshot();
  const Index applied = core.applied_index();
  snapshots_->Begin(to,
                    {.position = {core.TermAt(applied), applied},
                     .log_time = core.applied_log_time(),
                     .latest = core.applied_latest(),
                     .configuration = next},
                    [this, to](absl::Status status) {
                      OnRecoveryPiece(to, std::move(status));
                    });
}

void Host::Impl::OnRecoveryPiece(GroupKey to, absl::Status status) {
  if (!status_.ok()) status = status_;
  if (!status.ok()) {
    snapshots_->Abandon(to);
    return GiveUpRecovery(to, std::move(status));
  }
  WriteRecoverySnapshot(to);
}

void Host::Impl::WriteRecoverySnapshot(GroupKey to) {
  Buffer piece =
      recoveries_.at(to.group).reader->Next(SnapshotLoader::kPieceBytes);
  if (!piece.empty()) {
    return snapshots_->Append(to, std::move(piece),
                              [this, to](absl::Status status) {
                                OnRecoveryPiece(to, std::move(status));
                              });
  }
  snapshots_->Finish(to,
                     [this, to](absl::StatusOr<SnapshotDescriptor> written) {
                       OnRecoverySnapshot(to, std::move(written));
                     });
}

void Host::Impl::OnRecoverySnapshot(
    GroupKey to, absl::StatusOr<SnapshotDescriptor> written) {
  if (!written.ok()) {
    snapshots_->Abandon(to);
    return GiveUpRecovery(to, written.status());
  }
  Recovery& recovery = recoveries_.at(to.group);
  recovery.reader.reset();
  recovery.restored.snapshot = *std::move(written);
  WriteRecoveredLog(to);
}

absl::Status Host::Impl::CheckUnchanged(const Recovery& recovery) const {
  if (!status_.ok()) return status_;
  const Replica* const old = replicas_.Find(recovery.from);
  if (old == nullptr || !old->status().ok()) {
    return absl::UnavailableError(
        "the replica stopped while it was being recovered");
  }
  const Core& core = old->core();
  const Index base = recovery.restored.snapshot.position.index;
  if (core.installing() || core.applied_index() != base ||
      core.commit_index() != base ||
      core.configuration_index() != recovery.base) {
    return absl::UnavailableError(
        absl::StrCat("group ", recovery.from.group.value(),
                     " went on while it was being recovered: look whether it "
                     "has its majority"));
  }
  return absl::OkStatus();
}

// Configurations behind the snapshot name members that are lost. A noop takes
// the place of each, so that all other entries keep their positions.
void Host::Impl::WriteRecoveredLog(GroupKey to) {
  Recovery& recovery = recoveries_.at(to.group);
  absl::Status unchanged = CheckUnchanged(recovery);
  if (!unchanged.ok()) return GiveUpRecovery(to, std::move(unchanged));
  Replica* const old = replicas_.Find(recovery.from);
  const Core& core = old->core();
  Restored& restored = recovery.restored;
  restored.hard_state.term =
      RecoveredTerm(std::max(core.term(), recovery.known_term), options_.node);
  restored.commit = restored.snapshot.position.index;
  restored.log_start = restored.snapshot.log_start();
  for (Index i = restored.commit + 1; i <= core.last().index; ++i) {
    Entry entry = core.EntryAt(i);
    if (entry.kind == EntryKind::kConfiguration) {
      const bool first = i == Index(1);
      entry.kind = first ? EntryKind::kConfiguration : EntryKind::kNoop;
      entry.payload =
          first ? EncodeConfiguration(recovery.configuration) : Buffer();
      entry.checksum = EntryChecksum(entry);
    }
    restored.entries.push_back(std::move(entry));
  }
  old->Leave(IsRecovered(to.group));
  const auto fail_node = [this](absl::Status status) {
    if (!status.ok()) Fail(std::move(status));
  };
  if (restored.commit > Index()) {
    log_->SetLogStart(to, restored.log_start, /*discard_suffix=*/true,
                      fail_node);
  }
  log_->Append(to, nullptr, Index(), restored.entries, fail_node);
  log_->Append(to, &restored.hard_state, restored.commit, {},
               [this, to](absl::Status status) {
                 OnRecoveredLog(to, std::move(status));
               });
}

void Host::Impl::OnRecoveredLog(GroupKey to, absl::Status status) {
  if (!status.ok()) Fail(std::move(status));
  Recovery recovery = std::move(recoveries_.at(to.group));
  recoveries_.erase(to.group);
  // The disk may have the whole log, which needs its snapshot then: the next
  // start decides (Startup::ListGroups).
  if (!status_.ok()) return Answer(std::move(recovery.done), status_);
  std::unique_ptr<StateMachine> state_machine =
      replicas_.Find(recovery.from)->TakeStateMachine();
  RemoveReplica(to.group);
  observer_.OnDropped(to.group);
  env_.tracer.Sometimes("raft.replica_recovered");
  env_.tracer.Log(
      env::Severity::kWarning,
      absl::StrCat("raft: group ", to.group.value(),
                   " was recovered by force from the replica of this node. "
                   "Entries that it did not have are lost"));
  AddReplica(to, std::move(recovery.restored), std::move(state_machine));
  UpdateTimer(to.group);
  BeginDrop(recovery.from, std::move(recovery.done));
}

void Host::Impl::GiveUpRecovery(GroupKey to, absl::Status status) {
  Recovery recovery = std::move(recoveries_.at(to.group));
  recoveries_.erase(to.group);
  recovery.reader.reset();
  Replica* const old = replicas_.Find(recovery.from);
  if (old != nullptr) old->snapshots().Resume();
  if (recovery.restored.snapshot == SnapshotDescriptor()) {
    return Answer(std::move(recovery.done), std::move(status));
  }
  snapshots_->Drop(
      to, [done = std::move(recovery.done), status = std::move(status)](
              absl::Status) mutable { done(std::move(status)); });
}

}  // namespace quorate::raft
