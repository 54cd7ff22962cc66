#include "net/log_tracer.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

constexpr int kLines = 20'000;
constexpr char kLast[] = "line 20000.";

// A pipe in the place of standard error.
class LogTracerTest : public testing::Test {
 protected:
  LogTracerTest() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0);
    tracer_ =
        std::make_unique<LogTracer>("node-7", env::Severity::kInfo, ends_[1]);
  }
  ~LogTracerTest() override {
    tracer_.reset();
    close(ends_[0]);
    close(ends_[1]);
  }
  // Logs far more lines than the pipe holds.
  void Flood() {
    for (int i = 1; i <= kLines; ++i) {
      tracer_->Log(env::Severity::kWarning,
                   "line " + std::to_string(i) + std::string(100, '.'));
    }
  }
  // Reads up to the first line with `words`, and returns all lines.
  std::string ReadUntil(const std::string& words) {
    std::string text;
    char bytes[4096];
    while (text.find(words) == std::string::npos) {
      const ssize_t size = read(ends_[0], bytes, sizeof(bytes));
      if (size <= 0) break;
      text.append(bytes, static_cast<size_t>(size));
    }
    return text;
  }

  int ends_[2] = {-1, -1};
  std::unique_ptr<LogTracer> tracer_;
};

TEST_F(LogTracerTest, Lines_HaveTimeSeverityAndName) {
  tracer_->Log(env::Severity::kInfo, "hello");
  tracer_->Log(env::Severity::kDebug, "not this one");
  tracer_->Log(env::Severity::kError, "{} %s");
  tracer_.reset();
  const std::string text = ReadUntil("{} %s\n");
  EXPECT_EQ(text[10], 'T');
  EXPECT_NE(text.find("Z I node-7 hello\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z E node-7 {} %s\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("not this one"), std::string::npos) << text;
}

// The reader of the pipe has stopped. The loop goes on, and so does the end of
// the process.
TEST_F(LogTracerTest, PipeThatIsNotRead_DelaysNoCaller) {
  Flood();
  tracer_.reset();
  // The thread is still there. No other test may get its descriptor.
  EXPECT_NE(ReadUntil(kLast).find(kLast), std::string::npos);
}

// The newest lines are kept.
TEST_F(LogTracerTest, PipeThatIsReadAgain_SaysHowManyLinesWereLost) {
  Flood();
  const std::string text = ReadUntil(kLast);
  EXPECT_NE(text.find(kLast), std::string::npos);
  const std::string notice = " W node-7 log: ";
  int lost = 0;
  for (size_t at = text.find(notice); at != std::string::npos;
       at = text.find(notice, at + 1)) {
    lost += std::stoi(text.substr(at + notice.size()));
  }
  EXPECT_GT(lost, 0);
  int lines = 0;
  for (size_t at = text.find("node-7 line "); at != std::string::npos;
       at = text.find("node-7 line ", at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines + lost, kLines);
}

}  // namespace
}  // namespace quorate::net
