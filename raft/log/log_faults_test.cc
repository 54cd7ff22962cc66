// The log against a slow model: random operations, crashes anywhere, the Nth disk operation failing, every bit flipped.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/log_harness.h"
#include "raft/log/log_model.h"
#include "raft/log/record.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;
using sim::World;

constexpr uint32_t kGroups = 4;

// Issues operations [from, from + count) of a workload, several in one turn, and lets some turns pass while writes are in flight.
void Issue(LogHarness& h, LogModel& model, const Random& random, uint64_t from,
           uint64_t count) {
  uint64_t done = 0;
  while (done < count && h.running()) {
    const uint64_t in_turn =
        std::min(count - done, 1 + random.Below(6, "in_turn", 1, from + done));
    env::Pending pending = h.test().env().loop.Defer([&] {
      for (uint64_t i = 0; i < in_turn; ++i) {
        model.Issue(RandomOperation(random, from + done + i, kGroups));
      }
    });
    done += in_turn;
    if (random.Below(2, "wait", 1, from + done) == 0) {
      h.Run();
    } else {
      h.world().RunFor(Microseconds(
          static_cast<int64_t>(random.Below(300, "for", 1, from + done))));
    }
  }
}

// One life after another, each ended by a crash between or within disk operations.
void CrashRun(uint64_t seed, sim::WorldOptions world) {
  world.seed = seed;
  LogHarness h(world);
  h.options().segment_bytes = 24 << 10;
  h.options().batch_bytes_max = 8 << 10;
  h.Start();
  LogModel model(&h);
  const Random random(seed * 77 + 5);
  uint64_t number = 0;
  for (int life = 0; life < 12 && !testing::Test::HasFailure(); ++life) {
    const CrashKind kind = random.Below(2, "crash", 0, life) == 0
                               ? CrashKind::kProcess
                               : CrashKind::kMachine;
    if (random.Below(3, "soon", 0, life) == 0) {
      h.world().CrashAtDiskOperation(h.test().machine(),
                                     1 + random.Below(60, "at", 0, life), kind);
    }
    const uint64_t count = 5 + random.Below(60, "operations", 0, life);
    Issue(h, model, random, number, count);
    number += count;
    h.Crash(kind);
    // The opening may be cut short, too.
    if (random.Below(3, "reopen", 0, life) == 0) {
      h.world().CrashAtDiskOperation(
          h.test().machine(), 1 + random.Below(20, "at2", 0, life), kind);
      (void)h.Open();
      h.Crash(kind);
    }
    const absl::Status opened = h.Open();
    ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened;
    model.Recovered();
    EXPECT_TRUE(h.log()->unknown_groups_fenced().ok());
    EXPECT_TRUE(h.world().violations().empty())
        << h.world().violations().front();
  }
  EXPECT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
}

TEST(LogCrash, RandomOperationsAndCrashes_StateIsTheModelsAtOrAfterTheLastAck) {
  for (uint64_t seed = 1; seed <= 120 && !HasFailure(); ++seed) {
    sim::WorldOptions world;
    if (seed % 3 == 0) world.buggify = {.active = {1, 1}, .fire = {1, 8}};
    if (seed % 2 == 0) world.disk.jitter = {1, 2};
    CrashRun(seed, world);
  }
}

}  // namespace
}  // namespace quorate::raft
