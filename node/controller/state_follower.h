// node/controller/state_follower.h: the controller's state as a node knows it,
// and the map that the node makes of it.
#ifndef QUORATE_NODE_CONTROLLER_STATE_FOLLOWER_H_
#define QUORATE_NODE_CONTROLLER_STATE_FOLLOWER_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/controller/controller_link.h"
#include "node/routing/live_view.h"
#include "raft/host/host.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

inline constexpr char kRemovedText[] =
    "the cluster has removed this node, or has given up its data directory for "
    "another one; stop its process, and delete its directory";

class StateFollower {
 public:
  // All outlive the object. `changed`: another state is known, or this node is
  // given up.
  StateFollower(env::Env& env, raft::Host& host, const Config& config,
                ClusterMap& cluster, LiveView& view, ControllerLink& link,
                std::function<void()> changed)
      : env_(env),
        host_(host),
        config_(config),
        cluster_(cluster),
        view_(view),
        link_(link),
        changed_(std::move(changed)) {}
  StateFollower(const StateFollower&) = delete;
  StateFollower& operator=(const StateFollower&) = delete;

  void Start(std::string own_address) {
    working_ = true;
    own_address_ = std::move(own_address);
  }
  void Stop() {
    working_ = false;
    refusing_call_ = env::Pending();
  }

  // The newest one that is known, maybe that of this node's replica.
  const shardctrl::ClusterState& state() const;
  // The latest that another node sent.
  shardctrl::MapVersion received() const { return received_.version; }
  // The controller answered a command with this version.
  void OnAnswered(shardctrl::MapVersion version) {
    told_ = std::max(told_, version);
  }
  // Takes an encoded state, if it is newer.
  void Take(const Buffer& bytes);
  // Takes the state of this node's replica of the controller, or asks others.
  void Follow();
  // Whether a node has a state of a later recovery of the controller: the
  // replica of this node may be one that was given up.
  bool recovery_elsewhere() const { return KnowsRecovery() != NodeId(); }
  // Nodes refuse one that the cluster has removed, or whose store it has given
  // up. They are asked whether that is so: then this node gives its replicas
  // up. Others like them might come back and be a majority with them.
  // If it is not so, their map helps a node of which all that it knows are
  // gone. A node that knows none and is in no group asks at the seeds.
  void AskRefusing();
  // Makes the state the map of this node.
  void UpdateMap();
  // True if slots have other owners than in the map.
  bool SlotsMoved() const { return state().slots != mapped_slots_; }
  // Tells the map of the members of this node's groups.
  void NoteMembers();
  // The nodes that may hold a replica of the controller's group, the likeliest
  // first.
  std::vector<NodeId> Candidates() const;

 private:
  // Zero: none is known.
  NodeId KnowsRecovery() const;
  void OnRefusingAnswer(const absl::StatusOr<Buffer>& bytes);
  // Notes that the cluster has this node, or its store, no longer.
  void GiveUp();
  // Unless the map of this node is as new.
  void SetMap(shardctrl::ShardMap::Parts parts);

  env::Env& env_;
  raft::Host& host_;
  const Config& config_;
  ClusterMap& cluster_;
  LiveView& view_;
  ControllerLink& link_;
  const std::function<void()> changed_;
  bool working_ = false;
  std::string own_address_;
  // The newest state that another node sent. Empty at first.
  shardctrl::ClusterState received_ = {.version = shardctrl::MapVersion()};
  // The latest version that an answer to a command had.
  shardctrl::MapVersion told_;
  // The version that the map was made of.
  shardctrl::MapVersion mapped_;
  std::vector<shardctrl::AssignedRun> mapped_slots_;
  // The nodes of which a question for the state is under way. Zero: that of a
  // node that is not known to have a newer one, and may be gone.
  absl::btree_set<NodeId> asked_;
  // The question of AskRefusing that is under way, and the number of them.
  bool asks_refusing_ = false;
  size_t refusing_questions_ = 0;
  env::Pending refusing_call_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_STATE_FOLLOWER_H_
