// sim/cluster/cluster.h: a cluster in a simulated world. node::MakeServer
// builds its servers, as in production, on machines of the world. A
// ReplicaChecker observes their replicas.
#ifndef QUORATE_SIM_CLUSTER_CLUSTER_H_
#define QUORATE_SIM_CLUSTER_CLUSTER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "kv/slots/slot_strategy.h"
#include "node/config/config.h"
#include "node/server.h"
#include "raft/host/host.h"
#include "raft/log/snapshot_format.h"
#include "raft/transport/transport.h"
#include "shardctrl/partition.h"
#include "sim/checks/leaderships.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/group_members.h"
#include "sim/cluster/mishap.h"
#include "sim/cluster/node_files.h"
#include "sim/cluster/places.h"
#include "sim/cluster/shadow_recovery.h"
#include "sim/cluster/wrong_state.h"
#include "sim/harness/supervisor.h"
#include "sim/schedule/damage_limits.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct ClusterOptions {
  uint32_t nodes = 5;            // Nodes that vote.
  uint32_t read_only_nodes = 0;  // Further nodes.
  // Places without a node at first, and further ones (PlacesOptions). Zeros:
  // nodes stay where they are.
  uint32_t spares = 0;
  uint32_t reserve = 0;
  uint32_t groups = 3;
  uint32_t replicas = 3;  // Voters of each group; at most `nodes`.
  // The configuration of the server of a place. The cluster fills in
  // identities, addresses and shards. Null: the default configuration.
  std::function<node::Config(NodeId)> configure;
  // The settings with which a node sends by the product's transport, over
  // simulated byte streams. Null: nodes send to each other over the simulated
  // network of messages.
  std::function<raft::TransportOptions(NodeId)> peer_streams;
  // The operator left `bootstrap` on, so a node that lost its disk asks for a
  // part in the founding. Requires: at least two voters in each group.
  bool bootstrap_left_on = false;
  // Operators make mistakes in the files of nodes, and start nodes with files
  // that the cluster has outgrown (sim/cluster/wrong_file.h).
  bool wrong_files = false;
  // Operators start nodes again with other addresses. The files of the others
  // keep the old ones, but each file that is written names the present
  // addresses as seeds.
  bool changed_addresses = false;
  // Operators start nodes again with the settings that another one was drawn.
  bool changed_settings = false;
  // A server that stopped acknowledging, or could not start, is killed, and
  // started again after about this time.
  Duration supervisor_delay = Seconds(2);
};

// Its functions know a node by the number of its place (Places::NumberOf).
//
// These are its rules, beside those of ReplicaChecker:
//   identity: a node without its disk does not start, unless it has a new
//   token.
//   admission: a store whose token is not valid does not start, and neither
//   does a second one with the same token. No node starts on the directory of
//   another one.
//   addresses: a node that started works, and listens where its file says.
class Cluster {
 public:
  // Adds the machines to `world`, in which they get the numbers of the places.
  // Nothing runs yet. Both arguments outlive the cluster. The step hook of the
  // world must call AfterTurn.
  Cluster(World& world, ReplicaChecker& replica_checker,
          const ClusterOptions& options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Called with each entry of any group when the first replica applies it.
  void SetCommitHook(
      absl::AnyInvocable<void(GroupId, const raft::Entry&)> hook) {
    commit_hook_ = std::move(hook);
  }
  // Called when the state of a replica is that after the entry `index`. Zero:
  // the node starts.
  using StateHook =
      absl::AnyInvocable<void(NodeId, GroupId, raft::Index index)>;
  void SetStateHook(StateHook hook) { state_hook_ = std::move(hook); }
  // Called after every fourth turn of a node whose server has started.
  using TurnHook = absl::AnyInvocable<void(NodeId, const node::Server&)>;
  void SetTurnHook(TurnHook hook) { turn_hook_ = std::move(hook); }
  // Called with the pieces of each request that a node hands to an open link to
  // another node.
  using RequestHook = absl::AnyInvocable<void(NodeId, const Buffer&)>;
  void SetRequestHook(RequestHook hook) { request_hook_ = std::move(hook); }
  // Called after every step of a replica. Null: no longer.
  using StepHook = absl::AnyInvocable<void(NodeId, GroupId, const raft::Core&,
                                           const raft::Output&)>;
  void SetStepHook(StepHook hook) { step_hook_ = std::move(hook); }
  // Ends the recoveries of copied disks.
  void EndShadows() { shadows_.End(); }
  // From now on the operators of all nodes make no mistakes in their files, and
  // addresses stay.
  void MendFiles() { files_.Mend(); }
  // Whether some replica of the node need not work: the disk was damaged or
  // erased, or it returned an error to the running program.
  bool MayNotWork(NodeId node) const {
    return HasErasedDisk(node) || HasDamagedDisk(node) ||
           world_.disk_failures(machine(node)) > 0;
  }
  // Whether the replica of the group need not work. It needs no snapshots of
  // other groups.
  bool MayNotWork(NodeId node, GroupId group) const {
    if (HasErasedDisk(node) || world_.disk_failures(machine(node)) > 0) {
      return true;
    }
    const DamagedFiles* const damaged = DamagedOn(node);
    if (damaged == nullptr) return false;
    for (const std::string& file : *damaged) {
      const auto snapshot = raft::ParseSnapshotName(file);
      if (!snapshot.has_value() || snapshot->group.group == group) return true;
    }
    return false;
  }
  // Whether the whole node need not start. It needs no snapshots for that.
  bool MayNotStart(NodeId node) const { return MayNotWork(node, GroupId()); }
  // Whether the node lost its disk.
  bool HasErasedDisk(NodeId node) const {
    return node == NodeId() || lost_.contains(node) ||
           places_.IsErased(PlaceOf(node)) ||
           (erased_ != nullptr && erased_(machine(node)));
  }
  // Whether the simulator has damaged the node's disk.
  bool HasDamagedDisk(NodeId node) const { return DamagedOn(node) != nullptr; }
  // Boots every machine.
  void Start();
  // The groups have other members or slots.
  void SetGroups(std::vector<GroupMembers> groups) {
    groups_ = std::move(groups);
  }
  // Asks the server to stop, and ends its program when it has. Once in each
  // incarnation.
  void Stop(MachineId machine);
  // Makes the state of one replica of the machine wrong in memory. Returns
  // false if no replica is fit for that now: it leads, follows no leader, or
  // compares its state too seldom.
  bool SpoilState(MachineId machine, uint64_t draw);
  // Whether the machine, which is down, may start from `older`, its disk of
  // before. No vote may be lost with it. Of each group a majority without the
  // machine must have all its entries. The checkers excuse it from then on.
  bool MayPutBack(MachineId machine, const ShadowRecovery::Files& older);
  // Checks that wrong states were noticed (WrongStates::Check).
  void CheckWrongStates(SimTime calm_since, Duration bound,
                        WrongStates::Connected connected) {
    wrong_states_.Check(world_.now(), calm_since, bound, connected);
  }
  // Machines that still have a wrong state are lost now. Where members change,
  // the states are mended instead.
  void EndWrongStates();
  // Machines that started from an older disk are lost now.
  void EndOlderDisks();
  // Recovers a copy of the node's disk in a world of its own
  // (sim/cluster/shadow_recovery.h).
  void Recover(NodeId node) {
    shadows_.Recover(node, machine(node), files_.ConfigOf(PlaceOf(node)));
  }
  // Recovers a copy of the node's disk after a mishap (sim/cluster/mishap.h).
  void RecoverAfter(const Mishap& mishap, NodeId node) {
    shadows_.RecoverAfter(mishap, node, machine(node),
                          files_.ConfigOf(PlaceOf(node)));
  }
  // Adds the states of all cores to the hash of the run.
  void HashCores();
  // Checks the changes that the last turn of `machine` made.
  void AfterTurn(MachineId machine);

  Places& places() { return places_; }
  const Places& places() const { return places_; }
  const std::vector<MachineId>& machines() const { return places_.machines(); }
  MachineId machine(NodeId node) const { return machines()[PlaceOf(node)]; }
  // The monotonic time that the clock of the node has lost since then. Zero:
  // the most of any node.
  Duration LostTime(NodeId node, SimTime since) const {
    Duration most;
    for (const node::NodeConfig& one : nodes()) {
      if (node != NodeId() && node != one.id) continue;
      const SimClock& clock = world_.clock(machine(one.id));
      most = std::max(most, clock.FrozenFor(since, world_.now()) +
                                clock.Slowed(since, world_.now()));
    }
    return most;
  }
  // The drawn settings, by node.
  const std::vector<node::Config>& configs() const { return files_.settings(); }
  // By node. Empty if nodes send over the network of messages.
  const std::vector<raft::TransportOptions>& peer_streams() const {
    return peer_streams_;
  }
  // Whether nodes may start again with other addresses.
  bool changes_addresses() const { return files_.changes_addresses(); }
  // With their present addresses.
  const std::vector<node::NodeConfig>& nodes() const { return places_.nodes(); }
  // The groups of stores with which the cluster is founded.
  const std::vector<node::ShardConfig>& shards() const {
    return files_.shards();
  }
  // All groups as they are: those of stores, then that of the controller.
  const std::vector<GroupMembers>& groups() const { return groups_; }
  std::vector<GroupMembers> stores() const;
  // Their machines.
  std::vector<MachineId> VotersOf(const GroupMembers& group) const {
    std::vector<MachineId> voters;
    for (const NodeId node : group.voters) voters.push_back(machine(node));
    return voters;
  }
  // The settings of its transport; empty if nodes send over the network of
  // messages.
  std::optional<raft::TransportOptions> PeerStreamsOf(NodeId node) const {
    if (peer_streams_.empty()) return std::nullopt;
    return peer_streams_[PlaceOf(node)];
  }
  // Whether the node has a replica of some group of stores.
  bool HasReplica(NodeId node) const;
  // The addresses of all nodes, in order: for plain clients, and for cluster
  // clients.
  std::vector<std::string> resp_addresses() const {
    return AddressesOf(&node::NodeConfig::resp);
  }
  std::vector<std::string> resp_cluster_addresses() const {
    return AddressesOf(&node::NodeConfig::resp_cluster);
  }
  // Every address at which nodes may listen.
  std::vector<std::string> all_addresses() const;
  std::vector<std::string> http_addresses() const {
    return AddressesOf(&node::NodeConfig::http);
  }
  // Null while the machine is down or the server has not started.
  node::Server* server(NodeId node) const { return ServerAt(PlaceOf(node)); }
  node::Server* ServerAt(size_t place) const;
  // The highest level that the running program of the node knows.
  raft::Level KnownLevel(NodeId node) const;
  // Operators replace the older programs that still run.
  void ReplaceOlderPrograms();
  // The running replica of the group with this id. Null: there is none.
  const raft::Core* FindReplica(GroupId group, ReplicaId replica) const;
  // The running node that considers itself the leader of the group, in the
  // latest term. Zero if there is none.
  NodeId LeaderOf(GroupId group) const;
  // How often a leader gave the group away because its disk was behind.
  size_t given_away(GroupId group) const {
    const auto found = given_away_.find(group);
    return found == given_away_.end() ? 0 : found->second;
  }
  // Whether each running node for which `works` returns true has links to all
  // others.
  bool Linked(absl::FunctionRef<bool(NodeId)> works) const;
  // The number of the place where this node has its store. Zero: nowhere.
  NodeId NumberOf(NodeId node) const {
    const size_t place = places_.PlaceOf(node);
    return place == places_.size() ? NodeId() : Places::NumberOf(place);
  }
  // How the cluster divides its keys.
  const KeyDivision& division() const { return files_.division(); }
  const std::shared_ptr<const kv::SlotStrategy>& slots() const {
    return slots_;
  }
  // The group that owns the key, or the slot, at the founding.
  GroupId GroupOf(std::string_view key) const {
    return GroupOf(slots_->SlotOf(key));
  }
  GroupId GroupOf(Slot slot) const { return OwnerIn(founded_, slot); }
  // The group that owns it now.
  GroupId OwnerOf(Slot slot) const { return OwnerIn(groups_, slot); }
  const Leaderships& leaderships() const { return leaderships_; }
  // How many copies of disks were recovered.
  uint64_t shadow_recoveries() const { return shadows_.recoveries(); }
  // How many of them started the node.
  uint64_t shadow_starts() const { return shadows_.starts(); }
  // False: the cluster may still have to be founded, which needs all nodes.
  bool AllStartedOnce() const { return places_.AllFoundersStarted(); }
  // How many leading bytes of a file may be damaged. The machine must be down.
  uint64_t DamageLimit(MachineId machine, std::string_view file) const {
    return damage_limits_.Of(machine, file);
  }
  // `damaged` returns the files of a machine that the simulator has damaged, or
  // null. An empty name stands for all files. Other damage of a log or a
  // snapshot is a violation.
  using DamagedFiles = absl::btree_set<std::string>;
  void SetDamaged(
      absl::AnyInvocable<const DamagedFiles*(MachineId) const> damaged) {
    damaged_ = std::move(damaged);
  }
  // `erased` returns whether a machine's disk was erased. A server must not
  // start there.
  void SetErased(absl::AnyInvocable<bool(MachineId) const> erased) {
    erased_ = std::move(erased);
  }
  // `bound` returns whether the controller ever took the store for that of the
  // node. Such a store may start late, with a token that was replaced since.
  using Bound = std::function<bool(NodeId, StoreIncarnation)>;
  void SetBound(Bound bound) { bound_ = std::move(bound); }
  // The number of steps of all replicas' cores.
  uint64_t core_steps() const { return core_steps_; }
  // Counts a mark as reached.
  void Mark(NodeId node, std::string_view mark) {
    world_.env(machine(node)).tracer.Sometimes(mark);
  }

 private:
  class Program;
  friend class Program;

  // Null: none.
  const DamagedFiles* DamagedOn(NodeId node) const {
    if (places_.IsDamaged(PlaceOf(node))) {
      return &places_.tenant(PlaceOf(node))->damaged;
    }
    return damaged_ == nullptr ? nullptr : damaged_(machine(node));
  }
  std::vector<node::Config> SettingsOf(const ClusterOptions& options);
  static size_t PlaceOf(NodeId node) { return Places::PlaceWith(node); }
  // The most bytes of entries that the node may have under way to another one.
  uint64_t SendWindowOf(size_t place) const;
  // The groups as they are founded.
  std::vector<GroupMembers> FoundedGroups() const;
  static GroupId OwnerIn(const std::vector<GroupMembers>& groups, Slot slot);
  std::vector<std::string> AddressesOf(
      std::string node::NodeConfig::*kind) const;
  // Checks that the node may start, and notes that it did.
  void CheckIdentity(NodeId node);
  // Checks that every replica of a node that started works.
  void CheckStart(NodeId node, const raft::Host& host);
  // The node could not start, or stopped by itself.
  void OnNodeStopped(NodeId node, const absl::Status& why);

  void EndWrongState(NodeId node);
  // The machine breaks down after this turn: its disk is erased, for the rest
  // of the run.
  void Lose(NodeId node);
  void NoteState(NodeId node, GroupId group, raft::Index index) {
    if (state_hook_) state_hook_(node, group, index);
  }

  World& world_;
  ReplicaChecker& replica_checker_;
  DamageLimits damage_limits_;
  ShadowRecovery shadows_;
  Supervisor supervisor_;
  const ClusterOptions options_;
  absl::AnyInvocable<void(GroupId, const raft::Entry&)> commit_hook_;
  StateHook state_hook_;
  TurnHook turn_hook_;
  RequestHook request_hook_;
  StepHook step_hook_;
  absl::AnyInvocable<const DamagedFiles*(MachineId) const> damaged_;
  absl::AnyInvocable<bool(MachineId) const> erased_;
  Bound bound_;
  Places places_;
  NodeFiles files_;
  const std::shared_ptr<const kv::SlotStrategy> slots_;
  std::vector<GroupMembers> founded_;
  std::vector<GroupMembers> groups_;
  std::vector<raft::TransportOptions> peer_streams_;  // By place, or empty.
  // The program of each place. Null while it is down, or the place is free.
  std::vector<Program*> programs_;
  // For each place, whether the first start came after the disk was erased.
  std::vector<bool> created_late_;
  // The replicas that nodes gave up because of damage, once in the run.
  std::set<std::pair<NodeId, GroupId>> dropped_;
  WrongStates wrong_states_;
  std::set<NodeId> lost_;   // See Lose.
  std::set<NodeId> older_;  // The nodes with an older disk.
  uint64_t core_steps_ = 0;
  std::map<GroupId, size_t> given_away_;
  Leaderships leaderships_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_CLUSTER_H_
