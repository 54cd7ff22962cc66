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
#include "kv/store/store.h"
#include "node/config/config.h"
#include "node/routing/batch_queue.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/long_work.h"
#include "node/routing/queue_parts.h"
#include "node/routing/read_list.h"
#include "node/routing/refused_commands.h"
#include "node/routing/request_sink.h"
#include "node/routing/result_room.h"
#include "raft/host/host.h"

namespace quorate::node {

// A read is in one of four states: waiting for a read point to be requested,
// issued, parked, or being answered in pieces. A parked read has reached its
// read point, but its sink has no room. If the leader evaluated the read, its
// result is kept, within the node's budget for replies. The leader evaluates no
// further read of that sink.
//
// Invariants: at most one read point is requested at a time; a later one might
// arrive first. Reads of one sink are evaluated in its order, except for a read
// that another group refused first: its slot has moved.
class ReadQueue {
 public:
  // All outlive the object. `wake` requests a Flush of the queue.
  ReadQueue(const QueueParts& parts, GroupLeadership& leadership,
            Forwarding& forwarding, BatchQueue& batches,
            const ResultRoom& results, QueueCounters& counters,
            LongWork& long_work, absl::AnyInvocable<void()> wake);

  void Add(const RoutedRequest& request, const kv::CommandSpec& spec);

  // Answers a read without a read point, by log time alone, or parks it.
  // Returns false if an earlier read of the sink travels in the log; then
  // nothing has happened. Requires: a replica here that owns the slot.
  bool ServeStale(RoutedRequest request, const kv::CommandSpec& spec);

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
  // The time at which the first waiting read expires; Max(): none waits for a
  // leader.
  MonoTime next_deadline() const;
  size_t waiting_requests() const { return waiting_requests_; }
  // The bytes of waiting reads and of long ones.
  size_t waiting_bytes() const { return reads_->bytes() + long_bytes_; }
  // The bytes of reads here that are, or will be, answered in pieces.
  size_t long_bytes() const { return long_bytes_; }

  // ---- Parked reads.
  // Evaluates the parked reads of `sink` while it has room for their results.
  void ServeParked(RequestSink* sink);
  // Fails all parked reads of `sink`, which needs no results any more.
  void DropParked(RequestSink* sink);

 private:
  using ParkedRead = RequestSink::ParkedRead;
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
  // Moves an issued read to the log.
  void MoveReadToLog(const RoutedRequest& request, const kv::CommandSpec& spec);
  // Gives the leader's result, which views `all`, to the sink, or keeps or
  // parks the read.
  void Deliver(ReadList::Item& item, const kv::ResultView& result,
               const Buffer& all);
  // Serves the reads of serving_ while the turn has time for work, and
  // continues in the next turn. Their read point stays reached. `own_turn`: no
  // read was served in this turn, which serves at least one.
  void ServeReads(bool own_turn);
  // Brings the keys of the next reads of serving_ into the cache.
  void PrefetchServing() const;
  bool GoesBehindEarlier(RequestSink* sink) const;
  // No read of serving_ is left to serve.
  void EndServing();
  Served Serve(const RoutedRequest& request, const kv::CommandSpec& spec,
               MonoTime deadline);
  // True if the sink has room, and the turn has time, for a read whose turn it
  // is. Work for the read is counted after the question: only that of others
  // makes it wait.
  bool MayBegin(const RoutedRequest& request) const;
  // The time by which the read finds keys due. A stale read must not need an
  // entry that advances log time: a majority may be gone.
  WallTime DueBy(const RoutedRequest& request) const {
    return request.stale ? WallTime::Min() : leadership_.ReadTime();
  }
  // Serves a read that may begin. Never returns kLater.
  Served Evaluate(const RoutedRequest& request, const kv::CommandSpec& spec,
                  const kv::Store& here);
  // Gives a read back to the router (parts_.refused), or fails it if that takes
  // none of its kind.
  void GiveBack(RoutedRequest request, const kv::CommandSpec& spec,
                MonoTime deadline);
  // Ends an issued read that the group refused, as it does not own the slot.
  void Refuse(const RoutedRequest& request, const kv::CommandSpec& spec,
              MonoTime deadline) {
    --OrderOf(request.sink).issued_reads;
    GiveBack(request, spec, deadline);
  }
  // Inline, as every read passes here.
  void Answer(const RoutedRequest& request, Slot slot,
              const kv::ResultView& result) {
    --OrderOf(request.sink).issued_reads;
    parts_.refused.NoteExecuted(request.sink, slot, request.token);
    request.sink->OnResult(request.token, result);
  }
  // ---- Long reads: each piece of the answer is one result (kv::ResultView).
  // The whole answer is of one state, and the sink has room for all of it
  // before the first piece.
  struct LongAnswer;
  const BoundsConfig& bounds() const { return parts_.config.bounds; }
  bool IsLong(const kv::CommandSpec& spec) const;
  // True if another node's result is answered in pieces.
  bool IsLong(kv::Op op, const kv::ResultView& result) const;
  // Answers an issued read over several turns.
  void AnswerInPieces(const RoutedRequest& request,
                      const kv::CommandSpec& spec);
  // Gives the next piece to the sink. Returns true if the read has ended: it is
  // answered, or was parked, refused or moved to the log.
  bool AnswerPiece(LongAnswer& answer);
  // Begins the read. Returns false if it has ended.
  bool Begin(LongAnswer& answer);
  // Returns false if the read has ended, now that its size is known.
  bool TakesElements(LongAnswer& answer);
  // Answers with a result of another node, which views `all`.
  void AnswerEncoded(const RoutedRequest& request, kv::Op op, Slot slot,
                     const kv::ResultView& result, const Buffer& all);

  // ---- Parked reads.
  // A read that was answered in pieces has ended. Its reply may have to wait
  // for others, so nothing else wakes the sink's parked reads.
  void EndLong(const RoutedRequest& request);
  // True if the sink's read `token` waits for one that is answered in pieces,
  // or for an earlier one that is parked. It never waits for a later one's
  // room. A later read is there if another group refused this one first.
  static bool AwaitsEarlier(const RequestSink::ConnectionOrder& order,
                            uint64_t token) {
    return order.long_reads > 0 || order.first_parked < token;
  }
  // True if the leader does not evaluate the read yet.
  bool AwaitsRoom(RequestSink* sink, uint64_t token) const;
  // True if the leader's result for a read that will be parked is kept.
  bool MayKeep(RequestSink* sink, const kv::ResultView& result) const;
  ParkedRead ReadToPark(const RoutedRequest& request,
                        const kv::CommandSpec& spec) const;
  // Parked reads count in the node's budget for replies.
  static size_t BytesOf(const ParkedRead& read);
  // A read of a sink that drops its reads fails instead.
  void Park(RequestSink* sink, ParkedRead read);
  // The read is not parked any more.
  void Unpark(RequestSink* sink, const ParkedRead& read);
  // Gives the result to the sink, or adds the read to `behind_log`, the reads
  // that wait again. Returns false if the sink has no room.
  bool ServeParkedRead(RequestSink* sink, const ParkedRead& read,
                       ReadList* behind_log);
  // The sink's waiting reads waited for room so far, not for a leader.
  void RenewDeadlines(RequestSink* sink);
  // Puts the reads back in front of those that arrived in the meantime.
  void KeepReads(const ReadList& reads);
  void KeepRead(const ReadList::Item& item, const ReadList& reads);
  void Fail(const RoutedRequest& request, Slot slot, RequestFailure::Kind kind,
            const absl::Status& why = absl::OkStatus()) {
    request.sink->OnFailure(request.token,
                            leadership_.MakeFailure(kind, slot, why));
  }
  RequestSink::ConnectionOrder& OrderOf(RequestSink* sink) const {
    return sink->routing().OrderOf(leadership_.group());
  }
  // The link to the leader's node has room for a batch of reads.
  bool LinkHasRoom() const {
    return forwarding_.HasRoom(parts_.config.limits.batch_bytes);
  }
  // The waiting reads wait for answers of the leader's node to other requests,
  // which make room.
  bool AwaitLink() const {
    return leadership_.kind() == Leadership::Kind::kRemote &&
           !leadership_.hosted() && !read_point_due_ && !empty() &&
           forwarding_.awaits_answers() && !LinkHasRoom();
  }
  // While a leader serves reads nothing expires: the others wait for their
  // turn.
  MonoTime ServedDeadline() const {
    return served_at_ == MonoTime::Min() ||
                   leadership_.kind() == Leadership::Kind::kUnknown
               ? MonoTime::Min()
               : served_at_ + parts_.config.timeouts.leader_wait;
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
  LongWork& long_work_;
  absl::AnyInvocable<void()> wake_;
  std::unique_ptr<ReadList> reads_;        // The waiting reads.
  std::unique_ptr<ReadList> spare_reads_;  // Kept for its memory; may be null.
  size_t waiting_requests_ = 0;
  size_t long_bytes_ = 0;
  bool read_point_due_ = false;
  // When a read point was last reached, or the leader last served reads.
  MonoTime served_at_ = MonoTime::Min();
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
