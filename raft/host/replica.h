// raft/host/replica.h: one replica in a host: its core, its state machine, and
// the callers that wait for proposals and reads.
//
// A Replica carries out the Outputs of its core. It passes writes to the log,
// messages to the outbox, entries to the state machine and snapshots to their
// store. It never runs a caller's callback itself, but adds it to the
// CallbackQueue. Used only by the host.
#ifndef QUORATE_RAFT_HOST_REPLICA_H_
#define QUORATE_RAFT_HOST_REPLICA_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/boxed.h"
#include "env/check.h"
#include "env/quota.h"
#include "env/turn_meter.h"
#include "raft/host/host_types.h"
#include "raft/host/replica_services.h"
#include "raft/host/replica_snapshots.h"
#include "raft/host/state_digests.h"
#include "raft/host/texts/event_lines.h"
#include "raft/log/snapshot_store.h"

namespace quorate::raft {

class Replica final : private HostGate, private ReplicaSnapshots::Owner {
 public:
  Replica(const ReplicaServices& services, GroupKey key, Restored restored,
          std::unique_ptr<StateMachine> state_machine);

  // A message to this replica came over the link of node `from`, whose store is
  // `store`.
  void OnMessage(NodeId from, StoreIncarnation store, Message&& message);
  void Propose(EntryKind kind, Buffer payload, ProposeDone done);
  void ChangeConfiguration(Index base, Configuration target, ProposeDone done);
  void Read(ReadDone done, ReadPointOptions options);
  void TransferLeadership(ReplicaId to);
  void Hold();
  // The link to node `to` has room, or it is new.
  void OnRoomToSend(NodeId to, bool link_is_new);
  // The control link to node `to`, which takes replies, is new.
  void OnReplyLinkOpened(NodeId to);
  // The disk of this node has room for entries after it had none.
  void OnRoomForEntries();
  // Call when deadline() has come.
  void OnTimer();
  MonoTime deadline() const;
  // Whether it is quiet and its partners include one on this node.
  bool ReliesOnPulsesOf(NodeId node) const;
  // Call when pulses of such a node are late or come from another process.
  void OnPulsesChanged();
  // The first one that is not there just to apply more entries.
  MonoTime deadline_without_backlog() const;
  // Size of its entries that count in the budget of the logs.
  uint64_t budgeted_log_bytes() const { return shares_.size.bytes(); }
  // The log has forgotten the places of entries that a snapshot covers.
  void OnPlacesFreed() {
    if (status_.ok()) ReportLogBytes();
  }
  // Fails all waiting proposals and reads. The core is not stepped any more.
  void Stop(const absl::Status& why);
  // Stops it before its destruction: its entries count no more. Not within a
  // step.
  void Leave(const absl::Status& why);

  // For the replica that takes its place. Requires: it has left.
  std::unique_ptr<StateMachine> TakeStateMachine() {
    return std::move(state_machine_);
  }

  const Core& core() const override { return *core_; }
  void RaiseLogTime(WallTime log_time) {
    core_->RaiseLogTime(log_time, services_.env.loop.ReadClock());
  }
  ReplicaSnapshots& snapshots() { return snapshots_; }
  StateMachine* state_machine() const { return state_machine_.get(); }
  // Not OK if it is stopped or halted.
  const absl::Status& status() const {
    return status_.ok() ? halted_ : status_;
  }
  ReplicaCondition condition() const {
    if (!status_.ok()) return stopped_as_;
    return halted_.ok() ? ReplicaCondition::kWorks : ReplicaCondition::kHalted;
  }
  GroupKey key() const { return key_; }
  // The configuration in effect has members on `node`, and none of them is in
  // this store.
  bool RefusesStore(NodeId node, StoreIncarnation store) const;

 private:
  // A callback for the log and the snapshot store, which may call it when this
  // replica is gone. `f` gets the replica and the result.
  template <typename F>
  auto WhileHere(F f);

  // HostGate.
  bool MaySend(ReplicaId to, Load load) override;
  bool MayGrowHalted() override { return !services_.budgets.halted.exceeded(); }
  bool MayWrite(uint64_t bytes) override {
    return MayHold(services_.rooms.unwritten, bytes,
                   "raft.disk_of_node_is_behind");
  }
  bool MayLag() override {
    return MayHold(services_.rooms.unapplied, 1, "raft.node_has_much_to_apply");
  }
  bool MayStage(uint64_t bytes) override {
    return MayHold(services_.rooms.staged, bytes, "raft.chunks_of_node_wait");
  }
  uint64_t ApplyRoom() override { return services_.apply_work.left(); }
  bool CanApply(const Entry& entry) override {
    return state_machine_->LevelOf(entry.payload) <=
           state_machine_->known_level();
  }
  uint64_t WorkOf(const Entry& entry) override {
    const uint64_t bytes = entry.size_bytes();
    return entry.kind == EntryKind::kCommands
               ? std::max(bytes, state_machine_->WorkOf(entry.payload))
               : bytes;
  }
  MonoTime LastPulse(ReplicaId replica, MonoTime since) override {
    return services_.pulses.Last(NodeOf(replica), since);
  }
  bool ClockDiffers(int64_t ppm_max) override {
    return services_.clock_rates.MostDiffer(ppm_max);
  }
  bool MayBeQuiet() override;

  // ReplicaSnapshots::Owner.
  bool runs() const override { return status_.ok(); }
  void ProposeNoop() override {
    Propose(EntryKind::kNoop, Buffer(), [](const ProposeResult&) {});
  }
  uint64_t places_bytes() const override { return shares_.places.bytes(); }
  void OnRestored(const SnapshotDescriptor& snapshot) override;

  bool MayHold(NodeRoom& room, uint64_t bytes, std::string_view mark);
  // The node of another replica; zero if it is not known.
  NodeId NodeOf(ReplicaId replica) const;
  void Send(const Message& message);
  void Step(Input&& input) override;
  void ReportLogBytes() override;
  // Tells SendRoom what the followers have not acknowledged.
  void ReportInFlight();
  // Tells Pulses which nodes need those of this one.
  void ReportQuiet();
  // The parts of an Output, in the order in which Step carries them out.
  void HandleProposals(const Output& output);
  void HandleWrite(Output& output);
  void HandleMessages(Output& output);
  void HandleApply(const Output& output);
  void HandleReads(const Output& output);
  void HandleEntryReads(const Output& output);
  void BeginEntryRead(ReplicaId to, Index after, Quota::Share held);
  void OnEntriesRead(ReplicaId to, Index after,
                     absl::StatusOr<EntryList> entries);
  // Whether these are the entries that the log has, by their terms.
  bool AgreeWithLog(const EntryList& entries) const;
  void HandleEvents(const Output& output);
  void ApplyEntry(const Entry& entry);
  void OnWritten(WriteToken token, std::vector<Message> after,
                 absl::Status status);
  void CompleteReads(std::vector<ReadDone> reads, const absl::Status& status,
                     bool at_once);
  void CompleteProposal(ProposeDone done, ProposeResult result);
  // Why this payload cannot be proposed at present, if it cannot.
  absl::Status CheckProposal(EntryKind kind, const Buffer& payload) const;
  absl::Status RefusalStatus(Refused::Reason reason) const;
  void ExpireProposals();
  void LogLostEntries(Index last);
  void OnHalted(Index index);
  // Adds question or answer to a heartbeat or its reply.
  void AddStateDigest(Message* message);
  // Takes the question or answer in `message`.
  void TakeStateDigest(const Message& message);
  void FenceForState(Index index);
  // The leader says that the log lacks acknowledged entries.
  void FenceForLostEntries();
  // Fences it, and does so again at each later start of the program.
  void FenceForGood(const absl::Status& why);
  // Ends this replica until the program starts again: kFailedPrecondition halts
  // it, other errors fence it.
  void Fence(const absl::Status& why) override;
  // Frees the entries in memory, and takes all entries out of the budgets. The
  // replica has stopped.
  void GiveBackLog();
  void LogDifference(Index index, const std::string& which);
  void FlushProposals();
  // Steps the core with an input that answers all proposals of this turn.
  void StepProposals(Input&& input);
  // Calls `f` with this replica and `done` when the step has ended.
  template <typename F>
  void AfterStep(ProposeDone done, F f);
  // The callback of a proposal that is being stepped.
  ProposeDone TakeProposalDone(uint64_t tag);
  void FlushReads();
  bool SenderIsMember(ReplicaId sender, NodeId from, StoreIncarnation store);

  // The callers of Propose, ChangeConfiguration and Read that have no answer.
  struct Callers {
    // Proposals of this turn, which the core gets in one step. Tags are places
    // in the list of their callbacks.
    Proposals turn_proposals;
    std::vector<ProposeDone> turn_proposals_dones;
    size_t turn_proposal_bytes = 0;
    env::Pending flush_proposals;
    absl::btree_map<std::pair<Index, Term>, ProposeDone> proposals;

    // Reads of this turn; then those that the core has not answered, by tag.
    std::vector<ReadDone> turn_reads;
    bool turn_shows_log_time = false;  // One of them does.
    uint64_t next_tag = 1;
    uint64_t flushing_reads = 0;  // Their tag during FlushReads, else 0.
    env::Pending flush_reads;
    absl::btree_map<uint64_t, std::vector<ReadDone>> reads_in_core;
  };
  bool has_proposals() const {
    return callers_.has_value() && !callers_->proposals.empty();
  }
  // Fails all callers, as the replica stops. Requires: callers_ has a value.
  void EndCallers(const absl::Status& why);

  const ReplicaServices& services_;
  const GroupKey key_;
  absl::Status halted_;  // Not OK: it takes part, but applies no more.
  absl::Status status_;  // Not OK: it is stopped or fenced.
  std::unique_ptr<StateMachine> state_machine_;
  std::optional<Core> core_;  // Always there, from the constructor on.
  ReplicaSnapshots snapshots_{services_, key_, *state_machine_, *this};
  MonoTime core_deadline_;

  // None before the first proposal or read.
  Boxed<Callers> callers_;
  // When proposals of a lost leadership end as unknown; Max() if there are
  // none.
  MonoTime proposals_deadline_ = MonoTime::Max();

  // The last sender that the configuration does not name, and its node.
  std::pair<ReplicaId, NodeId> unnamed_sender_;
  ReplicaCondition stopped_as_ = ReplicaCondition::kStopped;
  // A step is under way: its output is being handled.
  bool stepping_ = false;
  bool reporting_fence_ = false;  // The observer is told of the fence.
  // The configuration may have members without a store.
  bool refusal_logged_ = false;
  bool lost_entries_logged_ = false;
  bool lost_entries_ = false;  // The leader has said so in this step.
  EventLines lines_;
  StateDigests digests_;
  Level level_;         // The level of the configuration in effect.
  Index asked_digest_;  // The index in the leader's last heartbeat.
  Index differs_at_;    // The newest index at which a difference was logged.
  // Entries that the followers have not acknowledged, in windows of SendRoom.
  struct InFlight {
    NodeId node;
    Quota::Share bytes;
  };
  std::vector<InFlight> in_flight_;
  // To Pulses. The leader of the quiet group; zero: it is not quiet.
  ReplicaId reported_quiet_;
  std::vector<NodeId> reported_pulses_;
  // Shares of the budgets and rooms that all groups of the node have together.
  struct LogShares {
    explicit LogShares(const ReplicaServices& services)
        : unapplied(services.rooms.unapplied),
          memory(services.budgets.memory),
          size(services.budgets.size),
          retained(services.budgets.retained),
          places(services.budgets.places),
          halted(services.budgets.halted) {}

    Quota::Share unapplied, memory, size, retained, places, halted;
  };
  LogShares shares_{services_};
  // None before the first failure.
  Boxed<FailedReads> failed_reads_;
};

// The replicas of a node that its start could run, one for each group. One that
// is stopped or fenced later stays until it is dropped. They are found much
// more often than added, so they are in a sorted list.
class ReplicaTable {
 public:
  // Null if there is none.
  Replica* Find(GroupId group) const {
    const auto found = PlaceOf(group);
    return found == by_group_.end() || found->first != group
               ? nullptr
               : found->second.get();
  }
  // Null also if another replica of the group took its place.
  Replica* Find(const GroupKey& key) const {
    Replica* const found = Find(key.group);
    return found != nullptr && found->key() == key ? found : nullptr;
  }
  void Add(std::unique_ptr<Replica> replica) {
    const GroupId group = replica->key().group;
    CHECK(Find(group) == nullptr) << "group " << group;
    by_group_.emplace(PlaceOf(group), group, std::move(replica));
  }
  void Remove(GroupId group) {
    const auto place = by_group_.begin() + (PlaceOf(group) - by_group_.begin());
    if (place == by_group_.end() || place->first != group) return;
    // The replica ends when it is no longer in the list.
    const std::unique_ptr<Replica> gone = std::move(place->second);
    by_group_.erase(place);
  }
  size_t size() const { return by_group_.size(); }
  auto begin() const { return by_group_.begin(); }
  auto end() const { return by_group_.end(); }

 private:
  using ByGroup = std::vector<std::pair<GroupId, std::unique_ptr<Replica>>>;

  // The first one that is not before `group`.
  ByGroup::const_iterator PlaceOf(GroupId group) const {
    return std::lower_bound(
        by_group_.begin(), by_group_.end(), group,
        [](const auto& entry, GroupId wanted) { return entry.first < wanted; });
  }

  ByGroup by_group_;
};

// Calls `f` with the replica and the result, unless the replica is gone. Ids of
// replicas are never used again, so the key finds this one or none.
template <typename F>
auto WhileReplicaIsHere(const ReplicaTable& replicas, GroupKey key, F f) {
  return [&replicas, key, f = std::move(f)](auto&&... result) mutable {
    Replica* const here = replicas.Find(key);
    if (here != nullptr) {
      f(*here, std::forward<decltype(result)>(result)...);
    }
  };
}

template <typename F>
auto Replica::WhileHere(F f) {
  return WhileReplicaIsHere(services_.replicas, key_, std::move(f));
}

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_REPLICA_H_
