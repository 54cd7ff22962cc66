// sim/members/controller_model.h: the controller's replicated state machine a
// second time, slow and plain: what each command must answer and change.
//
// It is written from docs/controller.md and from the contracts of the commands.
// It shares values and encodings with the product, and no rule. It does not
// choose where replicas and slots go. It takes these choices from the effects
// of the product, and checks them against the goals of the planners.
//
//   ControllerModel model(first);           // the parameters of the group
//   std::string wrong = model.Execute(command, log_time, {answer, after});
#ifndef QUORATE_SIM_MEMBERS_CONTROLLER_MODEL_H_
#define QUORATE_SIM_MEMBERS_CONTROLLER_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/move.h"
#include "shardctrl/partition.h"
#include "sim/members/placement_goals.h"

namespace quorate::sim {

class ControllerModel {
 public:
  // The answer of the product to a command, and its state afterwards.
  struct Effect {
    const shardctrl::ControllerAnswer& answer;
    const shardctrl::ClusterState& after;
  };

  // Requires: the state has no finished operations, as that of a founding.
  explicit ControllerModel(const shardctrl::ClusterState& first);

  // Executes a command of the log. Returns how the effect of the product
  // differs from what the command must do, or an empty string.
  std::string Execute(const shardctrl::ControllerCommand& command,
                      WallTime log_time, const Effect& effect);

  // The state after all commands so far. The reference is valid until the next
  // call of Execute.
  const shardctrl::ClusterState& state() const { return shown_; }

 private:
  using Command = shardctrl::ControllerCommand;
  using Answer = shardctrl::ControllerAnswer;
  using Outcome = Answer::Outcome;
  using NodeRecord = shardctrl::NodeRecord;
  using GroupRecord = shardctrl::GroupRecord;
  using SlotMove = shardctrl::SlotMove;

  struct SlotOwner {
    GroupId group = {};
    SlotEpoch epoch = {};
  };
  struct Operation {
    shardctrl::FinishedOperation shown = {};
    std::string command = {};  // Its bytes.
    Answer answer = {};
  };
  struct State {
    uint64_t version = 0;
    Duration repair_after = {};
    NodeId next_node = {};
    GroupId next_group = {};
    MoveId next_move = {};
    std::map<NodeId, NodeRecord> nodes = {};
    std::map<GroupId, GroupRecord> groups = {};
    std::vector<SlotOwner> slots = {};
    std::map<MoveId, SlotMove> moves = {};
    std::vector<shardctrl::EndedMove> ended = {};
    std::vector<shardctrl::HistoryEntry> history = {};
    std::vector<Operation> operations = {};
  };
  // The answer that a command must have. Texts are for people, and are not
  // compared.
  struct Verdict {
    Outcome outcome = Outcome::kDone;
    NodeId node = {};
    WallTime token_expires{0};
    std::vector<GroupId> groups = {};
    std::vector<MoveId> moves = {};
  };
  static Verdict Refused() { return {.outcome = Outcome::kRefused}; }
  static Verdict AlreadySo() { return {.outcome = Outcome::kAlreadySo}; }

  // ---- controller_model.cc
  std::string ExecuteAgain(const Operation& first, const std::string& bytes,
                           const Effect& effect) const;
  void Finish(const Command& command, const std::string& bytes);
  void CompareAnswer(const Verdict& verdict);
  void CheckInvariants(const Command& command);
  void CheckOwners();
  shardctrl::ClusterState Show(const State& state) const;
  // The first violation stays.
  void Wrong(std::string what);

  // ---- controller_model_nodes.cc: commands about nodes. Each changes next_.
  // If it is not done, the change is dropped.
  Verdict Do(const Command::AddNode& add);
  Verdict Do(const Command::SetNode& set);
  Verdict Do(const Command::DrainNode& drain);
  Verdict Do(const Command::UndrainNode& undrain);
  Verdict Do(const Command::RemoveNode& remove);
  Verdict Do(const Command::ReplaceNode& replace);
  Verdict Do(const Command::BindNode& bind);
  Verdict Do(const Command::ReportNode& report);
  Verdict Do(const Command::ReportSilence& report);
  Verdict Do(const Command::ReportSign& report);
  Verdict Do(const Command::ReportEmpty& report);
  // The node, unless it is unknown or removed.
  NodeRecord* Present(NodeId id);
  bool NameTaken(NodeId id, const std::string& name) const;
  Verdict GiveToken(NodeRecord* node, const shardctrl::TokenDigest& token,
                    Duration valid_for) const;
  void Forget(NodeRecord* node) const;
  void RemoveDrainedNodes();

  // ---- controller_model_groups.cc: commands about groups and replicas.
  Verdict Do(const Command::CreateGroups& create);
  Verdict Do(const Command::SetGroup& set);
  Verdict Do(const Command::TransferGroup& transfer);
  Verdict Do(const Command::SetRepair& set);
  Verdict Do(const Command::RecoverGroup& recover);
  Verdict Do(const Command::ReportGroup& report);
  Verdict Do(const Command::ReportReplica& report);
  void NoteRecovery(const shardctrl::ReportedConfiguration& fresh,
                    GroupRecord* group);
  void ComposeGroups();

  // ---- controller_model_slots.cc: commands about slots and moves.
  Verdict Do(const Command::MoveSlots& move);
  Verdict Do(const Command::CancelMove& cancel);
  Verdict Do(const Command::PauseMove& pause);
  Verdict Do(const Command::Rebalance& rebalance);
  Verdict Do(const Command::RetireGroup& retire);
  Verdict Do(const Command::ReportMove& report);
  Verdict Do(const Command::DecideMove& decide);
  Verdict Do(const Command::ReportMoveEnd& report);
  Verdict MoveNamedSlots(const Command::MoveSlots& move,
                         const std::set<uint32_t>& slots);
  Verdict MoveSomeSlots(const Command::MoveSlots& move);
  // Of a move that is unknown, or was decided.
  Verdict NotOpen(MoveId id) const;
  SlotMove* FindOpen(MoveId id);
  // The group may own more slots.
  bool MayOwn(GroupId id) const;
  bool TakesPart(GroupId id) const;  // In a move that has not ended.
  std::vector<uint32_t> SlotsOf(GroupId id) const;
  std::set<uint32_t> MovingSlots() const;
  // So many moves more may be too many.
  bool MayLackRoom(size_t most) const;
  // The next of the moves that the product has begun; null: there is none.
  const SlotMove* FreshMove() const;
  // Takes the next of these. Checks that it is one that may begin. Returns its
  // slots.
  std::vector<uint32_t> BeginMove(uint64_t rate_max);
  // The moves of the command itself: those that its answer names.
  std::vector<uint32_t> BeginAnsweredMoves(uint64_t rate_max);
  // Checks that each of `shares` has its share by weight, as well as slots in
  // moves allow. Only `takers` get slots, and none more than its share.
  void CheckShares(const std::set<GroupId>& shares,
                   const std::set<GroupId>& takers);
  void ShareSlots();
  void EndMoves();
  void ContinueRetiring();

  // ---- controller_model_plan.cc: the replicas that are wanted.
  // Plans the wanted replicas of all groups. Returns whether a group lacks
  // replicas that it had before the command.
  bool Plan();
  // The goals of the planner of replicas.
  PlacementGoals Goals() const;
  bool LacksMore(const std::map<GroupId, size_t>& voters) const;
  void TakeWanted(const GroupRecord& planned, GroupRecord* group);
  void TakeLeaders();
  uint32_t ControllerReplicas() const;

  // ---- controller_model_facts.cc: what the state says of nodes and voters.
  static bool TakesVoters(const NodeRecord& node);
  static bool Answers(const NodeRecord& node);
  static bool NeverJoined(const NodeRecord& node);
  static bool IsUnboundFounder(const NodeRecord& node);
  static const shardctrl::WantedReplica* WantedOn(const GroupRecord& group,
                                                  NodeId node);
  static std::set<NodeId> WantedVoters(const GroupRecord& group);
  // The reported configuration, or entry 1. Null: none is known.
  static const raft::Configuration* Known(const GroupRecord& group);
  static bool Names(const raft::Configuration& configuration, NodeId node);
  static bool HasStore(const State& state, const raft::Member& member);
  static bool Works(const State& state, const raft::Member& member);
  // A majority of each half of the voters works. Those in `broken` do not, and
  // `answers` does.
  static bool HasMajority(const State& state,
                          const raft::Configuration& configuration,
                          const std::vector<ReplicaId>& broken = {},
                          ReplicaId answers = ReplicaId());
  // A group needs the store of the node for its majority, or may need it. So it
  // is now, or after the change of voters that its leader has announced.
  static bool IsNeeded(const State& state, NodeId node);
  static bool NeedsVoter(const State& state, const GroupRecord& group,
                         const std::vector<raft::Member>& voters, NodeId node);
  static bool HoldsReplicas(const State& state, NodeId node);
  // A group waits for a voter on a node that does not answer.
  static bool WaitsForSilentNode(const State& state);

  const Partitioner partitioner_;
  const uint32_t default_replicas_;
  const shardctrl::GroupTemplate created_groups_;
  State now_;
  shardctrl::ClusterState shown_;  // now_, as the product would show it.

  // ---- The present command.
  State next_;
  WallTime log_time_{0};
  const Effect* effect_ = nullptr;
  std::string wrong_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_CONTROLLER_MODEL_H_
