// node/routing/refused_commands.h: commands that a group refused because it
// does not own their slot. They wait here for a newer shard map, and are routed
// again.
//
// Such a command was certainly not executed, and left nothing in its session.
#ifndef QUORATE_NODE_ROUTING_REFUSED_COMMANDS_H_
#define QUORATE_NODE_ROUTING_REFUSED_COMMANDS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "node/cluster/slot_owners.h"
#include "node/routing/request_sink.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// A command waits until three conditions hold:
// - The map is newer than the one by which the command was routed.
// - Its connection has nothing under way at the group that refused it.
// - No earlier command of its connection and slot waits here.
// It ends with kNotOwner at its deadline. It also does when a later command of
// its connection and slot took effect, or may have: its turn is over.
//
// The router gives a connection with commands here no further ones. So the
// commands here take no more memory than entries in flight did.
class RefusedCommands {
 public:
  struct Command {
    RoutedRequest request;  // With its deadline.
    Slot slot;
    GroupId group;  // It refused the command.
    Buffer batch;   // The command alone.
    // The earliest map by which the command is routed again.
    shardctrl::MapVersion waits_for = {};
    bool overtaken = false;
  };

  // Both outlive the object.
  RefusedCommands(env::Loop& loop, const SlotOwners& owners)
      : loop_(loop), owners_(owners) {}

  // False for commands on whole slots, and on keys of several: another map may
  // divide them.
  static bool MayHold(kv::Op op);
  // Takes a command, whose answer is due from here. A Flush of the router
  // follows.
  void Hold(Command command);
  // A command of `sink` was executed, or may have been.
  void NoteExecuted(RequestSink* sink, Slot slot, uint64_t token) {
    if (sink->routing().refused_commands > 0) Overtake(sink, slot, token);
  }
  // Calls `route` for each command whose time has come, and drops those for
  // which it returns true. Answers those that wait no longer.
  void RouteAgain(absl::FunctionRef<bool(const Command&)> route);
  // The time at which the first command ends; Max(): there is none.
  MonoTime next_deadline() const;
  bool empty() const { return commands_.empty(); }

 private:
  void Overtake(RequestSink* sink, Slot slot, uint64_t token);
  // True if a command of the connection and slot of `command` is here.
  bool IsBehindAnother(const Command& command) const;

  env::Loop& loop_;
  const SlotOwners& owners_;
  // The commands of each sink are in its order.
  std::vector<Command> commands_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_REFUSED_COMMANDS_H_
