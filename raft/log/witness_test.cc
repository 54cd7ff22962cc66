// Witnesses: when the log writes them, and how recovery distinguishes damage
// to the last durable write from a write that a crash tore.
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/record.h"
#include "raft/log/scan.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

const GroupKey kWitnessedGroup = TestGroup(1);
const GroupKey kOther = TestGroup(2);

// The good records of the segment that was opened last, without their bodies.
struct LastSegment {
  std::string name;
  std::vector<ScannedRecord> records;
};

LastSegment ReadLastSegment(LogHarness& h) {
  const std::vector<std::string> names = h.LogFiles();
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    const std::string bytes = h.ReadFile(*name);
    const uint64_t number = ParseSegmentName(*name);
    const Scan scan = ScanSegment(
        bytes, number,
        SegmentSeed(h.options().cluster, h.options().store, number));
    if (scan.opened == 0) continue;
    LastSegment last;
    last.name = *name;
    for (ScannedRecord record : scan.records) {
      if (record.kind != ScannedRecord::Kind::kGood) break;
      record.body = {};
      last.records.push_back(record);
    }
    return last;
  }
  ADD_FAILURE() << "no segment was opened";
  return {};
}

RecordType LastType(LogHarness& h) {
  return ReadLastSegment(h).records.back().header.type;
}

class WitnessTest : public ::testing::Test {
 protected:
  void Start(Duration witness_delay = Seconds(1)) {
    h_.options().witness_delay = witness_delay;
    h_.Start();
  }
  // Makes one turn, and runs the world for some time.
  template <typename Body>
  void InTurn(Duration length, Body&& body) {
    env::Pending pending = h_.test().env().loop.Defer([&body] { body(); });
    h_.world().RunFor(length);
  }
  void AppendOne() {
    InTurn(Milliseconds(10), [this] {
      h_.log()->Append(kWitnessedGroup, nullptr, Index(),
                       {TestEntry(1, ++index_, "entry")},
                       [this](absl::Status status) {
                         EXPECT_TRUE(status.ok()) << status;
                         ++acknowledged_;
                       });
    });
  }
  uint64_t witnesses() { return h_.log()->counters().witnesses; }
  uint64_t writes() { return h_.log()->counters().durable_writes; }

  LogHarness h_;
  uint64_t index_ = 0;
  uint64_t acknowledged_ = 0;
};

TEST_F(WitnessTest, IdleLog_WritesOneAndNoMore) {
  Start();
  const uint64_t before = writes();
  for (uint64_t burst = 1; burst <= 3; ++burst) {
    AppendOne();
    AppendOne();
    EXPECT_EQ(witnesses(), burst - 1);
    h_.world().RunFor(Milliseconds(1'100));
    EXPECT_EQ(witnesses(), burst);
    h_.world().RunFor(Seconds(1'000));
    EXPECT_EQ(witnesses(), burst);
    EXPECT_EQ(writes(), before + 3 * burst);
  }
  EXPECT_EQ(h_.Marks("log.witness"), 3u);
}

TEST_F(WitnessTest, LogThatIsWrittenEverySoOften_WritesNone) {
  Start();
  for (int i = 0; i < 20; ++i) {
    AppendOne();
    h_.world().RunFor(Milliseconds(900));
  }
  EXPECT_EQ(acknowledged_, 20u);
  EXPECT_EQ(witnesses(), 0u);
}

// An opening that is damaged is taken for an unfinished one, and the segments
// before it still have everything.
TEST_F(WitnessTest, OpeningWithoutRecords_NeedsNone) {
  Start();
  h_.world().RunFor(Seconds(10));
  EXPECT_TRUE(h_.Witness().ok());
  EXPECT_EQ(witnesses(), 0u);
}

TEST_F(WitnessTest, Requested_IsWrittenAtOnceAndOnce) {
  Start();
  AppendOne();
  bool done = false;
  InTurn(Milliseconds(10), [&] {
    h_.log()->Witness([&](absl::Status status) { done = status.ok(); });
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(witnesses(), 1u);
  EXPECT_EQ(LastType(h_), RecordType::kWitness);
  EXPECT_TRUE(h_.Witness().ok());
  EXPECT_EQ(witnesses(), 1u);
}

TEST_F(WitnessTest, RequestedWhileOthersWait_FollowsThem) {
  Start();
  h_.options().batch_bytes_max = 4096;
  ASSERT_TRUE(h_.Restart().ok());
  const auto append = [this] {
    h_.log()->Append(kWitnessedGroup, nullptr, Index(),
                     {TestEntry(1, ++index_, std::string(3000, 'q'))},
                     [this](absl::Status status) {
                       EXPECT_TRUE(status.ok()) << status;
                       ++acknowledged_;
                     });
  };
  uint64_t acknowledged = 0;
  InTurn(Seconds(10), [&] {
    for (int i = 0; i < 3; ++i) append();
    h_.log()->Witness([&](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      acknowledged = acknowledged_;
    });
    for (int i = 0; i < 3; ++i) append();
  });
  EXPECT_EQ(acknowledged, 6u);
  EXPECT_EQ(witnesses(), 1u);
  EXPECT_EQ(LastType(h_), RecordType::kWitness);
}

TEST_F(WitnessTest, Requested_EndsRewriting) {
  h_.options().slack_segments = 0;
  h_.options().rewrite_bytes_max = 1;
  h_.options().batch_bytes_max = 4096;
  Start();
  std::vector<Entry> entries;
  for (uint64_t i = 1; i <= 40; ++i) {
    entries.push_back(TestEntry(1, i, std::string(1000, 'k')));
  }
  for (const Entry& entry : entries) {
    ASSERT_TRUE(h_.Append(kOther, {entry}).ok());
  }
  const uint64_t rewritten = h_.Marks("log.segment_rewritten");
  const auto churn = [this] {
    ++index_;
    h_.log()->Append(kWitnessedGroup, nullptr, Index(),
                     {TestEntry(1, index_, std::string(4000, 'c'))}, nullptr);
    h_.log()->SetLogStart(kWitnessedGroup,
                          TestLogStart({Term(1), Index(index_)}), false,
                          nullptr);
  };
  // Without additions the log writes only if it rewrites the first segment.
  while (h_.Marks("log.segment_rewritten") == rewritten) {
    InTurn(Milliseconds(1), churn);
    ASSERT_LT(index_, 1000u);
    const uint64_t before = writes();
    h_.world().RunFor(Milliseconds(1));
    if (writes() == before) continue;
    ASSERT_TRUE(h_.Witness().ok());
    EXPECT_EQ(h_.Marks("log.segment_rewritten"), rewritten);
    EXPECT_EQ(LastType(h_), RecordType::kWitness);
    EXPECT_GT(h_.log()->counters().segments, 1u);
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_EQ(h_.log()->recovered()[kOther].entries, entries);
    return;
  }
  FAIL() << "no write was in the middle of rewriting";
}

TEST_F(WitnessTest, AfterAFailure_IsRefused) {
  Start();
  h_.world().FailDiskOperation(h_.test().machine(),
                               sim::World::DiskOperation::kWrite, 1, false);
  absl::Status append;
  absl::Status during;
  InTurn(Seconds(10), [&] {
    h_.log()->Append(kWitnessedGroup, nullptr, Index(), {TestEntry(1, 1, "x")},
                     [&](absl::Status status) { append = status; });
    h_.log()->Witness([&](absl::Status status) { during = status; });
  });
  EXPECT_TRUE(absl::IsUnavailable(append)) << append;
  EXPECT_EQ(during, append);
  EXPECT_EQ(h_.Witness(), append);
  EXPECT_EQ(witnesses(), 0u);
}

// A disk without room for one byte more has room for the witness.
TEST_F(WitnessTest, FullDisk_HasRoomForIt) {
  for (size_t size = 2'900; size < 4'200; size += 8) {
    LogHarness h;
    h.Start();
    for (uint64_t i = 1; i <= 15; ++i) {
      ASSERT_TRUE(
          h.Append(kWitnessedGroup, {TestEntry(1, i, std::string(4000, 'f'))})
              .ok());
    }
    uint64_t used = 0;
    ASSERT_TRUE(
        h.Append(kWitnessedGroup, {TestEntry(1, 16, std::string(size, 'f'))})
            .ok());
    for (const std::string& name : h.world().DiskFiles(h.test().machine())) {
      used += h.world().DiskFileSize(h.test().machine(), name);
    }
    h.world().disk_options(h.test().machine()).capacity_bytes = used;
    EXPECT_TRUE(h.Witness().ok()) << size << ": " << h.log()->status();
    EXPECT_TRUE(h.log()->status().ok());
  }
}

// Without a file for the next segment, the present one grows with each write.
TEST_F(WitnessTest, SegmentThatGrows_HasRoomForIt) {
  h_.options().segment_bytes = 16 << 10;
  Start(Seconds(100'000));
  h_.world().LimitOpenFiles(h_.test().machine(), 0);
  for (uint64_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(
        h_.Append(kWitnessedGroup, {TestEntry(1, i, std::string(4000, 'g'))})
            .ok());
    uint64_t used = 0;
    for (const std::string& name : h_.world().DiskFiles(h_.test().machine())) {
      used += h_.world().DiskFileSize(h_.test().machine(), name);
    }
    auto& capacity =
        h_.world().disk_options(h_.test().machine()).capacity_bytes;
    const uint64_t before = capacity;
    capacity = used;
    EXPECT_TRUE(h_.Witness().ok()) << i << ": " << h_.log()->status();
    EXPECT_EQ(witnesses(), i);
    capacity = before;
  }
  EXPECT_EQ(h_.log()->counters().segments, 1u);
}

// A segment without room for a witness ends, and the opening of the next one
// takes its place.
TEST_F(WitnessTest, FullSegment_IsFollowedByTheNextOne) {
  int rolled = 0;
  int written = 0;
  for (size_t size = 2'900; size < 4'200; size += 8) {
    LogHarness h;
    h.Start();
    std::vector<Entry> entries;
    for (uint64_t i = 1; i <= 16; ++i) {
      entries.push_back(
          TestEntry(1, i, std::string(i == 16 ? size : 4000, 'f')));
      ASSERT_TRUE(h.Append(kWitnessedGroup, {entries.back()}).ok());
    }
    const uint64_t segments = h.Marks("log.segment_begun");
    ASSERT_TRUE(h.Witness().ok());
    const bool next = h.Marks("log.segment_begun") > segments;
    EXPECT_EQ(h.log()->counters().witnesses, next ? 0u : 1u);
    ++(next ? rolled : written);
    ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
    EXPECT_EQ(h.log()->recovered()[kWitnessedGroup].entries, entries);
    if (!next) continue;
    // Damage to the last entry is damage before the end of its segment.
    h.Crash(CrashKind::kMachine);
    for (const std::string& name : h.LogFiles()) {
      const size_t at = h.ReadFile(name).find(std::string(size, 'f') + '\0');
      if (at == std::string::npos) continue;
      ASSERT_TRUE(h.world().FlipDiskBit(h.test().machine(), name, at, 1));
    }
    ASSERT_TRUE(h.Open().ok());
    EXPECT_FALSE(h.log()->recovered()[kWitnessedGroup].fenced.ok());
  }
  EXPECT_GT(rolled, 0);
  EXPECT_GT(written, 0);
}

// How a log is after one bit of its end is flipped.
struct Damaged {
  size_t fenced = 0;
  size_t cut = 0;
  size_t unchanged = 0;
};

// Flips each byte of the last record of group kWitnessedGroup, and of all that
// follows it, in a log of its own.
Damaged DamageTheEnd(bool with_witness) {
  Damaged result;
  for (uint64_t skip = 0;; ++skip) {
    LogHarness h;
    h.Start();
    EXPECT_TRUE(h.Append(kOther, {TestEntry(1, 1, "first")}).ok());
    EXPECT_TRUE(h.Append(kWitnessedGroup, {TestEntry(1, 1, "kept")}).ok());
    EXPECT_TRUE(h.Append(kWitnessedGroup, {TestEntry(1, 2, "last")}).ok());
    if (with_witness) {
      EXPECT_TRUE(h.Witness().ok());
    }
    h.Crash(CrashKind::kMachine);
    const LastSegment segment = ReadLastSegment(h);
    const auto& records = segment.records;
    const size_t last = records.size() - (with_witness ? 2 : 1);
    EXPECT_EQ(records.at(last).header.type, RecordType::kAppend);
    const uint64_t at = records[last].offset + skip;
    if (at >= records.back().end) return result;
    EXPECT_TRUE(h.world().FlipDiskBit(h.test().machine(), segment.name, at,
                                      static_cast<int>(skip % 8)));
    EXPECT_TRUE(h.Open().ok());
    const RecoveredGroup& group = h.log()->recovered()[kWitnessedGroup];
    if (!group.fenced.ok()) {
      ++result.fenced;
    } else {
      ++(group.entries.size() == 1 ? result.cut : result.unchanged);
    }
    // The damage to a header concerns all groups.
    if (h.log()->recovered()[kOther].fenced.ok() && skip < kRecordHeaderBytes &&
        with_witness) {
      ADD_FAILURE() << "byte " << skip << " of a header fences no other group";
    }
    if (testing::Test::HasFailure()) return result;
  }
}

TEST(WitnessDamage, LastWriteWithoutAWitness_IsCut) {
  const Damaged damaged = DamageTheEnd(false);
  EXPECT_EQ(damaged.fenced, 0u);
  EXPECT_GT(damaged.cut, kRecordHeaderBytes);
  EXPECT_EQ(damaged.unchanged, 0u);
}

TEST(WitnessDamage, LastWriteBehindWhichIsAWitness_Fences) {
  const Damaged damaged = DamageTheEnd(true);
  EXPECT_GT(damaged.fenced, kRecordHeaderBytes);
  // A damaged witness is no loss of anything else.
  EXPECT_EQ(damaged.unchanged + damaged.cut, kRecordHeaderBytes);
}

// With the witness itself damaged, the write before it is not known to be
// complete. It is read as it is.
TEST(WitnessDamage, WitnessThatACrashTears_ChangesNothing) {
  uint64_t lost = 0;
  uint64_t kept = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    LogHarness h(seed);
    h.Start();
    const std::vector<Entry> entries = {
        TestEntry(1, 1, std::string(700, 'w')),
        TestEntry(1, 2, std::string(3 * seed, 'w'))};
    ASSERT_TRUE(h.Append(kWitnessedGroup, entries).ok());
    h.world().CrashAtDiskOperation(h.test().machine(), 1, CrashKind::kMachine);
    h.test().InTurn([&] { h.log()->Witness(nullptr); });
    h.Reboot();
    const bool whole = LastType(h) == RecordType::kWitness;
    ++(whole ? kept : lost);
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(h.Open().ok());
      const RecoveredGroup& group = h.log()->recovered()[kWitnessedGroup];
      EXPECT_TRUE(group.fenced.ok()) << group.fenced;
      EXPECT_EQ(group.entries, entries);
      EXPECT_EQ(h.log()->counters().witnesses, 0u);
      h.Crash(CrashKind::kMachine);
    }
  }
  EXPECT_GT(lost, 0u);
  EXPECT_GT(kept, 0u);
}

// A start reads what a witness follows as durable, and copies nothing.
TEST(WitnessRecovery, CleanStop_LeavesNothingToCopy) {
  for (const bool with_witness : {false, true}) {
    LogHarness h;
    h.Start();
    const std::vector<Entry> entries = {TestEntry(1, 1, "a")};
    ASSERT_TRUE(h.Append(kWitnessedGroup, entries).ok());
    if (with_witness) {
      ASSERT_TRUE(h.Witness().ok());
    }
    ASSERT_TRUE(h.Restart().ok());
    EXPECT_EQ(h.Marks("log.suspects_copied"), with_witness ? 0u : 1u);
    EXPECT_EQ(h.Marks("log.torn_tail_cut"), 0u);
    EXPECT_EQ(h.log()->recovered()[kWitnessedGroup].entries, entries);
    ASSERT_TRUE(h.Append(kWitnessedGroup, {TestEntry(1, 2, "b")}).ok());
  }
}

}  // namespace
}  // namespace quorate::raft
