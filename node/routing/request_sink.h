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

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
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
    // The group's level does not allow the command yet; not executed.
    kAboveLevel,
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
  // command that another group refused. limits.held_requests does not count it.
  bool further = false;
  // The replica here answers the read from its own state, by log time alone.
  bool stale = false;
  // The request waits for a leader no longer than until then, nor longer than
  // timeouts.leader_wait.
  MonoTime deadline = MonoTime::Max();
};

class RequestSink {
 public:
  // A read whose read point is reached, but whose result had no room.
  struct ParkedRead {
    // Another node's result, with the bytes that it views; none if the read has
    // to be evaluated.
    std::optional<kv::ResultView> result;
    Buffer result_bytes;
    GroupId group;
    uint64_t token;
    std::array<int64_t, 2> numbers;
    Slot slot;
    kv::Op op;
    bool redirect;
    bool stale = false;
    // In one block, as ReadList::Pack writes them, and their number.
    Buffer arguments;
    uint32_t arguments_count;

    RoutedRequest RequestOf(RequestSink* sink) const {
      return {
          .sink = sink, .token = token, .redirect = redirect, .stale = stale};
    }
  };
  static constexpr uint64_t kNoToken = std::numeric_limits<uint64_t>::max();
  // The state that keeps the commands of one sink to one group in order.
  struct ConnectionOrder {
    GroupId group;
    uint32_t unapplied_writes = 0;
    uint32_t reads_in_log = 0;   // In batches, without an answer.
    uint32_t waiting_reads = 0;  // Not yet given to the host.
    // Given to the host, parked, or answered in pieces.
    uint32_t issued_reads = 0;
    uint32_t parked_reads = 0;
    // Those of them that have no result yet.
    uint32_t parked_without_result = 0;
    // The first token of RoutingState's parked reads of the group; kNoToken:
    // there is none.
    uint64_t first_parked = kNoToken;
    // Reads that are answered in pieces. Other reads are parked until they end.
    uint32_t long_reads = 0;
    // Parked reads became waiting reads again, while the host has later reads.
    bool parked_went_back = false;
    // The newest batch of reads for the leader that has a read of this sink.
    uint64_t read_round = 0;
    // Encoded size of the unapplied writes: the most that they add to a value.
    size_t unapplied_bytes = 0;
    // Upper bound of the results of its commands in batches.
    size_t result_bytes = 0;
    // Commands in submitted batches without an answer.
    uint32_t submitted = 0;
    // The newest batch with a command of this sink that was, or may have been,
    // executed.
    uint64_t executed_through = 0;
    // The newest batch that was answered as unknown and may still be executed;
    // 0 once a later batch is known to be executed.
    uint64_t unsettled = 0;
    // Encoded size of the writes in such batches.
    size_t unsettled_bytes = 0;
    // The number of the open batch that got its newest batched command;
    // outdated if that batch was closed.
    uint64_t open_batch = 0;
    bool open_batch_redirect = false;
    // Its place among the sinks that wait for room (node/routing/wait_order.h);
    // 0: none.
    uint64_t ticket = 0;
    // For slots that this group lost up to this version of the shard map, no
    // command of the sink is under way here.
    uint64_t settled_through = 0;

    // True if a command is accepted and has no answer.
    bool outstanding() const {
      return unapplied_writes > 0 || reads_in_log > 0 || waiting_reads > 0 ||
             issued_reads > 0;
    }
    // True if later commands need nothing of it: a new order serves as well.
    bool idle() const {
      return !outstanding() && parked_reads == 0 && long_reads == 0 &&
             result_bytes == 0 && submitted == 0 && unsettled == 0 &&
             ticket == 0;
    }
  };
  // The state that the router keeps for one sink. Only its queues change it.
  // Most sinks use few groups at a time. The orders of further groups are in a
  // map, until they are idle and forgotten.
  class RoutingState {
   public:
    // The reference is valid until the order is idle.
    ConnectionOrder& OrderOf(GroupId group) {
      ConnectionOrder* const order = FindOrder(group);
      return order != nullptr ? *order : Add(group);
    }
    // Returns null for a group that has got no command, or whose order is
    // forgotten.
    ConnectionOrder* FindOrder(GroupId group) {
      return const_cast<ConnectionOrder*>(
          std::as_const(*this).FindOrder(group));
    }
    const ConnectionOrder* FindOrder(GroupId group) const {
      for (const ConnectionOrder& order : few_) {
        if (order.group == group) return &order;
      }
      if (more_.empty()) return nullptr;
      const auto found = more_.find(group);
      return found == more_.end() ? nullptr : found->second.get();
    }
    // ---- Parked reads, in the order of their tokens within each group. One
    // step takes logarithmic time: a pipeline may have thousands of them.
    size_t parked() const { return parked_.size(); }
    void Park(ParkedRead read);
    // The first of a group; none: nullopt.
    std::optional<ParkedRead> TakeFirstParked(GroupId group);
    // All of a group.
    std::vector<ParkedRead> TakeParked(GroupId group);
    std::vector<GroupId> GroupsOfParked() const;
    // The group in which the read is parked; none: nullopt.
    std::optional<GroupId> GroupOfParked(uint64_t token) const;

    // Orders that ForgetIdle may remove.
    size_t further_orders() const { return more_.size(); }
    size_t orders() const { return few_.size() + more_.size(); }
    // Frees the memory of idle orders beyond the first few. The sink calls it
    // when it has no outstanding answer, and no queue is on the call stack.
    void ForgetIdle() {
      absl::erase_if(more_,
                     [](const auto& entry) { return entry.second->idle(); });
    }
    bool drops_reads = false;     // It needs no results any more.
    uint32_t blocked_queues = 0;  // Queues that will call OnUnblocked.
    // Commands in RefusedCommands (node/routing/refused_commands.h).
    uint32_t refused_commands = 0;

   private:
    static constexpr size_t kFewMax = 3;
    // Idle orders are looked for when so many more are kept than the last time.
    static constexpr size_t kForgetStep = 16;

    ConnectionOrder& Add(GroupId group) {
      if (few_.size() < kFewMax) return few_.emplace_back(group);
      for (ConnectionOrder& order : few_) {
        if (order.idle()) return order = ConnectionOrder{group};
      }
      if (more_.size() >= forget_at_) {
        ForgetIdle();
        forget_at_ = 2 * more_.size() + kForgetStep;
      }
      auto& added = more_[group];
      added = std::make_unique<ConnectionOrder>(group);
      return *added;
    }

    // By group and token. A command has several reads with its token if it asks
    // a group for several ranges of slots; their order does not matter.
    absl::btree_multimap<std::pair<GroupId, uint64_t>, ParkedRead> parked_;
    absl::InlinedVector<ConnectionOrder, kFewMax> few_;
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
  // True if the read is parked, and waits for nothing but room.
  bool WaitsForRoom(uint64_t token) const;

 private:
  RoutingState routing_;
};

inline void RequestSink::RoutingState::Park(ParkedRead read) {
  uint64_t& first = OrderOf(read.group).first_parked;
  first = std::min(first, read.token);
  const std::pair place(read.group, read.token);
  parked_.emplace(place, std::move(read));
}

inline std::optional<RequestSink::ParkedRead>
RequestSink::RoutingState::TakeFirstParked(GroupId group) {
  auto first = parked_.lower_bound({group, 0});
  if (first == parked_.end() || first->first.first != group) {
    return std::nullopt;
  }
  std::optional<ParkedRead> taken = std::move(first->second);
  first = parked_.erase(first);
  const bool more = first != parked_.end() && first->first.first == group;
  OrderOf(group).first_parked = more ? first->first.second : kNoToken;
  return taken;
}

inline std::vector<RequestSink::ParkedRead>
RequestSink::RoutingState::TakeParked(GroupId group) {
  std::vector<ParkedRead> taken;
  while (std::optional<ParkedRead> read = TakeFirstParked(group)) {
    taken.push_back(*std::move(read));
  }
  return taken;
}

inline std::vector<GroupId> RequestSink::RoutingState::GroupsOfParked() const {
  std::vector<GroupId> groups;
  for (auto it = parked_.begin(); it != parked_.end();
       it = parked_.upper_bound({groups.back(), kNoToken})) {
    groups.push_back(it->first.first);
  }
  return groups;
}

inline std::optional<GroupId> RequestSink::RoutingState::GroupOfParked(
    uint64_t token) const {
  for (const GroupId group : GroupsOfParked()) {
    if (parked_.contains({group, token})) return group;
  }
  return std::nullopt;
}

inline bool RequestSink::WaitsForRoom(uint64_t token) const {
  const std::optional<GroupId> group = routing_.GroupOfParked(token);
  return group.has_value() && routing_.FindOrder(*group)->long_reads == 0;
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_REQUEST_SINK_H_
