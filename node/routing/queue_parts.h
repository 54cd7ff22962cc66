// node/routing/queue_parts.h: the parts of a node that the objects of a
// GroupQueue use, and what they count.
#ifndef QUORATE_NODE_ROUTING_QUEUE_PARTS_H_
#define QUORATE_NODE_ROUTING_QUEUE_PARTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/quota.h"
#include "env/time.h"
#include "kv/store/record_pool.h"
#include "node/base/memory_budget.h"
#include "node/base/output_budget.h"
#include "node/base/turn_work.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/peers/peer_links.h"
#include "node/routing/live_view.h"
#include "node/routing/refused_commands.h"
#include "raft/host/host.h"

namespace quorate::node {

class GroupQueue;

// All outlive the queue.
struct QueueParts {
  env::Loop& loop;
  env::Buggify& buggify;
  env::Tracer& tracer;
  raft::Host& host;
  const Config& config;
  const ClusterMap& cluster;
  PeerLinks& links;
  LiveView& view;
  OutputBudget& budget;
  MemoryBudget& memory;
  TurnWork& work;
  RefusedCommands& refused;
  kv::RecordPool& requests;  // The memory of ConnectionOrder::Request.
  Quota& held;               // Requests that wait in all queues.
  // No request waits for a leader any longer: the node stops. Max(): it does
  // not.
  const MonoTime& wait_until;
  // Requests a Flush of the queue in step 2 of this turn.
  absl::AnyInvocable<void(GroupQueue&) const> wake;
  // Called when the leadership() of a queue has changed.
  absl::AnyInvocable<void() const> leadership_changed;
};

// Counters for metrics.
struct QueueCounters {
  uint64_t proposals = 0;
  uint64_t proposed_commands = 0;
  uint64_t proposals_refused = 0;  // Not executed.
  uint64_t proposals_unknown = 0;
  uint64_t forwarded = 0;  // Batches sent to another node.
  uint64_t read_rounds = 0;
  uint64_t reads = 0;
  uint64_t reads_in_log = 0;
  uint64_t stale_reads = 0;   // Answered without a read point.
  uint64_t reads_failed = 0;  // Rounds that failed.
  uint64_t leader_wait_expired = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_QUEUE_PARTS_H_
