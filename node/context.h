// node/context.h: the parts of one server that its sessions work with. All outlive every session.
//
// Handed to sessions instead of the server, which they must not know.
#ifndef QUORATE_NODE_CONTEXT_H_
#define QUORATE_NODE_CONTEXT_H_

#include "env/env.h"
#include "node/clients.h"
#include "node/config.h"
#include "node/metrics.h"
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
  MonoTime started;
  // Sessions opened and random keys drawn since the start; keys the draws.
  uint64_t draws = 0;

  MonoTime MonoNow() const { return env.loop.ReadClock().mono; }
  // KEYS, SCAN, DBSIZE, RANDOMKEY and FLUSHALL cover the groups for which this
  // holds: where clients are sent away, as in Redis Cluster, those that this
  // node leads; else all.
  bool Covers(const GroupQueue& queue) const {
    return config.redirect == Redirect::kProxy || config.self().read_only ||
           queue.leadership().kind == Leadership::Kind::kSelf;
  }
  // Unix time as log time counts it: never later than the true time.
  int64_t UnixMs() const {
    const WallTime now = env.loop.ReadClock().wall.earliest;
    return now == WallTime::Min() ? 0 : now.ms();
  }
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTEXT_H_
