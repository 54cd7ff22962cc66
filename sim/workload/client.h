// sim/workload/client.h: a simulated client: a program on a machine of its own
// that speaks RESP over byte streams.
//
// Each operation is one choice of the world: the random bits from which its
// key, command and arguments are drawn. So a tape has a line for each
// operation, and removing one leaves the others unchanged.
//
// The client pipelines, follows MOVED, reconnects after resets, and records
// every call with its outcome. It retries commands that were not executed.
// Commands of unknown outcome are retried only with a session. There are four
// kinds of keys: registers ("r…"), lists to append to ("l…"), counters ("n…")
// and keys that may expire ("t…"). Each written value is unique.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_H_

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/random.h"
#include "sim/checks/recorder.h"
#include "sim/choices/choices.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"
#include "sim/workload/client_link.h"

namespace quorate::sim {

struct WorkloadClientOptions {
  uint32_t id = 0;
  // Addresses by node, for plain clients and for cluster clients.
  std::vector<std::string> servers;
  std::vector<std::string> cluster_servers;
  // Uses `cluster_servers` and follows MOVED.
  bool cluster = false;
  Duration interval = Milliseconds(100);  // Between two operations, on average.
  uint32_t burst_max = 4;  // Operations issued at once, pipelined.
  // The number of keys of each kind that are in use at a time.
  uint32_t keys = 6;
  // If not 0: keys have one of this number of hash tags, so that many share a
  // slot.
  uint32_t tags = 0;
  bool hot_keys = false;  // Some keys are used far more often than others.
  // After this number of its own operations a client uses new keys.
  uint32_t operations_per_epoch = 150;
  // Writes carry a session stamp and are retried when unknown.
  bool sessions = false;
  // Some reads go to any node, like those of a cluster client on a READONLY
  // connection.
  bool stale_reads = false;
  bool expiry = true;  // Uses keys that may expire.
  // Stays with one node for slots whose leader it does not know.
  bool stays_with_node = false;
  size_t value_bytes_max = 200;
  Ratio large_value{1, 16};
  size_t large_value_bytes = 6000;
  Duration operation_timeout = Seconds(5);
  // A command with a session is retried for longer, because a retry is safe.
  Duration session_timeout = Seconds(30);
};

// An operation as its client issued it: the command with its arguments, without
// a session's stamp.
struct IssuedOperation {
  uint32_t client = 0;
  uint64_t number = 0;
  std::vector<std::string> words;
  friend auto operator<=>(const IssuedOperation&,
                          const IssuedOperation&) = default;
};

class WorkloadClient final : public ClientLink::Owner {
 public:
  // `choices` and `recorder` outlive the client.
  WorkloadClient(env::Env& env, const WorkloadClientOptions& options,
                 Choices* choices, Recorder* recorder);
  ~WorkloadClient();
  WorkloadClient(const WorkloadClient&) = delete;
  WorkloadClient& operator=(const WorkloadClient&) = delete;

  // `hook` is called with each operation that is issued by its number.
  void SetIssueHook(absl::AnyInvocable<void(IssuedOperation)> hook) {
    issue_hook_ = std::move(hook);
  }
  // Begins no further operation.
  void StopIssuing();
  // Reads every key of `keys` from its leader, and retries until it succeeds.
  void ReadAll(const std::vector<std::string>& keys);
  // Adds to the number at every key of `keys`, and retries until it is
  // acknowledged.
  void AddToEach(const std::vector<std::string>& keys);
  // Whether no operation is open.
  bool idle() const { return operations_.empty(); }
  // The open operations, for people.
  std::string Describe() const;

 private:
  using OperationId = ClientLink::RequestId;

  struct Operation {
    // Everything random about the operation and its attempts.
    Random random{0};
    uint64_t attempts = 0;  // How often it was sent.
    ClientCall call;
    // If set, `call` has client and key alone.
    std::optional<ExpiryCommand> expiry;
    Recorder::Ticket ticket = 0;
    bool recorded = false;  // False for stale reads and requests for a session.
    bool stale = false;
    bool opens_session = false;
    bool final = false;  // It is never given up.
    // If its outcome is unknown, another write replaces it.
    bool final_write = false;
    uint8_t variant = 0;      // Selects a RESP form of the call.
    uint64_t sequence = 0;    // The sequence number of the session. 0: none.
    bool maybe_done = false;  // An earlier try may have taken effect.
    MonoTime deadline;
    uint32_t node = 0;  // The node tried last.
    std::vector<ClientReply> replies;
    size_t replies_expected = 1;
  };

  // ---- Issuing.
  void Tick();
  void Issue();
  Operation Draw(uint64_t number, Random random);
  ClientCall DrawCall(uint64_t number, Random random);
  ExpiryCommand DrawExpiryCommand(uint64_t number, Random random);
  // A key of the kind that the letter names.
  std::string DrawKey(char kind, uint64_t number, Random random) const;
  std::string NewText(uint64_t number, Random random, bool list);
  // A number that no other operation of any client adds.
  int64_t UniqueNumber(uint64_t number) const;
  static bool IsRead(const Operation& operation);
  OperationId Begin(Operation operation);

  // ---- Sending.
  void Send(OperationId id);
  uint32_t Route(const Operation& operation);
  // Whether a connection to the node failed recently.
  bool FailedRecently(uint32_t node) const;
  // Chooses the next node as the preferred one if that is `node`, which cannot
  // serve requests or redirects to a node that cannot.
  void ChangePreferredNode(uint32_t node);
  const std::string& AddressOf(const Operation& operation) const;
  std::string Encode(Operation* operation);
  static std::vector<std::string> WordsFor(const Operation& operation);
  void SendLater(OperationId id, Duration delay);

  // ---- Replies.
  void OnLinkReply(OperationId id, ClientReply reply, bool* done) override;
  void OnLinkBroken(OperationId id) override;
  void OnLinkRefused(OperationId id) override;
  void OnLinkMalformed(std::string_view server) override;
  void OnLinkClosed(ClientLink* link) override;
  void Finish(OperationId id, const ClientReply& reply);
  void Succeed(Operation& operation, const ClientReply& reply);
  void OnError(OperationId id, const ClientReply& reply);
  void OnMoved(OperationId id, const ClientReply& reply);
  // The request was not executed. Sends it again, perhaps to another node,
  // until the deadline.
  void TryAgain(OperationId id, Duration delay);
  void GiveUp(OperationId id);
  Operation FinalWrite(const std::string& key);
  OperationId Register(Operation operation);
  void Sweep();
  static Duration Backoff(const Operation& operation, int64_t least_ms,
                          int64_t spread_ms);

  env::Env& env_;
  const WorkloadClientOptions options_;
  Choices* const choices_;
  Recorder* const recorder_;
  absl::AnyInvocable<void(IssuedOperation)> issue_hook_;
  uint32_t links_made_ = 0;
  bool issuing_ = true;
  uint64_t ticks_ = 0;
  uint64_t numbers_ = 0;  // Operations that it could have issued so far.
  uint64_t finals_ = 0;   // Final reads and writes.
  uint64_t sessions_asked_ = 0;
  OperationId next_operation_ = 1;
  std::map<OperationId, Operation> operations_;
  // Keyed by node, and whether the link is READONLY.
  std::map<std::pair<uint32_t, bool>, std::unique_ptr<ClientLink>> links_;
  // They are destroyed at the end of the turn.
  std::vector<std::unique_ptr<ClientLink>> dropped_;
  std::map<uint16_t, uint32_t> node_of_slot_;
  std::map<uint32_t, MonoTime> avoided_until_;  // By node.
  // The node that this client sends to if options.stays_with_node.
  uint32_t preferred_node_ = 0;
  // The token. Empty: no session.
  std::string session_;
  bool opening_session_ = false;
  uint64_t next_sequence_ = 1;
  env::Pending tick_;
  env::Pending sweep_;
  env::Pending bury_;
  std::map<OperationId, env::Pending> delayed_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_H_
