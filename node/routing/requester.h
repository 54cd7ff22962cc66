// node/routing/requester.h: who asks the router for something: a RESP or HTTP session.
//
// The router calls back exactly once for each accepted request, unless it is destroyed first; until then the requester stays
// alive (a closed session lingers for its last answers).
//
// A read around the log is evaluated only while the requester has room for its result; without room the read is parked here
// until Router::ServeParked.
#ifndef QUORATE_NODE_ROUTING_REQUESTER_H_
#define QUORATE_NODE_ROUTING_REQUESTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
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
  // A request that GroupQueue has blocked may be tried again. No answer is due.
  virtual void OnUnblocked() = 0;
  // May the result of `token`, of about `bytes`, be given now? If not, the requester calls Router::ServeParked once it may.
  virtual bool RoomFor(uint64_t token, size_t bytes) = 0;
  // The same for a request that is not accepted yet.
  virtual bool RoomForNext(size_t bytes) = 0;

 protected:
  ~Requester() = default;

  // Some queue will call OnUnblocked.
  bool blocked() const { return blocked_queues_ > 0; }
  bool has_parked() const { return !parked_.empty(); }

 private:
  friend class GroupQueue;
  friend class Router;
  // A read whose read point is reached and whose result had no room.
  struct ParkedRead {
    GroupId group;
    uint64_t token;
    std::array<int64_t, 2> numbers;
    Slot slot;
    kv::Op op;
    bool redirect;
    std::vector<std::string> arguments;
  };
  // What keeps one requester's commands to one group in order.
  struct Order {
    GroupId group;
    uint32_t unapplied_writes = 0;
    uint32_t reads_in_log = 0;   // In lanes or batches, without an answer.
    uint32_t waiting_reads = 0;  // Not yet given to the host.
    uint32_t issued_reads = 0;   // Given to the host, or parked.
    uint32_t parked_reads = 0;
    // Parked reads went back to those that wait, perhaps behind later ones.
    bool parked_went_back = false;
    // Encoded size of the unapplied writes: what they may add to a value.
    size_t unapplied_bytes = 0;
    // What the results of its commands in lanes and batches may come to.
    size_t result_bytes = 0;
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
  std::vector<ParkedRead> parked_;  // Of each group in order.
  uint32_t blocked_queues_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_REQUESTER_H_
