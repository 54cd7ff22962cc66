// env/check.h: assertions of internal invariants, also in release builds.
//
//   CHECK(commit_index <= last_index) << "group " << group;
//   CHECK_LE(commit_index, last_index);            // prints both values
//
// A failed check calls the process-wide handler, then aborts. The simulator
// installs a handler that prints the seed and the replay command. Errors of the
// environment or of a caller are a Status, never a CHECK
// (docs/decisions/0001-three-classes-of-errors.md).
#ifndef QUORATE_ENV_CHECK_H_
#define QUORATE_ENV_CHECK_H_

#include <ostream>
#include <string_view>

namespace quorate {

// Called once with "file:line: CHECK failed: …". If it returns, the process
// aborts.
using CheckHandler = void (*)(std::string_view message);

// Installs `handler` (null: print to standard error) and returns the previous
// one.
CheckHandler SetCheckHandler(CheckHandler handler);

namespace check_internal {

// The message of a failed check, and its end. Both are calls, and the message
// is not on the stack: functions are full of checks that hold.
[[gnu::cold, gnu::noinline]] std::ostream& BeginMessage(const char* file,
                                                        int line,
                                                        const char* condition);

// `FailedCheck() & message` calls the handler and aborts. This operator binds
// less tightly than <<.
struct FailedCheck {};
[[noreturn, gnu::cold, gnu::noinline]] void operator&(FailedCheck,
                                                      std::ostream& message);

}  // namespace check_internal
}  // namespace quorate

#define QUORATE_CHECK_FAILURE(text)          \
  ::quorate::check_internal::FailedCheck() & \
      ::quorate::check_internal::BeginMessage(__FILE__, __LINE__, text)

#define CHECK(condition)                              \
  (__builtin_expect(static_cast<bool>(condition), 1)) \
      ? (void)0                                       \
      : QUORATE_CHECK_FAILURE(#condition)

#define QUORATE_CHECK_OP(a, op, b)                                 \
  for (bool ok_ = (a)op(b); __builtin_expect(!ok_, 0); ok_ = true) \
  QUORATE_CHECK_FAILURE(#a " " #op " " #b)                         \
      << "(" << (a) << " vs " << (b) << ") "

// Both arguments are evaluated again when the check fails, so they must not
// have side effects.
#define CHECK_EQ(a, b) QUORATE_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) QUORATE_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) QUORATE_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) QUORATE_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) QUORATE_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) QUORATE_CHECK_OP(a, >=, b)

#endif  // QUORATE_ENV_CHECK_H_
