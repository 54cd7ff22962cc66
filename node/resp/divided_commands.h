// node/resp/divided_commands.h: MGET, MSET, DEL, UNLINK, EXISTS and TOUCH of
// keys in several slots, for plain clients.
//
// A write has one part for each slot. A read has one for each group, or more if
// the names of its keys do not fit one entry. Each part is read at one read
// point, and has all keys of its slots. The parts are routed as commands of
// their own, and their answers become one reply. The connection hands over the
// answers whose token this object awaits.
#ifndef QUORATE_NODE_RESP_DIVIDED_COMMANDS_H_
#define QUORATE_NODE_RESP_DIVIDED_COMMANDS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
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

// Invariants: a command is answered once all its parts are. Its error is one
// that clients retry only if no part of it may have been executed.
class DividedCommands {
 public:
  // All outlive the object.
  DividedCommands(Context& context, ClientConnection& client,
                  RespAddress address, GroupQuestions& questions,
                  ReplyQueue& replies);

  // True if the command has no meaning for all its keys together, and this
  // address divides it.
  bool Divides(const CommandRow& row) const;
  // Requires: Divides(row), command.cross_slot. `staleness_max`: as for
  // RoutedRequest; zero: a read asks the leaders.
  Handled Handle(const CommandRow& row, Arguments request,
                 const Translated& command, Duration staleness_max);

  // True if the answers to `token` belong to this object.
  bool awaits(uint64_t token) const {
    return !commands_.empty() &&
           commands_.contains(ReplyQueue::TokenOfReply(token));
  }
  void OnResult(uint64_t token, const kv::ResultView& result);
  void OnFailure(uint64_t token, const RequestFailure& failure);

  // True if a reply is being written, and continues with Resume.
  bool writing() const { return !commands_.empty() && FirstIsAnswered(); }
  // Continues to write replies. Forgets them if the connection is closed.
  void Resume();

 private:
  // A key of the command: its slot, group, and place among the keys.
  struct Key {
    Slot slot;
    GroupId group;
    uint32_t place;
    uint32_t name_bytes;
  };
  struct Command {
    ReplyFormat format = ReplyFormat::kArray;
    bool write = false;
    size_t parts_due = 0;  // Parts without an answer.
    int64_t sum = 0;
    // A write: a part was executed, or may have been.
    bool any_executed = false;
    // The first part that failed, as a failure or by its result.
    std::optional<RequestFailure> failure = {};
    std::string error = {};
    // ---- MGET. The places of the keys in the order of the parts, and where
    // each part begins.
    std::vector<uint32_t> places = {};
    std::vector<uint32_t> begins = {};
    std::vector<kv::ResultElement> elements = {};  // By place.
    // The bytes that elements view: copies of short values, and shared ones.
    std::vector<std::string> copies = {};
    std::deque<Buffer> shared = {};
    size_t value_bytes = 0;
    size_t held_bytes = 0;  // As counted by the client.
    size_t written = 0;     // Elements in the reply.

    bool failed() const { return failure.has_value() || !error.empty(); }
  };

  // The keys in the order of the parts.
  std::vector<Key> KeysInOrder(const CommandRow& row, Arguments request) const;
  // The first key behind the part that begins at `begin`.
  size_t EndOfPart(absl::Span<const Key> keys, size_t begin, bool write) const;
  // The parts in order, which point to `arguments` and to `prefixed`.
  std::vector<kv::CommandSpec> Parts(const CommandRow& row, Arguments request,
                                     const kv::CommandSpec& whole,
                                     absl::Span<const Key> keys,
                                     std::vector<std::string_view>* arguments,
                                     std::string* prefixed) const;
  // Takes the elements of a result of MGET.
  void TakeElements(Command& command, size_t part,
                    const kv::ResultView& result);
  void TakeElement(Command& command, size_t place,
                   const kv::ResultElement& element);
  // Frees the values.
  void Drop(Command& command);
  void EndPart(uint64_t token, Command& command);
  bool FirstIsAnswered() const {
    return commands_.begin()->second.parts_due == 0;
  }
  // Writes the reply of a command without parts that are due. Returns false if
  // it continues later.
  bool Write(uint64_t token, Command& command);
  bool WriteElements(uint64_t token, Command& command);
  void WriteError(uint64_t token, const Command& command);

  Context& context_;
  ClientConnection& client_;
  const bool cluster_;
  GroupQuestions& questions_;
  ReplyQueue& replies_;
  // By the token of the reply.
  absl::btree_map<uint64_t, Command> commands_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_DIVIDED_COMMANDS_H_
