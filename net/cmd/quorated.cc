// quorated: runs one node.
#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "net/tools/daemon.h"

int main(int argc, char** argv) {
  using quorate::env::Severity;
  CLI::App app(
      "quorated: one node of a Quorate cluster.\n"
      "Exit status: 0 after a clean stop (SIGTERM), 1 if the node cannot run "
      "or cannot stop cleanly. 2 if the command line or the configuration is "
      "wrong.");
  quorate::net::DaemonOptions options;
  app.add_option("--config", options.config_file,
                 "The node's configuration, a TOML file")
      ->required();
  app.add_flag("--bootstrap", options.bootstrap,
               "Create a new store if the data directory is empty: for the "
               "first start of a new cluster's node only");
  app.add_option("--log-level", options.log_level,
                 "Least severity of messages on standard error")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Severity>{{"debug", Severity::kDebug},
                                          {"info", Severity::kInfo},
                                          {"warning", Severity::kWarning},
                                          {"error", Severity::kError}}))
      ->option_text("debug|info|warning|error [info]");
  app.add_flag("--exit-with-parent{-1}", options.exit_with_parent,
               "End when the process that started this one ends");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : quorate::net::kExitUsage;
  }
  return quorate::net::RunDaemon(options);
}
