// sim/workload/client_router.h: selects the node to which a simulated client
// sends each request.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_ROUTER_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_ROUTER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "env/time.h"
#include "sim/workload/operation.h"

namespace quorate::sim {

// Remembers the leader of each slot, and which nodes failed recently.
class ClientRouter {
 public:
  // Nodes are 0 … nodes - 1. `preferred` is the node of a client that stays
  // with one node for slots whose leader it does not know.
  ClientRouter(uint32_t nodes, bool stays_with_node, uint32_t preferred)
      : nodes_(nodes),
        stays_with_node_(stays_with_node),
        preferred_(preferred) {}

  // The node for an attempt of the operation.
  uint32_t Route(const ClientOperation& operation, uint64_t attempt,
                 MonoTime now);
  // A node named `leader` as the leader of the slot.
  void OnMoved(uint16_t slot, uint32_t leader) { node_of_slot_[slot] = leader; }
  // The leader of the key's slot is not known any more.
  void Forget(const std::string& key);
  // A connection to the node failed.
  void OnFailed(uint32_t node, MonoTime now);
  // The node takes no writes.
  void OnReadOnly(uint32_t node) { read_only_.insert(node); }
  // Chooses the next node as the preferred one if that is `node`, which cannot
  // serve requests or redirects to a node that cannot.
  void ChangePreferred(uint32_t node);

 private:
  // Whether a connection to the node failed recently.
  bool FailedRecently(uint32_t node, MonoTime now) const;
  // Whether another node is more likely to serve the operation.
  bool Avoids(uint32_t node, const ClientOperation& operation,
              MonoTime now) const;

  const uint32_t nodes_;
  const bool stays_with_node_;
  uint32_t preferred_;
  std::map<uint16_t, uint32_t> node_of_slot_;
  std::map<uint32_t, MonoTime> avoided_until_;  // By node.
  std::set<uint32_t> read_only_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_ROUTER_H_
