// net/service/node_main.h: the main function of a server of one node, over
// a real disk and real sockets.
#ifndef QUORATE_NET_SERVICE_NODE_MAIN_H_
#define QUORATE_NET_SERVICE_NODE_MAIN_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "raft/host/host.h"

namespace quorate::net {

// Makes a server and starts it. It calls `started` once, and `stopped` when the
// disk failed: from then on the node acknowledges no request. The callbacks
// must not destroy the server.
using Done = absl::AnyInvocable<void(absl::Status)>;
using StartServer = std::function<std::shared_ptr<void>(
    env::Env& env, raft::HostOptions host, std::string client_address,
    Done started, Done stopped)>;

// Reads the flags, runs the server until a signal, and returns the exit status.
// It prints "ready" when the server has started. SIGTERM, SIGINT and SIGHUP end
// it at once. Every acknowledged command is on the disks of a majority, so no
// write is needed at the end. `name` is that of the program in the log. Nodes
// of different clusters refuse each other.
int NodeMain(int argc, char** argv, const std::string& name, ClusterId cluster,
             const StartServer& start);

}  // namespace quorate::net

#endif  // QUORATE_NET_SERVICE_NODE_MAIN_H_
