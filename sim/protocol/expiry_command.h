// sim/protocol/expiry_command.h: commands of clients on keys that may expire
// ("t…"), and their RESP form.
//
// This file knows the wire alone. sim/checks/expiry_checker.h checks the
// replies.
#ifndef QUORATE_SIM_PROTOCOL_EXPIRY_COMMAND_H_
#define QUORATE_SIM_PROTOCOL_EXPIRY_COMMAND_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "env/random.h"

namespace quorate::sim {

struct ExpiryCommand {
  enum class Verb : uint8_t {
    // Reads.
    kGet,
    kExists,
    kTtl,         // TTL, PTTL, by the unit of `time_form`.
    kExpireTime,  // EXPIRETIME, PEXPIRETIME, by the unit of `time_form`.
    // Writes.
    kSet,
    kAppend,
    kTake,  // GETDEL.
    kDelete,
    kExpire,  // EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT.
    kPersist,
    kGetEx,
  };
  // The meaning of `time`.
  enum class TimeForm : uint8_t {
    kNone,
    kSeconds,
    kMs,
    kSecondsAt,  // Since the Unix epoch.
    kMsAt,
    kKeep,     // SET … KEEPTTL.
    kPersist,  // GETEX … PERSIST.
  };
  enum class If : uint8_t { kAlways, kNx, kXx, kGt, kLt };

  uint32_t client = 0;
  Verb verb = Verb::kGet;
  TimeForm time_form = TimeForm::kNone;
  If condition = If::kAlways;
  bool want_old = false;        // SET … GET.
  bool verb_with_time = false;  // SETEX or PSETEX instead of SET … EX or PX.
  int64_t time = 0;
  std::string key;
  // kSet: the value. kAppend: the added text. Each text is unique.
  std::string text;

  bool read_only() const { return verb <= Verb::kExpireTime; }
  // Whether `time` is a duration from now on, not a point in time.
  bool relative() const {
    return time_form == TimeForm::kSeconds || time_form == TimeForm::kMs;
  }
  bool in_seconds() const {
    return time_form == TimeForm::kSeconds || time_form == TimeForm::kSecondsAt;
  }
  bool has_time() const { return relative() || absolute(); }
  bool absolute() const {
    return time_form == TimeForm::kSecondsAt || time_form == TimeForm::kMsAt;
  }
  // `time` in milliseconds.
  int64_t time_ms() const { return in_seconds() ? time * 1000 : time; }
};

// Draws a command. `below(site, bound)` draws a number, `now_ms` is about the
// current Unix time, `text` makes a new value.
ExpiryCommand DrawExpiryCommand(
    uint32_t client, std::string key, int64_t now_ms,
    absl::FunctionRef<uint64_t(Site site, uint64_t bound)> below,
    absl::FunctionRef<std::string()> text);

// The words of the command.
std::vector<std::string> WordsOf(const ExpiryCommand& call);
// The name in reports, such as "timed_get".
std::string VerbName(ExpiryCommand::Verb verb);
// The command for people, with long words cut.
std::string Describe(const ExpiryCommand& call);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_PROTOCOL_EXPIRY_COMMAND_H_
