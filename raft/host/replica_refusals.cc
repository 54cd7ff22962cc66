// The part of a replica that says in words why its core refused a proposal.
#include <string>

#include "absl/strings/str_cat.h"
#include "raft/host/replica.h"

namespace quorate::raft {

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
