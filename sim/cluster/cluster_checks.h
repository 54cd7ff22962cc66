// sim/cluster/cluster_checks.h: whether a cluster is in order, at a moment that
// the caller chooses, and the bounds that the configurations of its nodes set.
#ifndef QUORATE_SIM_CLUSTER_CLUSTER_CHECKS_H_
#define QUORATE_SIM_CLUSTER_CLUSTER_CHECKS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/store/store.h"
#include "node/config/config.h"
#include "sim/checks/log_space_checker.h"
#include "sim/checks/recorder.h"
#include "sim/checks/repeated_work.h"
#include "sim/checks/replica_checker.h"
#include "sim/choices/sim_time.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/group_members.h"
#include "sim/world/world.h"

namespace quorate::sim {

// The greatest value of a timing among all nodes.
Duration GreatestTiming(const Cluster& cluster,
                        Duration raft::CoreOptions::*timing);

// Time for a calm group to have a leader that each of its nodes knows.
Duration LeaderBound(const Cluster& cluster);

// How often an attempt in the calm may have to cross the network. Entries may
// wait until those of another group have left a small window.
int64_t CalmTrips(const Cluster& cluster);

// Time for an operation of which no fault is in the way.
Duration AvailabilityBound(const Cluster& cluster);

// The largest windows of all nodes: each may lead.
RepeatedWork::Windows WindowsOfLeaders(const Cluster& cluster);

// The reasons for which nodes may refuse writes.
Recorder::Limits LimitsOfNodes(const Cluster& cluster);

class ClusterChecks {
 public:
  // The arguments outlive this object.
  ClusterChecks(World* world, ReplicaChecker* replica_checker,
                const Cluster* cluster)
      : world_(*world),
        replica_checker_(*replica_checker),
        cluster_(*cluster) {}

  // Whether the node, which runs, has given up its replica of a group, and the
  // leader has not taken the next one in. So the group lacks a voter.
  bool LacksVoter(NodeId node) const;
  // Whether a majority of the group's voters are among `machines`, must work,
  // and need no snapshot.
  bool HasMajority(GroupId group, const std::vector<MachineId>& machines) const;
  // Whether all members of the group are among the machines and, but for
  // `node`, must work.
  bool AllWorkExcept(NodeId node, GroupId group,
                     const std::vector<MachineId>& machines) const;
  // Whether a majority of the voters is among the machines.
  bool HasVoters(const GroupMembers& shard,
                 const std::vector<MachineId>& machines) const;
  // The groups have the members of their founding, and each that is there can
  // have its replica. The controller brings back those that were given up, if
  // it has a majority on `machines`.
  bool MembersStayed(const std::vector<MachineId>& machines) const;
  // Whether every replica on `machines` has applied all entries of its leader,
  // and knows the same leader. Replicas that a fault of their disk keeps from
  // starting are left out.
  bool Settled(const std::vector<MachineId>& machines);
  // The entries that replicas applied, and the pieces of snapshots that they
  // received.
  uint64_t Progress() const;
  // Reports a leader that does not reach a majority of its voters, which it has
  // not heard since `since`. `part_of` returns the machines that reach each
  // other and this one. Empty: this is not known.
  void CheckLeaders(
      SimTime since,
      absl::FunctionRef<const std::vector<MachineId>&(MachineId)> part_of);
  // Reports a node that has not known the leader of a group for `bound`, since
  // `since` or a later call. It knows none, or names a node that does not lead
  // the group. It reaches a majority of sound voters of the group that have
  // started, all that time. The other arguments are those of CheckLeaders.
  void CheckKnownLeaders(
      SimTime since, Duration bound,
      absl::FunctionRef<const std::vector<MachineId>&(MachineId)> part_of);
  // How often either of these two looked at a leader, and at what a node knows.
  uint64_t leaders_checked() const { return leaders_checked_; }
  uint64_t known_leaders_checked() const { return known_leaders_checked_; }
  // Passes the log of each node that works to the checker.
  void CheckLogSpace(LogSpaceChecker* checker) const;
  // From now on no fault is left. EndCalm reports each group in which a
  // leadership began meanwhile. One is allowed if its leader is the preferred
  // node.
  void BeginCalm();
  void EndCalm();
  // The store of `node` must own the slots of `shard`.
  void CheckOwned(NodeId node, const GroupMembers& shard,
                  const kv::Store& store);
  // Compares the whole states of running replicas that have applied the same
  // index.
  void CompareStates();
  // The lines of the nodes' metrics that show waiting requests, entries under
  // way and unsent replies. Empty: there are none.
  std::string OpenWork() const;
  // Whether OpenWork has lines. It asks the counters without a text, so it may
  // be called at each event.
  bool HasOpenWork() const;
  // The idle nodes that have more files open than they need, one per line.
  // Empty: there are none.
  std::string SurplusOpenFiles() const;
  // Size of the open files of snapshots, of all nodes. It grows as long as one
  // is written, which may take long with a small rate of bulk work.
  uint64_t OpenSnapshotBytes() const;
  // The open work and the state of every replica, for people.
  std::string Describe() const;

 private:
  // None while the log may keep more: a replica does not work, or a snapshot
  // replaces its log.
  std::optional<LogSpaceChecker::Use> LogUseOf(NodeId node) const;
  // The number of groups in which the node is sending a snapshot. It may be one
  // that a newer snapshot has replaced.
  size_t SnapshotsInTransfer(NodeId node) const;
  // Whether the line of a page of metrics shows questions for the state of the
  // controller alone.
  bool ShowsPolls(absl::string_view line) const;
  // Appends the lines of OpenWork for one node.
  void AddOpenWork(NodeId node, std::string* open) const;
  // The machines of nodes that have started.
  std::vector<MachineId> StartedAmong(
      const std::vector<MachineId>& machines) const;
  // Whether a majority of the voters is among the machines and must work.
  bool MayHaveMajority(const GroupMembers& shard,
                       const std::vector<MachineId>& machines) const;
  // Whether the controller need not have a majority.
  bool ControllerIsLost(const std::vector<MachineId>& machines) const;
  // Whether the replica is halted, and must be. Its node has an older program,
  // and the level of the group rose before it had a member there.
  bool IsHaltedByRight(NodeId node, GroupId group) const;
  // A program that knows too low a level cannot join the group again.
  bool MayNotJoin(NodeId node, const raft::Core& leader) const;
  bool NamesNode(const raft::Configuration& configuration, NodeId node) const;
  // The node, which runs, has no replica of the group, or one that joins it.
  bool LacksReplica(NodeId node, GroupId group) const;
  // The leader of the group has a configuration without the node.
  bool LeftOut(GroupId group, NodeId node) const;
  // Whether the node has a replica of some group.
  bool IsMember(NodeId node) const;
  // Settled for the replicas of one shard.
  bool GroupSettled(const GroupMembers& shard,
                    const std::vector<MachineId>& machines) const;
  // The nodes whose replicas lack entries that the leader no longer has, or are
  // installing a snapshot. The logs say so, not the leader: it may believe this
  // of a replica for too long.
  std::vector<NodeId> NeedSnapshot(GroupId group) const;

  World& world_;
  ReplicaChecker& replica_checker_;
  const Cluster& cluster_;
  // The nodes that do not know the leader of a group, and since when.
  std::map<std::pair<NodeId, GroupId>, SimTime> leaderless_since_;
  // How many leaderships of each group had begun before the calm, and how many
  // were given away.
  struct Leaderships {
    size_t begun = 0;
    size_t given_away = 0;
  };
  std::map<GroupId, Leaderships> calm_leaderships_;
  // The place of the shard that had not settled at the last call of Settled.
  size_t unsettled_ = 0;
  uint64_t leaders_checked_ = 0;
  uint64_t known_leaders_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_CLUSTER_CHECKS_H_
