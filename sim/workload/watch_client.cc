#include "sim/workload/watch_client.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quorate::sim {
namespace {

using Type = ClientReply::Type;

constexpr ChoiceSite kOperation("workload.watch_operation");

constexpr uint64_t kKeys = 4;
// All keys are in one slot, an odd one. Keys that other clients watch are in
// even ones: a removal in their slot would change the result of a transaction.
constexpr const char* kTag = "{watch}";
constexpr Duration kInterval = Milliseconds(150);
// How long a key lives that expires, and how long EXEC waits at most.
constexpr uint64_t kLifetimeMaxMs = 400;
constexpr uint64_t kPauseMaxMs = 500;

std::string KeyOf(uint64_t number) { return absl::StrCat("w", number, kTag); }

}  // namespace

WatchClient::WatchClient(env::Env& env, const PacedClientOptions& options,
                         Choices* choices, Recorder* recorder,
                         Recorder::Clock clock)
    : PacedClient(env, options, choices, recorder, std::move(clock), kOperation,
                  kInterval),
      checker_(recorder->watches()) {}

std::string WatchClient::Describe() const {
  if (idle()) return "";
  return absl::StrCat(
      "client ", id(), ": ", current_->write[0], " ", current_->write[1],
      current_->watched.empty() ? "" : " in a transaction", "\n");
}

void WatchClient::Begin(uint64_t number, Random random) {
  current_ = Draw(number, random);
  checker_.Invoke(current_->token());
  ObserveCall(
      number, current_->write,
      absl::StrCat(absl::StrJoin(current_->write, " "),
                   current_->watched.empty()
                       ? std::string()
                       : absl::StrCat(", watching ",
                                      absl::StrJoin(current_->watched, " "))));
  Send();
}

WatchClient::Operation WatchClient::Draw(uint64_t number, Random random) const {
  const auto below = [&random](Site site, uint64_t bound) {
    return random.Below(bound, site, 0, 0);
  };
  Operation operation{.number = number};
  const std::string name = absl::StrCat("c", id(), ".", number);
  const uint64_t first = below("client.key", kKeys);
  const uint64_t action = below("client.action", 100);
  if (action < 15 || (action >= 40 && action < 55)) {
    // The key that never exists identifies the DEL in the log.
    operation.write = {"DEL", KeyOf(first), absl::StrCat("w", kTag, name)};
  } else {
    operation.write = {"SET", KeyOf(first), name};
    if (below("client.expires", 2) == 0) {
      const uint64_t lives_ms = 1 + below("client.lives", kLifetimeMaxMs);
      operation.write.insert(operation.write.end(),
                             {"PX", absl::StrCat(lives_ms)});
    }
  }
  operation.transaction.token = operation.token();
  if (action < 40) return operation;
  const uint64_t second =
      (first + 1 + below("client.other", kKeys - 1)) % kKeys;
  operation.watched = {KeyOf(second), KeyOf(first)};
  operation.pause = Milliseconds(static_cast<int64_t>(
      below("client.pauses", 3) == 0 ? 0 : below("client.pause", kPauseMaxMs)));
  return operation;
}

void WatchClient::Send() {
  Operation& operation = *current_;
  Connect(/*greeting=*/"");
  BreakLater();
  operation.transaction.called = clock_();
  operation.sent_all = operation.watched.empty();
  operation.sent = operation.transaction.called;
  std::string bytes;
  if (!operation.watched.empty()) {
    bytes =
        EncodeCommand({"WATCH", operation.watched[0], operation.watched[1]});
    for (const std::string& key : operation.watched) {
      bytes += EncodeCommand({"GET", key});
    }
    bytes += EncodeCommand({"MULTI"});
    operation.replies_expected = 5;
  }
  bytes += EncodeCommand(operation.write);
  link_->Send(operation.number, std::move(bytes));
}

void WatchClient::OnLinkReply(ClientLink::RequestId id, ClientReply reply,
                              bool* done) {
  *done = true;
  if (!current_.has_value() || current_->number != id) {
    return Unexpected(reply);
  }
  if (recorder_->observed()) current_->answer = reply.ToString();
  if (current_->sent_all) {
    timeout_.Cancel();
    return reply.is_error() ? OnError(reply) : OnResult(reply);
  }
  current_->replies.push_back(std::move(reply));
  *done = current_->replies.size() >= current_->replies_expected;
  if (*done) OnQueued();
}

void WatchClient::OnQueued() {
  Operation& operation = *current_;
  operation.transaction.read = clock_();
  for (const ClientReply& reply : operation.replies) {
    if (!reply.is_error()) continue;
    timeout_.Cancel();
    return OnError(reply);
  }
  for (size_t i = 0; i < operation.watched.size(); ++i) {
    const ClientReply& found = operation.replies[1 + i];
    WatchChecker::Read read{.key = operation.watched[i]};
    if (found.type == Type::kBulk) read.value = found.text;
    operation.transaction.reads.push_back(std::move(read));
  }
  exec_ = env_.loop.At(MonoNow() + operation.pause,
                       [this, number = operation.number] {
                         if (idle() || current_->number != number) return;
                         current_->sent_all = true;
                         current_->sent = clock_();
                         link_->Send(number, EncodeCommand({"EXEC"}));
                       });
}

void WatchClient::OnError(const ClientReply& reply) {
  const std::string_view code = reply.error_code();
  // WATCH, MULTI and replies that may still come end with the connection.
  const auto give_up = [this](Outcome outcome) {
    if (outcome == Outcome::kNotExecuted) checker_.Withdraw(current_->token());
    End(outcome);
    link_->Break();
  };
  // Before EXEC, nothing can have been executed.
  if (code == "UNKNOWN") {
    if (current_->sent_all) OnUnknown();
    return give_up(current_->sent_all ? Outcome::kUnknown
                                      : Outcome::kNotExecuted);
  }
  if (code == "READONLY") {
    recorder_->OnReadOnly(id(), node());
  } else if (code == "OOM") {
    recorder_->OnNoMemory(id());
  } else if (code != "CLUSTERDOWN" && code != "TRYAGAIN" && code != "LOADING" &&
             code != "MISCONF" && code != "EXECABORT" &&
             !reply.refuses_connection()) {
    Unexpected(reply);
  }
  give_up(Outcome::kNotExecuted);
}

// The token is in each request with the write, and in no other command.
void WatchClient::OnUnknown() {
  const Operation& operation = *current_;
  recorder_->OnUnknownAnswer(
      {.node = node(),
       .sent = operation.sent,
       .parts = {{.key = operation.write[1], .text = operation.token()}},
       .command =
           absl::StrCat(operation.watched.empty() ? "" : "EXEC of ",
                        operation.write[0], " on ", operation.write[1])});
}

void WatchClient::OnResult(const ClientReply& reply) {
  const Operation& operation = *current_;
  if (operation.watched.empty()) {
    checker_.Return(operation.token());
    return End(Outcome::kDone);
  }
  if (reply.type == Type::kNil) {
    env_.tracer.Sometimes(checker_.OnAborted(operation.transaction)
                              ? "client.watched_key_expired"
                              : "client.watched_key_changed");
    return End(Outcome::kNotExecuted);
  }
  if (reply.type != Type::kArray || reply.elements.size() != 1) {
    Unexpected(reply);
    return End(Outcome::kUnknown);
  }
  env_.tracer.Sometimes("client.watched_keys_unchanged");
  checker_.OnExecuted(operation.transaction);
  End(Outcome::kDone);
}

void WatchClient::Withdraw() {
  checker_.Withdraw(current_->token());
  End(Outcome::kNotExecuted);
}

void WatchClient::End(Outcome outcome) {
  timeout_.Cancel();
  ObserveEnd(current_->number, outcome, std::move(current_->answer));
  current_.reset();
}

void WatchClient::OnLinkBroken(ClientLink::RequestId id) {
  if (idle() || current_->number != id) return;
  current_->sent_all ? End(Outcome::kUnknown) : Withdraw();
}

void WatchClient::OnLinkRefused(ClientLink::RequestId id) {
  if (!idle() && current_->number == id) Withdraw();
}

// The pause before EXEC may be under way.
void WatchClient::OnLinkClosed(ClientLink* link) {
  if (!idle()) Withdraw();
  NextNode();
  PacedClient::OnLinkClosed(link);
}

}  // namespace quorate::sim
