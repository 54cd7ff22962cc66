// node/routing/group_queue.h: the queue of commands for one group. It collects
// the commands of a turn, proposes them together, and holds them while the
// group has no known leader.
//
// Commands of one sink stay in its order. Reads bypass the log: all reads of a
// turn share one read point. A read travels in an entry only behind unapplied
// writes of its own sink. A command is proposed again only if it was not
// executed the first time.
#ifndef QUORATE_NODE_ROUTING_GROUP_QUEUE_H_
#define QUORATE_NODE_ROUTING_GROUP_QUEUE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "env/env.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/store.h"
#include "node/base/output_budget.h"
#include "node/config/config.h"
#include "node/routing/forward_channel.h"
#include "node/routing/live_view.h"
#include "node/routing/peer_link.h"
#include "node/routing/request_sink.h"
#include "raft/host/host.h"

namespace quorate::node {

// A request as sessions give it to the router.
struct RoutedRequest {
  RequestSink* sink = nullptr;
  // Chosen by the sink, and returned with the answer.
  uint64_t token = 0;
  // The sink wants to learn who leads (MOVED) instead of having the command
  // forwarded.
  bool redirect = false;
  // A further part of a command whose first part this group accepted.
  // limits.held_requests counts all parts as one request.
  bool further = false;
};

enum class Admission : uint8_t {
  kAccepted,  // The answer will follow, or was given already.
  kBlocked,   // Nothing happened. Retry after the next answer or OnUnblocked.
};

struct Leadership {
  enum class Kind : uint8_t { kUnknown, kSelf, kRemote } kind = Kind::kUnknown;
  NodeId leader;  // Zero if unknown.
};

// Counters for metrics.
struct QueueCounters {
  uint64_t proposals = 0;
  uint64_t proposed_commands = 0;
  uint64_t proposals_refused = 0;  // Not executed.
  uint64_t proposals_unknown = 0;
  uint64_t forwarded = 0;  // Batches sent to another node.
  uint64_t read_rounds = 0;
  uint64_t reads = 0;
  uint64_t reads_in_log = 0;
  uint64_t reads_failed = 0;  // Rounds that failed.
  uint64_t leader_wait_expired = 0;
};

class GroupQueue {
 public:
  // The parts that a queue uses; all outlive it.
  struct Parts {
    env::Loop& loop;
    env::Buggify& buggify;
    raft::Host& host;
    const Config& config;
    PeerLinks& links;
    LiveView& view;
    OutputBudget& budget;
  };
  struct Callbacks {
    // Requests a Flush in step 2 of this turn.
    absl::AnyInvocable<void()> wake;
    // Called when leadership() has changed.
    absl::AnyInvocable<void()> leadership_changed;
  };

  GroupQueue(const Parts& parts, GroupId group, Callbacks callbacks);
  GroupQueue(const GroupQueue&) = delete;
  GroupQueue& operator=(const GroupQueue&) = delete;

  Admission Add(const RoutedRequest& request, const kv::CommandSpec& spec);
  // Adds `specs` as one kAtomic.
  Admission AddAtomic(const RoutedRequest& request, Slot slot,
                      const std::optional<kv::SessionStamp>& session,
                      absl::Span<const kv::CommandSpec> specs);
  // Proposes a batch of another node. kNotExecuted with the leader's name
  // unless this node leads and accepts the stamp.
  void ApplyForPeer(const ForwardStamp& stamp, Buffer payload,
                    PeerLink::Done done);
  // Opens a channel for such batches. kNotExecuted with the leader's name
  // unless this node leads.
  PeerResult OpenForPeer(const ForwardStamp& replaces);

  // Proposes, reads, forwards and fails what is due. Called in step 2 of a
  // turn.
  void Flush();
  // The time of the next Flush if nothing else happens; Max(): none.
  MonoTime next_deadline() const;

  // Cancels the OnUnblocked that `sink` waits for.
  void ForgetBlocked(RequestSink* sink);
  // Evaluates the parked reads of `sink` while it has room for their results.
  void ServeParked(RequestSink* sink);
  // Fails all parked reads of `sink`, which does not need the results.
  void DropParked(RequestSink* sink);

  const Leadership& leadership() const { return leadership_; }
  // True if the configuration places a replica here.
  bool placed() const { return placed_; }
  // True if a working replica is here. If not, the live view decides who leads.
  bool hosted() const { return hosted_; }
  // Updates leadership() from the host and the live view.
  void RefreshLeadership();
  // Null if no working replica is here.
  const kv::Store* store() const;
  // The store for reads that ask no leader. Null also until the replica, since
  // its start, has applied an entry of a leader that it heard of: a replica
  // that starts has applied its snapshot only.
  const kv::Store* stale_store() const;
  // True if this node's replica has applied no entry of a leader since its
  // start, so stale_store() is null. When it applies one, a Flush is due.
  bool awaits_leaders_entry() const { return hosted_ && !applied_of_leader_; }
  GroupId group() const { return group_; }
  const QueueCounters& counters() const { return counters_; }
  size_t waiting_requests() const { return waiting_requests_; }
  // Batches that were submitted to the host or to another node, without an
  // answer.
  size_t inflight() const { return inflight_batches_; }

 private:
  struct Item {
    RequestSink* sink;
    uint64_t token;
    Slot slot;
    bool write;
    uint32_t bytes;         // Encoded size.
    uint32_t result_bytes;  // Upper bound of the result's size.
  };
  // The commands of one entry.
  struct Batch {
    uint64_t sequence = 0;
    Buffer payload;
    size_t result_bytes = 0;
    std::vector<Item> items;
    MonoTime deadline;  // The time until which the batch waits for a leader.
    bool redirect = false;
    bool refused = false;  // It was submitted and refused.
    bool forwarded = false;
  };
  // Whether a refused batch may be submitted again.
  enum class RetryDecision : uint8_t {
    kYes,
    kLater,  // Later: a later batch of one of its sinks is in flight.
    // No: a later batch of one of its sinks was, or may have been, executed.
    kNever,
  };
  // A batch that grows during a turn. Requests with and without redirect are
  // collected separately. If a sink uses both, the batch of its earlier
  // requests is closed first.
  struct OpenBatch {
    uint64_t number = 1;  // Counts the batches that were collected here.
    kv::BatchBuilder builder;
    size_t result_bytes = 0;
    std::vector<Item> items;
  };
  // A channel to one node that leads the group.
  struct Channel {
    ForwardStamp last;
    bool open = false;
    bool opening = false;
  };
  // A read outside batches. Its arguments are in the arena, each after its
  // length.
  struct ReadItem {
    RequestSink* sink;  // Null if the read moved to a batch.
    uint64_t token;
    MonoTime deadline;
    std::array<int64_t, 2> numbers;
    size_t arguments_offset;
    uint32_t arguments_count;
    Slot slot;
    kv::Op op;
    bool redirect;
  };
  struct Reads {
    std::vector<ReadItem> items;
    std::string arena;
  };

  // The pause after a refusal or a failed read point.
  static constexpr Duration kRetryDelay = Milliseconds(10);

  static void AppendArgument(std::string* arena, std::string_view argument);
  bool Congested() const;
  Admission Refuse(const RoutedRequest& request, Slot slot,
                   RequestFailure::Kind kind);
  Admission Block(const RoutedRequest& request);
  // Checks everything that can prevent a command from being added. Returns
  // nullopt if the command may be added. `result_bytes` is the upper bound of
  // its result in a batch; 0 for a read outside the log.
  std::optional<Admission> CheckAdmission(const RoutedRequest& request,
                                          Slot slot, size_t result_bytes);
  // Upper bound of the result of `spec`, in bytes. Exact for the state applied
  // here plus the sink's own writes in flight. Without a replica, the largest
  // value counts.
  size_t ResultBytes(RequestSink* sink, const kv::CommandSpec& spec) const;
  // True if batches may carry results of this many more bytes for the sink.
  bool FitsResults(RequestSink* sink, size_t result_bytes) const;
  // The open batch for the sink's next command. Closes batches that must not
  // take the command.
  OpenBatch& OpenBatchFor(const RoutedRequest& request, size_t encoded_size,
                          size_t result_bytes);
  void AddRead(const RoutedRequest& request, const kv::CommandSpec& spec);
  void AddReadToBatch(const RoutedRequest& request, const kv::CommandSpec& spec,
                      size_t result_bytes);
  void AddItem(OpenBatch& open_batch, const RoutedRequest& request,
               const Item& item);
  kv::CommandSpec CommandOf(const ReadItem& item, const Reads& reads);
  // Moves the sink's waiting reads into the batch: in front of its write, or
  // behind a read of it.
  void MoveReadsToBatch(RequestSink* sink);
  // True if the results of the sink's waiting reads fit into a batch.
  bool WaitingReadsFit(RequestSink* sink);
  // Moves the sink's parked reads into the batch, when no replica here can
  // serve them any more.
  void MoveParkedToBatch(RequestSink* sink);
  // Moves all waiting reads: without a replica here they travel in entries.
  void MoveAllReadsToBatch();
  void CloseOpenBatch(bool redirect);
  void SubmitWaiting();
  RetryDecision DecideRetry(const Batch& batch);
  void RecordSubmitted(const Batch& batch);
  void RecordAnswered(const Batch& batch, Outcome outcome);
  void Propose(Batch batch);
  void Forward(Batch batch);
  // True if waiting batches can be submitted as soon as there is room.
  bool Submittable() const;
  void OpenChannel();
  void CloseChannel(NodeId leader, const ForwardStamp& stamp);
  const NodeConfig& LeaderConfig() const;
  // Updates the live view from the answer of a node that did not execute a
  // batch.
  void LearnLeader(const PeerResult& answer);
  // This node's replica is the group's only one.
  bool Alone() const;
  // Not OK: no node can execute commands of the group for this one, and why.
  absl::Status Unservable() const;
  PeerResult NotLeading() const;
  void OnBatchDone(Batch batch, const raft::ProposeResult& result);
  void Deliver(const Batch& batch, const Buffer& results);
  void FailBatch(const Batch& batch, RequestFailure::Kind kind,
                 const absl::Status& why);
  void Release(const Item& item);
  void FailItem(const Item& item, RequestFailure::Kind kind,
                const absl::Status& why);
  void FailRead(const ReadItem& item, RequestFailure::Kind kind,
                const absl::Status& why);
  void IssueReads();
  void OnReadPoint(std::unique_ptr<Reads> reads, const absl::Status& status);
  // The outcome of serving a read whose read point is reached.
  enum class Served : uint8_t {
    kDone,
    kNoRoom,  // The sink has no room for the result.
    // A read of the same sink travels in the log: this read must follow it.
    kLater,
  };
  Served Serve(const RoutedRequest& request, const kv::CommandSpec& spec);
  void Park(const ReadItem& item, const Reads& reads);
  void AppendRead(const RequestSink::ParkedRead& read, RequestSink* sink,
                  Reads* reads) const;
  // Sorts the waiting reads of the sink in the order in which it sent them.
  void SortReadsOf(RequestSink* sink);
  void KeepReads(const Reads& reads);
  void KeepRead(const ReadItem& item, const Reads& reads);
  void ExpireWaiting();
  void UnblockSinks();
  MonoTime MonoNow() const { return parts_.loop.ReadClock().mono; }
  RequestFailure MakeFailure(RequestFailure::Kind kind, Slot slot,
                             const absl::Status& why) const;

  const Parts parts_;
  const GroupId group_;
  const bool placed_;
  bool hosted_;
  bool applied_of_leader_ = false;
  Callbacks callbacks_;
  Leadership leadership_;

  OpenBatch open_batches_[2];
  std::deque<Batch> waiting_;  // In ascending order of sequence.
  size_t waiting_requests_ = 0;
  uint64_t next_sequence_ = 1;
  size_t inflight_batches_ = 0;
  size_t inflight_bytes_ = 0;
  size_t inflight_result_bytes_ = 0;
  // Channels to other nodes, by node.
  absl::btree_map<NodeId, Channel> channels_;
  // Channels that other nodes opened here.
  ForwardChannels peer_channels_;
  std::unique_ptr<Reads> reads_;
  std::unique_ptr<Reads> spare_reads_;
  // A read point was requested. One at a time: a later one might arrive first.
  bool read_point_due_ = false;
  // Buffer of CommandOf.
  std::vector<std::string_view> arguments_;
  // After a refusal or a failed read point, nothing is tried before this time.
  MonoTime retry_at_ = MonoTime::Min();
  std::vector<RequestSink*> blocked_;
  QueueCounters counters_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_GROUP_QUEUE_H_
