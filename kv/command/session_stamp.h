// kv/command/session_stamp.h: the stamp of a command that must take effect
// exactly once, however often it is sent.
//
// Opening a session costs no replication: a node answers QUORATE.SESSION with a
// token of random bits and a time. The first command of a session in a slot
// creates the session's row there; later commands find it.
//
// Why a command cannot run twice: a row is created only while log time <=
// open_until_ms, and only if open_until_ms < log time + lifetime. A row lives
// for at least `lifetime` (SessionLifetimes). So log time has passed
// open_until_ms when a row expires, and a late copy of a command is refused
// (SESSION_EXPIRED) instead of run. This holds even if clocks are wrong.
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

// Random bits from the node that opened the session; zero: no session.
using ClientId = StrongId<struct ClientIdTag>;
// Numbers the commands of a client across all slots: 1, 2, 3, … A retry has the
// number of the first try.
using Sequence = StrongOrdinal<struct SequenceTag>;

// Part of the replicated rules: equal on every replica, changed only with
// kRulesVersion.
// Counted from the last use of a row.
inline constexpr Duration kSessionLifetime = Seconds(30 * 60);
// The time for the first use in a slot; less than the lifetime.
inline constexpr Duration kSessionOpenWindow = Seconds(10 * 60);
inline constexpr size_t kSessionsPerSlotMax = 4096;  // The most rows of a slot.
// The most results in one row.
inline constexpr size_t kSessionOutstandingMax = 128;
// A larger result is not kept (kResultNotKept).
inline constexpr size_t kSessionResultBytesMax = 64 << 10;
// A result that would bring the row's results above this is not kept.
inline constexpr size_t kSessionRowBytesMax = 1 << 20;

// How long sessions live. Part of the replicated rules: equal on every node of
// a cluster from its creation on. Servers use the values above; code that
// builds a cluster by itself may choose others.
struct SessionLifetimes {
  Duration lifetime = kSessionLifetime;
  Duration open_window = kSessionOpenWindow;  // Less than `lifetime`.
};

// Identifies a session. Clients hold it as text.
struct SessionToken {
  ClientId client = {};
  int64_t open_until_ms = 0;  // Milliseconds since the Unix epoch, by log time.
  friend bool operator==(const SessionToken&, const SessionToken&) = default;
};

// The session fields of a command.
struct SessionStamp {
  SessionToken token = {};
  Sequence sequence = {};
  // The client has finished every command with a lower number and will not send
  // it again; the results of those commands are dropped. Invariant: floor <=
  // sequence, else the command is kMalformed.
  Sequence floor = {};
  friend bool operator==(const SessionStamp&, const SessionStamp&) = default;
};

// Makes the answer to QUORATE.SESSION. `bits` are fresh random bits, `now` the
// node's log time or clock.
SessionToken MakeSessionToken(uint64_t bits, WallTime now,
                              const SessionLifetimes& lifetimes = {});
// "16 hex digits of the client, '-', open_until_ms in decimal".
std::string FormatSessionToken(const SessionToken& token);
std::optional<SessionToken> ParseSessionToken(std::string_view text);

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_SESSION_STAMP_H_
