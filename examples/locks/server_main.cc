// lock_server: one node of a replicated lock service, over a real disk and real
// sockets.
#include <memory>
#include <utility>

#include "examples/locks/server.h"
#include "net/service/node_main.h"

int main(int argc, char** argv) {
  using quorate::examples::LockServer;
  return quorate::net::NodeMain(
      argc, argv, "lock_server", quorate::ClusterId(0x10C45),
      [](quorate::env::Env& env, quorate::raft::HostOptions host,
         std::string client_address, quorate::net::Done started,
         quorate::net::Done stopped) {
        auto server = std::make_shared<LockServer>(env, std::move(host),
                                                   std::move(client_address),
                                                   std::move(stopped));
        server->Start(std::move(started));
        return server;
      });
}
