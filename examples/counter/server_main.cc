// counter_server: one node of a replicated counter, over a real disk and real
// sockets.
//
// It prints "ready" when it listens. SIGTERM ends it at once: every
// acknowledged command is on the disks of a majority, so no write is needed at
// the end.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "examples/counter/server.h"
#include "net/real_env.h"

namespace quorate::examples {
namespace {

struct Arguments {
  uint16_t node = 0;
  std::vector<std::string> peers;
  std::string clients;
  std::string directory;
  bool bootstrap = false;
  bool join = false;
  bool exit_with_parent = false;
};

int Run(const Arguments& arguments) {
  auto real = net::RealEnv::Create(
      {.data_directory = arguments.directory, .name = "counter"});
  if (!real.ok()) {
    std::fprintf(stderr, "%s\n", std::string(real.status().message()).c_str());
    return 1;
  }
  net::EventLoop& loop = (*real)->loop();
  int exit_status = 0;
  const auto fail = [&](const absl::Status& why) {
    std::fprintf(stderr, "%s\n", std::string(why.message()).c_str());
    exit_status = 1;
    loop.Stop();
  };

  CounterServer::Options options;
  // Any number may be chosen: nodes of different clusters refuse each other.
  options.cluster = ClusterId(0xC0047E7);
  options.node = NodeId(arguments.node);
  for (const std::string& address : arguments.peers) {
    const auto id = static_cast<uint16_t>(options.nodes.size() + 1);
    options.nodes.push_back({NodeId(id), address});
  }
  options.client_address = arguments.clients;
  options.bootstrap = arguments.bootstrap;
  options.join = arguments.join;
  CounterServer server((*real)->env(), options, fail);
  loop.OnSignals({SIGTERM, SIGINT}, [&](int) { loop.Stop(); });
  server.Start([&](absl::Status started) {
    if (!started.ok()) return fail(started);
    std::puts("ready");
    std::fflush(stdout);
  });
  loop.Run();
  return exit_status;
}

}  // namespace
}  // namespace quorate::examples

int main(int argc, char** argv) {
  quorate::examples::Arguments arguments;
  CLI::App app("counter_server: one node of a replicated counter.");
  app.add_option("--node", arguments.node,
                 "Position of this node in --peers, from 1")
      ->required();
  app.add_option(
         "--peers", arguments.peers,
         "Addresses between nodes, one for each node: host:port,host:port,…")
      ->delimiter(',')
      ->required();
  app.add_option("--clients", arguments.clients,
                 "Address of this node for clients: host:port")
      ->required();
  app.add_option("--data-dir", arguments.directory, "Directory of the log")
      ->required();
  app.add_flag("--bootstrap", arguments.bootstrap,
               "Create a new store of a new cluster; for the first start only");
  app.add_flag("--join", arguments.join,
               "Create a new store if the directory is empty, and join the "
               "cluster of the other nodes")
      ->excludes("--bootstrap");
  app.add_flag("--exit-with-parent", arguments.exit_with_parent,
               "End when the process that started this one ends");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (arguments.node < 1 || arguments.node > arguments.peers.size()) {
    std::fprintf(stderr, "--node is a number from 1 to %zu\n",
                 arguments.peers.size());
    return 2;
  }
  if (arguments.exit_with_parent) {
    const pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have ended before that call.
    if (getppid() != parent) return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  return quorate::examples::Run(arguments);
}
