// node/routing/batch_queue.h: the batches of one group: commands that are
// collected during a turn, wait for a leader, and are proposed or forwarded as
// one entry.
//
// Writes travel in batches, and reads only behind unapplied writes of their own
// sink. The owner decides which command may be added (admission).
#ifndef QUORATE_NODE_ROUTING_BATCH_QUEUE_H_
#define QUORATE_NODE_ROUTING_BATCH_QUEUE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/fifo.h"
#include "env/outcome.h"
#include "env/quota.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/store/work.h"
#include "node/peers/forward_channel.h"
#include "node/peers/peer_message.h"
#include "node/routing/connection_order.h"
#include "node/routing/entries_in_flight.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/peer_batches.h"
#include "node/routing/queue_parts.h"
#include "node/routing/request_sink.h"
#include "raft/host/host.h"

namespace quorate::node {

// Invariants: batches enter the log in the order of their sequence numbers. A
// batch is submitted again only after its outcome was "not executed". It is
// not submitted again once a later batch of one of its sinks was, or may have
// been, executed. So a batch for a new leader waits a little for outcomes of
// earlier ones. A batch that this node proposed is answered as unknown after
// timeouts.proxy, and counts as in flight until its outcome is known.
class BatchQueue {
 public:
  // All outlive the object. `wake` requests a Flush of the queue.
  BatchQueue(const QueueParts& parts, GroupLeadership& leadership,
             Forwarding& forwarding, QueueCounters& counters,
             absl::AnyInvocable<void()> wake);

  // ---- Collecting.
  // Adds a read or a write. `result_bytes` is the upper bound of its result.
  void Add(ConnectionOrder& order, const RoutedRequest& request,
           const kv::CommandSpec& spec, size_t result_bytes);
  // Adds `specs` as one kAtomic.
  void AddAtomic(ConnectionOrder& order, const RoutedRequest& request,
                 Slot slot, const std::optional<kv::SessionStamp>& session,
                 absl::Span<const kv::CommandSpec> specs, size_t result_bytes);
  // Takes a read that cannot bypass the log. It waits for a leader from now on.
  void Take(ConnectionOrder::Request& read, const kv::CommandSpec& spec,
            size_t result_bytes);
  // Ends collecting: batches wait from now on.
  void CloseOpenBatches();
  // Adds a batch of another node, which forwarding_ has accepted.
  void AddForPeer(const ForwardStamp& stamp, Buffer payload, PeerDone done) {
    peers_.Add(stamp, std::move(payload), std::move(done));
  }

  // ---- Waiting and submitting.
  // Submits waiting batches as far as leader and room allow, in turn of this
  // node and of others.
  void SubmitWaiting();
  // Fails batches that waited too long for a leader. While the group executes
  // batches, or they wait for room alone, no batch waits too long.
  void ExpireWaiting();
  // Answers proposed batches whose outcome is not known in time.
  void ExpireProposed();
  // True if waiting batches wait for a leader, or for a channel to it. If not,
  // they wait for answers to earlier requests of this node, of any group. Those
  // come, or fail in time, and make room.
  bool AwaitsLeader() const;
  // The time until which the first waiting batch waits for answers of a leader
  // before this one. Max(): it does not.
  MonoTime AwaitsFormerLeaderUntil() const;
  bool has_waiting() const { return !waiting_.empty() || !peers_.empty(); }
  // The time at which the first waiting batch expires; Max(): none waits.
  MonoTime next_deadline() const;
  // The time at which the first proposed batch is answered as unknown; Max():
  // none is without an answer.
  MonoTime next_answer() const {
    return proposed_.empty() ? MonoTime::Max()
                             : proposed_.begin()->second.answer_by;
  }
  // A batch was answered as unknown and is still in flight: the group makes no
  // progress.
  bool stuck() const { return !overdue_.empty(); }
  // Commands that are collected or wait, and their encoded bytes.
  size_t waiting_requests() const { return waiting_requests_; }
  size_t waiting_bytes() const {
    return waiting_bytes_ + open_batches_[0].size_bytes() +
           open_batches_[1].size_bytes();
  }
  // Batches of this node that were submitted to the host or to another node,
  // without an outcome.
  size_t inflight() const { return inflight_batches_; }

 private:
  using Request = ConnectionOrder::Request;
  using State = ConnectionOrder::State;

  // Places a batch among those without an outcome. Its commands have the
  // numbers from `first_number` to `sequence` in unapplied_.
  struct Place {
    uint64_t first_number;
    uint64_t sequence;
    auto operator<=>(const Place&) const = default;
  };
  // The commands of one entry.
  struct Batch {
    uint64_t sequence = 0;
    uint64_t first_number = 0;
    // One transaction, which by the estimate copies more values than
    // limits.transaction_bytes. It waits until all batches before it have an
    // outcome, so that the leader decides by values that are no longer changed.
    bool maybe_large = false;
    Buffer payload;
    size_t result_bytes = 0;
    // Reserved in the memory of the node while the batch is proposed.
    Quota::Share growth;
    std::vector<Request*> items;
    MonoTime deadline;  // The time until which the batch waits for a leader.
    bool redirect = false;
    bool refused = false;  // It was submitted and refused.
    bool forwarded = false;
    raft::Term term;     // That of the leader that it was submitted to.
    MonoTime answer_by;  // Set when this node proposes the batch.

    Place place() const { return {first_number, sequence}; }
  };
  // The part of a batch that outlives its answer.
  struct Overdue {
    Place place;
    size_t payload_bytes;
    size_t result_bytes;
    Quota::Share growth;
    raft::Term term;
  };
  // A batch that grows during a turn. Requests with and without redirect are
  // collected separately. If a sink uses both, the batch of its earlier
  // requests is closed first.
  struct OpenBatch {
    kv::BatchBuilder builder;
    uint64_t work = 0;
    // Without its payload. The commands have its deadline, as
    // RoutedRequest::deadline.
    Batch batch = {};

    bool empty() const { return batch.items.empty(); }
    // An empty builder has a header already.
    size_t size_bytes() const { return empty() ? 0 : builder.size_bytes(); }
  };
  // Whether a refused batch may be submitted again.
  enum class RetryDecision : uint8_t {
    kYes,
    kLater,  // Later: a later batch of one of its sinks is in flight.
    // No: a later batch of one of its sinks was, or may have been, executed.
    kNever,
  };

  static Request InBatch(const RoutedRequest& request, Slot slot, size_t size,
                         size_t result_bytes, bool write, bool only_reads);
  // The open batch for the request, which is not in it yet. Closes batches that
  // must not take it. `work`: kv::WorkOf. `number`: the request's in
  // unapplied_.
  OpenBatch& OpenBatchFor(const Request& request, uint64_t work,
                          uint64_t number);
  // Encodes a command into the open batch for it.
  OpenBatch& Encode(const Request& request, const kv::CommandSpec& spec);
  // Adds the request of a command that was encoded.
  void Include(OpenBatch& open, Request& request);
  // The bytes of values that a command of `encoded_bytes` copies once the
  // commands of this node before it are applied. Without a replica each value
  // that they do not write counts as the largest.
  uint64_t ValueBytesOf(const kv::CommandSpec& spec, size_t encoded_bytes);
  void CloseOpenBatch(bool redirect);
  Submission SubmitOwn();
  Batch PopWaiting();
  // Gives the commands of the first waiting batch back to the router, since
  // their group has ended.
  void GiveBackWaiting();
  // Fails the first waiting batch.
  void FailWaiting(RequestFailure::Kind kind, const absl::Status& why);
  RetryDecision DecideRetry(const Batch& batch);
  void Submit(Batch batch);
  // Refuses commands for which the node has no memory, and transactions that
  // are too large. Returns false if no command is left.
  bool PassMemory(Batch* batch);
  // `undecided`: the outcome is kUnknown, and the batch may be executed later.
  void RecordAnswered(const Batch& batch, Outcome outcome, bool undecided);
  // The outcome of the proposal `number`.
  void OnProposed(uint64_t number, const raft::ProposeResult& result);
  void OnDone(Batch batch, const raft::ProposeResult& result);
  // A submitted batch, which was not executed, is submitted again later.
  void WaitAgain(Batch batch);
  // Gives back what a submitted batch takes.
  void EndFlight(Overdue taken);
  // The batch has an outcome, so its commands no longer count.
  void ForgetLengths(const Place& place);
  void Deliver(const Batch& batch, const Buffer& results);
  // Gives a command that the group refused, as it does not own the slot, to
  // parts_.refused. Returns false if the refusal has to be answered.
  bool HoldRefused(const Batch& batch, Request& request,
                   const kv::CommandView& command);
  // Removes a request, whose answer must follow.
  ConnectionOrder::Ended End(Request& request);
  void FailItem(Request& request, RequestFailure::Kind kind,
                const absl::Status& why);
  void FailBatch(const Batch& batch, RequestFailure::Kind kind,
                 const absl::Status& why);

  const QueueParts& parts_;
  GroupLeadership& leadership_;
  Forwarding& forwarding_;
  QueueCounters& counters_;
  absl::AnyInvocable<void()> wake_;
  OpenBatch open_batches_[2];  // By RoutedRequest::redirect.
  // The lengths of values that this node's commands in flight make. A command
  // has the number of the next batch at the time when it is added.
  kv::WorkEstimate unapplied_;
  absl::btree_set<Place> without_outcome_;  // Open batches are not in it.
  Fifo<Batch> waiting_;                     // In ascending order of sequence.
  size_t waiting_requests_ = 0;
  // The largest sizes of the results of all requests here.
  Quota::Share results_bytes_{parts_.budget.reserved()};
  size_t waiting_bytes_ = 0;  // Bytes of the payloads in waiting_.
  uint64_t next_sequence_ = 1;
  size_t inflight_batches_ = 0;
  // How many of them each leader has, by its term.
  absl::btree_map<raft::Term, size_t> inflight_of_terms_;
  // Batches that this node proposed, in order: those without an answer, and
  // those that were answered as unknown.
  absl::btree_map<uint64_t, Batch> proposed_;
  absl::btree_map<uint64_t, Overdue> overdue_;
  uint64_t next_proposal_ = 1;
  EntriesInFlight in_flight_;  // Of this node and of others.
  PeerBatches peers_;
  bool peers_turn_ = false;  // The next batch to submit is one of peers_.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_BATCH_QUEUE_H_
