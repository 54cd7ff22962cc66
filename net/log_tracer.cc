#include "net/log_tracer.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <utility>

namespace quorate::net {
namespace {

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

}  // namespace

struct LogTracer::Logger {
  explicit Logger(std::string name)
      : log(std::move(name),
            std::make_shared<spdlog::sinks::stderr_sink_st>()) {}
  spdlog::logger log;
};

LogTracer::LogTracer(std::string name, env::Severity level)
    : level_(level), logger_(std::make_unique<Logger>(std::move(name))) {
  spdlog::logger& log = logger_->log;
  log.set_level(LevelOf(level));
  log.set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %L %n %v", spdlog::pattern_time_type::utc));
  // Flush each line, so that it is written when the process dies.
  log.flush_on(spdlog::level::trace);
}

LogTracer::~LogTracer() = default;

void LogTracer::Log(env::Severity severity, std::string_view message) {
  logger_->log.log(LevelOf(severity),
                   spdlog::string_view_t(message.data(), message.size()));
}

bool LogTracer::Logs(env::Severity severity) const {
  return severity >= level_;
}

void LogTracer::Sometimes(std::string_view) {}

}  // namespace quorate::net
