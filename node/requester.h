// node/requester.h: who asks the router for something: a RESP or HTTP session.
//
// The router calls back exactly once for each accepted request, unless it is destroyed first; until then the requester stays
// alive (a closed session lingers for its last answers).
#ifndef QUORATE_NODE_REQUESTER_H_
#define QUORATE_NODE_REQUESTER_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "kv/result.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// Why a request has no result.
struct Failure {
  enum class Kind : uint8_t {
    kMoved,       // Another node leads; certainly not executed.
    kNoLeader,    // Waited in vain for a leader; certainly not executed.
    kOverloaded,  // Too many requests wait already; certainly not executed.
    kUnknown,     // It may have been executed, or may yet be.
    kRefused,  // The node cannot execute it (stopped, fenced); certainly not executed.
  } kind = Kind::kUnknown;
  Slot slot;
  GroupId group;
  NodeId leader;  // kMoved.
  absl::Status why;
};

class Requester {
 public:
  // `result` is valid during the call.
  virtual void OnResult(uint64_t token, const kv::ResultView& result) = 0;
  virtual void OnFailure(uint64_t token, const Failure& failure) = 0;
  // Requests that Router::Execute would have blocked may go on. No answer is due.
  virtual void OnUnblocked() = 0;

 protected:
  ~Requester() = default;

 private:
  friend class GroupQueue;
  // What keeps one requester's commands to one group in order.
  struct Order {
    GroupId group;
    uint32_t unapplied_writes = 0;
    uint32_t reads_in_log = 0;   // In lanes or batches, without an answer.
    uint32_t waiting_reads = 0;  // Not yet given to the host.
    uint32_t issued_reads = 0;
    // In batches given to the host or to another node, not yet answered.
    uint32_t submitted = 0;
    // The newest batch with a command of its that was, or may have been, executed.
    uint64_t executed_through = 0;
    // The newest batch that another node may still execute, while no later one is known to be executed.
    uint64_t unsettled = 0;
    // The lane that its newest command in a batch went to; gone if that has another number now.
    uint64_t lane = 0;
    bool lane_redirect = false;
  };
  Order& OrderOf(GroupId group) {
    for (Order& order : orders_) {
      if (order.group == group) return order;
    }
    orders_.push_back({group});
    return orders_.back();
  }
  absl::InlinedVector<Order, 3> orders_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_REQUESTER_H_
