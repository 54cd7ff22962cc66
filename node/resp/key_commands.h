// node/resp/key_commands.h: commands on keys, alone or in a session of the
// store (QUORATE.SESSION, QUORATE.DO). Those on keys of several slots are
// divided (node/resp/divided_commands.h), or refused.
//
// A command is translated, then added to the queue of its group. The answer
// goes to the connection, which is the sink, and completes the reply.
#ifndef QUORATE_NODE_RESP_KEY_COMMANDS_H_
#define QUORATE_NODE_RESP_KEY_COMMANDS_H_

#include <optional>

#include "env/time.h"
#include "kv/command/session_stamp.h"
#include "node/commands/command_table.h"
#include "node/commands/translate.h"
#include "node/connections/context.h"
#include "node/resp/divided_commands.h"
#include "node/resp/reply_queue.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: a request has a place among the replies exactly if it was answered
// or the router accepted it.
class KeyCommands {
 public:
  // All outlive the object.
  KeyCommands(Context& context, RespAddress address, RequestSink& sink,
              DividedCommands& divided, ReplyQueue& replies);

  // Requires: IsKeyCommand(row).
  Handled Handle(const CommandRow& row, Arguments request) {
    return HandleStamped(row, request, std::nullopt);
  }
  // QUORATE.SESSION.
  Handled OpenSession(const CommandRow& row);
  // QUORATE.DO session sequence floor command …
  Handled HandleInSession(const CommandRow& row, Arguments request);

  // How stale the state of a read may be. Zero: reads are linearizable.
  // kAnyStaleness: any state of this replica will do.
  void set_staleness_max(Duration staleness) { staleness_max_ = staleness; }
  Duration staleness_max() const { return staleness_max_; }

 private:
  Handled HandleStamped(const CommandRow& row, Arguments request,
                        const std::optional<kv::SessionStamp>& session);
  Handled Submit(const CommandRow& row, const Translated& command,
                 const std::optional<kv::SessionStamp>& session);

  Context& context_;
  const bool cluster_;
  RequestSink& sink_;
  DividedCommands& divided_;
  ReplyQueue& replies_;
  Duration staleness_max_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_KEY_COMMANDS_H_
