// The founding of a cluster by hosts of three machines in the simulated world.
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "env/env.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using testing::kGroup;
using Cluster = testing::JournalCluster;

TEST(HostFounding_Replicas, AreOnTheStoresThatTheNodesDrew) {
  Cluster cluster(19);
  ASSERT_TRUE(cluster.WaitForLeader());
  const Configuration first =
      cluster.node(1)->host.core(kGroup)->configuration();
  ASSERT_EQ(first.voters.size(), 3u);
  EXPECT_NE(first.hash_key, 0u);
  for (const Member& voter : first.voters) {
    const uint32_t n = voter.node.value();
    const Host& host = cluster.node(n)->host;
    EXPECT_EQ(host.identity().incarnation, voter.store);
    // Clients see draws of `random`, from which its seed can be computed.
    const Random& seen = cluster.world_.env(cluster.machines_[n - 1]).random;
    EXPECT_NE(first.hash_key,
              seen.Bits("raft.hash_key", voter.store.value(), 0));
    EXPECT_EQ(host.core(kGroup)->configuration(), first);
  }
}

// The hash key of a cluster whose nodes draw secrets from these seeds. All
// other inputs are equal.
uint64_t HashKeyWithSecrets(uint64_t seed) {
  struct Program {
    Program(const env::Env& world, uint64_t seed, HostOptions options)
        : env(world),
          journal(Secret(&env, seed), std::move(options), Level(1)) {}
    static env::Env& Secret(env::Env* env, uint64_t seed) {
      env->secrets = Random(seed);
      return *env;
    }
    env::Env env;
    testing::JournalProgram journal;
  };
  Cluster cluster(22, 0, {});
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.world_.Start(cluster.machines_[n - 1], [&, n](env::Env& env) {
      auto program =
          std::make_shared<Program>(env, seed + n, cluster.OptionsOf(n));
      cluster.programs_[n - 1] = &program->journal;
      return program;
    });
  }
  EXPECT_TRUE(cluster.WaitForLeader());
  return cluster.node(1)->host.core(kGroup)->configuration().hash_key;
}

// Clients can learn the id of the cluster and the seed of `random`.
TEST(HostFounding_HashKey, DependsOnTheSecrets) {
  const uint64_t key = HashKeyWithSecrets(100);
  EXPECT_EQ(HashKeyWithSecrets(100), key);
  EXPECT_NE(HashKeyWithSecrets(200), key);
}

// Nothing is decided without the answers of all nodes.
TEST(HostFounding_Node, ThatIsMissing_IsWaitedFor) {
  Cluster cluster(20, 0, {1, 2});
  cluster.world_.RunFor(Seconds(60));
  EXPECT_TRUE(absl::IsUnknown(cluster.node(1)->started));
  EXPECT_TRUE(absl::IsUnknown(cluster.node(2)->started));
  cluster.StartNode(3);
  ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
}

// Its plan differs, so the others refuse it, and nothing is founded.
TEST(HostFounding_Node, WithAnotherPlan_IsNotCounted) {
  Cluster cluster(21, 0, {1, 2});
  const BootstrapPlan plan = cluster.options_.plan;
  cluster.options_.plan.groups[0].parameters = Buffer::Copy("another");
  cluster.StartNode(3);
  cluster.world_.RunFor(Seconds(20));
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_TRUE(absl::IsUnknown(cluster.node(n)->started)) << n;
  }
  cluster.options_.plan = plan;
  cluster.Crash(3, sim::CrashKind::kProcess);
  cluster.Restart(3);
  ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
}

TEST(HostFounding_WipedNode, OfAFoundedCluster_IsRefused) {
  for (uint32_t wiped = 1; wiped <= 3; ++wiped) {
    SCOPED_TRACE(wiped);
    Cluster cluster(8);
    ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
    cluster.Crash(wiped, sim::CrashKind::kMachine);
    cluster.world_.EraseDisk(cluster.machines_[wiped - 1]);
    cluster.Restart(wiped);
    cluster.AwaitStart(wiped);
    const absl::Status& started = cluster.node(wiped)->started;
    EXPECT_TRUE(absl::IsFailedPrecondition(started)) << started;
    EXPECT_TRUE(absl::StrContains(started.message(), "the cluster exists"))
        << started;
    ASSERT_EQ(cluster.Propose("y").outcome, Outcome::kDone);
  }
}

// Two nodes that forgot everything must not outvote the third.
TEST(HostFounding_WipedMajority, OfAFoundedCluster_IsRefused) {
  Cluster cluster(9);
  ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
  for (uint32_t wiped = 1; wiped <= 2; ++wiped) {
    cluster.Crash(wiped, sim::CrashKind::kMachine);
    cluster.world_.EraseDisk(cluster.machines_[wiped - 1]);
  }
  cluster.Restart(1);
  cluster.Restart(2);
  cluster.AwaitStart(1);
  cluster.AwaitStart(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.node(1)->started));
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.node(2)->started));
}

// One node crashes at any of its first disk operations. The cluster works in
// the end, with the stores of its nodes.
TEST(HostFounding_Crash, AtAnyDiskOperation_IsCompleted) {
  for (uint32_t crashing = 1; crashing <= 3; ++crashing) {
    for (const auto kind :
         {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
      for (uint64_t n = 1;; ++n) {
        SCOPED_TRACE(absl::StrCat("node ", crashing, " operation ", n));
        ASSERT_LT(n, 60u);
        Cluster cluster(n, 0, {});
        for (uint32_t node = 1; node <= 3; ++node) cluster.StartNode(node);
        const sim::MachineId machine = cluster.machines_[crashing - 1];
        cluster.world_.CrashAtDiskOperation(machine, n, kind);
        cluster.world_.RunFor(Seconds(3));
        const bool crashed = !cluster.world_.running(machine);
        if (!crashed) break;
        cluster.programs_[crashing - 1] = nullptr;
        cluster.Restart(crashing);
        ASSERT_EQ(cluster.Propose("x").outcome, Outcome::kDone);
        cluster.AwaitStart(crashing);
        ASSERT_TRUE(cluster.node(crashing)->started.ok())
            << cluster.node(crashing)->started;
      }
    }
  }
}

TEST(HostFounding_Store, ThatWasNotFounded_NeedsBootstrapAgain) {
  Cluster cluster(22, 0, {2});
  cluster.world_.RunFor(Seconds(2));
  cluster.Crash(2, sim::CrashKind::kProcess);
  cluster.options_.bootstrap = false;
  cluster.Restart(2);
  cluster.AwaitStart(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.node(2)->started))
      << cluster.node(2)->started;
}

}  // namespace
}  // namespace quorate::raft
