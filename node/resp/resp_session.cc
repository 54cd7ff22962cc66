#include "node/resp/resp_session.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/host_port.h"
#include "node/base/text.h"
#include "node/commands/read_command.h"
#include "node/pages/info_page.h"

namespace quorate::node {
namespace {

RespParser::Limits ParserLimits(const LimitsConfig& limits) {
  return {
      .arguments_max = limits.arguments,
      .bulk_bytes_max = limits.query_buffer_bytes,
      .request_bytes_max = limits.query_buffer_bytes,
      .line_bytes_max = 64 << 10,
  };
}

// Memory for a larger reply is reserved at once.
constexpr size_t kLargeReplyBytes = 64 << 10;

// A web page can make a browser send these words to any port. The connection is
// closed to protect against such forged requests.
bool LooksLikeHttp(std::string_view word) {
  return EqualsIgnoreCase(word, "post") || EqualsIgnoreCase(word, "host:");
}

// Commands that wait until all earlier commands of the connection are answered,
// because they read the store outside the log.
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
    case CommandId::kDiscard:
    case CommandId::kExec:
    case CommandId::kClusterCountkeysinslot:
    case CommandId::kClusterGetkeysinslot:
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
      address_(address),
      parser_(ParserLimits(context.config.limits)) {}

void RespSession::OnBytes(std::string_view bytes) {
  parser_.Feed(bytes);
  Process();
  parser_.Detach();
}

void RespSession::Resume() {
  // RoomFor sets this again for a read that is still parked.
  if (!pending_.empty()) pending_.front().without_room = false;
  if (has_parked()) context_.router.ServeParked(this);
  AskUnasked();
  Process();
  parser_.Detach();
}

void RespSession::OnClosed() {
  closed_ = true;
  stalled_.clear();
  context_.router.ForgetBlocked(this);
  context_.router.DropParked(this);
  for (const Unasked& question : std::exchange(unasked_, {})) {
    RequestFailure overloaded;
    overloaded.kind = RequestFailure::Kind::kOverloaded;
    OnFailure(question.token, overloaded);
  }
}

bool RespSession::Stopped() {
  return closed_ || scan_ != nullptr || !unasked_.empty() ||
         client_.refuses_requests() || has_parked() ||
         pending_.size() >= context_.config.limits.pipeline ||
         !client_.RoomFor(0, pending_.empty());
}

bool RespSession::RoomFor(uint64_t token, size_t bytes) {
  if (closed_) return true;
  const bool room = client_.RoomFor(bytes, token == front_token_);
  PendingOf(token).without_room = !room;
  return room;
}

bool RespSession::RoomForNext(size_t bytes) {
  return client_.RoomFor(bytes, pending_.size() == 1);
}

void RespSession::Process() {
  if (processing_) return;
  processing_ = true;
  if (!stalled_.empty() && !Stopped()) {
    std::vector<std::string> stalled = std::exchange(stalled_, {});
    const std::vector<std::string_view> request(stalled.begin(), stalled.end());
    if (Handle(request) == HandleResult::kBlocked)
      stalled_ = std::move(stalled);
  }
  while (stalled_.empty() && !Stopped()) {
    const RespParser::Result next = parser_.Next();
    if (next == RespParser::Result::kNeedMore) break;
    if (next == RespParser::Result::kError) {
      ++context_.metrics.connections.protocol_errors;
      ReplyError(std::nullopt, Concat("ERR ", parser_.error()));
      client_.CloseAfterFlush();
      break;
    }
    if (Handle(parser_.arguments()) == HandleResult::kBlocked && !closed_) {
      const Arguments request = parser_.arguments();
      stalled_.assign(request.begin(), request.end());
    }
  }
  processing_ = false;
  waiting_ = !stalled_.empty() || Stopped();
  if (waiting_) {
    client_.PauseReads();
  } else {
    client_.ResumeReads();
  }
}

RespSession::HandleResult RespSession::Handle(Arguments request) {
  if (LooksLikeHttp(request[0])) {
    client_.CloseAfterFlush();
    return HandleResult::kDone;
  }
  CommandLookup lookup = LookUp(request);
  if (lookup.spec == nullptr) {
    if (in_transaction_) transaction_dirty_ = true;
    if (EqualsIgnoreCase(request[0], "exec")) {
      ForgetTransaction();
      lookup.error = Concat("EXECABORT Transaction discarded because of: ",
                            std::string_view(lookup.error).substr(4));
    }
    ReplyError(std::nullopt, lookup.error);
    return HandleResult::kDone;
  }
  const CommandRow& row = *lookup.spec;
  if (WaitsForEarlier(row) && !pending_.empty()) return HandleResult::kBlocked;
  last_command_ = row.name;
  if (in_transaction_) {
    switch (row.id) {
      case CommandId::kExec:
      case CommandId::kDiscard:
      case CommandId::kMulti:
      case CommandId::kWatch:
      case CommandId::kQuit:
      case CommandId::kReset:
        break;
      default:
        Queue(row, request);
        return HandleResult::kDone;
    }
  }
  return HandleRow(row, request);
}

RespSession::HandleResult RespSession::HandleRow(const CommandRow& row,
                                                 Arguments request) {
  switch (row.id) {
    case CommandId::kMulti:
      return Multi(request);
    case CommandId::kExec:
      return Exec(row);
    case CommandId::kDiscard:
      return Discard();
    case CommandId::kWatch:
      return Watch(row, request);
    case CommandId::kFlushall:
    case CommandId::kFlushdb:
      return FlushAll(row, request);
    case CommandId::kDbsize:
      return CountKeys(row);
    case CommandId::kInfo:
      if (cluster() || !InfoHasKeyspace(request.subspan(1))) break;
      return Info(row, request);
    case CommandId::kKeys:
    case CommandId::kScan:
    case CommandId::kRandomkey:
      return ScanKeys(row, request);
    case CommandId::kClusterCountkeysinslot:
    case CommandId::kClusterGetkeysinslot:
      return SlotKeys(row, request);
    case CommandId::kQuorateSession:
      return Session(row);
    case CommandId::kQuorateDo:
      return Do(row, request);
    case CommandId::kQuorateChannel:
      client_.MarkLink();
      return OpenChannel(row, request);
    case CommandId::kQuorateApply:
      client_.MarkLink();
      return Apply(row, request);
    case CommandId::kQuorateStatus:
      client_.MarkLink();
      return Status(row, request);
    default:
      break;
  }
  if (IsKeyCommand(row)) return HandleKeys(row, request, std::nullopt);
  if (row.id == CommandId::kClientReply && EqualsIgnoreCase(request[2], "on")) {
    // The reply to this command is the first that is sent again.
    reply_off_ = false;
    reply_skip_next_ = false;
  }
  ReplyNow(row.id, [&](RespWriter& reply) {
    const bool written = WriteLocal(row, request, reply);
    CHECK(written) << row.name;
  });
  if (row.id == CommandId::kQuit) client_.CloseAfterFlush();
  return HandleResult::kDone;
}

bool RespSession::WriteLocal(const CommandRow& row, Arguments request,
                             RespWriter& reply) {
  return WriteConnection(row, request, reply) ||
         WriteServer(row, request, reply) || WriteCluster(row, request, reply);
}

// ---- Commands on keys.

RespSession::HandleResult RespSession::HandleKeys(
    const CommandRow& row, Arguments request,
    const std::optional<kv::SessionStamp>& session) {
  Translated command;
  Translate(row, request, context_.UnixMs(), context_.config.limits, &command);
  if (!command.error.empty()) {
    ReplyError(row.id, command.error);
    return HandleResult::kDone;
  }
  if (!command.read_only() && context_.config.self().read_only) {
    ReplyError(row.id, kReadOnly);
    return HandleResult::kDone;
  }
  if (command.read_only()) {
    if (readonly_ && ServeStale(row, command)) return HandleResult::kDone;
    return Submit(row, command, std::nullopt);
  }
  return Submit(row, command, session);
}

bool RespSession::ServeStale(const CommandRow& row, const Translated& command) {
  const GroupQueue& queue = context_.router.QueueOf(command.slot);
  const kv::Store* store = queue.stale_store();
  if (store == nullptr || !store->Owns(command.slot) ||
      queue.leadership().kind == Leadership::Kind::kSelf) {
    return false;
  }
  return EvaluateRead(
      *store, command.specs[0], context_.env.loop.ReadClock().wall.earliest,
      [&](const kv::ResultView& result) {
        ++context_.metrics.stale_reads;
        ReplyNow(row.id, [&](RespWriter& reply) {
          WriteResult(command.format, result, context_.config.limits, reply);
        });
      });
}

RespSession::HandleResult RespSession::Submit(
    const CommandRow& row, const Translated& command,
    const std::optional<kv::SessionStamp>& session) {
  GroupQueue& queue = context_.router.QueueOf(command.slot);
  const RoutedRequest routed = {this, PushReply(row.id, command.format),
                                cluster()};
  Admission admission;
  if (command.count == 1) {
    kv::CommandSpec spec = command.specs[0];
    spec.session = session;
    admission = queue.Add(routed, spec);
  } else {
    admission = queue.AddAtomic(routed, command.slot, session, command.all());
  }
  if (admission == Admission::kAccepted) return HandleResult::kDone;
  PopReply();
  return HandleResult::kBlocked;
}

// ---- Replies.

uint64_t RespSession::PushReply(CommandId command, ReplyFormat format) {
  Pending pending;
  pending.command = command;
  pending.format = format;
  pending.version = version_;
  pending.silent = TakeSilence();
  pending.begun = context_.MonoNow();
  pending_.push_back(std::move(pending));
  return front_token_ + pending_.size() - 1;
}

void RespSession::PopReply() {
  if (pending_.back().silent && !reply_off_) reply_skip_next_ = true;
  pending_.pop_back();
}

void RespSession::PopFirstReply() {
  client_.Unhold(pending_.front().held_bytes);
  pending_.pop_front();
  ++front_token_;
}

RespSession::Pending& RespSession::PendingOf(uint64_t token) {
  CHECK_GE(token, front_token_);
  CHECK_LT(token - front_token_, pending_.size());
  return pending_[token - front_token_];
}

bool RespSession::TakeSilence() {
  if (reply_off_) return true;
  return std::exchange(reply_skip_next_, false);
}

void RespSession::ReplyNow(std::optional<CommandId> command,
                           absl::FunctionRef<void(RespWriter&)> write) {
  const bool silent = TakeSilence();
  if (pending_.empty() && !silent) {
    std::string& out = client_.out().text();
    const size_t begin = out.size();
    RespWriter reply(&out, version_);
    write(reply);
    RecordMetrics(command, Duration(), std::string_view(out).substr(begin));
    client_.WantFlush();
    return;
  }
  std::string text;
  RespWriter reply(&text, version_);
  write(reply);
  RecordMetrics(command, Duration(), text);
  if (silent) return;
  Pending pending;
  pending.ready = true;
  pending.held_bytes = text.size();
  pending.reply = std::move(text);
  client_.Hold(pending.held_bytes);
  pending_.push_back(std::move(pending));
}

void RespSession::ReplyError(std::optional<CommandId> command,
                             std::string_view error) {
  ReplyNow(command, [&](RespWriter& reply) { reply.Error(error); });
}

void RespSession::RecordMetrics(std::optional<CommandId> command,
                                Duration duration, std::string_view reply) {
  const bool failed = !reply.empty() && reply[0] == '-';
  if (failed) context_.metrics.OnErrorReply(reply);
  if (command.has_value()) {
    context_.metrics.OnCommand(*command, duration, failed);
  }
}

void RespSession::OnResult(uint64_t token, const kv::ResultView& result) {
  if (scan_ != nullptr) return OnScanResult(token, result);
  Pending& pending = PendingOf(token);
  if (closed_) {
    // The connection is closed: the reply is dropped.
    if (--pending.parts == 0) Finish(pending);
    return;
  }
  pending.sum += result.integer;
  if (pending.parts > 1 && ErrorOf(result.status).empty()) {
    --pending.parts;
    if (!unasked_.empty()) client_.WantResume();
    return;
  }
  // The reply of the first pending request is written to the output directly.
  const bool direct = &pending == &pending_.front() && !pending.silent &&
                      pending.reply.empty() && pending.parts == 1;
  std::string& text = direct ? client_.out().text() : pending.reply;
  const size_t begin = text.size();
  if (begin == 0 || direct) {
    // Without a reservation, growth would copy a large reply several times.
    if (result.bytes.size() > kLargeReplyBytes && result.shared == nullptr) {
      text.reserve(begin + result.bytes.size() + result.bytes.size() / 8);
    }
    RespWriter reply = direct ? RespWriter(&client_.out(), pending.version)
                              : RespWriter(&text, pending.version);
    if (pending.watch != nullptr) {
      FinishWatch(std::move(*pending.watch), result, reply);
    } else if (pending.info_sections != nullptr) {
      WriteInfo(pending, ErrorOf(result.status), reply);
    } else if (pending.format == ReplyFormat::kSum &&
               ErrorOf(result.status).empty()) {
      reply.Integer(pending.sum);
    } else if (pending.transaction != nullptr) {
      WriteTransaction(*pending.transaction, result, reply);
    } else if (pending.format == ReplyFormat::kBulkThenIgnored &&
               result.kind == kv::PayloadKind::kNested) {
      kv::ResultReader nested = kv::ResultReader::Nested(result);
      if (nested.done()) {
        reply.Error(kNoResult);
      } else {
        WriteResult(pending.format, nested.Next(), context_.config.limits,
                    reply);
      }
    } else {
      WriteResult(pending.format, result, context_.config.limits, reply);
    }
  }
  if (pending.parts > 1) {
    --pending.parts;
    if (!unasked_.empty()) client_.WantResume();
    return;
  }
  RecordMetrics(pending.command, context_.MonoNow() - pending.begun,
                std::string_view(text).substr(direct ? begin : 0));
  if (direct) {
    PopFirstReply();
    SendReady();
  } else {
    Finish(pending);
  }
}

void RespSession::OnFailure(uint64_t token, const RequestFailure& failure) {
  if (scan_ != nullptr) return OnScanFailed(token, failure);
  Pending& pending = PendingOf(token);
  if (pending.asked > 0 && failure.kind == RequestFailure::Kind::kMoved) {
    // Another node leads the group, and counts its keys.
    return OnResult(token, kv::ResultView{});
  }
  if (failure.kind == RequestFailure::Kind::kMoved) {
    ++context_.metrics.redirects_moved;
  }
  if (pending.reply.empty()) {
    RespWriter reply(&pending.reply, pending.version);
    const std::string error =
        pending.asked > 0
            ? GroupFailureText(pending.command, pending.asked, failure)
            : FailureText(failure);
    if (pending.info_sections != nullptr) {
      WriteInfo(pending, error, reply);
    } else {
      reply.Error(error);
    }
  }
  if (--pending.parts > 0) {
    if (!unasked_.empty() && !closed_) client_.WantResume();
    return;
  }
  RecordMetrics(pending.command, context_.MonoNow() - pending.begun,
                pending.reply);
  Finish(pending);
}

void RespSession::Finish(Pending& pending) {
  pending.ready = true;
  if (&pending == &pending_.front()) {
    SendReady();
  } else if (!pending.silent) {
    pending.held_bytes = pending.reply.size();
    client_.Hold(pending.held_bytes);
  }
}

void RespSession::SendReady() {
  while (!pending_.empty() && pending_.front().ready) {
    if (!pending_.front().silent)
      client_.out().text() += pending_.front().reply;
    PopFirstReply();
  }
  // Also lets the owner of a closed connection notice that less is pending.
  client_.WantFlush();
  if ((waiting_ || has_parked()) && !closed_) client_.WantResume();
}

std::string RespSession::FailureText(const RequestFailure& failure) {
  switch (failure.kind) {
    case RequestFailure::Kind::kMoved: {
      const NodeConfig* leader = context_.config.FindNode(failure.leader);
      if (leader == nullptr) break;
      const HostPort address = *ParseHostPort(leader->resp_cluster);
      return Concat("MOVED ", failure.slot, " ", address.host, ":",
                    address.port);
    }
    case RequestFailure::Kind::kNoLeader:
      break;
    case RequestFailure::Kind::kOverloaded:
      return "CLUSTERDOWN too many requests wait for the slot's leader";
    case RequestFailure::Kind::kUnknown:
      return Concat("UNKNOWN the command may or may not have taken effect: ",
                    Message(failure.why));
    case RequestFailure::Kind::kRefused:
      return Concat("MISCONF this node does not serve the slot: ",
                    Message(failure.why));
  }
  return "CLUSTERDOWN Hash slot not served";
}

}  // namespace quorate::node
