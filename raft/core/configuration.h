// raft/core/configuration.h: rules and queries of a Configuration, and its
// encoding as the payload of an entry
// (docs/reference/formats/configuration.md).
#ifndef QUORATE_RAFT_CORE_CONFIGURATION_H_
#define QUORATE_RAFT_CORE_CONFIGURATION_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/core/types.h"

namespace quorate::raft {

inline constexpr uint8_t kConfigurationVersion = 1;
// Largest number of members in one list.
inline constexpr size_t kConfigurationMembersMax = 128;
// Largest size of Member::note.
inline constexpr size_t kMemberNoteBytesMax = 64;
// Largest size of Configuration::parameters.
inline constexpr size_t kParametersBytesMax = 384 << 10;
// The greatest Configuration::lease_drift_ppm.
inline constexpr uint32_t kLeaseDriftPpmMax = 100'000;

// OK if all of these hold:
//   - every list is strictly sorted by replica and within its maximum;
//   - there is a voter;
//   - no learner is a voter of either half;
//   - every next learner is an outgoing voter and not a voter;
//   - one replica has the same node and store in all lists;
//   - the lease length is not negative;
//   - there is a level of both kinds;
//   - the parameters and the notes are within their maximum.
absl::Status ValidateConfiguration(const Configuration& configuration);

// Requires: ValidateConfiguration is OK.
Buffer EncodeConfiguration(const Configuration& configuration);
// kInvalidArgument for bytes that EncodeConfiguration never returns;
// kUnimplemented for a newer version.
absl::StatusOr<Configuration> DecodeConfiguration(std::string_view bytes);

// True if both members are on one node and store.
bool SamePlace(const Member& a, const Member& b);
// In the order of a list.
void SortMembers(std::vector<Member>* members);

// True if this program knows both levels; `known_level` is that of its state
// machine. A replica halts before a configuration that it does not know.
bool KnowsLevels(const Configuration& configuration, Level known_level);
// Stands for a configuration that only a newer program can read. No program
// knows its levels.
Configuration UnreadableConfiguration();

// True for a voter of the new or, in joint consensus, the old half.
bool IsVoter(const Configuration& configuration, ReplicaId replica);
// True for a voter of either half and for a learner.
bool IsMember(const Configuration& configuration, ReplicaId replica);
// Calls visit(member) for each member of each list; one that is in two lists is
// visited twice. `configuration` may be const.
template <typename AnyConfiguration, typename Visit>
void ForEachMember(AnyConfiguration& configuration, Visit visit) {
  for (auto* list : {&configuration.voters, &configuration.outgoing_voters,
                     &configuration.learners, &configuration.next_learners}) {
    for (auto& member : *list) visit(member);
  }
}
// The member with this id in any list; null if there is none. Valid as long as
// the configuration.
const Member* FindMember(const Configuration& configuration, ReplicaId replica);
// The node of this member; zero if there is no such member.
NodeId NodeOf(const Configuration& configuration, ReplicaId replica);
// Every voter of both halves, sorted, each once.
std::vector<ReplicaId> VoterReplicas(const Configuration& configuration);
// Every member, sorted, each once.
std::vector<ReplicaId> MemberReplicas(const Configuration& configuration);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_CONFIGURATION_H_
