// node/resp/cluster_commands.h: CLUSTER: the cluster as clients see it
// (node/routing/topology.h).
//
// All subcommands are answered at once, except those on the keys of a slot
// (node/resp/group_commands.h, node/resp/key_scan.h).
#ifndef QUORATE_NODE_RESP_CLUSTER_COMMANDS_H_
#define QUORATE_NODE_RESP_CLUSTER_COMMANDS_H_

#include <string_view>

#include "node/commands/command_table.h"
#include "node/connections/context.h"
#include "node/protocol/resp_writer.h"
#include "node/resp/address_view.h"

namespace quorate::node {

// Without state of its own. Plain clients get an error.
class ClusterCommands {
 public:
  // `context` outlives the object.
  ClusterCommands(Context& context, AddressView view)
      : context_(context), view_(view) {}

  // Writes the reply. Returns false if `row` is not a command of this object.
  bool Write(const CommandRow& row, Arguments request, RespWriter& reply);

 private:
  void WriteReplicas(std::string_view id, RespWriter& reply);

  Context& context_;
  const AddressView view_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_CLUSTER_COMMANDS_H_
