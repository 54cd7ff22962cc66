#include "node/resp/peer_service.h"

#include <string>
#include <utility>

#include "env/parse_integer.h"
#include "node/base/node_identity.h"

namespace quorate::node {
namespace {

// Returns null if `word` names no group.
GroupQueue* QueueOfGroup(Context& context, std::string_view word) {
  uint32_t group = 0;
  return ParseInteger(word, &group) ? context.router.FindQueue(GroupId(group))
                                    : nullptr;
}

}  // namespace

PeerService::PeerService(Context& context, ClientConnection& client,
                         ReplyQueue& replies)
    : context_(context), client_(client), replies_(replies) {}

Handled PeerService::OpenChannel(const CommandRow& row, Arguments request) {
  client_.MarkLink();
  GroupQueue* queue = QueueOfGroup(context_, request[1]);
  uint64_t term = 0;
  ForwardStamp replaces;
  if (queue == nullptr || !ParseInteger(request[2], &term) ||
      !ParseInteger(request[3], &replaces.channel)) {
    replies_.ReplyError(row.id, "ERR no such group or channel");
    return Handled::kDone;
  }
  replaces.term = raft::Term(term);
  Reply(replies_.Push(row.id, ReplyFormat::kBulk),
        queue->OpenForPeer(replaces));
  return Handled::kDone;
}

Handled PeerService::Apply(const CommandRow& row, Arguments request) {
  client_.MarkLink();
  GroupQueue* queue = QueueOfGroup(context_, request[1]);
  uint64_t term = 0;
  ForwardStamp stamp;
  if (queue == nullptr || !ParseInteger(request[2], &term) ||
      !ParseInteger(request[3], &stamp.channel) ||
      !ParseInteger(request[4], &stamp.number)) {
    replies_.ReplyError(row.id, "ERR no such group or channel");
    return Handled::kDone;
  }
  stamp.term = raft::Term(term);
  const uint64_t token = replies_.Push(row.id, ReplyFormat::kBulk);
  queue->ApplyForPeer(
      stamp, Buffer::Copy(request[5]),
      [this, token](PeerResult result) { Reply(token, result); });
  return Handled::kDone;
}

Handled PeerService::Read(const CommandRow& row, Arguments request) {
  client_.MarkLink();
  GroupQueue* queue = QueueOfGroup(context_, request[1]);
  if (queue == nullptr) {
    replies_.ReplyError(row.id, "ERR no such group or channel");
    return Handled::kDone;
  }
  const uint64_t token = replies_.Push(row.id, ReplyFormat::kBulk);
  queue->ReadForPeer(
      Buffer::Copy(request[2]),
      [this, token](PeerResult result) { Reply(token, result); });
  return Handled::kDone;
}

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
  PeerResult result;
  result.result.outcome = Outcome::kDone;
  result.report = context_.router.view().Report(known, asker);
  std::string text;
  WritePeerResult(result, &text);
  replies_.ReplyNow(row.id, [&](RespWriter& reply) { reply.Raw(text); });
  return Handled::kDone;
}

void PeerService::Reply(uint64_t token, const PeerResult& result) {
  std::string text;
  WritePeerResult(result, &text);
  replies_.Reply(token, [&](RespWriter& reply) { reply.Raw(text); });
}

}  // namespace quorate::node
