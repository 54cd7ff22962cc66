// raft/host/replica_services.h: the objects of a host that its replicas use, by
// subject.
//
// All outlive the replicas. Used only by the host.
#ifndef QUORATE_RAFT_HOST_REPLICA_SERVICES_H_
#define QUORATE_RAFT_HOST_REPLICA_SERVICES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/turn_meter.h"
#include "raft/core/core.h"
#include "raft/host/bounds/log_budget.h"
#include "raft/host/bounds/node_room.h"
#include "raft/host/bounds/send_room.h"
#include "raft/host/bounds/snapshot_turn.h"
#include "raft/host/clock_rates.h"
#include "raft/host/host_types.h"
#include "raft/host/outbox.h"
#include "raft/host/output_pool.h"
#include "raft/host/pulses.h"
#include "raft/host/removed_entries.h"
#include "raft/log/callback_queue.h"
#include "raft/log/log.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

class ReplicaTable;

// Functions by which a replica asks its host. Each is set.
struct HostCalls {
  // Stops the whole node, because its log failed.
  absl::AnyInvocable<void(absl::Status)> fail_node;
  // A node began to need pulses.
  absl::AnyInvocable<void()> pulses_needed;
  // A step made the replica's deadline() earlier.
  absl::AnyInvocable<void(GroupId)> earlier_deadline;
};

// Bytes of the log entries of all groups of a node.
struct LogBudgets {
  LogBudget memory;    // Entries in memory.
  LogBudget size;      // All entries but those that the next three count.
  LogBudget retained;  // Without a limit: see Replica::LogCut.
  LogBudget places;    // Without a limit: those of entries, counted in `size`.
  LogBudget halted;    // Entries of halted replicas.
  uint64_t followers_cut_off = 0;  // HostStats::followers_cut_off.
};

// Bytes of all groups of a node that wait for its disk or its processor.
struct NodeRooms {
  NodeRoom unwritten;       // Entries that the log has not written.
  NodeRoom unapplied;       // Committed entries that are not applied.
  NodeRoom staged;          // Received chunks that are not written.
  ReadRoom follower_reads;  // Chunks and entries that followers lack.
  ReadRoom loads;           // Pieces of snapshots that are installed.
};

// Memory that the steps of all replicas reuse.
struct StepMemory {
  OutputPool outputs;
  std::vector<Core::FollowerInFlight> in_flight;
};

struct ReplicaServices {
  // The world, its settings, and whom to tell.
  env::Env& env;
  const HostOptions& options;
  const std::shared_ptr<const CoreOptions>& core_options;
  HostObserver& observer;
  HostCalls& calls;
  const ReplicaTable& replicas;  // Those of this node.
  // Entries and snapshots.
  Log& log;
  LogBudgets& budgets;
  RemovedEntries& removed;
  SnapshotStore& snapshots;
  SnapshotTurn& snapshot_turn;
  NodeRooms& rooms;
  // Messages to other nodes.
  Outbox& outbox;
  SendRoom& send_room;
  Pulses& pulses;
  const ClockRates& clock_rates;
  // The work of a turn.
  CallbackQueue& callbacks;
  env::TurnMeter& apply_work;
  StepMemory& memory;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_REPLICA_SERVICES_H_
