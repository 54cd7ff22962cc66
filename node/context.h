// node/context.h: the parts of one server that its sessions work with. All outlive every session.
//
// Handed to sessions instead of the server, which they must not know.
#ifndef QUORATE_NODE_CONTEXT_H_
#define QUORATE_NODE_CONTEXT_H_

#include <algorithm>

#include "env/env.h"
#include "node/clients.h"
#include "node/config.h"
#include "node/metrics.h"
#include "node/output_budget.h"
#include "node/router.h"
#include "node/topology.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"

namespace quorate::node {

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
  // KEYS, SCAN, DBSIZE, RANDOMKEY and INFO's keyspace cover the groups for
  // which this holds: those that this node leads, so that a cluster's client
  // which asks every master gets each key once; on a node that never leads,
  // all that it can reach.
  bool Covers(const GroupQueue& queue) const {
    return queue.leadership().kind == Leadership::Kind::kSelf ||
           (config.self().read_only ||
            (PassesOn() &&
             std::ranges::none_of(router.queues(),
                                  [](const auto& q) { return q->hosted(); })));
  }
  // FLUSHALL, which may be done twice, covers every group where it can.
  bool PassesOn() const {
    return config.redirect == Redirect::kProxy || config.self().read_only;
  }
  // Unix time as log time counts it: never later than the true time.
  int64_t UnixMs() const {
    const WallTime now = env.loop.ReadClock().wall.earliest;
    return now == WallTime::Min() ? 0 : now.ms();
  }
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTEXT_H_
