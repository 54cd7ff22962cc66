// node/resp/reply_queue.h: the replies of one RESP connection, sent in the
// order of its requests.
//
// Handlers of requests write replies through it. It knows neither commands nor
// groups, and it decides nothing about requests.
#ifndef QUORATE_NODE_RESP_REPLY_QUEUE_H_
#define QUORATE_NODE_RESP_REPLY_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "node/commands/command_table.h"
#include "node/commands/translate.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/protocol/resp_writer.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// The outcome of handling a request.
enum class Handled : uint8_t {
  kDone,     // Answered, or the answer will follow.
  kBlocked,  // Nothing happened: the request is handled again on Resume.
};

// A request gets its place in the queue when it is handled, by ReplyNow or by
// Push. The token of Push identifies the reply until the reply is complete. So
// do the numbers behind it, below the token of the next reply: those of parts.
// Each reply is counted in the metrics once, when it is complete.
//
// Invariants: The first reply is never complete, since complete replies leave
// at once. Bytes of replies that are still queued are held by the client.
// Silent replies have no text.
class ReplyQueue {
 public:
  // Writes a reply from the store's result.
  using WriteReply =
      absl::AnyInvocable<void(const kv::ResultView&, RespWriter&)>;

  // `context` and `client` outlive the queue. `on_sent` is called after replies
  // left the queue; it may not call the queue.
  ReplyQueue(Context& context, ClientConnection& client,
             absl::AnyInvocable<void()> on_sent);

  // The most parts of one command, which have the tokens from that of Push on.
  static constexpr uint64_t kPartsMax = 1 << 17;
  // The token of Push for the token of a part.
  static uint64_t TokenOfReply(uint64_t token) {
    return token - token % kPartsMax;
  }

  // ---- Replies that follow.
  // Appends a reply that is due for `command`, and returns its token. `write`
  // writes it from the result; if null, `format` says how. `kept_bytes`: memory
  // that `write` keeps for the reply. The client holds it like a reply.
  uint64_t Push(CommandId command, ReplyFormat format,
                WriteReply write = nullptr, size_t kept_bytes = 0);
  // Removes the newest reply, because the router blocked its request.
  void PopNewest();
  // Completes a reply with the store's result, a failure, or what `write`
  // writes. A piece of a result that others follow does not complete it.
  void OnResult(uint64_t token, const kv::ResultView& result);
  void OnFailure(uint64_t token, const RequestFailure& failure);
  void Reply(uint64_t token, absl::FunctionRef<void(RespWriter&)> write);
  // Completes a reply without text, uncounted: the connection is closed.
  void Drop(uint64_t token);

  // ---- Replies that are ready.
  // Writes a reply, directly to the output if no other reply is due. Without
  // `command` (the request names none) only an error is counted.
  void ReplyNow(std::optional<CommandId> command,
                absl::FunctionRef<void(RespWriter&)> write);
  void ReplyError(std::optional<CommandId> command, std::string_view error);

  // ---- CLIENT REPLY. A silent request gets no reply.
  void SetSilent(bool silent) { silent_ = silent; }
  bool silent() const { return silent_; }
  // The next request is silent.
  void SkipNext() { skip_next_ = skip_next_ || !silent_; }
  // Ends both kinds of silence.
  void EndSilence();

  // ---- Room for replies (node/routing/request_sink.h).
  bool RoomFor(uint64_t token, size_t bytes);
  bool RoomForNewest(size_t bytes) {
    return client_.RoomFor(bytes, pending_.size() == 1);
  }
  // Call before parked reads are served again. Then RoomFor decides again
  // whether the first reply waits for room.
  void ForgetLackOfRoom();
  // True if the first reply waits for an answer, not for room.
  bool awaits_answer() const {
    return !pending_.empty() && !pending_.front().without_room;
  }

  // The token of the first reply, if there is one.
  uint64_t front_token() const { return front_token_; }
  size_t size() const { return pending_.size(); }
  // Memory of a reply in the queue, beside its text.
  static constexpr size_t kBytesOfDueReply = 160;
  bool empty() const { return pending_.empty(); }
  // The RESP version of requests that are handled from now on: 2 or 3.
  int version() const { return version_; }
  void set_version(int version) { version_ = version; }

 private:
  struct Pending {
    // Set for a reply that is due; a complete reply is counted already.
    CommandId command = {};
    ReplyFormat format = ReplyFormat::kBulk;
    int version = 2;  // The RESP version when the request was handled.
    bool complete = false;
    bool silent = false;        // Not sent because of CLIENT REPLY OFF or SKIP.
    bool without_room = false;  // The result waits for room.
    MonoTime begun;
    // The size of `reply` as the client counts it. Until the reply is complete,
    // the memory of `write`.
    size_t held_bytes = 0;
    std::string reply;  // Text that waits for an earlier reply.
    WriteReply write;
  };

  static_assert(sizeof(Pending) <= kBytesOfDueReply);

  Pending& PendingOf(uint64_t token);
  bool IsFront(uint64_t token) const {
    return TokenOfReply(token) == front_token_;
  }
  // Appends to a reply that is not complete. `large_bytes`: memory to reserve
  // for a large reply, or 0.
  void Append(Pending& pending, size_t large_bytes, bool complete,
              absl::FunctionRef<void(RespWriter&)> write);
  // Appends to a silent reply, of which only an error is counted.
  void AppendSilent(Pending& pending, bool complete,
                    absl::FunctionRef<void(RespWriter&)> write);
  void Finish(Pending& pending);
  // Counts the text of a reply that waits for an earlier one, until Release.
  void Hold(Pending& pending);
  // Gives the text to the client, and forgets it.
  void Release(Pending& pending);
  void SendComplete();
  bool TakeSilence();

  Context& context_;
  ClientConnection& client_;
  absl::AnyInvocable<void()> on_sent_;
  int version_ = 2;
  bool silent_ = false;
  bool skip_next_ = false;
  // Oldest first, and the token of the first.
  std::deque<Pending> pending_;
  uint64_t front_token_ = kPartsMax;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_REPLY_QUEUE_H_
