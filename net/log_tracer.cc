#include "net/log_tracer.h"

#include <errno.h>
#include <poll.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace quorate::net {
namespace {

// The end of the process waits so long for lines that are not written yet.
constexpr std::chrono::milliseconds kEndMax(500);

spdlog::level::level_enum LevelOf(env::Severity severity) {
  switch (severity) {
    case env::Severity::kDebug:
      return spdlog::level::debug;
    case env::Severity::kInfo:
      return spdlog::level::info;
    case env::Severity::kWarning:
      return spdlog::level::warn;
    case env::Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable = {.fd = fd, .events = POLLOUT, .revents = 0};
      (void)poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return;  // No other place takes the line.
    }
  }
}

}  // namespace

// Only the thread of the pool calls log().
class LogTracer::Sink final : public spdlog::sinks::sink {
 public:
  Sink(std::string name, int fd) : name_(std::move(name)), fd_(fd) {}

  void set_pool(spdlog::details::thread_pool* pool) { pool_ = pool; }

  void log(const spdlog::details::log_msg& line) override {
    const size_t lost = pool_->overrun_counter();
    if (lost != lost_reported_) {
      const std::string text =
          "log: " + std::to_string(lost - lost_reported_) +
          " lines are lost, because they could not be written in time";
      lost_reported_ = lost;
      Write(spdlog::details::log_msg(name_, spdlog::level::warn, text));
    }
    Write(line);
    const std::lock_guard<std::mutex> lock(mutex_);
    ++written_;
    changed_.notify_one();
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    formatter_ = std::move(formatter);
  }

  // Waits until `lines` are written or lost. False: it takes too long.
  bool AwaitEnd(uint64_t lines) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kEndMax, [&] {
      return written_ + pool_->overrun_counter() >= lines;
    });
  }

 private:
  void Write(const spdlog::details::log_msg& line) {
    spdlog::memory_buf_t bytes;
    formatter_->format(line, bytes);
    WriteAll(fd_, std::string_view(bytes.data(), bytes.size()));
  }

  const std::string name_;
  const int fd_;
  spdlog::details::thread_pool* pool_ = nullptr;
  std::unique_ptr<spdlog::formatter> formatter_;
  size_t lost_reported_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t written_ = 0;  // Guarded by mutex_.
};

struct LogTracer::Logger {
  // The thread owns it. It keeps what a thread needs that hangs in a write.
  struct Kept {
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::logger> log;
  };

  Logger(const std::string& name, int fd)
      : kept(std::make_shared<Kept>()),
        pool(std::make_shared<spdlog::details::thread_pool>(
            kWaitingMax, 1, [] {}, [kept = kept] {})),
        sink(std::make_shared<Sink>(name, fd)),
        log(std::make_shared<spdlog::async_logger>(
            name, sink, pool, spdlog::async_overflow_policy::overrun_oldest)) {
    sink->set_pool(pool.get());
  }
  const std::shared_ptr<Kept> kept;
  const std::shared_ptr<spdlog::details::thread_pool> pool;
  const std::shared_ptr<Sink> sink;
  const std::shared_ptr<spdlog::async_logger> log;
};

LogTracer::LogTracer(std::string name, env::Severity level, int fd)
    : level_(level), logger_(std::make_unique<Logger>(name, fd)) {
  spdlog::logger& log = *logger_->log;
  log.set_level(LevelOf(level));
  log.set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %L %n %v", spdlog::pattern_time_type::utc));
}

LogTracer::~LogTracer() {
  if (Flush()) return;
  *logger_->kept = {logger_->pool, logger_->log};
}

bool LogTracer::Flush() { return logger_->sink->AwaitEnd(logged_); }

void LogTracer::Log(env::Severity severity, std::string_view message) {
  if (!Logs(severity)) return;
  ++logged_;
  logger_->log->log(LevelOf(severity),
                    spdlog::string_view_t(message.data(), message.size()));
}

bool LogTracer::Logs(env::Severity severity) const {
  return severity >= level_;
}

void LogTracer::Sometimes(std::string_view) {}

}  // namespace quorate::net
