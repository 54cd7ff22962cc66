// node/resp/acl_commands.h: the user of a RESP connection: AUTH, the check of
// each command, and the ACL commands.
#ifndef QUORATE_NODE_RESP_ACL_COMMANDS_H_
#define QUORATE_NODE_RESP_ACL_COMMANDS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "node/acl/users.h"
#include "node/commands/command_table.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/protocol/resp_writer.h"
#include "node/resp/reply_queue.h"

namespace quorate::node {

class AclCommands {
 public:
  // All outlive the object. `describe`: the line of CLIENT INFO.
  AclCommands(Context& context, ClientConnection& client, ReplyQueue& replies,
              std::function<std::string()> describe);

  // Whether the user of the connection may execute the request. If not, sets
  // `*error` and notes the refusal in ACL LOG. Requires:
  // row.AcceptsCount(request.size()).
  bool Allows(const CommandRow& row, Arguments request, bool in_transaction,
              std::string* error) {
    const AclUser* const user = client_.user().get();
    if (user != nullptr && user->Check(row, request).allowed()) return true;
    return AllowsWithoutUser(row, request, in_transaction, error);
  }

  // Makes the connection that of the user with this name and password. Returns
  // an error, or nothing.
  std::string Authenticate(std::string_view name, std::string_view password);
  // AUTH.
  void WriteAuth(Arguments request, RespWriter& reply);
  // Why HELLO without AUTH is refused; empty: it is not.
  std::string HelloError();
  // RESET: the connection is that of a new client.
  void Reset();

  // Writes the reply of an ACL command that is answered at once. Returns false
  // for other commands.
  bool Write(const CommandRow& row, Arguments request, RespWriter& reply);
  // ACL SETUSER and ACL DELUSER.
  Handled Change(const CommandRow& row, Arguments request);
  // A change is under way. Until its reply the connection handles no other
  // request.
  bool changing() const { return changing_; }

 private:
  bool AllowsWithoutUser(const CommandRow& row, Arguments request,
                         bool in_transaction, std::string* error);
  // Gives a connection without a user that of clients that prove nothing, or
  // that of its certificate.
  void TakeUserWithoutPassword();
  void NoteRefusal(AclLog::Reason reason, bool in_transaction,
                   std::string_view object, std::string_view user);
  void WriteCategories(Arguments request, RespWriter& reply) const;
  void WriteDryRun(Arguments request, RespWriter& reply) const;
  void WritePassword(Arguments request, RespWriter& reply);
  void WriteUser(std::string_view name, RespWriter& reply) const;
  void WriteUsers(bool with_rules, RespWriter& reply) const;
  void WriteLog(Arguments request, RespWriter& reply);
  void OnChanged(uint64_t token, bool counts,
                 const absl::StatusOr<size_t>& changed);

  Context& context_;
  ClientConnection& client_;
  ReplyQueue& replies_;
  const std::function<std::string()> describe_;
  bool changing_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_ACL_COMMANDS_H_
