#include "raft/host/removed_entries.h"

#include <algorithm>
#include <memory>
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
#include "raft/host/journal_cluster.h"
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

// Starts a Program on a machine of its own. It is null until the start.
template <typename Program>
class Running {
 public:
  Running() {
    world_.Start(world_.AddMachine({.name = "n1"}), [this](env::Env& env) {
      auto made = std::make_shared<Program>(env);
      program_ = made.get();
      return made;
    });
  }
  // Calls done(Program&) after each turn until it returns true.
  template <typename Done>
  bool RunUntil(Done done) {
    return world_.RunUntilTrue(
        [&] { return program_ != nullptr && done(*program_); });
  }

 private:
  sim::World world_{{.seed = 1}};
  Program* program_ = nullptr;
};

// A turn runs each deferred callback and each due timer once.
TEST(RemovedEntriesTest, ManyEntries_AreFreedOverManyTurns) {
  struct Program {
    explicit Program(env::Env& env) : removed(env.loop) {
      removed.Add(ListOf(2 * kMax));
      removed.Add(EntryList());
      removed.Add(ListOf(kMax / 2));
      removed.Add(ListOf(3));
    }
    RemovedEntries removed;
  };
  Running<Program> running;
  size_t before = 2 * kMax + kMax / 2 + 3;
  size_t turns = 0;
  ASSERT_TRUE(running.RunUntil([&](Program& program) {
    const size_t waiting = program.removed.waiting();
    EXPECT_LE(before - waiting, kMax);
    turns += waiting < before;
    before = waiting;
    return waiting == 0;
  }));
  EXPECT_EQ(turns, 3u);
}

// Otherwise turns that remove many entries would fill the memory.
TEST(RemovedEntriesTest, ManyEntriesOfEachTurn_DoNotPileUp) {
  constexpr size_t kEachTurn = 4 * kMax;
  struct Program {
    explicit Program(env::Env& env) : loop(env.loop), removed(env.loop) {
      Turn();
    }
    void Turn() {
      removed.Add(ListOf(kEachTurn));
      if (++turns < 1000) next = loop.At(MonoTime(0), [this] { Turn(); });
    }
    env::Loop& loop;
    RemovedEntries removed;
    int turns = 0;
    env::Pending next;
  };
  ASSERT_TRUE(Running<Program>().RunUntil([](Program& program) {
    EXPECT_LE(program.removed.waiting(),
              (RemovedEntries::kTurnPart + 1) * kEachTurn);
    return program.turns == 1000 && program.removed.waiting() == 0;
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
    const size_t waiting = leader.entries_to_free();
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
