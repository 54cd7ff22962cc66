// node/connections/context.h: the parts of one server that its sessions work with. All outlive every session.
//
// Handed to sessions instead of the server, which they must not know.
#ifndef QUORATE_NODE_CONNECTIONS_CONTEXT_H_
#define QUORATE_NODE_CONNECTIONS_CONTEXT_H_

#include <cstdint>

#include "env/env.h"
#include "node/base/output_budget.h"
#include "node/config/config.h"
#include "node/connections/clients.h"
#include "node/connections/metrics.h"
#include "node/routing/router.h"
#include "node/routing/topology.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"

namespace quorate::node {

// The address that a RESP client came by.
enum class RespAddress : uint8_t {
  // For plain clients: the node behaves as one Redis that holds every key. It
  // forwards commands to the leaders, and its answers are about all groups.
  kPlain,
  // For cluster clients: the node behaves as one of a Redis Cluster. It answers
  // MOVED, and commands without keys are about the groups that it leads.
  kCluster,
};

struct Context {
  env::Env& env;
  const Config& config;
  const shardctrl::ShardMap& map;
  raft::Host& host;
  Router& router;
  Topology& topology;
  Metrics& metrics;
  Clients& resp_clients;
  Clients& http_clients;
  OutputBudget& output_budget;
  MonoTime started;
  // Sessions opened and random keys drawn since the start; keys the draws.
  uint64_t draws = 0;

  MonoTime MonoNow() const { return env.loop.ReadClock().mono; }
  // Unix time as log time counts it: never later than the true time.
  int64_t UnixMs() const {
    const WallTime now = env.loop.ReadClock().wall.earliest;
    return now == WallTime::Min() ? 0 : now.ms();
  }
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_CONTEXT_H_
