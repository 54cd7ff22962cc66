// node/routing/request_sink.h: the receiver of the answers to routed requests:
// a RESP or HTTP session.
//
// The router answers each accepted request exactly once, unless the router is
// destroyed first. The sink must live until then: a closed session waits for
// its last answers.
//
// A read outside the log is evaluated only while the sink has room for its
// result. Without room the read is parked until Router::ServeParked.
#ifndef QUORATE_NODE_ROUTING_REQUEST_SINK_H_
#define QUORATE_NODE_ROUTING_REQUEST_SINK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "env/time.h"
#include "kv/command/result.h"
#include "node/routing/connection_order.h"
#include "shardctrl/partition.h"

namespace quorate::node {

// Why a request has no result.
struct RequestFailure {
  enum class Kind : uint8_t {
    kMoved,       // Another node leads; not executed.
    kNoLeader,    // No leader became known in time; not executed.
    kOverloaded,  // Too many requests wait; not executed.
    kUnknown,  // The request may have been executed, or may be executed later.
    kRefused,  // The node is stopped or fenced; not executed.
  } kind = Kind::kUnknown;
  Slot slot;
  GroupId group;
  NodeId leader;  // Set for kMoved.
  absl::Status why;
  bool only_reads = false;  // kUnknown: nothing was or will be changed.
};

class RequestSink;

// A request as sessions give it to the router.
struct RoutedRequest {
  RequestSink* sink = nullptr;
  // Chosen by the sink, and returned with the answer.
  uint64_t token = 0;
  // The sink wants to learn who leads (MOVED) instead of having the command
  // forwarded.
  bool redirect = false;
  // A further part of a command whose first part this group accepted, or a
  // command that another group refused. bounds.held_requests does not count it.
  bool further = false;
  // How stale the state that answers a read may be
  // (GroupLeadership::MayReadStale). Zero: it is linearizable. A write does not
  // ask.
  Duration staleness_max;
  // The request waits for a leader no longer than until then, nor longer than
  // timeouts.leader_wait.
  MonoTime deadline = MonoTime::Max();
  // That by another group, which does not own the slot; null: there was none.
  const ConnectionOrder::Refusal* refusal = nullptr;

  std::unique_ptr<ConnectionOrder::Refusal> CopyOfRefusal() const {
    return refusal == nullptr
               ? nullptr
               : std::make_unique<ConnectionOrder::Refusal>(*refusal);
  }
};

class RequestSink {
 public:
  // The orders that the router keeps for one sink. Only its queues change them.
  // Most sinks use few groups at a time. The orders of further groups are in a
  // map, until they are idle and forgotten.
  class RoutingState {
   public:
    explicit RoutingState(RequestSink* sink = nullptr) : sink_(sink) {}

    // The reference is valid until the order is idle.
    ConnectionOrder& OrderOf(GroupId group) {
      ConnectionOrder* const order = FindOrder(group);
      return order != nullptr ? *order : Add(group);
    }
    // Returns null for a group that has got no command, or whose order is
    // forgotten.
    ConnectionOrder* FindOrder(GroupId group) {
      for (std::optional<ConnectionOrder>& order : few_) {
        if (order.has_value() && order->group() == group) return &*order;
      }
      if (more_.empty()) return nullptr;
      const auto found = more_.find(group);
      return found == more_.end() ? nullptr : found->second.get();
    }
    // Sums over all groups: parked reads, and commands in RefusedCommands
    // (node/routing/refused_commands.h).
    size_t parked() const { return totals_.parked; }
    size_t refused() const { return totals_.refused; }
    // Ascending.
    std::vector<GroupId> GroupsOfParked() const;
    // True if the first parked read of a group has this token, and waits for
    // nothing but room.
    bool WaitsForRoom(uint64_t token) const;
    // True if the sums of each order are those of its list.
    bool SumsAgree() const;

    // Orders that ForgetIdle may remove.
    size_t further_orders() const { return more_.size(); }
    size_t orders() const;
    void ForEach(absl::FunctionRef<void(const ConnectionOrder&)> call) const;
    // Frees the memory of idle orders beyond the first few. The sink calls it
    // when it has no outstanding answer, and no queue is on the call stack.
    void ForgetIdle() {
      absl::erase_if(more_,
                     [](const auto& entry) { return entry.second->idle(); });
    }
    bool drops_reads = false;  // It needs no results any more.
    // Queues, and SlowWriters, that will call OnUnblocked.
    uint32_t blocked_queues = 0;
    // ---- By SlowWriters. The next write to a slot that moves is not before
    // this time; and whether one waits for it.
    MonoTime next_slow_write;
    bool waits_to_write = false;

   private:
    static constexpr size_t kFewMax = 3;
    // Idle orders are looked for when so many more are kept than the last time.
    static constexpr size_t kForgetStep = 16;

    ConnectionOrder& Add(GroupId group);

    RequestSink* const sink_;
    ConnectionOrder::Totals totals_;
    std::array<std::optional<ConnectionOrder>, kFewMax> few_;
    absl::btree_map<GroupId, std::unique_ptr<ConnectionOrder>> more_;
    size_t forget_at_ = kForgetStep;
  };

  // `result` is valid during the call. The result of a long read may arrive in
  // pieces (kv::ResultView::ends); the last one is the answer.
  virtual void OnResult(uint64_t token, const kv::ResultView& result) = 0;
  virtual void OnFailure(uint64_t token, const RequestFailure& failure) = 0;
  // A request that GroupQueue blocked may be tried again. It has no answer. Or
  // parked reads may be served again.
  virtual void OnUnblocked() = 0;
  // True if the sink can take the result of `token`, of about `bytes`, now. If
  // not, the sink calls Router::ServeParked once it can.
  virtual bool RoomFor(uint64_t token, size_t bytes) = 0;
  // True if the sink can take a result of `bytes` for a request that is not
  // accepted yet.
  virtual bool RoomForNext(size_t bytes) = 0;

  RoutingState& routing() { return routing_; }

 protected:
  ~RequestSink() = default;

  // True if a queue will call OnUnblocked.
  bool blocked() const { return routing_.blocked_queues > 0; }
  bool has_parked() const { return routing_.parked() > 0; }
  // Asserts that the sums of its orders are those of their lists.
  void CheckOrders() const;
  // True if the sink's first request without an answer, which has this token,
  // is a parked read that waits for nothing but room.
  bool WaitsForRoom(uint64_t token) const {
    return routing_.WaitsForRoom(token);
  }

 private:
  RoutingState routing_{this};
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_REQUEST_SINK_H_
