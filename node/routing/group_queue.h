// node/routing/group_queue.h: the commands of one group on their way: collected in a turn, proposed together, held while nobody leads.
//
// Commands of one requester stay in its order. Reads go around the log: those of a turn share one read point; only a read
// behind unapplied writes of its own requester travels in the entry. Nothing is proposed twice unless it certainly did not
// happen the first time.
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
#include "node/routing/requester.h"
#include "raft/host/host.h"

namespace quorate::node {

// One request as the router sees it.
struct Ask {
  Requester* requester = nullptr;
  // The requester's, returned with the answer.
  uint64_t token = 0;
  // Wants to be told who leads (MOVED) rather than have the command passed on.
  bool redirect = false;
  // A further part of a command of which this group took the first part: limits.held_requests counts them as one request.
  bool further = false;
};

enum class Admission : uint8_t {
  kAccepted,  // The answer is due, or was given already.
  kBlocked,  // Nothing happened; ask again after the next answer or OnUnblocked.
};

struct Leadership {
  enum class Kind : uint8_t { kUnknown, kSelf, kRemote } kind = Kind::kUnknown;
  NodeId leader;  // Zero if unknown.
};

// Rising counts, for metrics.
struct QueueCounters {
  uint64_t proposals = 0;
  uint64_t proposed_commands = 0;
  uint64_t proposals_refused = 0;  // Certainly not executed.
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
  // What a queue works with; all outlive it.
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
    // Asks for a Flush in step 2 of this turn.
    absl::AnyInvocable<void()> wake;
    // leadership() changed.
    absl::AnyInvocable<void()> leadership_changed;
  };

  GroupQueue(const Parts& parts, GroupId group, Callbacks callbacks);
  GroupQueue(const GroupQueue&) = delete;
  GroupQueue& operator=(const GroupQueue&) = delete;

  Admission Add(const Ask& ask, const kv::CommandSpec& spec);
  // `specs` as one kAtomic.
  Admission AddAtomic(const Ask& ask, Slot slot,
                      const std::optional<kv::SessionStamp>& session,
                      absl::Span<const kv::CommandSpec> specs);
  // A whole batch of another node's. kNotExecuted with the leader's name unless this node leads and takes the stamp.
  void ApplyForPeer(const ForwardStamp& stamp, Buffer payload,
                    PeerLink::Done done);
  // A channel for such batches; kNotExecuted with the leader's name unless this node leads.
  PeerResult OpenForPeer(const ForwardStamp& instead);

  // Proposes, reads, passes on and gives up what is due. In step 2 of a turn.
  void Flush();
  // When Flush is wanted next though nothing happens; Max(): never.
  MonoTime next_deadline() const;

  // Forgets that `requester` waits for OnUnblocked.
  void ForgetBlocked(Requester* requester);
  // Evaluates the parked reads of `requester` as far as it has room for their results.
  void ServeParked(Requester* requester);
  // Fails them all: nobody reads the results.
  void DropParked(Requester* requester);

  const Leadership& leadership() const { return leadership_; }
  // The configuration places a replica here.
  bool placed() const { return placed_; }
  // A replica is here and works. False: the leader is the one that the live view knows.
  bool hosted() const { return hosted_; }
  // Reads the host's view and the live view again.
  void RefreshLeadership();
  // Null if no working replica is here.
  const kv::Store* store() const;
  // The store for reads that ask no leader. Null also until the replica, since its start, has applied an entry of a leader
  // that it heard of: a replica that starts has applied its snapshot only.
  const kv::Store* stale_store() const;
  // Tells that the replica here applied entries or a snapshot: a Flush is due while stale_store() is null.
  bool awaits_leaders_entry() const { return hosted_ && !applied_of_leader_; }
  GroupId group() const { return group_; }
  const QueueCounters& counters() const { return counters_; }
  size_t waiting_requests() const { return waiting_requests_; }
  // Batches given to the host or to another node, not yet answered.
  size_t inflight() const { return inflight_batches_; }

 private:
  struct Item {
    Requester* requester;
    uint64_t token;
    Slot slot;
    bool write;
    uint32_t bytes;         // Encoded.
    uint32_t result_bytes;  // What the result may come to.
  };
  // One entry's worth of commands.
  struct Batch {
    uint64_t sequence = 0;
    Buffer payload;
    size_t result_bytes = 0;
    std::vector<Item> items;
    MonoTime deadline;  // For having a leader.
    bool redirect = false;
    bool refused = false;  // It was submitted and came back.
    bool forwarded = false;
  };
  // Whether a refused batch may be submitted again.
  enum class Again : uint8_t {
    kYes,
    kLater,  // A later batch of one of its requesters is under way.
    kNever,  // One was, or may have been, executed: its commands may not follow.
  };
  // A batch that grows during a turn. Those who want redirection are kept apart from those who do not; one who wants now this,
  // now that, is never in both.
  struct Lane {
    uint64_t number = 1;  // Of the batches it has been.
    kv::BatchBuilder builder;
    size_t result_bytes = 0;
    std::vector<Item> items;
  };
  // To one node, for when it leads.
  struct Channel {
    ForwardStamp last;
    bool open = false;
    bool opening = false;
  };
  // A read that is not in any batch. Its arguments stand in the arena, each behind its length.
  struct ReadItem {
    Requester* requester;  // Null: moved to a batch.
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

  // After a refusal or a failed read point: how long to wait before the next try.
  static constexpr Duration kRetryDelay = Milliseconds(10);

  static void AppendArgument(std::string* arena, std::string_view argument);
  bool Congested() const;
  Admission Refuse(const Ask& ask, Slot slot, Failure::Kind kind);
  Admission Block(const Ask& ask);
  // Everything that stands in the way of adding a command; nothing if it may be added. `result_bytes`: of one that goes into
  // a batch, what its result may come to; 0 for a read around the log.
  std::optional<Admission> Gate(const Ask& ask, Slot slot, size_t result_bytes);
  // What the result of `spec` may come to, in bytes. Exact for the state applied here and the requester's own writes on
  // their way; without a replica, the most that a value may have.
  size_t ResultBytes(Requester* requester, const kv::CommandSpec& spec) const;
  // May results of so many more bytes of this requester be on their way in batches?
  bool FitsResults(Requester* requester, size_t result_bytes) const;
  // Where the requester's next command goes; closes batches that must not take it.
  Lane& LaneFor(const Ask& ask, size_t encoded_size, size_t result_bytes);
  void AddRead(const Ask& ask, const kv::CommandSpec& spec);
  void AddReadToLane(const Ask& ask, const kv::CommandSpec& spec,
                     size_t result_bytes);
  void AddItem(Lane& lane, const Ask& ask, const Item& item);
  kv::CommandSpec SpecOf(const ReadItem& item, const Reads& reads);
  // Puts the requester's waiting reads into the batch: in front of its write, or behind a read of its that goes there.
  void MoveReadsToBatch(Requester* requester);
  // Would their results be within the bounds of a batch?
  bool WaitingReadsFit(Requester* requester);
  // Puts the requester's parked reads into the batch: no replica here can serve them any more.
  void MoveParkedToBatch(Requester* requester);
  // All waiting reads: without a replica here they travel in entries.
  void MoveAllReadsToBatch();
  void CloseLane(bool redirect);
  void SubmitWaiting();
  Again MayBeSubmittedAgain(const Batch& batch);
  void NoteSubmitted(const Batch& batch);
  void NoteAnswered(const Batch& batch, Outcome outcome);
  void Propose(Batch batch);
  void Forward(Batch batch);
  // Whether what waits can be submitted as soon as there is room. Opens a channel to the leader if there is none.
  bool Submittable() const;
  void OpenChannel();
  void CloseChannel(NodeId leader, const ForwardStamp& stamp);
  const NodeConfig& LeaderConfig() const;
  // Learns from the answer of a node that did not execute what it was sent.
  void LearnLeader(const PeerResult& answer);
  // This node's replica is the group's only one.
  bool Alone() const;
  // Not OK: no node can execute commands of the group for this one, and why.
  absl::Status Unservable() const;
  PeerResult NotLeading() const;
  void OnBatchDone(Batch batch, const raft::ProposeResult& result);
  void Deliver(const Batch& batch, const Buffer& results);
  void FailBatch(const Batch& batch, Failure::Kind kind,
                 const absl::Status& why);
  void Release(const Item& item);
  void FailItem(const Item& item, Failure::Kind kind, const absl::Status& why);
  void FailRead(const ReadItem& item, Failure::Kind kind,
                const absl::Status& why);
  void IssueReads();
  void OnReadPoint(std::unique_ptr<Reads> reads, const absl::Status& status);
  // What became of a read whose read point is reached.
  enum class Served : uint8_t {
    kDone,
    kNoRoom,  // The requester has no room for the result.
    kLater,   // It has to follow a read that travels in the log.
  };
  Served Serve(const Ask& ask, const kv::CommandSpec& spec);
  void Park(const ReadItem& item, const Reads& reads);
  void AppendRead(const Requester::ParkedRead& read, Requester* requester,
                  Reads* reads) const;
  // Puts the waiting reads of the requester in the order in which it sent them.
  void SortReadsOf(Requester* requester);
  void KeepReads(const Reads& reads);
  void KeepRead(const ReadItem& item, const Reads& reads);
  void ExpireWaiting();
  void UnblockRequesters();
  MonoTime MonoNow() const { return parts_.loop.ReadClock().mono; }
  Failure MakeFailure(Failure::Kind kind, Slot slot,
                      const absl::Status& why) const;

  const Parts parts_;
  const GroupId group_;
  const bool placed_;
  bool hosted_;
  bool applied_of_leader_ = false;
  Callbacks callbacks_;
  Leadership leadership_;

  Lane lanes_[2];
  std::deque<Batch> waiting_;  // Ascending by sequence.
  size_t waiting_requests_ = 0;
  uint64_t next_sequence_ = 1;
  size_t inflight_batches_ = 0;
  size_t inflight_bytes_ = 0;
  size_t inflight_result_bytes_ = 0;
  // By node.
  absl::btree_map<NodeId, Channel> channels_;
  // Opened by others, here.
  ForwardChannels peer_channels_;
  std::unique_ptr<Reads> reads_;
  std::unique_ptr<Reads> spare_reads_;
  // Reads wait for a read point. One at a time, or a later one might be there first.
  bool read_point_due_ = false;
  // Scratch for SpecOf.
  std::vector<std::string_view> arguments_;
  // After a refusal or a failed read point nothing is tried before this.
  MonoTime retry_at_ = MonoTime::Min();
  std::vector<Requester*> blocked_;
  QueueCounters counters_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_GROUP_QUEUE_H_
