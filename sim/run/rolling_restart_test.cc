#include "sim/run/rolling_restart.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

TEST(RollingRestart, EachNode_StopsAndStartsWhileTheOthersWork) {
  World world({.seed = 1});
  ReplicaChecker checker([&world](std::string what) { world.Violate(what); });
  Cluster cluster(world, checker, {.nodes = 3, .groups = 2});
  RollingRestart restart(&world, &cluster);
  std::vector<uint64_t> stops;
  size_t down_most = 0;
  world.SetStepHook([&](MachineId machine) {
    cluster.AfterTurn(machine);
    size_t down = 0;
    for (const node::NodeConfig& node : cluster.nodes()) {
      down += !stops.empty() && cluster.server(node.id) == nullptr;
    }
    down_most = std::max(down_most, down);
  });
  cluster.Start();
  world.RunFor(Seconds(5));
  EXPECT_TRUE(restart.done());
  restart.Begin(
      {NodeId(1), NodeId(2), NodeId(3)}, [] { return true; },
      [&](NodeId) { stops.push_back(restart.restarted()); });
  EXPECT_FALSE(restart.done());
  EXPECT_NE(restart.Describe(), "");
  EXPECT_TRUE(world.RunUntilTrue([&] { return restart.done(); }, Seconds(30)));
  EXPECT_EQ(stops, (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(down_most, 1u);
  for (const MachineId machine : cluster.machines()) {
    EXPECT_EQ(world.incarnation(machine), 2u);
  }
  EXPECT_EQ(world.marks().at("node.stopped_by_an_operator"), 3u);
  EXPECT_EQ(world.violations(), std::vector<std::string>{});
}

}  // namespace
}  // namespace quorate::sim
