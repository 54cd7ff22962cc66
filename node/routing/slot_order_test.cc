// The order of one connection's commands to a slot whose group changes in the
// map, in the simulated world.
//
// Node n1 has two groups. The stores own their slots by the last map, and the
// router begins with an earlier one. So a command that is routed by the earlier
// map is refused, as it is after its slot has left the group.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/parameters.h"
#include "kv/store/store.h"
#include "node/cluster/cluster_map.h"
#include "node/config/bootstrap_plan.h"
#include "node/config/config.h"
#include "node/config/map_parts.h"
#include "node/routing/router.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

constexpr Slot kStays{1};    // Group 1 in both maps.
constexpr Slot kMoves{100};  // From group 1 to group 2.
constexpr Slot kOther{200};  // Group 2 in both maps.

Config MakeConfig() {
  Config config;
  config.cluster = ClusterId(42);
  config.node = NodeId(1);
  config.data_dir = "unused";
  config.bootstrap = true;
  config.listen.allow_non_loopback = true;
  config.bounds.read_piece_keys = 4;
  config.bounds.turn_work = 100;
  config.nodes = {{.id = NodeId(1),
                   .resp = "n1:7001",
                   .http = "n1:8001",
                   .peer = "n1:9001"}};
  config.shards = {{.group = GroupId(1),
                    .name = "g1",
                    .slots = {{0, 99}},
                    .replicas = {NodeId(1)}},
                   {.group = GroupId(2),
                    .name = "g2",
                    .slots = {{100, 16383}},
                    .replicas = {NodeId(1)}}};
  CHECK(CompleteConfig(&config, {2, 0}).ok());
  return config;
}

// The map of `config`, or one in which group 1 has kMoves too.
shardctrl::ShardMap MakeMap(const Config& config, uint64_t version,
                            bool moved) {
  shardctrl::ShardMap::Parts parts = MapParts(config);
  parts.version = shardctrl::MapVersion(version);
  if (!moved) {
    parts.assignments = {{{Slot(0), kMoves}, GroupId(1)},
                         {{Slot(101), Slot(16383)}, GroupId(2)}};
  }
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  CHECK(map.ok()) << map.status().message();
  return *std::move(map);
}

// The router of a node, its groups, and its map.
class Node final : public raft::Host::Observer {
 public:
  explicit Node(env::Env& env)
      : config_(MakeConfig()),
        cluster_(config_),
        host_(
            env, Options(),
            [](GroupId group, const raft::Configuration& configuration) {
              return std::make_unique<kv::Store>(
                  *kv::StoreOptionsOf(group, configuration));
            },
            this),
        output_(config_.limits.output_total_bytes),
        memory_(config_.limits.memory_bytes),
        work_(env.loop, config_.bounds.turn_work),
        router_(env, host_, config_, cluster_, output_, memory_, work_,
                [](std::string_view) { return Slot(0); }) {
    cluster_.SetFirstMap(MakeMap(config_, 1, /*moved=*/false), {});
    router_.OnMapChanged();
    host_.SetReceiver(&router_.receiver());
    host_.Start([this](absl::Status status) {
      CHECK(status.ok()) << status.message();
      router_.Start();
    });
  }

  Router& router() { return router_; }
  // The map changes while requests are under way.
  void TakeMap(uint64_t version, bool moved) {
    cluster_.SetMap(MakeMap(config_, version, moved));
    router_.OnMapChanged();
  }
  // The map has no group but 2.
  void EndGroup1(uint64_t version) {
    shardctrl::ShardMap::Parts parts = MapParts(config_);
    parts.version = shardctrl::MapVersion(version);
    parts.groups.erase(parts.groups.begin());
    parts.assignments = {{{Slot(0), Slot(16383)}, GroupId(2)}};
    cluster_.SetMap(*shardctrl::ShardMap::Create(std::move(parts)));
    router_.OnMapChanged();
  }
  raft::Host& host() { return host_; }
  bool leads() const {
    return host_.group_status(GroupId(1)).ok() && Leads(GroupId(1)) &&
           Leads(GroupId(2));
  }
  const kv::Store& store(GroupId group) const {
    return static_cast<const kv::Store&>(*host_.state_machine(group));
  }

 private:
  raft::HostOptions Options() const {
    raft::HostOptions options;
    options.cluster = config_.cluster;
    options.node = config_.node;
    options.listen_address = "n1:9001";
    options.bootstrap = true;
    options.plan = MakeBootstrapPlan(MakeMap(config_, 1, /*moved=*/true), {},
                                     config_.rules);
    std::erase_if(options.plan.groups, [](const raft::GroupPlan& group) {
      return group.machine_kind != kv::kStoreKind;
    });
    options.founding_level = raft::Level(kv::kRulesVersion);
    return options;
  }
  bool Leads(GroupId group) const {
    const raft::Core* const core = host_.core(group);
    return core != nullptr && core->CanServeReads();
  }
  void OnEvent(GroupId group, const raft::Event&) override {
    router_.OnLeadershipEvent(group);
  }
  void OnApplied(GroupId group, const raft::Entry&) override {
    router_.OnApplied(group);
  }
  void OnRestored(GroupId, const raft::SnapshotDescriptor&) override {}
  void OnStopped(const absl::Status&) override {}

  const Config config_;
  ClusterMap cluster_;
  raft::Host host_;
  OutputBudget output_;
  MemoryBudget memory_;
  TurnWork work_;
  Router router_;
};

// Sends commands in order, and keeps their answers.
class Sink final : public RequestSink {
 public:
  explicit Sink(Router& router) : router_(router) {}

  // Returns false if the command is blocked. It gets the next number.
  bool Send(kv::CommandSpec spec, std::vector<std::string_view> arguments) {
    spec.arguments = arguments;
    const bool accepted = router_.Add({.sink = this, .token = next_}, spec) ==
                          Admission::kAccepted;
    if (accepted) ++next_;
    return accepted;
  }
  bool Set(Slot slot, std::string_view value) {
    return Send({.op = kv::Op::kSet, .slot = slot}, {"k", value});
  }
  bool Append(Slot slot, std::string_view value) {
    return Send({.op = kv::Op::kAppend, .slot = slot}, {"k", value});
  }
  bool Get(Slot slot) {
    return Send({.op = kv::Op::kGet, .slot = slot}, {"k"});
  }
  // SET and GET as one transaction.
  bool Exec(Slot slot, std::string_view value) {
    const std::string_view set[] = {"k", value};
    const std::string_view get[] = {"k"};
    const kv::CommandSpec specs[] = {
        {.op = kv::Op::kSet, .slot = slot, .arguments = set},
        {.op = kv::Op::kGet, .slot = slot, .arguments = get}};
    const bool accepted =
        router_.AddAtomic({.sink = this, .token = next_}, slot, std::nullopt,
                          specs) == Admission::kAccepted;
    if (accepted) ++next_;
    return accepted;
  }

  // The answer to command `number`, counted from 0: its bytes, "ok", "not
  // owner" or a failure; empty: none.
  std::string AnswerTo(uint64_t number) { return answers_[number]; }
  size_t answers() const { return answers_.size(); }
  // The numbers of the commands in the order of their answers.
  const std::vector<uint64_t>& order() const { return order_; }

  void OnResult(uint64_t token, const kv::ResultView& result) override {
    if (!result.ends()) return;
    std::string text = "ok";
    if (result.status == kv::ResultStatus::kNotOwner) text = "not owner";
    if (result.status == kv::ResultStatus::kNil) text = "nil";
    if (result.kind == kv::PayloadKind::kBytes) text = result.bytes;
    if (!result.elements.empty()) text = result.elements[0].bytes;
    Note(token, std::move(text));
  }
  void OnFailure(uint64_t token, const RequestFailure& failure) override {
    Note(token,
         failure.kind == RequestFailure::Kind::kUnknown ? "unknown" : "failed");
  }
  void OnUnblocked() override {
    if (has_parked()) router_.ServeParked(this);
  }
  // From now on there is room for the next answer in order alone.
  void TakeAnswersInOrder() { in_order_ = true; }
  bool RoomFor(uint64_t token, size_t) override {
    return !in_order_ || token == order_.size();
  }
  bool RoomForNext(size_t) override { return true; }

 private:
  void Note(uint64_t token, std::string text) {
    EXPECT_TRUE(answers_.emplace(token, std::move(text)).second) << token;
    EXPECT_TRUE(routing().SumsAgree());
    order_.push_back(token);
  }

  Router& router_;
  uint64_t next_ = 0;
  std::map<uint64_t, std::string> answers_;
  std::vector<uint64_t> order_;
  bool in_order_ = false;
};

class SlotOrderTest : public ::testing::Test {
 protected:
  SlotOrderTest() : world_({.seed = 5}) {
    machine_ = world_.AddMachine({.name = "n1"});
    world_.Start(machine_, [this](env::Env& env) {
      auto node = std::make_shared<Node>(env);
      node_ = node.get();
      return node;
    });
    CHECK(world_.RunUntilTrue([this] { return node_->leads(); }, Seconds(10)));
    world_.RunFor(Seconds(1));
    sink_ = std::make_unique<Sink>(node_->router());
  }

  // Runs until the sink has this many answers. False if that takes a second.
  bool Await(size_t answers) {
    return world_.RunUntilTrue([&] { return sink_->answers() >= answers; },
                               Seconds(1));
  }
  std::string ValueOf(uint32_t group, Slot slot) {
    return std::string(node_->store(GroupId(group)).Get(slot, "k", {}).value);
  }

  // Gives the slot of group 2 a value.
  void SetOther() {
    Sink writer(node_->router());
    ASSERT_TRUE(writer.Set(kOther, "v"));
    world_.RunFor(Milliseconds(200));
    ASSERT_EQ(writer.AnswerTo(0), "ok");
  }
  // The sink has one command to the slot that moves. Behind it come two reads,
  // which find no room. The slot moves, and the answers come in order.
  void MoveBeforeLaterReads() {
    ASSERT_TRUE(sink_->Get(kOther));
    ASSERT_TRUE(sink_->Get(kOther));
    world_.RunFor(Milliseconds(200));
    EXPECT_EQ(sink_->answers(), 0u);
    node_->TakeMap(2, /*moved=*/true);
    ASSERT_TRUE(Await(1));
    node_->router().ServeParked(sink_.get());
    ASSERT_TRUE(Await(3));
    EXPECT_EQ(sink_->order(), (std::vector<uint64_t>{0, 1, 2}));
  }

  sim::World world_;
  sim::MachineId machine_;
  Node* node_ = nullptr;
  std::unique_ptr<Sink> sink_;
};

TEST_F(SlotOrderTest, CommandBehindOneAtTheFormerGroup_WaitsForItsAnswer) {
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  node_->TakeMap(2, /*moved=*/true);
  EXPECT_FALSE(sink_->Append(kMoves, "b"));
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(sink_->AnswerTo(0), "ok");
  ASSERT_TRUE(sink_->Append(kMoves, "b"));
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(ValueOf(2, kMoves), "ab");
}

TEST_F(SlotOrderTest, RefusedCommands_AreRoutedByTheNewMapInOrder) {
  for (const std::string_view value : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(sink_->Append(kMoves, value));
  }
  ASSERT_TRUE(sink_->Get(kMoves));
  ASSERT_TRUE(sink_->Exec(kMoves, "e"));
  world_.RunFor(Milliseconds(200));
  EXPECT_EQ(sink_->answers(), 0u);
  EXPECT_FALSE(node_->router().idle());
  EXPECT_FALSE(sink_->Append(kStays, "x"));
  node_->TakeMap(2, /*moved=*/true);
  ASSERT_TRUE(Await(6));
  EXPECT_EQ(sink_->order(), (std::vector<uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(sink_->AnswerTo(4), "abcd");
  EXPECT_EQ(sink_->AnswerTo(5), "ok");
  EXPECT_EQ(ValueOf(2, kMoves), "e");
  EXPECT_TRUE(sink_->Append(kStays, "x"));
}

// A write takes reads that wait into its entry. It waits for them if they name
// more keys together than an entry may: none of these is looked up then.
TEST_F(SlotOrderTest, WriteBehindReadsOfManyKeys_WaitsForThem) {
  const std::vector<std::string_view> keys(kv::kEntryKeysMax / 2 + 1, "k");
  const kv::CommandSpec read = {.op = kv::Op::kMGet, .slot = kStays};
  ASSERT_TRUE(sink_->Send(read, keys));
  ASSERT_TRUE(sink_->Send(read, keys));
  EXPECT_FALSE(sink_->Set(kStays, "v"));
  ASSERT_TRUE(Await(2));
  ASSERT_TRUE(sink_->Set(kStays, "v"));
  ASSERT_TRUE(Await(3));
  ASSERT_TRUE(sink_->Send(read, keys));
  ASSERT_TRUE(sink_->Set(kStays, "v"));
  ASSERT_TRUE(Await(5));
}

TEST_F(SlotOrderTest, RefusedRead_IsRoutedAgain) {
  Sink writer(node_->router());
  ASSERT_TRUE(sink_->Get(kMoves));
  world_.RunFor(Milliseconds(200));
  EXPECT_EQ(sink_->answers(), 0u);
  node_->TakeMap(2, /*moved=*/true);
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(sink_->AnswerTo(0), "nil");
  ASSERT_TRUE(writer.Set(kMoves, "v"));
  world_.RunFor(Milliseconds(200));
  ASSERT_TRUE(sink_->Get(kMoves));
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), "v");
  EXPECT_EQ(writer.AnswerTo(0), "ok");
}

TEST_F(SlotOrderTest, RefusedRead_DoesNotWaitForLaterReadsWithoutRoom) {
  sink_->TakeAnswersInOrder();
  ASSERT_TRUE(sink_->Get(kMoves));
  MoveBeforeLaterReads();
  EXPECT_EQ(sink_->AnswerTo(0), "nil");
}

TEST_F(SlotOrderTest, RefusedRead_IsServedAfterALaterLongOne) {
  SetOther();
  const std::vector<std::string_view> keys(4'000, "k");
  ASSERT_TRUE(sink_->Get(kMoves));
  ASSERT_TRUE(sink_->Send({.op = kv::Op::kMGet, .slot = kOther}, keys));
  const RequestSink::RoutingState& state = sink_->routing();
  ASSERT_TRUE(
      world_.RunUntilTrue([&] { return state.refused() > 0; }, Seconds(1)));
  node_->TakeMap(2, /*moved=*/true);
  ASSERT_TRUE(world_.RunUntilTrue(
      [&] { return state.refused() == 0 && state.parked() > 0; }, Seconds(1)));
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(0), "nil");
}

TEST_F(SlotOrderTest, LongReadWithoutRoom_WaitsForRoom) {
  SetOther();
  sink_->TakeAnswersInOrder();
  const std::vector<std::string_view> keys(8, "k");
  ASSERT_TRUE(sink_->Get(kMoves));
  ASSERT_TRUE(sink_->Send({.op = kv::Op::kMGet, .slot = kOther}, keys));
  world_.RunFor(Milliseconds(200));
  EXPECT_EQ(sink_->routing().parked(), 1u);
  node_->TakeMap(2, /*moved=*/true);
  ASSERT_TRUE(Await(1));
  node_->router().ServeParked(sink_.get());
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), "v");
}

// A read in pieces has begun, and the next turn serves the one behind it.
TEST_F(SlotOrderTest, SinkThatDropsItsReads_GetsNoReadParked) {
  SetOther();
  const std::vector<std::string_view> keys(4'000, "k");
  ASSERT_TRUE(sink_->Send({.op = kv::Op::kMGet, .slot = kOther}, keys));
  ASSERT_TRUE(sink_->Get(kOther));
  const ConnectionOrder& order = sink_->routing().OrderOf(GroupId(2));
  ASSERT_TRUE(world_.RunUntilTrue(
      [&] { return order.count(ConnectionOrder::State::kInPieces) > 0; },
      Seconds(1)));
  EXPECT_EQ(order.first_parked(), nullptr);
  node_->router().DropReads(sink_.get());
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), "failed");
}

TEST_F(SlotOrderTest, RefusedWrite_DoesNotWaitForLaterReadsWithoutRoom) {
  sink_->TakeAnswersInOrder();
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  MoveBeforeLaterReads();
  EXPECT_EQ(sink_->AnswerTo(0), "ok");
}

TEST_F(SlotOrderTest, CountOfSlotsThatAreNotAllThere_IsNeverShort) {
  // Group 1 has its first slot, and not the last one.
  const kv::CommandSpec count = {
      .op = kv::Op::kKeyCount, .slot = kStays, .numbers = {1, 100}};
  ASSERT_TRUE(sink_->Send(count, {}));
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(sink_->AnswerTo(0), "not owner");
}

TEST_F(SlotOrderTest, NoNewerMap_CommandEndsAtItsDeadline) {
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  ASSERT_TRUE(sink_->Get(kMoves));
  ASSERT_TRUE(sink_->Append(kStays, "x"));
  world_.RunFor(Milliseconds(1'900));
  EXPECT_EQ(sink_->answers(), 1u);
  EXPECT_EQ(sink_->AnswerTo(2), "ok");
  world_.RunFor(Milliseconds(300));
  EXPECT_EQ(sink_->AnswerTo(0), "not owner");
  EXPECT_EQ(sink_->AnswerTo(1), "not owner");
  EXPECT_TRUE(node_->router().idle());
  EXPECT_TRUE(sink_->Append(kStays, "y"));
}

// The map is ahead of the stores: it gives the slot back to group 1.
TEST_F(SlotOrderTest, SecondRefusal_WaitsWithinTheFirstDeadline) {
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  world_.RunFor(Milliseconds(1'500));
  node_->TakeMap(2, /*moved=*/false);
  world_.RunFor(Milliseconds(400));
  EXPECT_EQ(sink_->answers(), 0u);
  world_.RunFor(Milliseconds(200));
  EXPECT_EQ(sink_->AnswerTo(0), "not owner");
}

TEST_F(SlotOrderTest, SlotsThatStay_DoNotWaitForOthers) {
  ASSERT_TRUE(sink_->Append(kStays, "x"));
  node_->TakeMap(2, /*moved=*/true);
  // Commands of slots that stay are accepted although group 1 has not answered.
  EXPECT_TRUE(sink_->Append(kStays, "y"));
  EXPECT_TRUE(sink_->Append(Slot(200), "z"));
  EXPECT_FALSE(sink_->Append(kMoves, "a"));
  ASSERT_TRUE(Await(3));
  // After the first command of the slot that moved, none waits any more.
  EXPECT_TRUE(sink_->Append(kMoves, "a"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(sink_->Append(kStays, "x")) << i;
    EXPECT_TRUE(sink_->Append(kMoves, "a")) << i;
  }
  ASSERT_TRUE(Await(24));
  EXPECT_EQ(ValueOf(1, kStays), "xyxxxxxxxxxx");
  EXPECT_EQ(ValueOf(2, kMoves), "aaaaaaaaaaa");
}

// The write may be executed when the disk works again. So the next command
// follows it to group 1, which decides about both.
TEST_F(SlotOrderTest, CommandBehindAnUnknownOutcome_FollowsItToItsGroup) {
  world_.StallDisk(machine_, world_.now() + Milliseconds(5'500));
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  world_.RunFor(Milliseconds(5'100));
  ASSERT_EQ(sink_->AnswerTo(0), "unknown");
  node_->TakeMap(2, /*moved=*/true);
  ASSERT_TRUE(sink_->Append(kMoves, "b"));
  world_.RunFor(Milliseconds(300));
  EXPECT_EQ(sink_->answers(), 1u);
  EXPECT_EQ(node_->router().FindQueue(GroupId(1))->waiting_requests(), 1u);
  EXPECT_EQ(node_->router().FindQueue(GroupId(2))->waiting_requests(), 0u);
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), "ok");
  EXPECT_EQ(ValueOf(2, kMoves), "b");
}

// The former group answers later than a request waits for a leader.
TEST_F(SlotOrderTest, FormerGroupThatRefusesLate_CommandIsRoutedAgain) {
  world_.StallDisk(machine_, world_.now() + Milliseconds(3'000));
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  world_.RunFor(Milliseconds(100));
  node_->TakeMap(2, /*moved=*/true);
  world_.RunFor(Milliseconds(2'800));
  ASSERT_EQ(sink_->answers(), 0u);
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(sink_->AnswerTo(0), "ok");
  EXPECT_EQ(ValueOf(2, kMoves), "a");
}

TEST_F(SlotOrderTest, CommandsThatWaitAtAGroupThatEnds_GoToTheNextOwner) {
  const raft::Core& core = *node_->host().core(GroupId(1));
  const raft::Index last = core.last().index;
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  ASSERT_TRUE(sink_->Exec(kMoves, "b"));
  Sink reader(node_->router());
  ASSERT_TRUE(reader.Get(kMoves));
  node_->EndGroup1(2);
  EXPECT_EQ(node_->router().FindQueue(GroupId(1)), nullptr);
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(0), "ok");
  EXPECT_EQ(ValueOf(2, kMoves), "b");
  EXPECT_EQ(reader.answers(), 1u);
  EXPECT_EQ(core.last().index, last);
  EXPECT_TRUE(node_->router().idle());
}

TEST_F(SlotOrderTest, CommandsUnderWayAtAGroupThatEnds_AreAnswered) {
  world_.StallDisk(machine_, world_.now() + Milliseconds(100));
  ASSERT_TRUE(sink_->Append(kStays, "a"));
  world_.RunFor(Milliseconds(50));
  ASSERT_EQ(sink_->answers(), 0u);
  node_->EndGroup1(2);
  // It goes to the next owner, behind the first one.
  EXPECT_FALSE(sink_->Append(kStays, "b"));
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(sink_->AnswerTo(0), "ok");
  EXPECT_EQ(ValueOf(1, kStays), "a");
  EXPECT_TRUE(sink_->Append(kStays, "b"));
}

TEST_F(SlotOrderTest, ReadThatIsParkedAtAGroupThatEnds_IsAnswered) {
  Sink writer(node_->router());
  ASSERT_TRUE(writer.Set(kStays, "v"));
  world_.RunFor(Milliseconds(200));
  sink_->TakeAnswersInOrder();
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  ASSERT_TRUE(sink_->Get(kOther));
  world_.RunFor(Milliseconds(200));
  node_->EndGroup1(2);
  ASSERT_TRUE(Await(1));
  node_->router().ServeParked(sink_.get());
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), "nil");
}

// The outcome of a command at a group that is no more stays unknown.
TEST_F(SlotOrderTest,
       CommandBehindAnUnknownOutcomeAtAGroupThatEnded_IsExecuted) {
  world_.StallDisk(machine_, world_.now() + Milliseconds(5'500));
  ASSERT_TRUE(sink_->Append(kMoves, "a"));
  world_.RunFor(Milliseconds(5'100));
  ASSERT_EQ(sink_->AnswerTo(0), "unknown");
  node_->EndGroup1(2);
  ASSERT_TRUE(sink_->Append(kMoves, "b"));
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), "ok");
}

TEST_F(SlotOrderTest, EntryOfAGroupWithoutQueue_IsApplied) {
  node_->EndGroup1(2);
  kv::BatchBuilder batch;
  const std::string_view arguments[] = {"k", "v"};
  batch.Add({.op = kv::Op::kSet, .slot = kStays, .arguments = arguments});
  node_->host().Propose(GroupId(1), batch.Finish(), [](const auto&) {});
  world_.RunFor(Milliseconds(200));
  EXPECT_EQ(ValueOf(1, kStays), "v");
  // A later map has the group again.
  node_->TakeMap(3, /*moved=*/false);
  ASSERT_TRUE(sink_->Append(kStays, "w"));
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(ValueOf(1, kStays), "vw");
}

TEST_F(SlotOrderTest, ReadInATransaction_ReservesRoomForWhatIsWrittenThere) {
  const std::string value(100'000, 'v');
  ASSERT_TRUE(sink_->Exec(kStays, value));
  const auto* order = sink_->routing().FindOrder(GroupId(1));
  EXPECT_GE(order->result_bytes(), value.size());
  ASSERT_TRUE(Await(1));
  EXPECT_EQ(order->result_bytes(), 0u);
}

// The read is in the log behind the write, so it may return what that wrote.
TEST_F(SlotOrderTest, ReadBehindAnUnknownOutcome_ReservesRoomForWhatItWrote) {
  const std::string value(100'000, 'v');
  world_.StallDisk(machine_, world_.now() + Milliseconds(5'500));
  ASSERT_TRUE(sink_->Set(kStays, value));
  world_.RunFor(Milliseconds(5'100));
  ASSERT_EQ(sink_->AnswerTo(0), "unknown");
  ASSERT_TRUE(sink_->Get(kStays));
  const auto* order = sink_->routing().FindOrder(GroupId(1));
  EXPECT_GE(order->result_bytes(), value.size());
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(sink_->AnswerTo(1), value);
  EXPECT_EQ(order->result_bytes(), 0u);
  EXPECT_EQ(order->unsettled_bytes, 0u);
}

}  // namespace
}  // namespace quorate::node
