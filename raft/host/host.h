// raft/host/host.h: drives the replicas of one node: many cores, one log, one
// transport, one timer.
//
// Lifecycle: construct, Start (opens the directory, recovers, begins to talk),
// then Propose and Read until destruction. Destroying the Host is a crash as
// far as its disk and peers can tell; callbacks not yet called are dropped.
#ifndef QUORATE_RAFT_HOST_HOST_H_
#define QUORATE_RAFT_HOST_HOST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/outcome.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "raft/host/state_machine.h"
#include "raft/log/log.h"

namespace quorate::raft {

struct GroupSpec {
  GroupId group;
  GroupIncarnation incarnation{1};
  // Entry 1 of a group that does not exist yet on this node.
  Configuration initial_configuration;
};

struct HostOptions {
  ClusterId cluster;
  NodeId node;
  std::string listen_address;           // For peers.
  std::vector<env::PeerAddress> peers;  // Every other node.
  std::vector<GroupSpec> groups;
  // Writes a new store into an empty directory. False: an empty directory is
  // refused.
  bool bootstrap = false;
  // What was decided for all nodes at bootstrap, as bytes that only the caller
  // understands: stored with the identity of a new store, at most
  // kBootstrapRecordBytesMax. Nodes whose stores hold different ones refuse each
  // other's links.
  std::string bootstrap_record;
  // Called once with the stored bytes before any state machine is made; an
  // error ends the start. Null: they must equal `bootstrap_record`.
  std::function<absl::Status(std::string_view stored)> accept_bootstrap_record;
  CoreOptions core;  // node and group are filled in.
  LogOptions log;    // cluster and store are filled in.
  // A group whose entries since its last snapshot exceed this takes a new one;
  // 0 never does.
  uint64_t snapshot_threshold_bytes = 64 << 20;
  // So many bytes of entries are kept behind a snapshot for followers that are
  // a little late.
  uint64_t snapshot_trailing_bytes = 8 << 20;
};

// What became of a proposal. `outcome` and `status` are independent pieces of
// knowledge: status says why in words.
struct ProposeResult {
  Outcome outcome = Outcome::kUnknown;
  absl::Status status;
  LogPosition position;  // Where it stands, when kDone.
  WallTime log_time{0};
  Buffer result;  // StateMachine::Apply's, when kDone.
};

class Host {
 public:
  using Started = absl::AnyInvocable<void(absl::Status)>;
  using ProposeDone = absl::AnyInvocable<void(const ProposeResult&)>;
  // OK: the state machine now is linearizable for a read that was requested
  // before the call. Otherwise kUnavailable.
  using ReadDone = absl::AnyInvocable<void(absl::Status)>;
  // Makes the (empty) state machine of a group; `configuration` is the initial one
  // or the snapshot's.
  using MakeStateMachine = absl::AnyInvocable<std::unique_ptr<StateMachine>(
      GroupId, const Configuration&)>;

  // Observer of what happens inside, for metrics, routing and judges. Called in
  // turn step 1 or 2; must not call back.
  class Observer {
   public:
    virtual void OnEvent(GroupId group, const Event& event) = 0;
    virtual void OnApplied(GroupId group, const Entry& entry) = 0;
    virtual void OnRestored(GroupId group,
                            const SnapshotDescriptor& snapshot) = 0;
    // The node stopped acknowledging for good, and why.
    virtual void OnStopped(const absl::Status& why) = 0;
    // A replica was made from what is on disk.
    virtual void OnRecovered(GroupId group, const Core& core) {
      (void)group, (void)core;
    }
    // A write of a replica is durable; the step that tells it so follows.
    virtual void OnWritten(GroupId group, const WriteToken& token) {
      (void)group, (void)token;
    }
    // After every step of a replica, before its output is carried out. Both may be read during the call alone.
    virtual void OnStep(GroupId group, const Core& core, const Output& output) {
      (void)group, (void)core, (void)output;
    }

   protected:
    ~Observer() = default;
  };

  // `observer` may be null.
  Host(env::Env& env, HostOptions options, MakeStateMachine make,
       Observer* observer);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Recovers and joins. `started` is called once: OK, or what is wrong with the
  // directory, the address or the disk, in words that say what to do.
  void Start(Started started);

  // Proposes one entry. `done` is called exactly once unless the Host is
  // destroyed first: kDone after it was applied here; kNotExecuted if this
  // replica does not lead, has too much in flight, or another entry took its
  // place; kUnknown when leadership was lost and the fate cannot be told
  // (within one election timeout of losing it).
  void Propose(GroupId group, Buffer payload, ProposeDone done);

  // A linearizable read point. Works on followers, who ask the leader. Reads of
  // one turn share one round.
  void Read(GroupId group, ReadDone done);

  // Hands leadership to another voter (thesis 3.10), if this replica leads;
  // given up if the target does not take over within an election timeout.
  // Until then proposals are refused.
  void TransferLeadership(GroupId group, NodeId to);

  // What this node knows. Groups that it does not hold: null.
  const Core* core(GroupId group) const;
  StateMachine* state_machine(GroupId group);
  const StateMachine* state_machine(GroupId group) const;
  std::vector<GroupId> groups() const;
  // Not OK: that group is fenced or the node has stopped; the message says why.
  absl::Status group_status(GroupId group) const;
  absl::Status status() const;
  Log::Counters log_counters() const;
  StoreIncarnation store() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_HOST_H_
