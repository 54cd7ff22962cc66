// Groups and entries that leave the log.
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/log.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

const GroupKey kRemovedGroup = TestGroup(1);

// Snapshots cover logs of many small records that are far from each other. Each
// turn frees 1024 places. The segments go without another write.
TEST(LogOfManyPlaces, RemovedPlaces_AreFreedOverTurns) {
  constexpr uint64_t kPlaces = 3000;
  const GroupKey other = TestGroup(2);
  LogHarness h;
  h.options().segment_bytes = 8 << 20;
  h.options().slack_segments = 100;  // Nothing is rewritten.
  h.Start();
  const std::string large(20'000, 'y');
  for (uint64_t i = 1; i <= kPlaces; ++i) {
    ASSERT_TRUE(h.Append(kRemovedGroup, {TestEntry(1, i, "x")}).ok());
    ASSERT_TRUE(h.Append(other, {TestEntry(1, i, large)}).ok());
  }
  ASSERT_EQ(h.log()->places(kRemovedGroup), kPlaces);
  ASSERT_TRUE(h.Drop(other).ok());
  h.Run();
  EXPECT_EQ(h.Marks("log.removed_spans_wait"), 0u) << "it has few places";
  ASSERT_GT(h.log()->counters().segments, 5u);
  std::vector<size_t> freed;
  h.log()->OnPlacesFreed(
      [&](GroupKey key) { freed.push_back(h.log()->places(key)); });
  const uint64_t writes = h.log()->counters().durable_writes;
  ASSERT_TRUE(h.SetLogStart(kRemovedGroup, {Term(1), Index(kPlaces - 1)}).ok());
  h.Run();
  EXPECT_EQ(h.Marks("log.removed_spans_wait"), 2u);
  EXPECT_EQ(freed, (std::vector<size_t>{1}));
  EXPECT_EQ(h.log()->places(kRemovedGroup), 1u);
  EXPECT_EQ(h.log()->counters().durable_writes, writes + 1);
  EXPECT_EQ(h.log()->counters().segments, 1u);
  ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(h.log()->recovered()[kRemovedGroup].entries.size(), 1u);
}

// A crash during the drop leaves all of the group, the blank group, or the
// record of the drop alone. The latter says that the group was dropped.
TEST(LogDrop, InterruptedDropThatLeavesABlankGroup_LosesNoGroup) {
  std::map<std::string, int> reached;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    LogHarness h(seed);
    h.Start();
    const HardState hard_state{Term(3), ReplicaId(1)};
    ASSERT_TRUE(
        h.Append(kRemovedGroup, {TestEntry(1, 1, "a")}, &hard_state).ok());
    const uint64_t writes = h.log()->counters().durable_writes;
    h.world().CrashAtDiskOperation(h.test().machine(), 1, CrashKind::kMachine);
    h.test().InTurn([&] {
      h.log()->Drop(kRemovedGroup, Log::Leaves::kBlank, [](absl::Status) {});
    });
    EXPECT_EQ(h.log()->counters().durable_writes, writes + 1);
    h.Reboot();
    ASSERT_TRUE(h.Open().ok());
    for (int start = 0; start < 3; ++start) {
      const auto& recovered = h.log()->recovered();
      const auto found = recovered.find(kRemovedGroup);
      const bool dropped = h.log()->dropped().contains(kRemovedGroup);
      EXPECT_NE(found == recovered.end(), !dropped);
      if (dropped) {
        ++reached["torn"];
      } else {
        EXPECT_TRUE(found->second.fenced.ok());
        ++reached[found->second.entries.empty() ? "blank" : "whole"];
      }
      ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
    }
  }
  EXPECT_GT(reached["whole"], 0);
  EXPECT_GT(reached["blank"], 0);
}

TEST(LogDrop, DropThatLeavesABlankGroup_IsOneDurableWrite) {
  LogHarness h;
  h.Start();
  const HardState hard_state{Term(3), ReplicaId(1)};
  ASSERT_TRUE(
      h.Append(kRemovedGroup, {TestEntry(1, 1, "a")}, &hard_state).ok());
  const uint64_t writes = h.log()->counters().durable_writes;
  ASSERT_TRUE(h.Drop(kRemovedGroup, Log::Leaves::kBlank).ok());
  EXPECT_EQ(h.log()->counters().durable_writes, writes + 1);
  // The segment that holds the record of the drop is removed.
  for (uint64_t i = 1; i <= 100; ++i) {
    const std::string large(4000, 'c');
    ASSERT_TRUE(h.Append(TestGroup(2), {TestEntry(1, i, large)}).ok());
    ASSERT_TRUE(h.SetLogStart(TestGroup(2), {Term(1), Index(i)}).ok());
  }
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
    ASSERT_TRUE(h.log()->recovered().contains(kRemovedGroup));
    const RecoveredGroup& group = h.log()->recovered()[kRemovedGroup];
    EXPECT_EQ(group.hard_state, HardState());
    EXPECT_TRUE(group.entries.empty());
    EXPECT_TRUE(group.fenced.ok());
    EXPECT_TRUE(h.log()->dropped().empty());
  }
}

}  // namespace
}  // namespace quorate::raft
