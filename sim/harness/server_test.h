// sim/harness/server_test.h: what a simulation needs of a user's server: how
// one starts on a node, what clients ask, and a model of the answers.
//
// The server may have a raft::Host, or a protocol of its own.
#ifndef QUORATE_SIM_HARNESS_SERVER_TEST_H_
#define QUORATE_SIM_HARNESS_SERVER_TEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/outcome.h"
#include "env/random.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "raft/host/host.h"
#include "raft/service/members.h"

namespace quorate::sim {

class ServerTest {
 public:
  // The options of a server.
  struct Node {
    // For a server with a raft::Host. Complete: identity, peers, one group (id
    // 1) of which all nodes are voters, small snapshots. `bootstrap` is true
    // until a start succeeded. If members change, `admit` is there, and late
    // nodes and those with a lost disk have `join`.
    raft::HostOptions host;
    std::string client_address;  // Where it listens for clients.
    NodeId id;                   // From 1 on.
    // Where it listens for other nodes, with env::Streams or env::Transport.
    // With a raft::Host, the host does so.
    std::string address;
    std::vector<env::PeerAddress> peers;  // The other nodes.
  };
  struct Server {
    std::shared_ptr<void> program;  // A crash destroys it.
    // A part of the program, whose replicas are checked. Null: the server has
    // no consensus, or its own.
    const raft::Host* host = nullptr;
    // A part of the program, to which an operator passes commands about the
    // members of group 1 (ServerSubjectOptions::members). Null: members stay.
    raft::Members* members = nullptr;
  };
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // One request of a client, which has one at a time.
  struct Request {
    std::string bytes;
    // Function and arguments, as the model knows them. Each object has a state
    // of its own. The client is filled in.
    lincheck::Operation operation;
    std::string object = "state";
    // The client sends it again when its outcome is unknown: a second execution
    // is harmless, or the server recognizes it.
    bool repeatable = false;
    // The payload of the entry that the server proposes for it, if no other
    // request has this payload. Then the log shows what became of a request of
    // unknown outcome: if it was executed, it ends without a result
    // (lincheck::Value::is_none). Otherwise it may take effect at any time, and
    // the search for an order takes longer. Without a raft::Host it has no
    // effect.
    std::string entry = "";
  };
  struct Reply {
    // kNotExecuted: the client sends the request again, to another node.
    // kUnknown: it does so if the request is repeatable.
    Outcome outcome = Outcome::kUnknown;
    lincheck::Value result = {};  // For kDone, as the model knows it.
  };

  virtual ~ServerTest() = default;
  // Starts the server of a node on a machine. The server calls `started` once,
  // and `stopped` when it acknowledges no request any more. Both errors must
  // come from faults of the disk. `env` outlives the program.
  virtual Server Start(env::Env& env, const Node& node, Done started,
                       Done stopped) = 0;
  // The next request of a client; clients count from 1. Strings of the
  // operation are made with `values`. Each call has a `random` of its own.
  // Draws at one site differ by their last two arguments, so a single draw may
  // have zeros there.
  virtual Request Draw(uint32_t client, const Random& random,
                       lincheck::History& values) = 0;
  // The reply to a request: `bytes` are all that came on the connection since
  // the request was sent. Empty: the reply is not complete.
  virtual std::optional<Reply> ReadReply(const Request& request,
                                         std::string_view bytes,
                                         lincheck::History& values) = 0;
  virtual const lincheck::Model& model() const = 0;

  // A node whose server has started.
  struct Running {
    NodeId node;
    const void* program = nullptr;     // Server::program.
    const raft::Host* host = nullptr;  // Server::host.
  };
  enum class Moment : uint8_t {
    kTurn,  // After a turn of a node.
    kEnd,   // At the end: faults are over, and replicas agree.
  };
  // A checker of one's own. Called after each turn of a node, and once at the
  // end, with the servers that have started, by node. Returns a violation in
  // words, or an empty string. The first violation ends the run.
  virtual std::string Check(Moment moment, absl::Span<const Running> servers) {
    (void)moment;
    (void)servers;
    return "";
  }
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_SERVER_TEST_H_
