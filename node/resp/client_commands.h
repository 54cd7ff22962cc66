// node/resp/client_commands.h: commands on the connection itself: PING, HELLO,
// AUTH, SELECT, READONLY, CLIENT and the like.
//
// All are answered at once, except CLIENT LIST. QUIT and RESET also concern
// other parts of the connection, which handles the rest of them.
#ifndef QUORATE_NODE_RESP_CLIENT_COMMANDS_H_
#define QUORATE_NODE_RESP_CLIENT_COMMANDS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

// Invariants: the names have only characters that a line of CLIENT LIST allows.
// While a list is being written, the connection handles no other request, and
// no reply is due.
class ClientCommands {
 public:
  // All outlive the object. The client's protocol is a ListedProtocol.
  ClientCommands(Context& context, ClientConnection& client, AddressView view,
                 KeyCommands& key_commands, ReplyQueue& replies);

  // Writes the reply. Returns false if `row` is not a command of this object.
  bool Write(const CommandRow& row, Arguments request, RespWriter& reply);
  // CLIENT LIST, over as many turns as it takes. A connection that closes
  // meanwhile is left out.
  Handled List(const CommandRow& row, Arguments request);
  bool listing() const { return list_ != nullptr; }
  // Goes on if the list waits for the next turn.
  void ResumeList();
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
  void WriteConsistency(Arguments request, RespWriter& reply);
  void WriteClient(const CommandRow& row, Arguments request, RespWriter& reply);
  void SetInfo(Arguments request, RespWriter& reply);
  void SetReplies(std::string_view mode, RespWriter& reply);
  // The ids of the connections that the options select. Sets `error` if the
  // options are invalid.
  std::vector<uint64_t> SelectClients(Arguments options,
                                      std::string* error) const;
  // The connections of RESP clients. Counts the visit of each as work.
  std::vector<ClientConnection*> VisitAll() const;
  // Adds the line of a connection, if it is still there. Returns its size.
  size_t Describe(uint64_t id, std::string* text) const;
  void KillClients(Arguments request, RespWriter& reply);

  struct ListOfClients {
    CommandId command;
    std::vector<uint64_t> ids;
    size_t next = 0;
    std::string text;
    size_t held_bytes = 0;  // As counted by the client.
  };

  Context& context_;
  ClientConnection& client_;
  const AddressView view_;
  KeyCommands& key_commands_;
  ReplyQueue& replies_;
  std::unique_ptr<ListOfClients> list_;  // Null: no list is being written.
  std::string name_;
  std::string library_name_;
  std::string library_version_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_CLIENT_COMMANDS_H_
