// node/commands/read_command.h: evaluates read-only commands against a store,
// outside the log.
//
// The caller ensures that the store is fresh enough.
#ifndef QUORATE_NODE_COMMANDS_READ_COMMAND_H_
#define QUORATE_NODE_COMMANDS_READ_COMMAND_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/store.h"

namespace quorate::node {

// Calls `done` with the result that the command would have in an entry applied
// next, and returns true. Returns false without a call if a key is due by
// `due_by` but not by log time. Requires: kv::IsRead(spec.op), and the store
// owns spec.slot.
bool EvaluateRead(const kv::Store& store, const kv::CommandSpec& spec,
                  WallTime due_by,
                  absl::FunctionRef<void(const kv::ResultView&)> done);

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_READ_COMMAND_H_
