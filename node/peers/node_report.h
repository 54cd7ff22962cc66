// node/peers/node_report.h: the facts that a node reports of itself to others.
// They are hints: no replicated decision reads them.
#ifndef QUORATE_NODE_PEERS_NODE_REPORT_H_
#define QUORATE_NODE_PEERS_NODE_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/ids.h"
#include "node/cluster/node_addresses.h"
#include "raft/core/types.h"
#include "shardctrl/map.h"

namespace quorate::node {

// Limit of the rows of a report, and of its refused groups. More than the
// slots, so that each replica of a node has a row.
inline constexpr size_t kReportRowsMax = 32'768;

// The state of one replica, as its own node reports it. The values are those of
// the bytes in messages.
enum class ReplicaState : uint8_t {
  kUnknown = 0,  // Its node has not answered yet. Never reported.
  kFine = 1,
  kFenced = 2,   // Its log or snapshot is damaged: it stays silent.
  kStopped = 3,  // The disk of its node failed.
  kRefused = 4,  // The other replicas refuse it: see LiveView::refusal.
  kHalted = 5,   // Its program is too old. It applies no more.
};

struct ReplicaReport {
  GroupId group;
  ReplicaState state = ReplicaState::kFine;
  // The leader that the replica knows, or zero, and the replica's term and
  // level. Zeros if the replica does not work.
  NodeId leader;
  raft::Term term;
  raft::Level level;

  friend bool operator==(const ReplicaReport&, const ReplicaReport&) = default;
};

// Limit of the encoded addresses of a report, in bytes. Those of further nodes
// are left out.
inline constexpr size_t kReportAddressBytesMax = 64 << 10;

struct NodeReport {
  // A random number of this start of the node; zero: no report.
  uint64_t start = 0;
  // The number of changes of the rows and addresses since that start.
  uint64_t changes = 0;
  // The version of the cluster's map that the node has.
  shardctrl::MapVersion map = {};
  // The asking node has these changes, so both lists below are empty.
  bool known = false;
  // One for each replica.
  std::vector<ReplicaReport> rows;
  // The addresses that other nodes reported of themselves, ascending by node.
  std::vector<NodeAddresses> addresses;
  // The groups whose replicas there refuse the asker's store, ascending.
  std::vector<GroupId> refused;

  friend bool operator==(const NodeReport&, const NodeReport&) = default;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_NODE_REPORT_H_
