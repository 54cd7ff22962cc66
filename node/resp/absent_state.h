// node/resp/absent_state.h: subcommands of CLIENT on connection state that
// Redis has and this server has not: tracking, pauses, blocked clients.
//
// Arguments are checked as Redis does. Replies describe a connection without
// such state.
#ifndef QUORATE_NODE_RESP_ABSENT_STATE_H_
#define QUORATE_NODE_RESP_ABSENT_STATE_H_

#include "node/commands/command_table.h"
#include "node/protocol/resp_writer.h"

namespace quorate::node {

// Writes the reply to CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR, PAUSE,
// UNPAUSE or UNBLOCK. `arguments` are those after the subcommand. Requires:
// `row` is one of these.
void WriteAbsentState(const CommandRow& row, Arguments arguments,
                      RespWriter& reply);

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_ABSENT_STATE_H_
