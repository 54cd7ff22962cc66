#include "node/controller/move_room.h"

#include <algorithm>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "kv/store/growth.h"
#include "node/base/text.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/slot_moves.h"

namespace quorate::node {

using shardctrl::ClusterState;
using shardctrl::MoveState;
using shardctrl::SlotMove;

namespace {

// The slots are in the log of a destination, and then in its next snapshot.
constexpr uint64_t kDiskCopies = 2;

std::vector<NodeId> NodesOf(const ClusterState& state, GroupId id) {
  std::vector<NodeId> nodes;
  const shardctrl::GroupRecord* const group = state.FindGroup(id);
  if (group == nullptr || group->Configuration() == nullptr) return nodes;
  for (const auto* members :
       {&group->Configuration()->voters, &group->Configuration()->learners}) {
    for (const raft::Member& member : *members) nodes.push_back(member.node);
  }
  return nodes;
}

// The bytes that other moves will still bring to each node: those that came
// first and have room, and those that copy already.
absl::btree_map<NodeId, uint64_t> BytesUnderWay(const ClusterState& state,
                                                MoveId id) {
  absl::btree_map<NodeId, uint64_t> bytes;
  for (const SlotMove& other : state.moves) {
    const shardctrl::MoveProgress& progress = other.progress;
    const bool counts = other.id < id || progress.source != MovePhase::kNone;
    if (other.id == id || other.decision != MoveState::kOpen ||
        other.Stands() || !counts) {
      continue;
    }
    for (const NodeId node : NodesOf(state, other.to)) {
      bytes[node] += progress.bytes_total -
                     std::min(progress.bytes_done, progress.bytes_total);
    }
  }
  return bytes;
}

}  // namespace

std::string LackOfRoom(const ClusterState& state, const SlotMove& move,
                       uint64_t bytes, const ClusterUsage& usage) {
  auto others = BytesUnderWay(state, move.id);
  for (const NodeId node : NodesOf(state, move.to)) {
    const auto found = usage.find(node);
    if (found == usage.end()) continue;
    const NodeUsage& its = found->second;
    const uint64_t disk_left =
        its.disk.size_bytes == 0 ? ~uint64_t{0} : its.disk.free_bytes;
    const uint64_t disk = (bytes + others[node]) * kDiskCopies;
    const uint64_t memory = kv::MemoryForSlots(bytes) + others[node];
    if (disk <= disk_left && memory <= its.memory_left) continue;
    const bool of_disk = disk > disk_left;
    return Concat(
        "node ", node, " has ", SizeText(of_disk ? disk_left : its.memory_left),
        " of ", of_disk ? "disk" : "memory", " left, and ",
        others[node] == 0 ? "the slots take "
                          : "these slots and earlier moves take ",
        SizeText(of_disk ? disk : memory),
        of_disk ? " there: free space, or cancel the move"
                : " there: raise limits.memory_bytes, delete keys, or cancel "
                  "the move");
  }
  return "";
}

}  // namespace quorate::node
