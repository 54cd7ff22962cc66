// node/resp/server_commands.h: commands on the node: COMMAND, CONFIG, INFO,
// ROLE, WAIT, TIME and the like.
//
// All are answered at once, from the node's own state.
#ifndef QUORATE_NODE_RESP_SERVER_COMMANDS_H_
#define QUORATE_NODE_RESP_SERVER_COMMANDS_H_

#include "node/commands/command_table.h"
#include "node/connections/context.h"
#include "node/protocol/resp_writer.h"
#include "node/resp/address_view.h"

namespace quorate::node {

// Without state of its own. Configuration parameters do not change at run time.
class ServerCommands {
 public:
  // `context` outlives the object.
  ServerCommands(Context& context, AddressView view)
      : context_(context), view_(view) {}

  // Writes the reply. Returns false if `row` is not a command of this object.
  bool Write(const CommandRow& row, Arguments request, RespWriter& reply);

 private:
  void WriteWait(Arguments request, RespWriter& reply);
  void WriteRole(RespWriter& reply);

  Context& context_;
  const AddressView view_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_SERVER_COMMANDS_H_
