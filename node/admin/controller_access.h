// node/admin/controller_access.h: what the admin address needs of the
// controller. node/controller/ has the implementation.
#ifndef QUORATE_NODE_ADMIN_CONTROLLER_ACCESS_H_
#define QUORATE_NODE_ADMIN_CONTROLLER_ACCESS_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/bulk/bulk_pace.h"
#include "env/ids.h"
#include "env/time.h"
#include "node/base/disk_watch.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/recovery.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

// A replica that the leader of its group fills.
struct FilledReplica {
  GroupId group;
  NodeId node;
  uint64_t bytes = 0;        // It has these of its snapshot.
  uint64_t bytes_total = 0;  // Zero: it gets entries alone.
  friend bool operator==(const FilledReplica&, const FilledReplica&) = default;
};

// Commands that a node held since the slots of a move had no owner, and the
// longest time that one of them waited so far.
struct HeldCommands {
  MoveId move;
  uint64_t commands = 0;
  Duration longest_pause = {};
  friend bool operator==(const HeldCommands&, const HeldCommands&) = default;
};

// The data and the work of a node, as it says itself.
struct NodeUsage {
  uint64_t bytes = 0;  // Keys and values of its replicas.
  // The disk of its data directory. The size is zero until it is known.
  DiskRoom disk = {};
  // Its snapshots fail, because that disk has no room.
  bool lacks_disk = false;
  // Bytes below limits.memory_bytes. The largest number: there is no limit.
  uint64_t memory_left = ~uint64_t{0};
  // The wait that holds its snapshots and copies back.
  env::BulkBrake brake = env::BulkBrake::kNone;
  // Members of the groups that it leads; at most kFilledMax.
  std::vector<FilledReplica> filled;
  static constexpr size_t kFilledMax = 1000;
  // By move, without those that held no command; at most kHeldMax.
  std::vector<HeldCommands> held;
  static constexpr size_t kHeldMax = 1000;
  std::vector<GroupId> leads;  // Ascending; at most shardctrl::kGroupsMax.
  friend bool operator==(const NodeUsage&, const NodeUsage&) = default;
};

// The answers of all nodes that answered.
using ClusterUsage = absl::btree_map<NodeId, NodeUsage>;

class ControllerAccess {
 public:
  using Answered =
      absl::AnyInvocable<void(absl::StatusOr<shardctrl::ControllerAnswer>)>;

  // Executes a command. `done` is called once, perhaps during the call. Errors:
  //   kUnavailable: no leader answered in time. The command has no effect.
  //   kUnknown: no leader answered, and the command may have taken effect, or
  //     may do so later.
  //   kFailedPrecondition: the cluster has removed this node.
  virtual void Execute(shardctrl::ControllerCommand command, bool dry_run,
                       Answered done) = 0;
  // Brings state() up to date: it then has all commands that were answered
  // before this call. Errors are those of Execute.
  virtual void Refresh(absl::AnyInvocable<void(absl::Status)> done) = 0;
  // The newest known state. Requires: Refresh has succeeded once.
  virtual const shardctrl::ClusterState& state() const = 0;
  // Asks every node that is alive. `done` is called once; a node that does not
  // answer within a second is left out.
  virtual void AskUsage(absl::AnyInvocable<void(ClusterUsage)> done) = 0;
  // The same for the replicas of a group. It may lack some.
  virtual void AskSurvivors(
      GroupId group, absl::AnyInvocable<void(shardctrl::Survivors)> done) = 0;
  // Recovers the controller's own group from the replica of `node`, without a
  // command: there is no controller to take it (raft::Host::RecoverReplica).
  virtual void RecoverController(
      NodeId node, ReplicaId replica, uint64_t generation,
      absl::AnyInvocable<void(absl::Status)> done) = 0;
  virtual NodeId self() const = 0;
  virtual ClusterId cluster() const = 0;
  // The address at which other nodes reach this one.
  virtual std::string peer_address() const = 0;
  // 128 bits that no client can guess. Without a key they are drawn from the
  // operating system. With one, every node of the cluster has the same bits, so
  // a request that is sent again has the same secret.
  virtual std::pair<uint64_t, uint64_t> Secret(std::string_view key) = 0;

 protected:
  ~ControllerAccess() = default;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_CONTROLLER_ACCESS_H_
