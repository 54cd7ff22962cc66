// The part of Replica that compares its state with those of the other replicas,
// and that fences it. It also says in words why its core refuses a proposal.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "raft/host/replica.h"

namespace quorate::raft {

void Replica::AddStateDigest(Message* message) {
  if (message->type == MessageType::kHeartbeat) {
    message->state = digests_.Question(services_.env.loop.ReadClock().mono);
  } else {
    message->state = {asked_digest_, digests_.At(asked_digest_)};
  }
}

void Replica::TakeStateDigest(const Message& message) {
  if (message.type != MessageType::kHeartbeat &&
      message.type != MessageType::kHeartbeatReply) {
    return;
  }
  const Configuration& configuration = core_->configuration();
  if (FindMember(configuration, message.from) == nullptr) return;
  if (message.type == MessageType::kHeartbeat) {
    asked_digest_ = message.state.index;
    const uint64_t own = digests_.At(asked_digest_);
    const bool differs =
        own != 0 && message.state.digest != 0 && own != message.state.digest;
    if (differs) FenceForState(asked_digest_);
    return;
  }
  if (core_->role() != RoleKind::kLeader ||
      !digests_.Answer(message.from, message.state)) {
    return;
  }
  const StateDigests::Verdict verdict =
      digests_.Compare(key_.replica, MemberReplicas(configuration));
  if (verdict.tie) {
    LogDifference(message.state.index, "no majority has one of them");
  }
  for (const ReplicaId odd : verdict.odd) {
    if (odd == key_.replica) return FenceForState(message.state.index);
    LogDifference(message.state.index,
                  absl::StrCat("that of node ", NodeOf(odd).value(),
                               " differs from a majority"));
  }
}

// Nothing that it has acknowledged is lost, but its answers are wrong.
void Replica::FenceForState(Index index) {
  const absl::Status why = absl::DataLossError(absl::StrCat(
      "group ", key_.group.value(), ": the state of this replica after entry ",
      index.value(), " differs from that of a majority"));
  services_.observer.OnStatesDiffer(key_.group, index);
  FenceForGood(why);
}

// Without it, it could vote for a leader that lacks these entries, too.
void Replica::FenceForLostEntries() {
  services_.env.tracer.Sometimes("raft.fenced_for_lost_entries");
  FenceForGood(absl::DataLossError(absl::StrCat(
      "group ", key_.group.value(),
      ": the log of this replica lacks entries that it had acknowledged as "
      "durable")));
}

void Replica::FenceForGood(const absl::Status& why) {
  services_.log.Fence(key_, why,
                      WhileHere([](Replica& here, absl::Status status) {
                        if (status.ok()) return;
                        here.services_.calls.fail_node(std::move(status));
                      }));
  Fence(why);
}

void Replica::Fence(const absl::Status& why) {
  services_.env.tracer.Log(env::Severity::kError,
                           absl::StrCat("raft: ", why.message()));
  Stop(why);
  // While a snapshot is installed, FinishReceive may run, and ends by itself.
  if (!core_->installing()) services_.snapshots.DiscardReceived(key_);
  GiveBackLog();
  stopped_as_ = absl::IsFailedPrecondition(why) ? ReplicaCondition::kHalted
                                                : ReplicaCondition::kFenced;
  reporting_fence_ = true;
  services_.observer.OnFenced(key_.group, why);
  reporting_fence_ = false;
}

void Replica::LogDifference(Index index, const std::string& which) {
  if (index <= differs_at_) return;
  differs_at_ = index;
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   ": replicas have different states after entry ",
                   index.value(), ": ", which));
  services_.observer.OnStatesDiffer(key_.group, index);
}

void Replica::LogLostEntries(Index last) {
  if (std::exchange(lost_entries_logged_, true)) return;
  services_.env.tracer.Log(
      env::Severity::kError,
      absl::StrCat("raft: group ", key_.group.value(),
                   ": the log of a follower lacks entries that were on its "
                   "disk, up to index ",
                   last.value(), ". It is fenced"));
}

absl::Status Replica::RefusalStatus(Refused::Reason reason) const {
  const std::string group = absl::StrCat("group ", key_.group.value());
  switch (reason) {
    case Refused::Reason::kNotLeader:
      return absl::UnavailableError(
          absl::StrCat(group, " is not led by this node"));
    case Refused::Reason::kTooMuchUncommitted:
      return absl::ResourceExhaustedError(absl::StrCat(
          group, " has too many uncommitted bytes; try again later"));
    case Refused::Reason::kTooMuchUnapplied:
      return absl::ResourceExhaustedError(absl::StrCat(
          group, " has too many bytes that are not applied; try again later"));
    case Refused::Reason::kTooMuchUnwritten:
      return absl::ResourceExhaustedError(absl::StrCat(
          group, ": the leader's disk is too slow; try again later"));
    case Refused::Reason::kTransferInProgress:
      return absl::UnavailableError(
          absl::StrCat(group, " is transferring its leadership"));
    case Refused::Reason::kNothingCommittedInTerm:
      return absl::UnavailableError(absl::StrCat(
          group, " has a new leader that has committed nothing; try again"));
    case Refused::Reason::kChangeInProgress:
      return absl::UnavailableError(absl::StrCat(
          group, " has a change of its configuration in progress; try again"));
    case Refused::Reason::kConfigurationIsNewer:
      return absl::AbortedError(absl::StrCat(
          group, " has another configuration than the base of the change"));
    case Refused::Reason::kConfigurationIsTheSame:
      return absl::AlreadyExistsError(
          absl::StrCat(group, " has this configuration"));
    case Refused::Reason::kConfigurationIsInvalid:
      return absl::InvalidArgumentError(absl::StrCat(
          group,
          ": the configuration breaks a rule, or changes a part that never "
          "changes"));
    case Refused::Reason::kLevelIsNotKnown:
      return absl::FailedPreconditionError(absl::StrCat(
          group, ": the program of a member does not know the level"));
    case Refused::Reason::kVoterHasNotCaughtUp:
      return absl::FailedPreconditionError(absl::StrCat(
          group, ": a new voter must be a learner that has caught up"));
  }
  CHECK(false) << "reason " << static_cast<int>(reason);
  return absl::OkStatus();
}

}  // namespace quorate::raft
