// node/server.h: one node: hosts its groups, routes commands to their leaders,
// answers RESP and HTTP clients.
//
// Assembled from an env::Env and a Config alone, so that the same object runs
// in the simulator and in production. Lifecycle: MakeServer, Start once, Stop
// once (optional: destroying a Server is a crash as far as disk and peers can
// tell).
#ifndef QUORATE_NODE_SERVER_H_
#define QUORATE_NODE_SERVER_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "env/ids.h"
#include "node/config/config.h"
#include "raft/host/host.h"

namespace quorate::kv {
class Store;
}  // namespace quorate::kv

namespace quorate::node {

class Metrics;

class Server {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  virtual ~Server() = default;

  // Recovers from disk, listens for peers, then for clients. `started` is
  // called once, in a later turn: OK, or what is wrong with directory, disk or
  // an address, in words that say what to do. Nothing listens after an error.
  virtual void Start(Done started) = 0;

  // Accepts no further connection and reads no further request, hands
  // leadership over where another voter can take it, and calls `stopped` once
  // the requests in flight are answered or timeouts.stop has passed. Destroy
  // the Server after that.
  virtual void Stop(Done stopped) = 0;

  // OK, or why this node has stopped acknowledging (a failed or full disk).
  virtual absl::Status status() const = 0;

  // ---- For judges, status pages and tests.
  virtual raft::Host& host() = 0;
  virtual const raft::Host& host() const = 0;
  // Null if this node holds no replica of the group.
  virtual const kv::Store* store(GroupId group) const = 0;
  virtual const Metrics& metrics() const = 0;
  // The text of GET /metrics.
  virtual std::string MetricsText() const = 0;
  // What this node's CLUSTER answers say: the group's master (zero: none), and
  // whether a node is flagged as failed.
  virtual NodeId ListedLeader(GroupId group) = 0;
  virtual bool ListedAsFailed(NodeId node) = 0;
  // Actually bound; empty before Start has succeeded.
  virtual std::string resp_address() const = 0;
  virtual std::string resp_cluster_address() const = 0;
  virtual std::string http_address() const = 0;
  // Of clients, and of peers that pass commands on.
  virtual size_t open_connections() const = 0;
  // CHECKs what holds between turns: no connection waits for an event that
  // cannot come. Linear in the number of connections.
  virtual void CheckInvariants() const = 0;
};

// `env` must outlive the server. `observer`, if not null, is told everything
// that the host tells its observer. Requires: `config` came from ParseConfig or
// passed CompleteConfig.
std::unique_ptr<Server> MakeServer(env::Env& env, const Config& config,
                                   raft::Host::Observer* observer = nullptr);

}  // namespace quorate::node

#endif  // QUORATE_NODE_SERVER_H_
