// sim/workload/view_client.h: a simulated client that asks every node how it
// describes the cluster, again and again.
//
// It requests CLUSTER SLOTS, NODES and INFO, three sections of INFO, and
// /readyz. It requests the long page /metrics from a node whose last replies
// were right. The caller compares the replies with the truth
// (sim/checks/view_checker.h).
#ifndef QUORATE_SIM_WORKLOAD_VIEW_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_VIEW_CLIENT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

// The words of one node about its cluster.
struct NodeView {
  ClientReply slots;
  std::string nodes;
  std::string cluster_info;
  std::string info;
  int ready_status = 0;                // Of HTTP.
  std::optional<std::string> metrics;  // Null: it was not requested.
};

class ViewClient {
 public:
  // Receives the view of the node at a place of the addresses. Null: the node
  // did not answer. Returns whether the replies were right.
  using Observer = absl::AnyInvocable<bool(size_t node, const NodeView* view)>;

  // Begins at once. `resp` and `http`: the addresses of all nodes for cluster
  // clients and for HTTP, in one order.
  ViewClient(env::Env& env, const std::vector<std::string>& resp,
             const std::vector<std::string>& http, Observer observer);
  ~ViewClient();
  ViewClient(const ViewClient&) = delete;
  ViewClient& operator=(const ViewClient&) = delete;

  // Closes all connections and asks no more. It may be called by the observer.
  void Stop();

 private:
  class Visitor;

  Observer observer_;
  std::vector<std::unique_ptr<Visitor>> visitors_;  // By node.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_VIEW_CLIENT_H_
