// raft/log/repeated_warning.h: a warning about work that is tried again and
// again, and fails each time.
#ifndef QUORATE_RAFT_LOG_REPEATED_WARNING_H_
#define QUORATE_RAFT_LOG_REPEATED_WARNING_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "env/loop.h"
#include "env/time.h"
#include "env/tracer.h"

namespace quorate::raft {

// Logs the first failure, and each one whose code differs from that of the last
// line. While the code stays the same, it logs one failure per interval.
// Messages of one code may differ: they have names and numbers of the attempt.
class RepeatedWarning {
 public:
  static constexpr Duration kInterval = Seconds(600);

  // Both outlive the object.
  RepeatedWarning(env::Loop& loop, env::Tracer& tracer)
      : loop_(loop), tracer_(tracer) {}

  // An attempt failed. `what` begins the line.
  void Log(absl::string_view what, const absl::Status& why) {
    const MonoTime now = loop_.ReadClock().mono;
    if (why.code() == logged_ && now < again_at_) return;
    logged_ = why.code();
    again_at_ = now + kInterval;
    if (!tracer_.Logs(env::Severity::kWarning)) return;
    tracer_.Log(env::Severity::kWarning,
                absl::StrCat(what, ": ", why.ToString()));
  }
  // The next failure is logged. Call when an attempt has succeeded.
  void Reset() { logged_ = absl::StatusCode::kOk; }

 private:
  env::Loop& loop_;
  env::Tracer& tracer_;
  absl::StatusCode logged_ = absl::StatusCode::kOk;
  MonoTime again_at_ = MonoTime::Min();
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_REPEATED_WARNING_H_
