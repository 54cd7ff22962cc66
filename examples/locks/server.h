// examples/locks/server.h: locks as a server: one replica, and lines for
// clients. It uses env:: only, so it runs over sockets and disks as well as in
// the simulator.
//
// A request is a command of examples/locks/protocol.h. Beside its answers, a
// reply may be
//
//   not executed: REASON   it may be sent again, to any node
//   unknown: REASON        it was perhaps executed: `get` tells
//
// Commands about the members of the group: raft/service/members.h.
#ifndef QUORATE_EXAMPLES_LOCKS_SERVER_H_
#define QUORATE_EXAMPLES_LOCKS_SERVER_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "examples/locks/protocol.h"
#include "raft/host/host.h"
#include "raft/service/line_server.h"
#include "raft/service/members.h"

namespace quorate::examples {

class LockServer final : public raft::Host::Observer {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `host` has one group, 1. `stopped` is called when the disk failed: from
  // then on the node acknowledges no request. The callback must not destroy the
  // server.
  LockServer(env::Env& env, raft::HostOptions host, std::string client_address,
             Done stopped);
  LockServer(const LockServer&) = delete;
  LockServer& operator=(const LockServer&) = delete;

  // Recovers the store, connects to the other nodes and listens for clients.
  // `started` is called once.
  void Start(Done started);
  const raft::Host& host() const { return host_; }
  raft::Members& members() { return members_; }

 private:
  using Reply = raft::LineServer::Reply;

  void Handle(const std::string& line, Reply reply);
  void Propose(const std::string& line, Reply reply);
  void Get(const std::string& line, const std::string& lock, Reply reply);

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

#endif  // QUORATE_EXAMPLES_LOCKS_SERVER_H_
