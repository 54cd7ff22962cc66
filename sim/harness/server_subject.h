// sim/harness/server_subject.h: a subject for a server of one's own: nodes that
// run it, clients that ask it over byte streams, and checkers.
//
//   struct MyTest final : sim::ServerTest { … };
//   sim::HarnessResult result = sim::RunSeed(
//       {.seed = 7}, [](sim::World& world) {
//         return std::make_unique<sim::ServerSubject>(
//             &world, std::make_unique<MyTest>());
//       });
//
// Nodes and clients have machines of their own. The checkers are:
//   - no server stops, unless the disk had errors;
//   - progress after faults: servers start, and clients get answers;
//   - linearizability of what clients observed, by the test's model;
//   - the test's own (ServerTest::Check).
// Beside these, if the server has a raft::Host:
//   - no replica is fenced, unless the disk had errors;
//   - a term has one leader, and replicas with equal logs have equal digests;
//   - replicas agree after faults.
// Stored bytes of its log and its snapshots are damaged while its groups can
// spare the disk (sim/harness/node_disks.h). An operator may change its members
// (sim/harness/member_operator.h). The rules of both hold, too.
//
// Clients crash and pause, too. The request of one that crashes has an unknown
// outcome.
//
// It sees the server from outside, and a raft::Host. So it does not check each
// step of consensus as a StateMachineSubject does.
#ifndef QUORATE_SIM_HARNESS_SERVER_SUBJECT_H_
#define QUORATE_SIM_HARNESS_SERVER_SUBJECT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "env/random.h"
#include "lincheck/history.h"
#include "raft/host/host.h"
#include "raft/transport/transport.h"
#include "sim/checks/repeated_execution.h"
#include "sim/checks/replica_checker.h"
#include "sim/checks/state_witness.h"
#include "sim/harness/member_operator.h"
#include "sim/harness/node_disks.h"
#include "sim/harness/server_client.h"
#include "sim/harness/server_test.h"
#include "sim/harness/subject.h"
#include "sim/harness/supervisor.h"
#include "sim/schedule/schedule_options.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct ServerSubjectOptions {
  uint32_t nodes = 3;
  uint32_t clients = 3;
  Duration interval = Milliseconds(100);  // Between a client's requests.
  // A client gives up a connection that has no reply by then.
  Duration timeout = Milliseconds(1'500);
  // Small, so that snapshots are taken.
  uint64_t snapshot_threshold_bytes = 2'000;
  uint64_t snapshot_trailing_bytes = 500;
  // In so many runs nodes send with the product's transport over byte streams,
  // in the others over the simulated network of messages.
  Ratio peer_streams{1, 2};
  // In so many of the runs over byte streams an operator changes the members of
  // group 1, and disks are lost. Not zero: Start returns Server::members.
  Ratio members{0, 1};
  // In so many of these runs, one more node joins the cluster later.
  Ratio late{1, 2};
  // The failures that the server survives. The default is that of consensus.
  FaultBudget budget{};
};

class ServerSubject final : public Subject {
 public:
  ServerSubject(World* world, std::unique_ptr<ServerTest> test,
                ServerSubjectOptions options = {});
  ~ServerSubject() override;

  ScheduleOptions Start() override;
  // Clients fail in runs in which programs of nodes do.
  void OnScheduled(const Schedule& schedule) override;
  void AfterTurn(MachineId machine) override;
  void StopClients() override;
  void OnHealed(const std::vector<MachineId>& nodes) override {
    healed_ = nodes;
  }
  bool ClientsIdle() const override;
  uint64_t FinishedWork() const override { return executed_ + unknown_; }
  std::vector<Probe> Probes(Stage stage) override;
  std::vector<Condition> Conditions(Stage stage) override;
  void Finish() override;
  std::string Summary() const override;
  std::string History() const override;
  std::string Describe() const override;
  void Explain(const StatePlace& place) override;
  StatePlace diverged() const override { return diverged_; }
  std::map<std::string, uint64_t> Checks() const override;

 private:
  class Node;
  struct Client {
    MachineId machine;
    ServerClient* program = nullptr;  // Owned by its machine. Null: it is down.
    uint64_t drawn = 0;
    bool probing = false;  // It asks until one request is executed.
  };

  // Where a log has a payload.
  struct Payload {
    raft::Index index;
    SimTime applied;
    raft::Index again;  // Zero: the log has it once.
  };
  // The entries that replicas of one group have applied.
  struct Log {
    raft::Index end;       // The last entry of all replicas.
    bool complete = true;  // `payloads` has the commands of all entries.
    std::map<std::string, Payload> payloads;
    absl::btree_map<raft::Index, uint64_t> digests;
  };

  ServerTest::Node OptionsOf(size_t index);
  void StartClients();
  void PlanCrash(uint32_t id, uint64_t number);
  void PlanPause(uint32_t id, uint64_t number);
  std::optional<ServerTest::Request> NextRequest(uint32_t id);
  void EndRequest(const ServerTest::Request& request,
                  const ServerTest::Reply& reply);
  // The groups of all nodes that run.
  std::vector<GroupId> Groups() const;
  std::vector<const raft::Core*> Cores(GroupId group) const;  // By node.
  bool MustWork(size_t index) const;
  // A fault has hit the disk, so no replica need work.
  bool HasBadDisk(size_t index) const {
    return disks_.has_value() && disks_->bad(index);
  }
  // Draws whether members change, and adds the machines.
  void AddMachines();
  void AddDiskFaults(ScheduleOptions* options);
  // All nodes that must work have started.
  bool Started() const;
  // Replicas of hosts agree.
  bool Agreed() const;
  // By the test's own checker, after a turn of the node with this index.
  void CheckServers(ServerTest::Moment moment, size_t turn);
  // A replica has applied more: keeps the entries that no replica had applied
  // before. Reports a state that differs from that of another replica.
  void OnApplied(size_t index, GroupId group, const raft::Core& core,
                 const raft::StateMachine& state);
  // Decides by the logs which requests of unknown outcome were executed.
  void ResolveUnknown();
  // The requests on one object whose entries a log has twice.
  std::vector<Repeat> RepeatsOn(uint32_t partition) const;

  World& world_;
  const std::unique_ptr<ServerTest> test_;
  const ServerSubjectOptions options_;
  ReplicaChecker checker_;
  Supervisor supervisor_;
  // Empty: nodes send over the network of messages.
  std::optional<raft::TransportOptions> peer_streams_;
  std::optional<NodeDisks> disks_;
  std::optional<MemberOperator> operator_;  // Empty: members stay.
  std::vector<MachineId> machines_;
  std::vector<Node*> nodes_;   // Owned by their machines. Null: it is down.
  std::vector<bool> created_;  // The server has started once.
  std::vector<MachineId> healed_;
  std::vector<Client> clients_;
  bool issuing_ = true;
  uint64_t executed_ = 0;
  uint64_t unknown_ = 0;    // Requests that ended without a known outcome.
  uint64_t undecided_ = 0;  // Objects of which the search was given up.
  lincheck::History history_;
  std::vector<ServerTest::Request> unresolved_;  // Of unknown outcome.
  // The operations of all requests with entries.
  std::vector<std::pair<std::string, lincheck::Operation>> entries_;
  std::map<GroupId, Log> logs_;
  std::vector<ServerTest::Running> running_;  // Kept for its memory.
  StatePlace diverged_;
  uint64_t digests_compared_ = 0;
  uint64_t own_checks_ = 0;       // Of ServerTest::Check, with some server.
  uint64_t answers_checked_ = 0;  // By the search of an order.
  std::optional<StateWitness> witness_;  // Empty: none explains.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_SERVER_SUBJECT_H_
