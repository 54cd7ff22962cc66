// node/routing/connection_order.h: the requests of one connection that one
// group has accepted and not answered, in the order of sending.
//
// The queues of a group decide what happens to a request and when. They own no
// requests: batches, rounds of reads and refused commands point to them here.
//
// One list answers all questions about the order, such as whether a read may
// bypass the log. Counters for each state, changed by five classes, were the
// usual cause of connections that hung. A list of small records beside the
// containers would be two truths that have to agree. A vector would need a walk
// over gaps, because requests leave in the middle.
#ifndef QUORATE_NODE_ROUTING_CONNECTION_ORDER_H_
#define QUORATE_NODE_ROUTING_CONNECTION_ORDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/record_pool.h"
#include "shardctrl/partition.h"

namespace quorate::node {

class RequestSink;

// A request is added in kWaiting (a read), kIssued (a stale read) or kInBatch.
// It leaves the list only in End, by its answer. Or another group accepts it,
// which happens to refused ones alone. Between them it has these states:
//
//   state       the request                        next states
//   ----------  ---------------------------------  ---------------------------
//   kWaiting    is a read that waits until a read  kIssued, kInBatch
//               point is requested
//   kIssued     is a read that awaits its read     answer, kWaiting, kParked,
//               point, or the leader's result, or  kInPieces, kInBatch,
//               has its turn                       kRefused
//   kParked     is a read that has its read        kIssued
//               point, and awaits room or an
//               earlier read
//   kInPieces   is a read that is answered over    answer, kIssued
//               several turns
//   kInBatch    is in a batch that is collected    answer, kSubmitted,
//               or waits                           kRefused
//   kSubmitted  is in a batch that the host or     answer, kInBatch, kRefused
//               the leader's node has
//   kRefused    awaits a newer map, since the      answer
//               group does not own its slot
//
// The sums are those of the requests in the list (SumsAgree). The fields of the
// past have what the list does not show any more.
//
// Invariant: requests are in the order of their tokens. A command may have
// several reads with its token; their order does not matter.
class ConnectionOrder {
 public:
  enum class State : uint8_t {
    kWaiting,
    kIssued,
    kParked,
    kInPieces,
    kInBatch,
    kSubmitted,
    kRefused,
  };
  static constexpr size_t kStates = 7;
  // A command that a group refused, since it does not own the slot.
  struct Refusal {
    MonoTime since;  // The first one, and its group.
    GroupId by;
    // kRefused: the version of the first map by which the command is routed
    // again, and the time at which it is without one.
    uint64_t waits_for = 0;
    MonoTime again_at = MonoTime::Max();
  };
  // The leader's result of a parked read. `bytes` has the bytes of `view`.
  struct LeaderResult {
    kv::ResultView view;
    Buffer bytes;
  };
  struct Request {
    uint64_t token = 0;  // Chosen by the sink, and returned with the answer.
    // kWaiting: it waits no longer for a leader. kRefused: nor for a map.
    MonoTime deadline = MonoTime::Max();
    std::array<int64_t, 2> numbers = {};  // Those of a read.
    kv::Op op = kv::Op::kGet;             // That of a read.
    State state = State::kWaiting;
    Slot slot = {};
    bool redirect = false;    // See RoutedRequest; false for commands on keys.
    Duration staleness_max;   // See RoutedRequest.
    bool stale = false;       // It is answered without a read point.
    bool write = false;       // A transaction counts as a write.
    bool only_reads = false;  // No command of a transaction is a write.
    // kRefused: a later command of the connection and slot took effect, or may
    // have.
    bool overtaken = false;
    // The arguments of a read, each after its length. They are behind the
    // request in its block, or in `bytes` if they are long.
    uint32_t arguments_count = 0;
    uint32_t arguments_bytes = 0;
    // kRefused: the command, alone in a batch.
    Buffer bytes = {};
    std::unique_ptr<LeaderResult> result = nullptr;  // kParked.
    // kParked, kInPieces: the replica here that has reached its read point.
    // Zero: none.
    ReplicaId point_of = {};
    // kInBatch, kSubmitted: the encoded size, and the upper bound of the
    // result's.
    uint32_t encoded_bytes = 0;
    uint32_t result_bytes = 0;
    std::unique_ptr<Refusal> refusal = nullptr;  // Null: there was none.

    ConnectionOrder* order = nullptr;  // These three are set by the order.
    Request* previous = nullptr;
    Request* next = nullptr;

    // The command of a read, whose views are valid until End. `arguments` is
    // its storage.
    kv::CommandSpec Command(std::vector<std::string_view>* arguments) const;
    // Requires: there are arguments.
    kv::SlotKey FirstKey() const;

   private:
    friend class ConnectionOrder;
    const char* packed() const {
      return arguments_bytes > kArgumentBytesMax
                 ? bytes.data()
                 : reinterpret_cast<const char*>(this + 1);
    }
  };
  // Longer arguments have a block of their own.
  static constexpr size_t kArgumentBytesMax = 1 << 10;
  // The part of a request that its answer needs.
  struct Ended {
    RequestSink* sink;
    uint64_t token;
    Slot slot;
  };
  // Sums over all orders of a sink.
  struct Totals {
    uint32_t parked = 0;
    uint32_t refused = 0;
  };

  // Both outlive the object.
  ConnectionOrder(RequestSink* sink, Totals* totals, GroupId group)
      : sink_(sink), totals_(totals), group_(group) {}
  ConnectionOrder(const ConnectionOrder&) = delete;
  ConnectionOrder& operator=(const ConnectionOrder&) = delete;
  // Frees the requests without an answer.
  ~ConnectionOrder();

  RequestSink* sink() const { return sink_; }
  GroupId group() const { return group_; }

  // ---- The list. The fields that sums count do not change within a state.
  // Adds a request behind those with its token and with lower ones. It is the
  // last one, except for a command that another group refused. The reference is
  // valid until End. `pool` outlives it. `make` makes it in its place.
  // `arguments`: those of a read.
  Request& Add(kv::RecordPool& pool, absl::FunctionRef<Request()> make,
               absl::Span<const std::string_view> arguments = {});
  // Requires: the table above allows it.
  void Move(Request& request, State state);
  // Removes a request, whose answer must follow.
  Ended End(Request& request);
  // The first request in kWaiting and in kParked; null: there is none.
  Request* first_waiting() const { return first_waiting_; }
  Request* first_parked() const { return first_parked_; }
  // The next request that waits as well; null: there is none.
  static Request* NextWaiting(const Request& request);

  // ---- Questions about the list, which take constant time.
  size_t count(State state) const { return counts_[Index(state)]; }
  // Writes in batches, and reads in batches.
  size_t writes() const { return writes_; }
  size_t reads_in_log() const {
    return count(State::kInBatch) + count(State::kSubmitted) - writes_;
  }
  // Reads that have their read point, or wait for it.
  size_t issued() const {
    return count(State::kIssued) + count(State::kParked) +
           count(State::kInPieces);
  }
  // True if one of them comes before a request with this token. Takes time for
  // each request.
  bool HasIssuedBefore(uint64_t token) const;
  // True if a request may be executed here and has no answer.
  bool outstanding() const { return size_ > count(State::kRefused); }
  // True if an earlier read needs a new read point. Then this one does, too.
  bool IsBehindWaiting(const Request& read) const {
    return first_waiting_ != nullptr && first_waiting_->token < read.token;
  }
  // True if the read waits for one that is answered in pieces, or for an
  // earlier one that is parked. It never waits for a later one's room. A later
  // read is there if another group refused this one first.
  bool AwaitsEarlier(const Request& read) const {
    return count(State::kInPieces) > 0 ||
           (first_parked_ != nullptr && first_parked_->token < read.token);
  }
  // Requests in kInBatch that have this RoutedRequest::redirect.
  size_t in_batch(bool redirect) const { return in_batch_[redirect]; }
  // Parked reads that have to be evaluated.
  size_t parked_without_result() const { return parked_without_result_; }
  // Encoded size of the writes in batches: the most that they add to a value.
  size_t write_bytes() const { return write_bytes_; }
  // Upper bound of the results of the requests in batches.
  size_t result_bytes() const { return result_bytes_; }
  // True if all sums are those of the list. Takes time for each request.
  bool SumsAgree() const;

  // True if later requests need nothing of it: a new order serves as well.
  bool idle() const {
    return size_ == 0 && unsettled == 0 && ticket == 0 && reads_place == 0;
  }

  // ---- The past, by the queues.
  // The newest batch with a command of this order that was, or may have been,
  // executed.
  uint64_t executed_through = 0;
  // The newest batch that was answered as unknown and may still be executed; 0
  // once a later batch is known to be executed.
  uint64_t unsettled = 0;
  size_t unsettled_bytes = 0;  // Encoded size of the writes in such batches.
  // For slots that this group lost up to this version of the shard map, no
  // command of the connection is under way here.
  uint64_t settled_through = 0;

  // ---- Places among other orders.
  // Among the sinks that wait for room (node/routing/wait_order.h); 0: none.
  uint64_t ticket = 0;
  // In the ReadQueue's list of orders with waiting reads, from 1; 0: none.
  size_t reads_place = 0;

 private:
  static constexpr size_t Index(State state) {
    return static_cast<size_t>(state);
  }
  // The first request in `state` behind `request`, in the order of the list.
  static Request* NextIn(State state, const Request& request);
  // The place of the first request in `state`, if one is kept.
  Request** FirstIn(State state);
  void Count(const Request& request, int change);
  void Enter(Request& request);
  void Leave(Request& request);
  void Unlink(Request& request);

  RequestSink* const sink_;
  Totals* const totals_;
  const GroupId group_;
  Request* first_ = nullptr;
  Request* last_ = nullptr;
  // ---- Derived from the list.
  Request* first_waiting_ = nullptr;
  Request* first_parked_ = nullptr;
  uint32_t size_ = 0;
  std::array<uint32_t, kStates> counts_ = {};
  std::array<uint32_t, 2> in_batch_ = {};
  uint32_t writes_ = 0;
  uint32_t parked_without_result_ = 0;
  size_t write_bytes_ = 0;
  size_t result_bytes_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_CONNECTION_ORDER_H_
