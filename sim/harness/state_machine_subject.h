// sim/harness/state_machine_subject.h: a subject for a state machine of one's
// own: nodes that replicate it, clients that use it, and checkers.
//
//   struct MyTest final : sim::StateMachineTest { … };
//   sim::HarnessResult result = sim::RunSeed(
//       {.seed = 7}, [](sim::World& world) {
//         return std::make_unique<sim::StateMachineSubject>(
//             &world, std::make_unique<MyTest>());
//       });
//
// Each node has a replica of one group in a raft::Host, and a client that
// proposes commands there. A node that does not lead refuses them. The checkers
// are those of consensus and of equal digests (ReplicaChecker), progress after
// faults, linearizability by the test's model (CommandHistory), and the test's
// own (StateMachineTest::Check).
#ifndef QUORATE_SIM_HARNESS_STATE_MACHINE_SUBJECT_H_
#define QUORATE_SIM_HARNESS_STATE_MACHINE_SUBJECT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "env/ids.h"
#include "env/random.h"
#include "lincheck/history.h"
#include "raft/host/host.h"
#include "raft/transport/transport.h"
#include "sim/checks/replica_checker.h"
#include "sim/harness/command_history.h"
#include "sim/harness/group_operator.h"
#include "sim/harness/member_operator.h"
#include "sim/harness/node_disks.h"
#include "sim/harness/replica_observer.h"
#include "sim/harness/replica_views.h"
#include "sim/harness/state_machine_test.h"
#include "sim/harness/subject.h"
#include "sim/harness/supervisor.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct StateMachineSubjectOptions {
  uint32_t nodes = 3;
  Duration interval = Milliseconds(50);  // Between a client's commands.
  // Small, so that snapshots are taken.
  uint64_t snapshot_threshold_bytes = 2'000;
  uint64_t snapshot_trailing_bytes = 500;
  // In so many runs an operator creates a second group of state machines, and
  // drops it (sim/harness/group_operator.h). Zero: never.
  Ratio operated{1, 3};
  // In so many runs nodes send with the product's transport over byte streams,
  // in the others over the simulated network of messages.
  Ratio peer_streams{1, 2};
  // In so many of the other runs over byte streams an operator changes the
  // members of the group (sim/harness/member_operator.h).
  Ratio members{3, 4};
  // In so many runs with an operator and byte streams, one more node joins the
  // cluster later.
  Ratio late{1, 1};
};

class StateMachineSubject final : public Subject {
 public:
  StateMachineSubject(World* world, std::unique_ptr<StateMachineTest> test,
                      StateMachineSubjectOptions options = {});
  ~StateMachineSubject() override;

  ScheduleOptions Start() override;
  void AfterTurn(MachineId machine) override;
  void StopClients() override;
  void OnHealed(const std::vector<MachineId>& nodes) override {
    healed_ = nodes;
  }
  bool ClientsIdle() const override;
  std::vector<Probe> Probes(Stage stage) override;
  std::vector<Condition> Conditions(Stage stage) override;
  void Finish() override;
  std::string Summary() const override;
  std::string History() const override;
  std::string Describe() const override;
  void Explain(const StatePlace& place) override;
  StatePlace diverged() const override { return checker_.diverged(); }
  std::map<std::string, uint64_t> Checks() const override;
  // The steps "remove N" and "command". The leader of the moment carries them
  // out.
  absl::Status SetScript(const std::vector<std::string>& steps) override;
  void BeginScript() override;
  bool ScriptIsDone() const override;
  // Leaves out the files of the log and the pulses of nodes.
  std::optional<uint64_t> DigestOf(MachineId machine) const override;
  uint64_t term() const override;

 private:
  class Node;
  // A step of a script.
  struct Step {
    NodeId removed;               // Zero: it is a command.
    const Node* asked = nullptr;  // The node that carries it out.
    bool done = false;
    // The node that refused it last, in which term, and what it had committed.
    // It is asked again when that has changed.
    std::tuple<size_t, raft::Term, raft::Index> refused;
  };
  void FollowScript(size_t index);
  raft::HostOptions OptionsOf(size_t index);
  std::vector<env::PeerAddress> PeersOf(size_t index) const;
  // Null: the node is down, or it starts.
  raft::Host* HostOf(size_t index) const;
  std::vector<const raft::Core*> Cores() const;  // By node.
  // The index of the leader in nodes_; nodes_.size() if there is none.
  size_t Leader() const { return LeaderAmong(Cores()); }
  // Whether the node is healed.
  bool MustWork(size_t index) const;
  bool late(size_t index) const { return index >= founders_; }
  // The node starts with HostOptions::join.
  bool Joins(size_t index) const {
    return late(index) ||
           (member_operator_.has_value() && member_operator_->joins(index));
  }
  // A fault has hit the disk, so no replica need work.
  bool HasBadDisk(size_t index) const {
    return disks_.has_value() && disks_->bad(index);
  }
  void AddDiskFaults(ScheduleOptions* options);
  // Draws who changes groups, and adds the machines.
  void AddMachines();
  bool Agreed() const;
  // By the test's own checker, after a turn of the node with this index.
  void CheckReplicas(size_t turn);
  // Whether the client on a node begins commands now.
  bool WantsCommand(size_t index) const;
  // The randomness of the client's next command. Empty: the tape leaves it out.
  std::optional<Random> DrawCommand(size_t index);
  void Return(size_t number, const StateMachineTest::Command& command,
              const raft::ProposeResult& result);
  // For views of the run.
  void ObserveAnswer(size_t index, size_t number,
                     const StateMachineTest::Command& command,
                     const raft::ProposeResult& result);

  World& world_;
  const std::unique_ptr<StateMachineTest> test_;
  const StateMachineSubjectOptions options_;
  ReplicaChecker checker_;
  Supervisor supervisor_;
  size_t founders_ = 0;  // Nodes behind these join later.
  // Empty: nodes send over the network of messages.
  std::optional<raft::TransportOptions> peer_streams_;
  std::vector<MachineId> machines_;
  std::vector<Node*> nodes_;   // Owned by their machines. Null: it is down.
  std::vector<bool> created_;  // The node has started once.
  std::vector<MachineId> healed_;
  std::vector<uint64_t> commands_;  // How many each client has drawn.
  bool issuing_ = true;
  bool probing_ = false;  // The clients try until one command is executed.
  // Commands that clients know to be executed.
  uint64_t executed_ = 0;
  uint64_t answers_checked_ = 0;  // By the model.
  uint64_t own_checks_ = 0;       // Of StateMachineTest::Check.
  std::vector<StateMachineTest::Replica> replicas_;  // Kept for its memory.
  CommandHistory history_;
  std::optional<GroupOperator> operator_;  // Empty: the run has none.
  // Empty in runs with a second group, whose members have rules of their own.
  std::optional<NodeDisks> disks_;
  std::optional<MemberOperator> member_operator_;  // Empty: members stay.
  // A hash of what clients began and what they know, in its order.
  uint64_t client_order_ = 0;
  bool scripted_ = false;
  bool script_begun_ = false;
  std::vector<Step> script_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_STATE_MACHINE_SUBJECT_H_
