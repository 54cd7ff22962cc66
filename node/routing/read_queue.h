// node/routing/read_queue.h: the reads of one group that bypass the log: they
// wait for a read point, then are evaluated here.
//
// It decides when the reads of each ConnectionOrder have their turn. All reads
// that wait share one read point. A read moves to a batch when it must travel
// in the log: without a replica here, or beside a write of its own connection.
#ifndef QUORATE_NODE_ROUTING_READ_QUEUE_H_
#define QUORATE_NODE_ROUTING_READ_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/pending.h"
#include "env/quota.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/store.h"
#include "node/config/config.h"
#include "node/routing/batch_queue.h"
#include "node/routing/connection_order.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/long_work.h"
#include "node/routing/queue_parts.h"
#include "node/routing/request_sink.h"
#include "node/routing/result_room.h"
#include "raft/host/host.h"

namespace quorate::node {

// A parked read waits for room in its sink. It has reached its read point at a
// replica here. Or the leader evaluated it, and its result is kept, within the
// node's budget for replies. Or it needs a read point yet: without a replica
// here the leader evaluates no further read of that sink.
//
// Invariants: at most one read point is requested at a time; a later one might
// arrive first. Reads of one connection are evaluated in its order, except for
// a read that another group refused first: its slot has moved.
class ReadQueue {
 public:
  // All outlive the object. `wake` requests a Flush of the queue.
  ReadQueue(const QueueParts& parts, GroupLeadership& leadership,
            Forwarding& forwarding, BatchQueue& batches,
            const ResultRoom& results, QueueCounters& counters,
            LongWork& long_work, absl::AnyInvocable<void()> wake);

  void Add(ConnectionOrder& order, const RoutedRequest& request,
           const kv::CommandSpec& spec);
  // Answers a read without a read point of its own, or parks it. Requires:
  // GroupLeadership::MayAnswerStale, and no earlier read of the connection
  // travels in the log.
  void AnswerStale(ConnectionOrder& order, const RoutedRequest& request,
                   const kv::CommandSpec& spec);

  // ---- Moving to batches.
  // True if the results of the waiting reads fit into a batch.
  bool WaitingFit(const ConnectionOrder& order);
  // Moves the waiting reads into the batch: in front of a write of their
  // connection, or behind a read of it.
  void MoveToBatch(ConnectionOrder& order);

  // ---- Read points.
  // Serves the waiting reads that may be stale, if this replica does not lead.
  // Requests a read point for the others, if there is a leader.
  void Issue();
  // Lets the leader evaluate reads whose read point the replica here does not
  // reach in time. Its leader has given it: the replica may receive a snapshot.
  void GiveUpOnLatePoint();
  // When that is due; Max(): never.
  MonoTime late_at() const {
    return asked_.number == 0 || late_ || !LeaderAnswers() ? MonoTime::Max()
                                                           : asked_.late_at;
  }
  // Fails reads that waited too long for a leader.
  void ExpireWaiting();
  // The time at which the first waiting read expires; Max(): none waits for a
  // leader.
  MonoTime next_deadline() const;
  size_t waiting_requests() const { return waiting_requests_; }
  // The bytes of waiting reads and of long ones.
  size_t waiting_bytes() const { return waiting_bytes_ + long_bytes_; }
  // The bytes of reads here that are, or will be, answered in pieces.
  size_t long_bytes() const { return long_bytes_; }

  // ---- Parked reads.
  // Evaluates the parked reads of a sink while it has room for their results.
  void ServeParked(RequestSink* sink);
  // Fails all parked reads of a sink, which needs no results any more.
  void DropParked(RequestSink* sink);

 private:
  using Request = ConnectionOrder::Request;
  using State = ConnectionOrder::State;

  // ---- The states of a read. All but the first function take an issued read,
  // and end its turn.
  Request& AddRead(ConnectionOrder& order, const RoutedRequest& request,
                   const kv::CommandSpec& spec, State state);
  // It needs another read point.
  void WaitAgain(Request& read);
  // `point_of`: see Request.
  void Park(Request& read, ReplicaId point_of);
  // The replica here has reached its read point.
  void ParkAtPoint(Request& read) { Park(read, leadership_.replica()); }
  // It must travel in the log.
  void MoveToLog(Request& read, const kv::CommandSpec& spec);
  // The group does not own the slot, or has ended. Gives the read back to the
  // router (parts_.refused), or fails it if that takes none of its kind.
  void Refuse(Request& read, const kv::CommandSpec& spec);
  void Fail(Request& read, RequestFailure::Kind kind,
            const absl::Status& why = absl::OkStatus());
  // Inline, as every read passes here. Takes a read in pieces, too.
  void Answer(Request& read, const kv::ResultView& result) {
    const ConnectionOrder::Ended ended = read.order->End(read);
    parts_.refused.NoteExecuted(ended.sink, ended.slot, ended.token);
    ended.sink->OnResult(ended.token, result);
  }
  // Issues a read that is parked.
  void Unpark(Request& read);
  // Parked reads count in the node's budget for replies.
  static size_t BytesOf(const Request& read);
  // Counts a read that waits from now on, or no longer.
  void CountWaiting(const Request& read);
  void CountLeft(const Request& read);
  // The order is in orders_ from now on, or no longer.
  void Enlist(ConnectionOrder& order);
  void Delist(ConnectionOrder& order);

  // ---- Rounds.
  // Serves a round of the waiting reads that may be stale. Returns false if
  // there is none.
  bool IssueStale();
  // Returns false if the issued read takes no part in the round.
  bool TakesPart(Request& read);
  // Without a replica here, or with a late one, the leader evaluates the reads,
  // as many as fit one batch.
  void IssueToLeader();
  // A read point that was requested of the replica here.
  struct ReadPoint {
    uint64_t number = 0;  // Zero: there is none.
    MonoTime at;
    MonoTime late_at;
  };
  void Ask(ReadPoint* point);
  bool RoundShowsTimeLeft() const {
    return std::any_of(round_.begin(), round_.end(), [](const Request* read) {
      return kv::ShowsTimeLeft(read->op);
    });
  }
  void OnReadPoint(uint64_t number, const absl::Status& status);
  void OnLeaderRead(const Buffer& asked, const raft::ProposeResult& answer);
  // Gives the leader's result, which views `all`, to the sink, or keeps or
  // parks the read.
  void Deliver(Request& read, const kv::ResultView& result, const Buffer& all);
  // Serves the reads of the round while the turn has time for work, and
  // continues in the next turn. Their read point stays reached. `own_turn`: no
  // read was served in this turn, which serves at least one.
  void ServeRound(bool own_turn);
  // Brings the keys of the next reads of the round into the cache.
  void PrefetchRound() const;
  // The reads without a turn wait again.
  void EndRound();

  // ---- Evaluating.
  // Serves an issued read whose read point is reached.
  void Serve(Request& read, const kv::CommandSpec& spec);
  // Serves a parked read, or leaves it parked.
  void ServeParkedRead(Request& read);
  // True if the sink has room, and the turn has time, for a read whose turn it
  // is. Work for the read is counted after the question: only that of others
  // makes it wait.
  bool MayBegin(const Request& read) const {
    return !read.order->AwaitsEarlier(read) &&
           read.order->sink()->RoomFor(read.token, 0);
  }
  // The times by which the read finds keys due. For a read of any state it is
  // log time: an entry that advances it would need a majority. With a bound it
  // is that of the newest read point here.
  kv::PointTime DueBy(const Request& read) const {
    return read.stale && read.staleness_max == kAnyStaleness
               ? kv::PointTime()
               : leadership_.ReadTime();
  }
  // Serves an issued read that may begin, or parks it.
  void Evaluate(Request& read, const kv::CommandSpec& spec,
                const kv::Store& here);
  // Moves the parked reads of an order into the batch, when no replica here can
  // serve them any more.
  void MoveParkedToBatch(ConnectionOrder& order);
  // True if the leader does not evaluate the read yet.
  bool AwaitsRoom(const Request& read) const {
    return !ReadsHere() && read.order->AwaitsEarlier(read);
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
  void AnswerInPieces(Request& read);
  // Gives the next piece to the sink. Returns true if the read has ended: it is
  // answered, or was parked, refused or moved to the log.
  bool AnswerPiece(LongAnswer& answer);
  // Begins the read. Returns false if it has ended.
  bool Begin(LongAnswer& answer);
  // Returns false if the read has ended, now that its size is known.
  bool TakesElements(LongAnswer& answer);
  // Answers with a result of another node, which views `all`.
  void AnswerEncoded(Request& read, const kv::ResultView& result,
                     const Buffer& all);
  // A read that was answered in pieces has ended. Its reply may have to wait
  // for others, so nothing else wakes the sink's parked reads.
  void EndLong(RequestSink* sink, uint64_t token);

  // Null: the sink has no requests here. An answer may make another order of an
  // idle one, so it is looked up again.
  ConnectionOrder* OrderOf(RequestSink* sink) const {
    return sink->routing().FindOrder(leadership_.group());
  }
  Request* FirstParked(RequestSink* sink) const;

  // The replica here serves reads. Without a leader that answers, none can.
  bool ReadsHere() const {
    return leadership_.hosted() &&
           (!late_ || leadership_.kind() == Leadership::Kind::kSelf ||
            !LeaderAnswers());
  }
  // Another node leads, and answers.
  bool LeaderAnswers() const {
    return leadership_.kind() == Leadership::Kind::kRemote &&
           parts_.view.ReachableLeader(leadership_.group()) ==
               leadership_.known().leader;
  }
  // The link to the leader's node has room for a batch of reads.
  bool LinkHasRoom() const {
    return forwarding_.HasRoom(parts_.config.bounds.batch_bytes);
  }
  // The waiting reads wait for answers of the leader's node to other requests,
  // which make room.
  bool AwaitLink() const {
    return leadership_.kind() == Leadership::Kind::kRemote && !ReadsHere() &&
           !read_point_due_ && waiting_requests_ > 0 &&
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
  // The orders with waiting reads. They take turns: an order whose reads do not
  // fit a round goes behind the others. Null: it has no waiting read any more.
  std::vector<ConnectionOrder*> orders_;
  size_t delisted_ = 0;  // How many are null: less than half of them.
  // A read that may be stale began to wait after the last round of them.
  bool stale_waiting_ = false;
  size_t waiting_requests_ = 0;
  size_t waiting_bytes_ = 0;
  size_t long_bytes_ = 0;
  Quota::Share parked_{parts_.budget.reserved()};
  // The reads that share the requested read point, by order, and the next one
  // to serve. They have left kIssued before that one.
  std::vector<Request*> round_;
  size_t round_next_ = 0;
  bool read_point_due_ = false;  // True until all of the round are served.
  uint64_t points_asked_ = 0;
  ReadPoint asked_;  // The one that the round awaits.
  // The replica here did not reach its last read point in time. Then no round
  // awaits `probe_`, which shows when it does again.
  bool late_ = false;
  ReadPoint probe_;
  // When a read point was last reached, or the leader last served reads.
  MonoTime served_at_ = MonoTime::Min();
  env::Pending continue_;
  // The storage of a command's arguments.
  std::vector<std::string_view> arguments_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_READ_QUEUE_H_
