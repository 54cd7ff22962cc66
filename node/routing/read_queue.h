// node/routing/read_queue.h: the reads of one group that bypass the log: they
// wait for a read point, then are evaluated here.
//
// All reads of a turn share one read point. A read moves to a batch when it
// must travel in the log: without a replica here, or beside a write of its own
// sink.
#ifndef QUORATE_NODE_ROUTING_READ_QUEUE_H_
#define QUORATE_NODE_ROUTING_READ_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/pending.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/routing/batch_queue.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/queue_parts.h"
#include "node/routing/read_list.h"
#include "node/routing/refused_commands.h"
#include "node/routing/request_sink.h"
#include "node/routing/result_room.h"
#include "raft/host/host.h"

namespace quorate::node {

// A read is in one of three states: waiting for a read point to be requested,
// issued, or parked. A parked read has reached its read point, but its sink has
// no room. If the leader evaluated the read, its result is kept, within the
// node's budget for replies. The leader evaluates no further read of that sink.
//
// Invariants: at most one read point is requested at a time; a later one might
// arrive first. Reads of one sink are evaluated in its order.
class ReadQueue {
 public:
  // All outlive the object. `wake` requests a Flush of the queue.
  ReadQueue(const QueueParts& parts, GroupLeadership& leadership,
            Forwarding& forwarding, BatchQueue& batches,
            const ResultRoom& results, QueueCounters& counters,
            absl::AnyInvocable<void()> wake);

  void Add(const RoutedRequest& request, const kv::CommandSpec& spec);

  // ---- Moving to batches.
  // True if the results of the sink's waiting reads fit into a batch.
  bool WaitingFit(RequestSink* sink);
  // Moves the sink's waiting reads into the batch: in front of its write, or
  // behind a read of it.
  void MoveToBatch(RequestSink* sink);

  // ---- Read points.
  // Requests a read point for the waiting reads, if there is a leader.
  void Issue();
  // True while a requested read point is outstanding.
  bool read_point_due() const { return read_point_due_; }
  // Fails reads that waited too long for a leader.
  void ExpireWaiting();
  // True if the list of waiting reads has no item. Reads that moved to a batch
  // stay in it as empty items for a while.
  bool empty() const { return reads_->items().empty(); }
  // The time at which the first waiting read expires; Max(): none waits.
  MonoTime next_deadline() const;
  size_t waiting_requests() const { return waiting_requests_; }
  size_t waiting_bytes() const { return reads_->bytes(); }

  // ---- Parked reads.
  // Evaluates the parked reads of `sink` while it has room for their results.
  void ServeParked(RequestSink* sink);
  // Fails all parked reads of `sink`, which does not need the results.
  void DropParked(RequestSink* sink);

 private:
  // The outcome of serving a read whose read point is reached.
  enum class Served : uint8_t {
    kDone,
    kNoRoom,  // The sink has no room for the result.
    // A read of the same sink travels in the log: this read must follow it.
    kLater,
  };

  // Moves the sink's parked reads into the batch, when no replica here can
  // serve them any more.
  void MoveParkedToBatch(RequestSink* sink);
  void OnReadPoint(std::unique_ptr<ReadList> reads, const absl::Status& status);
  // Without a replica here the leader evaluates the reads, as many as fit one
  // batch.
  void IssueToLeader(std::unique_ptr<ReadList> reads);
  void OnLeaderRead(std::unique_ptr<ReadList> reads, const Buffer& asked,
                    const raft::ProposeResult& answer);
  // Moves an issued read of serving_ to the log.
  void MoveToLog(ReadList::Item& item);
  // Gives the leader's result to the sink, or keeps or parks the read.
  void Deliver(ReadList::Item& item, const kv::ResultView& result);
  // Serves the reads of serving_ while the turn has time for work, and
  // continues in the next turn. Their read point stays reached. `own_turn`: no
  // read was served in this turn, which serves at least one.
  void ServeReads(bool own_turn);
  // Brings the keys of the next reads of serving_ into the cache.
  void PrefetchServing() const;
  bool ServesInThisTurn(const ReadList::Item& item, bool own_turn) const;
  // No read of serving_ is left to serve.
  void EndServing();
  Served Serve(const RoutedRequest& request, const kv::CommandSpec& spec,
               MonoTime deadline);
  // Ends an issued read that the group refused, as it does not own the slot: it
  // goes to parts_.refused if it may.
  void Refuse(RoutedRequest request, const kv::CommandSpec& spec,
              MonoTime deadline);
  // Inline, as every read passes here.
  void Answer(const RoutedRequest& request, Slot slot,
              const kv::ResultView& result) {
    --OrderOf(request.sink).issued_reads;
    parts_.refused.NoteExecuted(request.sink, slot, request.token);
    request.sink->OnResult(request.token, result);
  }
  // True if `sink` waits for room, so that the leader evaluates no further read
  // of it.
  bool AwaitsRoom(RequestSink* sink) const;
  // The leader's result for a read that will be parked; empty if it is not
  // kept.
  Buffer KeptResult(RequestSink* sink, const kv::ResultView& result) const;
  void Park(RequestSink* sink, const ReadList::Item& item,
            const ReadList& reads, Buffer result);
  // Gives the result to the sink, or adds the read to `behind_log`, the reads
  // that wait again. Returns false if the sink has no room.
  bool ServeParkedRead(RequestSink* sink, const RequestSink::ParkedRead& read,
                       ReadList* behind_log);
  // The sink's waiting reads waited for room so far, not for a leader.
  void RenewDeadlines(RequestSink* sink);
  // Takes the sink's parked reads of this group out of its list, in order.
  std::vector<RequestSink::ParkedRead> TakeParked(RequestSink* sink);
  // Puts the reads back in front of those that arrived in the meantime.
  void KeepReads(const ReadList& reads);
  void KeepRead(const ReadList::Item& item, const ReadList& reads);
  // Sorts the waiting reads of the sink in the order in which it sent them.
  void SortReadsOf(RequestSink* sink);
  void Fail(const ReadList::Item& item, RequestFailure::Kind kind,
            const absl::Status& why);
  RequestSink::ConnectionOrder& OrderOf(RequestSink* sink) const {
    return sink->routing().OrderOf(leadership_.group());
  }
  MonoTime NewDeadline() const {
    return parts_.loop.ReadClock().mono + parts_.config.timeouts.leader_wait;
  }

  const QueueParts& parts_;
  GroupLeadership& leadership_;
  Forwarding& forwarding_;
  BatchQueue& batches_;
  const ResultRoom& results_;
  QueueCounters& counters_;
  absl::AnyInvocable<void()> wake_;
  std::unique_ptr<ReadList> reads_;        // The waiting reads.
  std::unique_ptr<ReadList> spare_reads_;  // Kept for its memory; may be null.
  size_t waiting_requests_ = 0;
  bool read_point_due_ = false;
  // The reads whose read point is reached, and the next one to serve; null if
  // there are none. read_point_due_ is true until all are served.
  std::unique_ptr<ReadList> serving_;
  size_t serving_next_ = 0;
  // Sinks of serving_ with a read that has to follow one in the log. Their
  // later reads follow it too.
  std::vector<RequestSink*> serving_later_;
  env::Pending continue_;
  // The items of the reads that the leader was asked for, in order.
  std::vector<size_t> asked_;
  // The arguments of the command that is read from a list.
  std::vector<std::string_view> arguments_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_READ_QUEUE_H_
