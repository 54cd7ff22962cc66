// counter_server: one node of a replicated counter, over a real disk and real
// sockets.
#include <memory>
#include <utility>

#include "examples/counter/server.h"
#include "net/service/node_main.h"

int main(int argc, char** argv) {
  using quorate::examples::CounterServer;
  return quorate::net::NodeMain(
      argc, argv, "counter_server", quorate::ClusterId(0xC0047E7),
      [](quorate::env::Env& env, quorate::raft::HostOptions host,
         std::string client_address, quorate::net::Done started,
         quorate::net::Done stopped) {
        auto server = std::make_shared<CounterServer>(env, std::move(host),
                                                      std::move(client_address),
                                                      std::move(stopped));
        server->Start(std::move(started));
        return server;
      });
}
