// sim/workload/client.h: a simulated client: a program on a machine of its own
// that speaks RESP over byte streams.
//
// Each operation is one choice of the world: the random bits from which its
// key, command and arguments are drawn. So a tape has a line for each
// operation, and removing one leaves the others unchanged. A read that follows
// a write belongs to the write.
//
// The client pipelines, follows MOVED, reconnects after resets, and records
// every call with its outcome. It retries commands that were not executed.
// Commands of unknown outcome are retried only with a session.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_H_

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
#include "sim/checks/recorder.h"
#include "sim/choices/choices.h"
#include "sim/protocol/dialogue.h"
#include "sim/protocol/reply.h"
#include "sim/workload/client_habits.h"
#include "sim/workload/client_link.h"
#include "sim/workload/client_router.h"
#include "sim/workload/operation.h"
#include "sim/workload/operation_generator.h"
#include "sim/workload/workload_session.h"

namespace quorate::sim {

struct WorkloadClientOptions {
  uint32_t id = 0;
  // Addresses by node, for plain clients and for cluster clients.
  std::vector<std::string> servers;
  std::vector<std::string> cluster_servers;
  ClientHabits habits;
  Duration interval = Milliseconds(100);  // Between two operations, on average.
  uint32_t burst_max = 4;  // Operations issued at once, pipelined.
  OperationOptions operations;
  // The time in which a new session can be used in a new slot.
  Duration session_open_window = kv::SessionRules().open_window;
  // An operation without a session is given up after this time.
  Duration operation_timeout = Seconds(5);
  // A connection is given up if a reply is overdue by this time.
  Duration reply_timeout = Seconds(5);
};

// A client that vanishes in the middle of a request. It connects, writes the
// first bytes, waits a little, and closes the connection. A server must not
// execute any part of the request.
class HalfRequest final : Dialogue {
 public:
  // `bytes` are the beginning of a request. After `stay` from now on nothing
  // happens any more.
  HalfRequest(env::Env& env, const std::string& server, std::string bytes,
              Duration stay)
      : Dialogue(env) {
    Open(server, Protocol::kNone, std::move(bytes));
    vanishing_ =
        env.loop.At(env.loop.ReadClock().mono + stay, [this] { Close(); });
  }

 private:
  void OnEnd() override {}  // The client stays.

  env::Pending vanishing_;
};

class WorkloadClient final : public ClientLink::Owner {
 public:
  // The state that survives a crash of the client's process, as a file would.
  class Note;

  // `choices` and `recorder` outlive the client. `note` is that of the life
  // before. Null: there was none.
  WorkloadClient(env::Env& env, const WorkloadClientOptions& options,
                 Choices* choices, Recorder* recorder,
                 std::unique_ptr<Note> note = nullptr);
  ~WorkloadClient();
  WorkloadClient(const WorkloadClient&) = delete;
  WorkloadClient& operator=(const WorkloadClient&) = delete;

  // `hook` is called with each operation when it is sent for the first time.
  void SetSendHook(SendHook hook) { send_hook_ = std::move(hook); }
  // Issues no further operation. Those that wait are still sent.
  void StopIssuing() { issuing_ = false; }
  // Reads every key of `keys` from its leader, and retries until it succeeds.
  void ReadAll(const std::vector<std::string>& keys);
  // Adds to the number at every key of `keys`, and retries until it is
  // acknowledged.
  void AddToEach(const std::vector<std::string>& keys);
  // The process is about to be killed. Returns its note. The recorder learns
  // how the operations end that the note does not have. Requires: the client
  // issues operations.
  std::unique_ptr<Note> Die();
  // Whether the client reads nothing from some connection on purpose.
  bool reads_late() const;
  // Whether no operation is open or waits.
  bool idle() const {
    return operations_.empty() && held_.empty() && waiting_.empty();
  }
  // The open operations, for people.
  std::string Describe() const;

 private:
  using OperationId = ClientLink::RequestId;

  // An operation that has not ended.
  struct Operation : ClientOperation {
    uint64_t attempts = 0;   // How often it was sent.
    bool in_flight = false;  // It counts in in_flight_.
    MonoTime sent_at;        // Its last attempt, if it is in flight.
    Recorder::Ticket ticket = 0;
    bool recorded = false;  // False for stale reads and requests for a session.
    std::shared_ptr<WorkloadSession> session;  // Null: none.
    StaleReadChecker::Sent sent;               // If it is a stale read.
    bool maybe_done = false;  // An earlier try may have taken effect.
    MonoTime deadline;
    uint32_t node = 0;        // The node tried last.
    uint64_t connection = 0;  // The link with it.
    // The node that the last MOVED named. The next attempt goes there.
    std::optional<uint32_t> moved_to;
    std::vector<ClientReply> replies;
    size_t replies_expected = 1;
  };

  // ---- Issuing.
  void Tick();
  void Issue();
  // Does what a client should not do, by its habits.
  void Misbehave();
  void SendHalfRequest();
  // Sends operations again whose back-off is over, and begins those that wait,
  // as far as there is room.
  void Release();
  void ReleaseSoon();
  // The operation has a reply, or will not have one on this connection.
  // If it was lost, its outcome is unknown, so the servers may be overloaded. A
  // refusal says nothing about that: a node that does not lead answers at once.
  enum class Landing : uint8_t { kServed, kRefused, kLost };
  void Landed(Operation* operation, Landing landing);
  // Whether the last attempt was handed to an open connection. Requires: it is
  // in flight.
  bool WasWritten(OperationId id, const Operation& operation) const;
  // A session with room. Null: there is none yet.
  std::shared_ptr<WorkloadSession> PickSession();
  void OpenSession();
  OperationId Begin(ClientOperation what,
                    std::shared_ptr<WorkloadSession> session = nullptr);
  OperationId Register(ClientOperation what,
                       std::shared_ptr<WorkloadSession> session);

  // ---- Sending.
  void Send(OperationId id);
  void HalfCloseLinks();
  const std::string& AddressOf(const Operation& operation) const;
  void SendLater(OperationId id, Duration delay);

  // ---- Replies.
  void OnLinkReply(OperationId id, ClientReply reply, bool* done) override;
  void OnLinkBroken(OperationId id) override;
  void OnLinkRefused(OperationId id) override;
  void OnLinkMalformed(std::string_view server) override;
  void OnLinkClosed(ClientLink* link) override;
  void Finish(OperationId id, const ClientReply& reply);
  void Succeed(Operation& operation, const ClientReply& reply);
  // Whether the client reads the key of the operation, which has succeeded.
  bool ReadsBack(const Operation& operation) const;
  // Reads it at any node but, in most cases, that of the write.
  void ReadBack(const Operation& write);
  void OnError(OperationId id, const ClientReply& reply);
  void OnMoved(OperationId id, const ClientReply& reply);
  // The request was not executed. Sends it again, perhaps to another node,
  // until the deadline.
  void TryAgain(OperationId id, Duration delay);
  void GiveUp(OperationId id);
  // The operation has ended.
  void Erase(OperationId id);
  void ArmSweep();
  void Sweep();
  // A random wait before the next attempt. Its bound doubles with each attempt,
  // up to kBackoffMax.
  static Duration Backoff(const Operation& operation, int64_t least_ms,
                          int64_t spread_ms);

  env::Env& env_;
  const WorkloadClientOptions options_;
  Choices* const choices_;
  Recorder* const recorder_;
  OperationGenerator generator_;
  ClientRouter router_;
  SendHook send_hook_;
  uint32_t links_made_ = 0;
  bool issuing_ = true;
  uint64_t ticks_ = 0;
  uint64_t numbers_ = 0;  // Operations that it could have issued so far.
  uint64_t sessions_asked_ = 0;
  OperationId next_operation_ = 1;
  std::map<OperationId, Operation> operations_;
  // Keyed by node and greeting.
  std::map<std::pair<uint32_t, std::string>, std::unique_ptr<ClientLink>>
      links_;
  // Half-closed. The server replies to their requests, then closes them.
  std::vector<std::pair<uint32_t, std::unique_ptr<ClientLink>>> ending_;
  // They are destroyed at the end of the turn.
  std::vector<std::unique_ptr<ClientLink>> dropped_;
  std::vector<std::shared_ptr<WorkloadSession>> sessions_;
  bool opening_session_ = false;
  // Operations that wait for room in a session, in order.
  std::deque<ClientOperation> held_;
  // Other operations that wait until fewer are in flight, in order.
  std::deque<ClientOperation> waiting_;
  // Operations that shall be sent again, oldest first.
  std::set<OperationId> ready_;
  // Operations that wait for a reply, and their greatest number. It halves with
  // a lost or late reply, and grows by one with each other reply. So a client
  // does not overload servers for long.
  uint64_t in_flight_ = 0;
  uint64_t in_flight_max_ = 16;
  MonoTime may_shrink_at_ = MonoTime::Min();
  env::Pending tick_;
  env::Pending release_;
  std::unique_ptr<HalfRequest> half_request_;
  env::Pending sweep_;
  bool sweep_armed_ = false;
  env::Pending destroy_dropped_;
  std::map<OperationId, env::Pending> delayed_;
};

class WorkloadClient::Note {
 private:
  friend class WorkloadClient;

  uint64_t ticks_ = 0;
  uint64_t numbers_ = 0;
  uint64_t sessions_asked_ = 0;
  uint32_t links_made_ = 0;
  std::vector<std::shared_ptr<WorkloadSession>> sessions_;
  std::vector<Operation> operations_;
  // Those that no process has sent. Every memory has them.
  std::deque<ClientOperation> held_;
  std::deque<ClientOperation> waiting_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_H_
