// examples/counter/server.h: a replicated counter as a server: one replica, and
// a line protocol for clients. It uses env:: only, so it runs over sockets and
// disks as well as in the simulator.
//
//   add N   ->  ok SUM
//   sum     ->  ok SUM                 linearizable
//   any     ->  not executed: REASON   it may be sent again, to any node
//   any     ->  unknown: REASON        it was perhaps executed, or will be
//
// Commands about the members of the group: examples/counter/members.h.
// A connection's requests are answered one after the other.
#ifndef QUORATE_EXAMPLES_COUNTER_SERVER_H_
#define QUORATE_EXAMPLES_COUNTER_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "examples/counter/members.h"
#include "raft/host/host.h"

namespace quorate::examples {

class CounterServer final : public raft::Host::Observer {
 public:
  struct Options {
    ClusterId cluster;
    NodeId node;
    // Addresses for messages between nodes, this node included, in the order of
    // ids.
    std::vector<env::PeerAddress> nodes;
    std::string client_address;
    // Creates a new store in an empty directory: for a new cluster of all
    // nodes, or for the cluster of the other nodes.
    bool bootstrap = false;
    bool join = false;
  };
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `stopped` is called when the disk failed: from then on the node
  // acknowledges no request. The callback must not destroy the server.
  CounterServer(env::Env& env, const Options& options, Done stopped);
  ~CounterServer();
  CounterServer(const CounterServer&) = delete;
  CounterServer& operator=(const CounterServer&) = delete;

  // Recovers the store, connects to the other nodes and listens for clients.
  // `started` is called once.
  void Start(Done started);

 private:
  class Session;

  // Executes one request. The reply is sent to session `id`, if it still
  // exists.
  void Handle(uint64_t id, std::string_view line);
  void Add(uint64_t id, std::string_view number);
  void Sum(uint64_t id);
  void Reply(uint64_t id, const std::string& line);
  std::string LeaderHint() const;

  void OnStopped(const absl::Status& why) override { stopped_(why); }

  env::Env& env_;
  const std::string client_address_;
  Done stopped_;
  uint64_t next_session_ = 1;
  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::unique_ptr<env::Listener> listener_;
  // Destroyed first: its callbacks use the sessions.
  raft::Host host_;
  Members members_;
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_SERVER_H_
