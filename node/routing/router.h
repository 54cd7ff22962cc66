// node/routing/router.h: maps slots to groups, and holds the queue of each
// group.
//
// Each accepted request gets exactly one answer. The router is independent of
// client protocols.
#ifndef QUORATE_NODE_ROUTING_ROUTER_H_
#define QUORATE_NODE_ROUTING_ROUTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/alarm.h"
#include "env/env.h"
#include "env/quota.h"
#include "kv/command/command.h"
#include "kv/store/record_pool.h"
#include "node/base/memory_budget.h"
#include "node/base/output_budget.h"
#include "node/base/turn_work.h"
#include "node/cluster/cluster_map.h"
#include "node/cluster/slot_owners.h"
#include "node/config/config.h"
#include "node/peers/answer_room.h"
#include "node/peers/peer_links.h"
#include "node/peers/peer_message.h"
#include "node/routing/connection_order.h"
#include "node/routing/group_queue.h"
#include "node/routing/live_view.h"
#include "node/routing/queue_parts.h"
#include "node/routing/refused_commands.h"
#include "node/routing/request_sink.h"
#include "node/routing/wait_order.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"

namespace quorate::node {

class Router {
 public:
  // The slot of a key.
  using SlotOf = absl::AnyInvocable<Slot(std::string_view) const>;

  // All objects outlive the router.
  Router(env::Env& env, raft::Host& host, const Config& config,
         ClusterMap& cluster, OutputBudget& budget, MemoryBudget& memory,
         TurnWork& work, SlotOf slot_of);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Takes the messages of other nodes (raft::Host::SetReceiver).
  env::Transport::Receiver& receiver() { return links_; }
  // Call once the host has started.
  void Start();
  // Called in step 2 of a turn, after some queue's leadership changed.
  void SetLeadershipObserver(absl::AnyInvocable<void()> observer) {
    on_leadership_ = std::move(observer);
  }
  // Reports a change of leadership by the host. Cheap, callable from the host's
  // observer.
  void OnLeadershipEvent(GroupId group);

  // Reports that a replica of this node applied an entry or a snapshot. Cheap,
  // callable from the host's observer.
  void OnApplied(GroupId group);

  // True once slots move. From then on a command that names slots
  // (kv::NamesSlots) has no place: its slots have different pasts.
  bool slots_moved() const { return owners_.changed(); }

  // ---- For sessions. A command waits (kBlocked) while earlier ones of its
  // connection to a former group of its slot have no answer. It also waits
  // while earlier ones of its connection are in RefusedCommands.
  // A write to a slot with slow writers may wait in the same way.
  Admission Add(const RoutedRequest& request, const kv::CommandSpec& spec) {
    if (!slow_writers_.empty() && !kv::IsRead(spec.op) && !request.further &&
        !slow_writers_.Admit(request.sink, spec.slot)) {
      return Admission::kBlocked;
    }
    if (owners_.changed() || request.sink->routing().refused() > 0 ||
        (request.redirect && view_.knows_newer_map())) {
      return AddInOrder(request, spec);
    }
    return QueueOf(spec.slot).Add(request, spec);
  }
  Admission AddAtomic(RoutedRequest request, Slot slot,
                      const std::optional<kv::SessionStamp>& session,
                      absl::Span<const kv::CommandSpec> specs);
  GroupQueue& QueueOf(Slot slot) {
    return *queues_[owners_.RangeOf(slot).position];
  }
  // Reports that the map changed. Groups that it has no longer lose their
  // queues, and new ones get one.
  void OnMapChanged();
  // Returns null for a group that the map does not have.
  GroupQueue* FindQueue(GroupId group) const;
  // The leader to which this node sends the commands of the group. Zero: it
  // knows none.
  NodeId LeaderOf(GroupId group) const;
  // The greatest log time that a replica of this node has applied. WallTime():
  // it has none.
  WallTime LogTime() const { return log_time_; }
  // One for each group of the map, ascending.
  const std::vector<std::unique_ptr<GroupQueue>>& queues() const {
    return queues_;
  }
  // Calls `call` with each queue, also with those that ended.
  void ForEachQueue(absl::FunctionRef<void(GroupQueue&)> call) const;
  // Questions of other nodes to the controller go to `handler`.
  using ControlHandler =
      absl::AnyInvocable<void(Buffer question, PeerDone done)>;
  void SetControlHandler(ControlHandler handler) {
    on_control_ = std::move(handler);
  }
  // The node is stopping. Refuses further requests of other nodes. Those of
  // clients wait for leaders for a short time only, and are then refused.
  void BeginStop();
  // Calls GroupQueue::ForgetBlocked of every queue.
  void ForgetBlocked(RequestSink* sink);
  // Gives `sink` the results of its parked reads while it has room for them.
  void ServeParked(RequestSink* sink);
  // `sink` needs no results from now on. Its parked reads fail now, and its
  // waiting ones when their turn comes.
  void DropReads(RequestSink* sink);

  // Commands that wait since the group of their slot does not own it.
  RefusedCommands& refused() { return refused_; }
  SlowWriters& slow_writers() { return slow_writers_; }

  // Reports that replicas of this node began, stopped, or have other members;
  // callable from the host's observer.
  void OnReplicasChanged();
  LiveView& view() { return view_; }
  const LiveView& view() const { return view_; }
  PeerLinks& links() { return links_; }
  const PeerLinks& links() const { return links_; }

  // True if every accepted command and every request of other nodes has been
  // answered.
  bool idle() const;
  // The requests of other nodes, also those that were refused.
  uint64_t peer_requests() const { return peer_requests_; }

 private:
  // The queue that takes the request, the sink's next command to these slots.
  // Null while earlier commands of the sink to them are under way at another
  // group. A request for a former group of the slots is not redirected.
  GroupQueue* QueueFor(RoutedRequest* request, Slot first, Slot last);
  // Lets a command on keys be forwarded if its slot moved lately, or if there
  // is a newer map. Other commands never are: clients add up the answers of all
  // nodes to them.
  void ForwardIfNew(RoutedRequest* request, Slot slot) const;
  // The order of the sink at a former group of the range, if that group may
  // still execute commands of the sink. Null: there is no such group.
  const ConnectionOrder* FindUnsettled(RequestSink* sink,
                                       const SlotOwners::Range& range) const;
  // Add, with regard to commands that are under way elsewhere.
  Admission AddInOrder(RoutedRequest request, const kv::CommandSpec& spec);
  void RouteRefused();
  void NoteApplied(GroupQueue& queue);
  using Queues = std::vector<std::unique_ptr<GroupQueue>>;

  // Makes and ends queues, so that the map's groups have one each.
  void MakeQueues();
  std::unique_ptr<GroupQueue> MakeQueue(GroupId group);
  void EndQueue(std::unique_ptr<GroupQueue> queue);
  // A new queue, or one of a group that the map has again, takes up its work.
  void Begin(GroupQueue& queue);
  // The group's queue, also one that ended, or null.
  GroupQueue* FindAny(GroupId group) const;
  void Wake(GroupQueue& queue);
  void WakeAll();
  // Executes a request of another node.
  void OnPeerRequest(PeerRequest request, PeerDone done, AnswerRoom& room);
  void Defer();
  void Flush();
  void SetAlarm();

  env::Env& env_;
  const SlotOf slot_of_;
  PeerLinks links_;
  LiveView view_;
  const ClusterMap& cluster_;
  SlotOwners owners_;
  // When this node learned owners_.moved().
  MonoTime moved_at_ = MonoTime::Min();
  kv::RecordPool requests_;  // The clients with requests are destroyed first.
  RefusedCommands refused_;
  SlowWriters slow_writers_;
  Quota held_;
  MonoTime wait_until_ = MonoTime::Max();
  const QueueParts parts_;  // All queues share it.
  // Invariant: the positions are those of the groups in the map.
  Queues queues_;
  // The queues that had requests and whose groups the map has no longer. They
  // are kept: callbacks and parked reads name them. The id of a group is not
  // used again, so they are few. A dropped queue would leave the outcome of
  // commands under way unknown. A count for each of eight kinds of callbacks
  // would save 2 KB.
  absl::btree_map<GroupId, std::unique_ptr<GroupQueue>> ended_;
  // The queues that requested a Flush, each once.
  std::vector<GroupQueue*> woken_;
  size_t first_woken_ = 0;  // The queue that WakeAll wakes first.
  env::Pending deferred_;
  bool flush_deferred_ = false;
  env::Alarm alarm_;
  // Queues with a next_deadline() other than Max, as of their last Flush.
  absl::btree_map<GroupId, GroupQueue*> timed_;
  WallTime log_time_;
  bool started_ = false;
  bool leadership_changed_ = false;
  bool refuses_peers_ = false;
  uint64_t peer_requests_ = 0;
  absl::AnyInvocable<void()> on_leadership_;
  ControlHandler on_control_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_ROUTER_H_
