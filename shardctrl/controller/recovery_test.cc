// The choice among the replicas that are left of a group.
#include "shardctrl/controller/recovery.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "shardctrl/controller/testing/controller_fixture.h"

namespace quorate::shardctrl {
namespace {

using Cluster = ControlledCluster;

const GroupId kFirst{1};

class PlanRecoveryTest : public ::testing::Test {
 protected:
  PlanRecoveryTest() : cluster_(5, 1, 5) { cluster_.SettleAll(); }

  Survivor On(uint32_t node, uint64_t term, uint64_t index) {
    const ReportedConfiguration& known =
        *cluster_.state.FindGroup(kFirst)->reported;
    return {.store = Cluster::StoreOf(node),
            .replica = Cluster::MemberOn(kFirst, node).replica,
            .works = true,
            .last = {raft::Term(term), raft::Index(index)},
            .commit = raft::Index(3),
            .configuration = known.configuration,
            .configured = known.position.index};
  }
  RecoveryPlan Plan(const Survivors& survivors) {
    return PlanRecovery(cluster_.state, *cluster_.state.FindGroup(kFirst),
                        survivors);
  }

  // A replica that is not the one that the controller knows for the node. Its
  // configuration has one such replica for each of `nodes`.
  static Survivor Later(uint32_t node, const std::vector<uint32_t>& nodes,
                        uint64_t term, uint64_t index) {
    raft::Configuration configuration = Cluster::MembersOn(GroupId(77), nodes);
    return {.store = Cluster::StoreOf(node),
            .replica = Cluster::MemberOn(GroupId(77), node).replica,
            .works = true,
            .last = {raft::Term(term), raft::Index(index)},
            .commit = raft::Index(3),
            .configuration = std::move(configuration)};
  }

  Cluster cluster_;
};

TEST_F(PlanRecoveryTest, HighestTermThenIndex_IsChosen) {
  const RecoveryPlan by_term =
      Plan({{NodeId(2), On(2, 3, 9)}, {NodeId(4), On(4, 4, 5)}});
  ASSERT_TRUE(by_term.command.has_value());
  EXPECT_EQ(by_term.command->node, NodeId(4));
  EXPECT_EQ(by_term.command->replica, Cluster::MemberOn(kFirst, 4).replica);
  EXPECT_EQ(by_term.command->store, Cluster::StoreOf(4));
  EXPECT_EQ(by_term.command->generation, 4u);
  EXPECT_FALSE(by_term.works);
  EXPECT_EQ(by_term.lost,
            (std::vector<NodeId>{NodeId(1), NodeId(3), NodeId(5)}));
  EXPECT_TRUE(absl::StrContains(
      by_term.text, "would go on from node 4. Its last entry is 5 of term 4"))
      << by_term.text;
  EXPECT_TRUE(absl::StrContains(by_term.text, "nodes 1, 3, 5 confirmed"));
  const RecoveryPlan by_index =
      Plan({{NodeId(2), On(2, 4, 9)}, {NodeId(4), On(4, 4, 5)}});
  EXPECT_EQ(by_index.command->node, NodeId(2));
  EXPECT_EQ(by_index.command->generation, 2u) << "another than that of node 4";
}

TEST_F(PlanRecoveryTest, FencedReplicasAndOtherStores_AreNotChosen) {
  Survivor fenced = On(1, 9, 9);
  fenced.works = false;
  Survivor copied = On(2, 9, 9);
  copied.store = StoreIncarnation(1);
  Survivor stranger = On(3, 9, 9);
  stranger.replica = ReplicaId(77);
  Survivor empty = On(4, 0, 0);
  const RecoveryPlan plan = Plan({{NodeId(1), fenced},
                                  {NodeId(2), copied},
                                  {NodeId(3), stranger},
                                  {NodeId(4), empty}});
  EXPECT_FALSE(plan.command.has_value());
  EXPECT_TRUE(absl::StrContains(plan.text, "no node that answers"));
}

TEST_F(PlanRecoveryTest, GenerationOfASurvivor_IsSurpassed) {
  Survivor survivor = On(1, 3, 3);
  survivor.configuration.generation = 6;
  EXPECT_EQ(Plan({{NodeId(1), survivor}}).command->generation, 7u);
}

// Three of the five voters of both halves work, but one half has lost its
// majority.
TEST_F(PlanRecoveryTest, JointHalfWithoutItsMajority_DoesNotWork) {
  raft::Configuration& known =
      cluster_.state.FindGroup(kFirst)->reported->configuration;
  known = Cluster::MembersOn(kFirst, {1, 2, 3});
  known.outgoing_voters = Cluster::MembersOn(kFirst, {3, 4, 5}).voters;
  EXPECT_FALSE(Plan({{NodeId(1), On(1, 3, 3)},
                     {NodeId(2), On(2, 3, 3)},
                     {NodeId(4), On(4, 3, 3)}})
                   .works);
  EXPECT_TRUE(Plan({{NodeId(1), On(1, 3, 3)},
                    {NodeId(3), On(3, 3, 3)},
                    {NodeId(5), On(5, 3, 3)}})
                  .works);
}

// Node 4 was lost while the only leader made it the only voter. The others
// cannot remove that last entry, nor can it ever be committed.
TEST_F(PlanRecoveryTest, LastConfigurationWithoutItsMajority_DoesNotWork) {
  cluster_.state.FindGroup(kFirst)->reported->configuration =
      Cluster::MembersOn(kFirst, {2, 3, 4});
  Survivors survivors = {{NodeId(2), On(2, 3, 8)}, {NodeId(3), On(3, 3, 8)}};
  EXPECT_TRUE(Plan(survivors).works);
  Survivor& leader = survivors[NodeId(3)];
  leader.last = {raft::Term(3), raft::Index(9)};
  leader.configuration = Cluster::MembersOn(kFirst, {4});
  leader.configuration.outgoing_voters =
      Cluster::MembersOn(kFirst, {2, 3, 4}).voters;
  leader.configured = raft::Index(9);
  const RecoveryPlan plan = Plan(survivors);
  EXPECT_FALSE(plan.works);
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->node, NodeId(3));
  EXPECT_EQ(plan.lost, std::vector<NodeId>{NodeId(4)});
}

// The entry of a change that only a follower has goes away by itself.
TEST_F(PlanRecoveryTest, ConfigurationThatAMajorityDoesNotHave_Works) {
  cluster_.state.FindGroup(kFirst)->reported->configuration =
      Cluster::MembersOn(kFirst, {1, 2, 3});
  Survivors survivors = {{NodeId(1), On(1, 4, 9)},
                         {NodeId(2), On(2, 4, 9)},
                         {NodeId(3), On(3, 3, 12)}};
  survivors[NodeId(3)].configuration = Cluster::MembersOn(kFirst, {4});
  EXPECT_TRUE(Plan(survivors).works);
}

// The last survivor has not noticed yet that its leader is gone.
TEST_F(PlanRecoveryTest, LeaderThatDoesNotAnswer_IsNamed) {
  cluster_.state.FindGroup(kFirst)->reported->configuration =
      Cluster::MembersOn(kFirst, {1, 2, 3});
  Survivors survivors = {{NodeId(3), On(3, 4, 9)}};
  EXPECT_EQ(Plan(survivors).silent_leader, NodeId());
  survivors[NodeId(3)].leader = NodeId(1);
  EXPECT_TRUE(Plan(survivors).works);
  EXPECT_EQ(Plan(survivors).silent_leader, NodeId(1));
  // It answers, or the others can lead without it.
  survivors[NodeId(1)] = On(1, 4, 9);
  EXPECT_EQ(Plan(survivors).silent_leader, NodeId());
  survivors.erase(NodeId(1));
  survivors[NodeId(2)] = On(2, 4, 9);
  EXPECT_EQ(Plan(survivors).silent_leader, NodeId());
}

// A second operator, while the first one's recovery is under way.
TEST_F(PlanRecoveryTest, RecoveryUnderWay_StaysTheChoiceWhileItsNodeAnswers) {
  GroupRecord& group = *cluster_.state.FindGroup(kFirst);
  group.recovery = GroupRecovery{.node = NodeId(1),
                                 .store = Cluster::StoreOf(1),
                                 .replica = On(1, 0, 0).replica,
                                 .generation = 1};
  // It has its new replica already.
  Survivor recovered = On(1, 3, 3);
  recovered.replica = ReplicaId(77);
  recovered.configuration.generation = 1;
  const RecoveryPlan plan =
      Plan({{NodeId(1), recovered}, {NodeId(2), On(2, 9, 9)}});
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->node, NodeId(1));
  EXPECT_EQ(plan.command->replica, group.recovery->replica);
  // The controller answers that it is so already.
  EXPECT_EQ(plan.command->planned, group.reported->position);
  EXPECT_TRUE(absl::StrContains(plan.text, "is being recovered from node 1"));
  EXPECT_EQ(Plan({{NodeId(2), On(2, 9, 9)}}).command->node, NodeId(2));
}

// No command says that another operator recovers it, at another node.
TEST_F(PlanRecoveryTest, ControllerThatAnotherNodeRecovers_IsLeftAlone) {
  const auto on = [&](uint32_t node) {
    Survivor survivor = On(node, 3, 3);
    survivor.replica = Cluster::MemberOn(kControllerGroup, node).replica;
    survivor.configuration =
        *cluster_.state.FindGroup(kControllerGroup)->Configuration();
    return survivor;
  };
  const GroupRecord& group = *cluster_.state.FindGroup(kControllerGroup);
  Survivors survivors = {{NodeId(1), on(1)}, {NodeId(2), on(2)}};
  EXPECT_FALSE(PlanRecovery(cluster_.state, group, survivors).works);
  survivors[NodeId(1)] = Later(1, {1}, 3, 3);
  survivors[NodeId(1)].configuration.generation = 1;
  EXPECT_TRUE(PlanRecovery(cluster_.state, group, survivors).works);
}

// It was recovered and grew again, its state does not say so yet, and the new
// voters are lost too.
TEST_F(PlanRecoveryTest, RecoveredControllerThatIsLostAgain_IsRecoveredAgain) {
  const GroupRecord& group = *cluster_.state.FindGroup(kControllerGroup);
  Survivor grown = Later(1, {1, 4, 5}, 9, 9);
  grown.configuration.generation = 1;
  Survivor old = On(2, 3, 3);
  old.replica = Cluster::MemberOn(kControllerGroup, 2).replica;
  old.configuration = *group.Configuration();
  const RecoveryPlan plan = PlanRecovery(
      cluster_.state, group, {{NodeId(1), grown}, {NodeId(2), old}});
  EXPECT_FALSE(plan.works) << "only one of the three new voters is there";
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->node, NodeId(1));
  EXPECT_GT(plan.command->generation, grown.configuration.generation);
}

// The group was created, and its first leader was lost before it reported.
TEST_F(PlanRecoveryTest, GroupThatNeverReported_HasNoPosition) {
  GroupRecord& group = *cluster_.state.FindGroup(kFirst);
  group.first = group.reported->configuration;
  group.reported.reset();
  const RecoveryPlan plan = Plan({{NodeId(1), On(1, 3, 3)}});
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->planned, raft::LogPosition());
}

// The state may change between the answers of the survivors and the command.
TEST_F(PlanRecoveryTest, Command_NamesTheConfigurationThatThePlanKnew) {
  const GroupRecord& group = *cluster_.state.FindGroup(kFirst);
  EXPECT_EQ(Plan({{NodeId(1), On(1, 3, 3)}}).command->planned,
            group.reported->position);
}

// The node started again before it had a snapshot, and no leader tells it what
// was committed.
TEST_F(PlanRecoveryTest,
       ControllerOfWhichNothingIsApplied_IsRecoveredFromAVoter) {
  ClusterState nothing;
  const GroupRecord& group =
      nothing.groups.emplace_back(GroupRecord{.id = kControllerGroup});
  const Survivor voter = Later(2, {1, 2, 3}, 3, 3);
  const Survivor learner = Later(4, {1, 2, 3}, 5, 5);
  RecoveryPlan plan =
      PlanRecovery(nothing, group, {{NodeId(2), voter}, {NodeId(4), learner}});
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->node, NodeId(2)) << "the other is no voter";
  EXPECT_EQ(plan.command->replica, voter.replica);
  EXPECT_FALSE(plan.works);
  EXPECT_TRUE(absl::StrContains(plan.text, "the others confirmed"))
      << plan.text;
  EXPECT_TRUE(
      PlanRecovery(nothing, group,
                   {{NodeId(1), Later(1, {1, 2, 3}, 3, 3)}, {NodeId(2), voter}})
          .works);
}

// The state is that of a snapshot. The log behind it has later members, and no
// leader says whether they are committed.
TEST_F(PlanRecoveryTest, ControllerWithAnOldState_IsRecoveredFromALaterVoter) {
  GroupRecord& group = *cluster_.state.FindGroup(kControllerGroup);
  group.reported = ReportedConfiguration{
      .position = {raft::Term(1), raft::Index(2)},
      .configuration = Cluster::MembersOn(kControllerGroup, {4})};
  Survivor voter = Later(2, {1, 3, 4}, 9, 9);
  voter.configured = raft::Index(3);
  EXPECT_FALSE(PlanRecovery(cluster_.state, group, {{NodeId(2), voter}})
                   .command.has_value())
      << "it is no voter";
  voter = Later(2, {1, 2, 3}, 9, 9);
  voter.configured = raft::Index(2);
  EXPECT_FALSE(PlanRecovery(cluster_.state, group, {{NodeId(2), voter}})
                   .command.has_value())
      << "the state knows that configuration";
  voter.configured = raft::Index(3);
  const RecoveryPlan plan =
      PlanRecovery(cluster_.state, group, {{NodeId(2), voter}});
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->replica, voter.replica);
  EXPECT_FALSE(plan.works);
  EXPECT_TRUE(
      PlanRecovery(cluster_.state, group,
                   {{NodeId(1), Later(1, {1, 2, 3}, 9, 9)}, {NodeId(2), voter}})
          .works)
      << "two of three are there";
}

// The only voter that is left has started again. It has applied few entries,
// and the one that names its store is not among them.
TEST_F(PlanRecoveryTest, ControllerThatKnowsNoStoreYet_IsRecoveredFromAVoter) {
  const auto plan = [&](GroupId group, StoreIncarnation store) {
    cluster_.state.FindNode(NodeId(2))->store = store;
    const GroupRecord& record = *cluster_.state.FindGroup(group);
    Survivor survivor = On(2, 3, 9);
    survivor.replica = Cluster::MemberOn(group, 2).replica;
    survivor.configuration = record.reported->configuration;
    survivor.configured = record.reported->position.index;
    return PlanRecovery(cluster_.state, record, {{NodeId(2), survivor}});
  };
  const RecoveryPlan controller = plan(kControllerGroup, StoreIncarnation());
  ASSERT_TRUE(controller.command.has_value()) << controller.text;
  EXPECT_EQ(controller.command->node, NodeId(2));
  EXPECT_EQ(controller.command->store, Cluster::StoreOf(2));
  EXPECT_FALSE(plan(kControllerGroup, StoreIncarnation(1)).command.has_value());
  EXPECT_FALSE(plan(kFirst, StoreIncarnation()).command.has_value());
}

TEST_F(PlanRecoveryTest, HeldVoters_CannotLeadAndMayBeChosen) {
  Survivors survivors = {{NodeId(1), On(1, 3, 3)},
                         {NodeId(2), On(2, 3, 4)},
                         {NodeId(3), On(3, 3, 3)}};
  EXPECT_TRUE(Plan(survivors).works);
  for (auto& [node, survivor] : survivors) survivor.held = true;
  const RecoveryPlan plan = Plan(survivors);
  EXPECT_FALSE(plan.works);
  ASSERT_TRUE(plan.command.has_value()) << plan.text;
  EXPECT_EQ(plan.command->node, NodeId(2));
  // So the controller counts no majority.
  EXPECT_EQ(plan.command->broken.size(), 3u);
}

TEST_F(PlanRecoveryTest, VoterThatIsNotHeld_IsFound) {
  Survivors survivors = {{NodeId(1), On(1, 3, 3)}, {NodeId(2), On(2, 3, 3)}};
  const auto found = [&] { return FindUnheldVoter(survivors, NodeId(1)); };
  EXPECT_EQ(found(), NodeId(2));
  EXPECT_EQ(FindUnheldVoter(survivors, NodeId(2)), NodeId(1));
  // Another node was chosen later.
  survivors.at(NodeId(2)).configuration.generation = 7;
  EXPECT_EQ(found(), NodeId(2));
  survivors.at(NodeId(2)).held = true;
  EXPECT_EQ(found(), NodeId());
  survivors.at(NodeId(2)).held = false;
  survivors.at(NodeId(2)).works = false;
  EXPECT_EQ(found(), NodeId());
  survivors.at(NodeId(2)) = On(2, 3, 3);
  survivors.at(NodeId(2)).replica = ReplicaId(77);
  EXPECT_EQ(found(), NodeId()) << "it is no voter";
}

// The chosen node is gone before it began, and the others are back.
TEST_F(PlanRecoveryTest, ChosenNodeThatIsSilent_GivesItsPlaceToAnother) {
  GroupRecord& group = *cluster_.state.FindGroup(kFirst);
  group.recovery =
      GroupRecovery{.node = NodeId(3),
                    .store = Cluster::StoreOf(3),
                    .replica = Cluster::MemberOn(kFirst, 3).replica,
                    .generation = 3};
  Survivors survivors = {{NodeId(1), On(1, 3, 3)},
                         {NodeId(2), On(2, 3, 4)},
                         {NodeId(4), On(4, 3, 3)},
                         {NodeId(5), On(5, 3, 3)}};
  const auto why_not_yet = [&] {
    return WhyNotYet(cluster_.state, group, survivors, Plan(survivors));
  };
  EXPECT_EQ(why_not_yet(),
            "group 1 is being recovered from node 3. The controller notices "
            "within seconds that the node is silent: ask again");
  cluster_.Do(ControllerCommand::ReportSilence{NodeId(3)});
  EXPECT_EQ(why_not_yet(),
            "node 1 does not know yet that group 1 is being recovered: ask "
            "again");
  for (auto& [node, survivor] : survivors) survivor.held = true;
  EXPECT_EQ(why_not_yet(), "");
  const RecoveryPlan plan = Plan(survivors);
  ASSERT_TRUE(plan.command.has_value());
  EXPECT_EQ(plan.command->node, NodeId(2));
  EXPECT_TRUE(plan.text.starts_with(
      "node 3, which was chosen before, does not answer: group 1 would go on "
      "from node 2. "))
      << plan.text;
  const ControllerAnswer answer = cluster_.Do(*plan.command);
  EXPECT_EQ(answer.outcome, ControllerAnswer::Outcome::kDone) << answer.text;
  EXPECT_GT(group.recovery->generation, 3u);
}

TEST_F(PlanRecoveryTest, MajorityOrALeader_MeansThatItWorks) {
  EXPECT_TRUE(Plan({{NodeId(1), On(1, 3, 3)},
                    {NodeId(2), On(2, 3, 3)},
                    {NodeId(3), On(3, 3, 3)}})
                  .works);
  Survivor led = On(1, 3, 3);
  EXPECT_FALSE(Plan({{NodeId(1), led}}).works);
  led.leader = NodeId(2);
  EXPECT_TRUE(Plan({{NodeId(1), led}}).works);
  led.replica = ReplicaId(77);
  EXPECT_FALSE(Plan({{NodeId(1), led}}).works)
      << "a learner never notices that its leader is gone";
}

}  // namespace
}  // namespace quorate::shardctrl
