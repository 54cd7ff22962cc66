// One of several processes that serve the bank: bank_main --help
#include <memory>
#include <string>
#include <utility>

#include "bank_server.h"
#include "net/service/node_main.h"

int main(int argc, char** argv) {
  return quorate::net::NodeMain(
      argc, argv, "bank", quorate::ClusterId(9),
      // The addresses in `host` are all that a server without a host needs.
      [](quorate::env::Env& env, quorate::raft::HostOptions host,
         std::string clients, quorate::net::Done started,
         quorate::net::Done stopped) {
        return std::make_shared<BankServer>(
            env,
            BankOptions{.node = host.node,
                        .address = host.listen_address,
                        .peers = host.peers,
                        .client_address = std::move(clients)},
            std::move(started), std::move(stopped));
      });
}
