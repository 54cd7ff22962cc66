// Shows the rules of places and of wishes their violations, and the correct
// behaviour next to them.
#include "sim/cluster/places.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shardctrl/controller/token.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/members/admin_client.h"
#include "sim/members/controller_checker.h"
#include "sim/members/member_changes.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

// One founder at the first place, and two places that are free.
class PlacesTest : public testing::Test {
 protected:
  PlacesTest()
      : checker_([this](std::string what) { world_.Violate(std::move(what)); }),
        cluster_(
            world_, checker_,
            {.nodes = 1,
             .spares = 2,
             .groups = 1,
             .replicas = 1,
             .peer_streams = [](NodeId) { return raft::TransportOptions(); }}),
        places_(cluster_.places()) {
    members_.emplace(&world_, &cluster_, &controller_, /*value_bytes=*/100);
    world_.SetStepHook([this](MachineId machine) {
      cluster_.AfterTurn(machine);
      members_->AfterTurn();
    });
    cluster_.SetCommitHook([this](GroupId group, const raft::Entry& entry) {
      if (group == shardctrl::kControllerGroup) controller_.OnCommitted(entry);
      members_->OnCommitted(group, entry);
    });
    cluster_.SetStepHook(
        [this](NodeId, GroupId group, const raft::Core& core,
               const raft::Output&) { members_->OnStep(group, core); });
    cluster_.Start();
    const MachineId machine =
        world_.AddMachine({.name = "operator", .client = true});
    world_.Start(machine, [this](env::Env& env) {
      return client_ = std::make_shared<AdminClient>(env);
    });
    EXPECT_TRUE(RunUntil([this] { return places_.HasStore(0); }));
    world_.RunFor(Seconds(2));
  }
  bool RunUntil(std::function<bool()> done) {
    return world_.RunUntilTrue(std::move(done), Seconds(30));
  }
  OperatorAnswer Ask(OperatorRequest request) {
    std::optional<OperatorAnswer> answer;
    client_->Ask(places_.FirstAddress(0, Places::kAdminPort), request,
                 Seconds(5), [&](const OperatorAnswer& got) { answer = got; });
    EXPECT_TRUE(RunUntil([&] { return answer.has_value(); }));
    return *answer;
  }
  // The token of the next node.
  node::JoinConfig Add(std::string body = "") {
    const OperatorAnswer answer =
        Ask({.method = "POST", .target = "/v1/nodes", .body = std::move(body)});
    const auto token =
        shardctrl::ParseToken(answer.body["token"].get<std::string>());
    return {.cluster = token->cluster,
            .node = token->node,
            .seeds = answer.body["seeds"],
            .token = answer.body["token"]};
  }
  // Nodes come to the free places, and the group has a voter on each.
  void MakeThreeVoters() {
    for (const size_t place : {1, 2}) {
      const node::JoinConfig join = Add();
      places_.MoveIn(place, {.node = join.node, .join = join});
      EXPECT_TRUE(RunUntil([&] { return places_.HasStore(place); }));
    }
    EXPECT_EQ(Ask({.method = "PATCH",
                   .target = "/v1/groups/1",
                   .body = "{\"replicas\":3}"})
                  .status,
              200);
    EXPECT_TRUE(RunUntil([&] {
      return cluster_.groups()[0].voters.size() == 3 &&
             members_->Unmet().empty();
    }));
  }
  // An operator comes, who wishes nothing by itself.
  void StartOperator() {
    std::vector<MachineId> machines;
    members_->Start(&machines);
    world_.RunFor(Milliseconds(1));
    members_->Stop();
  }
  void ExpectFound(std::string_view rule) {
    ASSERT_FALSE(world_.violations().empty());
    EXPECT_EQ(world_.violations()[0].substr(0, rule.size()), rule)
        << world_.violations()[0];
  }
  void ExpectNone() {
    world_.RunFor(Seconds(10));
    EXPECT_TRUE(world_.violations().empty()) << world_.violations()[0];
  }

  World world_{{.seed = 1}};
  ReplicaChecker checker_;
  std::shared_ptr<AdminClient> client_;
  ControllerChecker controller_{
      [this](raft::Index index, uint64_t digest) {
        checker_.ExpectDigest(shardctrl::kControllerGroup, index, digest);
      },
      [this](std::string what) { world_.Violate(what); }};
  std::optional<MemberChanges> members_;  // Programs that end call it.
  Cluster cluster_;
  Places& places_;
};

TEST_F(PlacesTest, ErasedNodeThatStarts_Found) {
  const MachineId machine = places_.machines()[0];
  World shelf({.seed = 2});
  const MachineId copy = shelf.AddMachine({.name = "copy"});
  shelf.CopyDisk(copy, world_, machine, CrashKind::kProcess);
  places_.Erase(0);
  ExpectNone();
  // The disk was not gone.
  world_.Crash(machine, CrashKind::kProcess);
  world_.CopyDisk(machine, shelf, copy, CrashKind::kProcess);
  world_.Restart(machine);
  world_.RunFor(Seconds(5));
  ExpectFound("identity");
}

TEST_F(PlacesTest, TokenThatIsNotRefused_Found) {
  cluster_.SetBound(nullptr);
  node::JoinConfig join = Add();
  const NodeId node = join.node;
  places_.MoveIn(1, {.node = node, .join = std::move(join), .refused = true});
  world_.RunFor(Seconds(5));
  ExpectFound("admission");
}

// The controller has taken it, and it starts once its slow disk allows it.
TEST_F(PlacesTest, StoreWhoseTokenWasReplacedMeanwhile_MayStart) {
  node::JoinConfig join = Add();
  const NodeId node = join.node;
  places_.MoveIn(1, {.node = node, .join = std::move(join), .refused = true});
  ExpectNone();
  EXPECT_TRUE(places_.HasStore(1));
}

TEST_F(PlacesTest, SecondStoreWithAToken_IsRefused) {
  const node::JoinConfig join = Add();
  for (const size_t place : {1, 2}) {
    places_.MoveIn(place, {.node = join.node, .join = join});
  }
  ExpectNone();
  EXPECT_NE(places_.HasStore(1), places_.HasStore(2));
  EXPECT_TRUE(places_.tenant(places_.HasStore(1) ? 2 : 1)->refused);
}

TEST_F(PlacesTest, CopyOfAnotherNodesDirectory_IsRefused) {
  const node::JoinConfig join = Add();
  places_.MoveIn(1, {.node = join.node, .join = join});
  EXPECT_TRUE(RunUntil([this] { return places_.HasStore(1); }));
  places_.CopyDisk(
      0, 2, {.node = join.node, .join = node::JoinConfig(), .refused = true});
  ExpectNone();
  // The directory is that of the node, which runs.
  places_.MoveOut(2);
  places_.CopyDisk(
      1, 2, {.node = join.node, .join = node::JoinConfig(), .refused = true});
  ExpectNone();
  // Its original is down, so it starts.
  world_.Crash(places_.machines()[1], CrashKind::kProcess);
  places_.MoveOut(2);
  places_.CopyDisk(
      1, 2, {.node = join.node, .join = node::JoinConfig(), .refused = true});
  world_.RunFor(Seconds(5));
  ExpectFound("admission");
}

TEST_F(PlacesTest, SwappedDisks_ServeOn) {
  const node::JoinConfig join = Add();
  places_.MoveIn(1, {.node = join.node, .join = join});
  EXPECT_TRUE(RunUntil([this] { return places_.HasStore(1); }));
  places_.SwapDisks(0, 1);
  EXPECT_EQ(places_.PlaceOf(NodeId(1)), 1u);
  ExpectNone();
  EXPECT_NE(cluster_.ServerAt(0), nullptr);
  EXPECT_NE(cluster_.ServerAt(1), nullptr);
}

TEST_F(PlacesTest, PlaceThatANodeWithoutAVoteLeft_MayHaveRefusedWrites) {
  const node::JoinConfig join = Add("{\"role\":\"read-only\"}");
  places_.MoveIn(1, {.node = join.node, .join = join});
  EXPECT_TRUE(RunUntil([this] { return places_.HasStore(1); }));
  EXPECT_FALSE(members_->WasReadOnly(NodeId(1)));
  EXPECT_TRUE(members_->WasReadOnly(NodeId(2)));
  places_.SwapDisks(0, 1);
  EXPECT_TRUE(members_->WasReadOnly(NodeId(1)));
  EXPECT_TRUE(members_->WasReadOnly(NodeId(2)));
  world_.RunFor(Seconds(11));
  EXPECT_TRUE(members_->WasReadOnly(NodeId(1)));
  EXPECT_FALSE(members_->WasReadOnly(NodeId(2)));
}

// The file of the disk that stays names an address for a founder that is gone.
TEST(Places, LastNodeOnAnotherMachine_StartsAsMoved) {
  World world({.seed = 1});
  Places places(&world, {.founders = 2, .spares = 1});
  for (const MachineId machine : places.machines()) {
    world.Start(machine, [](env::Env&) { return std::shared_ptr<void>(); });
  }
  places.MoveOut(1);
  places.MoveDisk(0, 2);
  node::Config file;
  places.FillIn(2, &file);
  EXPECT_TRUE(file.seeds.empty());
  EXPECT_TRUE(file.moved);
}

// ---- Members.

TEST_F(PlacesTest, NodeThatIsDown_IsAnUnmetWish) {
  ExpectNone();
  EXPECT_EQ(members_->Unmet(), "");
  const node::JoinConfig join = Add();
  EXPECT_EQ(members_->Unmet(), "node 2 has not joined");
  places_.MoveIn(1, {.node = join.node, .join = join});
  EXPECT_TRUE(RunUntil([this] { return members_->Unmet().empty(); }));
  world_.Crash(places_.machines()[1], CrashKind::kProcess);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(members_->Unmet(), "node 2 is down");
}

// The cluster knows its groups by the places where their members live.
TEST_F(PlacesTest, VoterWithoutItsDisk_LivesNowhere) {
  ExpectNone();
  ASSERT_EQ(cluster_.groups().size(), 2u);
  EXPECT_EQ(cluster_.groups()[0].voters, std::vector<NodeId>{NodeId(1)});
  EXPECT_FALSE(cluster_.groups()[1].stores);
  EXPECT_EQ(cluster_.OwnerOf(Slot(7)), GroupId(1));
  places_.MoveDisk(0, 2);
  world_.RunFor(Seconds(5));
  EXPECT_EQ(cluster_.groups()[0].voters, std::vector<NodeId>{NodeId(3)});
  places_.Erase(2);
  world_.RunFor(Seconds(1));
  members_->AfterTurn();
  EXPECT_EQ(cluster_.groups()[0].voters, std::vector<NodeId>{NodeId()});
  EXPECT_TRUE(cluster_.groups()[0].members().empty());
  EXPECT_TRUE(world_.violations().empty()) << world_.violations()[0];
}

TEST_F(PlacesTest, DamagedDisk_IsGivenUp) {
  MakeThreeVoters();
  StartOperator();
  places_.OnDamaged(2, "log");
  EXPECT_TRUE(RunUntil([this] { return !places_.IsDamaged(2); }));
  EXPECT_TRUE(places_.lost().has_value());
}

// Its groups would get other leaders, though no fault is left.
TEST_F(PlacesTest, DamagedDiskInTheCalm_Stays) {
  MakeThreeVoters();
  StartOperator();
  places_.OnDamaged(2, "log");
  members_->BeginCalm();
  world_.RunFor(Seconds(30));
  EXPECT_TRUE(places_.IsDamaged(2));
}

// The process of the old store goes on. It is no member, and need not know of
// leaders.
TEST_F(PlacesTest, VoterWhoseStoreWasGivenUp_LivesNowhere) {
  MakeThreeVoters();
  EXPECT_EQ(Ask({.method = "POST",
                 .target = "/v1/nodes/3/replace",
                 .body = "{\"even_if_up\":true}"})
                .status,
            200);
  world_.RunFor(Seconds(5));
  ASSERT_NE(cluster_.ServerAt(2), nullptr);
  EXPECT_EQ(cluster_.groups()[0].voters.size(), 3u);
  EXPECT_TRUE(cluster_.groups()[0].Has(NodeId()));
  EXPECT_FALSE(cluster_.groups()[0].Has(NodeId(3)));
}

TEST_F(PlacesTest, NodeThatStartsAgain_HasNoLinksForAWhile) {
  const node::JoinConfig join = Add();
  places_.MoveIn(1, {.node = join.node, .join = join});
  const auto linked = [this] {
    return cluster_.Linked([](NodeId) { return true; });
  };
  EXPECT_TRUE(RunUntil([&] { return places_.HasStore(1) && linked(); }));
  places_.Restart(1);
  EXPECT_TRUE(RunUntil([&] { return cluster_.ServerAt(1) != nullptr; }));
  EXPECT_FALSE(linked());
  EXPECT_TRUE(RunUntil(linked));
}

}  // namespace
}  // namespace quorate::sim
