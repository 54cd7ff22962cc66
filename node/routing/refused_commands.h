// node/routing/refused_commands.h: commands that a group refused because it
// does not own their slot. They wait here for a newer shard map, and are routed
// again.
//
// Such a command was certainly not executed, and left nothing in its session.
#ifndef QUORATE_NODE_ROUTING_REFUSED_COMMANDS_H_
#define QUORATE_NODE_ROUTING_REFUSED_COMMANDS_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "node/cluster/slot_owners.h"
#include "node/routing/connection_order.h"
#include "node/routing/request_sink.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// A command waits until three conditions hold:
// - The map is newer than the one by which the command was routed. Or the group
//   is the second one that refused it, and kAgainAfter has passed.
// - Its connection has nothing under way at the group that refused it.
// - No earlier command of its connection and slot waits here.
// Otherwise it ends with kNotOwner once timeouts.leader_wait has passed since
// its first refusal. The ways to groups do not count: the answer of a former
// group may come late. It also ends when a later command of its connection and
// slot took effect, or may have: its turn is over.
//
// The router gives a connection with commands here no further ones. So the
// commands here take no more memory than entries in flight did.
class RefusedCommands {
 public:
  using Request = ConnectionOrder::Request;
  using Refusal = ConnectionOrder::Refusal;
  static constexpr Duration kAgainAfter = Milliseconds(5);

  // All outlive the object.
  RefusedCommands(env::Loop& loop, const SlotOwners& owners,
                  const Duration& leader_wait)
      : loop_(loop), owners_(owners), leader_wait_(leader_wait) {}

  // False for commands on whole slots, and on keys of several: another map may
  // divide them.
  static bool MayHold(kv::Op op);
  // Takes a command, whose answer is due from here. `command`: the command
  // alone in a batch. A Flush of the router follows.
  void Hold(Request& request, Buffer command);
  // A command of `sink` was executed, or may have been.
  void NoteExecuted(RequestSink* sink, Slot slot, uint64_t token) {
    if (sink->routing().refused() > 0) Overtake(sink, slot, token);
  }
  // Calls `route` for each command whose time has come. If it returns true,
  // another group has accepted the command. Answers those that wait no longer.
  void RouteAgain(
      absl::FunctionRef<bool(const RoutedRequest&, const Request&)> route);
  // The time at which the first command ends, or is routed again; Max(): there
  // is none.
  MonoTime next_deadline() const;
  bool empty() const { return commands_.empty(); }
  size_t size() const { return commands_.size(); }

  // ---- How long commands waited.
  struct Pauses {
    uint64_t commands = 0;
    Duration longest = {};  // Counts the commands that wait.
  };
  // Of commands on these slots, since KeepPauses left the slots out.
  Pauses PausesIn(absl::Span<const SlotRange> slots) const;
  // Forgets the pauses of all other slots.
  void KeepPauses(absl::Span<const SlotRange> slots);

 private:
  void Overtake(RequestSink* sink, Slot slot, uint64_t token);
  void NotePause(const Request& request);
  // True if a command of the connection and slot of `request` is here.
  bool IsBehindAnother(const Request& request) const;

  env::Loop& loop_;
  const SlotOwners& owners_;
  const Duration& leader_wait_;
  // The commands of each sink are in its order.
  std::vector<Request*> commands_;
  absl::btree_map<Slot, Pauses> pauses_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_REFUSED_COMMANDS_H_
