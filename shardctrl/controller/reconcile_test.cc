#include "shardctrl/controller/reconcile.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shardctrl/controller/testing/controller_fixture.h"

namespace quorate::shardctrl {
namespace {

using Cluster = ControlledCluster;
using Command = ControllerCommand;
using Kind = ReconcileAction::Kind;

const GroupId kFirst{1};
const ReplicaId kNew{77};

// Group 1 on nodes 1 to 3, settled, and node 4, which has just joined.
class ReconcileTest : public ::testing::Test {
 protected:
  ReconcileTest() : cluster_(3, 1) {
    cluster_.SettleAll();
    cluster_.Join();
    Prefer(1);
  }

  // The replica of group 1 on a node is at the reported configuration.
  HostView Host(uint32_t node) {
    HostView host{.node = NodeId(node), .store = Cluster::StoreOf(node)};
    host.replicas.push_back({.group = kFirst,
                             .replica = Cluster::MemberOn(kFirst, node).replica,
                             .position = Reported().position,
                             .configuration = Reported().configuration});
    return host;
  }
  // That of the leader; all other members answer and have caught up.
  HostView LeaderHost(uint32_t node) {
    HostView host = Host(node);
    HostedReplica& own = host.replicas[0];
    own.leads =
        HostedReplica::Leadership{.term = Reported().term, .settled = true};
    raft::ForEachMember(own.configuration, [&](const raft::Member& member) {
      if (member.replica == own.replica) return;
      own.leads->members.push_back({member.replica, true, true});
    });
    return host;
  }
  HostedReplica::Member& MemberOf(HostView& host, ReplicaId replica) {
    for (auto& member : host.replicas[0].leads->members) {
      if (member.replica == replica) return member;
    }
    ADD_FAILURE() << "no member " << replica;
    return host.replicas[0].leads->members[0];
  }

  ReportedConfiguration& Reported() {
    return *cluster_.state.FindGroup(kFirst)->reported;
  }
  void Prefer(uint32_t node) {
    cluster_.state.FindGroup(kFirst)->preferred_leader = NodeId(node);
    Reported().leader = NodeId(node);
  }
  // Makes group 1 want voters on these nodes.
  void Want(std::vector<uint32_t> nodes) {
    GroupRecord& group = *cluster_.state.FindGroup(kFirst);
    std::vector<WantedReplica> wanted;
    for (uint32_t node : nodes) {
      const bool first = node <= 3;
      const raft::Member member = Cluster::MemberOn(kFirst, node);
      wanted.push_back({.node = NodeId(node),
                        .store = first ? member.store : StoreIncarnation(),
                        .replica = first ? member.replica : ReplicaId()});
    }
    group.wanted = wanted;
  }
  raft::Configuration WithLearner(uint32_t node, ReplicaId replica) {
    raft::Configuration c = Reported().configuration;
    c.learners.push_back({.replica = replica,
                          .node = NodeId(node),
                          .store = Cluster::StoreOf(node)});
    return c;
  }
  // The actions about group 1.
  std::vector<ReconcileAction> Act(const HostView& host) {
    std::vector<ReconcileAction> actions;
    for (ReconcileAction& action : Reconcile(cluster_.state, host)) {
      if (action.group == kFirst) actions.push_back(std::move(action));
    }
    return actions;
  }
  std::vector<Kind> Kinds(const HostView& host) {
    std::vector<Kind> kinds;
    for (const ReconcileAction& action : Act(host)) {
      EXPECT_FALSE(action.why.empty());
      kinds.push_back(action.kind);
    }
    return kinds;
  }
  // Executes the only action: a report of the next voters.
  ReportedConfiguration NoteNext(const HostView& host) {
    const auto actions = Act(host);
    EXPECT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].kind, Kind::kReportGroup);
    EXPECT_EQ(
        cluster_.Do(Command::ReportGroup{kFirst, actions[0].report}).outcome,
        ControllerAnswer::Outcome::kDone);
    return actions[0].report;
  }
  static std::vector<uint32_t> VotersOf(const raft::Configuration& c) {
    std::vector<uint32_t> nodes;
    for (const raft::Member& one : c.voters) nodes.push_back(one.node.value());
    return nodes;
  }

  Cluster cluster_;
};

TEST_F(ReconcileTest, WishThatIsTrue_NeedsNothing) {
  Want({1, 2, 3});
  EXPECT_EQ(Kinds(LeaderHost(1)), std::vector<Kind>{});
  EXPECT_EQ(Kinds(Host(2)), std::vector<Kind>{});
}

TEST_F(ReconcileTest, NewReplica_IsPreparedReportedAndJoins) {
  Want({1, 2, 4});
  HostView host{.node = NodeId(4), .store = Cluster::StoreOf(4)};
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kPrepare});
  host.prepared[kFirst] = kNew;
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kReportReplica});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  const auto actions = Act(host);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kJoin);
  EXPECT_EQ(actions[0].replica, kNew);
  EXPECT_EQ(actions[0].configuration, Reported().configuration);
  // It runs now, and waits for its leader.
  host.prepared.clear();
  host.replicas.push_back({.group = kFirst, .replica = kNew});
  EXPECT_EQ(Kinds(host), std::vector<Kind>{});
}

TEST_F(ReconcileTest, Leader_AddsALearnerAndThenSwapsVoters) {
  Want({1, 2, 4});
  HostView leader = LeaderHost(1);
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{});  // No id is known yet.
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kChange);
  EXPECT_EQ(actions[0].base, Reported().position.index);
  EXPECT_EQ(actions[0].configuration, WithLearner(4, kNew));

  cluster_.Report(kFirst, WithLearner(4, kNew), NodeId(1));
  leader = LeaderHost(1);
  MemberOf(leader, kNew).caught_up = false;
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{});  // Node 3 stays until then.
  MemberOf(leader, kNew).caught_up = true;
  const ReportedConfiguration noted = NoteNext(leader);
  actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kChange);
  EXPECT_EQ(VotersOf(actions[0].configuration),
            (std::vector<uint32_t>{4, 1, 2}));
  EXPECT_TRUE(actions[0].configuration.learners.empty());
  EXPECT_EQ(noted.next, actions[0].configuration);
}

// The report is an entry of the controller's group, and may be all that its
// learner lacks. A leader that took it back would announce it for ever.
TEST_F(ReconcileTest, AnnouncedVoterThatLags_StaysAnnouncedWhileItAnswers) {
  Want({1, 2, 4});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  cluster_.Report(kFirst, WithLearner(4, kNew), NodeId(1));
  HostView leader = LeaderHost(1);
  MemberOf(leader, kNew).caught_up = true;
  NoteNext(leader);
  MemberOf(leader, kNew).caught_up = false;
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{Kind::kChange});
  MemberOf(leader, kNew).answers = false;
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{Kind::kReportGroup});
}

TEST_F(ReconcileTest, ChangeOfVoters_WaitsUntilNoOlderReportCanUndoIt) {
  cluster_.state.FindGroup(kFirst)->replicas = 1;
  Want({3});
  HostView leader = LeaderHost(3);
  const ReportedConfiguration noted = NoteNext(leader);
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{Kind::kChange});
  // It took the change back with a report whose answer did not come.
  ReportedConfiguration taken_back = noted;
  taken_back.number = noted.number + 1;
  taken_back.next.reset();
  leader.replicas[0].leads->sent = taken_back;
  EXPECT_EQ(NoteNext(leader).number, noted.number + 2);
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{Kind::kChange});
  EXPECT_EQ(cluster_.Do(Command::ReportGroup{kFirst, taken_back}).outcome,
            ControllerAnswer::Outcome::kAlreadySo);
}

// The leader learns each state late: one report is on its way by then.
TEST_F(ReconcileTest, ReportOnItsWay_IsSentAgainWithItsNumber) {
  cluster_.state.FindGroup(kFirst)->replicas = 1;
  Want({3});
  HostView leader = LeaderHost(3);
  const auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  ASSERT_EQ(actions[0].kind, Kind::kReportGroup);
  leader.replicas[0].leads->sent = actions[0].report;
  const auto again = Act(leader);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].report, actions[0].report);
  cluster_.Do(Command::ReportGroup{kFirst, actions[0].report});
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{Kind::kChange});
}

TEST_F(ReconcileTest, StoreOfTheNextVoters_IsNotGivenUp) {
  cluster_.state.FindGroup(kFirst)->replicas = 1;
  Want({3});
  HostView leader = LeaderHost(3);
  const Command::ReplaceNode replace{NodeId(3), Cluster::Token(5), Seconds(60)};
  ClusterState before = cluster_.state;
  NoteNext(leader);
  const ControllerAnswer refused = cluster_.Do(replace);
  EXPECT_EQ(refused.outcome, ControllerAnswer::Outcome::kRefused);
  EXPECT_EQ(refused.text,
            "group 1 would have 0 of 1 working voters without node 3; move its "
            "replica to another node first");
  // The other order: the store is given up, and the leader does not know.
  cluster_.state = before;
  EXPECT_EQ(cluster_.Do(replace).outcome, ControllerAnswer::Outcome::kDone);
  std::swap(before, cluster_.state);
  const auto actions = Act(leader);
  std::swap(before, cluster_.state);
  EXPECT_EQ(
      cluster_.Do(Command::ReportGroup{kFirst, actions.at(0).report}).outcome,
      ControllerAnswer::Outcome::kRefused);
}

TEST_F(ReconcileTest, LearnerThatDoesNotAnswer_IsTheProblem) {
  Want({1, 2, 4});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  cluster_.Report(kFirst, WithLearner(4, kNew), NodeId(1));
  HostView leader = LeaderHost(1);
  MemberOf(leader, kNew) = {kNew, false, false};
  const auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kReportGroup);
  EXPECT_EQ(actions[0].report.problem,
            "the new replica on node 4 does not answer");
}

TEST_F(ReconcileTest, VotersThatWouldRemainAreSilent_RemovesNone) {
  cluster_.state.FindGroup(kFirst)->replicas = 1;
  Want({3});
  HostView leader = LeaderHost(3);
  EXPECT_EQ(VotersOf(*Act(leader).back().report.next),
            std::vector<uint32_t>{3});
  cluster_.state.FindGroup(kFirst)->replicas = 2;
  Want({2, 3});
  Prefer(3);
  MemberOf(leader, Cluster::MemberOn(kFirst, 2).replica).answers = false;
  const auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kReportGroup);
  EXPECT_EQ(actions[0].report.problem,
            "of the voters that would remain, node 2 does not answer");
}

TEST_F(ReconcileTest, DrainedLeader_TransfersFirst) {
  Want({2, 3, 4});
  Prefer(3);
  HostView leader = LeaderHost(1);
  Reported().leader = NodeId(1);
  auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kTransfer);
  EXPECT_EQ(actions[0].to, NodeId(3));
  MemberOf(leader, Cluster::MemberOn(kFirst, 3).replica).answers = false;
  actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].to, NodeId(2));
}

// A preferred successor whose disk is full must not keep the replica.
TEST_F(ReconcileTest, SuccessorThatTakesNoLeadership_IsPassedOver) {
  Want({2, 3, 4});
  Prefer(3);
  HostView leader = LeaderHost(1);
  Reported().leader = NodeId(1);
  MemberOf(leader, Cluster::MemberOn(kFirst, 3).replica).takes_leadership =
      false;
  const auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kTransfer);
  EXPECT_EQ(actions[0].to, NodeId(2));
}

TEST_F(ReconcileTest, ReplicaLeftOut_IsDroppedOnceTheReportIsLater) {
  Want({1, 2, 4});
  const HostView old = Host(3);
  EXPECT_EQ(Kinds(old), std::vector<Kind>{});
  cluster_.Report(kFirst, Cluster::MembersOn(kFirst, {1, 2}), NodeId(1));
  const auto actions = Act(old);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kDrop);
  EXPECT_EQ(actions[0].replica, Cluster::MemberOn(kFirst, 3).replica);
  // A configuration in its own log that names it is later.
  HostView newer = old;
  newer.replicas[0].position.index = Reported().position.index + 1;
  EXPECT_EQ(Kinds(newer), std::vector<Kind>{});
  // It knows that it was left out.
  HostView knows = Host(3);
  EXPECT_EQ(Kinds(knows), std::vector<Kind>{Kind::kDrop});
}

TEST_F(ReconcileTest, ReplicaOfARetiredGroup_IsDroppedButNotOneOfALaterGroup) {
  HostView host = Host(1);
  host.replicas.push_back({.group = GroupId(7), .replica = ReplicaId(70)});
  const auto dropped = [&] {
    std::vector<ReplicaId> replicas;
    for (const ReconcileAction& one : Reconcile(cluster_.state, host)) {
      if (one.kind == Kind::kDrop) replicas.push_back(one.replica);
    }
    return replicas;
  };
  EXPECT_EQ(dropped(), std::vector<ReplicaId>{});
  cluster_.state.next_group = GroupId(8);
  EXPECT_EQ(dropped(), std::vector{ReplicaId(70)});
  // A store that is not bound does not know which groups have retired.
  host.store = StoreIncarnation(5);
  EXPECT_EQ(dropped(), std::vector<ReplicaId>{});
}

TEST_F(ReconcileTest, FencedReplica_IsReplacedOnItsNode) {
  Want({1, 2, 3});
  HostView host = Host(3);
  host.replicas[0].fenced = true;
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kPrepare});
  host.prepared[kFirst] = kNew;
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kReportReplica});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(3), Cluster::StoreOf(3), kNew});
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kJoin});
  EXPECT_EQ(Act(LeaderHost(1))[0].configuration, WithLearner(3, kNew));
  // The node appears twice until the new one votes.
  cluster_.Report(kFirst, WithLearner(3, kNew), NodeId(1));
  HostView leader = LeaderHost(1);
  MemberOf(leader, Cluster::MemberOn(kFirst, 3).replica).answers = false;
  NoteNext(leader);
  const raft::Configuration target = Act(leader).at(0).configuration;
  EXPECT_EQ(VotersOf(target), (std::vector<uint32_t>{3, 1, 2}));
  EXPECT_EQ(target.voters[0].replica, kNew);
  cluster_.Report(kFirst, target, NodeId(1));
  EXPECT_EQ(Kinds(host)[0], Kind::kDrop);
}

TEST_F(ReconcileTest, GroupBeingCreated_IsFoundedWithOneEntry1) {
  const GroupId id = cluster_.Do(Command::CreateGroups{1, 3}).groups[0];
  const auto wanted = cluster_.state.FindGroup(id)->wanted;
  const NodeId node = wanted[0].node;
  HostView host{.node = node, .store = Cluster::StoreOf(node.value())};
  host.prepared[id] = ReplicaId(1);
  const auto kinds = [&] {
    std::vector<Kind> found;
    for (const auto& action : Reconcile(cluster_.state, host)) {
      if (action.group == id) found.push_back(action.kind);
    }
    return found;
  };
  EXPECT_EQ(kinds(), std::vector<Kind>{Kind::kReportReplica});
  for (uint32_t i = 0; i < 3; ++i) {
    cluster_.Do(Command::ReportReplica{id, wanted[i].node,
                                       Cluster::StoreOf(wanted[i].node.value()),
                                       ReplicaId(i + 1)});
    EXPECT_EQ(kinds(),
              i < 2 ? std::vector<Kind>{} : std::vector<Kind>{Kind::kFound});
  }
  // Others may be wanted by now: the group needs its first members.
  const auto before = cluster_.state.FindGroup(id)->wanted;
  cluster_.state.FindGroup(id)->wanted.clear();
  EXPECT_EQ(kinds(), std::vector<Kind>{Kind::kFound});
  cluster_.state.FindGroup(id)->wanted = before;
  // An id that is lost before is not founded with.
  host.prepared[id] = ReplicaId(9);
  EXPECT_EQ(kinds(), std::vector<Kind>{Kind::kReportReplica});
}

// Its node was down when the group began.
TEST_F(ReconcileTest, FirstVoterThatComesTooLate_IsReplacedByAnother) {
  Want({1, 2, 3});
  HostView late = Host(3);
  late.prepared[kFirst] = late.replicas[0].replica;
  late.replicas.clear();
  EXPECT_EQ(Kinds(late), std::vector<Kind>{Kind::kPrepare});
  late.prepared[kFirst] = kNew;
  EXPECT_EQ(Kinds(late), std::vector<Kind>{Kind::kReportReplica});
  cluster_.Do(Command::ReportReplica{kFirst, NodeId(3), late.store, kNew});
  EXPECT_EQ(Kinds(late), std::vector<Kind>{Kind::kJoin});
  // The new one takes the place of the voter that never ran.
  HostView leader = LeaderHost(1);
  MemberOf(leader, Cluster::MemberOn(kFirst, 3).replica).answers = false;
  const auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].configuration, WithLearner(3, kNew));
}

TEST_F(ReconcileTest, StoreThatIsNotBound_DoesNothing) {
  Want({1, 2, 4});
  HostView host{.node = NodeId(4), .store = StoreIncarnation(9)};
  EXPECT_TRUE(Reconcile(cluster_.state, host).empty());
  host.node = NodeId(99);
  EXPECT_TRUE(Reconcile(cluster_.state, host).empty());
}

// An operator replaced a node that works. The others refuse it.
TEST_F(ReconcileTest, StoreThatWasReplaced_DoesNothing) {
  Want({2, 3, 4});
  Prefer(2);
  Reported().leader = NodeId(1);
  HostView leader = LeaderHost(1);
  NodeRecord& node = *cluster_.state.FindNode(NodeId(1));
  node.former_store = std::exchange(node.store, StoreIncarnation());
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{});
}

// Damage of the log brought back a replica that was dropped, and its
// configuration is lost.
TEST_F(ReconcileTest, FencedReplicaThatNoConfigurationNames_IsDropped) {
  Want({1, 2, 4});
  HostView host{.node = NodeId(3), .store = Cluster::StoreOf(3)};
  const ReplicaId named = Cluster::MemberOn(kFirst, 3).replica;
  host.replicas.push_back({.group = kFirst, .replica = kNew, .fenced = true});
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kDrop});
  // The host would drop both.
  host.replicas.push_back({.group = kFirst, .replica = named, .fenced = true});
  EXPECT_EQ(Kinds(host), std::vector<Kind>{});
  cluster_.Report(kFirst, Cluster::MembersOn(kFirst, {1, 2}), NodeId(1));
  EXPECT_EQ(Kinds(host), (std::vector<Kind>{Kind::kDrop, Kind::kDrop}));
}

// Its log has no entry of the configuration any more.
TEST_F(ReconcileTest, LeaderWithACompactedLog_ActsAndReportsNothing) {
  Want({1, 2, 4});
  HostView leader = LeaderHost(1);
  leader.replicas[0].compacted = leader.replicas[0].position.index;
  leader.replicas[0].position.index = leader.replicas[0].position.index + 500;
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  const auto actions = Act(leader);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kChange);
  EXPECT_EQ(actions[0].base, leader.replicas[0].compacted);
}

// A replica joined and left again meanwhile, and the controller knows of
// neither.
TEST_F(ReconcileTest, LeaderWithACompactedLaterEntry_ReportsItsPosition) {
  HostView leader = LeaderHost(1);
  const raft::Index reported = leader.replicas[0].position.index;
  leader.replicas[0].compacted = reported + 8;
  leader.replicas[0].position.index = reported + 500;
  const auto actions = Act(leader);
  ASSERT_FALSE(actions.empty());
  EXPECT_EQ(actions[0].kind, Kind::kReportGroup);
  EXPECT_EQ(actions[0].report.position.index, reported + 500);
}

TEST_F(ReconcileTest, LeaderBehindOneWithACompactedLog_Acts) {
  Want({1, 2, 4});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  const HostView leader = LeaderHost(1);
  Reported().position.index = Reported().position.index + 500;
  EXPECT_EQ(Kinds(leader), std::vector<Kind>{Kind::kChange});
}

TEST_F(ReconcileTest, OldLeader_StaysSilent) {
  Want({1, 2, 4});
  cluster_.Do(
      Command::ReportReplica{kFirst, NodeId(4), Cluster::StoreOf(4), kNew});
  const HostView old = LeaderHost(1);
  Reported().term = raft::Term(9);
  EXPECT_EQ(Kinds(old), std::vector<Kind>{});
  HostView unsettled = LeaderHost(1);
  unsettled.replicas[0].leads->settled = false;
  EXPECT_EQ(Kinds(unsettled), std::vector<Kind>{});
}

// ---- A lost majority.

class RecoveryTest : public ReconcileTest {
 protected:
  RecoveryTest() {
    Want({1});
    cluster_.state.FindGroup(kFirst)->wanted[0].replica = ReplicaId();
    cluster_.state.FindGroup(kFirst)->recovery =
        GroupRecovery{.node = NodeId(1),
                      .store = Cluster::StoreOf(1),
                      .replica = Cluster::MemberOn(kFirst, 1).replica,
                      .generation = 2};
  }
  // The host after its replica was recovered; it leads.
  HostView Recovered() {
    HostView host = Host(1);
    HostedReplica& own = host.replicas[0];
    own.replica = kNew;
    own.configuration.voters = {
        {.replica = kNew, .node = NodeId(1), .store = Cluster::StoreOf(1)}};
    own.configuration.generation = 2;
    own.position = {raft::Term(1), raft::Index(1)};
    own.leads =
        HostedReplica::Leadership{.term = raft::Term(1), .settled = true};
    return host;
  }
  // The report has come.
  void Note() {
    GroupRecord& group = *cluster_.state.FindGroup(kFirst);
    const HostedReplica own = Recovered().replicas[0];
    group.recovery.reset();
    group.reported = ReportedConfiguration{.position = own.position,
                                           .configuration = own.configuration,
                                           .leader = NodeId(1),
                                           .term = raft::Term(1)};
  }
};

TEST_F(RecoveryTest, ChosenReplica_IsRecoveredAndNothingElse) {
  const auto actions = Act(Host(1));
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::kRecover);
  EXPECT_EQ(actions[0].generation, 2u);
  EXPECT_EQ(actions[0].known_term, Reported().term);
}

// They may have a leader again.
TEST_F(RecoveryTest, OtherReplicasOfEarlierGenerations_AreHeld) {
  HostView other = Host(1);
  other.replicas[0].replica = ReplicaId(5);
  for (HostView host : {Host(2), LeaderHost(2), other}) {
    const auto actions = Act(host);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].kind, Kind::kHold);
    EXPECT_EQ(actions[0].replica, host.replicas[0].replica);
    host.replicas[0].held = true;
    EXPECT_EQ(Kinds(host), std::vector<Kind>{});
  }
  // One that joins may be a member of the new generation.
  HostView joining = Host(2);
  joining.replicas[0].position = raft::LogPosition();
  EXPECT_EQ(Kinds(joining), std::vector<Kind>{});
  HostView recovered = Host(2);
  recovered.replicas[0].configuration.generation = 2;
  EXPECT_EQ(Kinds(recovered), std::vector<Kind>{});
}

// It is chosen after the node that was chosen first.
TEST_F(RecoveryTest, HeldReplicaThatIsChosen_IsRecovered) {
  HostView host = Host(1);
  host.replicas[0].held = true;
  EXPECT_EQ(Kinds(host), std::vector<Kind>{Kind::kRecover});
}

// Its term may be lower than that of the lost leader.
TEST_F(RecoveryTest, RecoveredLeader_ReportsBeforeItNamesOthers) {
  EXPECT_EQ(Kinds(Recovered()), std::vector<Kind>{Kind::kReportGroup});
  // The wish of before the recovery has ids of old replicas.
  cluster_.state.FindGroup(kFirst)->recovery.reset();
  Want({1, 2, 3});
  EXPECT_EQ(Kinds(Recovered()),
            (std::vector<Kind>{Kind::kReportReplica, Kind::kReportGroup}));
}

TEST_F(RecoveryTest, ReplicaOfAnEarlierGeneration_IsDroppedAlthoughWanted) {
  const HostView second = Host(2);
  const HostView third = Host(3);
  Note();
  Want({1, 2, 3});
  EXPECT_EQ(Kinds(second), std::vector<Kind>{Kind::kDrop});
  EXPECT_EQ(Kinds(third), std::vector<Kind>{Kind::kDrop});
  // Without the old one it gets another.
  HostView empty{.node = NodeId(2), .store = Cluster::StoreOf(2)};
  EXPECT_EQ(Kinds(empty), std::vector<Kind>{Kind::kPrepare});
}

// The operator gave the node up before it came back.
TEST_F(RecoveryTest, GivenUpStore_DropsReplicasOfEarlierGenerations) {
  const HostView second = Host(2);
  cluster_.state.FindNode(NodeId(2))->store = StoreIncarnation(5);
  EXPECT_EQ(Kinds(second), std::vector<Kind>{Kind::kHold});
  Note();
  EXPECT_EQ(Kinds(second), std::vector<Kind>{Kind::kDrop});
  cluster_.state.FindNode(NodeId(2))->state = NodeState::kRemoved;
  EXPECT_EQ(Kinds(second), std::vector<Kind>{Kind::kDrop});
  HostView joining = second;
  joining.replicas[0].position = raft::LogPosition();
  EXPECT_EQ(Kinds(joining), std::vector<Kind>{});
}

// It has no configuration yet, so no generation.
TEST_F(RecoveryTest, JoiningReplica_Stays) {
  Note();
  Want({1, 4});
  HostView host{.node = NodeId(4), .store = Cluster::StoreOf(4)};
  host.replicas.push_back({.group = kFirst, .replica = ReplicaId(88)});
  cluster_.state.FindGroup(kFirst)->wanted[1].store = Cluster::StoreOf(4);
  cluster_.state.FindGroup(kFirst)->wanted[1].replica = ReplicaId(88);
  EXPECT_EQ(Kinds(host), std::vector<Kind>{});
}

TEST_F(ReconcileTest, NodeThatLeavesWithoutReplicas_SaysSo) {
  NodeRecord* const node = cluster_.state.FindNode(NodeId(2));
  node->state = NodeState::kDraining;
  node->leaving = true;
  HostView view = {.node = NodeId(2), .store = node->store};
  const auto says_so = [&] {
    const std::vector<ReconcileAction> actions =
        Reconcile(cluster_.state, view);
    return std::any_of(actions.begin(), actions.end(), [](const auto& action) {
      return action.kind == Kind::kReportEmpty;
    });
  };
  EXPECT_TRUE(says_so());
  view.replicas = {{.group = GroupId(1), .replica = ReplicaId(7)}};
  EXPECT_FALSE(says_so());
  view.replicas.clear();
  node->empty = true;
  EXPECT_FALSE(says_so());
}

}  // namespace
}  // namespace quorate::shardctrl
