#include "node/resp/resp_session.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
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

// A reply above this gets its memory at once.
constexpr size_t kLargeReplyBytes = 64 << 10;

// Browsers can be made to send these to any port: refusing them protects against requests forged by web pages.
bool LooksLikeHttp(std::string_view word) {
  return EqualsIgnoreCase(word, "post") || EqualsIgnoreCase(word, "host:");
}

// Answered only when everything before it on the connection was: it looks at the store beside the log.
bool WaitsForEarlier(const CommandSpec& row) {
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

RespSession::RespSession(Context& context, Client& client, RespAddress address)
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
  // RoomFor says it again of a read that is still parked.
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
    Failure overloaded;
    overloaded.kind = Failure::Kind::kOverloaded;
    OnFailure(question.token, overloaded);
  }
}

bool RespSession::Stopped() {
  return closed_ || walk_ != nullptr || !unasked_.empty() ||
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
    if (Handle(request) == Taken::kBlocked) stalled_ = std::move(stalled);
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
    if (Handle(parser_.arguments()) == Taken::kBlocked && !closed_) {
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

RespSession::Taken RespSession::Handle(Arguments request) {
  if (LooksLikeHttp(request[0])) {
    client_.CloseAfterFlush();
    return Taken::kDone;
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
    return Taken::kDone;
  }
  const CommandSpec& row = *lookup.spec;
  if (WaitsForEarlier(row) && !pending_.empty()) return Taken::kBlocked;
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
        return Taken::kDone;
    }
  }
  return HandleRow(row, request);
}

RespSession::Taken RespSession::HandleRow(const CommandSpec& row,
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
      return WalkKeys(row, request);
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
    // Its own reply is the first that is sent again.
    reply_off_ = false;
    reply_skip_next_ = false;
  }
  ReplyNow(row.id, [&](RespWriter& reply) {
    const bool written = WriteLocal(row, request, reply);
    CHECK(written) << row.name;
  });
  if (row.id == CommandId::kQuit) client_.CloseAfterFlush();
  return Taken::kDone;
}

bool RespSession::WriteLocal(const CommandSpec& row, Arguments request,
                             RespWriter& reply) {
  return WriteConnection(row, request, reply) ||
         WriteServer(row, request, reply) || WriteCluster(row, request, reply);
}

// ---- Commands on keys.

RespSession::Taken RespSession::HandleKeys(
    const CommandSpec& row, Arguments request,
    const std::optional<kv::SessionStamp>& session) {
  Translated command;
  Translate(row, request, context_.UnixMs(), context_.config.limits, &command);
  if (!command.error.empty()) {
    ReplyError(row.id, command.error);
    return Taken::kDone;
  }
  if (!command.read_only() && context_.config.self().read_only) {
    ReplyError(row.id, kReadOnly);
    return Taken::kDone;
  }
  if (command.read_only()) {
    if (readonly_ && ServeStale(row, command)) return Taken::kDone;
    return Submit(row, command, std::nullopt);
  }
  return Submit(row, command, session);
}

bool RespSession::ServeStale(const CommandSpec& row,
                             const Translated& command) {
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
          WriteResult(command.shape, result, context_.config.limits, reply);
        });
      });
}

RespSession::Taken RespSession::Submit(
    const CommandSpec& row, const Translated& command,
    const std::optional<kv::SessionStamp>& session) {
  GroupQueue& queue = context_.router.QueueOf(command.slot);
  const Ask ask = {this, Expect(row.id, command.shape), cluster()};
  Admission admission;
  if (command.count == 1) {
    kv::CommandSpec spec = command.specs[0];
    spec.session = session;
    admission = queue.Add(ask, spec);
  } else {
    admission = queue.AddAtomic(ask, command.slot, session, command.all());
  }
  if (admission == Admission::kAccepted) return Taken::kDone;
  Unexpect();
  return Taken::kBlocked;
}

// ---- Replies.

uint64_t RespSession::Expect(CommandId command, Shape shape) {
  Pending pending;
  pending.command = command;
  pending.shape = shape;
  pending.version = version_;
  pending.silent = TakeSilence();
  pending.begun = context_.MonoNow();
  pending_.push_back(std::move(pending));
  return front_token_ + pending_.size() - 1;
}

void RespSession::Unexpect() {
  if (pending_.back().silent && !reply_off_) reply_skip_next_ = true;
  pending_.pop_back();
}

void RespSession::PopFront() {
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
    Account(command, Duration(), std::string_view(out).substr(begin));
    client_.WantFlush();
    return;
  }
  std::string text;
  RespWriter reply(&text, version_);
  write(reply);
  Account(command, Duration(), text);
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

void RespSession::Account(std::optional<CommandId> command, Duration duration,
                          std::string_view reply) {
  const bool failed = !reply.empty() && reply[0] == '-';
  if (failed) context_.metrics.OnErrorReply(reply);
  if (command.has_value()) {
    context_.metrics.OnCommand(*command, duration, failed);
  }
}

void RespSession::OnResult(uint64_t token, const kv::ResultView& result) {
  if (walk_ != nullptr) return OnWalked(token, result);
  Pending& pending = PendingOf(token);
  if (closed_) {
    // Nobody takes the reply.
    if (--pending.parts == 0) Finish(pending);
    return;
  }
  pending.sum += result.integer;
  if (pending.parts > 1 && ErrorOf(result.status).empty()) {
    --pending.parts;
    if (!unasked_.empty()) client_.WantResume();
    return;
  }
  // The front's reply needs no detour.
  const bool direct = &pending == &pending_.front() && !pending.silent &&
                      pending.reply.empty() && pending.parts == 1;
  std::string& text = direct ? client_.out().text() : pending.reply;
  const size_t begin = text.size();
  if (begin == 0 || direct) {
    // Growing by doubling would copy a large reply again and again.
    if (result.bytes.size() > kLargeReplyBytes && result.shared == nullptr) {
      text.reserve(begin + result.bytes.size() + result.bytes.size() / 8);
    }
    RespWriter reply = direct ? RespWriter(&client_.out(), pending.version)
                              : RespWriter(&text, pending.version);
    if (pending.watch != nullptr) {
      FinishWatch(std::move(*pending.watch), result, reply);
    } else if (pending.info_sections != nullptr) {
      WriteInfo(pending, ErrorOf(result.status), reply);
    } else if (pending.shape == Shape::kSum && ErrorOf(result.status).empty()) {
      reply.Integer(pending.sum);
    } else if (pending.transaction != nullptr) {
      WriteTransaction(*pending.transaction, result, reply);
    } else if (pending.shape == Shape::kBulkThenIgnored &&
               result.kind == kv::PayloadKind::kNested) {
      kv::ResultReader nested = kv::ResultReader::Nested(result);
      if (nested.done()) {
        reply.Error(kNoResult);
      } else {
        WriteResult(pending.shape, nested.Next(), context_.config.limits,
                    reply);
      }
    } else {
      WriteResult(pending.shape, result, context_.config.limits, reply);
    }
  }
  if (pending.parts > 1) {
    --pending.parts;
    if (!unasked_.empty()) client_.WantResume();
    return;
  }
  Account(pending.command, context_.MonoNow() - pending.begun,
          std::string_view(text).substr(direct ? begin : 0));
  if (direct) {
    PopFront();
    SendReady();
  } else {
    Finish(pending);
  }
}

void RespSession::OnFailure(uint64_t token, const Failure& failure) {
  if (walk_ != nullptr) return OnWalkFailed(token, failure);
  Pending& pending = PendingOf(token);
  if (pending.asked > 0 && failure.kind == Failure::Kind::kMoved) {
    // Another node leads the group: its answer counts there.
    return OnResult(token, kv::ResultView{});
  }
  if (failure.kind == Failure::Kind::kMoved) {
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
  Account(pending.command, context_.MonoNow() - pending.begun, pending.reply);
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
    PopFront();
  }
  // Also tells the owner of a closed connection that less is pending.
  client_.WantFlush();
  if ((waiting_ || has_parked()) && !closed_) client_.WantResume();
}

std::string RespSession::FailureText(const Failure& failure) {
  switch (failure.kind) {
    case Failure::Kind::kMoved: {
      const NodeConfig* leader = context_.config.FindNode(failure.leader);
      if (leader == nullptr) break;
      const HostPort address = SplitAddress(leader->resp_cluster);
      return Concat("MOVED ", failure.slot, " ", address.host, ":",
                    address.port);
    }
    case Failure::Kind::kNoLeader:
      break;
    case Failure::Kind::kOverloaded:
      return "CLUSTERDOWN too many requests wait for the slot's leader";
    case Failure::Kind::kUnknown:
      return Concat("UNKNOWN the command may or may not have taken effect: ",
                    Message(failure.why));
    case Failure::Kind::kRefused:
      return Concat("MISCONF this node does not serve the slot: ",
                    Message(failure.why));
  }
  return "CLUSTERDOWN Hash slot not served";
}

}  // namespace quorate::node
