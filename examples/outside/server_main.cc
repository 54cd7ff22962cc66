// One of three processes that serve Adder, or a fourth one that joins them:
// server_main --help
#include <memory>
#include <string>
#include <utility>

#include "adder_server.h"
#include "net/service/node_main.h"

int main(int argc, char** argv) {
  return quorate::net::NodeMain(
      argc, argv, "adder", quorate::ClusterId(8),
      [](quorate::env::Env& env, quorate::raft::HostOptions host,
         std::string clients, quorate::net::Done started,
         quorate::net::Done stopped) {
        auto server = std::make_shared<AdderServer>(
            env, std::move(host), std::move(clients), std::move(stopped));
        server->Start(std::move(started));
        return server;
      });
}
