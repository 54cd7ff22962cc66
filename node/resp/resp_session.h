// node/resp/resp_session.h: one RESP connection: requests in, replies out in the order of the requests.
//
// A state machine over bytes: the Client below it owns the stream, the router gives the answers. Handlers stand in files by
// family: resp_session.cc (commands on keys), resp_transaction.cc, resp_connection.cc, resp_keyspace.cc, resp_server.cc,
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
#include "node/routing/requester.h"

namespace quorate::node {

class RespSession final : public Protocol, public Requester {
 public:
  RespSession(Context& context, Client& client, RespAddress address);

  // What CLIENT LIST tells of this connection, one line.
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

  // Requester.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const Failure& failure) override;
  void OnUnblocked() override { client_.WantResume(); }
  bool RoomFor(uint64_t token, size_t bytes) override;
  bool RoomForNext(size_t bytes) override;

 private:
  static constexpr std::string_view kReadOnly =
      "READONLY You can't write against a read only replica.";

  // The store of another node left out what its command returns.
  static constexpr std::string_view kNoResult = "ERR the store gave no result";
  static constexpr std::string_view kClusterDisabled =
      "ERR This instance has cluster support disabled";

  // What became of a request when it was taken up.
  enum class Taken : uint8_t {
    kDone,     // Answered, or the answer is due.
    kBlocked,  // Nothing happened: try the same request again on Resume.
  };
  // A transaction on its way: how each command's part of the reply is written.
  struct Step {
    const CommandSpec* row;
    Shape shape = Shape::kBulk;
    bool local = false;  // Touches no key: written when the reply is.
    std::string error;   // Found wrong before it was sent.
    std::vector<std::string> arguments;  // Of local ones.
  };
  struct Transaction {
    size_t checks = 0;  // Watched keys, whose results come first.
    std::vector<Step> steps;
  };
  struct Watched {
    std::string key;
    Slot slot;
    bool absent = false;
    kv::Version version = {};  // Op::kWatch's.
  };
  // A reply that is due, or is ready but stands behind one that is due.
  struct Pending {
    // Of a reply that is due; one that is ready is accounted for already.
    CommandId command = {};
    Shape shape = Shape::kBulk;
    int version = 2;  // Of RESP, when the request was taken up.
    bool ready = false;
    bool silent = false;        // CLIENT REPLY OFF or SKIP.
    bool without_room = false;  // The result waits for RoomFor.
    // Answers still to come (FLUSHALL, DBSIZE: one for each range of slots).
    uint32_t parts = 1;
    int64_t sum = 0;     // DBSIZE: of the parts so far.
    uint32_t asked = 0;  // Not 0: the parts are so many answers of groups.
    MonoTime begun;
    size_t held_bytes = 0;  // Of the reply, while it stands behind another.
    std::string reply;
    std::unique_ptr<Transaction> transaction;
    // WATCH: keys that are watched once the reply is OK.
    std::unique_ptr<std::vector<Watched>> watch;
    // INFO for a plain client: the sections asked for.
    std::unique_ptr<std::vector<std::string>> info_sections;
  };
  struct QueuedCommand {
    const CommandSpec* row;
    std::vector<std::string> arguments;
  };
  // Slots of one group that a command is about.
  struct Covered {
    SlotRange slots;
    // This node votes in the group and knows of no leader. When one is known
    // within the time limit and it is another node, that node answers for them.
    bool may_lead = false;
  };
  // Slots of one group that are still to be visited.
  struct Stretch {
    uint64_t cursor = 0;  // kv/slots/slot_scan.h.
    Slot last;
    bool may_lead = false;  // As in Covered.
  };
  // A question to a group that had no room for it. It has no arguments.
  struct Unasked {
    uint64_t token;
    kv::CommandSpec spec;
    bool redirect;
  };
  // KEYS, SCAN or RANDOMKEY on its way: steps of bounded size one after the
  // other, each a read of the group it visits. Nothing else of the connection
  // is taken up meanwhile.
  struct KeyWalk {
    CommandId command;
    std::string pattern = "*";
    bool any_type = true;  // False: no key is of the type asked for.
    uint64_t wanted = 0;   // Keys to visit.
    uint64_t visited = 0;
    uint64_t bits = 0;        // RANDOMKEY's choice.
    uint64_t cursor_tag = 0;  // SCAN's, when it began.
    std::vector<Stretch> stretches;
    size_t next = 0;  // The stretch under way.
    std::vector<std::string> keys;
    size_t key_bytes = 0;
  };

  // ---- The loop (resp_session.cc).
  void Process();
  // True if no further request may be taken now.
  bool Stopped();
  Taken Handle(Arguments request);
  Taken HandleRow(const CommandSpec& row, Arguments request);
  Taken HandleKeys(const CommandSpec& row, Arguments request,
                   const std::optional<kv::SessionStamp>& session);
  Taken Submit(const CommandSpec& row, const Translated& command,
               const std::optional<kv::SessionStamp>& session);
  bool ServeStale(const CommandSpec& row, const Translated& command);

  // ---- Replies (resp_session.cc).
  // Appends a reply for `command` that is due and returns its token.
  uint64_t Expect(CommandId command, Shape shape);
  // Takes the newest expected reply back: the router blocked.
  void Unexpect();
  Pending& PendingOf(uint64_t token);
  // Writes a reply that is ready now: straight out when no other is due.
  // No command: the request names none, which counts as an error alone.
  void ReplyNow(std::optional<CommandId> command,
                absl::FunctionRef<void(RespWriter&)> write);
  void ReplyError(std::optional<CommandId> command, std::string_view error);
  void Finish(Pending& pending);
  void PopFront();
  void SendReady();
  void Account(std::optional<CommandId> command, Duration duration,
               std::string_view reply);
  std::string FailureText(const Failure& failure);
  bool TakeSilence();

  // ---- Transactions (resp_transaction.cc).
  Taken Multi(Arguments request);
  // One for each watched key: it must be as it was.
  void AddWatchChecks(std::vector<std::string_view>* keys,
                      std::vector<kv::CommandSpec>* specs) const;
  Taken Exec(const CommandSpec& row);
  Taken Discard();
  Taken Watch(const CommandSpec& row, Arguments request);
  void Queue(const CommandSpec& row, Arguments request);
  std::string QueueError(const CommandSpec& row, Arguments request);
  void ForgetTransaction();
  void WriteTransaction(const Transaction& transaction,
                        const kv::ResultView& result, RespWriter& reply);
  // Answers a WATCH; its keys are watched only if the store took all of them.
  void FinishWatch(std::vector<Watched> watch, const kv::ResultView& result,
                   RespWriter& reply);
  // Commands that may stand in a transaction although they touch no key.
  bool WriteLocal(const CommandSpec& row, Arguments request, RespWriter& reply);

  // ---- Keys as a whole (resp_keyspace.cc).
  Taken FlushAll(const CommandSpec& row, Arguments request);
  Taken CountKeys(const CommandSpec& row);
  // INFO with the section Keyspace, for a plain client: about all groups.
  Taken Info(const CommandSpec& row, Arguments request);
  // `error` is empty, or says why not all keys are counted.
  void WriteInfo(const Pending& pending, std::string_view error,
                 RespWriter& reply) const;
  // Asks every one of `covered`, which is not empty; answers `token` when all
  // did.
  void AskEach(uint64_t token, const std::vector<Covered>& covered, kv::Op op);
  // Asks the group of `spec`, at once or when it has room. With `redirect` the
  // question fails if another node leads the group.
  void AskGroup(uint64_t token, const kv::CommandSpec& spec, bool redirect);
  void AskUnasked();
  Taken WalkKeys(const CommandSpec& row, Arguments request);
  // CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT.
  Taken SlotKeys(const CommandSpec& row, Arguments request);
  // Reads SCAN's arguments; the error if they are wrong.
  std::string_view ReadScanOptions(Arguments request, uint64_t* cursor,
                                   KeyWalk* walk) const;
  // All slots for a plain client; for a cluster client those that this node
  // leads or may lead.
  std::vector<Covered> CoveredSlots() const;
  uint64_t CursorTag() const;
  // The error of a command on all covered groups that one of them failed.
  // `asked`: how many parts the command has.
  std::string GroupFailureText(CommandId command, uint32_t asked,
                               const Failure& failure) const;
  void StepWalk(uint64_t token);
  void OnWalked(uint64_t token, const kv::ResultView& result);
  void OnWalkFailed(uint64_t token, const Failure& failure);
  void EndWalk(uint64_t token, std::string_view error);

  // ---- Connection, server, cluster: each answers at once.
  bool WriteConnection(const CommandSpec& row, Arguments request,
                       RespWriter& reply);
  void WriteHello(Arguments request, RespWriter& reply);
  void WriteClient(const CommandSpec& row, Arguments request,
                   RespWriter& reply);
  void WriteClientState(const CommandSpec& row, Arguments arguments,
                        RespWriter& reply);
  void ListClients(Arguments options, RespWriter& reply);
  void KillClients(Arguments request, RespWriter& reply);
  void Reset();
  bool WriteServer(const CommandSpec& row, Arguments request,
                   RespWriter& reply);
  void WriteWait(Arguments request, RespWriter& reply);
  void WriteRole(RespWriter& reply);
  bool WriteCluster(const CommandSpec& row, Arguments request,
                    RespWriter& reply);
  void WriteReplicas(std::string_view id, RespWriter& reply);
  Taken Session(const CommandSpec& row);
  Taken Do(const CommandSpec& row, Arguments request);
  Taken OpenChannel(const CommandSpec& row, Arguments request);
  Taken Apply(const CommandSpec& row, Arguments request);
  Taken Status(const CommandSpec& row, Arguments request);
  void ReplyToPeer(uint64_t token, const PeerResult& result);

  // Whether the client is one of a cluster; if not, it is a plain client.
  bool cluster() const { return address_ == RespAddress::kCluster; }
  // Whether the node calls itself a master: a plain client sees a master
  // wherever it may write.
  bool IsMaster() const {
    return cluster() ? context_.topology.self().master == NodeId()
                     : !context_.config.self().read_only;
  }
  // The address of `node` that this client's kind uses.
  const std::string& AddressOf(const NodeConfig& node) const {
    return cluster() ? node.resp_cluster : node.resp;
  }
  const std::string& listen_address() const {
    const ListenConfig& listen = context_.config.listen;
    return cluster() ? listen.resp_cluster : listen.resp;
  }

  Context& context_;
  Client& client_;
  const RespAddress address_;
  RespParser parser_;
  int version_ = 2;
  bool closed_ = false;
  bool processing_ = false;
  bool waiting_ = false;  // Process stopped before the input's end.

  // The replies due, oldest first; the token of the front.
  std::deque<Pending> pending_;
  uint64_t front_token_ = 1;
  std::unique_ptr<KeyWalk> walk_;
  // Nothing else is taken up while there are any: it would overtake them.
  std::vector<Unasked> unasked_;
  // Groups that have accepted a part of the newest command in parts.
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
