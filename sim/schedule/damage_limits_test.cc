// The parts of a disk that may be damaged, by the writes that completed.
#include "sim/schedule/damage_limits.h"

#include <memory>
#include <string>
#include <utility>

#include "env/env.h"
#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "sim/testing/test_env.h"

namespace quorate::sim {
namespace {

constexpr Duration kDelay = Milliseconds(100);
constexpr char kAppend = 2;
constexpr char kOpened = 6;
constexpr char kWitness = 7;

std::string Record(char type, uint32_t body_bytes) {
  std::string record(48 + body_bytes, 'b');
  StoreFixed<uint32_t>(record.data(), body_bytes);
  record[4] = type;
  return record;
}

// The header of a segment, a state and the end of the opening.
std::string Opening() {
  return std::string(64, 'h') + Record(1, 96) + Record(kOpened, 8);
}

class DamageLimitsTest : public ::testing::Test {
 protected:
  DamageLimitsTest() : limits_(&test_.world()) {
    test_.world().SetStepHook(
        [this](MachineId machine) { limits_.AfterTurn(machine, kDelay); });
    Open("log-1");
  }

  void Open(const std::string& name) {
    pending_ = test_.env().disk.Open(
        name, env::Disk::OpenMode::kCreateIfAbsent, env::FileUse::kLog,
        [&](auto file) { file_ = *std::move(file); });
    test_.world().RunUntilIdle();
    at_ = 0;
  }
  // Returns the offset at which it begins.
  uint64_t Write(const std::string& bytes) {
    Begin(bytes);
    test_.world().RunUntilIdle();
    const uint64_t begin = at_;
    at_ += bytes.size();
    return begin;
  }
  void Begin(const std::string& bytes) {
    const Buffer piece = Buffer::Copy(bytes);
    pending_ =
        file_->Write(at_, absl::MakeConstSpan(&piece, 1),
                     env::Durability::kDurable, [](const absl::Status&) {});
  }
  // Turns in which the program writes nothing.
  void Idle(Duration length) {
    for (Duration passed; passed < length; passed = passed + Milliseconds(10)) {
      test_.world().RunFor(Milliseconds(10));
      test_.InTurn([] {});
    }
  }
  uint64_t LimitAfterCrash(const std::string& file = "log-1") {
    file_.reset();
    test_.world().Crash(test_.machine(), CrashKind::kProcess);
    return limits_.Of(test_.machine(), file);
  }

  TestEnv test_;
  DamageLimits limits_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
  uint64_t at_ = 0;
};

TEST_F(DamageLimitsTest, NewestWrite_IsSpared) {
  Write(Opening());
  Write(Record(kAppend, 40));
  const uint64_t newest = Write(Record(kAppend, 80));
  EXPECT_EQ(LimitAfterCrash(), newest);
}

// They are space that later writes overwrite.
TEST_F(DamageLimitsTest, ZerosInTheFile_AreNoWrites) {
  Write(Opening());
  Write(Record(kAppend, 40) + std::string(4096, '\0'));
  at_ -= 4096;
  const uint64_t newest = Write(Record(kAppend, 80));
  EXPECT_EQ(LimitAfterCrash(), newest);
}

// It may be the torn part of an opening, and the segment before it the last.
TEST_F(DamageLimitsTest, OpeningWithoutALaterWrite_IsSpared) {
  Write(Opening().substr(0, 200));
  Write(Opening().substr(200));
  Idle(kDelay * 2);
  EXPECT_EQ(LimitAfterCrash(), 0u);
}

TEST_F(DamageLimitsTest, SegmentBeforeAnOpenOne_MayBeDamagedWhole) {
  Write(Opening());
  Write(Record(kAppend, 40) + std::string(1000, '\0'));
  const uint64_t end = at_ - 1000;
  Open("log-2");
  Write(Opening());
  EXPECT_EQ(LimitAfterCrash(), end);
}

TEST_F(DamageLimitsTest, SegmentBeforeOneThatIsNotOpen_IsTheLast) {
  Write(Opening());
  const uint64_t newest = Write(Record(kAppend, 40));
  Open("log-2");
  Write(Opening().substr(0, 200));
  EXPECT_EQ(LimitAfterCrash(), newest);
  EXPECT_EQ(limits_.Of(test_.machine(), "log-2"), 0u);
}

TEST_F(DamageLimitsTest, WriteInFlight_DoesNotCount) {
  Write(Opening());
  const uint64_t newest = Write(Record(kAppend, 40));
  Begin(Record(kAppend, 80));
  EXPECT_EQ(LimitAfterCrash(), newest);
}

TEST_F(DamageLimitsTest, FailedWrite_DoesNotCount) {
  Write(Opening());
  const uint64_t newest = Write(Record(kAppend, 40));
  test_.world().FailDiskOperation(test_.machine(), World::DiskOperation::kSync,
                                  1, /*persistent=*/false);
  Write(Record(kAppend, 80));
  Idle(kDelay * 2);
  EXPECT_EQ(LimitAfterCrash(), newest);
}

TEST_F(DamageLimitsTest, NewestWriteOnceTheWitnessIsDue_MayBeDamaged) {
  Write(Opening());
  const uint64_t newest = Write(Record(kAppend, 40));
  const uint64_t end = at_;
  Idle(kDelay - Milliseconds(10));
  EXPECT_EQ(limits_.Of(test_.machine(), "log-1"), newest);
  Idle(kDelay);
  EXPECT_EQ(LimitAfterCrash(), end);
}

TEST_F(DamageLimitsTest, Witness_IsSparedForEver) {
  Write(Opening());
  Write(Record(kAppend, 40));
  const uint64_t witness = Write(Record(kWitness, 0));
  Idle(kDelay * 2);
  EXPECT_EQ(LimitAfterCrash(), witness);
}

TEST_F(DamageLimitsTest, WritesUnderAFormerName_DoNotCount) {
  Write(Opening());
  Write(Record(kAppend, 40));
  Write(Record(kAppend, 80));
  pending_ = test_.env().disk.Rename("log-1", "log-2", [](absl::Status) {});
  test_.world().RunUntilIdle();
  EXPECT_EQ(LimitAfterCrash("log-2"), 0u);
}

TEST_F(DamageLimitsTest, OtherFiles_AreSparedButForSnapshots) {
  Open("identity");
  Write(std::string(100, 'x'));
  Open("snap-1");
  Write(std::string(100, 'x'));
  EXPECT_EQ(LimitAfterCrash("identity"), 0u);
  EXPECT_EQ(limits_.Of(test_.machine(), "snap-1"), 100u);
}

}  // namespace
}  // namespace quorate::sim
