// examples/outside/bank_server.h: accounts on several nodes, and transfers
// between them by two-phase commit: a server without consensus, written with
// tasks. Account A is on node 1 + A % nodes, and begins with 100.
//
//   move A B N  ->  ok          N was moved from account A to account B
//                   no          A has less than N
//   show A B    ->  ok X Y      both balances at one time
//   any         ->  not executed: REASON    send it again, to any node
//                   unknown: REASON         perhaps executed
//
// Each node coordinates the requests that it gets (Gray and Lamport, "Consensus
// on Transaction Commit", section 3, with presumed abort):
//   1. It asks the nodes of both accounts. Each locks its account, writes so in
//      its journal, and says yes.
//   2. If both say yes, it writes its decision, and only then answers. A
//      transaction without a decision in the journal is aborted.
//   3. It tells both nodes, until both have written what they were told.
// A node that is not told asks. Until it has the decision, the account is
// locked: the protocol waits for each node that is down.
//
// The journal grows while the server runs, and is made small at each start.
#ifndef QUORATE_EXAMPLES_OUTSIDE_BANK_SERVER_H_
#define QUORATE_EXAMPLES_OUTSIDE_BANK_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bank_journal.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/task/streams.h"
#include "env/task/task.h"
#include "env/task/wait.h"

struct BankOptions {
  quorate::NodeId node;
  std::string address;  // Where it listens for the other nodes.
  std::vector<quorate::env::PeerAddress> peers;
  std::string client_address;
  // See BankJournal.
  quorate::env::Durability durability = quorate::env::Durability::kDurable;
};

class BankServer {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // Reads the journal and listens, then calls `started`. Calls `stopped` when
  // the disk failed. Neither may destroy the server. `env` outlives it.
  BankServer(quorate::env::Env& env, BankOptions options, Done started,
             Done stopped);

 private:
  template <typename T = void>
  using Task = quorate::env::Task<T>;
  using Handler = Task<std::string> (BankServer::*)(std::string line);
  // The change of one account.
  struct Part {
    uint32_t account = 0;
    int64_t delta = 0;
  };
  struct Lock {
    std::string id;  // The transaction that holds it.
    int64_t delta = 0;
    bool ends = false;  // The end is being written.
  };

  Task<> Start(Done started);
  Task<absl::Status> Recover();
  void Replay(const std::string& line);
  // Lines that lead to the present state.
  std::vector<std::string> Snapshot() const;
  Task<> Write();

  Task<> Serve(std::unique_ptr<quorate::env::Acceptor> acceptor,
               Handler handler);
  Task<> Answer(std::unique_ptr<quorate::env::ByteStream> stream,
                Handler handler);
  // The answer of a node; empty: it did not come in time.
  Task<std::string> Ask(quorate::NodeId node, std::string line);
  Task<absl::StatusOr<std::string>> AskOther(std::string address,
                                             std::string line);

  // ---- The node that coordinates.
  Task<std::string> OnRequest(std::string line);
  Task<std::string> Transact(std::vector<Part> parts);
  Task<> Tell(std::string id, std::vector<uint32_t> accounts, bool commits);
  std::string OutcomeOf(const std::string& id) const;

  // ---- The node of an account.
  Task<std::string> OnMessage(std::string line);
  Task<absl::Status> AwaitFree(uint32_t account);
  Task<std::string> Prepare(std::string id, Part part);
  Task<std::string> End(std::string id, uint32_t account, bool commits);
  // Asks about transactions whose end is not known.
  Task<> ResolveDoubts();

  int64_t& Balance(uint32_t account);
  quorate::NodeId OwnerOf(uint32_t account) const;
  void Spawn(Task<> task);

  quorate::env::Env& env_;
  const BankOptions options_;
  Done stopped_;
  BankJournal journal_;
  const std::string start_;  // Differs from start to start.
  uint64_t transactions_ = 0;
  std::set<std::string> active_;  // Not decided yet.
  // Committed, with accounts whose nodes may not know it.
  std::map<std::string, std::vector<uint32_t>> decided_;
  std::map<uint32_t, int64_t> balances_;  // Of this node's accounts.
  std::map<uint32_t, Lock> locks_;
  quorate::env::Signal freed_;  // A lock was removed.
  // Destroyed first: the tasks use the members above.
  quorate::env::Tasks tasks_;
};

#endif  // QUORATE_EXAMPLES_OUTSIDE_BANK_SERVER_H_
