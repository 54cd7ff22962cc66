#include "raft/host/bounds/node_room.h"

#include <optional>
#include <utility>
#include <vector>

#include "env/bulk/bulk_pace.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

TEST(NodeRoom, Bytes_FitUpToTheLimitTogether) {
  NodeRoom room(100);
  std::optional<Quota::Share> first(std::in_place, room, 60);
  EXPECT_TRUE(room.Fits(40));
  EXPECT_FALSE(room.Fits(41));
  Quota::Share second(room, 40);
  EXPECT_FALSE(room.Fits(1));
  EXPECT_EQ(room.bytes(), 100u);
  Quota::Share moved = std::move(*first);
  first.reset();
  EXPECT_EQ(room.bytes(), 100u);
  moved.End();
  EXPECT_EQ(room.bytes(), 40u);
  EXPECT_TRUE(room.Fits(60));
}

TEST(NodeRoom, BytesThatBecomeOthers_OpenItWhenTheyAreFewer) {
  int opened = 0;
  NodeRoom room(100, [&] { ++opened; });
  Quota::Share held(room);
  held.Resize(120);
  EXPECT_EQ(room.bytes(), 120u);
  EXPECT_FALSE(room.Admit(1));
  held.Resize(51);
  EXPECT_EQ(opened, 0);
  held.Resize(50);
  EXPECT_EQ(opened, 1);
  held.End();
  EXPECT_EQ(room.bytes(), 0u);
}

TEST(NodeRoom, FirstBytes_FitWhateverTheirNumber) {
  NodeRoom room(100);
  EXPECT_TRUE(room.Fits(101));
  const Quota::Share few(room, 1);
  EXPECT_FALSE(room.Fits(101));
  EXPECT_FALSE(room.Fits(UINT64_MAX));
}

TEST(NodeRoom, FullRoom_ClosesForAllUntilHalfOfItIsFree) {
  NodeRoom room(100);
  EXPECT_TRUE(room.Admit(101));
  Quota::Share first(room, 51);
  EXPECT_TRUE(room.Admit(49));
  Quota::Share second(room, 40);
  EXPECT_FALSE(room.Admit(10));
  EXPECT_FALSE(room.Admit(9)) << "it fits, but the room is closed";
  second.End();
  EXPECT_FALSE(room.Admit(1));
  first.End();
  EXPECT_TRUE(room.Admit(101));
  Quota::Share third(room, 50);
  EXPECT_TRUE(room.Admit(50)) << "half of it is free";
}

TEST(NodeRoom, FullRoom_OpensWhenAllThatItRefusedWouldFit) {
  int opened = 0;
  NodeRoom room(100, [&] { ++opened; });
  Quota::Share first(room, 30);
  Quota::Share second(room, 30);
  Quota::Share third(room, 10);
  EXPECT_FALSE(room.Admit(80));
  EXPECT_FALSE(room.Admit(60)) << "the room is closed";
  first.End();
  EXPECT_EQ(opened, 0);
  EXPECT_FALSE(room.Admit(1)) << "80 bytes still do not fit";
  second.End();
  EXPECT_EQ(opened, 1);
  EXPECT_TRUE(room.Admit(80));
  third.End();
  EXPECT_EQ(opened, 1) << "it was open";
  // Any number fits an empty room.
  Quota::Share last(room, 1);
  EXPECT_FALSE(room.Admit(1000));
  last.End();
  EXPECT_EQ(opened, 2);
  EXPECT_TRUE(room.Admit(1000));
}

sim::MachineId Started(sim::World& world) {
  const sim::MachineId machine = world.AddMachine();
  world.Start(machine, /*factory=*/nullptr);
  return machine;
}

class ReadRoomTest : public ::testing::Test {
 protected:
  void Add(uint64_t leader, uint64_t to, int name) {
    reads_.Add(env::BulkKind::kCatchUp, ReplicaId(leader), ReplicaId(to), 50,
               [this, name](Quota::Share held) {
                 begun_.push_back(name);
                 running_.push_back(std::move(held));
               });
  }
  void EndFirst() {
    std::vector<Quota::Share> left;
    for (size_t i = 1; i < running_.size(); ++i) {
      left.push_back(std::move(running_[i]));
    }
    running_.swap(left);
    left.clear();
    reads_.BeginWaiting();
  }

  sim::World world_{{.seed = 1}};
  const sim::MachineId machine_ = Started(world_);
  env::Loop& loop_ = world_.env(machine_).loop;
  ReadRoom reads_{loop_, /*pace=*/nullptr, 100};
  std::vector<int> begun_;
  std::vector<Quota::Share> running_;
};

TEST_F(ReadRoomTest, ReadsBeyondTheLimit_BeginInOrderWhenOthersHaveEnded) {
  for (int i = 1; i <= 5; ++i) Add(i, 2, i);
  EXPECT_EQ(begun_, (std::vector<int>{1, 2}));
  EXPECT_EQ(reads_.bytes(), 100u);
  EndFirst();
  EXPECT_EQ(begun_, (std::vector<int>{1, 2, 3}));
  EndFirst();
  EndFirst();
  EndFirst();
  EXPECT_EQ(begun_, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(reads_.bytes(), 50u);
}

// A leader that is elected again and again beside a disk that hangs.
TEST_F(ReadRoomTest, LaterReadForTheSameFollower_TakesThePlaceOfTheFirst) {
  for (int i = 1; i <= 3; ++i) Add(i, 2, i);
  Add(4, 2, 4);
  for (int i = 10; i < 1000; ++i) Add(3, 2, i);
  Add(3, 3, 5);
  EndFirst();
  EndFirst();
  EXPECT_EQ(begun_, (std::vector<int>{1, 2, 999, 4}));
  EndFirst();
  EXPECT_EQ(begun_, (std::vector<int>{1, 2, 999, 4, 5}));
}

TEST_F(ReadRoomTest, Reads_BeginAtThePaceOfBulkWork) {
  env::BulkPace pace(loop_, {.floor = 10'000, .ceiling = 10'000});
  ReadRoom paced(loop_, &pace, 1'000'000);
  const sim::SimTime begin = world_.now();
  int begun = 0;
  for (int i = 1; i <= 5; ++i) {
    paced.Add(env::BulkKind::kSnapshotSend, ReplicaId(i), ReplicaId(9), 1'000,
              [&](Quota::Share) { ++begun; });
  }
  ASSERT_TRUE(world_.RunUntilTrue([&] { return begun == 5; }));
  EXPECT_GE(world_.now() - begin, Milliseconds(490));
  EXPECT_LE(world_.now() - begin, Milliseconds(510));
}

// The replicas of all waiting reads are gone: none of them takes room.
TEST_F(ReadRoomTest, ReadsThatAreNotMade_LetTheNextOnesBegin) {
  Add(1, 2, 1);
  Add(2, 2, 2);
  for (uint64_t leader = 3; leader < 10'000; ++leader) {
    reads_.Add(env::BulkKind::kCatchUp, ReplicaId(leader), ReplicaId(2), 50,
               [](Quota::Share) {});
  }
  Add(10'000, 2, 3);
  EndFirst();
  EXPECT_EQ(begun_, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace quorate::raft
