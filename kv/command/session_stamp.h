// kv/command/session_stamp.h: the stamp of a command that must take effect
// exactly once, however often it is sent.
//
// Opening a session costs no replication: a node answers QUORATE.SESSION with a
// token of random bits and a time. The first command of a session in a slot
// creates the session's row there; later commands find it.
//
// Why a command cannot run twice: a row is created only while log time <=
// open_until_ms, and only if open_until_ms < log time + lifetime. A row lives
// for at least `lifetime` (SessionRules). So log time has passed
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

// The most results in one row. Clients rely on it, so it is equal in every
// cluster, and changed only with kRulesVersion.
inline constexpr size_t kSessionOutstandingMax = 128;

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
// node's log time or clock, `open_window` that of the cluster's SessionRules.
SessionToken MakeSessionToken(uint64_t bits, WallTime now,
                              Duration open_window);
// The session of the one request with an Idempotency-Key, whose secret hash is
// `hash`. Requests with the same key have the same client.
SessionToken MakeKeySessionToken(uint64_t hash, WallTime now,
                                 Duration open_window);
// Distinguishes sessions of Idempotency-Keys by a bit of the client. Clients
// may not use their tokens, since a slot has room of its own for them.
constexpr bool IsKeySession(ClientId client) {
  return (client.value() >> 63) != 0;
}
// "16 hex digits of the client, '-', open_until_ms in decimal".
std::string FormatSessionToken(const SessionToken& token);
std::optional<SessionToken> ParseSessionToken(std::string_view text);

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_SESSION_STAMP_H_
