// node/resp/resp_transaction.h: MULTI, EXEC, DISCARD, WATCH and UNWATCH of one
// connection.
//
// A transaction is one kAtomic in one entry, which checks the versions of the
// watched keys first. So all its keys are in one slot, which is checked when
// they are watched and queued.
//
// Commands without keys run when the reply of EXEC is written, in their place
// among the others. If EXEC fails, none of them runs.
#ifndef QUORATE_NODE_RESP_RESP_TRANSACTION_H_
#define QUORATE_NODE_RESP_RESP_TRANSACTION_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/commands/command_table.h"
#include "node/commands/owned_request.h"
#include "node/commands/translate.h"
#include "node/connections/context.h"
#include "node/resp/reply_queue.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariants: commands are queued only between MULTI and EXEC or DISCARD. A key
// is watched only with the version that the store returned for it. All queued
// and watched keys are of one slot.
class RespTransaction {
 public:
  // Writes the reply of a command without keys, which transactions may contain.
  // Returns false for other commands.
  using WriteLocal =
      absl::AnyInvocable<bool(const CommandRow&, Arguments, RespWriter&)>;

  // `context`, `sink` and `replies` outlive the object.
  RespTransaction(Context& context, RespAddress address, RequestSink& sink,
                  ReplyQueue& replies, WriteLocal write_local);

  Handled Multi();
  // Queues a command of the open transaction.
  void Queue(const CommandRow& row, Arguments request);
  Handled Exec(const CommandRow& row);
  // The work of Exec for the turn, whatever comes of it.
  uint64_t ExecWork() const;
  Handled Discard();
  Handled Watch(const CommandRow& row, Arguments request);
  void Unwatch() {
    watched_.clear();
    watched_bytes_ = 0;
  }

  // A command of the open transaction, if there is one, is invalid. EXEC fails.
  void MarkInvalid() { invalid_ = invalid_ || open_; }
  // Drops the queued commands and watched keys; no transaction is open.
  void Forget();

  // True between MULTI and EXEC or DISCARD.
  bool open() const { return open_; }
  // True while an EXEC with commands without keys has no answer. They read and
  // change the state of the connection, so later requests must wait.
  bool holds_connection() const {
    return !replies_.empty() && replies_.front_token() == holding_token_;
  }
  size_t queued_commands() const { return queued_.size(); }
  size_t queued_memory_bytes() const { return queued_memory_bytes_; }
  // Memory of queued commands and watched keys.
  size_t held_bytes() const {
    return queued_memory_bytes_ + watched_bytes_ +
           watched_.size() * sizeof(Watched);
  }

 private:
  struct QueuedCommand {
    const CommandRow* row;
    OwnedRequest request;
  };
  struct Watched {
    std::string key;
    Slot slot;
    bool absent = false;
    kv::Version version = {};  // The version that Op::kWatch returned.
  };
  // One command of a submitted transaction: the format of its part of the
  // reply.
  struct Step {
    const CommandRow* row;
    ReplyFormat format = ReplyFormat::kBulk;
    // The command has no keys: its reply is written with the whole reply.
    bool local = false;
    // Set if the command was invalid before it was submitted.
    std::string error;
    OwnedRequest request;  // That of a local command.
  };
  struct Submitted {
    size_t checks = 0;  // The number of watched keys, whose results come first.
    std::vector<Step> steps;
  };
  // The store's commands of a transaction, and the storage that they point to.
  struct Specs {
    std::vector<kv::CommandSpec> all;
    std::vector<std::string_view> watched_keys;
    std::vector<std::unique_ptr<Translated>> commands;
  };

  // The slot of the watched and queued keys; unset if there are none.
  std::optional<Slot> slot() const {
    return watched_.empty() ? queued_slot_ : watched_.front().slot;
  }
  // Whether CLIENT REPLY with this mode would make EXEC send fewer replies than
  // it announces.
  bool StopsReplies(std::string_view mode) const;
  // The error of a queued command on keys because of their slot; empty: none.
  std::string SlotError(const CommandRow& row, Slot slot);

  // Returns the error of a command that cannot be queued. Counts its bytes
  // and its keys otherwise.
  std::string QueueError(const CommandRow& row, Arguments request);
  // Adds one check for each watched key: the key must be unchanged.
  void AddWatchChecks(Specs* specs) const;
  // Adds the queued command, and returns its step.
  Step AddCommand(const QueuedCommand& queued, Specs* specs) const;
  // Answers a WATCH. Its keys are watched only if the store accepted all of
  // them.
  void FinishWatch(std::vector<Watched> watch, const kv::ResultView& result,
                   RespWriter& reply);
  void Write(const Submitted& transaction, const kv::ResultView& result,
             RespWriter& reply);

  Context& context_;
  const bool cluster_;
  RequestSink& sink_;
  ReplyQueue& replies_;
  WriteLocal write_local_;

  bool open_ = false;
  bool invalid_ = false;
  std::vector<QueuedCommand> queued_;
  size_t queued_bytes_ = 0;  // About the size of the entry.
  size_t queued_memory_bytes_ = 0;
  size_t named_keys_ = 0;  // Keys of queued commands.
  std::optional<Slot> queued_slot_;
  std::vector<Watched> watched_;
  size_t watched_bytes_ = 0;  // The sizes of their keys.
  // The token of the newest EXEC with commands without keys; 0: none.
  uint64_t holding_token_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_RESP_TRANSACTION_H_
