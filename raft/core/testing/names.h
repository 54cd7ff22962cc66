// raft/core/testing/names.h: the names of messages and entries in violations
// and scenarios. Nodes print none of them.
#ifndef QUORATE_RAFT_CORE_TESTING_NAMES_H_
#define QUORATE_RAFT_CORE_TESTING_NAMES_H_

#include <string_view>

#include "raft/core/types.h"

namespace quorate::raft {

std::string_view MessageTypeName(MessageType type);
std::string_view EntryKindName(EntryKind kind);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_NAMES_H_
