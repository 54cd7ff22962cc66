// examples/counter/server.h: a replicated counter as a server: one replica, and
// a line protocol for clients. It uses env:: only, so it runs over sockets and
// disks as well as in the simulator.
//
//   add N   ->  ok SUM
//   sum     ->  ok SUM                 linearizable
//   any     ->  not executed: REASON   it may be sent again, to any node
//   any     ->  unknown: REASON        it was perhaps executed, or will be
//
// Commands about the members of the group: raft/service/members.h.
// A connection's requests are answered one after the other.
#ifndef QUORATE_EXAMPLES_COUNTER_SERVER_H_
#define QUORATE_EXAMPLES_COUNTER_SERVER_H_

#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "raft/host/host.h"
#include "raft/service/line_server.h"
#include "raft/service/members.h"

namespace quorate::examples {

class CounterServer final : public raft::Host::Observer {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `host` has one group, 1. `stopped` is called when the disk failed: from
  // then on the node acknowledges no request. The callback must not destroy the
  // server.
  CounterServer(env::Env& env, raft::HostOptions host,
                std::string client_address, Done stopped);
  CounterServer(const CounterServer&) = delete;
  CounterServer& operator=(const CounterServer&) = delete;

  // Recovers the store, connects to the other nodes and listens for clients.
  // `started` is called once.
  void Start(Done started);
  const raft::Host& host() const { return host_; }
  raft::Members& members() { return members_; }

 private:
  using Reply = raft::LineServer::Reply;

  void Handle(std::string_view line, Reply reply);
  void Add(std::string_view number, Reply reply);
  void Sum(Reply reply);
  std::string LeaderHint() const;

  void OnStopped(const absl::Status& why) override { stopped_(why); }

  env::Env& env_;
  const std::string client_address_;
  Done stopped_;
  raft::LineServer clients_;
  // Destroyed before the clients, which its callbacks use.
  raft::Host host_;
  raft::Members members_;
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_COUNTER_SERVER_H_
