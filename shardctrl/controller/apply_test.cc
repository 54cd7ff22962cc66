#include "shardctrl/controller/apply.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/testing/controller_fixture.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::shardctrl {
namespace {

using Cluster = ControlledCluster;
using Command = ControllerCommand;
using Outcome = ControllerAnswer::Outcome;
using Nodes = std::vector<uint32_t>;

const GroupId kFirst{1};

// The answer is a refusal with these words, and the state is as before.
void ExpectRefused(Cluster& cluster, const Command::Body& body,
                   const std::string& words) {
  const ClusterState before = cluster.state;
  const ControllerAnswer answer = cluster.Do(body);
  EXPECT_EQ(answer.outcome, Outcome::kRefused);
  EXPECT_TRUE(absl::StrContains(answer.text, words)) << answer.text;
  EXPECT_EQ(cluster.state, before);
}

void ExpectAlreadySo(Cluster& cluster, const Command::Body& body) {
  const ClusterState before = cluster.state;
  EXPECT_EQ(cluster.Do(body).outcome, Outcome::kAlreadySo);
  EXPECT_EQ(cluster.state, before);
}

void ExpectDone(Cluster& cluster, const Command::Body& body) {
  const MapVersion before = cluster.state.version;
  const ControllerAnswer answer = cluster.Do(body);
  EXPECT_EQ(answer.outcome, Outcome::kDone) << answer.text;
  EXPECT_EQ(cluster.state.version, before + 1);
  EXPECT_EQ(answer.version, cluster.state.version);
  EXPECT_TRUE(ValidateState(cluster.state).ok());
}

TEST(Drain, LastSpareNode_IsRefusedWithARemedy) {
  Cluster cluster(3, 2);
  ExpectRefused(cluster, Command::DrainNode{NodeId(3)},
                "groups 1, 2 would have 2 of 3 replicas: no other data node is "
                "up; add one");
}

TEST(Drain, AnotherNodeIsUp_MovesItsReplicasOnly) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  cluster.Join();
  const Nodes before = cluster.Wanted(kFirst);
  ExpectDone(cluster, Command::DrainNode{NodeId(2)});
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 3, 4}));
  EXPECT_EQ(cluster.state.FindNode(NodeId(2))->state, NodeState::kDraining);
  ExpectAlreadySo(cluster, Command::DrainNode{NodeId(2)});
  ExpectDone(cluster, Command::UndrainNode{NodeId(2)});
  EXPECT_EQ(cluster.Wanted(kFirst), before);
  ExpectAlreadySo(cluster, Command::UndrainNode{NodeId(2)});
}

// Nothing could ever leave the node.
TEST(Drain, GroupWithoutMajority_IsNamed) {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  ExpectDone(cluster, Command::ReportSilence{NodeId(3)});
  ExpectRefused(cluster, Command::DrainNode{NodeId(1)},
                "group 1 has 1 of 3 voters that work, and cannot give up its "
                "replica on node 1; start nodes 2, 3 first");
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->state, NodeState::kUp);
}

TEST(Drain, Answer_SaysWhatMovesAndWhy) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  cluster.Join();
  const ControllerAnswer answer = cluster.Do(Command::DrainNode{NodeId(2)});
  ASSERT_FALSE(answer.steps.empty());
  EXPECT_TRUE(absl::StartsWith(
      answer.steps[0], "group 1: the replica on node 2 moves to node "));
  EXPECT_TRUE(absl::EndsWith(answer.steps[0], ", because node 2 is drained"));
}

TEST(Drain, SmallerGroups_AreTheOtherRemedy) {
  Cluster cluster(3, 1);
  ExpectDone(cluster, Command::SetGroup{kFirst, 2});
  cluster.SettleAll();
  ExpectDone(cluster, Command::DrainNode{NodeId(3)});
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 2}));
}

TEST(Remove, NodeWithReplicas_IsRemovedOnceTheyAreGone) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  cluster.Join();
  ExpectDone(cluster, Command::RemoveNode{NodeId(1)});
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->state, NodeState::kDraining);
  ExpectAlreadySo(cluster, Command::RemoveNode{NodeId(1)});
  cluster.SettleAll();
  // A leader with an old state may have made its replica a voter.
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->state, NodeState::kDraining);
  ExpectRefused(cluster, Command::ReportEmpty{NodeId(1), Cluster::StoreOf(2)},
                "another store");
  ExpectDone(cluster, Command::ReportEmpty{NodeId(1), Cluster::StoreOf(1)});
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->state, NodeState::kRemoved);
  ExpectAlreadySo(cluster, Command::RemoveNode{NodeId(1)});
  ExpectRefused(cluster, Command::DrainNode{NodeId(1)}, "there is no node 1");
  // The id is never used again.
  EXPECT_EQ(cluster.Join(), NodeId(5));
}

TEST(Remove, NodeThatKeepsAReplicaOfAnOldState_Stays) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  cluster.Join();
  ExpectAlreadySo(cluster,
                  Command::ReportEmpty{NodeId(1), Cluster::StoreOf(1)});
  ExpectDone(cluster, Command::RemoveNode{NodeId(1)});
  ExpectDone(cluster, Command::ReportEmpty{NodeId(1), Cluster::StoreOf(1)});
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->state, NodeState::kDraining);
  // A wish that was taken back is a new one.
  ExpectDone(cluster, Command::UndrainNode{NodeId(1)});
  ExpectDone(cluster, Command::RemoveNode{NodeId(1)});
  cluster.SettleAll();
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->state, NodeState::kDraining);
}

TEST(Remove, LostNodeOfAGroupWithoutSpareVoters_IsRefused) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  ExpectRefused(cluster, Command::RemoveNode{NodeId(3), true},
                "group 1 would have 1 of 3 working voters without node 3; "
                "start node 2 first");
  ExpectDone(cluster, Command::RemoveNode{NodeId(2), true});
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 3, 4}));
}

TEST(Remove, LostNodeOfAGroupWithoutMajority_NamesAllThatAreMissing) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  for (const uint32_t node : {2, 3}) {
    ExpectDone(cluster, Command::ReportSilence{NodeId(node)});
  }
  ExpectRefused(cluster, Command::RemoveNode{NodeId(1), true},
                "start nodes 2, 3 first");
}

TEST(Remove, NodeThatNeverJoined_IsRemovedAtOnce) {
  Cluster cluster(3, 1);
  const NodeId node = cluster
                          .Do(Command::AddNode{.token = Cluster::Token(1),
                                               .valid_for = Seconds(60)})
                          .node;
  ExpectRefused(cluster, Command::DrainNode{node}, "node remove 4");
  ExpectDone(cluster, Command::RemoveNode{node});
  EXPECT_EQ(cluster.state.FindNode(node)->state, NodeState::kRemoved);
}

TEST(Join, Token_AdmitsOneStoreUntilItExpires) {
  Cluster cluster(3, 1);
  const auto add = cluster.Do(
      Command::AddNode{.token = Cluster::Token(1), .valid_for = Seconds(60)});
  ASSERT_EQ(add.node, NodeId(4));
  EXPECT_EQ(add.token_expires, cluster.now + Seconds(60));
  const StoreIncarnation store(77);
  ExpectRefused(cluster, Command::BindNode{add.node, Cluster::Token(2), store},
                "not the newest token");
  ExpectRefused(cluster, Command::BindNode{add.node, TokenDigest{}, store},
                "not the newest token");
  ExpectRefused(
      cluster,
      Command::BindNode{add.node, Cluster::Token(1), Cluster::StoreOf(2)},
      "belongs to node 2");
  cluster.now = add.token_expires;
  ExpectRefused(cluster, Command::BindNode{add.node, Cluster::Token(1), store},
                "has expired; type quoratectl node replace 4");
  cluster.now = add.token_expires - Nanoseconds(1);
  ExpectDone(cluster, Command::BindNode{add.node, Cluster::Token(1), store});
  ExpectAlreadySo(cluster,
                  Command::BindNode{add.node, Cluster::Token(1), store});
  ExpectRefused(
      cluster,
      Command::BindNode{add.node, Cluster::Token(1), StoreIncarnation(78)},
      "type quoratectl node replace 4");
}

TEST(Join, DataNodes_GetTheirShareOfReplicas) {
  Cluster cluster(3, 4);
  cluster.SettleAll();
  cluster.Join();
  // 4 groups and the controller with 3 replicas each, on 4 nodes.
  size_t replicas = 0;
  for (const GroupRecord& group : cluster.state.groups) {
    if (group.WantedOn(NodeId(4)) != nullptr) ++replicas;
  }
  EXPECT_GE(replicas, 3u);
  EXPECT_LE(replicas, 4u);
  // Replicas that stay are known.
  for (const WantedReplica& one : cluster.state.FindGroup(kFirst)->wanted) {
    EXPECT_EQ(one.replica == ReplicaId(), one.node == NodeId(4));
  }
}

TEST(Join, ReadOnlyNodesAndRouters_GetNoVoter) {
  Cluster cluster(3, 2);
  const NodeId reader = cluster.Join({.role = NodeRole::kReadOnly});
  const NodeId router = cluster.Join({.role = NodeRole::kRouter});
  for (const GroupRecord& group : cluster.state.groups) {
    EXPECT_EQ(group.WantedOn(router), nullptr);
    const WantedReplica* wanted = group.WantedOn(reader);
    if (group.id == kControllerGroup) {
      EXPECT_EQ(wanted, nullptr);
    } else {
      ASSERT_NE(wanted, nullptr);
      EXPECT_EQ(wanted->purpose, ReplicaPurpose::kLearner);
    }
  }
}

TEST(Controller, FiveDataNodes_HaveFiveVoters) {
  Cluster cluster(4, 1);
  EXPECT_EQ(cluster.Wanted(kControllerGroup).size(), 3u);
  cluster.Join();
  EXPECT_EQ(cluster.Wanted(kControllerGroup).size(), 5u);
  ExpectRefused(cluster, Command::SetGroup{kControllerGroup, 3},
                "the number of data nodes");
}

TEST(CreateGroups, MoreThanSlots_IsRefused) {
  Cluster cluster(3, 1);
  cluster.state.slot_count = 3;
  EXPECT_EQ(cluster.Do(Command::CreateGroups{2, 0}).outcome,
            ControllerAnswer::Outcome::kDone);
  const ControllerAnswer third = cluster.Do(Command::CreateGroups{1, 0});
  EXPECT_EQ(third.outcome, ControllerAnswer::Outcome::kRefused);
  EXPECT_EQ(third.text,
            "there are 3 slots and 3 groups: a cluster has at most as many "
            "groups as slots");
}

TEST(Replace, OldStore_IsGivenUpAndNeverComesBack) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  const Command::ReplaceNode replace{NodeId(2), Cluster::Token(5), Seconds(60)};
  ExpectDone(cluster, replace);
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 2, 3}));
  EXPECT_EQ(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(2))->replica,
            ReplicaId());
  ExpectRefused(
      cluster,
      Command::BindNode{NodeId(2), Cluster::Token(5), Cluster::StoreOf(2)},
      "belongs to node 2");
  ExpectRefused(cluster,
                Command::ReportReplica{kFirst, NodeId(2), Cluster::StoreOf(2),
                                       ReplicaId(1002)},
                "another store");
  ExpectDone(cluster, Command::BindNode{NodeId(2), Cluster::Token(5),
                                        StoreIncarnation(201)});
  ExpectDone(cluster,
             Command::ReportReplica{kFirst, NodeId(2), StoreIncarnation(201),
                                    ReplicaId(8)});
  EXPECT_EQ(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(2))->replica,
            ReplicaId(8));
}

TEST(Replace, NodeThatAMajorityNeeds_IsRefused) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(1)});
  ExpectRefused(cluster,
                Command::ReplaceNode{NodeId(2), Cluster::Token(5), Seconds(60)},
                "start node 1 first");
}

TEST(Replace, WhileAnotherReplicaIsFilledAgain_IsRefused) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  ExpectDone(cluster,
             Command::ReportReplica{kFirst, NodeId(1), Cluster::StoreOf(1),
                                    ReplicaId(8)});
  ExpectRefused(cluster,
                Command::ReplaceNode{NodeId(2), Cluster::Token(5), Seconds(60)},
                "wait until its replica on node 1 is filled again");
}

// Operators may be faster than the first reports.
TEST(Replace, BeforeTheGroupsReport_IsRefused) {
  Cluster cluster(3, 1);
  const Command::ReplaceNode replace{NodeId(2), Cluster::Token(5), Seconds(60)};
  ExpectRefused(cluster, replace, "group 1 has not reported its members yet");
  cluster.SettleAll();
  ExpectDone(cluster, replace);
}

TEST(Operation, SentTwice_IsExecutedOnce) {
  Cluster cluster(3, 1);
  const Command::AddNode add{.token = Cluster::Token(1),
                             .valid_for = Seconds(60)};
  const OperationId id{1, 2};
  const ControllerAnswer first = cluster.Do(add, id);
  const ClusterState before = cluster.state;
  EXPECT_EQ(cluster.Do(add, id), first);
  EXPECT_EQ(cluster.state, before);
  EXPECT_EQ(cluster.Do(Command::DrainNode{NodeId(1)}, id).outcome,
            Outcome::kRefused);
  // The list is bounded in time and number.
  cluster.now = cluster.now + kOperationsKept + Seconds(1);
  for (uint64_t i = 0; i < kOperationsMax + 10; ++i) {
    cluster.Do(Command::SetRepair{Seconds(100 + i % 2)}, {i + 2, 0});
  }
  EXPECT_EQ(cluster.state.operations.size(), kOperationsMax);
  EXPECT_EQ(cluster.state.history.size(), kHistoryMax);
  EXPECT_EQ(cluster.state.operations.back().id,
            (OperationId{kOperationsMax + 11, 0}));
}

TEST(Operation, DryRun_ChangesNothing) {
  Cluster cluster(4, 2);
  const ClusterState before = cluster.state;
  const ControllerAnswer answer =
      DryRun(cluster.state, {{}, Command::DrainNode{NodeId(1)}}, cluster.now);
  EXPECT_EQ(answer.outcome, Outcome::kDone);
  EXPECT_FALSE(answer.steps.empty());
  EXPECT_EQ(cluster.state, before);
  EXPECT_EQ(cluster.Do(Command::DrainNode{NodeId(1)}).steps, answer.steps);
}

TEST(History, OperatorsCommands_AreListedWithVersions) {
  Cluster cluster(4, 2);
  cluster.Do(Command::ReportSilence{NodeId(1)});
  cluster.Do(Command::DrainNode{NodeId(1)});
  ASSERT_EQ(cluster.state.history.size(), 1u);
  EXPECT_EQ(cluster.state.history[0].text, "node drain 1");
  EXPECT_EQ(cluster.state.history[0].version, cluster.state.version);
}

TEST(SetNode, NameOfAnotherNode_IsRefused) {
  Cluster cluster(3, 1);
  ExpectRefused(cluster, Command::SetNode{.node = NodeId(1), .name = "n2"},
                "node 2 has the name n2");
  ExpectDone(cluster, Command::SetNode{.node = NodeId(1), .name = "alpha"});
  ExpectAlreadySo(cluster,
                  Command::SetNode{.node = NodeId(1), .name = "alpha"});
}

TEST(SetNode, Zones_SpreadTheGroups) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  ASSERT_EQ(cluster.Wanted(kFirst), (Nodes{1, 2, 3}));
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Do(Command::SetNode{.node = NodeId(n), .zone = n < 3 ? "a" : "b"});
  }
  const auto answer =
      cluster.Do(Command::SetNode{.node = NodeId(4), .zone = "c"});
  EXPECT_EQ(cluster.Wanted(kFirst).size(), 3u);
  EXPECT_NE(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(4)), nullptr);
  EXPECT_NE(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(3)), nullptr);
}

TEST(CreateGroups, AllReplicasReported_HaveOneEntry1) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  const auto answer = cluster.Do(Command::CreateGroups{2, 0});
  ASSERT_EQ(answer.groups, (std::vector<GroupId>{GroupId(2), GroupId(3)}));
  const GroupId id = answer.groups[0];
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_FALSE(cluster.state.FindGroup(id)->first.has_value());
    ExpectDone(cluster,
               Command::ReportReplica{id, NodeId(n), Cluster::StoreOf(n),
                                      ReplicaId(50 + n)});
  }
  ASSERT_TRUE(cluster.state.FindGroup(id)->first.has_value());
  const raft::Configuration first = *cluster.state.FindGroup(id)->first;
  EXPECT_EQ(first.voters.size(), 3u);
  EXPECT_EQ(first.hash_key, 5u);
  EXPECT_EQ(first.parameters.view(), "parameters");
  // A replica that is lost later does not change it.
  ExpectDone(cluster, Command::ReportReplica{id, NodeId(1), Cluster::StoreOf(1),
                                             ReplicaId(99)});
  EXPECT_EQ(*cluster.state.FindGroup(id)->first, first);
  cluster.Report(id, first, NodeId(2));
  EXPECT_TRUE(cluster.state.FindGroup(id)->founded);
  EXPECT_FALSE(cluster.state.FindGroup(id)->first.has_value());
}

// The key of the cluster is in the configurations of its groups.
TEST(CreateGroups, BeforeTheFirstGroupReports_WaitsForItsKey) {
  Cluster cluster(3, 1);
  const GroupId id = cluster.Do(Command::CreateGroups{1, 3}).groups[0];
  for (uint32_t n = 1; n <= 3; ++n) {
    ExpectDone(cluster,
               Command::ReportReplica{id, NodeId(n), Cluster::StoreOf(n),
                                      ReplicaId(50 + n)});
  }
  EXPECT_FALSE(cluster.state.FindGroup(id)->first.has_value());
  cluster.Settle(GroupId(1));
  ASSERT_TRUE(cluster.state.FindGroup(id)->first.has_value());
  EXPECT_EQ(cluster.state.FindGroup(id)->first->hash_key, 5u);
}

TEST(CreateGroups, FewerReplicasWanted_NeedNoFurtherReport) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  const GroupId id = cluster.Do(Command::CreateGroups{1, 3}).groups[0];
  Cluster later = cluster;
  ExpectDone(later, Command::SetGroup{id, 2});
  for (uint32_t n : later.Wanted(id)) {
    ExpectDone(cluster,
               Command::ReportReplica{id, NodeId(n), Cluster::StoreOf(n),
                                      ReplicaId(50 + n)});
  }
  EXPECT_FALSE(cluster.state.FindGroup(id)->first.has_value());
  ExpectDone(cluster, Command::SetGroup{id, 2});
  EXPECT_TRUE(cluster.state.FindGroup(id)->first.has_value());
}

// It would wait for that node.
TEST(CreateGroups, NodeThatDoesNotAnswer_GetsNoReplica) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  ExpectDone(cluster, Command::CreateGroups{.count = 1});
  EXPECT_EQ(cluster.Wanted(GroupId(2)), (Nodes{1, 2, 3}));
  ExpectDone(cluster, Command::ReportSilence{NodeId(3)});
  ExpectRefused(cluster, Command::CreateGroups{.count = 1},
                "group 3 would have 2 of 3 replicas: no other data node is up");
}

// Those that it has stay, and those that are on their way go elsewhere.
TEST(CreateGroups, NodeThatDoesNotAnswer_GetsNoReplicaOfOtherGroups) {
  for (const bool settled : {false, true}) {
    Cluster cluster(3, 6);
    cluster.SettleAll();
    cluster.Join();
    if (settled) cluster.SettleAll();
    std::set<GroupId> held;
    for (const GroupRecord& group : cluster.state.groups) {
      if (group.WantedOn(NodeId(4)) != nullptr) held.insert(group.id);
    }
    EXPECT_FALSE(held.empty());
    if (!settled) held.clear();
    ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
    ExpectDone(cluster, Command::CreateGroups{6, 3});
    for (const GroupRecord& group : cluster.state.groups) {
      EXPECT_EQ(group.WantedOn(NodeId(4)) != nullptr, held.contains(group.id))
          << "group " << group.id << (settled ? ", settled" : "");
      EXPECT_EQ(group.WantedVoters(), 3u);
    }
  }
}

// A target that is silent before it has a replica would hold the group up.
TEST(ReportSilence, TargetWithoutAVoter_GivesItsPlaceToAnotherNode) {
  for (const uint32_t replicas : {1u, 3u}) {
    Cluster cluster(5, 1);
    cluster.SettleAll();
    ExpectDone(cluster, Command::CreateGroups{1, replicas});
    const Nodes first = cluster.Wanted(GroupId(2));
    ExpectDone(cluster, Command::ReportSilence{NodeId(first.front())});
    const Nodes second = cluster.Wanted(GroupId(2));
    EXPECT_EQ(second.size(), replicas);
    EXPECT_EQ(std::ranges::count(second, first.front()), 0);
    // The group of which it holds a voter, or may come back to, is as before.
    EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 2, 3}));
  }
  Cluster cluster(5, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::SetGroup{.group = kFirst, .replicas = 4});
  const Nodes wanted = cluster.Wanted(kFirst);
  ASSERT_EQ(wanted.size(), 4u);
  const NodeId target(wanted.back());
  ExpectDone(cluster, Command::ReportSilence{target});
  EXPECT_EQ(cluster.Wanted(kFirst),
            (Nodes{1, 2, 3, target == NodeId(4) ? 5u : 4u}));
}

TEST(ReportSilence, TargetWithoutAnother_IsWaitedForUntilANodeIsBack) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  ExpectDone(cluster, Command::CreateGroups{1, 3});
  ASSERT_EQ(cluster.Wanted(GroupId(2)), (Nodes{1, 2, 3}));
  ExpectDone(cluster, Command::ReportSilence{NodeId(3)});
  EXPECT_EQ(cluster.Wanted(GroupId(2)), (Nodes{1, 2, 3}));
  EXPECT_EQ(GroupRows(cluster.state)[1].problem,
            "waits for node 3, which does not answer");
  ExpectDone(cluster, Command::ReportSign{NodeId(4)});
  EXPECT_EQ(cluster.Wanted(GroupId(2)), (Nodes{1, 2, 4}));
}

TEST(SetGroup, FewerReplicas_AreThoseThatAnswer) {
  for (uint32_t silent = 1; silent <= 3; ++silent) {
    Cluster cluster(3, 1);
    cluster.SettleAll();
    ExpectDone(cluster, Command::ReportSilence{NodeId(silent)});
    ExpectDone(cluster, Command::SetGroup{.group = kFirst, .replicas = 2});
    EXPECT_EQ(cluster.Wanted(kFirst).size(), 2u);
    EXPECT_EQ(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(silent)),
              nullptr);
  }
}

TEST(SetGroup, MoreReplicasThanNodesThatAnswer_IsRefusedUntilOneIsBack) {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  const Command::SetGroup five{.group = kFirst, .replicas = 5};
  ExpectRefused(cluster, five,
                "group 1 would have 4 of 5 replicas: no other data node is up; "
                "start node 4, or add one");
  ExpectDone(cluster, Command::ReportSign{NodeId(4)});
  ExpectDone(cluster, five);
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 2, 3, 4, 5}));
}

TEST(SetGroup, GroupWithoutMajority_IsRefused) {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  ExpectDone(cluster, Command::ReportSilence{NodeId(3)});
  ExpectRefused(cluster, Command::SetGroup{.group = kFirst, .replicas = 1},
                "group 1 has 1 of 3 voters that work, no majority: its members "
                "cannot change; start nodes 2, 3 first");
}

TEST(SetGroup, Answer_NamesTheFailuresThatAnEvenNumberTolerates) {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  const auto text = [&](uint32_t replicas) {
    return cluster.Do(Command::SetGroup{.group = kFirst, .replicas = replicas})
        .text;
  };
  EXPECT_EQ(text(4),
            "group 1 shall have 4 replicas; 4 replicas tolerate 1 failed node, "
            "as 3 do");
  EXPECT_EQ(text(2),
            "group 1 shall have 2 replicas; 2 replicas tolerate no failed "
            "node; 3 tolerate 1");
  EXPECT_EQ(text(1),
            "group 1 shall have 1 replica; 1 replica tolerates no failed node; "
            "3 tolerate 1");
  EXPECT_EQ(text(5), "group 1 shall have 5 replicas");
  EXPECT_EQ(cluster.Do(Command::CreateGroups{1, 2}).text,
            "group 2 is being created; 2 replicas tolerate no failed node; 3 "
            "tolerate 1");
}

// It was undrained while it was down.
TEST(ReportSign, NodeThatIsNeeded_GetsReplicas) {
  Cluster cluster(4, 4);
  cluster.SettleAll();
  ExpectDone(cluster, Command::DrainNode{NodeId(4)});
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  ExpectDone(cluster, Command::UndrainNode{NodeId(4)});
  EXPECT_FALSE(HoldsReplicas(cluster.state, NodeId(4)));
  ExpectDone(cluster, Command::ReportSign{NodeId(4)});
  EXPECT_TRUE(HoldsReplicas(cluster.state, NodeId(4)));
}

TEST(CreateGroups, TooFewNodes_IsRefused) {
  Cluster cluster(2, 1, 1);
  ExpectRefused(cluster, Command::CreateGroups{1, 3},
                "group 2 would have 2 of 3 replicas");
}

TEST(ReportGroup, OlderOnes_ChangeNothing) {
  Cluster cluster(3, 1);
  const auto report = [](uint64_t index, uint64_t term, uint32_t leader) {
    return Command::ReportGroup{
        kFirst,
        {.position = {raft::Term(2), raft::Index(index)},
         .configuration = Cluster::MembersOn(kFirst, {1, 2, 3}),
         .leader = NodeId(leader),
         .term = raft::Term(term)}};
  };
  ExpectDone(cluster, report(5, 2, 1));
  ExpectAlreadySo(cluster, report(5, 2, 1));
  ExpectAlreadySo(cluster, report(4, 3, 2));
  ExpectDone(cluster, report(5, 3, 2));
  ExpectAlreadySo(cluster, report(5, 2, 1));
  ExpectDone(cluster, report(6, 3, 2));
}

// A machine was given to another node before its first one came back.
TEST(ReportNode, AddressOfAnotherNode_IsNoLongerThatOfTheOther) {
  Cluster cluster(3, 1);
  const auto report = [&](uint32_t node, std::string peer) {
    return cluster.Do(Command::ReportNode{
        NodeId(node), Cluster::StoreOf(node), 9, {.peer = std::move(peer)}});
  };
  report(1, "a:9001");
  report(2, "b:9001");
  report(3, "a:9001");
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->addresses.peer, "");
  EXPECT_EQ(cluster.state.FindNode(NodeId(2))->addresses.peer, "b:9001");
  EXPECT_EQ(cluster.state.FindNode(NodeId(3))->addresses.peer, "a:9001");
}

// Operators may be faster than the first reports.
TEST(ReportNode, FounderThatDrains_IsBound) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  NodeRecord* const node = cluster.state.FindNode(NodeId(2));
  node->store = StoreIncarnation();
  ExpectDone(cluster, Command::DrainNode{NodeId(2)});
  const Cluster before = cluster;
  ExpectDone(cluster, Command::ReportNode{
                          NodeId(2), Cluster::StoreOf(2), 1, {.peer = "b:1"}});
  EXPECT_EQ(cluster.state.FindNode(NodeId(2))->store, Cluster::StoreOf(2));
  EXPECT_EQ(cluster.state.FindNode(NodeId(2))->state, NodeState::kDraining);
  // The same after the operator has changed their mind.
  cluster = before;
  ExpectDone(cluster, Command::UndrainNode{NodeId(2)});
  EXPECT_EQ(cluster.state.FindNode(NodeId(2))->state, NodeState::kUp);
}

// The store is news, although the addresses are those of the founding.
TEST(ReportNode, StoreOfAFounder_RaisesTheVersion) {
  Cluster cluster(4, 1);
  NodeRecord* const node = cluster.state.FindNode(NodeId(4));
  node->store = StoreIncarnation();
  const MapVersion before = cluster.state.version;
  ExpectDone(cluster, Command::ReportNode{.node = NodeId(4),
                                          .store = Cluster::StoreOf(4),
                                          .addresses = node->addresses});
  EXPECT_EQ(cluster.state.FindNode(NodeId(4))->store, Cluster::StoreOf(4));
  EXPECT_GT(cluster.state.version, before);
}

TEST(ReportNode, NewestStart_Wins) {
  Cluster cluster(3, 1);
  const auto report = [](uint64_t start, std::string peer) {
    return Command::ReportNode{
        NodeId(1), Cluster::StoreOf(1), start, {.peer = std::move(peer)}};
  };
  ExpectDone(cluster, report(3, "new:1"));
  ExpectAlreadySo(cluster, report(2, "old:1"));
  ExpectAlreadySo(cluster, report(3, "new:1"));
  EXPECT_EQ(cluster.state.FindNode(NodeId(1))->addresses.peer, "new:1");
  ExpectRefused(cluster,
                Command::ReportNode{
                    NodeId(1), StoreIncarnation(5), 9, {.peer = "clone:1"}},
                "another store");
}

TEST(Repair, SilentNode_IsGivenUpAfterTheTime) {
  Cluster cluster(5, 2);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  cluster.now = cluster.now + Seconds(599);
  ExpectAlreadySo(cluster, Command::ReportSilence{NodeId(2)});
  cluster.now = cluster.now + Seconds(1);
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  EXPECT_TRUE(cluster.state.FindNode(NodeId(2))->dead);
  EXPECT_EQ(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(2)), nullptr);
  ExpectAlreadySo(cluster, Command::ReportSilence{NodeId(2)});
  ExpectDone(cluster, Command::ReportSign{NodeId(2)});
  EXPECT_FALSE(cluster.state.FindNode(NodeId(2))->dead);
  ExpectAlreadySo(cluster, Command::ReportSign{NodeId(2)});
}

TEST(Repair, SecondNode_WaitsForTheFirst) {
  Cluster cluster(6, 2);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(5)});
  cluster.now = cluster.now + Seconds(600);
  ExpectDone(cluster, Command::ReportSilence{NodeId(5)});
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  cluster.now = cluster.now + Seconds(600);
  ExpectRefused(cluster, Command::ReportSilence{NodeId(4)},
                "the replicas of node 5 are being rebuilt first");
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
}

TEST(Repair, NodeWithoutSpare_KeepsItsReplicas) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  cluster.now = cluster.now + Seconds(600);
  ExpectRefused(cluster, Command::ReportSilence{NodeId(2)},
                "no other data node");
  const std::string problem = NodeRows(cluster.state)[1].problem;
  EXPECT_NE(problem.find("not rebuilt elsewhere: group"), problem.npos)
      << problem;
  ExpectDone(cluster, Command::SetRepair{Duration()});
  ExpectAlreadySo(cluster, Command::ReportSilence{NodeId(2)});
}

TEST(Transfer, NodeWithoutAVoter_IsRefused) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  ExpectRefused(cluster, Command::TransferGroup{kFirst, NodeId(4)},
                "node 4 shall hold no voter of group 1");
  const NodeId leader = cluster.state.FindGroup(kFirst)->preferred_leader;
  const NodeId other = leader == NodeId(2) ? NodeId(3) : NodeId(2);
  ExpectDone(cluster, Command::TransferGroup{kFirst, other});
  ExpectAlreadySo(cluster, Command::TransferGroup{kFirst, other});
}

TEST(Transfer, OfTheController_IsRefused) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  ExpectRefused(cluster, Command::TransferGroup{kControllerGroup, NodeId(2)},
                "elects its leader by itself");
}

TEST(Rows, LeaderThatDoesNotAnswer_IsNone) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  const NodeId leader = GroupRows(cluster.state)[0].leader;
  ASSERT_NE(leader, NodeId());
  const size_t at = leader.value() - 1;
  EXPECT_GT(NodeRows(cluster.state)[at].leaders, 0u);
  ExpectDone(cluster, Command::ReportSilence{leader});
  EXPECT_EQ(GroupRows(cluster.state)[0].leader, NodeId());
  EXPECT_EQ(NodeRows(cluster.state)[at].leaders, 0u);
}

// To start the old directory would not help.
TEST(Rows, GroupWithoutMajority_NamesNoStoreThatWasGivenUp) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  ExpectDone(cluster,
             Command::ReplaceNode{NodeId(3), Cluster::Token(5), Seconds(60)});
  EXPECT_EQ(GroupRows(cluster.state)[0].problem, "waits for node 3 to join");
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  EXPECT_EQ(GroupRows(cluster.state)[0].problem,
            "has no majority: 1 of 3 voters work; start node 2, or see "
            "docs/operate/members.md, A lost majority");
}

TEST(Replace, StoresThatWereGivenUp_AreListed) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  const auto replace = [&](uint64_t secret) {
    ExpectDone(cluster, Command::ReplaceNode{NodeId(3), Cluster::Token(secret),
                                             Seconds(60)});
  };
  using Stores = std::vector<StoreIncarnation>;
  EXPECT_TRUE(GivenUpStores(cluster.state).empty());
  replace(5);
  EXPECT_EQ(GivenUpStores(cluster.state)[NodeId(3)],
            Stores{Cluster::StoreOf(3)});
  ExpectDone(cluster, Command::BindNode{NodeId(3), Cluster::Token(5),
                                        StoreIncarnation(301)});
  EXPECT_EQ(GivenUpStores(cluster.state)[NodeId(3)],
            Stores{Cluster::StoreOf(3)});
  // The group still names the first one.
  replace(6);
  EXPECT_EQ(GivenUpStores(cluster.state)[NodeId(3)],
            (Stores{Cluster::StoreOf(3), StoreIncarnation(301)}));
  EXPECT_EQ(GivenUpStores(cluster.state).size(), 1u);
}

TEST(Rows, RemovedNode_HasNoProblem) {
  Cluster cluster(4, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  ExpectDone(cluster, Command::RemoveNode{NodeId(2), true});
  cluster.SettleAll();
  const NodeRow row = NodeRows(cluster.state)[1];
  EXPECT_EQ(row.state, "removed");
  EXPECT_EQ(row.problem, "");
}

TEST(Rows, DrainedNode_ShowsItsReplicasUntilTheyAreGone) {
  Cluster cluster(4, 2);
  cluster.SettleAll();
  cluster.Do(Command::DrainNode{NodeId(1)});
  NodeRow row = NodeRows(cluster.state)[0];
  EXPECT_EQ(row.state, "draining");
  EXPECT_GT(row.replicas, 0u);
  EXPECT_FALSE(GroupRows(cluster.state)[0].settled);
  cluster.SettleAll();
  row = NodeRows(cluster.state)[0];
  EXPECT_EQ(row.state, "drained");
  EXPECT_EQ(row.replicas, 0u);
  EXPECT_EQ(row.leaders, 0u);
  EXPECT_TRUE(GroupRows(cluster.state)[0].settled);
}

TEST(Rows, NodeThatIsRemoved_SaysSoInEachState) {
  Cluster cluster(4, 2);
  cluster.SettleAll();
  cluster.Do(Command::RemoveNode{NodeId(1)});
  EXPECT_EQ(NodeRows(cluster.state)[0].state, "removing");
  EXPECT_EQ(NodeRows(cluster.state)[0].removed, WallTime(0));
  cluster.SettleAll();
  EXPECT_EQ(NodeRows(cluster.state)[0].state, "removing")
      << "it has not said that it is empty";
  cluster.Do(Command::ReportEmpty{NodeId(1), Cluster::StoreOf(1)});
  EXPECT_EQ(NodeRows(cluster.state)[0].state, "removed");
  EXPECT_EQ(NodeRows(cluster.state)[0].removed, cluster.now);
}

TEST(Rows, NodeThatHasNotJoined_IsTheProblemOfItsGroups) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  cluster.Do(Command::ReplaceNode{NodeId(2), Cluster::Token(5), Seconds(60)});
  EXPECT_EQ(GroupRows(cluster.state)[0].problem, "waits for node 2 to join");
  EXPECT_EQ(NodeRows(cluster.state)[1].state, "joining");
  EXPECT_NE(NodeRows(cluster.state)[1].problem, "");
}

TEST(Rows, ReasonOfSeveralGroups_IsGivenOnce) {
  Cluster cluster(3, 2);
  cluster.SettleAll();
  cluster.Join();
  ExpectDone(cluster, Command::DrainNode{NodeId(1)});
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  EXPECT_EQ(NodeRows(cluster.state)[0].problem,
            "groups 1, 2, 4294967295: waits for node 4, which does not answer");
}

TEST(Map, EachState_IsAValidMap) {
  Cluster cluster(3, 2);
  const auto valid = [&] {
    const auto map = ShardMap::Create(MapOf(cluster.state));
    EXPECT_TRUE(map.ok()) << map.status().ToString();
    EXPECT_EQ(map->version(), cluster.state.version);
    return *map;
  };
  EXPECT_EQ(valid().groups().size(), 2u);
  cluster.SettleAll();
  cluster.Join();
  EXPECT_EQ(valid().nodes().size(), 4u);  // The address is not known yet.
  cluster.Do(Command::CreateGroups{1, 0});
  EXPECT_EQ(valid().groups().size(), 2u);  // It has not reported itself.
  cluster.Do(
      Command::ReportNode{NodeId(4), Cluster::StoreOf(4), 1, {.peer = "d:1"}});
  cluster.SettleAll();
  EXPECT_EQ(valid().nodes().size(), 4u);
  EXPECT_EQ(valid().groups().size(), 3u);
}

// The others refuse nodes that the map lacks.
TEST(Map, NodeThatIsReplacedWithoutAddress_Stays) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  cluster.Join();
  cluster.Do(Command::ReplaceNode{NodeId(4), Cluster::Token(5), Seconds(60)});
  EXPECT_EQ(MapOf(cluster.state).nodes.size(), 4u);
}

// ---- A lost majority.

Command::RecoverGroup Recovery(const Cluster& cluster, uint32_t node,
                               uint64_t generation = 1) {
  return {.group = kFirst,
          .node = NodeId(node),
          .store = Cluster::StoreOf(node),
          .replica = Cluster::MemberOn(kFirst, node).replica,
          .generation = generation,
          .planned = cluster.state.FindGroup(kFirst)->reported->position};
}

// Five nodes; the group is on the first three, of which two are silent.
Cluster WithoutMajority() {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  ExpectDone(cluster, Command::ReportSilence{NodeId(3)});
  return cluster;
}

raft::Configuration Recovered(uint32_t node, uint64_t generation) {
  raft::Configuration alone = Cluster::MembersOn(kFirst, {node});
  alone.voters[0].replica = ReplicaId(77);
  alone.generation = generation;
  return alone;
}

TEST(Recover, GroupWithItsMajority_IsRefused) {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  ExpectRefused(cluster, Recovery(cluster, 1),
                "3 of 3 voters that work, a majority");
  ExpectDone(cluster, Command::ReportSilence{NodeId(2)});
  ExpectRefused(cluster, Recovery(cluster, 1),
                "2 of 3 voters that work, a majority");
}

// Their nodes answer, and have nothing of them.
TEST(Recover, VotersThatAreBroken_DoNotCount) {
  Cluster cluster(5, 1);
  cluster.SettleAll();
  Command::RecoverGroup recover = Recovery(cluster, 1);
  recover.broken = {Cluster::MemberOn(kFirst, 2).replica};
  ExpectRefused(cluster, recover, "2 of 3 voters that work");
  recover.broken.push_back(Cluster::MemberOn(kFirst, 3).replica);
  ExpectDone(cluster, recover);
}

// It got other voters while the operator's node asked the survivors.
TEST(Recover, GroupWithOtherMembersThanThePlanKnew_IsRefused) {
  Cluster cluster = WithoutMajority();
  const Command::RecoverGroup late = Recovery(cluster, 1);
  cluster.Report(kFirst, Cluster::MembersOn(kFirst, {1, 4, 5}), NodeId(4));
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  ExpectDone(cluster, Command::ReportSilence{NodeId(5)});
  ExpectRefused(cluster, late, "other members since; ask again");
  ExpectDone(cluster, Recovery(cluster, 1));
}

// The node of the recovered replica starts again, and counts as silent.
TEST(Recover, GroupThatWasRecovered_IsNotRecoveredAgain) {
  Cluster cluster = WithoutMajority();
  ExpectDone(cluster, Recovery(cluster, 1));
  EXPECT_EQ(cluster.Report(kFirst, Recovered(1, 1), NodeId(1)).outcome,
            ControllerAnswer::Outcome::kDone);
  ExpectDone(cluster, Command::ReportSilence{NodeId(1)});
  Command::RecoverGroup again = Recovery(cluster, 1);
  again.replica = Recovered(1, 1).voters[0].replica;
  ExpectRefused(cluster, again, "1 of 1 voters that work, a majority");
}

TEST(Recover, ReplicaThatIsNotOneOfItsVoters_IsRefused) {
  Cluster cluster = WithoutMajority();
  ExpectRefused(cluster, Recovery(cluster, 4),
                "the replica on node 4 is no voter");
  Command::RecoverGroup other_store = Recovery(cluster, 1);
  other_store.store = StoreIncarnation(1);
  ExpectRefused(cluster, other_store, "another store");
  Command::RecoverGroup other = Recovery(cluster, 1);
  other.group = kControllerGroup;
  ExpectRefused(cluster, other, "the controller's own");
  other.group = GroupId(9);
  ExpectRefused(cluster, other, "there is no group 9");
}

TEST(Recover, Survivor_IsWantedAloneUntilItReports) {
  Cluster cluster = WithoutMajority();
  ExpectDone(cluster, Recovery(cluster, 1));
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1}));
  ExpectAlreadySo(cluster, Recovery(cluster, 1));
  // Nothing else changes the wanted replicas meanwhile.
  ExpectDone(cluster, Command::DrainNode{NodeId(5)});
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1}));
  // The old members may have come back, and have a leader.
  const raft::Configuration old = Cluster::MembersOn(kFirst, {2, 3, 4});
  EXPECT_EQ(cluster.Report(kFirst, old, NodeId(2)).outcome,
            ControllerAnswer::Outcome::kRefused);
  EXPECT_EQ(cluster.Report(kFirst, Recovered(1, 1), NodeId(1)).outcome,
            ControllerAnswer::Outcome::kDone);
  EXPECT_FALSE(cluster.state.FindGroup(kFirst)->recovery.has_value());
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 4}));
  EXPECT_EQ(cluster.state.FindGroup(kFirst)->WantedOn(NodeId(1))->replica,
            ReplicaId(77));
  // Nodes that are down get replicas once they answer.
  ExpectDone(cluster, Command::ReportSign{NodeId(2)});
  EXPECT_EQ(cluster.Wanted(kFirst), (Nodes{1, 2, 4}));
  EXPECT_EQ(cluster.Report(kFirst, old, NodeId(2)).outcome,
            ControllerAnswer::Outcome::kAlreadySo);
}

// It was on its way when the group was recovered.
TEST(Recover, ReplicaOfAnEarlierGeneration_IsNeverNamedAgain) {
  Cluster cluster = WithoutMajority();
  ExpectDone(cluster, Recovery(cluster, 1));
  cluster.Report(kFirst, Recovered(1, 1), NodeId(1));
  const Command::ReportReplica old{kFirst, NodeId(1), Cluster::StoreOf(1),
                                   Cluster::MemberOn(kFirst, 1).replica, 0};
  ExpectRefused(cluster, old, "earlier generation");
  // An old controller has a leader again. It must not name the new replica.
  Command::ReportReplica later = old;
  later.generation = 2;
  ExpectRefused(cluster, later, "later generation");
  ExpectAlreadySo(cluster,
                  Command::ReportReplica{kFirst, NodeId(1), Cluster::StoreOf(1),
                                         ReplicaId(77), 1});
}

TEST(Recover, AnotherSurvivor_TakesOverOnceTheFirstIsSilent) {
  Cluster cluster(5, 1);
  ExpectDone(cluster, Command::SetGroup{kFirst, 5});
  cluster.SettleAll();
  for (const uint32_t n : {1, 2, 3}) {
    ExpectDone(cluster, Command::ReportSilence{NodeId(n)});
  }
  Command::RecoverGroup first = Recovery(cluster, 4);
  Command::RecoverGroup second = Recovery(cluster, 5);
  for (Command::RecoverGroup* one : {&first, &second}) {
    one->replica =
        cluster.state.FindGroup(kFirst)->WantedOn(one->node)->replica;
  }
  ExpectDone(cluster, first);
  ExpectRefused(cluster, second, "is being recovered from node 4");
  ExpectDone(cluster, Command::ReportSilence{NodeId(4)});
  ExpectDone(cluster, second);
  // The first one may have reached its generation unseen.
  EXPECT_EQ(cluster.state.FindGroup(kFirst)->recovery->generation, 2u);
}

// The controller's own group is recovered without a command.
TEST(Recover, GenerationThatIsReportedUnasked_ForgetsTheOldReplicas) {
  Cluster cluster(3, 1);
  cluster.SettleAll();
  raft::Configuration alone = Cluster::MembersOn(kControllerGroup, {2});
  alone.voters[0].replica = ReplicaId(77);
  alone.generation = 1;
  const uint64_t version = cluster.state.version.value();
  EXPECT_EQ(cluster.Report(kControllerGroup, alone, NodeId(2)).outcome,
            ControllerAnswer::Outcome::kDone);
  // The lost majority may have made versions that this one lacks.
  EXPECT_EQ(cluster.state.version.value(),
            version + kVersionsOfAGeneration + 1);
  for (const WantedReplica& wanted :
       cluster.state.FindGroup(kControllerGroup)->wanted) {
    const bool recovered = wanted.node == NodeId(2);
    EXPECT_EQ(wanted.replica, recovered ? ReplicaId(77) : ReplicaId());
  }
}

}  // namespace
}  // namespace quorate::shardctrl
