// One of three processes that serve Adder: server_main NODE HOST DIR
//
// NODE is 1, 2 or 3. Nodes listen on ports 17001 to 17003 of HOST for each
// other, and on 7001 to 7003 for clients.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "adder_server.h"
#include "net/real_env.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int node = std::atoi(argv[1]);
  const std::string host = argv[2];

  quorate::raft::HostOptions options;
  options.cluster = quorate::ClusterId(8);
  options.node = quorate::NodeId(node);
  options.bootstrap = !std::filesystem::exists(argv[3]);
  options.plan.groups = {{.group = quorate::GroupId(1)}};
  for (int i = 1; i <= 3; ++i) {
    const std::string address = host + ":" + std::to_string(17000 + i);
    options.plan.groups[0].voters.push_back(quorate::NodeId(i));
    if (i == node) options.listen_address = address;
    if (i != node) options.peers.push_back({quorate::NodeId(i), address});
  }

  auto real = quorate::net::RealEnv::Create({.data_directory = argv[3]});
  if (!real.ok()) return 1;
  quorate::net::EventLoop& loop = (*real)->loop();
  int status = 0;
  const auto fail = [&](const absl::Status& why) {
    std::fprintf(stderr, "%s\n", std::string(why.message()).c_str());
    status = 1;
    loop.Stop();
  };
  AdderServer server((*real)->env(), options,
                     host + ":" + std::to_string(7000 + node), fail);
  server.Start([&](const absl::Status& started) {
    if (!started.ok()) return fail(started);
    std::puts("ready");
    std::fflush(stdout);
  });
  loop.Run();
  return status;
}
