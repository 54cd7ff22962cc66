// node/routing/leader_balance.h: hands leadership of each group to its preferred replica, so that one node does not lead everything.
//
// Only the leader acts, only towards a replica that holds everything, and again only after a pause that doubles with each
// attempt that did not last: a preferred node that cannot keep the role is left alone.
#ifndef QUORATE_NODE_ROUTING_LEADER_BALANCE_H_
#define QUORATE_NODE_ROUTING_LEADER_BALANCE_H_

#include <vector>

#include "env/env.h"
#include "node/config/config.h"
#include "node/routing/router.h"
#include "raft/host/host.h"

namespace quorate::node {

class LeaderBalance {
 public:
  // All outlive it.
  LeaderBalance(env::Env& env, const Config& config, raft::Host& host,
                Router& router);
  LeaderBalance(const LeaderBalance&) = delete;
  LeaderBalance& operator=(const LeaderBalance&) = delete;

  // Call when leadership changed; arms a timer only while this node leads a group that prefers another.
  void OnLeadershipChanged();
  // Hands over everything that another voter can take, for a node that stops. No further balancing.
  void TransferAllLeaderships();
  uint64_t transfers() const { return transfers_; }

 private:
  struct Preference {
    GroupId group;
    NodeId preferred;
    MonoTime not_before;
    Duration pause;
  };

  void Tick();
  // A voter other than this node that is known to hold the whole log; `wanted` or, if that is zero, any.
  NodeId CaughtUp(GroupId group, NodeId wanted) const;

  env::Env& env_;
  const Config& config_;
  raft::Host& host_;
  Router& router_;
  std::vector<Preference> preferences_;
  bool stopped_ = false;
  bool armed_ = false;
  env::Pending timer_;
  uint64_t transfers_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_LEADER_BALANCE_H_
