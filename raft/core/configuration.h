// raft/core/configuration.h: who replicates a group: rules a Configuration
// obeys, questions about it, and its form as the payload of an entry.
//
// The form (docs/reference/formats/configuration.md): a version byte, four
// lists (voters, outgoing voters, learners, next learners; each a count and its
// members), the lease length and the hash key; integers are little-endian.
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

// OK if every list is strictly sorted by node and within its maximum; there is
// a voter; learners are disjoint from voters of both halves; next learners are
// outgoing voters that stay no voter; one node has one incarnation throughout;
// the lease length is not negative.
absl::Status ValidateConfiguration(const Configuration& configuration);

// Sorts each list by node. Duplicates stay and are found by
// ValidateConfiguration.
void SortConfiguration(Configuration* configuration);

// Requires: ValidateConfiguration is OK.
Buffer EncodeConfiguration(const Configuration& configuration);
// kInvalidArgument for anything that EncodeConfiguration did not make;
// kUnimplemented for a newer version.
absl::StatusOr<Configuration> DecodeConfiguration(std::string_view bytes);

// True if `to` is `from` with stores filled in where `from` names none: the
// same nodes in the same lists, so that every quorum stays one.
bool PinsStoreIdsOnly(const Configuration& from, const Configuration& to);

// A voter of the new or, in joint consensus, the old half.
bool IsVoter(const Configuration& configuration, NodeId node);
// A voter of either half or a learner.
bool IsMember(const Configuration& configuration, NodeId node);
// Every voter of both halves, sorted, each once.
std::vector<NodeId> VoterNodes(const Configuration& configuration);
// Every member, sorted, each once.
std::vector<NodeId> MemberNodes(const Configuration& configuration);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_CONFIGURATION_H_
