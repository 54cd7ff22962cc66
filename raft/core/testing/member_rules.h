// raft/core/testing/member_rules.h: what a replica may do that no configuration
// names a voter.
#ifndef QUORATE_RAFT_CORE_TESTING_MEMBER_RULES_H_
#define QUORATE_RAFT_CORE_TESTING_MEMBER_RULES_H_

#include <string>

#include "raft/core/core.h"

namespace quorate::raft {

// Call after a Step with its Output. Returns the violation, or an empty string.
//   Joining: a replica without an entry and a snapshot follows, and grants no
//   vote.
//   Voters: a replica that leads or campaigns is a voter of the newest
//   configuration of its log, or of the one before.
std::string CheckMember(const Core& core, const Output& output);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_MEMBER_RULES_H_
