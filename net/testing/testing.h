// net/testing/testing.h: helpers of the tests of net/: a loop that runs until a
// condition holds, and a tracer that records.
#ifndef QUORATE_NET_TESTING_TESTING_H_
#define QUORATE_NET_TESTING_TESTING_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "env/tracer.h"
#include "gtest/gtest.h"
#include "net/event_loop/clock.h"
#include "net/event_loop/loop.h"

namespace quorate::net {

// Runs turns until `done()`. Fails the test after a time that only a hang can
// explain.
inline void RunUntil(EventLoop& loop, const std::function<bool()>& done) {
  const MonoTime limit = Clock::ReadMono() + Seconds(30);
  while (!done()) {
    ASSERT_LT(Clock::ReadMono(), limit) << "the condition never became true";
    loop.RunTurn(Milliseconds(10));
  }
}

class RecordingTracer final : public env::Tracer {
 public:
  void Log(env::Severity, std::string_view message) override {
    lines.emplace_back(message);
  }
  bool Logs(env::Severity) const override { return true; }
  void Sometimes(std::string_view mark) override { marks.emplace_back(mark); }

  bool Said(std::string_view words) const {
    for (const std::string& line : lines) {
      if (line.find(words) != std::string::npos) return true;
    }
    return false;
  }

  std::vector<std::string> lines;
  std::vector<std::string> marks;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TESTING_TESTING_H_
