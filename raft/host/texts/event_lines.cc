#include "raft/host/texts/event_lines.h"

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

// "1, 2, 4 (learner)", by node. A node where one replica takes the place of
// another has both: "3 (leaves, learner)".
std::string Members(const Configuration& configuration) {
  // The outgoing voters are all that voted before.
  std::map<ReplicaId, std::pair<NodeId, std::string_view>> parts;
  const auto add = [&](const std::vector<Member>& members,
                       std::string_view part) {
    for (const Member& member : members) {
      parts[member.replica] = {member.node, part};
    }
  };
  add(configuration.outgoing_voters, "leaves");
  add(configuration.next_learners, "becomes a learner");
  add(configuration.learners, "learner");
  add(configuration.voters, "");
  std::map<NodeId, std::string> nodes;
  for (const auto& [replica, member] : parts) {
    std::string& words = nodes[member.first];
    if (member.second.empty()) continue;
    absl::StrAppend(&words, words.empty() ? "" : ", ",
                    std::string(member.second));
  }
  std::string text;
  for (const auto& [node, words] : nodes) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", node.value());
    if (!words.empty()) absl::StrAppend(&text, " (", words, ")");
  }
  return text;
}

}  // namespace

template <typename... Parts>
void EventLines::Log(const Parts&... parts) {
  tracer_.Log(env::Severity::kInfo,
              absl::StrCat("raft: group ", key_.group.value(), parts...));
}

void EventLines::SetMembers(const Core& core) {
  if (!tracer_.Logs(env::Severity::kInfo)) return;
  members_ = Members(core.configuration());
}

void EventLines::OnEvent(const Core& core, const Event& event) {
  if (!tracer_.Logs(env::Severity::kInfo)) return;
  switch (event.kind) {
    case Event::Kind::kRoleChanged:
      return OnRole(event);
    case Event::Kind::kLeaderKnown:
      return OnLeader(core, event);
    case Event::Kind::kConfigurationChanged:
      return OnMembers(core, event.index);
    case Event::Kind::kSuffixTruncated:
      return Log(" takes back its entries from ", event.index.value(),
                 " on, which another leader's replace");
    case Event::Kind::kStepDownNoQuorum:
      return Log(": this node hears no majority any more");
    case Event::Kind::kGivesLeadershipAway:
      return Log(": the disk of this node is slow, so another one is to lead");
    case Event::Kind::kTransferAbandoned:
      return Log(": the transfer of the leadership was given up");
    default:
      return;
  }
}

void EventLines::OnRole(const Event& event) {
  const bool led = std::exchange(leads_, event.role == RoleKind::kLeader);
  switch (event.role) {
    case RoleKind::kLeader:
      return Log(" is led by this node in term ", event.term.value());
    case RoleKind::kCandidate:
      return Log(": this node is a candidate in term ", event.term.value());
    case RoleKind::kPreCandidate:
      if (std::exchange(asks_, true)) return;
      return Log(" has no leader that this node hears in term ",
                 event.term.value(), ": it asks whether it may be elected");
    case RoleKind::kFollower:
      if (!led) return;
      return Log(" is no longer led by this node, in term ",
                 event.term.value());
  }
}

void EventLines::OnLeader(const Core& core, const Event& event) {
  if (event.leader == ReplicaId()) return;
  asks_ = false;
  if (event.leader == key_.replica) return;  // OnRole has told it.
  const Member* const leader = FindMember(core.configuration(), event.leader);
  // The configuration that names it may not have arrived yet.
  if (leader == nullptr) {
    return Log(" has a leader in term ", event.term.value(),
               " that is no member yet");
  }
  Log(" is led by node ", leader->node.value(), " in term ",
      event.term.value());
}

void EventLines::OnMembers(const Core& core, Index index) {
  std::string members = Members(core.configuration());
  if (members == members_) return;  // Something else changed.
  Log(" has the members ", members, " from entry ", index.value(), " on",
      members_.empty() ? "" : ". Before: ", members_);
  members_ = std::move(members);
}

}  // namespace quorate::raft
