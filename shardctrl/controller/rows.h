// shardctrl/controller/rows.h: the state of the controller as people and
// clients see it: rows of nodes and groups, and the shard map.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_ROWS_H_
#define QUORATE_SHARDCTRL_CONTROLLER_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

struct NodeRow {
  NodeId id = {};
  std::string name = {};
  std::string_view role = {};
  // joining, up, down, draining, drained (it has no replica, and serves as a
  // router), removing or removed.
  std::string_view state = {};
  ReportedAddresses addresses = {};
  std::string zone = {};
  std::string host = {};
  uint32_t weight = 0;
  // Members of the configurations that the groups reported last.
  uint32_t replicas = 0;
  uint32_t leaders = 0;
  WallTime removed{0};  // Zero: it is not.
  // The reason why a wish about the node cannot come true now, or empty.
  std::string problem = {};
};

struct GroupRow {
  GroupId id = {};
  std::string name = {};
  // Zero: none has been reported, or it does not answer.
  NodeId leader = {};
  NodeId preferred = {};  // Shall lead; zero: none.
  uint32_t replicas = 0;  // Voters that it shall have.
  uint32_t weight = 0;    // Its share of the slots, beside those of others.
  // Sorted, each node once.
  std::vector<NodeId> voters = {};
  std::vector<NodeId> learners = {};
  std::vector<NodeId> wanted = {};
  std::vector<SlotRange> slots = {};
  // The members are those that are wanted.
  bool settled = false;
  bool retiring = false;  // It ends once its slots have left.
  // It is being recovered from the replica on this node; zero: it is not.
  NodeId recovering = {};
  std::string problem = {};
};

struct MoveRow {
  MoveId id = {};
  GroupId from = {};
  GroupId to = {};
  std::vector<SlotRange> slots = {};
  uint32_t slot_count = 0;
  // waiting, paused, prepare, copy, delta, freeze, activate, clean, undo, done
  // or cancelled. The last two have ended.
  std::string_view phase = {};
  MoveProgress progress = {};
  // The rate of the last report, which outlives the copy. Zero: nothing is
  // copied now.
  uint64_t bytes_per_second = 0;
  std::optional<uint64_t> seconds_left = {};  // Nullopt: not known.
  WallTime ended{0};                          // Zero: it has not.
  // Why it cannot go on now, or why it was cancelled. Empty: neither.
  std::string problem = {};
};

std::string_view RoleName(NodeRole role);
// Sorted by id; those that have ended come first.
std::vector<MoveRow> MoveRows(const ClusterState& state);
// Sorted by id.
std::vector<NodeRow> NodeRows(const ClusterState& state);
std::vector<GroupRow> GroupRows(const ClusterState& state);

// True if the group's committed voters and learners are the wanted ones.
bool IsSettled(const GroupRecord& group);

// The parts of a map: nodes that have come, groups that own slots or have
// reported themselves, and the owners of slots. Groups that have not reported
// themselves yet have the voters that are wanted.
ShardMap::Parts MapOf(const ClusterState& state);

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_ROWS_H_
