// node/routing/leader_balance.h: transfers leadership of each group to its
// preferred replica, so that leaders are spread over the nodes.
//
// Only the leader transfers, and only to a replica on a connected node. It must
// have nearly the whole log and take entries, and its node must not give its
// own leaderships away. After a start a replica may have seconds of work with
// its log, and could answer nothing as the leader. The pause before the next
// transfer doubles after each transfer that did not last, so a preferred node
// that cannot keep leadership is left alone.
#ifndef QUORATE_NODE_ROUTING_LEADER_BALANCE_H_
#define QUORATE_NODE_ROUTING_LEADER_BALANCE_H_

#include <vector>

#include "env/env.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/routing/router.h"
#include "raft/host/host.h"

namespace quorate::node {

class LeaderBalance {
 public:
  // All parameters outlive it.
  LeaderBalance(env::Env& env, const Config& config, const ClusterMap& cluster,
                raft::Host& host, Router& router);
  LeaderBalance(const LeaderBalance&) = delete;
  LeaderBalance& operator=(const LeaderBalance&) = delete;

  // Reports that the map has other groups, or other preferred leaders.
  void OnMapChanged();
  // Call when leadership changed. A timer runs only while this node leads a
  // group that prefers another node.
  void OnLeadershipChanged();
  // While `gives_away`, this node transfers each leadership to any other voter
  // that can take it, because its disk has no room.
  void SetGivesAway(bool gives_away);
  // Transfers every leadership that another voter can take now, because this
  // node stops. Call it again until this node leads nothing: a target may fail,
  // or catch up later. Balancing ends.
  void TransferAllLeaderships();
  uint64_t transfers() const { return transfers_; }

 private:
  struct Preference {
    GroupId group;
    NodeId preferred;  // Zero: any other node.
    MonoTime not_before;
    Duration pause;
  };

  void MakePreferences();
  void Tick();
  bool Leads(GroupId group) const;
  // Another voter that can lead at once: one on node `wanted`, or any voter if
  // `wanted` is zero. `also_busy`: it may want no entries now.
  ReplicaId CaughtUp(GroupId group, NodeId wanted,
                     bool also_busy = false) const;

  env::Env& env_;
  const Config& config_;
  const ClusterMap& cluster_;
  raft::Host& host_;
  Router& router_;
  std::vector<Preference> preferences_;
  bool gives_away_ = false;
  bool stopped_ = false;
  bool armed_ = false;
  env::Pending timer_;
  uint64_t transfers_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_LEADER_BALANCE_H_
