// The end mark: a log that lost its end is noticed at the next start, whatever
// took the end away. A log that lost nothing is not fenced by its mark.
#include "raft/log/end_mark.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/record.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

const GroupKey kMarked = TestGroup(1);
constexpr uint64_t kEntries = 40;

TEST(EndMarkFormat, IsReadAsWritten) {
  const StoreIncarnation store{7};
  const std::string bytes = EncodeEndMark(kTestCluster, store, {3, 4096});
  ASSERT_EQ(bytes.size(), kEndMarkBytes);
  EXPECT_EQ(*DecodeEndMark(kTestCluster, store, bytes),
            (SegmentOffset{3, 4096}));
  EXPECT_EQ(DecodeEndMark(kTestCluster, store, "")->segment, 0u);
  EXPECT_EQ(DecodeEndMark(kTestCluster, store, std::string(32, '\0'))->segment,
            0u);
  EXPECT_FALSE(DecodeEndMark(kTestCluster, StoreIncarnation(8), bytes).ok());
  EXPECT_FALSE(DecodeEndMark(kTestCluster, store, bytes + '\0').ok());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    EXPECT_FALSE(DecodeEndMark(kTestCluster, store, flipped).ok()) << i;
    EXPECT_FALSE(DecodeEndMark(kTestCluster, store, bytes.substr(0, i)).ok() &&
                 i > 0);
  }
}

class EndMarkTest : public ::testing::Test {
 protected:
  EndMarkTest() {
    h_.options().witness_delay = Seconds(1);
    h_.Start();
  }
  // Acknowledged entries, then no work for some seconds.
  void AppendSome() {
    for (uint64_t i = 0; i < kEntries; ++i) AppendOne();
  }
  void AppendOne() {
    ++index_;
    env::Pending pending = h_.test().env().loop.Defer([this] {
      h_.log()->Append(kMarked, nullptr, Index(),
                       {TestEntry(1, index_, std::string(entry_bytes_, 'e'))},
                       [this](absl::Status status) {
                         EXPECT_TRUE(status.ok()) << status;
                         ++acknowledged_;
                       });
    });
    h_.world().RunFor(Milliseconds(10));
    ASSERT_EQ(acknowledged_, index_);
  }
  // Ends the program. The files may be changed now.
  void Stop(CrashKind kind = CrashKind::kProcess) {
    h_.Close();
    h_.world().Crash(h_.test().machine(), kind);
  }
  // The file that the mark names.
  std::string Newest() {
    return SegmentName(DecodeEndMark(kTestCluster, h_.options().store,
                                     h_.ReadFile(std::string(kEndMarkName)))
                           ->segment);
  }
  void Put(const std::string& name, const std::string& bytes) {
    h_.world().PutDiskFile(h_.test().machine(), name, bytes);
  }
  static uint64_t EndOf(const std::string& bytes) {
    return bytes.find_last_not_of('\0') + 1;
  }
  // The group, after a start.
  const RecoveredGroup& Recovered() { return h_.log()->recovered()[kMarked]; }
  void ExpectFenced() {
    h_.Reboot();
    ASSERT_TRUE(h_.Open().ok());
    EXPECT_FALSE(Recovered().fenced.ok());
    // The fence stays.
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_FALSE(Recovered().fenced.ok());
  }

  LogHarness h_;
  size_t entry_bytes_ = 400;
  uint64_t index_ = 0;
  uint64_t acknowledged_ = 0;
};

TEST_F(EndMarkTest, LogThatLostItsEnd_IsFenced) {
  AppendSome();
  h_.world().RunFor(Seconds(3));
  const std::string name = Newest();
  Stop();
  const std::string whole = h_.ReadFile(name);
  const uint64_t end = EndOf(whole);
  const std::string lost[] = {
      whole.substr(0, end / 2),
      whole.substr(0, end - RecordBytes(0) - 20),
      whole.substr(0, end - 4096) + std::string(whole.size() - end + 4096, 0),
      whole.substr(0, end - 100) + std::string(whole.size() - end + 100, 0),
      whole.substr(0, end - 100) + std::string(whole.size() - end + 100, 'x'),
  };
  for (const std::string& bytes : lost) {
    LogHarness h;
    h.options() = h_.options();
    h.world().Crash(h.test().machine(), CrashKind::kMachine);
    h.world().CopyDisk(h.test().machine(), h_.world(), h_.test().machine(),
                       CrashKind::kProcess);
    h.world().PutDiskFile(h.test().machine(), name, bytes);
    h.Reboot();
    ASSERT_TRUE(h.Open().ok());
    EXPECT_FALSE(h.log()->recovered()[kMarked].fenced.ok())
        << bytes.size() << " " << EndOf(bytes);
  }
}

TEST_F(EndMarkTest, WholeLog_IsNotFenced) {
  for (const CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
    AppendSome();
    h_.world().RunFor(Seconds(3));
    ASSERT_TRUE(h_.Restart(kind).ok());
    EXPECT_TRUE(Recovered().fenced.ok()) << Recovered().fenced;
    EXPECT_EQ(Recovered().entries.size(), index_);
    EXPECT_EQ(h_.Marks("log.suspects_copied"), 0u);
  }
  EXPECT_GT(h_.Marks("log.end_mark"), 0u);
}

TEST_F(EndMarkTest, MissingFile_IsNoticed) {
  AppendSome();
  // The next start begins another file, and writes the state of the group.
  ASSERT_TRUE(h_.Restart().ok());
  AppendOne();
  h_.world().RunFor(Seconds(3));
  const std::string name = Newest();
  Stop();
  // The files before it are still there.
  ASSERT_GT(h_.LogFiles().size(), 1u);
  h_.world().RemoveDiskFile(h_.test().machine(), name);
  ExpectFenced();
  // Its number is not used again.
  EXPECT_GT(h_.LogFiles().back(), name);
}

TEST_F(EndMarkTest, HeaderAlone_IsNoticed) {
  AppendSome();
  ASSERT_TRUE(h_.Restart().ok());
  AppendOne();
  h_.world().RunFor(Seconds(3));
  const std::string name = Newest();
  Stop();
  Put(name, h_.ReadFile(name).substr(0, kSegmentHeaderBytes));
  ExpectFenced();
}

TEST_F(EndMarkTest, OlderFile_IsNoticed) {
  AppendSome();
  h_.world().RunFor(Seconds(3));
  const std::string name = Newest();
  const std::string older = h_.ReadFile(name);
  AppendSome();
  h_.world().RunFor(Seconds(3));
  Stop();
  Put(name, older);
  ExpectFenced();
}

TEST_F(EndMarkTest, BusyLog_HasAMarkOnceInAWhile) {
  entry_bytes_ = 20;
  for (int i = 0; i < 250; ++i) AppendOne();
  const std::string name = Newest();
  Stop();
  const std::string whole = h_.ReadFile(name);
  Put(name, whole.substr(0, EndOf(whole) / 3));
  ExpectFenced();
}

TEST_F(EndMarkTest, CleanStop_HasOne) {
  AppendOne();
  AppendOne();
  bool done = false;
  h_.test().InTurn([&] {
    h_.log()->Witness([&](absl::Status status) { done = status.ok(); });
  });
  EXPECT_TRUE(done);
  const std::string name = Newest();
  Stop();
  const std::string whole = h_.ReadFile(name);
  Put(name, whole.substr(0, EndOf(whole) - 100));
  ExpectFenced();
}

TEST_F(EndMarkTest, MissingOrDamagedMark_ChangesNothing) {
  for (const bool damaged : {false, true}) {
    AppendSome();
    h_.world().RunFor(Seconds(3));
    Stop(CrashKind::kMachine);
    const std::string name(kEndMarkName);
    if (damaged) {
      ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, 13, 2));
    } else {
      h_.world().RemoveDiskFile(h_.test().machine(), name);
    }
    h_.Reboot();
    ASSERT_TRUE(h_.Open().ok());
    EXPECT_TRUE(Recovered().fenced.ok()) << Recovered().fenced;
    EXPECT_EQ(Recovered().entries.size(), index_);
    // It is there again.
    AppendOne();
    h_.world().RunFor(Seconds(3));
    EXPECT_TRUE(
        DecodeEndMark(kTestCluster, h_.options().store, h_.ReadFile(name))
            .ok());
  }
}

TEST_F(EndMarkTest, FailedWrite_IsNoErrorOfTheLog) {
  for (int run = 0; run < 3; ++run) {
    AppendOne();
    // The first one is the witness.
    h_.world().FailDiskOperation(h_.test().machine(),
                                 sim::World::DiskOperation::kWrite, 2,
                                 /*persistent=*/false);
    const uint64_t marks = h_.Marks("log.end_mark");
    h_.world().RunFor(Seconds(5));
    EXPECT_EQ(h_.Marks("log.end_mark"), marks);
    h_.world().HealDisk(h_.test().machine());
    AppendOne();
    EXPECT_TRUE(h_.Witness().ok());
    ASSERT_TRUE(h_.Restart(CrashKind::kMachine).ok());
    EXPECT_TRUE(Recovered().fenced.ok()) << Recovered().fenced;
    EXPECT_EQ(Recovered().entries.size(), index_);
  }
}

}  // namespace
}  // namespace quorate::raft
