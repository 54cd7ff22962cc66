#include "node/resp/resp_session.h"

#include <utility>

#include "env/check.h"
#include "node/base/text.h"
#include "node/commands/translate.h"
#include "node/pages/info_page.h"

namespace quorate::node {
namespace {

RespParser::Limits ParserLimits(const BoundsConfig& bounds) {
  return {
      .arguments_max = bounds.arguments,
      .bulk_bytes_max = bounds.query_buffer_bytes,
      .request_bytes_max = bounds.query_buffer_bytes,
      .line_bytes_max = 64 << 10,
  };
}

// So many due replies count as no memory.
constexpr size_t kUncountedReplies = 128;

// A web page can make a browser send these words to any port. The connection is
// closed to protect against such forged requests.
bool LooksLikeHttp(std::string_view word) {
  return EqualsIgnoreCase(word, "post") || EqualsIgnoreCase(word, "host:");
}

// Commands that wait until all earlier commands of the connection are answered,
// because they read the store outside the log, or take several turns. MULTI
// and those that end a transaction need to know which keys are watched.
bool WaitsForEarlier(const CommandRow& row) {
  switch (row.id) {
    case CommandId::kKeys:
    case CommandId::kScan:
    case CommandId::kDbsize:
    case CommandId::kInfo:
    case CommandId::kRandomkey:
    case CommandId::kFlushall:
    case CommandId::kFlushdb:
    case CommandId::kWait:
    case CommandId::kWatch:
    case CommandId::kUnwatch:
    case CommandId::kReset:
    case CommandId::kMulti:
    case CommandId::kDiscard:
    case CommandId::kExec:
    case CommandId::kClientList:
    case CommandId::kClusterCountkeysinslot:
    case CommandId::kClusterGetkeysinslot:
      return true;
    default:
      return false;
  }
}

// Commands that an open transaction does not queue.
bool IsHandledInTransaction(const CommandRow& row) {
  switch (row.id) {
    case CommandId::kExec:
    case CommandId::kDiscard:
    case CommandId::kMulti:
    case CommandId::kWatch:
    case CommandId::kQuit:
    case CommandId::kReset:
      return true;
    default:
      return false;
  }
}

}  // namespace

RespSession::RespSession(Context& context, ClientConnection& client,
                         RespAddress address)
    : context_(context),
      client_(client),
      view_(context, address),
      parser_(ParserLimits(context.config.bounds)),
      replies_(context, client, [this] { OnRepliesSent(); }),
      questions_(context, address, *this),
      divided_(context, client, address, questions_, replies_),
      key_commands_(context, address, *this, divided_, replies_),
      transaction_(
          context, address, *this, replies_,
          [this](const CommandRow& row, Arguments request, RespWriter& reply) {
            return WriteLocal(row, request, reply);
          }),
      group_commands_(context, client, address, questions_, replies_),
      scan_(context, client, address, questions_, replies_),
      client_commands_(context, client, view_, key_commands_, replies_),
      server_commands_(context, view_),
      cluster_commands_(context, view_) {}

void RespSession::OnBytes(std::string_view bytes) {
  parser_.Feed(bytes);
  Process();
  parser_.Detach();
}

void RespSession::Resume() {
  replies_.ForgetLackOfRoom();
  if (replies_.empty()) routing().ForgetIdle();
  if (has_parked()) context_.router.ServeParked(this);
  questions_.AskWaiting();
  scan_.Resume();
  divided_.Resume();
  client_commands_.ResumeList();
  Process();
  parser_.Detach();
}

// A connection that closes takes no further request, so its part becomes less
// in any case.
size_t RespSession::BytesOfDueReplies() const {
  if (client_.closing() || replies_.size() <= kUncountedReplies) return 0;
  return replies_.size() * ReplyQueue::kBytesOfDueReply;
}

void RespSession::DropInput() {
  parser_.Drop();
  stalled_ = OwnedRequest();
  transaction_.Forget();
  context_.router.ForgetBlocked(this);
}

void RespSession::Refuse(std::string_view why) {
  replies_.ReplyError(std::nullopt, Concat("TRYAGAIN ", why));
  client_.CloseAfterFlush();
}

void RespSession::OnClosed() {
  if (!processing_) parser_.Drop();
  stalled_ = OwnedRequest();
  transaction_.Forget();
  const std::vector<uint64_t> unasked = questions_.DropWaiting();
  context_.router.ForgetBlocked(this);
  context_.router.DropReads(this);
  for (const uint64_t token : unasked) {
    RequestFailure overloaded;
    overloaded.kind = RequestFailure::Kind::kOverloaded;
    OnFailure(token, overloaded);
  }
  scan_.Resume();
  divided_.Resume();
}

bool RespSession::Stopped() {
  return scan_.running() || client_commands_.listing() ||
         transaction_.holds_connection() || questions_.waiting() ||
         client_.closing() || has_parked() ||
         replies_.size() >= context_.config.bounds.pipeline ||
         !client_.RoomFor(0, replies_.empty());
}

bool RespSession::RoomFor(uint64_t token, size_t bytes) {
  return client_.closed() || replies_.RoomFor(token, bytes);
}

void RespSession::OnRepliesSent() {
  const bool forgets = replies_.empty() && routing().further_orders() > 0;
  if ((waiting_ || has_parked() || divided_.writing() || forgets) &&
      !client_.closed()) {
    client_.WantResume();
  }
}

void RespSession::Process() {
  if (processing_) return;
  processing_ = true;
  if (!stalled_.empty() && !Stopped()) {
    OwnedRequest stalled = std::exchange(stalled_, OwnedRequest());
    if (Handle(stalled.view()) == Handled::kBlocked) {
      stalled_ = std::move(stalled);
    } else {
      client_.RequestHandled();
    }
  }
  bool needs_more = false;
  while (stalled_.empty() && !Stopped()) {
    const RespParser::Result next = parser_.Next();
    needs_more = next == RespParser::Result::kNeedMore;
    if (needs_more) break;
    if (next == RespParser::Result::kError) {
      ++context_.metrics.connections.protocol_errors;
      replies_.ReplyError(std::nullopt, Concat("ERR ", parser_.error()));
      client_.CloseAfterFlush();
      break;
    }
    if (Handle(parser_.arguments()) != Handled::kBlocked) {
      client_.RequestHandled();
    } else if (!client_.closed()) {
      stalled_ = OwnedRequest(parser_.arguments());
    }
  }
  processing_ = false;
  waiting_ = !needs_more;
  if (waiting_) {
    client_.PauseReads();
  } else {
    client_.ResumeReads();
  }
}

Handled RespSession::Handle(Arguments request) {
  client_.AddWork(TurnWork::kRequest + request.size());
  if (LooksLikeHttp(request[0])) {
    client_.CloseAfterFlush();
    return Handled::kDone;
  }
  if (client_.stops()) {
    client_.RequestRefused();
    replies_.ReplyError(std::nullopt,
                        Concat("CLUSTERDOWN ", ClientConnection::kStopsText));
    return Handled::kDone;
  }
  const CommandLookup lookup = LookUp(request);
  if (lookup.spec == nullptr) {
    RefuseUnknown(request[0], lookup.error);
    return Handled::kDone;
  }
  const CommandRow& row = *lookup.spec;
  if (WaitsForEarlier(row) && !replies_.empty()) return Handled::kBlocked;
  last_command_ = row.name;
  if (transaction_.open() && !IsHandledInTransaction(row)) {
    transaction_.Queue(row, request);
    return Handled::kDone;
  }
  return HandleRow(row, request);
}

// `name` names no command, or has a wrong number of arguments.
void RespSession::RefuseUnknown(std::string_view name, std::string_view error) {
  transaction_.MarkInvalid();
  if (!EqualsIgnoreCase(name, "exec")) {
    return replies_.ReplyError(std::nullopt, error);
  }
  transaction_.Forget();
  replies_.ReplyError(
      std::nullopt,
      Concat("EXECABORT Transaction discarded because of: ", error.substr(4)));
}

Handled RespSession::HandleRow(const CommandRow& row, Arguments request) {
  switch (row.id) {
    case CommandId::kMulti:
      return transaction_.Multi();
    case CommandId::kExec:
      client_.AddWork(transaction_.ExecWork());
      return transaction_.Exec(row);
    case CommandId::kDiscard:
      return transaction_.Discard();
    case CommandId::kWatch:
      return transaction_.Watch(row, request);
    case CommandId::kFlushall:
    case CommandId::kFlushdb:
      return group_commands_.FlushAll(row, request);
    case CommandId::kDbsize:
      return group_commands_.CountKeys(row);
    case CommandId::kInfo:
      if (!InfoHasKeyspace(request.subspan(1))) break;
      return group_commands_.Info(row, request);
    case CommandId::kClusterCountkeysinslot:
      return group_commands_.CountKeysInSlot(row, request);
    case CommandId::kKeys:
    case CommandId::kScan:
    case CommandId::kRandomkey:
      return scan_.Scan(row, request);
    case CommandId::kClusterGetkeysinslot:
      return scan_.KeysInSlot(row, request);
    case CommandId::kClientList:
      return client_commands_.List(row, request);
    case CommandId::kQuorateSession:
      return key_commands_.OpenSession(row);
    case CommandId::kQuorateDo:
      return key_commands_.HandleInSession(row, request);
    default:
      break;
  }
  if (IsKeyCommand(row)) return key_commands_.Handle(row, request);
  if (row.id == CommandId::kClientReply && EqualsIgnoreCase(request[2], "on")) {
    // The reply to this command is the first that is sent again.
    replies_.EndSilence();
  }
  // RESET ends CLIENT REPLY OFF before its reply. After CLIENT REPLY SKIP the
  // reply is left out.
  if (row.id == CommandId::kReset) replies_.SetSilent(false);
  replies_.ReplyNow(row.id, [&](RespWriter& reply) {
    const bool written = WriteLocal(row, request, reply);
    CHECK(written) << row.name;
  });
  if (row.id == CommandId::kQuit) client_.CloseAfterFlush();
  return Handled::kDone;
}

bool RespSession::WriteLocal(const CommandRow& row, Arguments request,
                             RespWriter& reply) {
  switch (row.id) {
    case CommandId::kUnwatch:
      transaction_.Unwatch();
      reply.Ok();
      return true;
    case CommandId::kReset:
      transaction_.Forget();
      client_commands_.Reset();
      reply.Simple("RESET");
      return true;
    default:
      return client_commands_.Write(row, request, reply) ||
             server_commands_.Write(row, request, reply) ||
             cluster_commands_.Write(row, request, reply);
  }
}

std::string RespSession::Describe() const {
  const MonoTime now = context_.MonoNow();
  const int64_t age = (now - client_.created()).ns() / 1'000'000'000;
  const int64_t idle = (now - client_.last_input()).ns() / 1'000'000'000;
  std::string flags;
  if (transaction_.open()) flags += "x";
  if (key_commands_.staleness_max() > Duration()) flags += "r";
  if (flags.empty()) flags = "N";
  const size_t queued_bytes = transaction_.queued_memory_bytes();
  const size_t output_bytes = client_.unsent_bytes() + client_.held_bytes();
  return Concat(
      "id=", client_.id(), " addr=", client_.peer_address(),
      " laddr=", view_.listen_address(),
      " fd=-1 name=", client_commands_.name(), " age=", age, " idle=", idle,
      " flags=", flags, " db=0 sub=0 psub=0 ssub=0 multi=",
      transaction_.open() ? static_cast<int64_t>(transaction_.queued_commands())
                          : -1,
      " qbuf=", parser_.buffered_bytes(),
      " qbuf-free=0 argv-mem=", stalled_.size_bytes(),
      " multi-mem=", queued_bytes, " rbs=", client_.out().own_bytes(),
      " rbp=0 obl=", client_.unsent_bytes(), " oll=", replies_.size(),
      " omem=", output_bytes, " tot-mem=",
      parser_.buffered_bytes() + stalled_.size_bytes() + queued_bytes +
          output_bytes,
      " events=r cmd=", last_command_,
      " user=default redir=-1 resp=", replies_.version(),
      " lib-name=", client_commands_.library_name(),
      " lib-ver=", client_commands_.library_version());
}

void RespSession::OnResult(uint64_t token, const kv::ResultView& result) {
  if (scan_.running()) return scan_.OnResult(result);
  if (group_commands_.awaits(token)) {
    group_commands_.OnResult(token, result);
    // The answer made room for a question that waits.
    if (questions_.waiting()) client_.WantResume();
  } else if (divided_.awaits(token)) {
    divided_.OnResult(token, result);
    if (questions_.waiting()) client_.WantResume();
  } else if (client_.closed()) {
    if (result.ends()) replies_.Drop(token);
  } else {
    replies_.OnResult(token, result);
  }
}

void RespSession::OnFailure(uint64_t token, const RequestFailure& failure) {
  if (failure.kind == RequestFailure::Kind::kRefused &&
      context_.cluster.removed() && !client_.closed()) {
    client_.RequestRefused();
  }
  questions_.NoteFailure();
  if (scan_.running()) return scan_.OnFailure(failure);
  if (group_commands_.awaits(token)) {
    group_commands_.OnFailure(failure);
  } else if (divided_.awaits(token)) {
    divided_.OnFailure(token, failure);
  } else {
    return replies_.OnFailure(token, failure);
  }
  if (questions_.waiting()) client_.WantResume();
}

}  // namespace quorate::node
