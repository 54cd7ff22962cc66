// node/resp/help_reply.h: replies to the HELP subcommands of CLIENT, CLUSTER
// and other commands.
#ifndef QUORATE_NODE_RESP_HELP_REPLY_H_
#define QUORATE_NODE_RESP_HELP_REPLY_H_

#include <string_view>

#include "absl/types/span.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {

// An array: a headline for `command`, then each of `lines` as a simple string.
void WriteHelp(std::string_view command,
               absl::Span<const std::string_view> lines, RespWriter& reply);

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_HELP_REPLY_H_
