// Shows each rule of changes its violation, and the correct behaviour next to
// it.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/siphash.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/founding.h"
#include "sim/checks/replica_checker.h"
#include "sim/members/admin_client.h"
#include "sim/members/change_cuts.h"
#include "sim/members/controller_checker.h"
#include "sim/members/member_rules.h"
#include "sim/members/operator_notes.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using shardctrl::ControllerCommand;
using shardctrl::kControllerGroup;

constexpr GroupId kGroup(1);

raft::Member On(uint32_t node) {
  return {.replica = ReplicaId(100 + node),
          .node = NodeId(node),
          .store = StoreIncarnation(1000 + node)};
}

raft::Configuration Of(std::vector<uint32_t> nodes) {
  raft::Configuration configuration;
  for (const uint32_t node : nodes) configuration.voters.push_back(On(node));
  return configuration;
}

class MemberRulesTest : public testing::Test {
 protected:
  MemberRulesTest() {
    shardctrl::ClusterFounding founding;
    founding.default_replicas = 3;
    for (uint32_t node = 1; node <= 4; ++node) {
      founding.nodes.push_back(
          {.id = NodeId(node),
           .name = std::string(1, 'm') + std::to_string(node),
           .store = On(node).store});
    }
    founding.groups.push_back(
        {.id = kGroup, .name = "g1", .configuration = Of({1, 2, 3})});
    founding.groups.push_back({.id = kControllerGroup,
                               .name = "controller",
                               .configuration = Of({1, 2, 3})});
    founding.slots.push_back({{Slot(0), Slot(16383)}, kGroup});
    auto state = shardctrl::FoundCluster(std::move(founding));
    EXPECT_TRUE(state.ok()) << state.status();
    raft::Configuration first = Of({1, 2, 3});
    first.machine_kind = shardctrl::kControllerKind;
    first.parameters = Buffer::Copy(shardctrl::EncodeState(*state));
    Commit(kControllerGroup, raft::EntryKind::kConfiguration,
           raft::EncodeConfiguration(first));
    Commit(kGroup, raft::EntryKind::kConfiguration,
           raft::EncodeConfiguration(Of({1, 2, 3})));
  }

  void Commit(GroupId group, raft::EntryKind kind, Buffer payload) {
    uint64_t& last = last_[group];
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.index = raft::Index(++last);
    entry.log_time = WallTime(1'000'000'000);
    entry.kind = kind;
    entry.payload = std::move(payload);
    replica_checker_.OnApplied(NodeId(1), group, entry);
    if (group == kControllerGroup) controller_.OnCommitted(entry);
    rules_.OnCommitted(group, entry);
  }
  void Do(const shardctrl::OperationId& id, ControllerCommand::Body body) {
    Commit(kControllerGroup, raft::EntryKind::kCommands,
           Buffer::Copy(shardctrl::EncodeCommand({id, std::move(body)})));
  }
  void ExpectFound(std::string_view rule) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_EQ(found_[0].substr(0, rule.size()), rule) << found_[0];
  }

  SimTime now_;
  std::vector<std::string> found_;
  std::map<GroupId, uint64_t> last_;
  ReplicaChecker replica_checker_{
      [this](std::string what) { found_.push_back(what); }};
  ControllerChecker controller_{
      [this](raft::Index index, uint64_t digest) {
        replica_checker_.ExpectDigest(shardctrl::kControllerGroup, index,
                                      digest);
      },
      [this](std::string what) { found_.push_back(what); }};
  MemberRules rules_{&controller_, [this] { return now_; },
                     [this](std::string what) { found_.push_back(what); }};
};

TEST_F(MemberRulesTest, AnswerThatTheLogDidNotGive_Found) {
  Do({7, 7}, ControllerCommand::DrainNode{NodeId(9)});
  rules_.OnAnswer({7, 7}, 409, "drain");
  rules_.OnAnswer({8, 8}, 503, "an answer without an outcome");
  EXPECT_TRUE(found_.empty());
  rules_.OnAnswer({7, 7}, 200, "drain");
  ExpectFound("refusal");
}

TEST_F(MemberRulesTest, AnswerWithoutAnEntry_Found) {
  rules_.OnAnswer({7, 7}, 200, "drain");
  ExpectFound("refusal");
}

TEST_F(MemberRulesTest, CopiesThatDiffer_Found) {
  Do({}, ControllerCommand::DecideMove{.move = MoveId(1),
                                       .give_up = "the copies differ"});
  ExpectFound("copies");
}

TEST_F(MemberRulesTest, CommandThatComesTwice_IsExecutedOnce) {
  Do({7, 7}, ControllerCommand::AddNode{.name = "new"});
  const size_t nodes = rules_.state()->nodes.size();
  Do({7, 7}, ControllerCommand::AddNode{.name = "new"});
  EXPECT_EQ(rules_.state()->nodes.size(), nodes);
  EXPECT_TRUE(found_.empty());
}

TEST_F(MemberRulesTest, ReplicaOfTheControllerUnlikeItsModel_Found) {
  Do({}, ControllerCommand::AddNode{.name = "new"});
  const uint64_t digest = SipHash(SipKey{}, EncodeState(*rules_.state()));
  const raft::Index index(last_[kControllerGroup]);
  replica_checker_.OnDigest(NodeId(1), kControllerGroup, index, digest);
  EXPECT_TRUE(found_.empty());
  replica_checker_.OnDigest(NodeId(2), kControllerGroup, index, digest + 1);
  ExpectFound("digest");
}

TEST_F(MemberRulesTest, ReportOfAnotherConfiguration_Found) {
  shardctrl::ReportedConfiguration report{
      .position = {raft::Term(1), raft::Index(5)},
      .configuration = Of({1, 2, 3}),
      .leader = NodeId(1),
      .term = raft::Term(1)};
  rules_.OnLog(kGroup, ReplicaId(101), raft::Index(6), raft::Index(6));
  Do({}, ControllerCommand::ReportGroup{kGroup, report});
  rules_.Finish();
  EXPECT_TRUE(found_.empty());
  report.position.index = raft::Index(6);
  report.configuration = Of({1, 2, 4});
  Do({}, ControllerCommand::ReportGroup{kGroup, report});
  rules_.Finish();
  ExpectFound("report");
}

TEST_F(MemberRulesTest, ReportOfWhatIsNotCommitted_Found) {
  shardctrl::ReportedConfiguration report{
      .position = {raft::Term(1), raft::Index(5)},
      .configuration = Of({1, 2, 3}),
      .leader = NodeId(1),
      .term = raft::Term(1)};
  rules_.OnLog(kGroup, ReplicaId(101), raft::Index(5), raft::Index(4));
  Do({}, ControllerCommand::ReportGroup{kGroup, report});
  ExpectFound("report");
}

TEST_F(MemberRulesTest, RecoveryOfAGroupWithItsMajority_Found) {
  raft::Configuration recovered = Of({2});
  recovered.generation = 2;
  rules_.OnMajorityLost(kGroup);
  EXPECT_EQ(rules_.lost(), std::vector<GroupId>{kGroup});
  rules_.OnRecovery(kGroup, raft::Index(7), recovered);
  EXPECT_TRUE(found_.empty());
  EXPECT_TRUE(rules_.lost().empty());
  EXPECT_EQ(*rules_.Committed(kGroup), recovered);
  recovered.generation = 4;
  rules_.OnRecovery(kGroup, raft::Index(8), recovered);
  ExpectFound("recovery");
}

TEST_F(MemberRulesTest, VoterWithoutTheConfigurationBefore_Found) {
  rules_.OnLog(kGroup, ReplicaId(104), raft::Index(8), raft::Index(1));
  rules_.CheckNewVoters(kGroup, raft::Index(8), Of({1, 2, 3}), Of({1, 2, 4}));
  EXPECT_TRUE(found_.empty());
  rules_.CheckNewVoters(kGroup, raft::Index(9), Of({1, 2, 3}), Of({1, 2, 4}));
  ExpectFound("learner");
}

TEST_F(MemberRulesTest, ReplicaWorks_ForAWhile) {
  rules_.OnWorks(ReplicaId(101));
  EXPECT_TRUE(rules_.Works(ReplicaId(101)));
  EXPECT_FALSE(rules_.Works(ReplicaId(102)));
  now_ = now_ + MemberRules::kKnownToWork;
  EXPECT_FALSE(rules_.Works(ReplicaId(101)));
}

TEST_F(MemberRulesTest, ProposalOfVotersThatDoNotWork_Found) {
  for (const uint32_t node : {1, 2, 3}) rules_.OnWorks(ReplicaId(100 + node));
  rules_.CheckProposal(kGroup, Of({1, 2, 3}), Of({1, 2, 4}));
  EXPECT_TRUE(found_.empty());
  rules_.CheckProposal(kGroup, Of({1, 2, 3}), Of({1, 4, 5}));
  ExpectFound("majority");
}

TEST_F(MemberRulesTest, VoterThatNoneReplaces_Found) {
  for (const uint32_t node : {1, 2, 3}) rules_.OnWorks(ReplicaId(100 + node));
  rules_.CheckProposal(kGroup, Of({1, 2, 3}), Of({1, 2}));
  ExpectFound("replacement");
}

raft::Configuration Joint(std::vector<uint32_t> before,
                          std::vector<uint32_t> after) {
  raft::Configuration joint = Of(std::move(after));
  joint.outgoing_voters = Of(std::move(before)).voters;
  return joint;
}

// The request waits at a node, or in a log that is not committed.
TEST(LateRequests, RequestOfUnknownOutcome_IsOverBehindAllLogs) {
  LateRequests late;
  int over = 0;
  late.Add(SimTime(), [&] { ++over; });
  const SimTime then = SimTime() + LateRequests::kWaitMax;
  late.Look(then - Milliseconds(1), raft::Index(5), raft::Index(5));
  EXPECT_EQ(over, 0);
  late.Look(then, raft::Index(8), raft::Index(7));
  late.Look(then + Seconds(9), raft::Index(9), raft::Index(7));
  EXPECT_EQ(over, 0);
  late.Look(then + Seconds(10), raft::Index(9), raft::Index(8));
  EXPECT_EQ(over, 1);
  late.Look(then + Seconds(11), raft::Index(9), raft::Index(9));
  EXPECT_EQ(over, 1);
}

TEST(ChangeCuts, ReplacedVoter_EachSideHasAMajority) {
  const auto sides = SidesOf(Joint({1, 2, 3}, {1, 2, 4}), ReplicaId(101));
  ASSERT_TRUE(sides.has_value());
  EXPECT_EQ(sides->incoming, (std::vector<NodeId>{NodeId(1), NodeId(4)}));
  EXPECT_EQ(sides->outgoing, (std::vector<NodeId>{NodeId(2), NodeId(3)}));
}

TEST(ChangeCuts, ReplacedVoterOfFive_OneThatStaysJoinsTheLeader) {
  const auto sides =
      SidesOf(Joint({1, 2, 3, 4, 5}, {1, 2, 3, 4, 6}), ReplicaId(101));
  ASSERT_TRUE(sides.has_value());
  EXPECT_EQ(sides->incoming.size(), 3u);
  EXPECT_EQ(sides->outgoing.size(), 3u);
}

TEST(ChangeCuts, MajoritiesThatOverlap_NoCut) {
  EXPECT_FALSE(SidesOf(Joint({1}, {1, 2}), ReplicaId(101)).has_value());
  EXPECT_FALSE(SidesOf(Joint({1, 2}, {1, 2, 3}), ReplicaId(101)).has_value());
  // The leader is to go.
  EXPECT_FALSE(
      SidesOf(Joint({1, 2, 3}, {2, 3, 4}), ReplicaId(101)).has_value());
}

// The answer to a request to a server that sends `bytes`.
OperatorAnswer AnswerFrom(const std::string& bytes) {
  World world({.seed = 1});
  world.Start(world.AddMachine({.name = "n1"}), [&](env::Env& env) {
    return std::make_shared<Parrot>(env, "n1:7001", bytes);
  });
  OperatorAnswer result{.status = -1};
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    auto client = std::make_shared<AdminClient>(env);
    client->Ask("n1:7001", {.method = "GET", .target = "/"}, Seconds(1),
                [&](const OperatorAnswer& answer) { result = answer; });
    return client;
  });
  world.RunFor(Seconds(2));
  return result;
}

TEST(AdminClient, HalfAnAnswer_IsNone) {
  const std::string whole =
      "HTTP/1.1 409 Conflict\r\nContent-Length: 9\r\n\r\n{\"a\": 17}";
  const OperatorAnswer answer = AnswerFrom(whole);
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.body["a"], 17);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(AnswerFrom(whole.substr(0, size)).status, 0) << size;
  }
}

}  // namespace
}  // namespace quorate::sim
