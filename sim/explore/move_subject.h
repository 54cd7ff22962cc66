// sim/explore/move_subject.h: a small cluster of the store, for scenarios: two
// groups and a controller, a client and an operator.
//
// Its steps:
//   increment KEY          a client increments the key until it has a reply
//   move FIRST-LAST to N   an operator moves these slots to group N
//
// Its rules are those of a run whose members change (sim/members), those of
// moves, and those of the histories of clients (sim/checks). When the script is
// done, all nodes agree, and each slot has one owner.
#ifndef QUORATE_SIM_EXPLORE_MOVE_SUBJECT_H_
#define QUORATE_SIM_EXPLORE_MOVE_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "shardctrl/controller/state.h"
#include "sim/checks/recorder.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/harness/subject.h"
#include "sim/members/admin_client.h"
#include "sim/members/controller_checker.h"
#include "sim/members/member_changes.h"
#include "sim/world/world.h"

namespace quorate::sim {

class MoveSubject final : public Subject {
 public:
  // The world outlives the object, and has no machine yet.
  explicit MoveSubject(World* world);
  ~MoveSubject() override;
  MoveSubject(const MoveSubject&) = delete;
  MoveSubject& operator=(const MoveSubject&) = delete;

  // Subject.
  ScheduleOptions Start() override;
  void AfterTurn(MachineId machine) override;
  void StopClients() override {}
  bool ClientsIdle() const override { return ScriptIsDone(); }
  std::vector<Probe> Probes(Stage) override { return {}; }
  std::vector<Condition> Conditions(Stage stage) override;
  void Finish() override;
  std::string Summary() const override;
  std::string Describe() const override;
  absl::Status SetScript(const std::vector<std::string>& steps) override;
  void BeginScript() override;
  bool ScriptIsDone() const override;
  uint64_t term() const override;

 private:
  class StoreClient;
  struct Step {
    std::string key;   // Empty: it is a move.
    std::string body;  // The request for the move.
    bool done = false;
  };

  void OnCommitted(GroupId group, const raft::Entry& entry);
  // Asks nodes in turn, from `place` on, until one has answered.
  void AskForMove(size_t step, size_t place);

  World& world_;
  const uint32_t nodes_;
  ReplicaChecker replica_checker_;
  Recorder recorder_;
  ControllerChecker controller_{
      [this](raft::Index index, uint64_t digest) {
        replica_checker_.ExpectDigest(shardctrl::kControllerGroup, index,
                                      digest);
      },
      [this](std::string what) { world_.Violate(std::move(what)); }};
  // The programs of the cluster call it when they end.
  std::unique_ptr<MemberChanges> members_;
  Cluster cluster_;
  std::shared_ptr<AdminClient> operator_;
  std::shared_ptr<StoreClient> client_;
  MachineId operator_machine_;
  std::vector<Step> script_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_EXPLORE_MOVE_SUBJECT_H_
