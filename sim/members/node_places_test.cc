// Shows the rules of places and of wishes their violations, and the correct
// behaviour next to them.
#include "sim/members/node_places.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shardctrl/controller/token.h"
#include "sim/harness/harness.h"
#include "sim/members/admin_client.h"
#include "sim/members/members_subject.h"

namespace quorate::sim {
namespace {

// One founder at the first place, and two places that are free.
class NodePlacesTest : public testing::Test {
 protected:
  NodePlacesTest()
      : checker_([this](std::string what) { world_.Violate(std::move(what)); }),
        places_(&world_, &checker_, {},
                {.founders = 1, .spares = 2, .groups = 1, .replicas = 1}) {
    world_.SetStepHook(
        [this](MachineId machine) { places_.AfterTurn(machine); });
    places_.Start();
    const MachineId machine =
        world_.AddMachine({.name = "operator", .client = true});
    world_.Start(machine, [this](env::Env& env) {
      return client_ = std::make_shared<AdminClient>(env);
    });
    EXPECT_TRUE(RunUntil([this] { return places_.HasStore(0); }));
    world_.RunFor(Seconds(2));
  }
  bool RunUntil(std::function<bool()> done) {
    return world_.RunUntilTrue(std::move(done), Seconds(20));
  }
  // The token of the next node.
  node::JoinConfig Add() {
    std::optional<OperatorAnswer> answer;
    client_->Ask(places_.FirstAddress(0, NodePlaces::kAdminPort),
                 {.method = "POST", .target = "/v1/nodes"}, Seconds(5),
                 [&](const OperatorAnswer& got) { answer = got; });
    EXPECT_TRUE(RunUntil([&] { return answer.has_value(); }));
    const auto token =
        shardctrl::ParseToken(answer->body["token"].get<std::string>());
    return {.cluster = token->cluster,
            .node = token->node,
            .seeds = answer->body["seeds"],
            .token = answer->body["token"]};
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
  NodePlaces places_;
};

TEST_F(NodePlacesTest, ErasedNodeThatStarts_Found) {
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

TEST_F(NodePlacesTest, TokenThatIsNotRefused_Found) {
  node::JoinConfig join = Add();
  const NodeId node = join.node;
  places_.MoveIn(1, {.node = node, .join = std::move(join), .refused = true});
  world_.RunFor(Seconds(5));
  ExpectFound("admission");
}

TEST_F(NodePlacesTest, SecondStoreWithAToken_IsRefused) {
  const node::JoinConfig join = Add();
  for (const size_t place : {1, 2}) {
    places_.MoveIn(place, {.node = join.node, .join = join});
  }
  ExpectNone();
  EXPECT_NE(places_.HasStore(1), places_.HasStore(2));
  EXPECT_TRUE(places_.tenant(places_.HasStore(1) ? 2 : 1)->refused);
}

TEST_F(NodePlacesTest, CopyOfAnotherNodesDirectory_IsRefused) {
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

TEST_F(NodePlacesTest, SwappedDisks_ServeOn) {
  const node::JoinConfig join = Add();
  places_.MoveIn(1, {.node = join.node, .join = join});
  EXPECT_TRUE(RunUntil([this] { return places_.HasStore(1); }));
  places_.SwapDisks(0, 1);
  EXPECT_EQ(places_.PlaceOf(NodeId(1)), 1u);
  ExpectNone();
  EXPECT_NE(places_.server(0), nullptr);
  EXPECT_NE(places_.server(1), nullptr);
}

// A subject one of whose nodes dies after the healing.
class DeadNodeSubject final : public Subject {
 public:
  explicit DeadNodeSubject(World* world) : world_(*world), members_(world) {}

  ScheduleOptions Start() override { return members_.Start(); }
  void AfterTurn(MachineId machine) override { members_.AfterTurn(machine); }
  void StopClients() override { members_.StopClients(); }
  bool ClientsIdle() const override { return members_.ClientsIdle(); }
  uint64_t FinishedWork() const override { return members_.FinishedWork(); }
  std::vector<Probe> Probes(Stage stage) override {
    return members_.Probes(stage);
  }
  std::vector<Condition> Conditions(Stage stage) override {
    if (stage == Stage::kAll) world_.Crash(MachineId(1), CrashKind::kProcess);
    return members_.Conditions(stage);
  }
  void Finish() override { members_.Finish(); }
  std::string Describe() const override { return members_.Describe(); }

 private:
  World& world_;
  MembersSubject members_;
};

TEST(Wishes, NodeThatStaysDown_Liveness) {
  const HarnessOptions options{
      .seed = 4, .duration = Seconds(5), .faults = false};
  const auto run = [&](auto make) {
    const HarnessResult result = RunSeed(options, make);
    return result.violations.empty() ? "" : result.violations[0];
  };
  EXPECT_EQ(run([](World& world) {
              return std::make_unique<MembersSubject>(&world);
            }),
            "");
  const std::string found = run(
      [](World& world) { return std::make_unique<DeadNodeSubject>(&world); });
  EXPECT_TRUE(found.starts_with("liveness: every wish")) << found;
}

}  // namespace
}  // namespace quorate::sim
