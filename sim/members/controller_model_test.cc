// Drives the state machine of the controller and its model with equal commands,
// and shows each kind of wrong execution that the model finds.
#include "sim/members/controller_model.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "rapidcheck/gtest.h"
#include "shardctrl/controller/apply.h"
#include "shardctrl/controller/founding.h"
#include "shardctrl/controller/token.h"

namespace quorate::sim {
namespace {

using shardctrl::ApplyCommand;
using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using shardctrl::GroupRecord;
using shardctrl::kControllerGroup;
using shardctrl::NodeRecord;
using shardctrl::NodeState;
using shardctrl::OperationId;
using shardctrl::ReportedConfiguration;
using shardctrl::SlotMove;
using shardctrl::TokenDigest;
using shardctrl::WantedReplica;
using Command = shardctrl::ControllerCommand;
using Outcome = ControllerAnswer::Outcome;

constexpr uint32_t kSlots = 24;
constexpr uint32_t kStoreMachine = 7;

raft::Member MemberOn(uint64_t replica, uint32_t node) {
  return {.replica = ReplicaId(replica),
          .node = NodeId(node),
          .store = StoreIncarnation(node)};
}

// Nodes 1 to 5 with stores of their numbers. Those behind `bound` have not
// reported theirs. The first group owns all slots.
ClusterState Found(uint32_t groups, uint32_t bound = 5) {
  shardctrl::ClusterFounding founding;
  founding.partitioner = Partitioner::kLastCharacter;
  founding.slot_count = kSlots;
  founding.default_replicas = 3;
  founding.created_groups = {.machine_kind = kStoreMachine,
                             .parameters = "parameters"};
  for (uint32_t node = 1; node <= 5; ++node) {
    NodeRecord record;
    record.id = NodeId(node);
    record.name = absl::StrCat("n", node);
    record.zone = std::string(1, static_cast<char>('a' + node % 3));
    if (node <= bound) record.store = StoreIncarnation(node);
    record.addresses.peer = absl::StrCat("10.0.0.", node, ":1");
    founding.nodes.push_back(record);
  }
  for (uint32_t group = 1; group <= groups + 1; ++group) {
    raft::Configuration configuration;
    for (uint32_t i = 0; i < 3; ++i) {
      configuration.voters.push_back(
          MemberOn(100 * group + i, (group + i) % bound + 1));
    }
    raft::SortMembers(&configuration.voters);
    configuration.machine_kind = kStoreMachine;
    const GroupId id = group <= groups ? GroupId(group) : kControllerGroup;
    founding.groups.push_back({.id = id,
                               .name = absl::StrCat("s", group),
                               .configuration = std::move(configuration)});
  }
  founding.slots = {{{Slot(0), Slot(kSlots - 1)}, GroupId(1)}};
  auto state = shardctrl::FoundCluster(std::move(founding));
  CHECK(state.ok()) << state.status().ToString();
  return *std::move(state);
}

// A product and its model, which get equal commands.
class Twins {
 public:
  explicit Twins(ClusterState first) : state(first), model(first) {}

  // Returns what the model finds.
  std::string Do(const Command& command, ControllerAnswer* answer = nullptr) {
    const auto decoded =
        shardctrl::DecodeCommand(shardctrl::EncodeCommand(command));
    if (!decoded.ok()) return "";
    const ControllerAnswer given = ApplyCommand(*decoded, now, &state);
    if (answer != nullptr) *answer = given;
    ++outcomes[given.outcome];
    return model.Execute(*decoded, now, {given, state});
  }
  std::string Do(Command::Body body, OperationId operation = {}) {
    return Do(Command(operation, std::move(body)));
  }

  ClusterState state;
  ControllerModel model;
  WallTime now{Seconds(1000).ns()};
  std::map<Outcome, int> outcomes;
};

// One line of a script: numbers that choose a command and its values.
using Line = std::tuple<uint8_t, uint8_t, uint8_t, uint8_t>;

// Executes scripts. Nodes report what is so, most of the time.
class Script {
 public:
  explicit Script(Twins* twins) : twins_(*twins) {}

  std::string Execute(const Line& line) {
    std::tie(kind_, a_, b_, c_) = line;
    kind_ %= 40;
    if (kind_ == 39) {
      twins_.now = twins_.now + Seconds(b_ % 8 == 0 ? 4000 : 1 + a_ % 16);
      return "";
    }
    if (kind_ == 38 && !done_.empty()) return Again();
    const OperationId operation{c_ % 2 == 0 ? ++drawn_ : 0, 1};
    Command command(kind_ < 20 && c_ % 2 == 0 ? operation : OperationId(),
                    Draw());
    if (!command.operation.empty()) done_.push_back(command);
    const std::string wrong = twins_.Do(command);
    if (wrong.empty()) return "";
    return absl::StrCat(shardctrl::Describe(command), " (",
                        command.body.index(), "): ", wrong);
  }

 private:
  // An operation comes again, or its id for another command.
  std::string Again() {
    Command command = done_[a_ % done_.size()];
    if (b_ % 4 == 0) command.body = Command::DrainNode{NodeId(c_ % 9)};
    return twins_.Do(command);
  }

  Command::Body Draw() {
    if (kind_ < 11) return OfNodes();
    if (kind_ < 15) return OfGroups();
    if (kind_ < 20) return OfSlots();
    if (kind_ < 26) return ReportOfNode();
    if (kind_ < 34) return ReportOfGroup();
    return ReportOfMove();
  }

  NodeId Node() const {
    return NodeId(1 + a_ % twins_.state.next_node.value());
  }
  // The controller's group, too, and one that does not exist.
  GroupId Group(uint8_t dice) const {
    const auto& groups = twins_.state.groups;
    const size_t at = dice % (groups.size() + 1);
    return at < groups.size() ? groups[at].id : GroupId(77);
  }
  MoveId Move() const {
    const uint64_t moves = twins_.state.next_move.value();
    return MoveId(moves - std::min<uint64_t>(moves, a_ % 6));
  }
  TokenDigest Token(uint8_t secret) const {
    return shardctrl::DigestOf(ClusterId(1), secret % 3 + 1, 5);
  }
  // A founder that has not reported its store has that of its number.
  StoreIncarnation TrueStoreOf(NodeId id) const {
    const NodeRecord* const node = twins_.state.FindNode(id);
    if (node == nullptr) return StoreIncarnation(4242);
    return node->IsUnboundFounder() ? StoreIncarnation(id.value())
                                    : node->store;
  }
  StoreIncarnation StoreOf(NodeId id) const {
    const NodeRecord* const node = twins_.state.FindNode(id);
    const bool wrong =
        c_ % 16 == 15 && node != nullptr && !node->IsUnboundFounder();
    return wrong ? StoreIncarnation(4242) : TrueStoreOf(id);
  }

  Command::Body OfNodes() {
    switch (kind_) {
      case 0:
      case 1:
        return Command::AddNode{
            .name = b_ % 4 == 0 ? absl::StrCat("x", a_ % 4) : "",
            .zone = std::string(1, static_cast<char>('a' + b_ % 3)),
            .host = c_ % 3 == 0 ? absl::StrCat("h", a_ % 3) : "",
            .weight = 50u * (1 + a_ % 3),
            .role =
                static_cast<shardctrl::NodeRole>(b_ % 8 < 6 ? 1 : b_ % 3 + 1),
            .token = Token(a_),
            .valid_for = Seconds(20)};
      case 2: {
        Command::SetNode set{.node = Node()};
        if (b_ % 2 == 0) set.name = absl::StrCat("x", b_ % 6);
        if (b_ % 3 == 0)
          set.zone = std::string(1, static_cast<char>('a' + c_ % 3));
        if (b_ % 5 == 0) set.host = absl::StrCat("h", c_ % 3);
        if (c_ % 2 == 0) set.weight = 50u * (1 + c_ % 3);
        return set;
      }
      case 3:
      case 4:
        return Command::DrainNode{Node()};
      case 5:
        return Command::UndrainNode{Node()};
      case 6:
        return Command::RemoveNode{Node(), b_ % 2 == 0};
      case 7:
      case 8:
        return Command::ReplaceNode{Node(), Token(b_), Seconds(20)};
      case 9:
        return Command::SetRepair{Seconds(b_ % 3 == 0 ? 0 : 10)};
      default:
        return Command::Rebalance{};
    }
  }

  Command::Body OfGroups() {
    switch (kind_) {
      case 11:
        return Command::CreateGroups{.count = 1u + a_ % 2,
                                     .replicas = b_ % 6u,
                                     .weight = 50u * (1 + c_ % 3)};
      case 12: {
        Command::SetGroup set{.group = Group(a_)};
        if (b_ % 4 != 0) set.replicas = 1 + b_ % 5;
        if (b_ % 4 != 1) set.weight = 50u * (1 + c_ % 3);
        return set;
      }
      case 13:
        return Command::TransferGroup{Group(a_), NodeId(1 + b_ % 8)};
      default:
        return Recovery();
    }
  }

  Command::Body Recovery() {
    Command::RecoverGroup recover{.group = Group(a_),
                                  .generation = 1u + c_ % 3};
    const GroupRecord* const group = twins_.state.FindGroup(recover.group);
    if (group == nullptr || !group->reported.has_value()) return recover;
    const auto& voters = group->reported->configuration.voters;
    const raft::Member& chosen = voters[b_ % voters.size()];
    recover.node = chosen.node;
    recover.store = chosen.store;
    recover.replica = chosen.replica;
    if (c_ % 8 != 0) recover.planned = group->reported->position;
    // The others are broken, or one of them.
    for (const raft::Member& voter : voters) {
      if (voter.replica == chosen.replica) continue;
      if (c_ % 3 != 0) recover.broken.push_back(voter.replica);
    }
    return recover;
  }

  Command::Body OfSlots() {
    const auto slot = [](uint32_t n) {
      return Slot(static_cast<uint16_t>(n % (kSlots + 1)));
    };
    switch (kind_) {
      case 15: {
        Command::MoveSlots move{.to = Group(a_), .rate_max = c_ % 2u};
        const Slot first = slot(b_), second = slot(b_ + c_ % 5u);
        move.slots = {{std::min(first, second), std::max(first, second)}};
        return move;
      }
      case 16:
        return Command::MoveSlots{
            .to = Group(a_), .from = Group(b_), .count = 1u + c_ % 9};
      case 17:
        return Command::CancelMove{Move()};
      case 18:
        return Command::PauseMove{Move(), b_ % 2 == 0};
      default:
        return Command::RetireGroup{Group(a_)};
    }
  }

  Command::Body ReportOfNode() {
    switch (kind_) {
      case 20:
      case 21: {
        // The newest token that is out, or a wrong one.
        NodeId joining = Node();
        TokenDigest token = Token(b_);
        for (const NodeRecord& node : twins_.state.nodes) {
          if (c_ % 4 == 0 || node.token.empty()) continue;
          joining = node.id;
          token = node.token;
        }
        // That of another node, now and then.
        StoreIncarnation store(++drawn_ + 1000);
        const auto& nodes = twins_.state.nodes;
        const NodeRecord& other = nodes[b_ % nodes.size()];
        if (c_ % 7 == 0) store = c_ % 2 == 0 ? other.store : other.former_store;
        return Command::BindNode{joining, token, store};
      }
      case 22: {
        Command::ReportNode report{.node = Node(), .start_number = c_ % 4u};
        report.store = StoreOf(report.node);
        report.addresses.peer = absl::StrCat("10.0.0.", b_ % 12, ":1");
        if (b_ % 3 == 0)
          report.addresses.http = absl::StrCat("10.0.0.", c_ % 12, ":1");
        return report;
      }
      case 23:
        return Command::ReportSilence{Node()};
      case 24:
        return Command::ReportSign{Node()};
      default:
        return Command::ReportEmpty{Node(), StoreOf(Node())};
    }
  }

  // The configuration of a group whose wishes have come true.
  raft::Configuration Settled(const GroupRecord& group) {
    raft::Configuration settled;
    settled.machine_kind = kStoreMachine;
    settled.hash_key = 5;
    settled.level = raft::Level(1 + a_ % 2);
    if (group.reported.has_value()) {
      settled.generation = group.reported->configuration.generation;
    }
    if (group.recovery.has_value() && c_ % 4 != 0) {
      settled.generation = group.recovery->generation;
    }
    for (const WantedReplica& wanted : group.wanted) {
      if (TrueStoreOf(wanted.node) == StoreIncarnation()) continue;
      const ReplicaId replica = wanted.replica == ReplicaId()
                                    ? ReplicaId(++drawn_ + 1000)
                                    : wanted.replica;
      const bool votes = wanted.purpose == shardctrl::ReplicaPurpose::kVoter;
      (votes ? settled.voters : settled.learners)
          .push_back({.replica = replica,
                      .node = wanted.node,
                      .store = TrueStoreOf(wanted.node)});
    }
    raft::SortMembers(&settled.voters);
    raft::SortMembers(&settled.learners);
    return settled;
  }

  Command::Body ReportOfGroup() {
    const GroupRecord* const group = twins_.state.FindGroup(Group(a_));
    if (kind_ < 29) return ReportOfReplica();
    const raft::Configuration settled =
        group == nullptr ? raft::Configuration() : Settled(*group);
    if (settled.voters.empty()) return Command::ReportSign{Node()};
    ReportedConfiguration report;
    const bool same = kind_ >= 32 && group->reported.has_value();
    if (same) {
      // Something else of the same configuration, or an old report.
      report = *group->reported;
      report.number += b_ % 3;
      report.problem = b_ % 2 == 0 ? "no node" : "";
      if (c_ % 2 == 0) report.next = settled;
      if (c_ % 5 == 0 && report.position.index > raft::Index(1)) {
        report.position.index = report.position.index - 1;
      }
    } else {
      index_ += b_ % 8 == 0 ? 0 : 1;
      report.position = {raft::Term(2), raft::Index(index_)};
      report.configuration = settled;
      report.term = raft::Term(2 + b_ % 2);
      report.leader = settled.voters[b_ % settled.voters.size()].node;
    }
    return Command::ReportGroup{group->id, report};
  }

  Command::Body ReportOfReplica() {
    Command::ReportReplica report{.group = Group(a_),
                                  .node = Node(),
                                  .replica = ReplicaId(++drawn_ + 1000)};
    if (const GroupRecord* const group = twins_.state.FindGroup(report.group);
        group != nullptr) {
      if (!group->wanted.empty()) {
        report.node = group->wanted[b_ % group->wanted.size()].node;
      }
      if (group->reported.has_value()) {
        report.generation = group->reported->configuration.generation;
      }
      if (c_ % 16 == 14) ++report.generation;
    }
    report.store = StoreOf(report.node);
    return report;
  }

  Command::Body ReportOfMove() {
    const auto& moves = twins_.state.moves;
    const MoveId id =
        moves.empty() || c_ % 16 == 0 ? Move() : moves[a_ % moves.size()].id;
    if (kind_ == 34) {
      shardctrl::MoveProgress progress;
      progress.term = raft::Term(1 + b_ % 2);
      progress.report = c_ % 6;
      progress.source = static_cast<MovePhase>(b_ % 4);
      progress.longest_pause = Seconds(c_ % 3);
      return Command::ReportMove{id, progress};
    }
    if (kind_ == 35) {
      return Command::DecideMove{id, b_ % 4 == 0 ? "no room" : ""};
    }
    const SlotMove* const move = twins_.state.FindMove(id);
    GroupId group = Group(b_);
    if (move != nullptr && c_ % 8 != 1) {
      group = move->source_ended || b_ % 2 == 0 ? move->to : move->from;
    }
    return Command::ReportMoveEnd{id, group};
  }

  Twins& twins_;
  uint8_t kind_ = 0, a_ = 0, b_ = 0, c_ = 0;
  uint64_t drawn_ = 0;
  uint64_t index_ = 1;
  std::vector<Command> done_;
};

RC_GTEST_PROP(ControllerModel_AnyScript, AgreesWithTheProduct, ()) {
  const auto dice = rc::gen::inRange<int>(0, 256);
  const uint32_t groups = *rc::gen::inRange<uint32_t>(1, 4);
  const uint32_t bound = *rc::gen::inRange<uint32_t>(3, 6);
  Twins twins(Found(groups, bound));
  Script script(&twins);
  const auto byte =
      rc::gen::map(dice, [](int n) { return static_cast<uint8_t>(n); });
  const auto lines =
      *rc::gen::scale(3, rc::gen::container<std::vector<Line>>(
                             rc::gen::tuple(byte, byte, byte, byte)));
  for (const Line& line : lines) {
    const std::string wrong = script.Execute(line);
    if (!wrong.empty()) RC_FAIL(wrong);
  }
  RC_CLASSIFY(twins.outcomes[Outcome::kDone] > 20, "many done");
  RC_CLASSIFY(twins.state.next_move > MoveId(2), "moves");
}

// Returns what the model finds if the product does something else than it does.
template <typename Change>
std::string FoundAfter(Twins* twins, Command::Body body, Change change,
                       OperationId operation = {}) {
  const Command command(operation, std::move(body));
  ControllerAnswer answer = ApplyCommand(command, twins->now, &twins->state);
  change(&answer, &twins->state);
  return twins->model.Execute(command, twins->now, {answer, twins->state});
}

Command::AddNode NewNode() {
  return {.name = "new",
          .token = shardctrl::DigestOf(ClusterId(1), 1, 5),
          .valid_for = Seconds(20)};
}

// The leaders report what is wanted.
void Settle(Twins* twins) {
  for (const GroupRecord& group : ClusterState(twins->state).groups) {
    raft::Configuration settled;
    settled.machine_kind = kStoreMachine;
    for (const WantedReplica& wanted : group.wanted) {
      settled.voters.push_back(MemberOn(
          100 * group.id.value() + wanted.node.value(), wanted.node.value()));
    }
    ReportedConfiguration report{.position = {raft::Term(2), raft::Index(9)},
                                 .configuration = settled,
                                 .leader = settled.voters[0].node,
                                 .term = raft::Term(2)};
    ASSERT_EQ(twins->Do(Command::ReportGroup{group.id, report}), "");
  }
}

class ControllerModelTest : public testing::Test {
 protected:
  ControllerModelTest() { Settle(&twins_); }
  void ExpectFound(const std::string& found, std::string_view part) {
    EXPECT_NE(found.find(part), std::string::npos) << found;
  }
  Twins twins_{Found(2)};
};

TEST_F(ControllerModelTest, AnotherAnswer_Found) {
  ExpectFound(FoundAfter(&twins_, Command::DrainNode{NodeId(9)},
                         [](ControllerAnswer* answer, ClusterState*) {
                           answer->outcome = Outcome::kDone;
                         }),
              "instead of 'refused'");
}

TEST_F(ControllerModelTest, RefusedCommandThatChangesTheState_Found) {
  ExpectFound(FoundAfter(&twins_, Command::DrainNode{NodeId(9)},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->nodes[0].weight = 7;
                         }),
              "state of the product: node 1: weight is 7 instead of");
}

TEST_F(ControllerModelTest, ChangeWithoutAVersion_Found) {
  ExpectFound(FoundAfter(&twins_, NewNode(),
                         [](ControllerAnswer*, ClusterState* state) {
                           state->version = shardctrl::MapVersion(
                               state->version.value() - 1);
                         }),
              "state of the product: version is");
}

TEST_F(ControllerModelTest, OperationThatIsExecutedAgain_Found) {
  ASSERT_EQ(twins_.Do(NewNode(), {7, 7}), "");
  EXPECT_EQ(twins_.Do(NewNode(), {7, 7}), "");
  ExpectFound(FoundAfter(&twins_, NewNode(),
                         [](ControllerAnswer*, ClusterState* state) {
                           state->next_node =
                               NodeId(state->next_node.value() + 1);
                         },
                         {7, 7}),
              "executed twice");
}

TEST_F(ControllerModelTest, AnotherAnswerToAnOperation_Found) {
  ASSERT_EQ(twins_.Do(NewNode(), {7, 7}), "");
  ExpectFound(FoundAfter(&twins_, NewNode(),
                         [](ControllerAnswer* answer, ClusterState*) {
                           answer->node = NodeId(44);
                         },
                         {7, 7}),
              "an operation is answered");
}

TEST_F(ControllerModelTest, VoterOnANodeThatDrains_Found) {
  ExpectFound(FoundAfter(&twins_, Command::DrainNode{NodeId(1)},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->FindGroup(GroupId(1))->wanted[0].node =
                               NodeId(1);
                         }),
              "placement: group 1 may have no replica on node 1");
}

TEST_F(ControllerModelTest, ReplicasThatAreNotSpread_Found) {
  ASSERT_EQ(twins_.Do(Command::SetNode{.node = NodeId(1), .zone = "a"}), "");
  // Nodes 3 and 5 are in other zones than each other, and 2 is in that of 5.
  ExpectFound(FoundAfter(&twins_, Command::Rebalance{},
                         [](ControllerAnswer* answer, ClusterState* state) {
                           answer->outcome = Outcome::kDone;
                           GroupRecord& group = *state->FindGroup(GroupId(1));
                           group.wanted[0].node = NodeId(2);
                           group.wanted[1].node = NodeId(4);
                           group.wanted[2].node = NodeId(5);
                         }),
              "would be better on node");
}

TEST_F(ControllerModelTest, LeaderThatIsNoVoter_Found) {
  ExpectFound(FoundAfter(&twins_, Command::DrainNode{NodeId(1)},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->FindGroup(GroupId(1))->preferred_leader =
                               NodeId(1);
                         }),
              "leaders: group 1");
}

TEST_F(ControllerModelTest, SharesOutOfBalance_Found) {
  ExpectFound(FoundAfter(&twins_, Command::Rebalance{},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->moves[0].slots.back().last = Slot(15);
                         }),
              "shares: ");
}

TEST_F(ControllerModelTest, GroupWithMoreThanItsShare_Found) {
  ExpectFound(FoundAfter(&twins_, Command::Rebalance{},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->moves[0].slots = {{Slot(3), Slot(20)}};
                         }),
              "shares: group 2 gets 18 slots");
}

TEST_F(ControllerModelTest, MoveOfSlotsOfAnotherGroup_Found) {
  ExpectFound(FoundAfter(&twins_,
                         Command::MoveSlots{.to = GroupId(2),
                                            .slots = {{Slot(3), Slot(5)}}},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->moves[0].slots = {{Slot(3), Slot(4)}};
                         }),
              "moves: slot 5 stays");
}

TEST_F(ControllerModelTest, OwnerWithoutADecision_Found) {
  ASSERT_EQ(twins_.Do(Command::MoveSlots{.to = GroupId(2),
                                         .slots = {{Slot(3), Slot(5)}}}),
            "");
  ExpectFound(FoundAfter(&twins_, Command::PauseMove{MoveId(1), true},
                         [](ControllerAnswer*, ClusterState* state) {
                           state->slots[0].group = GroupId(2);
                         }),
              "state of the product: a run is slots 0-23 of group 2");
}

}  // namespace
}  // namespace quorate::sim
