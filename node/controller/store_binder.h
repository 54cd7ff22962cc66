// node/controller/store_binder.h: whether a new store becomes one of the
// cluster (raft::HostOptions::admit). The controller decides it.
#ifndef QUORATE_NODE_CONTROLLER_STORE_BINDER_H_
#define QUORATE_NODE_CONTROLLER_STORE_BINDER_H_

#include <cstddef>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "env/ids.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/time.h"
#include "node/admin/controller_access.h"
#include "raft/host/host.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

class StoreBinder {
 public:
  // New stores that are being decided about at a time.
  static constexpr size_t kAskedMax = 64;
  // The word of the controller that a store is that of its node holds so long.
  static constexpr Duration kBoundFor = Seconds(2);

  // Both outlive the object, and it outlives the answers.
  StoreBinder(env::Loop& loop, ControllerAccess& controller)
      : loop_(loop), controller_(controller) {}
  StoreBinder(const StoreBinder&) = delete;
  StoreBinder& operator=(const StoreBinder&) = delete;

  // OK: the store is that of its node. kPermissionDenied: it never will be.
  // kUnavailable: the controller is asked, unless `closed`, and the store asks
  // again.
  absl::Status Admit(const raft::JoinRequest& request, bool closed);

 private:
  void Bind(const raft::JoinRequest& request);
  MonoTime MonoNow() const { return loop_.ReadClock().mono; }

  env::Loop& loop_;
  ControllerAccess& controller_;
  // Stores about which the controller is asked; and those that it refuses, with
  // its reason. One that is forgotten makes the node ask again.
  absl::btree_map<StoreIncarnation, env::Pending> asking_;
  absl::btree_map<StoreIncarnation, std::string> refused_;
  // When the controller said that these are the stores of their nodes.
  absl::btree_map<StoreIncarnation, MonoTime> bound_;
};

// The nodes, groups and slots, for a store that is admitted
// (raft::HostOptions::welcome).
std::string WelcomeOf(shardctrl::ClusterState state);

// Whether the cluster has given up this store of the node.
bool IsGivenUp(const shardctrl::ClusterState& state, NodeId node,
               StoreIncarnation store);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_STORE_BINDER_H_
