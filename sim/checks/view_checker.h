// sim/checks/view_checker.h: whether the words in which a node describes its
// cluster to clients are true: CLUSTER SLOTS, CLUSTER NODES and /readyz.
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
    std::string address;  // For cluster clients, "host:port".
    // It runs, and some replica works, or it has none.
    bool works = true;
    // It is to say that it is ready: all its replicas work.
    bool ready = true;
  };
  struct Group {
    std::vector<std::pair<uint16_t, uint16_t>> slots;  // Inclusive ranges.
    size_t leader = 0;                                 // A place in `nodes`.
    // The places of its other members whose replica works.
    std::vector<size_t> others;
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

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_VIEW_CHECKER_H_
