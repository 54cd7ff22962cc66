#include "env/bulk/bulk_pace.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "env/loop.h"
#include "env/pending.h"
#include "env/time.h"
#include "gtest/gtest.h"

namespace quorate::env {
namespace {

constexpr uint64_t kMi = 1 << 20;
constexpr Duration kRound =
    Nanoseconds(BulkPace::kBeat.ns() * BulkPace::kBeatsInARound);
constexpr Duration kUsual = Milliseconds(1);

// Has one timer, which fires `late` after its deadline.
class OneTimerLoop final : public Loop, private Pending::Source {
 public:
  Now ReadClock() override { return {.mono = now_}; }
  Pending At(MonoTime deadline, Callback callback) override {
    deadline_ = deadline;
    callback_ = std::move(callback);
    return Pending(this, ++id_);
  }
  Pending Defer(Callback) override { return {}; }

  void RunFor(Duration time) {
    const MonoTime end = now_ + time;
    while (callback_ != nullptr && deadline_ + late <= end) {
      now_ = std::max(now_, deadline_ + late);
      std::exchange(callback_, nullptr)();
    }
    now_ = end;
  }
  Duration late;

 private:
  void Cancel(uint64_t id) override {
    if (id == id_) callback_ = nullptr;
  }

  MonoTime now_;
  MonoTime deadline_;
  Callback callback_;
  uint64_t id_ = 0;
};

class BulkPaceTest : public ::testing::Test {
 protected:
  BulkPaceTest() {
    for (int i = 0; i < 1000; ++i) pace_.OnLogWrite(kUsual, 100);
  }
  // Works on as many bytes as may be, for so many rounds. `in_round` is called
  // in each.
  template <typename InRound>
  void Work(int rounds, InRound in_round) {
    for (int i = 0; i < rounds; ++i) {
      in_round();
      const MonoTime end = now() + kRound;
      while (now() < end) {
        while (pace_.Reserve(BulkKind::kSnapshotWrite, 64 << 10) <= now()) {
        }
        loop_.RunFor(Milliseconds(1));
      }
    }
  }
  MonoTime now() { return loop_.ReadClock().mono; }

  OneTimerLoop loop_;
  BulkPace pace_{loop_, {.floor = 16 * kMi, .ceiling = 256 * kMi}};
};

TEST_F(BulkPaceTest, Work_GoesAtTheRate) {
  const MonoTime begin = now();
  MonoTime at = begin;
  for (int i = 0; i < 160; ++i) {
    at = pace_.Reserve(BulkKind::kSnapshotSend, kMi / 10);
  }
  // The rate at the begin is 32 MiB a second.
  EXPECT_GT(at - begin, Milliseconds(480));
  EXPECT_LE(at - begin, Milliseconds(500));
  EXPECT_EQ(pace_.done(BulkKind::kSnapshotSend), 160 * (kMi / 10));
  EXPECT_EQ(pace_.done(BulkKind::kSnapshotWrite), 0u);
}

TEST_F(BulkPaceTest, HastyWork_TakesASmallerShare) {
  const MonoTime begin = now();
  pace_.Reserve(BulkKind::kCatchUp, 32 * kMi, /*haste=*/4);
  const MonoTime next = pace_.Reserve(BulkKind::kCatchUp, 1);
  EXPECT_GE(next - begin, Milliseconds(240));
  EXPECT_LE(next - begin, Milliseconds(250));
}

TEST_F(BulkPaceTest, RateGrows_UntilTheCeiling) {
  Work(60, [&] { pace_.OnLogWrite(kUsual, 100); });
  EXPECT_EQ(pace_.bytes_per_second(), 256 * kMi);
  EXPECT_EQ(pace_.brake(), BulkBrake::kNone);
}

TEST_F(BulkPaceTest, RateThatIsNotUsed_DoesNotGrow) {
  for (int i = 0; i < 100; ++i) {
    pace_.Reserve(BulkKind::kSnapshotWrite, 64 << 10);
    loop_.RunFor(Milliseconds(20));
  }
  EXPECT_EQ(pace_.bytes_per_second(), 32 * kMi);
}

TEST_F(BulkPaceTest, SlowerWritesOfTheLog_BrakeDownToTheFloor) {
  Work(20, [&] { pace_.OnLogWrite(kUsual * 2, 100); });
  EXPECT_EQ(pace_.bytes_per_second(), 16 * kMi);
  EXPECT_EQ(pace_.brake(), BulkBrake::kDisk);
  loop_.RunFor(BulkPace::kIdleAfter + kRound);
  EXPECT_EQ(pace_.brake(), BulkBrake::kNone);
}

// Load that lasts is usual in the end.
TEST_F(BulkPaceTest, SlowerWritesForAMinute_AreUsual) {
  Work(600, [&] { pace_.OnLogWrite(kUsual * 2, 100); });
  EXPECT_EQ(pace_.brake(), BulkBrake::kNone);
  EXPECT_GT(pace_.bytes_per_second(), 32 * kMi);
}

// A node that joins has written nothing before.
TEST_F(BulkPaceTest, FirstWrites_AreUsual) {
  BulkPace fresh(loop_, {});
  for (int i = 0; i < 10; ++i) {
    fresh.Reserve(BulkKind::kSnapshotReceive, 64 << 10);
    fresh.OnLogWrite(Milliseconds(20), 100);
    loop_.RunFor(kRound);
    EXPECT_EQ(fresh.brake(), BulkBrake::kNone);
  }
}

TEST_F(BulkPaceTest, Floor_IsNotBelowWhatTheLogWrites) {
  Work(20, [&] { pace_.OnLogWrite(kUsual * 2, 2 * kMi); });
  EXPECT_EQ(pace_.bytes_per_second(), BulkPace::kLogShare * 20 * kMi);
}

TEST_F(BulkPaceTest, LateAnswers_Brake) {
  pace_.OnAnswer(kUsual);
  Work(3, [&] { pace_.OnAnswer(kUsual * 5); });
  EXPECT_EQ(pace_.brake(), BulkBrake::kPeers);
  EXPECT_LT(pace_.bytes_per_second(), 32 * kMi);
}

TEST_F(BulkPaceTest, LateTimers_Brake) {
  loop_.late = Milliseconds(2);
  Work(3, [] {});
  EXPECT_EQ(pace_.brake(), BulkBrake::kLoop);
  EXPECT_LT(pace_.bytes_per_second(), 32 * kMi);
}

}  // namespace
}  // namespace quorate::env
