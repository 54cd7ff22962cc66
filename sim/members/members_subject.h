// sim/members/members_subject.h: a subject whose members change all the time:
// a cluster with a controller, clients that use its store, and operators.
//
//   HarnessResult result = RunSeed({.seed = 7}, [](World& world) {
//     return std::make_unique<MembersSubject>(&world);
//   });
//
// The checkers are those of consensus (ReplicaChecker), of changes
// (MemberRules, NodePlaces), and the linearizability of what clients observe.
// At the end every wish must come true. Each group then has the members that
// are wanted, with all entries, and no node has anything else.
#ifndef QUORATE_SIM_MEMBERS_MEMBERS_SUBJECT_H_
#define QUORATE_SIM_MEMBERS_MEMBERS_SUBJECT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/ids.h"
#include "kv/slots/slot_strategy.h"
#include "node/config/config.h"
#include "raft/core/types.h"
#include "sim/checks/recorder.h"
#include "sim/checks/replica_checker.h"
#include "sim/harness/subject.h"
#include "sim/members/change_cuts.h"
#include "sim/members/cluster_operator.h"
#include "sim/members/member_rules.h"
#include "sim/members/node_places.h"
#include "sim/resources/resource_checker.h"
#include "sim/workload/client.h"
#include "sim/workload/multi_key_client.h"
#include "sim/workload/simple_client.h"
#include "sim/workload/watch_client.h"
#include "sim/world/world.h"

namespace quorate::sim {

class MembersSubject final : public Subject {
 public:
  // `world` outlives the object.
  explicit MembersSubject(World* world);

  ScheduleOptions Start() override;
  void AfterTurn(MachineId machine) override;
  void StopClients() override;
  bool ClientsIdle() const override;
  uint64_t FinishedWork() const override {
    return recorder_.counts().succeeded + recorder_.counts().refused +
           recorder_.counts().unknown;
  }
  std::vector<Probe> Probes(Stage stage) override;
  std::vector<Condition> Conditions(Stage stage) override;
  void Finish() override;
  std::string Summary() const override;
  std::string Describe() const override;

 private:
  NodePlacesOptions DrawPlaces();
  PlaceHooks Hooks();
  void StartClients();
  MachineId AddClient(std::string_view name);
  // One of each place.
  std::vector<std::string> Addresses(uint16_t port) const;
  // A client that has plain addresses only.
  template <typename Client, typename Options>
  void StartPlain(std::string_view name, uint32_t id, Client** client);
  template <typename Client, typename Options>
  void StartSimple(std::string_view name, const Options& options);
  void StartOperators();
  // Notes which replicas work.
  void Look();
  // The reason why some wish has not come true; empty: all have.
  std::string Unmet() const;
  std::string UnmetOfNodes(const shardctrl::ClusterState& state) const;
  std::string UnmetOfGroup(const shardctrl::ClusterState& state,
                           const shardctrl::GroupRecord& group) const;
  std::string UnmetOfPlace(size_t place) const;
  std::string UnmetOfSlots(const shardctrl::ClusterState& state) const;
  // Every fourth turn of each place.
  void CheckResources(size_t place);
  ResourceCheckerOptions BoundsOfMessages() const;
  // The working replica with this id; null: there is none.
  const raft::Core* Find(GroupId group, ReplicaId replica) const;

  World& world_;
  ReplicaChecker checker_;
  Recorder recorder_;
  MemberRules rules_;
  NodePlaces places_;
  ChangeCuts cuts_;
  const std::shared_ptr<const kv::SlotStrategy> slots_;
  // All nodes have the same bounds.
  const node::Config config_;
  ResourceChecker resources_;
  std::vector<uint8_t> turns_;
  std::vector<MachineId> client_machines_;
  // Owned by their machines.
  std::vector<WorkloadClient*> clients_;
  // Both are null with another partitioner than hash slots.
  MultiKeyClient* multi_keys_ = nullptr;
  WatchClient* watches_ = nullptr;
  std::vector<SimpleClient*> simple_clients_;
  std::vector<ClusterOperator*> operators_;
  // Clients count as idle once moves without faults have ended.
  bool moves_in_calm_ = false;
  SimTime next_look_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_MEMBERS_SUBJECT_H_
