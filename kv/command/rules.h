// kv/command/rules.h: the version of the replicated rules, and the limits that
// decide what a command does.
//
// The limits are equal on every replica, from the bootstrap of the cluster on:
// the bootstrap record has them (docs/reference/formats/bootstrap.md).
#ifndef QUORATE_KV_COMMAND_RULES_H_
#define QUORATE_KV_COMMAND_RULES_H_

#include <cstdint>

#include "env/time.h"

namespace quorate::kv {

// The version of the replicated rules: everything that decides the effects and
// results of a batch, constants included. Every change of the rules raises it
// (kv/store/rules_test.cc). It is also the level of a group (raft::Level):
// batches of a version are proposed once all members of the group know it. A
// batch carries its version.
inline constexpr uint32_t kRulesVersion = 1;

// How long sessions live, and how much of them is kept
// (kv/command/session_stamp.h).
struct SessionRules {
  // Counted by log time, from the last use of a row.
  Duration lifetime = Seconds(30 * 60);
  // The time for the first use in a slot; less than `lifetime`.
  Duration open_window = Seconds(10 * 60);
  uint32_t rows_per_slot_max = 4096;
  // The same for sessions of Idempotency-Keys, which have one command each, so
  // that they take no room from clients.
  uint32_t keys_per_slot_max = 65'536;
  // A larger result is not kept (kResultNotKept).
  uint32_t result_bytes_max = 64 << 10;
  // A result that would bring the row's results above this is not kept.
  uint32_t row_bytes_max = 1 << 20;
  friend bool operator==(const SessionRules&, const SessionRules&) = default;
};

struct Rules {
  SessionRules sessions = {};
  // An entry of N commands removes at most `entry` + N * `command` due keys,
  // and as many due rows of sessions. So removal keeps pace with writes.
  uint32_t expiries_per_entry = 16;
  uint32_t expiries_per_command = 2;
  friend bool operator==(const Rules&, const Rules&) = default;
};

// Whether a cluster may have these rules.
constexpr bool AreValid(const Rules& rules) {
  return rules.sessions.open_window > Duration(0) &&
         rules.sessions.open_window < rules.sessions.lifetime &&
         rules.sessions.rows_per_slot_max > 0 &&
         rules.sessions.keys_per_slot_max > 0 && rules.expiries_per_entry > 0;
}

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_RULES_H_
