// The log through its interface, on a disk that works or crashes.
#include "raft/log/log.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/files/ballast.h"
#include "raft/log/record.h"
#include "raft/log/snapshot_format.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

const GroupKey kGroup = TestGroup(1);

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { h_.Start(); }
  RecoveredGroup& Recovered(GroupKey key = kGroup) {
    return h_.log()->recovered()[key];
  }
  LogHarness h_;
};

TEST_F(LogTest, FreshStore_HasNoGroups) {
  EXPECT_TRUE(h_.log()->recovered().empty());
  EXPECT_TRUE(h_.log()->status().ok());
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(h_.log()->recovered().empty());
}

TEST_F(LogTest, AcknowledgedAppend_SurvivesEitherCrash) {
  const HardState hard_state{Term(3), ReplicaId(2)};
  const std::vector<Entry> entries = {TestEntry(1, 1, "a"),
                                      TestEntry(3, 2, std::string(3000, 'b'))};
  ASSERT_TRUE(h_.Append(kGroup, entries, &hard_state).ok());
  for (CrashKind kind :
       {CrashKind::kProcess, CrashKind::kMachine, CrashKind::kMachine}) {
    ASSERT_TRUE(h_.Restart(kind).ok());
    EXPECT_EQ(Recovered().hard_state, hard_state);
    EXPECT_EQ(Recovered().entries, entries);
    EXPECT_TRUE(Recovered().fenced.ok());
  }
}

TEST_F(LogTest, LaterAppend_ReplacesTheSuffix) {
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a"), TestEntry(1, 2, "b"),
                                 TestEntry(1, 3, "c")})
                  .ok());
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(2, 2, "x")}).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  const std::vector<Entry> expected = {TestEntry(1, 1, "a"),
                                       TestEntry(2, 2, "x")};
  EXPECT_EQ(Recovered().entries, expected);
}

TEST_F(LogTest, ManySegments_RollAndComeBack) {
  std::vector<Entry> expected;
  for (uint64_t i = 1; i <= 300; ++i) {
    const Entry entry = TestEntry(1, i, std::string(1000, 'a' + i % 26));
    expected.push_back(entry);
    ASSERT_TRUE(h_.Append(kGroup, {entry}).ok());
  }
  EXPECT_GT(h_.log()->counters().segments, 3u);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().entries, expected);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().entries, expected);
}

TEST_F(LogTest, Commit_IsWrittenWithTheHardState) {
  const HardState hard_state{Term(1), ReplicaId(1)};
  const std::vector<Entry> entries = {TestEntry(1, 1, "a"),
                                      TestEntry(1, 2, "b")};
  ASSERT_TRUE(h_.Append(kGroup, entries, &hard_state, Index(2)).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().commit, Index(2));
  EXPECT_EQ(Recovered().entries, entries);
  // The replica may know less after a start. The log remembers.
  const HardState later{Term(2), ReplicaId(1)};
  ASSERT_TRUE(h_.Append(kGroup, {}, &later, Index(1)).ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_EQ(Recovered().commit, Index(2));
    EXPECT_EQ(Recovered().hard_state, later);
  }
}

TEST_F(LogTest, CommitWithoutHardState_IsWrittenWithTheNextSegment) {
  ASSERT_TRUE(
      h_.Append(kGroup, {TestEntry(1, 1, "a")}, nullptr, Index(1)).ok());
  EXPECT_EQ(h_.log()->counters().durable_writes, 2u);  // With the opening.
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().commit, Index());
  ASSERT_TRUE(
      h_.Append(kGroup, {TestEntry(1, 2, "b")}, nullptr, Index(2)).ok());
  const uint64_t segments = h_.log()->counters().segments;
  for (uint64_t i = 1; h_.log()->counters().segments == segments; ++i) {
    ASSERT_LT(i, 1000u);
    const std::string payload(4000, 'f');
    ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, i, payload)}).ok());
  }
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().commit, Index(2));
  EXPECT_TRUE(Recovered().fenced.ok()) << Recovered().fenced;
}

// Recovery copies unconfirmed records behind the states of a new segment, which
// may become the first segment of the chain.
TEST_F(LogTest, RestartsAndBoundaries_TakingTurns_NeverFence) {
  std::vector<Entry> expected;
  LogPosition log_start;
  uint64_t index = 0;
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 3; ++i) {
      const Entry entry = TestEntry(1, ++index, std::string(100, 'x'));
      expected.push_back(entry);
      const HardState hard_state{Term(1 + round), ReplicaId(1)};
      ASSERT_TRUE(h_.Append(kGroup, {entry}, &hard_state).ok());
    }
    if (round % 2 == 1) {
      log_start = expected[expected.size() - 2].position();
      expected.erase(expected.begin(), expected.end() - 1);
      ASSERT_TRUE(h_.SetLogStart(kGroup, log_start).ok());
    }
    ASSERT_TRUE(
        h_.Restart(round % 3 == 0 ? CrashKind::kProcess : CrashKind::kMachine)
            .ok());
    ASSERT_TRUE(Recovered().fenced.ok()) << round << Recovered().fenced;
    ASSERT_EQ(Recovered().log_start.position, log_start) << round;
    ASSERT_EQ(Recovered().entries, expected) << round;
  }
}

TEST_F(LogTest, LogStart_DropsThePrefixForGood) {
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a"), TestEntry(1, 2, "b"),
                                 TestEntry(2, 3, "c")})
                  .ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(1), Index(2)}).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().log_start.position, (LogPosition{Term(1), Index(2)}));
  EXPECT_EQ(Recovered().entries, std::vector<Entry>{TestEntry(2, 3, "c")});
}

TEST_F(LogTest, OlderLogStart_ChangesNothing) {
  ASSERT_TRUE(
      h_.Append(kGroup, {TestEntry(1, 1, "a"), TestEntry(1, 2, "b")}).ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(1), Index(2)}).ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(1), Index(1)}).ok());
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_EQ(Recovered().log_start.position, (LogPosition{Term(1), Index(2)}));
}

TEST_F(LogTest, LogStartOfAnInstalledSnapshot_DiscardsEverythingElse) {
  ASSERT_TRUE(
      h_.Append(kGroup, {TestEntry(1, 1, "a"), TestEntry(1, 2, "b")}).ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(5), Index(1)}, true).ok());
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(5, 2, "x")}).ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(6), Index(90)}, true).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().log_start.position, (LogPosition{Term(6), Index(90)}));
  EXPECT_TRUE(Recovered().entries.empty());
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(6, 91, "y")}).ok());
}

// Appends and compacts `count` entries of 4 KB, segment after segment.
void Churn(LogHarness& h, GroupKey group, uint64_t from, uint64_t count) {
  for (uint64_t i = from; i < from + count; ++i) {
    ASSERT_TRUE(
        h.Append(group, {TestEntry(1, i, std::string(4000, 'c'))}).ok());
    ASSERT_TRUE(h.SetLogStart(group, {Term(1), Index(i)}).ok());
  }
}

TEST_F(LogTest, DroppedGroup_IsGoneForEver) {
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a")}).ok());
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "b")}).ok());
  ASSERT_TRUE(h_.Drop(kGroup).ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_EQ(h_.log()->recovered().count(kGroup), 0u);
    EXPECT_EQ(h_.log()->recovered().size(), 1u);
    // The segment that holds the record is removed.
    Churn(h_, TestGroup(2), 2 + 100 * i, 100);
  }
  const GroupKey reborn{kGroup.group, ReplicaId(77)};
  EXPECT_TRUE(h_.Append(reborn, {TestEntry(1, 1, "new")}).ok());
}

// The opening of a segment has the state of each group that exists.
TEST(LogOpening, DroppedGroups_TakeNoRoom) {
  const auto churned_bytes = [](uint32_t dropped) {
    LogHarness h;
    h.Start();
    for (uint32_t group = 1; group <= dropped; ++group) {
      const GroupKey key = TestGroup(100 + group);
      EXPECT_TRUE(h.Append(key, {TestEntry(1, 1, "a")}).ok());
      EXPECT_TRUE(h.Drop(key).ok());
    }
    Churn(h, kGroup, 1, 100);
    const uint64_t before = h.log()->counters().written_bytes;
    const uint64_t begun = h.Marks("log.segment_begun");
    Churn(h, kGroup, 101, 100);
    EXPECT_GT(h.Marks("log.segment_begun"), begun + 3);
    return h.log()->counters().written_bytes - before;
  };
  EXPECT_LT(churned_bytes(500), churned_bytes(0) + 4000);
}

TEST_F(LogTest, AppendsOfOneTurn_ShareOneDurableWrite) {
  const uint64_t before = h_.log()->counters().durable_writes;
  std::vector<uint32_t> order;
  h_.test().InTurn([&] {
    for (uint32_t group = 1; group <= 100; ++group) {
      for (uint64_t i = 1; i <= 3; ++i) {
        h_.log()->Append(TestGroup(group), nullptr, Index(),
                         {TestEntry(1, i, "payload")},
                         [&order, group](absl::Status status) {
                           EXPECT_TRUE(status.ok());
                           order.push_back(group);
                         });
      }
    }
  });
  EXPECT_EQ(h_.log()->counters().durable_writes, before + 1);
  EXPECT_EQ(order.size(), 300u);
}

TEST_F(LogTest, WhileAWriteIsInFlight_TheNextOneCollects) {
  const uint64_t before = h_.log()->counters().durable_writes;
  int done = 0;
  env::Pending timers[50];
  for (int i = 0; i < 50; ++i) {
    const MonoTime at =
        h_.test().env().loop.ReadClock().mono + Microseconds(4 * (i + 1));
    timers[i] = h_.test().env().loop.At(at, [&, i] {
      h_.log()->Append(TestGroup(i + 1), nullptr, Index(),
                       {TestEntry(1, 1, "x")}, [&](absl::Status) { ++done; });
    });
  }
  h_.Run();
  EXPECT_EQ(done, 50);
  EXPECT_EQ(h_.log()->counters().durable_writes, before + 2);
}

TEST_F(LogTest, BigGroup_DoesNotKeepOthersWaiting) {
  h_.Close();
  h_.options().segment_bytes = 64 << 20;
  h_.options().batch_bytes_max = 64 << 10;
  h_.options().group_bytes_max = 16 << 10;
  ASSERT_TRUE(h_.Restart().ok());
  const uint64_t before = h_.log()->counters().durable_writes;
  size_t big_done = 0;
  size_t big_when_small_done = 0;
  h_.test().InTurn([&] {
    for (uint64_t i = 1; i <= 100; ++i) {
      h_.log()->Append(kGroup, nullptr, Index(),
                       {TestEntry(1, i, std::string(8 << 10, 'b'))},
                       [&](absl::Status) { ++big_done; });
    }
    h_.log()->Append(TestGroup(2), nullptr, Index(), {TestEntry(1, 1, "small")},
                     [&](absl::Status) { big_when_small_done = big_done; });
  });
  EXPECT_EQ(big_done, 100u);
  EXPECT_LE(big_when_small_done, 8u);
  // No write exceeded its limit.
  EXPECT_GE(h_.log()->counters().durable_writes, before + 800 / 64);
}

TEST_F(LogTest, HugeAppend_IsSplitAndComesBackWhole) {
  std::vector<Entry> entries;
  for (uint64_t i = 1; i <= 30; ++i) {
    entries.push_back(TestEntry(1, i, std::string(kEntryPayloadBytesMax, 'h')));
  }
  const HardState hard_state{Term(1), ReplicaId(1)};
  ASSERT_TRUE(h_.Append(kGroup, entries, &hard_state).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().entries, entries);
  EXPECT_EQ(Recovered().hard_state, hard_state);
}

TEST_F(LogTest, CompactedSegments_AreOverwrittenAndSpaceStaysBounded) {
  Churn(h_, kGroup, 1, 400);
  EXPECT_GT(h_.Marks("log.segment_recycled"), 5u);
  EXPECT_LE(h_.LogFiles().size(), 4u);
  EXPECT_LE(h_.log()->counters().segments, 2u);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().log_start.position.index, Index(400));
}

TEST_F(LogTest, IdleGroupInAnOldSegment_IsBroughtForward) {
  const GroupKey idle = TestGroup(2);
  const HardState vote{Term(4), ReplicaId(3)};
  const std::vector<Entry> entries = {TestEntry(1, 1, "first"),
                                      TestEntry(4, 2, std::string(900, 'i'))};
  ASSERT_TRUE(h_.Append(idle, entries, &vote).ok());
  Churn(h_, kGroup, 1, 400);
  EXPECT_GT(h_.Marks("log.segment_rewritten"), 0u);
  EXPECT_LE(h_.LogFiles().size(), 9u);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_EQ(Recovered(idle).entries, entries);
    EXPECT_EQ(Recovered(idle).hard_state, vote);
    EXPECT_EQ(Recovered().log_start.position.index, Index(400));
  }
}

// Returns the first position of `text` and its file.
uint64_t FindText(LogHarness& h, const std::string& text, std::string* name) {
  for (const std::string& file : h.LogFiles()) {
    const size_t at = h.ReadFile(file).find(text);
    if (at != std::string::npos) {
      *name = file;
      return at;
    }
  }
  ADD_FAILURE() << text << " is nowhere";
  return 0;
}

// The owner of the entries that cannot be read replaces them by a snapshot. The
// entries of the other idle group are beside them.
TEST_F(LogTest, UnreadablePageInAnOldSegment_IsReportedAndSpaceStaysBounded) {
  const GroupKey lost = TestGroup(2);
  const GroupKey other = TestGroup(3);
  const std::vector<Entry> kept = {TestEntry(1, 1, std::string(900, 'k'))};
  ASSERT_TRUE(h_.Append(other, kept).ok());
  ASSERT_TRUE(h_.Append(lost, {TestEntry(1, 1, "a"), TestEntry(1, 2, "b"),
                               TestEntry(1, 3, std::string(9000, 'l'))})
                  .ok());
  std::string name;
  const uint64_t at = FindText(h_, std::string(4096, 'l'), &name);
  h_.world().MakeUnreadable(h_.test().machine(), name, at, 512);
  std::vector<std::string> reports;
  h_.log()->OnUnreadable(
      [&](GroupKey group, Index last, const absl::Status& why) {
        EXPECT_EQ(group, lost);
        EXPECT_EQ(last, Index(3));
        reports.push_back(std::string(why.message()));
      });
  for (uint64_t i = 0; i < 12; ++i) {
    Churn(h_, kGroup, 1 + 100 * i, 100);
    h_.world().RunFor(Seconds(5));
    if (reports.empty()) continue;
    EXPECT_NE(reports.front().find(name), std::string::npos);
    ASSERT_TRUE(h_.SetLogStart(lost, {Term(1), Index(3)}).ok());
  }
  EXPECT_FALSE(reports.empty());
  EXPECT_GE(h_.Marks("log.rewrite_failed"), 3u);
  EXPECT_LE(h_.LogFiles().size(), 9u);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered(other).entries, kept);
  EXPECT_TRUE(Recovered(lost).fenced.ok()) << Recovered(lost).fenced;
  EXPECT_EQ(Recovered(lost).log_start.position.index, Index(3));
}

// A span of entries grows while its last record is being written.
TEST_F(LogTest, ReadDuringAWrite_HasTheEntriesBefore) {
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a")}).ok());
  absl::StatusOr<EntryList> read = absl::UnknownError("not called");
  env::Pending later;
  h_.test().InTurn([&] {
    h_.log()->Append(kGroup, nullptr, Index(), {TestEntry(1, 2, "b")}, nullptr);
    later = h_.test().env().loop.Defer([&] {
      h_.log()->Read(kGroup, Index(), [&](auto found) { read = found; });
    });
  });
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 1u);
}

// An error that passes is no reason for a snapshot.
TEST_F(LogTest, OldSegmentThatCannotBeReadForAWhile_IsNotReported) {
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "first")}).ok());
  bool reported = false;
  h_.log()->OnUnreadable(
      [&](GroupKey, Index, const absl::Status&) { reported = true; });
  Churn(h_, kGroup, 1, 40);
  h_.world().FailDiskOperation(h_.test().machine(),
                               sim::World::DiskOperation::kRead, 1,
                               /*persistent=*/true);
  for (uint64_t i = 0; i < 10; ++i) {
    Churn(h_, kGroup, 41 + 10 * i, 10);
    h_.world().RunFor(Seconds(20));
  }
  EXPECT_GE(h_.Marks("log.rewrite_failed"), 3u);
  EXPECT_FALSE(reported);
  h_.world().HealDisk(h_.test().machine());
  Churn(h_, kGroup, 141, 400);
  EXPECT_GT(h_.Marks("log.segment_rewritten"), 0u);
  EXPECT_LE(h_.LogFiles().size(), 9u);
}

TEST_F(LogTest, TornTail_IsCutAndMarked) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    LogHarness h(seed);
    h.Start();
    ASSERT_TRUE(h.Append(kGroup, {TestEntry(1, 1, "kept")}).ok());
    h.world().CrashAtDiskOperation(h.test().machine(), 1, CrashKind::kMachine);
    h.test().InTurn([&] {
      h.log()->Append(kGroup, nullptr, Index(),
                      {TestEntry(1, 2, std::string(20000, 't'))}, nullptr);
    });
    h.Reboot();
    ASSERT_TRUE(h.Open().ok());
    const auto& entries = h.log()->recovered()[kGroup].entries;
    ASSERT_GE(entries.size(), 1u);
    EXPECT_EQ(entries[0], TestEntry(1, 1, "kept"));
    if (h.Marks("log.torn_tail_cut") > 0) {
      EXPECT_EQ(entries.size(), 1u);
      return;
    }
  }
  FAIL() << "no crash tore the write";
}

TEST_F(LogTest, DamagedRecord_FencesItsGroupAlone) {
  const std::string damaged = "this will be damaged" + std::string(600, '.');
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, damaged)}).ok());
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "fine")}).ok());
  h_.Crash(CrashKind::kMachine);
  std::string name;
  const uint64_t at = FindText(h_, "this will be damaged", &name);
  ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, at, 3));
  ASSERT_TRUE(h_.Open().ok());
  EXPECT_EQ(h_.Marks("log.corrupt_record_fenced"), 1u);
  EXPECT_TRUE(absl::IsDataLoss(Recovered().fenced));
  EXPECT_NE(std::string(Recovered().fenced.message()).find(name),
            std::string::npos);
  EXPECT_TRUE(Recovered(TestGroup(2)).fenced.ok());
  EXPECT_TRUE(absl::IsDataLoss(h_.Append(kGroup, {TestEntry(1, 2, "x")})));
  EXPECT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 2, "y")}).ok());
  // The damage disappears with its segment; the fence does not.
  Churn(h_, TestGroup(2), 3, 200);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_TRUE(absl::IsDataLoss(Recovered().fenced));
  // Dropping the group ends the fence.
  ASSERT_TRUE(h_.Drop(kGroup).ok());
  const GroupKey reborn{kGroup.group, ReplicaId(2)};
  EXPECT_TRUE(h_.Append(reborn, {TestEntry(1, 1, "reborn")}).ok());
}

TEST_F(LogTest, GroupFencedAtRunTime_StaysFenced) {
  const HardState hard_state{Term(3), ReplicaId(1)};
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a")}, &hard_state).ok());
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "b")}).ok());
  ASSERT_TRUE(h_.Fence(kGroup).ok());
  const absl::Status refused = h_.Append(kGroup, {TestEntry(1, 2, "x")});
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_EQ(refused.message(), "its state is wrong");
  EXPECT_TRUE(absl::IsDataLoss(h_.SetLogStart(kGroup, {Term(1), Index(1)})));
  EXPECT_TRUE(absl::IsDataLoss(h_.Fence(kGroup)));
  // Later segments say so, too.
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_TRUE(absl::IsDataLoss(Recovered().fenced)) << Recovered().fenced;
    EXPECT_TRUE(Recovered(TestGroup(2)).fenced.ok());
    if (i == 0) Churn(h_, TestGroup(2), 2, 100);
  }
  EXPECT_EQ(h_.Marks("log.corrupt_record_fenced"), 0u);
  ASSERT_TRUE(h_.Drop(kGroup).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(h_.log()->recovered().count(kGroup), 0u);
}

// Additions that were queued before are written.
TEST_F(LogTest, FenceBehindOtherAdditions_KeepsTheirOrder) {
  std::vector<std::string> ended;
  const auto done = [&](const char* name) {
    return [&ended, name](absl::Status status) {
      ended.push_back(std::string(name) + (status.ok() ? "" : " refused"));
    };
  };
  h_.test().InTurn([&] {
    const absl::Status why = absl::DataLossError("why");
    h_.log()->Append(kGroup, nullptr, Index(), {TestEntry(1, 1, "a")},
                     done("append"));
    h_.log()->Fence(kGroup, why, done("fence"));
    h_.log()->Append(kGroup, nullptr, Index(), {TestEntry(1, 2, "b")},
                     done("late"));
    h_.log()->Drop(kGroup, Log::Leaves::kNothing, done("drop"));
  });
  h_.world().RunFor(Seconds(1));
  ASSERT_EQ(ended.size(), 4u);
  EXPECT_EQ(std::count(ended.begin(), ended.end(), "late refused"), 1);
  std::erase(ended, "late refused");
  EXPECT_EQ(ended, (std::vector<std::string>{"append", "fence", "drop"}));
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(h_.log()->recovered().count(kGroup), 0u);
}

TEST_F(LogTest, FencedGroup_StaysFencedWithoutTheDamagedFile) {
  const HardState hard_state{Term(0x1234567), ReplicaId(1)};
  ASSERT_TRUE(h_.Append(kGroup, {}, &hard_state).ok());
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "fine")}).ok());
  h_.Crash(CrashKind::kMachine);
  std::string name;
  const uint64_t at = FindText(h_, "\x67\x45\x23\x01", &name);
  ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, at, 3));
  ASSERT_TRUE(h_.Open().ok());
  ASSERT_TRUE(absl::IsDataLoss(Recovered().fenced));
  h_.Close();
  env::Pending p = h_.test().env().disk.Remove(name, [](absl::Status) {});
  h_.Run();
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(absl::IsDataLoss(Recovered().fenced));
}

TEST_F(LogTest, DamagedHeader_FencesEveryGroup) {
  const std::string damaged = "this will be damaged" + std::string(600, '.');
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, damaged)}).ok());
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "fine")}).ok());
  h_.Crash(CrashKind::kMachine);
  std::string name;
  const uint64_t at = FindText(h_, "this will be damaged", &name) - 100;
  ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, at, 3));
  ASSERT_TRUE(h_.Open().ok());
  EXPECT_TRUE(absl::IsDataLoss(Recovered(TestGroup(2)).fenced));
  // A replica that is made now has an id that no lost one had.
  EXPECT_TRUE(h_.Append(TestGroup(3), {TestEntry(1, 1, "x")}).ok());
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_TRUE(absl::IsDataLoss(Recovered(TestGroup(2)).fenced));
  EXPECT_TRUE(Recovered(TestGroup(3)).fenced.ok());
}

// The disk carries out one operation of each use at a time, as a real disk with
// two threads does.
TEST_F(LogTest, SyncOfASnapshotThatHangs_DelaysNoAppend) {
  const sim::MachineId machine = h_.test().machine();
  h_.world().disk_options(machine).one_at_a_time = true;
  uint64_t index = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(
        h_.Append(kGroup, {TestEntry(1, ++index, std::string(4000, 's'))})
            .ok());
  }
  std::unique_ptr<env::File> snapshot;
  env::Pending pending;
  pending = h_.test().env().disk.Open(
      "snapshot", env::Disk::OpenMode::kCreate,
      [&](absl::StatusOr<std::unique_ptr<env::File>> file) {
        ASSERT_TRUE(file.ok());
        snapshot = *std::move(file);
      });
  h_.Run();
  h_.world().StallDisk(machine, h_.world().now() + Seconds(60), "snapshot");
  bool synced = false;
  pending = snapshot->Sync([&](absl::Status) { synced = true; });
  const uint64_t segments_before = h_.log()->counters().segments;
  const uint64_t last = index + 100;
  uint64_t acknowledged = 0;
  while (index < last) {
    env::Pending turn = h_.test().env().loop.Defer([&] {
      h_.log()->Append(
          kGroup, nullptr, Index(),
          {TestEntry(1, ++index, std::string(4000, 's'))},
          [&](absl::Status status) { acknowledged += status.ok(); });
    });
    h_.world().RunFor(Milliseconds(5));
  }
  EXPECT_EQ(acknowledged, 100u);
  EXPECT_FALSE(synced);
  // The segment that was ready is in use, and took more than its share.
  EXPECT_EQ(h_.log()->counters().segments, segments_before + 1);
  h_.Run();
  EXPECT_TRUE(synced);
  ASSERT_TRUE(
      h_.Append(kGroup, {TestEntry(1, ++index, std::string(4000, 's'))}).ok());
  EXPECT_GT(h_.log()->counters().segments, segments_before + 1);
  snapshot.reset();
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(Recovered().entries.size(), index);
}

// How the file of the next segment comes about.
enum class SpareKind { kNew, kRecycled, kExtended };

absl::Status AppendOne(LogHarness& h, uint64_t* index) {
  return h.Append(kGroup, {TestEntry(1, ++*index, std::string(5000, 'e'))});
}

// Writes until the next append begins the preparation of a file.
void WriteUntilASpareIsDue(LogHarness& h, SpareKind kind, uint64_t* index) {
  switch (kind) {
    case SpareKind::kExtended:
      // The file that the creation of the store left is small.
      return;
    case SpareKind::kRecycled:
      for (int i = 0; i < 60; ++i) {
        ASSERT_TRUE(AppendOne(h, index).ok());
        ASSERT_TRUE(h.SetLogStart(kGroup, {Term(1), Index(*index)}).ok());
      }
      // The next start has two files that it does not need.
      ASSERT_TRUE(h.Restart().ok());
      return;
    case SpareKind::kNew: {
      // A log that does the same tells when the second segment begins.
      LogHarness same;
      same.Start();
      uint64_t last = 0;
      while (same.Marks("log.segment_begun") < 1) {
        ASSERT_TRUE(AppendOne(same, &last).ok());
      }
      while (*index + 1 < last) ASSERT_TRUE(AppendOne(h, index).ok());
    }
  }
}

// Each operation of the preparation of the next segment fails once. No append
// may see that, and a later attempt succeeds.
void FailEachOperationOfASpare(SpareKind kind, uint64_t operations) {
  uint64_t discarded = 0;
  for (uint64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    LogHarness h;
    h.Start();
    uint64_t index = 0;
    WriteUntilASpareIsDue(h, kind, &index);
    const uint64_t segments = h.Marks("log.segment_begun");
    const uint64_t recycled = h.Marks("log.segment_recycled");
    const uint64_t discarded_before = h.Marks("log.spare_discarded");
    // A new file is prepared when the opening of a segment, and the first
    // record behind it, are durable.
    const uint64_t writes = kind == SpareKind::kNew ? 2 : 1;
    h.world().FailDiskOperation(
        h.test().machine(), sim::World::DiskOperation::kAny, writes + n, false);
    ASSERT_TRUE(AppendOne(h, &index).ok());
    EXPECT_EQ(h.Marks("log.segment_recycled") > recycled,
              kind != SpareKind::kNew);
    const bool failed = h.world().disk_failures(h.test().machine()) > 0;
    h.world().HealDisk(h.test().machine());
    discarded += h.Marks("log.spare_discarded") - discarded_before;
    h.world().RunFor(Seconds(1));
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(AppendOne(h, &index).ok());
    EXPECT_TRUE(h.log()->status().ok()) << h.log()->status();
    EXPECT_GT(h.Marks("log.segment_begun"), segments + 1);
    EXPECT_LE(h.LogFiles().size(), h.log()->counters().segments + 2);
    EXPECT_TRUE(h.world().violations().empty());
    ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
    const RecoveredGroup& group = h.log()->recovered()[kGroup];
    EXPECT_EQ(group.log_start.position.index + group.entries.size(),
              Index(index));
    if (testing::Test::HasFailure()) return;
    if (!failed) break;
  }
  EXPECT_EQ(discarded, operations);
}

// Free space, open, write, sync, sync of the directory, open.
TEST(LogSpare, ErrorOfANewFile_NeverReachesTheLog) {
  FailEachOperationOfASpare(SpareKind::kNew, 6);
}

// Rename, sync of the directory, open.
TEST(LogSpare, ErrorOfARecycledFile_NeverReachesTheLog) {
  FailEachOperationOfASpare(SpareKind::kRecycled, 3);
}

TEST(LogSpare, ErrorOfAnExtendedFile_NeverReachesTheLog) {
  FailEachOperationOfASpare(SpareKind::kExtended, 7);
}

uint64_t UsedBytes(LogHarness& h) {
  uint64_t used = 0;
  for (const std::string& name : h.world().DiskFiles(h.test().machine())) {
    used += h.world().DiskFileSize(h.test().machine(), name);
  }
  return used;
}

// Without room for another file the present one grows, and no further.
TEST(LogSpare, NoneCanBeMade_TheSegmentGrowsToItsLimit) {
  LogHarness h;
  h.options().segment_bytes = 16 << 10;
  h.Start();
  // Half of the free space is too little for another segment.
  sim::DiskOptions& disk = h.world().disk_options(h.test().machine());
  const uint64_t used = UsedBytes(h);
  disk.capacity_bytes = used + (20 << 10);
  uint64_t acknowledged = 0;
  absl::Status status;
  while (status.ok() && acknowledged < 1000) {
    const Entry entry = TestEntry(1, acknowledged + 1, std::string(4000, 'g'));
    status = h.Append(kGroup, {entry});
    acknowledged += status.ok();
    // The present segment grows, and the rest stays too little.
    disk.capacity_bytes =
        std::max(disk.capacity_bytes, UsedBytes(h) + (20 << 10));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_GT(acknowledged * 4000, uint64_t{16 << 10} * 30);
  EXPECT_EQ(h.log()->counters().segments, 1u);
  disk.capacity_bytes = uint64_t{1} << 30;
  ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
  EXPECT_GE(h.log()->recovered()[kGroup].entries.size(), acknowledged);
}

// A lack of descriptors puts no data at risk, so it does not stop the log.
TEST(LogSpare, NoDescriptorsAtTheLimit_WritesWaitForThem) {
  LogHarness h;
  h.options().segment_bytes = 16 << 10;
  h.Start();
  h.world().LimitOpenFiles(h.test().machine(), 0);
  uint64_t written = 0;
  uint64_t acknowledged = 0;
  const auto write = [&] {
    h.log()->Append(
        kGroup, nullptr, Index(),
        {TestEntry(1, ++written, std::string(4000, 'g'))},
        [&](const absl::Status& status) { acknowledged += status.ok(); });
    h.world().RunFor(Milliseconds(20));
  };
  while (written < 1000 && acknowledged == written) write();
  EXPECT_GT(acknowledged * 4000, uint64_t{16 << 10} * 30);
  EXPECT_LT(written, 1000u);
  const uint64_t attempts = h.Marks("log.spare_discarded");
  for (int i = 0; i < 1500; ++i) write();
  EXPECT_LT(acknowledged, written);
  EXPECT_TRUE(h.log()->status().ok()) << h.log()->status();
  // One attempt each second, however many writes wait.
  EXPECT_LE(h.Marks("log.spare_discarded") - attempts, 31u);
  h.world().HealDisk(h.test().machine());
  h.world().RunFor(Seconds(2));
  EXPECT_EQ(acknowledged, written);
  EXPECT_GE(h.log()->counters().segments, 2u);
  ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(h.log()->recovered()[kGroup].entries.size(), acknowledged);
}

// The rewriting of an old segment waits for the next one. Meanwhile a small
// record has room in the present one, so its write may be in flight when the
// log stops. That write succeeds later. The first segment, which it makes
// superfluous, stays nevertheless.
TEST(LogSpare, ErrorWhileAWriteIsInFlight_EndsAllWork) {
  const GroupKey old = TestGroup(2);
  int in_flight = 0;
  for (int64_t us = 10; us <= 200; us += 10) {
    SCOPED_TRACE(us);
    LogHarness h;
    const auto machine = h.test().machine();
    h.options().segment_bytes = 16 << 10;
    h.options().slack_segments = 1;
    h.Start();
    ASSERT_TRUE(
        h.Append(old, {TestEntry(1, 1, std::string(30'000, 'o'))}).ok());
    // The preparation of the third segment hangs until then.
    const sim::SimTime until = h.world().now() + Seconds(1);
    h.world().StallDisk(machine, until,
                        SegmentName(ParseSegmentName(h.LogFiles().back()) + 1));
    const auto soon = [&](auto call) {
      std::optional<absl::Status> result;
      env::Pending turn = h.test().env().loop.Defer(
          [&] { call([&](absl::Status status) { result = status; }); });
      ASSERT_TRUE(h.world().RunUntilTrue([&] { return result.has_value(); }));
      ASSERT_TRUE(result->ok()) << *result;
    };
    // The second segment grows, almost to its limit.
    const uint64_t written = h.log()->counters().written_bytes;
    uint64_t index = 0;
    while (h.log()->counters().written_bytes - written < (512 - 20) << 10) {
      soon([&](Log::Done done) {
        h.log()->Append(kGroup, nullptr, Index(),
                        {TestEntry(1, ++index, std::string(4000, 'f'))},
                        std::move(done));
      });
      if (testing::Test::HasFatalFailure()) return;
    }
    ASSERT_EQ(h.log()->counters().segments, 2u);
    soon([&](Log::Done done) {
      h.log()->SetLogStart(kGroup, TestLogStart({Term(1), Index(index)}), false,
                           std::move(done));
    });
    h.world().RunFor(Milliseconds(5));
    h.world().RunFor(until - h.world().now() - Microseconds(us));
    // That of the next segment. The small record is written first.
    h.world().FailDiskOperation(machine, sim::World::DiskOperation::kWrite, 2,
                                /*persistent=*/false);
    const uint64_t writes = h.log()->counters().durable_writes;
    absl::Status appended = absl::UnknownError("not called");
    h.test().InTurn([&] {
      h.log()->Append(kGroup, nullptr, Index(),
                      {TestEntry(1, index + 1, "small")},
                      [&](absl::Status status) { appended = status; });
      h.log()->SetLogStart(old, TestLogStart({Term(1), Index(1)}), false,
                           [](const absl::Status&) {});
    });
    EXPECT_FALSE(h.log()->status().ok());
    EXPECT_EQ(h.Marks("log.spare_discarded"), 1u);
    if (!appended.ok() && h.log()->counters().durable_writes > writes) {
      ++in_flight;
      EXPECT_EQ(h.log()->counters().segments, 2u);
    }
  }
  EXPECT_GT(in_flight, 0);
}

// Writes a file as another part of the program, or an earlier run, would.
void MakeFile(LogHarness& h, const std::string& name, size_t size) {
  std::unique_ptr<env::File> file;
  env::Pending pending = h.test().env().disk.Open(
      name, env::Disk::OpenMode::kCreate, [&](auto opened) {
        ASSERT_TRUE(opened.ok()) << opened.status();
        file = *std::move(opened);
      });
  h.Run();
  const Buffer bytes = Buffer::Copy(std::string(size, 'x'));
  pending =
      file->Write(0, absl::MakeConstSpan(&bytes, 1), env::Durability::kDurable,
                  [](absl::Status status) { ASSERT_TRUE(status.ok()); });
  h.Run();
}

bool HasFile(LogHarness& h, const std::string& name) {
  for (const std::string& file : h.world().DiskFiles(h.test().machine())) {
    if (file == name) return true;
  }
  return false;
}

TEST_F(LogTest, FullDiskAtAStart_UnfinishedSnapshotsAreRemovedFirst) {
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "kept")}).ok());
  const std::string complete = SnapshotName(kGroup, {Term(1), Index(1)});
  MakeFile(h_, complete, 1000);
  MakeFile(h_, complete + ".w1", 200 << 10);
  MakeFile(h_, complete + ".r2", 100 << 10);
  h_.world().disk_options(h_.test().machine()).capacity_bytes = UsedBytes(h_);
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(HasFile(h_, complete));
  EXPECT_FALSE(HasFile(h_, complete + ".w1"));
  EXPECT_FALSE(HasFile(h_, complete + ".r2"));
  EXPECT_EQ(Recovered().entries.size(), 1u);
  EXPECT_TRUE(h_.Append(kGroup, {TestEntry(1, 2, "more")}).ok());
}

// A snapshot that is received can continue, unless the start needs its room.
TEST_F(LogTest, FullDiskAtAStart_SnapshotsThatAreReceivedAreRemovedFirst) {
  const std::string part = SnapshotName(kGroup, {Term(1), Index(9)}) + ".r2";
  const std::string progress = SnapshotProgressName(part);
  h_.options().ballast_bytes = 0;
  MakeFile(h_, part, 200 << 10);
  MakeFile(h_, progress, 100);
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(HasFile(h_, part));
  EXPECT_TRUE(HasFile(h_, progress));
  h_.Close();
  h_.world().disk_options(h_.test().machine()).capacity_bytes = UsedBytes(h_);
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_FALSE(HasFile(h_, part));
  EXPECT_FALSE(HasFile(h_, progress));
  EXPECT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "more")}).ok());
}

// The file that was ready for the next segment becomes the first one of the
// next process.
TEST_F(LogTest, FullDiskAtAStart_ALeftoverSegmentIsReused) {
  std::vector<Entry> expected;
  for (uint64_t i = 1; i <= 4; ++i) {
    expected.push_back(TestEntry(1, i, std::string(3000, 'r')));
    ASSERT_TRUE(h_.Append(kGroup, {expected.back()}).ok());
  }
  for (int i = 0; i < 5; ++i) {
    h_.Close();
    h_.world().disk_options(h_.test().machine()).capacity_bytes =
        UsedBytes(h_) + 1024;  // A renaming needs some room.
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok()) << i;
    EXPECT_EQ(Recovered().entries, expected);
    expected.push_back(
        TestEntry(1, expected.size() + 1, std::string(6000, 'r')));
    ASSERT_TRUE(h_.Append(kGroup, {expected.back()}).ok());
    // With room again, the next file is prepared.
    h_.world().disk_options(h_.test().machine()).capacity_bytes = 1 << 30;
    h_.world().RunFor(Seconds(1));
    expected.push_back(TestEntry(1, expected.size() + 1, "more"));
    ASSERT_TRUE(h_.Append(kGroup, {expected.back()}).ok());
  }
}

TEST_F(LogTest, Ballast_IsRemovedOnAFullDiskAndMadeAgain) {
  h_.options().ballast_bytes = 100 << 10;
  auto& capacity = h_.world().disk_options(h_.test().machine()).capacity_bytes;
  ASSERT_TRUE(h_.Restart().ok());
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a")}).ok());
  EXPECT_TRUE(HasFile(h_, "ballast"));
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(HasFile(h_, "ballast")) << "there is room";
  h_.Close();
  capacity = UsedBytes(h_);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  EXPECT_EQ(h_.Marks("log.ballast_removed"), 1u);
  for (uint64_t i = 2; i <= 10; ++i) {
    ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, i, "b")}).ok());
  }
  h_.world().RunFor(Seconds(200));
  EXPECT_FALSE(HasFile(h_, "ballast")) << "there is no room";
  capacity = uint64_t{1} << 30;
  h_.world().RunFor(Seconds(61));
  EXPECT_TRUE(HasFile(h_, "ballast"));
  // An operator removes it for a while, and frees space meanwhile.
  env::Pending removing;
  ASSERT_TRUE(h_.Wait([&](env::File::Done done) {
                  removing =
                      h_.test().env().disk.Remove("ballast", std::move(done));
                }).ok());
  h_.world().RunFor(Seconds(700));
  EXPECT_TRUE(HasFile(h_, "ballast"));
  // It is of no use for a node that is not to have one.
  h_.options().ballast_bytes = 0;
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_FALSE(HasFile(h_, "ballast"));
}

// The disk reports free space that a quota keeps from the node.
TEST_F(LogTest, QuotaIsReachedAtAStart_TheBallastIsRemoved) {
  h_.options().ballast_bytes = 100 << 10;
  sim::DiskOptions& disk = h_.world().disk_options(h_.test().machine());
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 1, "a")}).ok());
  ASSERT_TRUE(h_.Restart().ok());
  h_.Run();
  EXPECT_TRUE(HasFile(h_, "ballast"));
  h_.Close();
  disk.capacity_bytes = UsedBytes(h_);
  disk.unusable_bytes = 1 << 30;
  const absl::Status opened = h_.Restart(CrashKind::kMachine);
  ASSERT_TRUE(opened.ok()) << opened;
  EXPECT_FALSE(HasFile(h_, "ballast"));
  EXPECT_EQ(Recovered().entries.size(), 1u);
  ASSERT_TRUE(h_.Append(kGroup, {TestEntry(1, 2, "b")}).ok());
  // Nothing is left to be removed.
  h_.Close();
  disk.capacity_bytes = UsedBytes(h_);
  const absl::Status full = h_.Restart(CrashKind::kMachine);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_NE(full.message().find("raise the quota"), std::string::npos) << full;
  disk.capacity_bytes = uint64_t{1} << 30;
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_EQ(Recovered().entries.size(), 2u);
}

TEST_F(LogTest, BallastOfAnotherSize_IsMadeAgain) {
  for (const uint64_t bytes : {100 << 10, 300 << 10, 200 << 10}) {
    h_.options().ballast_bytes = bytes;
    ASSERT_TRUE(h_.Restart().ok());
    h_.Run();
    EXPECT_EQ(h_.world().DiskFileSize(h_.test().machine(), "ballast"), bytes);
  }
}

TEST(LogBallast, CrashAtAnyOperation_IsCompleteLater) {
  constexpr uint64_t kBytes = 3 << 20;
  bool crashed = true;
  uint64_t parts = 0;
  for (uint64_t n = 1; crashed; ++n) {
    for (const CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
      SCOPED_TRACE(n);
      LogHarness h;
      const auto size = [&] {
        return h.world().DiskFileSize(h.test().machine(), "ballast");
      };
      auto ballast = std::make_unique<Ballast>(h.test().env(), kBytes);
      h.world().CrashAtDiskOperation(h.test().machine(), n, kind);
      h.Run();
      crashed = !h.running();
      if (crashed) {
        parts += HasFile(h, "ballast") && size() > 0 && size() < kBytes;
        ballast.reset();
        h.Reboot();
        ballast = std::make_unique<Ballast>(h.test().env(), kBytes);
        h.Run();
      }
      EXPECT_EQ(size(), kBytes);
    }
  }
  EXPECT_GT(parts, 1u);
}

TEST(LogBallast, ErrorAtAnyOperation_IsMadeLater) {
  constexpr uint64_t kBytes = 3 << 20;
  uint64_t n = 1;
  while (true) {
    SCOPED_TRACE(n);
    LogHarness h;
    Ballast ballast(h.test().env(), kBytes);
    h.world().FailDiskOperation(h.test().machine(),
                                sim::World::DiskOperation::kAny, n, false);
    h.Run();
    EXPECT_EQ(h.world().DiskFileSize(h.test().machine(), "ballast"), kBytes);
    EXPECT_TRUE(h.world().violations().empty());
    if (h.world().disk_failures(h.test().machine()) == 0) break;
    ++n;
  }
  EXPECT_GT(n, 8u);
}

// Without room for another file, the log uses what is left for itself.
TEST_F(LogTest, DiskWithoutRoomForASpare_TakesRecordsToItsEnd) {
  auto& capacity = h_.world().disk_options(h_.test().machine()).capacity_bytes;
  capacity = UsedBytes(h_) + (200 << 10);
  uint64_t acknowledged = 0;
  while (h_.Append(kGroup,
                   {TestEntry(1, acknowledged + 1, std::string(4000, 'f'))})
             .ok()) {
    ++acknowledged;
  }
  EXPECT_GT(acknowledged * 4096, uint64_t{130} << 10);
  EXPECT_GT(UsedBytes(h_), capacity - (8 << 10));
}

// Files of before the segments were made longer are in front of longer ones.
TEST_F(LogTest, FullDisk_TheLongestUnusedFileIsTheNextSegment) {
  uint64_t index = 0;
  const auto append = [&](uint64_t bytes) {
    for (uint64_t end = index + bytes / 6000; index < end; ++index) {
      const absl::Status status =
          h_.Append(kGroup, {TestEntry(1, index + 1, std::string(6000, 'x'))});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  };
  const uint64_t segment_bytes = h_.options().segment_bytes;
  ASSERT_TRUE(append(segment_bytes / 2).ok());
  h_.options().segment_bytes *= 2;
  h_.options().ballast_bytes = 0;
  ASSERT_TRUE(h_.Restart().ok());
  ASSERT_TRUE(append(8 * segment_bytes).ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(1), Index(index)}).ok());
  ASSERT_TRUE(append(6000).ok());
  h_.world().RunFor(Seconds(2));
  h_.world().disk_options(h_.test().machine()).capacity_bytes =
      UsedBytes(h_) + 1024;  // A renaming needs some room.
  EXPECT_EQ(append(5 * segment_bytes), absl::OkStatus());
}

TEST_F(LogTest, GiveBackUnused_RemovesAllButTheNextSegment) {
  uint64_t index = 0;
  const auto append = [&](uint64_t bytes) {
    for (uint64_t end = index + bytes / 6000; index < end; ++index) {
      const Entry entry = TestEntry(1, index + 1, std::string(6000, 'x'));
      ASSERT_TRUE(h_.Append(kGroup, {entry}).ok());
    }
  };
  append(5 * h_.options().segment_bytes);
  EXPECT_FALSE(h_.log()->GiveBackUnused());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(1), Index(index)}).ok());
  append(6000);
  h_.Run();
  const uint64_t used = UsedBytes(h_);
  EXPECT_TRUE(h_.log()->GiveBackUnused());
  h_.Run();
  EXPECT_LE(UsedBytes(h_), used - 2 * h_.options().segment_bytes);
  EXPECT_FALSE(h_.log()->GiveBackUnused());
  // On a full disk the log still has its next segment.
  h_.world().disk_options(h_.test().machine()).capacity_bytes =
      UsedBytes(h_) + 1024;  // A renaming needs some room.
  append(h_.options().segment_bytes);
}

// Files of before the segments were made longer: another one is made from the
// space of two.
TEST_F(LogTest, NearlyFullDisk_ShortUnusedFilesMakeRoomForTheNextSegment) {
  uint64_t index = 0;
  const auto append = [&](uint64_t bytes) {
    for (uint64_t end = index + bytes / 6000; index < end; ++index) {
      const Entry entry = TestEntry(1, index + 1, std::string(6000, 'x'));
      const absl::Status status = h_.Append(kGroup, {entry});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  };
  const uint64_t short_bytes = h_.options().segment_bytes;
  ASSERT_TRUE(append(5 * short_bytes).ok());
  ASSERT_TRUE(h_.SetLogStart(kGroup, {Term(1), Index(index)}).ok());
  ASSERT_TRUE(append(6000).ok());
  h_.options().segment_bytes *= 2;
  h_.world().disk_options(h_.test().machine()).capacity_bytes =
      UsedBytes(h_) + short_bytes;
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_EQ(append(3 * short_bytes), absl::OkStatus());
}

TEST_F(LogTest, FullDisk_StopsTheLogAndSaysSo) {
  h_.world().disk_options(h_.test().machine()).capacity_bytes = 150 << 10;
  absl::Status status;
  uint64_t acknowledged = 0;
  for (uint64_t i = 1; i <= 200 && status.ok(); ++i) {
    status = h_.Append(kGroup, {TestEntry(1, i, std::string(4000, 'f'))});
    if (status.ok()) acknowledged = i;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(h_.log()->status(), status);
  EXPECT_EQ(h_.Append(TestGroup(2), {TestEntry(1, 1, "x")}), status);
  EXPECT_EQ(h_.Drop(TestGroup(2)), status);
  h_.world().disk_options(h_.test().machine()).capacity_bytes = 1 << 30;
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_GE(Recovered().entries.size(), acknowledged);
}

TEST_F(LogTest, ErrorInFlight_EndsEveryCallInOrder) {
  h_.world().FailDiskOperation(h_.test().machine(),
                               sim::World::DiskOperation::kWrite, 1, false);
  std::vector<int> ended;
  h_.test().InTurn([&] {
    for (int i = 0; i < 5; ++i) {
      h_.log()->Append(kGroup, nullptr, Index(), {TestEntry(1, i + 1, "x")},
                       [&ended, i](absl::Status status) {
                         EXPECT_TRUE(absl::IsUnavailable(status));
                         ended.push_back(i);
                       });
    }
  });
  EXPECT_EQ(ended, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(LogTest, DestroyedWithinACallback_CallsNothingMore) {
  int called = 0;
  auto* harness = &h_;
  h_.test().InTurn([&] {
    for (int i = 0; i < 5; ++i) {
      h_.log()->Append(kGroup, nullptr, Index(), {TestEntry(1, i + 1, "x")},
                       [&called, harness](absl::Status) {
                         ++called;
                         harness->Close();
                       });
    }
  });
  EXPECT_EQ(called, 1);
}

TEST_F(LogTest, OpeningCancelled_NeverCallsBack) {
  h_.Crash(CrashKind::kProcess);
  auto opening = Log::Open(h_.test().env(), h_.options(),
                           [](auto) { ADD_FAILURE() << "was cancelled"; });
  h_.world().RunFor(Microseconds(120));
  opening.reset();
  h_.Run();
  EXPECT_TRUE(h_.Open().ok());
}

TEST_F(LogTest, MissingFiles_AreRefused) {
  h_.Close();
  for (const std::string& name : h_.LogFiles()) {
    env::Pending p = h_.test().env().disk.Remove(
        name, [](absl::Status status) { EXPECT_TRUE(status.ok()); });
    h_.Run();
  }
  const absl::Status status = h_.Restart();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(std::string(status.message()).find("missing"), std::string::npos);
}

TEST_F(LogTest, AnotherStoresFiles_AreRefused) {
  h_.options().store = StoreIncarnation(12345);
  const absl::Status status = h_.Restart();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(std::string(status.message()).find("12345"), std::string::npos);
}

TEST_F(LogTest, MissingSegmentInTheMiddle_FencesTheGroupsThatNeedIt) {
  for (uint64_t i = 1; i <= 60; ++i) {
    ASSERT_TRUE(
        h_.Append(kGroup, {TestEntry(1, i, std::string(4000, 'm'))}).ok());
  }
  ASSERT_TRUE(h_.Append(TestGroup(2), {TestEntry(1, 1, "late")}).ok());
  h_.Close();
  const std::vector<std::string> files = h_.LogFiles();
  ASSERT_GE(files.size(), 4u);
  env::Pending p = h_.test().env().disk.Remove(files[2], [](absl::Status) {});
  h_.Run();
  ASSERT_TRUE(h_.Restart().ok());
  EXPECT_TRUE(absl::IsDataLoss(Recovered().fenced)) << Recovered().fenced;
  EXPECT_TRUE(Recovered(TestGroup(2)).fenced.ok());
}

TEST_F(LogTest, ThousandsOfGroups_AreOneStream) {
  h_.Close();
  h_.options().segment_bytes = 4 << 20;
  ASSERT_TRUE(h_.Restart().ok());
  const uint64_t before = h_.log()->counters().durable_writes;
  h_.test().InTurn([&] {
    for (uint32_t group = 1; group <= 5000; ++group) {
      const HardState hard_state{Term(group), ReplicaId(1)};
      h_.log()->Append(TestGroup(group), &hard_state, Index(),
                       {TestEntry(1, 1, "x")}, nullptr);
    }
  });
  EXPECT_LE(h_.log()->counters().durable_writes, before + 1);
  ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
  ASSERT_EQ(h_.log()->recovered().size(), 5000u);
  EXPECT_EQ(Recovered(TestGroup(4321)).hard_state.term, Term(4321));
}

}  // namespace
}  // namespace quorate::raft
