#include "sim/workload/operation.h"

#include <initializer_list>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {

using lincheck::Kv;

bool ClientOperation::is_read() const {
  return expiry.has_value() ? expiry->read_only() : call.function == Kv::kGet;
}

std::string ClientOperation::Describe() const {
  if (expiry.has_value()) return sim::Describe(*expiry);
  return absl::StrCat("function ", call.function, " on ", call.key);
}

std::vector<std::string> ClientOperation::Words() const {
  if (expiry.has_value()) return WordsOf(*expiry);
  // Texts may be large, and a list of strings would be a copy of them.
  const auto list = [](std::initializer_list<std::string_view> words) {
    return std::vector<std::string>(words.begin(), words.end());
  };
  switch (call.function) {
    case Kv::kGet:
      return list({"GET", call.key});
    case Kv::kPut:
      return list({"SET", call.key, call.text});
    case Kv::kCas:
      return list({"SET", call.key, call.text, "NX"});
    case Kv::kPutIfExists:
      return list({"SET", call.key, call.text, "XX"});
    case Kv::kSwap:
      if (form == SwapForm::kGetSet) {
        return list({"GETSET", call.key, call.text});
      }
      return list({"SET", call.key, call.text, "GET"});
    case Kv::kDelete:
      return list({"DEL", call.key});
    case Kv::kTake:
      return list({"GETDEL", call.key});
    case Kv::kAppend:
      return list({"APPEND", call.key, call.text});
    case Kv::kIncrement:
      return list({"INCRBY", call.key, absl::StrCat(call.number)});
    default:
      CHECK(false) << "function " << +call.function;
  }
  return {};
}

EncodedOperation EncodeRequest(const ClientOperation& operation,
                               const WorkloadSession* session) {
  using SwapForm = ClientOperation::SwapForm;
  if (operation.opens_session) return {EncodeCommand({"QUORATE.SESSION"})};
  const ClientCall& call = operation.call;
  if (operation.form == SwapForm::kTransaction) {
    return {.bytes = EncodeCommand({"MULTI"}) +
                     EncodeCommand({"GET", call.key}) +
                     EncodeCommand({"SET", call.key, call.text}) +
                     EncodeCommand({"EXEC"}),
            .replies = 4};
  }
  if (operation.form == SwapForm::kWatched) {
    // The transaction is a swap because the key did not change since it was
    // read. No client writes the key that is watched first. It has the same
    // slot with every partitioner: by its tag, its begin or its end.
    const bool tagged = call.key.find('{') != std::string::npos;
    const std::string unwritten =
        tagged ? absl::StrCat(call.key, "w")
               : absl::StrCat(call.key, "{", call.key, "}", call.key);
    return {.bytes = EncodeCommand({"WATCH", unwritten, call.key}) +
                     EncodeCommand({"GET", call.key}) +
                     EncodeCommand({"MULTI"}) +
                     EncodeCommand({"SET", call.key, call.text}) +
                     EncodeCommand({"EXEC"}),
            .replies = 5};
  }
  std::vector<std::string> words = operation.Words();
  if (session != nullptr) {
    words.insert(words.begin(), {"QUORATE.DO", session->token(),
                                 absl::StrCat(operation.sequence),
                                 absl::StrCat(session->floor())});
  }
  return {EncodeCommand(words)};
}

bool RecordReply(const ClientOperation& operation, const ClientReply& reply,
                 Recorder::Ticket ticket, Recorder* recorder) {
  using Type = ClientReply::Type;
  if (operation.expiry.has_value()) {
    recorder->ReturnReply(ticket, reply);
    return true;
  }
  const bool ok = reply.type == Type::kSimple;
  switch (operation.call.function) {
    case Kv::kPut:
      if (!ok) return false;
      recorder->ReturnNothing(ticket);
      return true;
    case Kv::kCas:
    case Kv::kPutIfExists:
      if (!ok && reply.type != Type::kNil) return false;
      recorder->ReturnNumber(ticket, ok ? 1 : 0);
      return true;
    case Kv::kDelete:
    case Kv::kAppend:
    case Kv::kIncrement:
      if (reply.type != Type::kInteger) return false;
      recorder->ReturnNumber(ticket, reply.integer);
      return true;
    default:
      break;
  }
  const bool number_key = operation.call.key[0] == 'n';
  int64_t number = 0;
  if (reply.type == Type::kNil) {
    recorder->ReturnNil(ticket);
  } else if (reply.type != Type::kBulk ||
             (number_key && !absl::SimpleAtoi(reply.text, &number))) {
    return false;
  } else if (number_key) {
    recorder->ReturnNumber(ticket, number);
  } else {
    recorder->ReturnText(ticket, reply.text);
  }
  return true;
}

}  // namespace quorate::sim
