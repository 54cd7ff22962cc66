#include "env/alarm.h"

#include <cstdint>
#include <map>
#include <utility>

#include "gtest/gtest.h"

namespace quorate::env {
namespace {

MonoTime At(int64_t ms) { return MonoTime() + Milliseconds(ms); }

// Step 1 of turns alone. Timers run as the test says.
class TimerLoop final : public Loop, private Pending::Source {
 public:
  Now ReadClock() override { return {now_, {}}; }
  Pending At(MonoTime deadline, Callback callback) override {
    timers_.emplace(++last_id_, std::pair(deadline, std::move(callback)));
    return Pending(this, last_id_);
  }
  Pending Defer(Callback) override { return {}; }

  void SetTime(MonoTime now) { now_ = now; }
  void RunTimers(MonoTime now) {
    now_ = now;
    for (auto it = timers_.begin(); it != timers_.end();) {
      if (it->second.first > now_) {
        ++it;
        continue;
      }
      Callback callback = std::move(it->second.second);
      it = timers_.erase(it);
      callback();
    }
  }
  size_t timers() const { return timers_.size(); }

 private:
  void Cancel(uint64_t id) override { timers_.erase(id); }

  MonoTime now_;
  std::map<uint64_t, std::pair<MonoTime, Callback>> timers_;
  uint64_t last_id_ = 0;
};

TEST(Alarm, EarlierDeadline_MovesTheTimer) {
  TimerLoop loop;
  int rings = 0;
  Alarm alarm(loop, [&] { ++rings; });
  alarm.SetFor(At(20));
  alarm.SetFor(At(10));
  EXPECT_EQ(loop.timers(), 1u);
  loop.RunTimers(At(10));
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(loop.timers(), 0u);
}

TEST(Alarm, LaterDeadline_DoesNotPostponeATimerThatIsDue) {
  TimerLoop loop;
  int rings = 0;
  Alarm alarm(loop, [&] { ++rings; });
  alarm.SetFor(At(10));
  // The timers of the turn ran at 9 ms; a reply then ended a request.
  loop.SetTime(At(10));
  alarm.SetFor(At(20));
  alarm.SetFor(MonoTime::Max());
  loop.RunTimers(At(10));
  EXPECT_EQ(rings, 1);
}

TEST(Alarm, Ring_SetsTheAlarmAgain) {
  TimerLoop loop;
  int rings = 0;
  Alarm* self = nullptr;
  Alarm alarm(loop, [&] {
    ++rings;
    if (rings == 1) self->SetFor(At(20));
  });
  self = &alarm;
  alarm.SetFor(At(10));
  loop.RunTimers(At(10));
  EXPECT_EQ(rings, 1);
  loop.RunTimers(At(20));
  EXPECT_EQ(rings, 2);
}

TEST(Alarm, Destroyed_RingsNoMore) {
  TimerLoop loop;
  int rings = 0;
  {
    Alarm alarm(loop, [&] { ++rings; });
    alarm.SetFor(At(10));
  }
  loop.RunTimers(At(10));
  EXPECT_EQ(rings, 0);
}

}  // namespace
}  // namespace quorate::env
