#include "node/routing/refused_commands.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"
#include "kv/store/record_pool.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

constexpr Slot kSlot{7};

shardctrl::ShardMap MapOfOneGroup(uint64_t version, uint32_t group) {
  shardctrl::ShardMap::Parts parts;
  parts.version = shardctrl::MapVersion(version);
  parts.nodes = {{.id = NodeId(1), .name = "n1", .peer_address = "n1:1"}};
  parts.groups = {{.id = GroupId(1), .name = "g1", .voters = {NodeId(1)}},
                  {.id = GroupId(2), .name = "g2", .voters = {NodeId(1)}}};
  parts.assignments = {{{Slot(0), Slot(16383)}, GroupId(group)}};
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  CHECK(map.ok()) << map.status().message();
  return *std::move(map);
}

class FakeSink final : public RequestSink {
 public:
  void OnResult(uint64_t token, const kv::ResultView& result) override {
    EXPECT_EQ(result.status, kv::ResultStatus::kNotOwner);
    answered_.push_back(token);
  }
  void OnFailure(uint64_t, const RequestFailure&) override { FAIL(); }
  void OnUnblocked() override { FAIL(); }
  bool RoomFor(uint64_t, size_t) override { return true; }
  bool RoomForNext(size_t) override { return true; }
  // The commands that ended, each with kNotOwner.
  const std::vector<uint64_t>& answered() const { return answered_; }

 private:
  std::vector<uint64_t> answered_;
};

using Tokens = std::vector<uint64_t>;

class RefusedCommandsTest : public ::testing::Test {
 protected:
  RefusedCommandsTest() : owners_(MapOfOneGroup(1, 1)) {
    const sim::MachineId machine = world_.AddMachine({.name = "n1"});
    world_.Start(machine, nullptr);
    loop_ = &world_.env(machine).loop;
    commands_ =
        std::make_unique<RefusedCommands>(*loop_, owners_, leader_wait_);
  }

  // A write at group 1.
  ConnectionOrder::Request& Add(uint64_t token, Slot slot) {
    return sink_.routing().OrderOf(GroupId(1)).Add(pool_, [&] {
      return ConnectionOrder::Request{.token = token,
                                      .state = ConnectionOrder::State::kInBatch,
                                      .slot = slot,
                                      .write = true};
    });
  }
  // Group 1 refuses a command.
  void Hold(uint64_t token, Slot slot = kSlot) {
    commands_->Hold(Add(token, slot), Buffer());
  }
  // The commands that are routed now.
  Tokens Routed(bool blocked = false) {
    Tokens routed;
    commands_->RouteAgain(
        [&](const RoutedRequest& request, const ConnectionOrder::Request&) {
          routed.push_back(request.token);
          return !blocked;
        });
    return routed;
  }

  sim::World world_{{.seed = 1}};
  env::Loop* loop_ = nullptr;
  SlotOwners owners_;
  Duration leader_wait_ = Seconds(1);
  kv::RecordPool pool_;
  FakeSink sink_;
  std::unique_ptr<RefusedCommands> commands_;
};

TEST_F(RefusedCommandsTest, Commands_WaitForANewerMap_AndKeepTheirOrder) {
  Hold(2);
  Hold(1);
  EXPECT_EQ(Routed(), Tokens());
  owners_.Update(MapOfOneGroup(2, 2));
  EXPECT_EQ(Routed(), (Tokens{1, 2}));
  EXPECT_TRUE(commands_->empty());
  EXPECT_EQ(sink_.routing().refused(), 0u);
}

TEST_F(RefusedCommandsTest, CommandRoutedByAnOlderMap_GoesAtOnce) {
  owners_.Update(MapOfOneGroup(2, 2));
  Hold(1);
  EXPECT_EQ(Routed(), Tokens{1});
}

TEST_F(RefusedCommandsTest, EarlierCommandIsBlocked_OtherSlotsGoFirst) {
  Hold(1);
  Hold(2);
  Hold(3, Slot(8));
  owners_.Update(MapOfOneGroup(2, 2));
  EXPECT_EQ(Routed(/*blocked=*/true), (Tokens{1, 3}));
  EXPECT_EQ(Routed(), (Tokens{1, 2, 3}));
}

TEST_F(RefusedCommandsTest, LaterCommandUnderWayAtTheGroup_IsAwaited) {
  Hold(1);
  owners_.Update(MapOfOneGroup(2, 2));
  ConnectionOrder::Request& later = Add(2, kSlot);
  EXPECT_EQ(Routed(), Tokens());
  later.order->End(later);
  EXPECT_EQ(Routed(), Tokens{1});
}

// The slot came back to the group between the two commands.
TEST_F(RefusedCommandsTest, LaterCommandWasExecuted_EarlierOnesOfItsSlotEnd) {
  Hold(1);
  Hold(2, Slot(8));
  Hold(4);
  owners_.Update(MapOfOneGroup(2, 2));
  commands_->NoteExecuted(&sink_, kSlot, 3);
  EXPECT_EQ(Routed(), (Tokens{2, 4}));
  EXPECT_EQ(sink_.answered(), Tokens{1});
  EXPECT_EQ(sink_.routing().refused(), 0u);
}

TEST_F(RefusedCommandsTest, CommandAtItsDeadline_Ends) {
  Hold(1);
  const MonoTime deadline = commands_->next_deadline();
  EXPECT_EQ(deadline, loop_->ReadClock().mono + Seconds(1));
  world_.RunFor(Milliseconds(999));
  EXPECT_EQ(Routed(), Tokens());
  EXPECT_EQ(sink_.answered(), Tokens());
  world_.RunFor(Milliseconds(2));
  EXPECT_EQ(Routed(), Tokens());
  EXPECT_EQ(sink_.answered(), Tokens{1});
  EXPECT_EQ(commands_->next_deadline(), MonoTime::Max());
}

TEST_F(RefusedCommandsTest, MapThatIsNewerAtTheDeadline_RoutesTheCommand) {
  leader_wait_ = Duration();
  owners_.Update(MapOfOneGroup(2, 2));
  Hold(1);
  EXPECT_EQ(Routed(), Tokens{1});
  EXPECT_EQ(sink_.answered(), Tokens());
}

}  // namespace
}  // namespace quorate::node
