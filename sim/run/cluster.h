// sim/run/cluster.h: a whole cluster in a simulated world: servers built by
// node::MakeServer, the same function as in production, on machines of the
// world, and the judges that watch their replicas.
#ifndef QUORATE_SIM_RUN_CLUSTER_H_
#define QUORATE_SIM_RUN_CLUSTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "node/config/config.h"
#include "node/server.h"
#include "raft/host/host.h"
#include "sim/checks/replica_checker.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct ClusterOptions {
  uint32_t nodes = 5;
  uint32_t groups = 3;
  uint32_t replicas = 3;  // Voters of each group; at most `nodes`.
  // Knobs of every server; identities, addresses and shards are filled in.
  node::Config config;
  // A server that stopped acknowledging (or could not start) is killed, and
  // started again after about so long.
  Duration supervisor_delay = Seconds(2);
};

class Cluster {
 public:
  // Adds the machines to `world` (machine i + 1 is node i + 1 of an empty
  // world); nothing runs yet. Both outlive the cluster; the step hook of the
  // world calls AfterTurn.
  Cluster(World& world, ReplicaChecker& replica_checker,
          const ClusterOptions& options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Called with each entry when the first replica applies it.
  void SetCommitHook(
      absl::AnyInvocable<void(GroupId, const raft::Entry&)> hook) {
    commit_hook_ = std::move(hook);
  }
  // Boots every machine.
  void Start();
  // Looks at what the last turn of `machine` changed.
  void AfterTurn(MachineId machine);

  const std::vector<MachineId>& machines() const { return machines_; }
  MachineId machine(NodeId node) const { return machines_[node.value() - 1]; }
  const std::vector<node::ShardConfig>& shards() const { return shards_; }
  // By node: for plain clients, and for cluster clients.
  std::vector<std::string> resp_addresses() const;
  std::vector<std::string> resp_cluster_addresses() const;
  // Null while the machine is down. Not OK Started: still null.
  node::Server* server(NodeId node) const;
  // Who leads the group now, if somebody running says that it does (of the
  // latest term); zero if none.
  NodeId LeaderOf(GroupId group) const;
  // Every replica on `machines` has applied all that its leader has, and names the same leader. Spared are those that need not
  // start: fenced ones, and any on a rotten disk.
  bool Settled(const std::vector<MachineId>& machines) const;
  // CLUSTER answers of every running node name each group's leader, and as failed exactly the nodes without a working replica.
  bool ViewsAreTrue() const;
  // Compares the states of all running replicas that stand at the same index,
  // whole.
  void CompareStates();
  std::string Describe() const;
  // Who owns `key`.
  GroupId GroupOf(std::string_view key) const;
  // When somebody last began to lead that group.
  SimTime LastLeaderChange(std::string_view key) const;
  // Who began to lead, when, in order.
  struct Leadership {
    SimTime time;
    GroupId group;
    NodeId node;
    raft::Term term;
  };
  const std::vector<Leadership>& leaderships() const { return leaderships_; }
  // When a node's program began, or ended with a crash, in order.
  struct Life {
    SimTime time;
    NodeId node;
    bool begins = false;
  };
  const std::vector<Life>& lives() const { return lives_; }
  // How many leading bytes of a file of a machine that is down may rot such that recovery can tell it from a torn tail.
  uint64_t DamageLimit(MachineId machine, std::string_view file) const;
  // Tells which machines' stored bits were flipped: only there may a replica find its log or snapshot damaged.
  void SetDamaged(absl::AnyInvocable<bool(MachineId) const> damaged) {
    damaged_ = std::move(damaged);
  }
  // Tells which machines lost their disk: there nothing may start.
  void SetErased(absl::AnyInvocable<bool(MachineId)> erased) {
    erased_ = std::move(erased);
  }
  // A rare situation was reached.
  void Mark(NodeId node, std::string_view mark);

 private:
  class Program;
  friend class Program;

  // Which of the node's replicas did not start, and whether they may.
  void CheckStart(NodeId node, const raft::Host& host);
  bool HasDamagedDisk(NodeId node) const {
    return damaged_ != nullptr && damaged_(machine(node));
  }

  node::Config ConfigOf(NodeId node) const;
  void Supervise(MachineId machine, const absl::Status& why);

  World& world_;
  ReplicaChecker& replica_checker_;
  const ClusterOptions options_;
  absl::AnyInvocable<void(GroupId, const raft::Entry&)> commit_hook_;
  absl::AnyInvocable<bool(MachineId) const> damaged_;
  absl::AnyInvocable<bool(MachineId)> erased_;
  std::vector<node::NodeConfig> nodes_;
  std::vector<node::ShardConfig> shards_;
  std::vector<MachineId> machines_;
  std::vector<Program*> programs_;  // By node; null while down.
  std::vector<bool> created_;       // By node: a start succeeded once, so the
                                    // directory is not empty any more.
  std::vector<bool>
      created_late_;  // By node: for the first time after its disk was lost.
  std::vector<bool> supervised_;  // By node: a kill is on its way.
  std::map<uint32_t, uint32_t> node_of_machine_;
  std::vector<Leadership> leaderships_;
  std::vector<Life> lives_;
  std::set<GroupId> led_;  // Had a leader.
  std::map<GroupId, SimTime> last_leader_change_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_CLUSTER_H_
