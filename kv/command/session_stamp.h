// kv/command/session_stamp.h: what a command carries so that it takes effect exactly
// once, however often it is sent.
//
// A session costs nothing to open: a node answers QUORATE.SESSION with a token,
// made of random bits and a time, without asking anyone. The first command of a
// session in a slot makes the session's row there, later ones find it. Why
// nothing can run twice: a row is made only while log time <= open_until, and
// only if open_until < log time + kSessionLifetime; it lives for
// kSessionLifetime at least. So when a row has expired, log time has passed
// open_until, and a late copy of a command is refused (SESSION_EXPIRED), never
// taken for a new one. No clock needs to be right for that.
#ifndef QUORATE_KV_COMMAND_SESSION_STAMP_H_
#define QUORATE_KV_COMMAND_SESSION_STAMP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "env/strong_types.h"
#include "env/time.h"

namespace quorate::kv {

// Random bits drawn by the node that opened the session; zero is no session.
using ClientId = StrongId<struct ClientIdTag>;
// Numbers a client's commands across all slots: 1, 2, 3, … A retry has the
// number of the first try.
using Sequence = StrongOrdinal<struct SequenceTag>;

// Part of the replicated rules: the same on every replica, changed only with
// the version of the format.
inline constexpr Duration kSessionLifetime =
    Seconds(30 * 60);  // Since a row's last use.
inline constexpr Duration kSessionOpenWindow =
    Seconds(10 * 60);  // For the first use in a slot; less than the lifetime.
inline constexpr size_t kSessionsPerSlotMax = 4096;  // Rows.
inline constexpr size_t kSessionOutstandingMax =
    128;  // Results kept in one row.
inline constexpr size_t kSessionResultBytesMax =
    64 << 10;  // A larger result is not kept (kResultNotKept).
// Nor is one that would bring a row's results beyond this.
inline constexpr size_t kSessionRowBytesMax = 1 << 20;

// Identifies a session; what clients hold as text.
struct SessionToken {
  ClientId client = {};
  int64_t open_until_ms = 0;  // Milliseconds since the Unix epoch, by log time.
  friend bool operator==(const SessionToken&, const SessionToken&) = default;
};

// What a stamped command carries.
struct SessionStamp {
  SessionToken token = {};
  Sequence sequence = {};
  // Every command with a number below it is finished for the client, who will
  // not send it again: results are dropped. Invariant: floor <= sequence, else
  // the command is kMalformed.
  Sequence floor = {};
  friend bool operator==(const SessionStamp&, const SessionStamp&) = default;
};

// For the node that answers QUORATE.SESSION: `bits` are fresh random ones,
// `now` the node's log time or clock.
SessionToken MakeSessionToken(uint64_t bits, WallTime now);
// "16 hex digits of the client, '-', open_until_ms in decimal".
std::string FormatSessionToken(const SessionToken& token);
std::optional<SessionToken> ParseSessionToken(std::string_view text);

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_SESSION_STAMP_H_
