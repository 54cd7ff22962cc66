#include "net/service/node_main.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "env/program/program.h"
#include "net/event_loop/stop_signals.h"
#include "net/real_env.h"

namespace quorate::net {
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

constexpr GroupId kGroup(1);

raft::HostOptions HostOptionsOf(const Arguments& arguments, ClusterId cluster) {
  raft::HostOptions host;
  host.cluster = cluster;
  host.node = NodeId(arguments.node);
  host.bootstrap = arguments.bootstrap;
  // Once there is a cluster, the list of nodes says where they are, no more.
  host.accept_plan = [](const raft::BootstrapPlan&) {
    return absl::OkStatus();
  };
  host.lost_directory_advice =
      "A node whose directory was lost comes back with --join";
  raft::GroupPlan group = {.group = kGroup};
  if (arguments.join) host.join.emplace();
  for (const std::string& address : arguments.peers) {
    const NodeId node(group.voters.size() + 1);
    group.voters.push_back(node);
    if (node == host.node) {
      host.listen_address = address;
      continue;
    }
    host.peers.push_back({node, address});
    if (host.join.has_value()) host.join->seeds.push_back(address);
  }
  host.plan.groups.push_back(std::move(group));
  return host;
}

int Run(const Arguments& arguments, const std::string& name, ClusterId cluster,
        const StartServer& start) {
  auto real =
      RealEnv::Create({.data_directory = arguments.directory, .name = name});
  if (!real.ok()) {
    std::fprintf(stderr, "%s\n", std::string(real.status().message()).c_str());
    return 1;
  }
  EventLoop& loop = (*real)->loop();
  int exit_status = 0;
  const auto fail = [&](const absl::Status& why) {
    std::fprintf(stderr, "%s\n", std::string(why.message()).c_str());
    exit_status = 1;
    loop.Stop();
  };
  loop.OnSignals(StopSignals(), [&](int) { loop.Stop(); });
  const std::shared_ptr<void> server = start(
      (*real)->env(), HostOptionsOf(arguments, cluster), arguments.clients,
      [&](const absl::Status& started) {
        if (!started.ok()) return fail(started);
        std::puts("ready");
        std::fflush(stdout);
      },
      fail);
  loop.Run();
  return exit_status;
}

int Main(int argc, char** argv, const std::string& name, ClusterId cluster,
         const StartServer& start) {
  Arguments arguments;
  CLI::App app(name + ": one node of a replicated server.");
  app.set_version_flag("--version", VersionText(argv[0]));
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
  return Run(arguments, name, cluster, start);
}

}  // namespace

int NodeMain(int argc, char** argv, const std::string& name, ClusterId cluster,
             const StartServer& start) {
  return RunProgram(argc, argv,
                    [&] { return Main(argc, argv, name, cluster, start); });
}

}  // namespace quorate::net
