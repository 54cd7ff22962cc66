// shardctrl/controller/state.h: the state of the controller as a value: nodes,
// groups, slots and settings of a cluster, with a version.
//
// apply.h changes it, and all else reads it. It knows neither time nor the
// work that is under way on nodes: they report what they did.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_STATE_H_
#define QUORATE_SHARDCTRL_CONTROLLER_STATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"
#include "shardctrl/controller/move.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

// The group of the controller itself, in every cluster.
inline constexpr GroupId kControllerGroup{0xffffffff};
// raft::Configuration::machine_kind of that group: "QCTL".
inline constexpr uint32_t kControllerKind = 0x4c544351;

inline constexpr size_t kNodesMax = 1000;
inline constexpr size_t kGroupsMax = 10000;
// Voters that an operator may want for a group. One that was founded with a
// file has up to raft::kConfigurationMembersMax.
inline constexpr uint32_t kReplicasMax = 9;
// Of nodes and of groups.
inline constexpr uint32_t kWeightMax = 1000000;
inline constexpr uint32_t kNodeWeight = 100;   // Where none is given.
inline constexpr uint32_t kGroupWeight = 100;  // Where none is given.
inline constexpr size_t kHistoryMax = 256;
inline constexpr size_t kOperationsMax = 1024;
// Results of operations are forgotten after this time.
inline constexpr Duration kOperationsKept = Seconds(3600);
// The version rises by this for each generation of the controller's own group
// (RecoverGroup). So each node takes the state for newer than all that the lost
// majority may have made.
inline constexpr uint64_t kVersionsOfAGeneration = uint64_t{1} << 32;
// Nodes that were removed stay in the list, the last of them.
inline constexpr size_t kRemovedNodesMax = 64;

// The numbers of all enumerations are stored: never renumber them.
enum class NodeRole : uint8_t {
  kData = 1,      // Holds voters.
  kReadOnly = 2,  // Holds a learner of every group of data.
  kRouter = 3,    // Holds no replica.
};

enum class NodeState : uint8_t {
  kJoining = 1,   // No store is bound to it: its process has not come yet.
  kUp = 2,        // Takes replicas, as its role says.
  kDraining = 3,  // Gives its replicas up. It serves as a router.
  kRemoved = 4,   // No node has this id any more.
};

// In the form "host:port". Empty: none.
struct ReportedAddresses {
  std::string peer = {};
  std::string resp = {};
  std::string resp_cluster = {};
  std::string http = {};
  std::string admin = {};
  friend bool operator==(const ReportedAddresses&,
                         const ReportedAddresses&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.peer, self.resp, self.resp_cluster, self.http, self.admin);
  }
};

// A digest of the secret of a token (token.h). Zero: no token is valid.
struct TokenDigest {
  uint64_t first = 0;
  uint64_t second = 0;
  bool empty() const { return first == 0 && second == 0; }
  friend bool operator==(const TokenDigest&, const TokenDigest&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.first, self.second);
  }
};

struct NodeRecord {
  NodeId id = {};
  std::string name = {};  // Unique; never empty.
  std::string zone = {};
  std::string host = {};  // The machine. Empty: one that no other node is on.
  uint32_t weight = kNodeWeight;
  NodeRole role = NodeRole::kData;
  NodeState state = NodeState::kJoining;
  // Zero: none is bound.
  StoreIncarnation store = {};
  // The store that the id had before its replacement. It never comes back.
  StoreIncarnation former_store = {};
  // The newest that the node reported, and the number of that start.
  ReportedAddresses addresses = {};
  uint64_t start_number = 0;
  // Valid for the first store that shows the token, until log time has come.
  TokenDigest token = {};
  WallTime token_expires{0};
  // Draining ends with its removal.
  bool leaving = false;
  // An operator said that it will not come back. Only with `leaving`.
  bool lost = false;
  // Its process reported that it has no replica. Only with `leaving`. Until
  // then a leader with an old state may make its replica a voter.
  bool empty = false;
  // The log time at which the others began to hear nothing of it; zero: they
  // hear it. A removed node has the time of its removal here.
  WallTime silent_since{0};
  // It was silent so long that its replicas are rebuilt on other nodes.
  bool dead = false;

  // A node of the founding that has not reported its store yet.
  bool IsUnboundFounder() const {
    return store == StoreIncarnation() && former_store == StoreIncarnation() &&
           (state == NodeState::kUp || state == NodeState::kDraining);
  }

  friend bool operator==(const NodeRecord&, const NodeRecord&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.id, self.name, self.zone, self.host, self.weight, self.role,
          self.state, self.store, self.former_store, self.addresses,
          self.start_number, self.token, self.token_expires, self.leaving,
          self.lost, self.empty, self.silent_since, self.dead);
  }
};

enum class ReplicaPurpose : uint8_t { kVoter = 1, kLearner = 2 };

// A replica that the planner wants. The node names it.
struct WantedReplica {
  NodeId node = {};
  ReplicaPurpose purpose = ReplicaPurpose::kVoter;
  // The replica that the node reported last, and its store. Zero: none yet.
  StoreIncarnation store = {};
  ReplicaId replica = {};
  friend bool operator==(const WantedReplica&, const WantedReplica&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.node, self.purpose, self.store, self.replica);
  }
};

// A committed configuration of a group as its leader reported it.
struct ReportedConfiguration {
  raft::LogPosition position = {};
  raft::Configuration configuration = {};
  NodeId leader = {};
  raft::Term term = {};  // That of the leader.
  // Rises with each report of a leader, so that a late copy of one changes
  // nothing.
  uint64_t number = 0;
  // The change of voters that the leader is about to propose, or has proposed.
  // Leaders propose only one that is noted here: no store that it needs is
  // given up meanwhile.
  std::optional<raft::Configuration> next = {};
  // The reason why the leader cannot do what is wanted now. Empty: none.
  std::string problem = {};
  friend bool operator==(const ReportedConfiguration&,
                         const ReportedConfiguration&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.position.term, self.position.index, self.configuration,
          self.leader, self.term, self.number, self.next, self.problem);
  }
  // True if this one replaces `other`: generation, then position.
  bool IsNewerThan(const ReportedConfiguration& other) const;
};

// An operator gave up the majority of a group. The store `store` of a node
// makes its replica the only voter of a configuration of this generation.
struct GroupRecovery {
  NodeId node = {};
  StoreIncarnation store = {};
  // The one that it holds until then. It is replaced by one with a new id.
  ReplicaId replica = {};
  uint64_t generation = 0;
  friend bool operator==(const GroupRecovery&, const GroupRecovery&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.node, self.store, self.replica, self.generation);
  }
};

struct GroupRecord {
  GroupId id = {};
  std::string name = {};  // Unique; never empty.
  // The number of voters that it shall have.
  uint32_t replicas = 0;
  // Its share of the slots, beside those of others, wherever slots are divided.
  uint32_t weight = kGroupWeight;
  // Sorted by node, each node once.
  std::vector<WantedReplica> wanted = {};
  // The voter that shall lead: the choice of the planner or of an operator, the
  // newer one. Zero: no voter is wanted.
  NodeId preferred_leader = {};
  // It was founded with the cluster, or has reported itself.
  bool founded = false;
  // Entry 1 of a group that is not founded. Set once all wanted replicas have
  // their ids; it never changes then.
  std::optional<raft::Configuration> first = {};
  // None: the group has not reported itself yet.
  std::optional<ReportedConfiguration> reported = {};
  // Until the leader reports that generation. Meanwhile the planner leaves the
  // wanted replicas as they are.
  std::optional<GroupRecovery> recovery = {};
  // It ends once it owns no slot and takes part in no move.
  bool retiring = false;
  // It was created, and no slots have been moved to it for that.
  bool awaits_share = false;

  // The wanted replica on this node, or null.
  const WantedReplica* WantedOn(NodeId node) const;
  size_t WantedVoters() const;
  // The newest configuration known: the reported one, or entry 1. Null: none.
  const raft::Configuration* Configuration() const;
  // The entry of the reported configuration. Zero: none.
  raft::LogPosition ReportedPosition() const {
    return reported.has_value() ? reported->position : raft::LogPosition();
  }
  friend bool operator==(const GroupRecord&, const GroupRecord&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.id, self.name, self.replicas, self.weight, self.wanted,
          self.preferred_leader, self.founded, self.first, self.reported,
          self.recovery, self.retiring, self.awaits_share);
  }
};

// Neighbours of one group and epoch are one run.
struct AssignedRun {
  SlotRange slots = {};
  GroupId group = {};
  SlotEpoch epoch{1};
  friend bool operator==(const AssignedRun&, const AssignedRun&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.slots, self.group, self.epoch);
  }
};

// One command of an operator that changed something.
struct HistoryEntry {
  MapVersion version = {};
  WallTime log_time{0};
  std::string text = {};
  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.version, self.log_time, self.text);
  }
};

// An operation is drawn at random by its caller. Zero: the command is not
// remembered.
struct OperationId {
  uint64_t first = 0;
  uint64_t second = 0;
  bool empty() const { return first == 0 && second == 0; }
  friend bool operator==(const OperationId&, const OperationId&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.first, self.second);
  }
};

struct FinishedOperation {
  OperationId id = {};
  WallTime log_time{0};
  uint64_t command = 0;  // A digest of the command.
  std::string answer = {};
  friend bool operator==(const FinishedOperation&,
                         const FinishedOperation&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.id, self.log_time, self.command, self.answer);
  }
};

// Groups created at run time have this in common with those of the founding.
struct GroupTemplate {
  uint32_t machine_kind = 0;
  std::string parameters = {};
  friend bool operator==(const GroupTemplate&, const GroupTemplate&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.machine_kind, self.parameters);
  }
};

struct ClusterState {
  MapVersion version{1};
  Partitioner partitioner = Partitioner::kHashSlots;
  uint32_t slot_count = kHashSlotCount;
  uint32_t default_replicas = 3;
  Duration repair_after = Seconds(600);  // Zero: no node is given up.
  // Greater than those of all nodes and groups that ever were, but for the
  // controller's own group.
  NodeId next_node{1};
  GroupId next_group{1};
  MoveId next_move{1};
  std::vector<NodeRecord> nodes = {};       // Sorted by id.
  std::vector<GroupRecord> groups = {};     // Sorted by id.
  std::vector<AssignedRun> slots = {};      // Sorted; each slot once.
  std::vector<SlotMove> moves = {};         // Sorted by id.
  std::vector<EndedMove> ended_moves = {};  // Oldest first.
  GroupTemplate created_groups = {};
  std::vector<HistoryEntry> history = {};          // Oldest first.
  std::vector<FinishedOperation> operations = {};  // Oldest first.

  const NodeRecord* FindNode(NodeId id) const;
  NodeRecord* FindNode(NodeId id);
  const GroupRecord* FindGroup(GroupId id) const;
  GroupRecord* FindGroup(GroupId id);
  const SlotMove* FindMove(MoveId id) const;
  SlotMove* FindMove(MoveId id);
  friend bool operator==(const ClusterState&, const ClusterState&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.version, self.partitioner, self.slot_count,
          self.default_replicas, self.repair_after, self.next_node,
          self.next_group, self.next_move, self.nodes, self.groups, self.slots,
          self.moves, self.ended_moves, self.created_groups, self.history,
          self.operations);
  }
};

// OK if the lists are sorted, names unique, and ids known and in range.
absl::Status ValidateState(const ClusterState& state);
// The form of founding parameters and snapshots
// (docs/reference/formats/controller.md).
std::string EncodeState(const ClusterState& state);
// kFailedPrecondition: a newer program wrote it. kDataLoss: other bytes that
// EncodeState has never returned.
absl::StatusOr<ClusterState> DecodeState(std::string_view bytes);

// The number of voters of the controller's own group, for so many nodes that
// can hold them: one, three, or five.
uint32_t ControllerReplicas(size_t nodes);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_STATE_H_
