// Actions of replicas reach the checker. Each test has a replica with false
// data, and the checker must report it through a real cluster.
#include "sim/run/cluster.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "sim/checks/replica_checker.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);

// Three nodes of one group in a world without faults.
class Small {
 public:
  explicit Small(uint64_t seed) : world_({.seed = seed}) {
    world_.SetStepHook(
        [this](MachineId machine) { cluster_.AfterTurn(machine); });
    cluster_.Start();
  }

  // Runs until a node other than `before` leads.
  NodeId Elect(NodeId before = NodeId()) {
    NodeId leader;
    EXPECT_TRUE(world_.RunUntilTrue([&] {
      leader = cluster_.LeaderOf(kGroup);
      return leader != NodeId() && leader != before;
    }));
    return leader;
  }
  const raft::Core& core(NodeId node) {
    return *cluster_.server(node)->host().core(kGroup);
  }
  World& world() { return world_; }
  ReplicaChecker& replica_checker() { return replica_checker_; }
  Cluster& cluster() { return cluster_; }
  void ExpectFound(const std::string& words) {
    ASSERT_FALSE(world_.violations().empty());
    EXPECT_EQ(world_.violations()[0].substr(0, words.size()), words)
        << world_.violations()[0];
  }

 private:
  World world_;
  ReplicaChecker replica_checker_{
      [this](std::string what) { world_.Violate(what); }};
  Cluster cluster_{world_, replica_checker_, {.nodes = 3, .groups = 1}};
};

TEST(Cluster, CorrectReplicas_GiveNoViolation) {
  Small small(1);
  const NodeId first = small.Elect();
  small.world().Crash(small.cluster().machine(first), CrashKind::kMachine);
  small.Elect(first);
  small.world().Restart(small.cluster().machine(first));
  small.world().RunFor(Seconds(5));
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  EXPECT_GT(small.replica_checker().applied_entries(), 0u);
}

// A member is reported as leader of a term in which another one is elected
// later. The step of the other one must be a violation.
TEST(Cluster, StepOfALeaderBesideALyingOne_ReachesTheInvariants) {
  Small liar(1);
  const NodeId elected = liar.Elect();
  Small small(1);
  small.replica_checker().OnStep(NodeId(9), kGroup, liar.core(elected), {});
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  small.Elect();
  small.ExpectFound("group 1: election safety");
}

// A durable write is reported that the member's disk never got. Its next start
// must be a violation.
TEST(Cluster, StartOfAReplicaThatForgot_ReachesTheInvariants) {
  Small small(1);
  const NodeId leader = small.Elect();
  const NodeId follower(leader.value() % 3 + 1);
  const raft::Term term = small.core(follower).term() + 1;
  small.world().Crash(small.cluster().machine(follower), CrashKind::kProcess);
  small.replica_checker().OnWritten(follower, kGroup,
                                    {.hard_state = {.term = term}});
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  small.world().Restart(small.cluster().machine(follower));
  small.world().RunFor(Seconds(2));
  small.ExpectFound("group 1: durability");
}

// The node's promises are lost with its disk, so it must not take part again.
TEST(Cluster, NodeWithoutItsDisk_StaysAway) {
  Small small(1);
  const NodeId first = small.Elect();
  const MachineId machine = small.cluster().machine(first);
  small.cluster().SetErased(
      [machine](MachineId one) { return one == machine; });
  small.world().Crash(machine, CrashKind::kMachine);
  small.world().EraseDisk(machine);
  small.world().Restart(machine);
  small.Elect(first);
  small.world().RunFor(Seconds(10));
  EXPECT_EQ(small.cluster().server(first), nullptr);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

TEST(Cluster, NodeThatStartsWithoutItsDisk_Found) {
  Small small(1);
  const NodeId first = small.Elect();
  const MachineId machine = small.cluster().machine(first);
  small.world().Crash(machine, CrashKind::kProcess);
  small.cluster().SetErased(
      [machine](MachineId one) { return one == machine; });
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.ExpectFound("identity: node");
}

// Damage of which the checker knows nothing stands for a replica that refuses
// its own files.
TEST(Cluster, ReplicaThatDoesNotStart_Found) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  // The records of the first life are known to be durable in the second.
  small.world().Crash(machine, CrashKind::kProcess);
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.world().Crash(machine, CrashKind::kProcess);
  bool damaged = false;
  for (const std::string& file : small.world().DiskFiles(machine)) {
    const uint64_t end = small.cluster().DamageLimit(machine, file);
    if (end == 0) continue;
    damaged = small.world().FlipDiskBit(machine, file, end / 2, 1);
  }
  ASSERT_TRUE(damaged);
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.ExpectFound("fenced: node");
}

TEST(Cluster, NodeThatDoesNotStart_Found) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  small.world().Crash(machine, CrashKind::kProcess);
  ASSERT_TRUE(small.world().FlipDiskBit(machine, "identity", 20, 1));
  small.world().Restart(machine);
  small.world().RunFor(Seconds(1));
  small.ExpectFound("stopped: node");
}

TEST(Cluster, NodeWhoseDiskReturnsErrors_MayFailToStart) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  small.world().Crash(machine, CrashKind::kProcess);
  small.world().FailDiskOperation(machine, World::DiskOperation::kRead, 1,
                                  /*persistent=*/true);
  small.world().Restart(machine);
  small.world().RunFor(Seconds(1));
  EXPECT_GT(small.world().disk_failures(machine), 0u);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

// A node that is down or starting has not agreed, unless its damaged disk keeps
// it from starting.
TEST(Cluster, Settled_OnceEveryAllowedNodeRunsAndHasCaughtUp) {
  Small small(1);
  const NodeId first = small.Elect();
  Cluster& cluster = small.cluster();
  const auto settled = [&] { return cluster.Settled(cluster.machines()); };
  EXPECT_TRUE(small.world().RunUntilTrue(settled));
  const NodeId other(first == NodeId(1) ? 2 : 1);
  const MachineId machine = cluster.machine(other);
  small.world().Crash(machine, CrashKind::kProcess);
  EXPECT_FALSE(settled());
  small.world().Restart(machine);
  EXPECT_FALSE(settled());
  EXPECT_TRUE(small.world().RunUntilTrue(settled));
  EXPECT_NE(cluster.server(other), nullptr);
  small.world().Crash(machine, CrashKind::kProcess);
  cluster.SetDamaged([machine](MachineId one) { return one == machine; });
  EXPECT_TRUE(settled());
}

}  // namespace
}  // namespace quorate::sim
