// sim/workload/client.h: a simulated client: a program on a machine of its own
// that speaks RESP through byte streams.
//
// It pipelines, follows MOVED, retries what was certainly not done, retries
// what is unknown only under a session, reconnects after resets, and records
// every call with its outcome. Keys are of four kinds: registers ("r…"), lists
// to append to ("l…"), counters ("n…") and what may expire ("t…"); each value
// written is unique.
#ifndef QUORATE_SIM_WORKLOAD_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_CLIENT_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/env.h"
#include "sim/checks/recorder.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"
#include "sim/workload/client_link.h"

namespace quorate::sim {

struct WorkloadClientOptions {
  uint32_t id = 0;
  // Addresses by node, for plain clients and for cluster clients.
  std::vector<std::string> servers;
  std::vector<std::string> cluster_servers;
  bool cluster = false;                   // Uses the latter, follows MOVED.
  Duration interval = Milliseconds(100);  // Between two operations, on average.
  uint32_t burst_max = 4;  // Operations issued at once, pipelined.
  uint32_t keys = 6;       // Of each kind, at a time.
  uint32_t operations_per_epoch =
      150;  // After so many of its own a client turns to new keys.
  bool sessions =
      false;  // Writes carry a session stamp and are retried when unknown.
  bool stale_reads =
      false;  // Some reads go to any node, as those of a cluster client on a
              // READONLY connection.
  bool expiry = true;  // Uses keys that may expire.
  bool stays = false;  // With one node for whatever it knows no leader of.
  size_t value_bytes_max = 200;
  Ratio large_value{1, 16};
  size_t large_value_bytes = 6000;
  Duration operation_timeout = Seconds(5);
};

class WorkloadClient final : public ClientLink::Owner {
 public:
  // `recorder` outlives the client.
  WorkloadClient(env::Env& env, const WorkloadClientOptions& options,
                 Recorder* recorder);
  ~WorkloadClient();
  WorkloadClient(const WorkloadClient&) = delete;
  WorkloadClient& operator=(const WorkloadClient&) = delete;

  // Begins no further operation.
  void StopIssuing();
  // Reads every key of `keys` from whoever leads, trying until it succeeds.
  void ReadAll(const std::vector<std::string>& keys);
  // Adds to the number at every key of `keys`, each until one try is acknowledged.
  void AddToEach(const std::vector<std::string>& keys);
  // Nothing is open.
  bool idle() const { return operations_.empty(); }
  // What is open, for people.
  std::string Describe() const;

 private:
  using OperationId = ClientLink::RequestId;

  struct Operation {
    ClientCall call;
    std::optional<ExpiryCommand>
        expiry;  // Then `call` has client and key alone.
    Recorder::Ticket ticket = 0;
    bool recorded = false;  // Stale reads and session requests are not.
    bool stale = false;
    bool opens_session = false;
    bool final = false;        // Never given up.
    bool final_write = false;  // If its fate is unknown: another in its place.
    uint8_t variant = 0;       // How the call is put in RESP.
    uint64_t sequence = 0;     // Of the session; 0: none.
    bool maybe_done = false;   // An earlier try may have taken effect.
    MonoTime deadline;
    uint32_t node = 0;  // Tried last.
    std::vector<ClientReply> replies;
    size_t replies_expected = 1;
  };

  // ---- Issuing.
  void Tick();
  void Issue();
  Operation Draw();
  ClientCall DrawCall();
  ExpiryCommand DrawExpiryCommand();
  std::string NewText(bool list);
  static bool IsRead(const Operation& operation);
  OperationId Begin(Operation operation);

  // ---- Sending.
  void Send(OperationId id);
  uint32_t Route(const Operation& operation);
  // A connection to it failed a moment ago.
  bool Suspects(uint32_t node) const;
  // `node` cannot serve, or sends to who cannot: it is none to stay with.
  void LeaveHome(uint32_t node);
  const std::string& AddressOf(const Operation& operation) const;
  std::string Encode(Operation* operation);
  static std::vector<std::string> WordsFor(const Operation& operation);
  void SendLater(OperationId id, Duration delay);

  // ---- Hearing.
  void OnLinkReply(OperationId id, ClientReply reply, bool* done) override;
  void OnLinkBroken(OperationId id) override;
  void OnLinkRefused(OperationId id) override;
  void OnLinkMalformed(std::string_view server) override;
  void OnLinkClosed(ClientLink* link) override;
  void Finish(OperationId id, const ClientReply& reply);
  void Succeed(Operation& operation, const ClientReply& reply);
  void OnError(OperationId id, const ClientReply& reply);
  void OnMoved(OperationId id, const ClientReply& reply);
  // The request was certainly not done: again, perhaps elsewhere, until the
  // deadline.
  void TryAgain(OperationId id, Duration delay);
  void GiveUp(OperationId id);
  Operation FinalWrite(const std::string& key);
  OperationId Register(Operation operation);
  void Sweep();
  Duration Backoff(int64_t least_ms, uint64_t spread_ms) {
    return Milliseconds(
        least_ms + static_cast<int64_t>(Random("client.backoff", spread_ms)));
  }

  uint64_t Random(Site site, uint64_t bound) {
    return env_.random.Below(bound, site, options_.id, draws_++);
  }

  env::Env& env_;
  const WorkloadClientOptions options_;
  Recorder* const recorder_;
  uint64_t draws_ = 0;
  uint32_t links_made_ = 0;
  bool issuing_ = true;
  uint64_t issued_ = 0;
  uint64_t values_ = 0;
  OperationId next_operation_ = 1;
  std::map<OperationId, Operation> operations_;
  std::map<std::pair<uint32_t, bool>, std::unique_ptr<ClientLink>>
      links_;  // By node and READONLY.
  std::vector<std::unique_ptr<ClientLink>>
      dropped_;  // Destroyed at the end of the turn.
  std::map<uint16_t, uint32_t> node_of_slot_;
  std::map<uint32_t, MonoTime> suspected_until_;  // By node.
  uint32_t home_ = 0;                             // The node it stays with.
  std::string session_;                           // Token; empty: none.
  bool opening_session_ = false;
  uint64_t next_sequence_ = 1;
  env::Pending tick_;
  env::Pending sweep_;
  env::Pending bury_;
  std::map<OperationId, env::Pending> delayed_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_CLIENT_H_
