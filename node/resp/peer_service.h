// node/resp/peer_service.h: requests of other nodes: QUORATE.CHANNEL,
// QUORATE.APPLY, QUORATE.READ and QUORATE.STATUS (node/routing/peer_link.h).
//
// A connection with such a request is a link, not a client of users.
#ifndef QUORATE_NODE_RESP_PEER_SERVICE_H_
#define QUORATE_NODE_RESP_PEER_SERVICE_H_

#include <cstdint>

#include "node/commands/command_table.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/resp/reply_queue.h"
#include "node/routing/peer_link.h"

namespace quorate::node {

// Invariant: each batch that is applied or read has a reply due until its
// outcome is known. So the connection, and with it this object, lives until
// then.
class PeerService {
 public:
  // All outlive the object.
  PeerService(Context& context, ClientConnection& client, ReplyQueue& replies);

  // QUORATE.CHANNEL group term channel: term and channel of the channel that
  // the new one replaces.
  Handled OpenChannel(const CommandRow& row, Arguments request);
  // QUORATE.APPLY group term channel number batch
  Handled Apply(const CommandRow& row, Arguments request);
  // QUORATE.READ group batch
  Handled Read(const CommandRow& row, Arguments request);
  // QUORATE.STATUS start changes identity: the version of the rows that the
  // requesting node has, and its identity.
  Handled Status(const CommandRow& row, Arguments request);

 private:
  void Reply(uint64_t token, const PeerResult& result);

  Context& context_;
  ClientConnection& client_;
  ReplyQueue& replies_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_PEER_SERVICE_H_
