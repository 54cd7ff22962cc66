// node/resp/resp_session.h: one RESP connection. Replies leave in the order of
// the requests.
//
// The ClientConnection below it owns the stream; the router gives the answers.
// Handlers are in files by family: resp_session.cc (commands on keys),
// resp_transaction.cc, resp_connection.cc, resp_keyspace.cc, resp_server.cc,
// resp_cluster.cc.
#ifndef QUORATE_NODE_RESP_RESP_SESSION_H_
#define QUORATE_NODE_RESP_RESP_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kv/command/session_stamp.h"
#include "kv/slots/slot_scan.h"
#include "node/commands/command_table.h"
#include "node/commands/translate.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/protocol/resp_parser.h"
#include "node/protocol/resp_writer.h"
#include "node/routing/peer_link.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

class RespSession final : public Protocol, public RequestSink {
 public:
  RespSession(Context& context, ClientConnection& client, RespAddress address);

  // The line of CLIENT LIST for this connection.
  std::string Describe() const;
  const std::string& name() const { return name_; }
  std::string_view peer_address() const { return client_.peer_address(); }

  // Protocol.
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override {}
  void Resume() override;
  size_t pending() const override {
    return pending_.size() + (stalled_.empty() || client_.closing() ? 0 : 1);
  }
  size_t partial_bytes() const override { return parser_.unparsed_bytes(); }
  bool stopped() const override {
    return (waiting_ && !client_.refuses_requests()) || has_parked();
  }
  bool awaits_answer() const override {
    return blocked() || (!pending_.empty() && !pending_.front().without_room);
  }
  void OnClosed() override;

  // RequestSink.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const RequestFailure& failure) override;
  void OnUnblocked() override { client_.WantResume(); }
  bool RoomFor(uint64_t token, size_t bytes) override;
  bool RoomForNext(size_t bytes) override;

 private:
  static constexpr std::string_view kReadOnly =
      "READONLY You can't write against a read only replica.";

  // Another node's store left out the result of its command.
  static constexpr std::string_view kNoResult =
      "ERR the store returned no result";
  static constexpr std::string_view kClusterDisabled =
      "ERR This instance has cluster support disabled";

  // The outcome of handling a request.
  enum class HandleResult : uint8_t {
    kDone,     // Answered, or the answer will follow.
    kBlocked,  // Nothing happened: the request is handled again on Resume.
  };
  // A submitted transaction: the format of each command's part of the reply.
  struct Step {
    const CommandRow* row;
    ReplyFormat format = ReplyFormat::kBulk;
    // The command has no keys: its reply is written with the whole reply.
    bool local = false;
    // Set if the command was invalid before it was submitted.
    std::string error;
    std::vector<std::string> arguments;  // Arguments of local commands.
  };
  struct Transaction {
    size_t checks = 0;  // The number of watched keys, whose results come first.
    std::vector<Step> steps;
  };
  struct Watched {
    std::string key;
    Slot slot;
    bool absent = false;
    kv::Version version = {};  // The version that Op::kWatch returned.
  };
  // A reply that is due, or that is ready but waits for an earlier one.
  struct Pending {
    // Set for a reply that is due; a ready reply is counted in the metrics
    // already.
    CommandId command = {};
    ReplyFormat format = ReplyFormat::kBulk;
    int version = 2;  // The RESP version when the request was handled.
    bool ready = false;
    bool silent = false;        // Not sent because of CLIENT REPLY OFF or SKIP.
    bool without_room = false;  // The result waits for room.
    // Outstanding answers (FLUSHALL, DBSIZE: one for each range of slots).
    uint32_t parts = 1;
    int64_t sum = 0;  // The sum of the parts so far, for DBSIZE.
    // The number of groups that were asked; 0: not a command on all groups.
    uint32_t asked = 0;
    MonoTime begun;
    // The size of the reply while it waits for an earlier one.
    size_t held_bytes = 0;
    std::string reply;
    std::unique_ptr<Transaction> transaction;
    // The keys of a WATCH, watched once the reply is OK.
    std::unique_ptr<std::vector<Watched>> watch;
    // INFO for a plain client: the sections asked for.
    std::unique_ptr<std::vector<std::string>> info_sections;
  };
  struct QueuedCommand {
    const CommandRow* row;
    std::vector<std::string> arguments;
  };
  // Slots of one group that a command covers.
  struct Covered {
    SlotRange slots;
    // This node votes in the group and knows of no leader. When one is known
    // within the time limit and it is another node, that node answers for them.
    bool may_lead = false;
  };
  // Slots of one group that a scan has not visited yet.
  struct SlotCursor {
    uint64_t cursor = 0;  // kv/slots/slot_scan.h.
    Slot last;
    bool may_lead = false;  // See Covered.
  };
  // A request for a group that had no room for it. It has no arguments.
  struct Unasked {
    uint64_t token;
    kv::CommandSpec spec;
    bool redirect;
  };
  // A running KEYS, SCAN or RANDOMKEY: a sequence of steps of bounded size,
  // each a read of the group that it visits. The connection handles no other
  // request meanwhile.
  struct KeyScan {
    CommandId command;
    std::string pattern = "*";
    bool any_type = true;  // False: no key is of the type asked for.
    uint64_t wanted = 0;   // Keys to visit.
    uint64_t visited = 0;
    uint64_t bits = 0;        // The random choice of RANDOMKEY.
    uint64_t cursor_tag = 0;  // The tag of SCAN's cursor at the beginning.
    std::vector<SlotCursor> cursors;
    size_t next = 0;  // The index of the current slot cursor.
    std::vector<std::string> keys;
    size_t key_bytes = 0;
  };

  // ---- The loop (resp_session.cc).
  void Process();
  // True if no further request may be handled now.
  bool Stopped();
  HandleResult Handle(Arguments request);
  HandleResult HandleRow(const CommandRow& row, Arguments request);
  HandleResult HandleKeys(const CommandRow& row, Arguments request,
                          const std::optional<kv::SessionStamp>& session);
  HandleResult Submit(const CommandRow& row, const Translated& command,
                      const std::optional<kv::SessionStamp>& session);
  bool ServeStale(const CommandRow& row, const Translated& command);

  // ---- Replies (resp_session.cc).
  // Appends a reply that is due for `command`, and returns its token.
  uint64_t PushReply(CommandId command, ReplyFormat format);
  // Removes the newest reply, because the router blocked its request.
  void PopReply();
  Pending& PendingOf(uint64_t token);
  // Writes a reply that is ready now, directly if no other reply is due.
  // Without `command` (the request names none) only an error is counted.
  void ReplyNow(std::optional<CommandId> command,
                absl::FunctionRef<void(RespWriter&)> write);
  void ReplyError(std::optional<CommandId> command, std::string_view error);
  void Finish(Pending& pending);
  void PopFirstReply();
  void SendReady();
  void RecordMetrics(std::optional<CommandId> command, Duration duration,
                     std::string_view reply);
  std::string FailureText(const RequestFailure& failure);
  bool TakeSilence();

  // ---- Transactions (resp_transaction.cc).
  HandleResult Multi(Arguments request);
  // Adds one check for each watched key: the key must be unchanged.
  void AddWatchChecks(std::vector<std::string_view>* keys,
                      std::vector<kv::CommandSpec>* specs) const;
  HandleResult Exec(const CommandRow& row);
  HandleResult Discard();
  HandleResult Watch(const CommandRow& row, Arguments request);
  void Queue(const CommandRow& row, Arguments request);
  std::string QueueError(const CommandRow& row, Arguments request);
  void ForgetTransaction();
  void WriteTransaction(const Transaction& transaction,
                        const kv::ResultView& result, RespWriter& reply);
  // Answers a WATCH. Its keys are watched only if the store accepted all of
  // them.
  void FinishWatch(std::vector<Watched> watch, const kv::ResultView& result,
                   RespWriter& reply);
  // Writes the reply of a command without keys, which transactions may contain.
  // Returns false for other commands.
  bool WriteLocal(const CommandRow& row, Arguments request, RespWriter& reply);

  // ---- Keys as a whole (resp_keyspace.cc).
  HandleResult FlushAll(const CommandRow& row, Arguments request);
  HandleResult CountKeys(const CommandRow& row);
  // INFO with the section Keyspace for a plain client, which covers all groups.
  HandleResult Info(const CommandRow& row, Arguments request);
  // `error` is empty, or says why keys are missing from the counts.
  void WriteInfo(const Pending& pending, std::string_view error,
                 RespWriter& reply) const;
  // Asks every group of `covered`, which is not empty. Answers `token` when all
  // have answered.
  void AskEach(uint64_t token, const std::vector<Covered>& covered, kv::Op op);
  // Asks the group of `spec`, at once or when it has room. With `redirect` the
  // request fails if another node leads the group.
  void AskGroup(uint64_t token, const kv::CommandSpec& spec, bool redirect);
  void AskUnasked();
  HandleResult ScanKeys(const CommandRow& row, Arguments request);
  // CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT.
  HandleResult SlotKeys(const CommandRow& row, Arguments request);
  // Reads the arguments of SCAN. Returns an error text if they are invalid.
  std::string_view ReadScanOptions(Arguments request, uint64_t* cursor,
                                   KeyScan* scan) const;
  // All slots for a plain client. For a cluster client: the slots that this
  // node leads or may lead.
  std::vector<Covered> CoveredSlots() const;
  uint64_t CursorTag() const;
  // The error of a command on all covered groups if one group fails it. `asked`
  // is the number of the command's parts.
  std::string GroupFailureText(CommandId command, uint32_t asked,
                               const RequestFailure& failure) const;
  void StepScan(uint64_t token);
  void OnScanResult(uint64_t token, const kv::ResultView& result);
  void OnScanFailed(uint64_t token, const RequestFailure& failure);
  void EndScan(uint64_t token, std::string_view error);

  // ---- Connection, server, cluster: each answers at once.
  bool WriteConnection(const CommandRow& row, Arguments request,
                       RespWriter& reply);
  void WriteHello(Arguments request, RespWriter& reply);
  void WriteClient(const CommandRow& row, Arguments request, RespWriter& reply);
  void WriteClientState(const CommandRow& row, Arguments arguments,
                        RespWriter& reply);
  void ListClients(Arguments options, RespWriter& reply);
  void KillClients(Arguments request, RespWriter& reply);
  void Reset();
  bool WriteServer(const CommandRow& row, Arguments request, RespWriter& reply);
  void WriteWait(Arguments request, RespWriter& reply);
  void WriteRole(RespWriter& reply);
  bool WriteCluster(const CommandRow& row, Arguments request,
                    RespWriter& reply);
  void WriteReplicas(std::string_view id, RespWriter& reply);
  HandleResult Session(const CommandRow& row);
  HandleResult Do(const CommandRow& row, Arguments request);
  HandleResult OpenChannel(const CommandRow& row, Arguments request);
  HandleResult Apply(const CommandRow& row, Arguments request);
  HandleResult Status(const CommandRow& row, Arguments request);
  void ReplyToPeer(uint64_t token, const PeerResult& result);

  // True for a cluster client, false for a plain client.
  bool cluster() const { return address_ == RespAddress::kCluster; }
  // True if the node reports itself as a master. A plain client sees a master
  // wherever it may write.
  bool IsMaster() const {
    return cluster() ? context_.topology.self().master == NodeId()
                     : !context_.config.self().read_only;
  }
  // The address of `node` for this kind of client.
  const std::string& AddressOf(const NodeConfig& node) const {
    return cluster() ? node.resp_cluster : node.resp;
  }
  const std::string& listen_address() const {
    const ListenConfig& listen = context_.config.listen;
    return cluster() ? listen.resp_cluster : listen.resp;
  }

  Context& context_;
  ClientConnection& client_;
  const RespAddress address_;
  RespParser parser_;
  int version_ = 2;
  bool closed_ = false;
  bool processing_ = false;
  bool waiting_ = false;  // Process stopped before the end of the input.

  // The replies that are due, oldest first, and the token of the first.
  std::deque<Pending> pending_;
  uint64_t front_token_ = 1;
  std::unique_ptr<KeyScan> scan_;
  // While this is not empty, no other request is handled, because it would
  // overtake these.
  std::vector<Unasked> unasked_;
  // Groups that accepted a part of the newest command in parts.
  std::vector<GroupId> asked_groups_;
  // A request that was blocked, kept until it can go on.
  std::vector<std::string> stalled_;

  bool readonly_ = false;
  bool reply_off_ = false;
  bool reply_skip_next_ = false;
  std::string name_;
  std::string library_name_;
  std::string library_version_;
  std::string_view last_command_ = "NULL";

  bool in_transaction_ = false;
  bool transaction_dirty_ = false;
  std::vector<QueuedCommand> queued_;
  size_t queued_bytes_ = 0;
  std::vector<Watched> watched_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_RESP_SESSION_H_
