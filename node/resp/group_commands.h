// node/resp/group_commands.h: commands that put one question to each group and
// answer with the sum: FLUSHALL, FLUSHDB, DBSIZE, INFO with the section
// Keyspace, CLUSTER COUNTKEYSINSLOT.
//
// The connection hands over the answers whose token this object awaits.
#ifndef QUORATE_NODE_RESP_GROUP_COMMANDS_H_
#define QUORATE_NODE_RESP_GROUP_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/commands/command_table.h"
#include "node/commands/translate.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/resp/group_questions.h"
#include "node/resp/reply_queue.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: at most one command is under way, and its reply is the first that
// is due. The connection handles these commands only when no reply is due.
class GroupCommands {
 public:
  // All outlive the object.
  GroupCommands(Context& context, ClientConnection& client, RespAddress address,
                GroupQuestions& questions, ReplyQueue& replies);

  Handled FlushAll(const CommandRow& row, Arguments request);
  Handled CountKeys(const CommandRow& row);
  Handled CountKeysInSlot(const CommandRow& row, Arguments request);
  // INFO with the section Keyspace. Keys that cannot be counted do not fail it:
  // the section then has the reason.
  Handled Info(const CommandRow& row, Arguments request);

  // True if the answers to `token` belong to this object.
  bool awaits(uint64_t token) const {
    return running_.has_value() &&
           running_->token == ReplyQueue::TokenOfReply(token);
  }
  void OnResult(uint64_t token, const kv::ResultView& result);
  void OnFailure(const RequestFailure& failure);

 private:
  struct Running {
    uint64_t token;
    ReplyFormat format;
    int version;  // The RESP version of the reply.
    kv::Op op;
    // The slots of each question, which has the token behind that of the one
    // before it.
    std::vector<SlotRange> parts = {};
    size_t due = 0;   // The number of questions without an answer.
    bool everywhere;  // The slots need not be covered by this address.
    bool several_groups = false;  // The questions are for more than one group.
    // Questions whose group does not own all slots, and until when they are
    // asked again.
    std::vector<uint64_t> refused = {};
    MonoTime deadline;
    int64_t sum = 0;
    // An answer says that its part was executed, or may have been.
    bool any_executed = false;
    // The first failure of a part of FLUSHALL.
    std::optional<RequestFailure> failure = std::nullopt;
    // The first error that a part of FLUSHALL has as its result.
    std::string error = {};
    // Set for INFO: the sections that were requested.
    std::optional<std::vector<std::string>> info_sections;
    // Empty until the first error or the last answer.
    std::string reply;
  };

  void QueryEach(const CommandRow& row, ReplyFormat format,
                 const std::vector<GroupQuestions::Covered>& covered, kv::Op op,
                 std::optional<std::vector<std::string>> info_sections = {},
                 bool everywhere = false);
  // Asks the question `part` about `slots`.
  void Ask(uint64_t part, const GroupQuestions::Covered& slots);
  // Divides the refused questions by the present map, and asks them again.
  void AskRefused();
  // Takes note that one question has its answer. Replies after the last one.
  void EndPart();
  // `error` is empty, or says why keys are missing from the counts.
  void WriteInfoOf(const Running& info, std::string_view error,
                   RespWriter& reply) const;
  void WriteInfo(Arguments sections, int64_t keys, std::string_view error,
                 RespWriter& reply) const;

  Context& context_;
  ClientConnection& client_;
  const RespAddress address_;
  GroupQuestions& questions_;
  ReplyQueue& replies_;
  std::optional<Running> running_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_GROUP_COMMANDS_H_
