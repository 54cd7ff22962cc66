// node/connections/context.h: the parts of a server that its sessions use. All
// outlive every session.
//
// Sessions get it instead of the server, on which they must not depend.
#ifndef QUORATE_NODE_CONNECTIONS_CONTEXT_H_
#define QUORATE_NODE_CONNECTIONS_CONTEXT_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/env.h"
#include "env/ids.h"
#include "env/siphash.h"
#include "kv/slots/slot_strategy.h"
#include "node/base/disk_watch.h"
#include "node/base/http_date.h"
#include "node/base/memory_budget.h"
#include "node/base/output_budget.h"
#include "node/base/turn_work.h"
#include "node/cluster/cluster_map.h"
#include "node/commands/translate.h"
#include "node/config/config.h"
#include "node/config/config_parameters.h"
#include "node/connections/clients.h"
#include "node/connections/input_budget.h"
#include "node/connections/metrics.h"
#include "node/routing/router.h"
#include "node/routing/topology.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"
#include "shardctrl/move.h"

namespace quorate::node {

// The address to which a RESP client connected.
enum class RespAddress : uint8_t {
  // For plain clients: the node behaves as one Redis that holds every key. It
  // forwards commands to the leaders, and its answers are about all groups.
  kPlain,
  // For cluster clients: the node behaves as one of a Redis Cluster. It answers
  // MOVED, and commands without keys are about the groups that it leads.
  kCluster,
};

// A wish of an operator that cannot come true now. It is about a node, a group
// or a move; the others are zero.
struct StuckWish {
  NodeId node = {};
  GroupId group = {};
  MoveId move = {};
  std::string why = {};
};

// A move of slots that has not ended, as the leader of its source reported it.
struct MoveReport {
  MoveId move = {};
  std::string_view phase = {};
  uint32_t slots = 0;
  uint32_t copied_slots = 0;
  uint64_t copied_bytes = 0;
  uint64_t all_bytes = 0;
  uint64_t bytes_per_second = 0;
  std::optional<uint64_t> seconds_left = {};  // Nullopt: not known.
  uint64_t held_requests = 0;
  Duration longest_pause = {};
};

// Numbers the sets of slots that scans of this node cover, one after another.
// A scan whose set has another number than at its beginning would miss keys.
class ScanCoverage {
 public:
  // The number of the slots that `groups` have by the map of this version. It
  // differs from the numbers of all calls before map or groups changed last.
  uint64_t NumberOf(shardctrl::MapVersion map, std::vector<GroupId> groups) {
    if (map != map_ || groups != groups_) {
      map_ = map;
      groups_ = std::move(groups);
      ++number_;
    }
    return number_;
  }

 private:
  shardctrl::MapVersion map_;
  std::vector<GroupId> groups_;
  uint64_t number_ = 0;
};

struct Context {
  env::Env& env;
  const Config& config;
  // The limits that the cluster was founded with. Valid once the host has
  // started.
  const kv::Rules& rules;
  const ClusterMap& cluster;
  raft::Host& host;
  Router& router;
  Topology& topology;
  Metrics& metrics;
  Clients& resp_clients;
  Clients& http_clients;
  OutputBudget& output_budget;
  InputBudget& input_budget;
  MemoryBudget& memory_budget;
  TurnWork& work;
  const DiskWatch& disk;
  // The parameters of both addresses.
  const ConfigParameters& parameters;
  const ConfigParameters& cluster_parameters;
  // By node, group and move, as this node knows the controller's state.
  std::function<std::vector<StuckWish>()> stuck_wishes;
  // The moves of slots that have not ended.
  std::function<std::vector<MoveReport>()> moves;
  // Why this node is in the cluster no longer; empty: it is.
  std::function<std::string_view()> removed;
  MonoTime started;
  // The number of random draws since the start (opened sessions and random
  // keys); part of the key of each draw.
  uint64_t random_draws = 0;
  // Of SCAN on resp_cluster.
  ScanCoverage scan_coverage = {};
  HttpDate http_date = {};

  // The bits of a new session's id. They show no other draw: a client could
  // compute the ids of other sessions from a draw of `env`.
  uint64_t NewSessionBits() {
    const SipKey key = {env.secrets.Bits("node.session_key", 0, 0),
                        env.secrets.Bits("node.session_key", 0, 1)};
    return SipHash(key, random_draws++);
  }

  const ConfigParameters& parameters_of(RespAddress address) const {
    return address == RespAddress::kCluster ? cluster_parameters : parameters;
  }

  const kv::SlotStrategy& slots() const { return cluster.slots(); }
  MonoTime MonoNow() const { return env.loop.ReadClock().mono; }
  // The time for the token of a session. A clock whose error is not known may
  // be far from log time, which decides whether the token is valid.
  WallTime SessionTime() const {
    const WallInterval wall = env.loop.ReadClock().wall;
    const WallTime time = std::max(wall.bounded_earliest(), router.LogTime());
    return time > WallTime() ? time : wall.earliest;
  }
  // Unix time as log time counts it: never later than the true time.
  int64_t UnixMs() const {
    const WallTime now = env.loop.ReadClock().wall.earliest;
    return now == WallTime::Min() ? 0 : now.ms();
  }
  TranslationRules TranslationRulesNow() const {
    return {.now_ms = UnixMs(), .bounds = config.bounds, .slots = slots()};
  }
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_CONTEXT_H_
