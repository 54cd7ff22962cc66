#include "raft/host/removed_entries.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "env/buffer.h"
#include "env/env.h"
#include "env/loop.h"
#include "env/time.h"
#include "gtest/gtest.h"
#include "raft/core/entry.h"
#include "raft/core/entry_list.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

constexpr size_t kMax = RemovedEntries::kTurnEntries;

EntryList ListOf(size_t count) {
  EntryList list;
  for (size_t i = 1; i <= count; ++i) {
    Entry entry;
    entry.index = Index(i);
    list.push_back(std::move(entry));
  }
  return list;
}

class RemovedEntriesTest : public ::testing::Test {
 protected:
  RemovedEntriesTest() { world_.Start(machine_, /*factory=*/nullptr); }

  sim::World world_{{.seed = 1}};
  const sim::MachineId machine_ = world_.AddMachine();
  env::Env& env_ = world_.env(machine_);
  RemovedEntries removed_{env_.loop};
};

// A turn runs each deferred callback and each due timer once.
TEST_F(RemovedEntriesTest, ManyEntries_AreFreedOverManyTurns) {
  removed_.Add(ListOf(2 * kMax));
  removed_.Add(EntryList());
  removed_.Add(ListOf(kMax / 2));
  removed_.Add(ListOf(3));
  size_t before = 2 * kMax + kMax / 2 + 3;
  size_t turns = 0;
  ASSERT_TRUE(world_.RunUntilTrue([&] {
    const size_t waiting = removed_.waiting();
    EXPECT_LE(before - waiting, kMax);
    turns += waiting < before;
    before = waiting;
    return waiting == 0;
  }));
  EXPECT_EQ(turns, 3u);
}

// Otherwise turns that remove many entries would fill the memory.
TEST_F(RemovedEntriesTest, ManyEntriesOfEachTurn_DoNotPileUp) {
  constexpr size_t kEachTurn = 4 * kMax;
  int turns = 0;
  env::Pending next;
  const std::function<void()> turn = [&] {
    removed_.Add(ListOf(kEachTurn));
    if (++turns < 1000) next = env_.loop.At(MonoTime(0), turn);
  };
  turn();
  ASSERT_TRUE(world_.RunUntilTrue([&] {
    EXPECT_LE(removed_.waiting(), (RemovedEntries::kTurnPart + 1) * kEachTurn);
    return turns == 1000 && removed_.waiting() == 0;
  }));
}

// A snapshot takes the place of many entries.
TEST(RemovedEntriesOfHosts, EntriesThatASnapshotCovers_AreFreedOverManyTurns) {
  constexpr size_t kEntries = 12 * kMax;
  constexpr size_t kPayloadBytes = 16;
  testing::JournalCluster cluster(
      5, /*snapshot_threshold_bytes=*/kEntries * kPayloadBytes, {});
  cluster.options_.snapshot_trailing_bytes = 0;
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  ASSERT_TRUE(cluster.WaitForLeader());
  Host& leader = cluster.node(cluster.leader())->host;
  for (size_t i = 0; i < kEntries; ++i) {
    leader.Propose(testing::kGroup,
                   Buffer::Copy(std::string(kPayloadBytes, 'x')),
                   [](const ProposeResult&) {});
  }
  size_t most = 0;
  size_t before = 0;
  ASSERT_TRUE(cluster.world_.RunUntilTrue([&] {
    const size_t waiting = leader.stats().entries_to_free;
    if (waiting < before) {
      EXPECT_LE(before - waiting, kMax);
    }
    before = waiting;
    most = std::max(most, waiting);
    return most > 0 && waiting == 0;
  }));
  EXPECT_GT(most, kMax);
  EXPECT_TRUE(cluster.WaitConverged(kEntries));
}

}  // namespace
}  // namespace quorate::raft
