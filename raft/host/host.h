// raft/host/host.h: drives the replicas of one node: many cores, one log, one
// transport, one timer.
//
// Lifecycle: construct; Start, which opens the directory, recovers and connects
// to the peers; then Propose and Read until Stop or destruction. For disk and
// peers the destruction of a Host without Stop is a crash. Callbacks not yet
// called are dropped.
#ifndef QUORATE_RAFT_HOST_HOST_H_
#define QUORATE_RAFT_HOST_HOST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "raft/host/host_types.h"
#include "raft/host/state_machine.h"
#include "raft/log/log.h"

namespace quorate::raft {

class Host {
 public:
  using Started = absl::AnyInvocable<void(absl::Status)>;
  using ProposeDone = raft::ProposeDone;
  using ReadDone = raft::ReadDone;
  using Condition = ReplicaCondition;
  using MakeStateMachine = raft::MakeStateMachine;
  using Observer = HostObserver;
  using Stats = HostStats;
  using ClosedRoom = raft::ClosedRoom;

  // `observer` may be null.
  Host(env::Env& env, HostOptions options, MakeStateMachine make,
       Observer* observer);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Recovers the replicas and connects to the peers. A new store waits until
  // the cluster is founded. `started` is called once, in a later turn: with OK
  // or an error. kInvalidArgument names a wrong field of HostOptions. Other
  // errors are of the directory, the address or the disk, and have the remedy.
  void Start(Started started);

  // Ends the replicas' work: they ignore messages and time, and answer all that
  // is outstanding. Then writes a witness (Log::Witness), so that the next
  // start does not take damage for a write that the stop cut off. `stopped` is
  // called once, in a later turn, unless the Host is destroyed first: a disk
  // that hangs delays it. At most one call, after the start has ended.
  void Stop(Log::Done stopped);

  // Messages of Service::kNodes and all events of lanes go to `receiver`, from
  // the start of the transport on. It outlives the host. At most one call.
  void SetReceiver(env::Transport::Receiver* receiver);

  // Replaces HostOptions::peers from now on (env::Transport::SetPeers). A new
  // node must be named on all others before a group gets a member there. The
  // founding of the cluster needs all nodes from the start. kInvalidArgument:
  // the list names this node, or a node twice; it changes nothing then.
  // Requires: the start has succeeded.
  absl::Status SetPeers(std::vector<env::PeerAddress> peers);

  // Proposes one entry. Unless the Host is destroyed first, `done` is called
  // exactly once, with one of these outcomes:
  //   kDone: the entry was applied here.
  //   kNotExecuted: this replica does not lead, has too much in flight, or
  //     another entry was committed at the same position.
  //   kUnknown: leadership was lost, and one election timeout later the entry
  //     was neither applied nor replaced here; or a snapshot covers it, or the
  //     node stopped.
  // There is no deadline: `done` waits while this replica leads and a majority
  // of the disks does not store the entry.
  //
  // kNotExecuted is reported in a later turn, so that a caller who proposes
  // again at once does not keep the loop. Propose and Read may be called at any
  // time, also by Apply and by the observer.
  void Propose(GroupId group, Buffer payload, ProposeDone done);

  // Core::RaiseLogTime, now. No effect if the group has no core here.
  void RaiseLogTime(GroupId group, WallTime log_time);

  // Waits until the state machine of this node may serve a linearizable read. A
  // follower asks the leader. Reads of one turn share one round.
  void Read(GroupId group, ReadDone done, ReadPointOptions options = {});

  // Transfers leadership to the voter `to` (thesis 3.10) if this replica leads.
  // The transfer is abandoned if the target does not take over within an
  // election timeout. Until then proposals are refused. Core::leader() shows
  // who leads in the end.
  void TransferLeadership(GroupId group, ReplicaId to);

  // Proposes another configuration (raft::ChangeConfiguration). `base` is
  // Core::configuration_index of the configuration from which the caller made
  // `target`. Members change their roles, leave, and come back unless their
  // replicas were dropped. A new member joins in three steps:
  //   - its node prepares the replica, and calls JoinReplica;
  //   - a change names the replica as a learner;
  //   - when the leader's Core::followers says that it has caught up, another
  //     change makes it a voter. Before that the core refuses the change.
  // One change may make a learner a voter and leave out the member that it
  // replaces. A member's note, role and place in the configuration say what is
  // left to do, so a caller that crashed goes on from there.
  //
  // `done` is as for Propose. It gets kDone when the first entry of the change
  // was applied here. The change is complete when Core::configuration has no
  // outgoing voters and its entry is committed. A change that the core refuses
  // is kNotExecuted, and the status says why.
  void ChangeConfiguration(GroupId group, Index base, Configuration target,
                           ProposeDone done);

  // ---- Groups at run time. They need status(): otherwise its error is the
  // answer. Unless the Host is destroyed first, `done` is called exactly once,
  // in a later turn. None of them may be called by Apply or the observer: call
  // them from env::Loop::Defer there.

  // The first step of a creation: draws the id of a new replica and makes it
  // durable, before anybody hears of it. An id that was drawn for the group
  // before is given up. So two founders never use the same one. Errors:
  // kAlreadyExists if the node holds a replica of the group; kUnavailable while
  // one is being dropped; kAborted if the id was given up.
  using Prepared = absl::AnyInvocable<void(absl::StatusOr<ReplicaId>)>;
  void PrepareReplica(GroupId group, Prepared done);
  // The second step: makes `first` entry 1 of the group, and runs the replica.
  // Every member must get the same configuration, and no other one with these
  // ids. After a crash, the replica is there or the id is still prepared.
  // Returns kInvalidArgument for an invalid configuration, and kAborted if the
  // id was given up. Returns kFailedPrecondition for a configuration without
  // the prepared replica of this node and store, or with another hash key than
  // hash_key(). It is also the error of a program that cannot run the replica.
  void FoundReplica(GroupId group, Configuration first,
                    absl::AnyInvocable<void(absl::Status)> done);
  // The second step for a group that runs: `replica` begins without a log, and
  // takes entries or a snapshot from the leader whose configuration names it.
  // `known` is any configuration of the group. Kind, hash key and parameters of
  // the state machine come from there, but no members. Until the replica has an
  // entry or a snapshot, it grants no vote (Core::joining). With OK it is
  // durable that the replica joins: each later start runs it again.
  // Returns OK at once if the replica runs already, and kUnavailable while
  // another call for it is under way. Returns kAlreadyExists if the node holds
  // another replica of the group. A configuration in which `replica` votes is
  // refused, since its log would be lost. The other errors are those of
  // FoundReplica, and those of the disk: then the id is still prepared.
  void JoinReplica(GroupId group, ReplicaId replica, Configuration known,
                   absl::AnyInvocable<void(absl::Status)> done);
  // Ids that were drawn and not used, by group.
  std::map<GroupId, ReplicaId> prepared() const;
  // Stops the replica of the group at once, also one that is fenced or being
  // created, and removes its log and its snapshots. If failed() has the group,
  // it removes all of its replicas. With `done` nothing of it will come back.
  // If the node crashes before, the replica is there again, or fenced, or gone.
  // The next start removes a snapshot that the disk refused to remove.
  // kNotFound: the node holds none. kUnavailable: it is being dropped.
  //
  // For its group, the drop of a member is as harmful as the loss of its disk.
  void DropReplica(GroupId group, absl::AnyInvocable<void(absl::Status)> done);
  // For a group whose majority of voters is lost for good. Replaces the replica
  // `old` of this node by a new one with its state and all its entries. The new
  // replica has an id of its own, and is the only voter of its configuration.
  // It leads after an election timeout, and then commits all entries. Those
  // that `old` lacked are lost. With OK nothing of `old` comes back, also after
  // a crash. After a crash before that, `old` runs again or the new replica
  // does. For a group that has its majority, it is as harmful as DropReplica.
  //
  // Returns kNotFound if the node does not hold `old`, and kInvalidArgument for
  // a generation that is not above that of the group. Returns
  // kFailedPrecondition if `old` is fenced, halted, no member, or has no entry.
  // Returns kUnavailable while it applies entries or installs a snapshot. After
  // an error of the snapshot store, `old` goes on.
  struct RecoverOptions {
    uint64_t generation = 0;  // That of the new configuration.
    // The new replica's terms are far above this one, and above its own, so
    // that no old member reaches them.
    Term known_term = {};
  };
  void RecoverReplica(GroupId group, ReplicaId old, RecoverOptions options,
                      absl::AnyInvocable<void(absl::Status)> done);

  // For a group that goes on without the replica `old`, by RecoverReplica on
  // another node. `old` takes no part any more (raft::HoldRequested), from now
  // on and after each restart; Core::held says that this is durable. It stays
  // on disk, and may still be recovered or dropped. No effect if the node holds
  // no such replica that works.
  void HoldReplica(GroupId group, ReplicaId old);

  // The replica's core and state machine; null if this node has no replica of
  // the group.
  const Core* core(GroupId group) const;
  // The node of the leader that this node's replica of the group knows; zero if
  // it knows none, or there is no replica.
  NodeId leader(GroupId group) const;
  // The pace of this node's bulk work. Other bulk work of the program takes
  // part in it.
  env::BulkPace& bulk_pace();
  const env::BulkPace& bulk_pace() const;
  StateMachine* state_machine(GroupId group);
  const StateMachine* state_machine(GroupId group) const;
  // The groups whose replicas run.
  std::vector<GroupId> groups() const;
  // When the replica of the group acts next if nothing happens, such as by a
  // heartbeat or an election; Max(): never, or there is none.
  MonoTime deadline(GroupId group) const;
  // Replicas that have not run since the start: halted, fenced or stopped ones,
  // by group. Damage may leave the logs of two replicas of a group.
  std::map<GroupId, std::vector<ReplicaId>> failed() const;
  // The level with which the cluster was founded; zero before the start ended.
  Level founded_level() const;
  // Configuration::hash_key of every group, equal on all nodes. Clients must
  // not learn it. Zero before the start ended.
  uint64_t hash_key() const;
  // OK if this node has a working replica of the group. Otherwise the message
  // says why not: halted, fenced, stopped, starting or not held.
  absl::Status group_status(GroupId group) const;
  Condition condition(GroupId group) const;
  absl::Status status() const;
  // The counters and sizes of this moment.
  Stats stats() const;
  // The rooms that refuse bytes now.
  std::vector<ClosedRoom> closed_rooms() const;
  // The bytes of all messages of consensus to another node.
  uint64_t sent_bytes(NodeId to) const;
  // By how many parts per million this node's monotonic clock is faster than
  // that of `node`; none until it is known (raft/host/clock_rates.h).
  std::optional<int64_t> ClockAheadOf(NodeId node) const;
  // True if it differs from most others by more than half of kLeaseDriftPpm. So
  // this node has no leases.
  bool clock_differs() const;
  // The identity that this node sends to its peers. Requires: Start succeeded.
  const env::TransportIdentity& identity() const;
  // True if this node's replica of the group works and refuses messages of
  // `node` with that store. All members on the node are in other stores.
  bool RefusesStore(GroupId group, NodeId node, StoreIncarnation store) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_HOST_H_
