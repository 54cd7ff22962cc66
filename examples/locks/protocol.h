// examples/locks/protocol.h: commands of the lock service and their answers,
// as lines of text.
//
//   acquire LOCK OWNER MS    the lock, if it is free, for MS ms
//   renew LOCK TOKEN MS      from now on for MS ms
//   release LOCK TOKEN
//   get LOCK
//
// The answer says whether it was done, and the state of the lock after it:
//
//   ok held TOKEN OWNER UNTIL NOW    UNTIL and NOW: ms of log time
//   no free NOW
#ifndef QUORATE_EXAMPLES_LOCKS_PROTOCOL_H_
#define QUORATE_EXAMPLES_LOCKS_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::examples {

inline constexpr size_t kLockNameBytesMax = 100;
inline constexpr int64_t kLeaseMsMax = 24 * 3'600 * 1'000;

struct LockCommand {
  enum Verb : uint8_t { kAcquire, kRenew, kRelease, kGet };
  Verb verb = kGet;
  std::string lock;
  std::string owner;
  uint64_t token = 0;
  int64_t ms = 0;
};
// Empty: it is no command.
std::optional<LockCommand> ParseLockCommand(std::string_view line);

struct Lease {
  uint64_t token = 0;
  std::string owner;
  int64_t until = 0;  // Milliseconds of log time; not held any more then.
  friend bool operator==(const Lease&, const Lease&) = default;
};
// "TOKEN OWNER UNTIL".
std::string FormatLease(const Lease& lease);
bool ParseLease(std::string_view words, Lease* lease);

struct LockAnswer {
  bool done = false;
  std::optional<Lease> lease;  // Empty: the lock is free.
  int64_t now = 0;             // Milliseconds of log time.
};
std::string FormatLockAnswer(const LockAnswer& answer);
std::optional<LockAnswer> ParseLockAnswer(std::string_view line);

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_LOCKS_PROTOCOL_H_
