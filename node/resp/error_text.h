// node/resp/error_text.h: error replies that several handlers of RESP requests
// share.
//
// Pure functions over a failure and the facts of the node. Texts have no
// leading '-'.
#ifndef QUORATE_NODE_RESP_ERROR_TEXT_H_
#define QUORATE_NODE_RESP_ERROR_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "node/commands/command_table.h"
#include "node/connections/context.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

inline constexpr std::string_view kReadOnlyReplica =
    "READONLY You can't write against a read only replica.";

// Another node's store left out the result of its command.
inline constexpr std::string_view kNoResult =
    "ERR the store returned no result";

inline constexpr std::string_view kClusterDisabled =
    "ERR This instance has cluster support disabled";

// The error to a cluster client that asks for slots that it cannot compute.
std::string NoHashSlots(Partitioner partitioner);

// The error of a command on the keys of one slot.
std::string FailureText(const Context& context, const RequestFailure& failure);

// The error of a read of all covered groups if one group fails it.
std::string GroupFailureText(const Context& context,
                             const RequestFailure& failure);
// The error of FLUSHALL if a part of it fails. `others_may_have`: another part
// may have been executed.
std::string FlushFailureText(const Context& context, bool others_may_have,
                             const RequestFailure& failure);
// The error of a write on keys of several slots, or all keys. The first part
// that failed did so with `error`, and a part may have been executed.
std::string DividedFailureText(std::string_view error);

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_ERROR_TEXT_H_
