// sim/protocol/expiry_command.h: what clients do with keys that may expire ("t…"),
// and how it is put in RESP.
//
// Knows the wire alone; sim/checks/expiry_checker.h judges the answers.
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
    kTtl,         // TTL, PTTL: in the unit of `time_form`.
    kExpireTime,  // EXPIRETIME, PEXPIRETIME: likewise.
    // Writes.
    kSet,
    kAppend,
    kTake,  // GETDEL.
    kDelete,
    kExpire,  // EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT.
    kPersist,
    kGetEx,
  };
  // How `time` counts.
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
  bool verb_with_time = false;  // SETEX and PSETEX, not SET … EX and PX.
  int64_t time = 0;
  std::string key;
  std::string text;  // kSet: the value; kAppend: what is added. Each unique.

  bool read_only() const { return verb <= Verb::kExpireTime; }
  // Whether `time` says how long from now, not when.
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

// `below(site, bound)` draws; `now_ms` is about the time of day; `text` makes a new value.
ExpiryCommand DrawExpiryCommand(
    uint32_t client, std::string key, int64_t now_ms,
    absl::FunctionRef<uint64_t(Site site, uint64_t bound)> below,
    absl::FunctionRef<std::string()> text);

// The words of the command.
std::vector<std::string> WordsOf(const ExpiryCommand& call);
// "timed_get" and so on.
std::string VerbName(ExpiryCommand::Verb verb);
// For people: those words, long ones cut.
std::string Describe(const ExpiryCommand& call);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_PROTOCOL_EXPIRY_COMMAND_H_
