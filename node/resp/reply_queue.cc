#include "node/resp/reply_queue.h"

#include <utility>

#include "env/check.h"
#include "node/resp/error_text.h"

namespace quorate::node {
namespace {

// Memory for a larger reply is reserved at once.
constexpr size_t kLargeReplyBytes = 64 << 10;

void CountReply(std::optional<CommandId> command, Duration duration,
                std::string_view reply, Metrics& metrics) {
  const bool failed = !reply.empty() && reply[0] == '-';
  if (failed) metrics.OnErrorReply(reply);
  if (command.has_value()) metrics.OnCommand(*command, duration, failed);
}

// Two results arrive nested; the reply is made from the first.
void WriteFormat(ReplyFormat format, const kv::ResultView& result,
                 const BoundsConfig& bounds, RespWriter& reply) {
  if (format != ReplyFormat::kBulkThenIgnored ||
      result.kind != kv::PayloadKind::kNested) {
    WriteResult(format, result, bounds, reply);
    return;
  }
  kv::ResultReader nested = kv::ResultReader::Nested(result);
  if (nested.done()) return reply.Error(kNoResult);
  WriteResult(format, nested.Next(), bounds, reply);
}

}  // namespace

ReplyQueue::ReplyQueue(Context& context, ClientConnection& client,
                       absl::AnyInvocable<void()> on_sent)
    : context_(context), client_(client), on_sent_(std::move(on_sent)) {}

uint64_t ReplyQueue::Push(CommandId command, ReplyFormat format,
                          WriteReply write, size_t kept_bytes) {
  Pending& pending = pending_.emplace_back();
  pending.command = command;
  pending.format = format;
  pending.version = version_;
  pending.silent = TakeSilence();
  pending.begun = context_.MonoNow();
  if (write) pending.write = std::move(write);
  if (kept_bytes > 0) {
    pending.held_bytes = kept_bytes;
    client_.Hold(kept_bytes);
  }
  return front_token_ + (pending_.size() - 1) * kPartsMax;
}

void ReplyQueue::PopNewest() {
  if (pending_.back().silent && !silent_) skip_next_ = true;
  client_.Unhold(pending_.back().held_bytes);
  pending_.pop_back();
}

ReplyQueue::Pending& ReplyQueue::PendingOf(uint64_t token) {
  CHECK_GE(token, front_token_);
  const uint64_t place = (token - front_token_) / kPartsMax;
  CHECK_LT(place, pending_.size());
  return pending_[place];
}

void ReplyQueue::OnResult(uint64_t token, const kv::ResultView& result) {
  Pending& pending = PendingOf(token);
  // Without a reservation, growth would copy a large reply several times.
  const bool large =
      result.bytes.size() > kLargeReplyBytes && result.shared == nullptr;
  Append(pending, large ? result.bytes.size() : 0, result.ends(),
         [&](RespWriter& reply) {
           if (pending.write) {
             pending.write(result, reply);
           } else {
             WriteFormat(pending.format, result, context_.config.bounds, reply);
           }
         });
}

void ReplyQueue::OnFailure(uint64_t token, const RequestFailure& failure) {
  if (failure.kind == RequestFailure::Kind::kMoved) {
    ++context_.metrics.redirects_moved;
  }
  Reply(token, [&](RespWriter& reply) {
    reply.Error(FailureText(context_, failure));
  });
}

void ReplyQueue::Reply(uint64_t token,
                       absl::FunctionRef<void(RespWriter&)> write) {
  Append(PendingOf(token), 0, /*complete=*/true, write);
}

void ReplyQueue::Drop(uint64_t token) { Finish(PendingOf(token)); }

void ReplyQueue::Append(Pending& pending, size_t large_bytes, bool complete,
                        absl::FunctionRef<void(RespWriter&)> write) {
  CHECK(!pending.complete) << "a request has one answer";
  if (pending.silent) return AppendSilent(pending, complete, write);
  // The first reply is written to the output directly.
  const bool direct = &pending == &pending_.front();
  if (direct) Release(pending);
  std::string& text = direct ? client_.out().text() : pending.reply;
  const size_t begin = text.size();
  if (large_bytes > 0) text.reserve(begin + large_bytes + large_bytes / 8);
  RespWriter reply = direct ? RespWriter(&client_.out(), pending.version)
                            : RespWriter(&text, pending.version);
  write(reply);
  if (complete) {
    CountReply(pending.command, context_.MonoNow() - pending.begun,
               std::string_view(text).substr(begin), context_.metrics);
    return Finish(pending);
  }
  if (direct) return client_.WantFlush();
  Hold(pending);
}

// Only an error leaves a trace, in the metrics. So the reply takes no memory
// and no time, whatever its length and however long it waits.
void ReplyQueue::AppendSilent(Pending& pending, bool complete,
                              absl::FunctionRef<void(RespWriter&)> write) {
  std::string error;
  RespWriter reply = RespWriter::OfErrorAlone(&error, pending.version);
  write(reply);
  if (!complete) return;
  CountReply(pending.command, context_.MonoNow() - pending.begun, error,
             context_.metrics);
  Finish(pending);
}

void ReplyQueue::Finish(Pending& pending) {
  CHECK(!pending.silent || pending.reply.empty())
      << "a silent reply holds " << pending.reply.size() << " bytes";
  pending.complete = true;
  if (&pending == &pending_.front()) return SendComplete();
  Hold(pending);
}

void ReplyQueue::Hold(Pending& pending) {
  client_.Hold(pending.reply.size() - pending.held_bytes);
  pending.held_bytes = pending.reply.size();
}

void ReplyQueue::Release(Pending& pending) {
  if (!pending.reply.empty()) {
    client_.out().Append(std::exchange(pending.reply, {}));
  }
  if (pending.held_bytes > 0) {
    client_.Unhold(std::exchange(pending.held_bytes, 0));
  }
}

void ReplyQueue::SendComplete() {
  while (!pending_.empty() && pending_.front().complete) {
    Release(pending_.front());
    pending_.pop_front();
    front_token_ += kPartsMax;
  }
  // The flush also lets the owner of a closed connection notice that less is
  // pending.
  client_.WantFlush();
  on_sent_();
}

void ReplyQueue::ReplyNow(std::optional<CommandId> command,
                          absl::FunctionRef<void(RespWriter&)> write) {
  const bool silent = TakeSilence();
  if (pending_.empty() && !silent) {
    std::string& out = client_.out().text();
    const size_t begin = out.size();
    RespWriter reply(&out, version_);
    write(reply);
    CountReply(command, Duration(), std::string_view(out).substr(begin),
               context_.metrics);
    client_.AddWork((out.size() - begin) / TurnWork::kBytesPerUnit);
    client_.WantFlush();
    return;
  }
  std::string text;
  RespWriter reply(&text, version_);
  write(reply);
  CountReply(command, Duration(), text, context_.metrics);
  client_.AddWork(text.size() / TurnWork::kBytesPerUnit);
  if (silent) return;
  Pending pending;
  pending.complete = true;
  pending.held_bytes = text.size();
  pending.reply = std::move(text);
  client_.Hold(pending.held_bytes);
  pending_.push_back(std::move(pending));
}

void ReplyQueue::ReplyError(std::optional<CommandId> command,
                            std::string_view error) {
  ReplyNow(command, [&](RespWriter& reply) { reply.Error(error); });
}

void ReplyQueue::EndSilence() {
  silent_ = false;
  skip_next_ = false;
}

bool ReplyQueue::TakeSilence() {
  if (silent_) return true;
  return std::exchange(skip_next_, false);
}

bool ReplyQueue::RoomFor(uint64_t token, size_t bytes) {
  const bool room = client_.RoomFor(bytes, IsFront(token));
  // A later reply also waits for those in front of it.
  if (IsFront(token)) PendingOf(token).without_room = !room;
  return room;
}

void ReplyQueue::ForgetLackOfRoom() {
  if (!pending_.empty()) pending_.front().without_room = false;
}

}  // namespace quorate::node
