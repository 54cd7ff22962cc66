#include "sim/workload/library_client.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/parse_integer.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {
namespace {

using lincheck::Kv;
using Type = ClientReply::Type;

// So many operations come with one mistake.
constexpr uint64_t kOperationsPerMistake = 8;

// The library does not tell a status from a bulk string. The commands that
// reply with a status are known.
bool RepliesWithStatus(const ClientOperation& operation) {
  if (operation.expiry.has_value()) {
    return operation.expiry->verb == ExpiryCommand::Verb::kSet &&
           !operation.expiry->want_old;
  }
  return operation.call.function == Kv::kPut ||
         operation.call.function == Kv::kCas ||
         operation.call.function == Kv::kPutIfExists;
}

// The library's own times, or the time that the run gives to each reply.
kv::ClientOptions OptionsOf(const LibraryClientOptions& options) {
  kv::ClientOptions library = {.seeds = options.common.servers,
                               .sessions = options.common.retries_writes,
                               .outstanding_max = options.outstanding_max,
                               .waiting_max = options.waiting_max};
  if (options.common.reply_timeout.has_value()) {
    library.deadline = *options.common.reply_timeout;
    library.attempt_timeout = *options.common.reply_timeout;
  }
  return library;
}

ClientReply ReplyOf(const ClientOperation& operation,
                    const kv::RespValue& value) {
  using Kind = kv::RespValue::Kind;
  switch (value.kind) {
    case Kind::kString:
      return {
          .type = RepliesWithStatus(operation) ? Type::kSimple : Type::kBulk,
          .text = value.text};
    case Kind::kError:
      return {.type = Type::kError, .text = value.text};
    case Kind::kInteger:
      return {.type = Type::kInteger, .integer = value.integer};
    case Kind::kNil:
      return {.type = Type::kNil};
    case Kind::kArray:
      return {.type = Type::kArray};
  }
  return {};
}

kv::ReadConsistency ConsistencyOf(const ClientOperation& operation) {
  if (!operation.stale) return {};
  const std::optional<Duration> bound = operation.bound();
  return bound.has_value() ? kv::ReadConsistency::Bounded(*bound)
                           : kv::ReadConsistency::Eventual();
}

}  // namespace

LibraryClient::LibraryClient(env::Env& env, const LibraryClientOptions& options,
                             Choices* choices, Recorder* recorder)
    : SimpleClient(env, options.common, choices, recorder),
      streams_(env.streams,
               [this](const Buffer& bytes) {
                 sent_.Add(this->recorder().now(), bytes);
               }),
      client_(env.loop, streams_, env.random.Fork("client.library", 0),
              OptionsOf(options)) {}

void LibraryClient::Adapt(ClientOperation* operation) const {
  if (operation->is_transaction()) {
    operation->form = ClientOperation::SwapForm::kSetGet;
  }
}

void LibraryClient::Begin(OperationId id) {
  if (id % kOperationsPerMistake == 0) MakeMistake(id);
  const Operation& operation = this->operation(id);
  const std::string& key = operation.call.key;
  begun_[id] = recorder().now();
  std::vector<std::string> words = operation.Words();
  auto done = [this, id](const kv::ClientResult& result) {
    OnResult(id, result);
  };
  const std::string& verb = words[0];
  int64_t delta = 0;
  const kv::ReadConsistency consistency = ConsistencyOf(operation);
  if (verb == "GET") return client_.Get(key, consistency, done);
  if (verb == "DEL") return client_.Del(key, done);
  if (verb == "APPEND") return client_.Append(key, words[2], done);
  if (verb == "SET" && words.size() == 3) {
    return client_.Set(key, words[2], done);
  }
  if (verb == "INCRBY" && ParseInteger(words[2], &delta)) {
    return client_.IncrBy(key, delta, done);
  }
  client_.Do({.arguments = std::move(words),
              .key = key,
              .read_only = operation.is_read(),
              .consistency = consistency},
             done);
}

void LibraryClient::MakeMistake(OperationId id) {
  // Beside the keys of SurfaceClient, which sets its own again.
  const std::string key =
      absl::StrCat(SurfaceKey(0), ":mistake:", options().id);
  const auto refused = [this](const kv::ClientResult& result) {
    if (result.outcome == Outcome::kDone) {
      recorder().Unexpected(options().id, "the library executed a mistake");
    }
  };
  if (id % (2 * kOperationsPerMistake) == 0) {
    client_.Do({.arguments = {"GETEX", key, "SOON"}, .key = key}, refused);
    return;
  }
  const int64_t largest = std::numeric_limits<int64_t>::max();
  client_.Set(key, absl::StrCat(largest),
              [this, key, refused](const kv::ClientResult& result) {
                if (result.outcome != Outcome::kDone) return;
                client_.IncrBy(key, 1, refused);
              });
}

void LibraryClient::OnResult(OperationId id, const kv::ClientResult& result) {
  const kv::Client::Counters counters = client_.counters();
  if (counters.requests != counters.done + counters.not_executed +
                               counters.unknown + client_.outstanding()) {
    recorder().Unexpected(options().id, "the library lost a request");
  }
  const SimTime begun = begun_.extract(id).mapped();
  switch (result.outcome) {
    case Outcome::kDone:
      // Done, but the reply is lost.
      if (!result.status.ok()) return LeaveUnknown(id);
      return Return(id, ReplyOf(operation(id), result.reply));
    case Outcome::kUnknown:
      if (!sent_.MayContain(begun, operation(id).call.key)) {
        recorder().OnUnsent(operation(id).ticket);
      }
      return LeaveUnknown(id);
    case Outcome::kNotExecuted:
      // The clients send no command that a server may refuse, unless it has no
      // memory left.
      if (result.status.code() == absl::StatusCode::kInvalidArgument) {
        const std::string why(result.status.message());
        if (!why.starts_with("OOM ")) return Unexpected(id, why);
        recorder().OnNoMemory(options().id);
      }
      return Withdraw(id);
  }
}

}  // namespace quorate::sim
