// node/server.h: one node: hosts its groups, routes commands to their leaders,
// answers RESP and HTTP clients.
//
// It is built from an env::Env and a Config alone, so the same object runs in
// the simulator and in production. Lifecycle: MakeServer, Start once, Stop
// once. Stop is optional: for disk and peers, destroying a Server is a crash.
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
#include "shardctrl/map.h"

namespace quorate::kv {
class Store;
}  // namespace quorate::kv

namespace quorate::node {

class Metrics;

// The resources of a node that its configuration bounds, as used now.
struct ResourceUse {
  // Client connections, without those that are being refused.
  uint64_t connections = 0;
  uint64_t reply_bytes = 0;    // Replies that clients have not received.
  uint64_t request_bytes = 0;  // Requests that are not handled yet.
  uint64_t peer_bytes = 0;     // Requests and answers between nodes that wait.
  // The group with most of each: requests that wait for a leader or for room,
  // their bytes, and entries without an answer.
  uint64_t waiting_requests = 0;
  uint64_t waiting_bytes = 0;
  uint64_t entries_in_flight = 0;
  uint64_t log_memory_bytes = 0;  // Entries of the log in memory.
  // Those of them that are not applied. Counted only while the entries in
  // memory exceed snapshot.log_memory_bytes.
  uint64_t unapplied_bytes = 0;
  // The groups that have committed more than CoreOptions::unapplied_bytes_max
  // and not applied it, each with its bytes.
  std::vector<std::pair<GroupId, uint64_t>> apply_backlogs;
  // Committed entries of all groups that are not applied.
  uint64_t apply_backlog_bytes = 0;
  uint64_t unwritten_bytes = 0;  // Entries that the disk has not written.
  // Received chunks of snapshots that the disk has not written; and chunks and
  // entries that are being read for followers.
  uint64_t staged_bytes = 0;
  uint64_t follower_read_bytes = 0;
  // The rooms for bytes of entries and chunks that are closed now.
  std::vector<raft::Host::ClosedRoom> closed_rooms;
  // Entries that are kept because followers lack them, and snapshots that are
  // kept to be sent though newer ones replaced them.
  uint64_t retained_bytes = 0;
  uint64_t kept_snapshots = 0;
  // The next three are counted only while one of those two is above zero.
  uint64_t snapshot_bytes = 0;  // The newest snapshots.
  // A follower lacks entries before the newest snapshot of its group.
  bool follower_lags = false;
  uint64_t groups_in_transfer = 0;  // A snapshot of these groups is being sent.
  // Keys, values and sessions: as the budget of memory counts them, and as the
  // stores do. The second number lacks the replicas that stopped.
  uint64_t memory_bytes = 0;
  uint64_t stores_bytes = 0;
  bool any_stopped = false;         // A replica does not work.
  uint64_t key_bytes = 0;           // Those of the stores without sessions.
  uint64_t memory_limit_bytes = 0;  // Zero: there is none.
  // Whether this node leads each group that it holds, and has applied an entry
  // of its own in each. Counted only with a limit.
  bool leads_all = false;
  // The most bytes above the limit of memory at which a write was begun.
  uint64_t store_bytes_above_limit = 0;
  // The most work of one step of a turn since the start: for requests, and of
  // entries that were applied (node/base/turn_work.h, kv/store/work.h).
  uint64_t longest_turn_work = 0;
  uint64_t longest_apply_work = 0;
};

class Server {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // The longest time for which a node dials one of the addresses that it knows
  // of another one (node/cluster/peer_dialer.h).
  static constexpr Duration kDialPatience = Seconds(2);

  virtual ~Server() = default;

  // Recovers from disk, listens for peers, then for clients. `started` is
  // called once, in a later turn, with OK or with an error that names the
  // remedy. The error is of the directory, the disk or an address. After an
  // error the server does not listen.
  virtual void Start(Done started) = 0;

  // Transfers its leaderships to other voters where possible, and serves every
  // client meanwhile. Gives that up after the greatest election timeout. Then
  // accepts no further connection, and answers further requests as not
  // executed. Answers the outstanding ones until timeouts.stop has passed. Then
  // ends the log in good order, if the disk does so within a second, closes the
  // connections, and calls `stopped`. Destroy the Server after that.
  virtual void Stop(Done stopped) = 0;

  // OK, or the reason why this node has stopped acknowledging (a failed or full
  // disk).
  virtual absl::Status status() const = 0;

  // ---- For checkers, status pages and tests.
  virtual raft::Host& host() = 0;
  virtual const raft::Host& host() const = 0;
  // Null if this node holds no replica of the group, or if the group is no
  // store.
  virtual const kv::Store* store(GroupId group) const = 0;
  // The leader to which this node sends the commands of the group. Zero: it
  // knows none.
  virtual NodeId LeaderOf(GroupId group) const = 0;
  virtual const Metrics& metrics() const = 0;
  // Cheap enough to be called after every turn.
  virtual ResourceUse resources() const = 0;
  // The text of GET /metrics.
  virtual std::string MetricsText() const = 0;
  // Whether a request waits, an entry is under way, or a reply is unsent.
  virtual bool HasOpenWork() const = 0;
  // The bound address; empty before Start has succeeded.
  virtual std::string resp_address() const = 0;
  virtual std::string resp_cluster_address() const = 0;
  virtual std::string http_address() const = 0;
  virtual std::string admin_address() const = 0;
  // Connections of clients, and of other nodes that forward commands.
  virtual size_t open_connections() const = 0;
  // CHECKs the invariants that hold between turns: those of each replica's
  // core, and that no connection waits for an event that cannot come. Linear in
  // the numbers of connections and replicas.
  virtual void CheckInvariants() const = 0;
};

// `env` must outlive the server. `observer`, if not null, receives every call
// of the host's observer. Requires: `config` came from ParseConfig or passed
// CompleteConfig.
std::unique_ptr<Server> MakeServer(env::Env& env, Config config,
                                   raft::Host::Observer* observer = nullptr);

}  // namespace quorate::node

#endif  // QUORATE_NODE_SERVER_H_
