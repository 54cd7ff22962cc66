// quickstart: a cluster on loopback in one command.
#include "net/tools/quickstart.h"

#include <CLI/CLI.hpp>

#include "env/program/program.h"
#include "net/tools/daemon.h"
#include "net/tools/scale_demo.h"

namespace {

int Main(int argc, char** argv) {
  CLI::App app(
      "quickstart: starts a Quorate cluster on loopback and stops it on "
      "Ctrl-C.\n"
      "Plain clients use the ports from --port on, cluster clients those from "
      "--cluster-port on.\n"
      "A node's port for peers is its port for plain clients plus 10000 (less "
      "10000 where that would exceed 65535).\n"
      "Exit status: 0 after Ctrl-C, 1 if the cluster cannot start, 2 if the "
      "options are wrong or standard output cannot be written.");
  app.set_version_flag("--version", quorate::VersionText(argv[0]));
  quorate::net::QuickstartOptions options;
  app.add_option("--data-dir", options.data_dir,
                 "Directory of all data, which is kept across restarts "
                 "[~/.cache/quorate/quickstart]");
  app.add_option(
         "--port", options.port,
         "Port for plain Redis clients of the first node; further nodes "
         "use the next ports")
      ->capture_default_str();
  app.add_option("--cluster-port", options.cluster_port,
                 "Port for Redis Cluster clients of the first node; further "
                 "nodes use the next ports [--port + 100]");
  app.add_option(
         "--http-port", options.http_port,
         "HTTP port of the first node; further nodes use the next ports")
      ->capture_default_str();
  app.add_option("--nodes", options.nodes, "Nodes with a vote")
      ->capture_default_str();
  app.add_option("--groups", options.groups,
                 "Raft groups, each with a replica on every node")
      ->capture_default_str();
  app.add_option("--read-replicas", options.read_replicas,
                 "Further nodes, which serve stale reads and refuse writes")
      ->capture_default_str();
  bool scale_demo = false;
  app.add_flag("--scale-demo", scale_demo,
               "Shows a cluster that grows from 3 nodes to 5 while clients go "
               "on, and ends");
  quorate::net::NodeSettings settings;
  std::string directory;
  CLI::App* const add = app.add_subcommand(
      "add", "Adds a node to the quickstart that runs, and runs it here");
  add->add_option("--data-dir", directory,
                  "The directory of the quickstart "
                  "[~/.cache/quorate/quickstart]");
  add->add_option("--zone", settings.zone, "The zone of the new node");
  add->add_option("--name", settings.name, "Its name");
  add->add_option("--role", settings.role, "data, read-only or router");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : quorate::net::kExitUsage;
  }
  if (add->parsed()) {
    return quorate::net::RunQuickstartAdd(
        directory.empty() ? options.data_dir : directory, settings);
  }
  return scale_demo ? quorate::net::RunScaleDemo(options)
                    : quorate::net::RunQuickstart(options);
}

}  // namespace

int main(int argc, char** argv) {
  return quorate::RunProgram(argc, argv, [&] { return Main(argc, argv); });
}
