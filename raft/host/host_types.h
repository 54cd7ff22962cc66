// raft/host/host_types.h: the options of a Host, the results of its proposals,
// its observer and its numbers.
#ifndef QUORATE_RAFT_HOST_HOST_TYPES_H_
#define QUORATE_RAFT_HOST_HOST_TYPES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/bulk/bulk_pace.h"
#include "env/outcome.h"
#include "env/transport.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/state_machine.h"
#include "raft/log/log.h"

namespace quorate::raft {

// A store that is in no cluster asks for admission.
struct JoinRequest {
  NodeId node;
  StoreIncarnation store;
  std::string address;  // HostOptions::listen_address of the node.
  std::string token;    // HostOptions::Join::token.
};

// The node, its cluster, and the addresses of it and its peers.
struct HostIdentity {
  // Zero: the one to which the data directory belongs, or which admits it. It
  // is known once the start has succeeded (Host::identity).
  ClusterId cluster;
  NodeId node;
  std::string listen_address;  // Other nodes connect to it.
  // The address at which other nodes reach this one. Empty: listen_address.
  std::string address;
  std::vector<env::PeerAddress> peers;  // Every other node.
};

// How stores become members of a cluster: this one, if its directory is empty
// or a copy, and others that ask this node.
struct HostMembership {
  // The cluster as the configuration of this node describes it, if it is to be
  // founded. Nodes with different plans refuse each other's connections.
  BootstrapPlan plan;
  // The level of the groups that this node founds. A founding ends with an
  // error if it is above the level that a state machine knows.
  Level founding_level{1};
  // Configuration::lease_length of all groups if this node founds the cluster;
  // zero: no leases.
  Duration founding_lease_length = CoreOptions().election_timeout_min;
  // Makes an empty directory a new store, and takes part in the founding of the
  // cluster until the store has its bootstrap record. False: an empty directory
  // is refused.
  bool bootstrap = false;
  // Addresses at which nodes of the cluster may run already. A store that is
  // being founded asks there first, and ends if it has no part in their
  // cluster.
  std::vector<std::string> seeds;
  // Makes the directory, a copy, a store of `cluster`, which is another one
  // than that of its original. Its data stay, and it refuses the nodes of the
  // original. All directories of the cluster are restored in this way. Without
  // effect on a directory of `cluster` that was restored earlier.
  bool restore_as_new_cluster = false;
  // Several nodes have other addresses than at the last start. Without this
  // word a start ends if its own address has changed and it is given a new one
  // of another node. The directory may be a copy then, which must not meet the
  // nodes of the original.
  bool moved = false;
  // Makes an empty directory a new store, and asks the seeds, nodes of a
  // cluster that exists, until one of them admits or refuses it. The store has
  // no replica then. A directory that has joined goes on as any other one. Not
  // together with `bootstrap`.
  struct Join {
    std::vector<std::string> seeds;  // Addresses for messages between nodes.
    std::string token;               // For `admit` of the seeds; at most 1 KiB.
  };
  std::optional<Join> join;
  // Decides whether a new store becomes one of the cluster. OK admits it: from
  // then on only the peers (SetPeers) say whom this node hears. kUnavailable:
  // not yet, and the store asks again. Other errors end its start with their
  // text. The same request may come again, also to other nodes, so the answer
  // should be the same. It must not call the host. Null: refuses every store.
  std::function<absl::Status(const JoinRequest&)> admit;
  // Makes the text for a store that this node admits, of at most
  // kWelcomeBytesMax. The store keeps it with its identity. Null: none.
  std::function<std::string()> welcome;
  // Called once with the plan that the cluster was founded with, before any
  // state machine is made. An error ends the start. Null: it must equal `plan`.
  // A store that joined has no plan, so it is not called there.
  std::function<absl::Status(const BootstrapPlan& founded)> accept_plan;
  // The same for a store that joined, with what it was told. Null: it is
  // ignored.
  std::function<absl::Status(std::string_view welcome)> accept_welcome;
  // Tells the operator of a node how one whose directory was lost comes back.
  std::string lost_directory_advice =
      "A node whose directory was lost comes back with HostOptions::join";
};

// Timings and bounds. The defaults are those of the store.
struct HostLimits {
  CoreOptions core;
  LogOptions log;  // The host fills in cluster and store.
  // All groups together apply entries of about so much work
  // (StateMachine::WorkOf) in one step of a turn. Those of one group are
  // limited by core.apply_bytes_max, too. Others wait for the next turn.
  uint64_t turn_apply_work_max = 64 << 10;
  // A replica takes a snapshot when its entries since the last one exceed this
  // size; 0: only in place of what it cannot read. The size grows with the last
  // snapshot, up to the maximum, and a draw varies it
  // (raft/host/bounds/log_budget.h).
  uint64_t snapshot_threshold_bytes = 64 << 20;
  uint64_t snapshot_threshold_bytes_max = 256 << 20;
  // Entries of this size are kept behind a snapshot, for followers that lag a
  // little.
  uint64_t snapshot_trailing_bytes = 8 << 20;
  // Replicas compare the digests of their states at multiples of this index; 0:
  // never. Only equal values of two nodes can be compared.
  uint64_t digest_interval = 4096;
  // Entries of all groups that one peer has not acknowledged. A first append
  // always fits.
  uint64_t peer_window_bytes = 32 << 20;
  // Entries of all groups that the log on disk has not written. Beyond it
  // leaders refuse proposals, and followers accept no entries. A first write
  // always fits.
  uint64_t unwritten_bytes_max = 128 << 20;
  // Entries of all groups that are committed and not applied here. Beyond it
  // leaders refuse proposals and followers entries, until half of it is free.
  // Entries that they have by then may exceed it.
  uint64_t unapplied_bytes_max = 128 << 20;
  // Chunks and entries of all groups that are being read for followers. As many
  // bytes of chunks may have been received and not be written. A first one
  // always fits.
  uint64_t snapshot_transfer_bytes_max = 32 << 20;
  // How fast snapshots, copies of slots and entries of followers that lack many
  // are written, read and sent, in all.
  env::BulkLimits bulk;
  // A limit of the size of the entries of all groups in memory; 0: none. Beyond
  // it the groups with most of them have their oldest ones on disk only. It is
  // exceeded by entries that are not applied or not durable.
  uint64_t log_memory_bytes_max = 256 << 20;
  // A limit of the size of the entries of all groups, which a start reads; 0:
  // none. Beyond it the groups with most entries take snapshots early, one
  // after another. They keep fewer entries behind these snapshots, which are
  // written faster (LogBudget::Haste). Entries that a follower lacks are kept
  // beyond it, up to the size of their group's snapshot.
  uint64_t log_bytes_max = 1 << 30;
};

struct HostOptions : HostIdentity, HostMembership, HostLimits {
  // Called when all is ready, and before the start counts: other nodes learn of
  // it only afterwards. An error ends the start. Null: nothing is called.
  std::function<absl::Status()> before_serving;
  // Tells the operator how a halted replica goes on.
  std::string halted_advice = "start the newer program";
};

// The result of a proposal. `outcome` says whether it took effect; `status`
// says why not, or why this is unknown. Codes of `status`:
//
//   kOk                  kDone
//   kNotFound            kNotExecuted: this node holds no replica of the group,
//                        or the replica was dropped
//   kUnavailable         kNotExecuted: this node does not lead the group, or
//                        its leadership has just begun or is being transferred;
//                        another node may take it. Also: the node has stopped
//   kResourceExhausted   kNotExecuted: a bound is reached; try again later
//   kInvalidArgument     kNotExecuted: the payload is too large, or the
//                        configuration breaks a rule
//   kFailedPrecondition  kNotExecuted: a level that a member does not know, a
//                        voter that has not caught up, or a halted replica
//   kAborted             kNotExecuted: another leader's entry took its place,
//                        or the base of a configuration is not the present one
//   kAlreadyExists       kNotExecuted: the group has this configuration
//   kDataLoss            kNotExecuted: the replica is fenced
//   kUnknown             kUnknown: the leader changed, or a snapshot covered
//                        the entry, before the result was known
//
// A proposal that is under way when its replica stops is kUnknown, with the
// code of the reason.
struct ProposeResult {
  Outcome outcome = Outcome::kUnknown;
  absl::Status status;
  LogPosition position;  // Position of its entry, when kDone.
  WallTime log_time{0};
  Buffer result;  // StateMachine::Apply's, when kDone.
};

using ProposeDone = absl::AnyInvocable<void(const ProposeResult&)>;
// OK: during the call, a read of the state machine is linearizable. Otherwise:
//
//   kUnavailable         no leader confirmed the read, or the node has stopped
//   kNotFound            this node holds no replica of the group, or the
//                        replica was dropped
//   kFailedPrecondition  the replica is halted
//   kDataLoss            the replica is fenced
using ReadDone = absl::AnyInvocable<void(absl::Status)>;

struct ReadPointOptions {
  // The caller shows Core::read_log_time, such as in the time that is left of a
  // key. Then the leader asks a majority, which knows its present log time
  // afterwards. Reads by a lease may have one from before.
  bool shows_log_time = false;
};

// Whether this node's replica of a group works, and if not, why.
enum class ReplicaCondition : uint8_t {
  kWorks,
  // Its program does not know what the log or a snapshot holds. The replica
  // keeps its log, but applies no more. It votes if the program knows its
  // configuration and its state.
  kHalted,
  kFenced,  // It may have lost what it promised, or its state is wrong.
  // The node stopped, or its start could not read the replica's snapshot for a
  // reason that may pass. A later start may run the replica.
  kStopped,
  kNotHeld,
};

// Makes the empty state machine of a group. `configuration` is that of the
// newest snapshot, or the first one. Null: the program cannot read its
// parameters. The replica is halted then.
using MakeStateMachine = absl::AnyInvocable<std::unique_ptr<StateMachine>(
    GroupId, const Configuration&)>;

// Reports events inside the host, for metrics, routing and checkers. Called in
// step 1 or 2 of a turn. Of the host it may call Propose and Read, and const
// functions. A class overrides what it needs; the defaults do nothing.
class HostObserver {
 public:
  virtual void OnEvent(GroupId group, const Event& event) {
    (void)group, (void)event;
  }
  virtual void OnApplied(GroupId group, const Entry& entry) {
    (void)group, (void)entry;
  }
  virtual void OnRestored(GroupId group, const SnapshotDescriptor& snapshot) {
    (void)group, (void)snapshot;
  }
  // The node stopped permanently. `why` gives the reason.
  virtual void OnStopped(const absl::Status& why) { (void)why; }
  // A replica was created from its data on disk, at the start or later.
  virtual void OnRecovered(GroupId group, const Core& core) {
    (void)group, (void)core;
  }
  // Replicas have different states after the entry `index`.
  virtual void OnStatesDiffer(GroupId group, Index index) {
    (void)group, (void)index;
  }
  // The replica of this node does nothing from now on: it is fenced, or
  // halted without a vote. The other groups go on.
  virtual void OnFenced(GroupId group, const absl::Status& why) {
    (void)group, (void)why;
  }
  // A write of a replica is durable. The Step with its WriteDone follows.
  virtual void OnWritten(GroupId group, const WriteToken& token) {
    (void)group, (void)token;
  }
  // The replica of this node was dropped. The group has no state here until
  // OnRecovered is called for another one.
  virtual void OnDropped(GroupId group) { (void)group; }
  // Called after every Step of a replica, before its output is carried out.
  // Both arguments are valid during the call only.
  virtual void OnStep(GroupId group, const Core& core, const Output& output) {
    (void)group, (void)core, (void)output;
  }

 protected:
  ~HostObserver() = default;
};

// Counters since the start of a host, and sizes of all its groups together.
struct HostStats {
  Log::Counters log;
  // Attempts to write or receive a snapshot that the disk had no room for.
  uint64_t snapshots_without_room = 0;
  // Snapshots that newer ones replaced and that are kept to be sent.
  size_t kept_snapshots = 0;
  // Entries in memory.
  uint64_t log_memory_bytes = 0;
  // The same with those that are only on disk.
  uint64_t log_bytes = 0;
  // Those of them that are kept because followers lack them, beyond
  // HostOptions::log_bytes_max.
  uint64_t log_retained_bytes = 0;
  // How often a log removed entries that a follower lacked which was in touch,
  // or was getting a snapshot.
  uint64_t followers_cut_off = 0;
  uint64_t unwritten_bytes = 0;  // Entries that the log has not written.
  uint64_t unapplied_bytes = 0;  // Entries that are committed, not applied.
  uint64_t staged_bytes = 0;     // Received chunks that are not written.
  // Chunks and entries that are being read for followers.
  uint64_t follower_read_bytes = 0;
  // The number of entries that left the memory and are not freed yet.
  size_t entries_to_free = 0;
  // The most work of the entries that all groups applied in one step of a turn
  // (StateMachine::WorkOf).
  uint64_t longest_apply_work = 0;
};

// A room that refuses bytes until it opens again (raft/host/bounds).
struct ClosedRoom {
  std::string_view name;
  NodeId peer;  // That of a link; zero: the room is the node's.
  uint64_t used_bytes = 0;
  uint64_t bound_bytes = 0;
  uint64_t refused_bytes = 0;  // It opens only when these fit, too.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_HOST_TYPES_H_
