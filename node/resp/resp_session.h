// node/resp/resp_session.h: one RESP connection: parses requests, looks them up
// and gives each to the object that handles it.
//
// The ClientConnection below it owns the stream. The router gives the answers,
// which go to the object that awaits them. Replies leave in the order of the
// requests (node/resp/reply_queue.h).
#ifndef QUORATE_NODE_RESP_RESP_SESSION_H_
#define QUORATE_NODE_RESP_RESP_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kv/command/result.h"
#include "node/commands/command_table.h"
#include "node/commands/owned_request.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/protocol/resp_parser.h"
#include "node/protocol/resp_writer.h"
#include "node/resp/address_view.h"
#include "node/resp/client_commands.h"
#include "node/resp/cluster_commands.h"
#include "node/resp/divided_commands.h"
#include "node/resp/group_commands.h"
#include "node/resp/group_questions.h"
#include "node/resp/key_commands.h"
#include "node/resp/key_scan.h"
#include "node/resp/reply_queue.h"
#include "node/resp/resp_transaction.h"
#include "node/resp/server_commands.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: requests are handled in the order of their arrival. A request that
// cannot be handled yet is kept, and no later request is handled before it.
class RespSession final : public ListedProtocol, public RequestSink {
 public:
  // `context` and `client` outlive the session.
  RespSession(Context& context, ClientConnection& client, RespAddress address);

  // ListedProtocol.
  std::string Describe() const override;

  // Protocol.
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override {}
  void Resume() override;
  RequestSink* sink() override { return this; }
  size_t pending() const override {
    return replies_.size() + (stalled_.empty() || client_.closing() ? 0 : 1);
  }
  size_t partial_bytes() const override {
    return parser_.in_request() ? parser_.buffered_bytes() : 0;
  }
  size_t input_bytes() const override {
    return parser_.input_bytes() + stalled_.size_bytes() +
           transaction_.held_bytes() + questions_.waiting_bytes() +
           BytesOfDueReplies();
  }
  void DropInput() override;
  void Refuse(std::string_view why) override;
  bool stopped() const override {
    return (waiting_ && !client_.closing()) || has_parked();
  }
  bool awaits_answer() const override {
    return blocked() ||
           (replies_.awaits_answer() && !WaitsForRoom(replies_.front_token()));
  }
  void CheckInvariants() const override { CheckOrders(); }
  void OnClosed() override;

  // RequestSink.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const RequestFailure& failure) override;
  void OnUnblocked() override { client_.WantResume(); }
  bool RoomFor(uint64_t token, size_t bytes) override;
  bool RoomForNext(size_t bytes) override {
    return replies_.RoomForNewest(bytes);
  }

 private:
  // Memory of requests whose replies are due, beside the text of replies. A few
  // requests count nothing.
  size_t BytesOfDueReplies() const;
  void Process();
  // True if no further request may be handled now.
  bool Stopped();
  Handled Handle(Arguments request);
  Handled HandleRow(const CommandRow& row, Arguments request);
  void RefuseUnknown(std::string_view name, std::string_view error);
  // Writes the reply of a command that is answered at once. Returns false for
  // other commands.
  bool WriteLocal(const CommandRow& row, Arguments request, RespWriter& reply);
  void OnRepliesSent();

  Context& context_;
  ClientConnection& client_;
  const AddressView view_;
  RespParser parser_;
  bool processing_ = false;
  bool waiting_ = false;  // Process stopped before the end of the input.
  // A request that was blocked, kept until it can go on.
  OwnedRequest stalled_;
  std::string_view last_command_ = "NULL";

  ReplyQueue replies_;
  GroupQuestions questions_;
  DividedCommands divided_;
  KeyCommands key_commands_;
  RespTransaction transaction_;
  GroupCommands group_commands_;
  KeyScan scan_;
  ClientCommands client_commands_;
  ServerCommands server_commands_;
  ClusterCommands cluster_commands_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_RESP_SESSION_H_
