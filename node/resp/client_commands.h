// node/resp/client_commands.h: commands on the connection itself: PING, HELLO,
// AUTH, SELECT, READONLY, CLIENT and the like.
//
// All are answered at once. QUIT and RESET also concern other parts of the
// connection, which handles the rest of them.
#ifndef QUORATE_NODE_RESP_CLIENT_COMMANDS_H_
#define QUORATE_NODE_RESP_CLIENT_COMMANDS_H_

#include <string>
#include <string_view>

#include "node/commands/command_table.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/protocol/resp_writer.h"
#include "node/resp/address_view.h"
#include "node/resp/key_commands.h"
#include "node/resp/reply_queue.h"

namespace quorate::node {

// A connection as CLIENT LIST shows it. Every protocol of
// Context::resp_clients is one.
class ListedProtocol : public Protocol {
 public:
  // The connection's line, without line end.
  virtual std::string Describe() const = 0;
};

// Invariant: the names have only characters that a line of CLIENT LIST allows.
class ClientCommands {
 public:
  // All outlive the object. The client's protocol is a ListedProtocol.
  ClientCommands(Context& context, ClientConnection& client, AddressView view,
                 KeyCommands& key_commands, ReplyQueue& replies);

  // Writes the reply. Returns false if `row` is not a command of this object.
  bool Write(const CommandRow& row, Arguments request, RespWriter& reply);
  // RESET: back to the state of a new connection.
  void Reset();

  // The names that the client gave to itself and to its library.
  const std::string& name() const { return name_; }
  const std::string& library_name() const { return library_name_; }
  const std::string& library_version() const { return library_version_; }

 private:
  void WriteHello(Arguments request, RespWriter& reply);
  void WriteAuth(Arguments request, RespWriter& reply);
  void WriteSelect(Arguments request, RespWriter& reply);
  void WriteClient(const CommandRow& row, Arguments request, RespWriter& reply);
  void SetInfo(Arguments request, RespWriter& reply);
  void SetReplies(std::string_view mode, RespWriter& reply);
  void ListClients(Arguments options, RespWriter& reply);
  void KillClients(Arguments request, RespWriter& reply);

  Context& context_;
  ClientConnection& client_;
  const AddressView view_;
  KeyCommands& key_commands_;
  ReplyQueue& replies_;
  std::string name_;
  std::string library_name_;
  std::string library_version_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_CLIENT_COMMANDS_H_
