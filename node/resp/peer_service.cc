#include "node/resp/peer_service.h"

#include <string>

#include "env/parse_integer.h"
#include "node/base/node_identity.h"

namespace quorate::node {

PeerService::PeerService(Context& context, ClientConnection& client,
                         ReplyQueue& replies)
    : context_(context), client_(client), replies_(replies) {}

Handled PeerService::Status(const CommandRow& row, Arguments request) {
  client_.MarkLink();
  NodeReport known;
  env::TransportIdentity asker;
  if (!ParseInteger(request[1], &known.start) ||
      !ParseInteger(request[2], &known.changes) ||
      !ParseIdentity(request[3], &asker)) {
    replies_.ReplyError(row.id, "ERR not a query of another node");
    return Handled::kDone;
  }
  const NodeReport report = context_.router.view().Report(known, asker);
  replies_.ReplyNow(row.id, [&](RespWriter& reply) {
    std::string text;
    WriteReport(report, &text);
    reply.Raw(text);
  });
  return Handled::kDone;
}

}  // namespace quorate::node
