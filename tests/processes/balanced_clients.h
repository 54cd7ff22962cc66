// tests/processes/balanced_clients.h: clients in threads that reach the nodes
// of a cluster through a load balancer, and check every answer.
#ifndef QUORATE_TESTS_PROCESSES_BALANCED_CLIENTS_H_
#define QUORATE_TESTS_PROCESSES_BALANCED_CLIENTS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "env/time.h"
#include "kv/client/resp_reply.h"
#include "net/tools/resp_client.h"

namespace quorate::tests {

// An answer that a client did not get, or an error in its place.
struct ClientError {
  int client = 0;
  MonoTime begun;     // When the command was sent.
  std::string node;   // RESP: the port of the client's node, if known.
  bool lost = false;  // RESP: the connection failed.
  std::string text;
};

struct BalancedClientsOptions {
  std::string resp;
  std::string http;
  int lasting = 6;       // RESP clients that keep their connections.
  int changing = 3;      // RESP clients with a new connection every few rounds.
  int http_clients = 2;  // Each request has a connection of its own.
};

// A RESP client writes, reads and deletes keys of many slots at once; an HTTP
// client writes and reads one key. Keys belong to one client each, so it knows
// every right answer. After an error the client goes on with other keys,
// because the outcome of the command is unknown.
class BalancedClients {
 public:
  explicit BalancedClients(const BalancedClientsOptions& options);
  ~BalancedClients();
  BalancedClients(const BalancedClients&) = delete;
  BalancedClients& operator=(const BalancedClients&) = delete;

  void Stop();
  // Every RESP client connects again after its round.
  void ConnectAgain() { ++connection_round_; }
  // Waits until every client has completed this many rounds more. False: not
  // within a minute.
  bool AwaitRounds(uint64_t rounds);
  // The number of RESP clients of each node, by the node's port.
  std::map<std::string, int> ClientsOfNodes() const;
  // The errors since the last call.
  std::vector<ClientError> TakeErrors();
  // The first wrong answer; empty: none.
  std::string wrong() const;

 private:
  class RespLoad;
  class HttpLoad;
  struct Client {
    std::atomic<uint64_t> rounds = 0;
    std::string node;  // Guarded by mutex_.
  };

  void Report(ClientError error);
  void ReportWrong(const std::string& text);

  const BalancedClientsOptions options_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> connection_round_ = 0;
  std::vector<std::unique_ptr<Client>> clients_;
  mutable std::mutex mutex_;
  std::vector<ClientError> errors_;  // Guarded by mutex_.
  std::string wrong_;                // Guarded by mutex_.
  std::vector<std::thread> threads_;
};

}  // namespace quorate::tests

#endif  // QUORATE_TESTS_PROCESSES_BALANCED_CLIENTS_H_
