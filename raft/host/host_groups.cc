// The part of Host that creates and drops replicas at run time.
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

void Host::Impl::DropReplica(GroupId group, Finished done) {
  if (!status_.ok()) return Answer(std::move(done), status_);
  if (drops_.contains(group)) return Answer(std::move(done), IsDropped(group));
  GroupKey key{group, ReplicaId()};
  if (Replica* const running = replica(group)) {
    key = running->key();
    running->Leave(absl::NotFoundError(absl::StrCat(
        "the replica of group ", group.value(), " on this node was dropped")));
    replicas_.Remove(group);
    const auto queued = queued_deadline_.find(group);
    if (queued != queued_deadline_.end()) {
      deadlines_.erase({queued->second, group});
      queued_deadline_.erase(queued);
    }
  } else if (const auto failed = failed_.find(group); failed != failed_.end()) {
    key.replica = failed->second.replica;
    failed_.erase(failed);
  } else if (creations_.contains(group)) {
    key = GiveUpCreation(group);
  } else {
    return Answer(std::move(done),
                  absl::NotFoundError(absl::StrCat(
                      "this node holds no replica of group ", group.value())));
  }
  observer_.OnDropped(group);
  BeginDrop(key, std::move(done));
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

}  // namespace quorate::raft
