// sim/checks/view_checker.h: whether the words in which a node describes its
// cluster to clients are true: CLUSTER SLOTS, NODES and INFO, the INFO that
// quoratectl reads, /readyz and /metrics.
//
// It reads the replies as a client does, apart from the product's own code. The
// caller states the truth, and decides from when on the replies must have it.
#ifndef QUORATE_SIM_CHECKS_VIEW_CHECKER_H_
#define QUORATE_SIM_CHECKS_VIEW_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/protocol/reply.h"

namespace quorate::sim {

struct ClusterTruth {
  struct Node {
    uint32_t id = 0;
    std::string address;  // For cluster clients, "host:port".
    // It runs, and some replica works, or it has none.
    bool works = true;
    // It is to say that it is ready: all its replicas work.
    bool ready = true;
    bool runs = true;  // It answers other nodes.
  };
  // A replica on a node that runs.
  struct Replica {
    size_t node = 0;           // A place in `nodes`.
    std::string state = "ok";  // Or "fenced", "halted" or "stopped".
    // A replica that is fenced has no log that is shown.
    bool has_log = true;
    uint64_t term = 0;
    uint64_t commit = 0;
    uint64_t applied = 0;
    uint64_t last = 0;
  };
  struct Group {
    uint32_t id = 0;
    std::vector<std::pair<uint16_t, uint16_t>> slots;  // Inclusive ranges.
    size_t leader = 0;                                 // A place in `nodes`.
    // The places of its other members whose replica works.
    std::vector<size_t> others;
    std::vector<Replica> replicas;
  };
  std::vector<Node> nodes;
  std::vector<Group> groups;
};

// Each function returns the first contradiction of a reply of the node at the
// place `self` to the truth, in words. Empty: there is none.
std::string CheckSlots(const ClusterTruth& truth, const ClientReply& reply);
std::string CheckNodes(const ClusterTruth& truth, size_t self,
                       std::string_view text);
std::string CheckReadiness(const ClusterTruth& truth, size_t self, int status);
// The reply to CLUSTER INFO.
std::string CheckClusterInfo(const ClusterTruth& truth, std::string_view text);
// The sections of INFO about the groups, the other nodes, and the role. The
// role is that at the address for cluster clients.
std::string CheckInfo(const ClusterTruth& truth, size_t self,
                      std::string_view text);
// The page /metrics: leaders, states of replicas, and nodes that answer.
std::string CheckMetrics(const ClusterTruth& truth, size_t self,
                         std::string_view text);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_VIEW_CHECKER_H_
