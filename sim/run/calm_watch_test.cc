// Calm and disturbed spans, and the parts of a divided network.
#include "sim/run/calm_watch.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

class CalmWatchTest : public testing::Test {
 protected:
  CalmWatchTest() {
    for (MachineId& node : nodes_) {
      node = world_.AddMachine();
      world_.Start(node, nullptr);
    }
  }
  // Looks after another second, and returns whether that second was calm.
  bool CalmSecond() {
    watch_.Look();
    const SimTime before = world_.now();
    world_.RunFor(Seconds(1));
    watch_.Look();
    return watch_.since() <= before;
  }
  void Cut(int from, int to) { world_.BlockLink(nodes_[from], nodes_[to]); }

  World world_{WorldOptions()};
  std::vector<MachineId> nodes_{3};
  CalmWatch watch_{&world_, {MachineId(1), MachineId(2), MachineId(3)}};
};

TEST_F(CalmWatchTest, NoFault_IsCalmInOnePart) {
  EXPECT_TRUE(CalmSecond());
  EXPECT_EQ(watch_.PartOf(nodes_[0]), nodes_);
}

TEST_F(CalmWatchTest, EachFault_DisturbsOnce) {
  const auto disturbs = [&](auto fault) {
    watch_.Look();
    const SimTime before = watch_.since();
    world_.RunFor(Milliseconds(50));
    fault();
    watch_.Look();
    return watch_.since() > before && CalmSecond();
  };
  EXPECT_TRUE(disturbs([&] { world_.Crash(nodes_[1], CrashKind::kProcess); }));
  EXPECT_TRUE(disturbs([&] { world_.Restart(nodes_[1]); }));
  EXPECT_TRUE(disturbs([&] { world_.Pause(nodes_[2]); }));
  EXPECT_TRUE(disturbs([&] { world_.Resume(nodes_[2]); }));
  EXPECT_TRUE(disturbs([&] {
    world_.ClogLink(nodes_[0], nodes_[1], world_.now() + Milliseconds(1));
  }));
}

TEST_F(CalmWatchTest, NodeThatIsDown_IsInNoPart) {
  world_.Crash(nodes_[1], CrashKind::kMachine);
  watch_.Look();
  EXPECT_TRUE(watch_.PartOf(nodes_[1]).empty());
  EXPECT_EQ(watch_.PartOf(nodes_[0]),
            (std::vector<MachineId>{nodes_[0], nodes_[2]}));
}

TEST_F(CalmWatchTest, NodeThatIsPausedInATurn_IsInNoPart) {
  world_.PauseAfterCalls(nodes_[1], 1, Seconds(2));
  const env::Pending call =
      world_.env(nodes_[1]).loop.At(MonoTime::Max(), [] {});
  watch_.Look();
  EXPECT_TRUE(watch_.PartOf(nodes_[1]).empty());
  world_.RunFor(Seconds(3));
  watch_.Look();
  EXPECT_EQ(watch_.PartOf(nodes_[1]), nodes_);
}

TEST_F(CalmWatchTest, IsolatedNode_IsAPartOfItsOwn) {
  for (const int other : {0, 1}) {
    Cut(2, other);
    Cut(other, 2);
  }
  EXPECT_TRUE(CalmSecond());
  EXPECT_EQ(watch_.PartOf(nodes_[2]), (std::vector<MachineId>{nodes_[2]}));
  EXPECT_EQ(watch_.PartOf(nodes_[0]),
            (std::vector<MachineId>{nodes_[0], nodes_[1]}));
}

// Such a node may disturb the nodes that hear it.
TEST_F(CalmWatchTest, LinkInOneDirectionOrABridge_IsNeverCalm) {
  Cut(0, 1);
  EXPECT_FALSE(CalmSecond());
  Cut(1, 0);
  EXPECT_FALSE(CalmSecond());
}

}  // namespace
}  // namespace quorate::sim
