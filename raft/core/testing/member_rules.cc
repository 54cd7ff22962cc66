#include "raft/core/testing/member_rules.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

bool Grants(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    const bool vote = message.type == MessageType::kVoteReply ||
                      message.type == MessageType::kPreVoteReply;
    if (vote && !message.reject) return true;
  }
  return false;
}

bool MayLead(const Core& core) {
  if (IsVoter(core.configuration(), core.replica())) return true;
  const Index newest = core.configuration_index();
  return newest > core.log_start().index &&
         IsVoter(core.ConfigurationAt(newest - 1), core.replica());
}

}  // namespace

std::string CheckMember(const Core& core, const Output& output) {
  if (core.joining() &&
      (core.role() != RoleKind::kFollower || core.voted_for() != ReplicaId() ||
       Grants(output.messages))) {
    return absl::StrCat("joining: replica ", core.replica().value(),
                        " has no entry, and votes or campaigns");
  }
  if (output.events.empty() || core.role() == RoleKind::kFollower ||
      MayLead(core)) {
    return "";
  }
  return absl::StrCat("voters: replica ", core.replica().value(), " is a ",
                      std::string(RoleName(core.role())), " of term ",
                      core.term().value(),
                      ", and no configuration of its log names it a voter");
}

}  // namespace quorate::raft
