// node/resp/peer_service.h: queries of other nodes: QUORATE.STATUS
// (node/peers/status_link.h).
//
// A connection with such a request is a link, not a client of users.
#ifndef QUORATE_NODE_RESP_PEER_SERVICE_H_
#define QUORATE_NODE_RESP_PEER_SERVICE_H_

#include <cstdint>

#include "node/commands/command_table.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/peers/status_link.h"
#include "node/resp/reply_queue.h"

namespace quorate::node {

class PeerService {
 public:
  // All outlive the object.
  PeerService(Context& context, ClientConnection& client, ReplyQueue& replies);

  // QUORATE.STATUS start changes identity: the version of the rows that the
  // requesting node has, and its identity.
  Handled Status(const CommandRow& row, Arguments request);

 private:
  Context& context_;
  ClientConnection& client_;
  ReplyQueue& replies_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_PEER_SERVICE_H_
