#include "sim/workload/library_client.h"

#include <utility>

namespace quorate::sim {
namespace {

using lincheck::Kv;
using Type = ClientReply::Type;

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

}  // namespace

LibraryClient::LibraryClient(env::Env& env, const SimpleClientOptions& options,
                             Choices* choices, Recorder* recorder)
    : SimpleClient(env, options, choices, recorder),
      client_(env.loop, env.streams, env.random.Fork("client.library", 0),
              {.seeds = options.servers, .sessions = options.retries_writes}) {}

void LibraryClient::Adapt(ClientOperation* operation) const {
  operation->stale = false;
  if (operation->is_transaction()) {
    operation->form = ClientOperation::SwapForm::kSetGet;
  }
}

void LibraryClient::Begin(OperationId id) {
  const Operation& operation = this->operation(id);
  client_.Do(
      {.arguments = operation.Words(),
       .key = operation.call.key,
       .read_only = operation.is_read()},
      [this, id](const kv::ClientResult& result) { OnResult(id, result); });
}

void LibraryClient::OnResult(OperationId id, const kv::ClientResult& result) {
  switch (result.outcome) {
    case Outcome::kDone:
      // Done, but the reply is lost.
      if (!result.status.ok()) return LeaveUnknown(id);
      return Return(id, ReplyOf(operation(id), result.reply));
    case Outcome::kUnknown:
      return LeaveUnknown(id);
    case Outcome::kNotExecuted:
      // The clients send no command that a server may refuse.
      if (result.status.code() == absl::StatusCode::kInvalidArgument) {
        return Unexpected(id, std::string(result.status.message()));
      }
      return Withdraw(id);
  }
}

}  // namespace quorate::sim
