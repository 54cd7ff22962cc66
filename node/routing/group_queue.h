// node/routing/group_queue.h: the queue of commands for one group. It collects
// the commands of a turn, submits them together, and holds them while the group
// has no known leader.
//
// Commands of one sink stay in its order. Reads bypass the log
// (node/routing/read_queue.h). A read travels in a batch with the writes
// (node/routing/batch_queue.h) only behind unapplied writes of its own sink.
#ifndef QUORATE_NODE_ROUTING_GROUP_QUEUE_H_
#define QUORATE_NODE_ROUTING_GROUP_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/quota.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/store/store.h"
#include "node/peers/answer_room.h"
#include "node/peers/forward_channel.h"
#include "node/peers/peer_message.h"
#include "node/routing/batch_queue.h"
#include "node/routing/connection_order.h"
#include "node/routing/forwarding.h"
#include "node/routing/group_leadership.h"
#include "node/routing/long_work.h"
#include "node/routing/peer_reads.h"
#include "node/routing/queue_parts.h"
#include "node/routing/read_queue.h"
#include "node/routing/request_sink.h"
#include "node/routing/result_room.h"
#include "node/routing/wait_order.h"

namespace quorate::node {

enum class Admission : uint8_t {
  kAccepted,  // The answer will follow, or was given already.
  kBlocked,   // Nothing happened. Retry after the next answer or OnUnblocked.
};

// The whole of one group: it admits requests and decides when its parts act.
// The parts are made for the first request. A node may have thousands of groups
// without any.
//
// A queue ends when the map leaves its group out. Then it gives what waits back
// to the router (RefusedCommands), and still answers what is under way.
//
// Invariant: an accepted request has exactly one answer.
class GroupQueue {
 public:
  GroupQueue(const QueueParts& parts, GroupId group)
      : parts_(parts), leadership_(parts, group) {}
  GroupQueue(const GroupQueue&) = delete;
  GroupQueue& operator=(const GroupQueue&) = delete;

  // ---- For sessions.
  Admission Add(const RoutedRequest& request, const kv::CommandSpec& spec);
  // Adds `specs` as one kAtomic.
  Admission AddAtomic(const RoutedRequest& request, Slot slot,
                      const std::optional<kv::SessionStamp>& session,
                      absl::Span<const kv::CommandSpec> specs);
  // Adds the only command of `batch`, which another group refused. The limits
  // of waiting requests do not apply again: it was accepted before.
  Admission AddAgain(RoutedRequest request, const Buffer& batch);
  // Cancels the OnUnblocked that `sink` waits for.
  void ForgetBlocked(RequestSink* sink) {
    if (requests_ != nullptr) requests_->blocked.Forget(sink);
  }
  // Serves or fails the sink's parked reads (node/routing/read_queue.h).
  void ServeParked(RequestSink* sink) { requests().reads.ServeParked(sink); }
  void DropParked(RequestSink* sink) { requests().reads.DropParked(sink); }

  // ---- For other nodes (node/routing/forwarding.h).
  // Proposes a batch of another node when there is room. kNotExecuted with the
  // leader's name unless this node leads and accepts the stamp.
  void ApplyForPeer(const ForwardStamp& stamp, Buffer payload, PeerDone done) {
    Forwarding& forwarding = requests().forwarding;
    if (!forwarding.Accept(stamp)) return done(forwarding.NotLeading());
    requests().batches.AddForPeer(stamp, std::move(payload), std::move(done));
    Wake();
  }
  // Evaluates a batch of reads of another node at a read point.
  void ReadForPeer(Buffer payload, PeerDone done, AnswerRoom& room) {
    requests().peer_reads.Serve(std::move(payload), std::move(done), room);
  }
  // kNotExecuted, with the leader's name.
  PeerResult NotLeading() {
    RefreshLeadership();
    return requests().forwarding.NotLeading();
  }
  PeerResult OpenForPeer(const ForwardStamp& replaces) {
    return requests().forwarding.OpenForPeer(replaces);
  }

  // ---- For the router.
  // Proposes, reads, forwards and fails what is due. Called in step 2 of a
  // turn.
  void Flush();
  // The map leaves the group out, or has it again. A Flush must follow.
  void SetEnded(bool ended);
  // No callback names the queue, and no request is in it. False for each queue
  // that ever had a request: a parked read may name it.
  bool unused() const { return requests_ == nullptr; }
  // Marks the queue as one that requested a Flush. Returns false if it was
  // marked.
  bool MarkWoken() { return !std::exchange(woken_, true); }
  void ForgetWoken() { woken_ = false; }
  // The time of the next Flush if nothing else happens; Max(): none.
  MonoTime next_deadline() const;
  // Updates leadership() from the host and the live view.
  void RefreshLeadership() { leadership_.Refresh(); }
  // True if this node's replica has applied no entry of a leader since its
  // start, so it answers no stale read. When it applies one, a Flush is due.
  bool awaits_leaders_entry() const {
    return hosted() && !leadership_.applied_of_leader();
  }

  // ---- State (node/routing/group_leadership.h).
  GroupId group() const { return leadership_.group(); }
  const Leadership& leadership() const { return leadership_.known(); }
  bool placed() const { return leadership_.placed(); }
  bool hosted() const { return leadership_.hosted(); }
  const kv::Store* store() const { return leadership_.store(); }
  void NoteApplied();
  QueueCounters counters() const {
    return requests_ == nullptr ? QueueCounters() : requests_->counters;
  }
  size_t waiting_requests() const {
    return requests_ == nullptr ? 0
                                : requests_->batches.waiting_requests() +
                                      requests_->reads.waiting_requests();
  }
  // The bytes of waiting requests, and of reads whose answers take several
  // turns. Those of reads that moved to a batch count
  // until the next read point is requested.
  size_t waiting_bytes() const {
    return requests_ == nullptr ? 0
                                : requests_->batches.waiting_bytes() +
                                      requests_->reads.waiting_bytes();
  }
  size_t inflight() const {
    return requests_ == nullptr ? 0 : requests_->batches.inflight();
  }

 private:
  // The parts that hold and answer requests.
  struct Requests {
    // All outlive the object.
    Requests(const QueueParts& parts, GroupQueue& queue,
             GroupLeadership& leadership);

    QueueCounters counters;
    Forwarding forwarding;
    ResultRoom results;
    BatchQueue batches;
    LongWork long_work;
    ReadQueue reads;
    PeerReads peer_reads;
    WaitOrder blocked;  // Sinks that wait because too many requests wait.
  };

  // Makes the parts if there are none.
  Requests& requests() {
    if (requests_ == nullptr) {
      requests_ = std::make_unique<Requests>(parts_, *this, leadership_);
    }
    return *requests_;
  }
  void Wake() { parts_.wake(*this); }
  // True if as many requests or bytes wait as bounds.held_requests and
  // bounds.held_bytes allow. If the requests of all groups have more than
  // bounds.held_total_bytes, a group holds about one batch.
  bool Congested() const;
  // The next place of a request. ConnectionOrder has its later states.
  enum class Next : uint8_t {
    kStaleAnswer,       // A read that the replica here answers at once.
    kRead,              // A read that waits for a read point.
    kBatch,             // It travels in the log.
    kBatchBehindReads,  // So do the waiting reads of its connection before it.
    kLater,             // Nothing yet: an answer or OnUnblocked follows.
    kMoved,             // These three are failed.
    kOverloaded,
    kUnservable,
  };
  struct Decision {
    Next next;
    size_t result_bytes = 0;  // In a batch, the upper bound of its result.
  };
  // Nothing has happened after these but that the sink may wait for room.
  Decision Decide(const ConnectionOrder& order, const RoutedRequest& request,
                  const kv::CommandSpec& spec);
  Decision DecideAtomic(const ConnectionOrder& order,
                        const RoutedRequest& request,
                        absl::Span<const kv::CommandSpec> specs);
  Decision DecideBatch(const ConnectionOrder& order,
                       const RoutedRequest& request, size_t result_bytes);
  // Set if the command is not forwarded, since its client wants MOVED.
  // `forwards`: it is as long as the leader is new.
  std::optional<Next> SendAway(const ConnectionOrder& order,
                               const RoutedRequest& request,
                               bool forwards) const;
  // Set if the group has no room for the request, or serves none.
  std::optional<Next> WaitsForRoom(const RoutedRequest& request);
  // Does what was decided. `add` adds the request to the queue for it.
  Admission Take(const RoutedRequest& request, Slot slot,
                 const Decision& decision, absl::FunctionRef<void()> add);
  ConnectionOrder& OrderOf(const RoutedRequest& request) const {
    return request.sink->routing().OrderOf(group());
  }
  // Counts the waiting bytes in the account of the node.
  void CountHeld();
  // Reserves memory for the writes of earlier leaders that are not applied, as
  // long as this node leads and they are not.
  void ReserveInherited();
  void UnblockSinks();
  // Without a replica here: asks other nodes who leads, if requests wait for
  // that or for an answer that is late.
  void SeekLeader();

  const QueueParts& parts_;
  GroupLeadership leadership_;
  std::unique_ptr<Requests> requests_;  // Null: there was no request yet.
  bool woken_ = false;                  // See MarkWoken.
  Quota::Share memory_{parts_.memory.used()};  // That of the store here.
  Quota::Share held_{parts_.held};
  // Without a replica here: when to ask others who leads; Max(): not now.
  MonoTime query_at_ = MonoTime::Max();
  raft::Term led_in_;  // The term in which this node leads; zero: it does not.
  // The last entry of earlier leaders while it is not applied, else zero; and
  // what is reserved for such entries.
  raft::Index inherited_through_;
  Quota::Share inherited_{parts_.memory.reserved()};
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_GROUP_QUEUE_H_
