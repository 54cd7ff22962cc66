// quorated: runs one node.
#include <CLI/CLI.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "env/program/program.h"
#include "net/tools/daemon.h"

namespace {

// The words of the operator about the state of the data directory.
void AddWordsOfDirectory(CLI::App* app, CLI::Option* config, CLI::Option* join,
                         quorate::net::DaemonOptions* options) {
  CLI::Option* const bootstrap = app->add_flag(
      "--bootstrap", options->bootstrap,
      "Create a new store if the data directory is empty: for the "
      "first start of a new cluster's node only");
  app->add_flag(
         "--alone", options->alone,
         "Found a cluster of this one node; without it a file that names "
         "one node founds none")
      ->needs(bootstrap);
  app->add_flag("--restore-as-new-cluster", options->restore_as_new_cluster,
                "Make the data directory, a copy, one of the new cluster whose "
                "cluster.id the file has")
      ->needs(config)
      ->excludes(join)
      ->excludes(bootstrap);
  app->add_flag("--moved", options->moved,
                "Several nodes of this cluster have new addresses, and the "
                "directory is no copy");
}

// Replaces the word by the number of the severity; else returns the error.
std::string TakeSeverity(std::string& word) {
  using quorate::env::Severity;
  for (const auto& [name, severity] : {std::pair("debug", Severity::kDebug),
                                       {"info", Severity::kInfo},
                                       {"warning", Severity::kWarning},
                                       {"error", Severity::kError}}) {
    if (word != name) continue;
    word = std::to_string(static_cast<int>(severity));
    return "";
  }
  return "expected debug, info, warning or error, found '" + word + "'";
}

int Main(int argc, char** argv) {
  CLI::App app(
      "quorated: one node of a Quorate cluster.\n"
      "Exit status: 0 after a clean stop (SIGTERM, SIGINT or SIGHUP), 1 if the "
      "node cannot run or cannot stop cleanly. 2 if the command line or the "
      "configuration is wrong, or if standard output cannot be written.");
  app.set_version_flag("--version", quorate::VersionText(argv[0]));
  quorate::net::DaemonOptions options;
  CLI::Option* const config = app.add_option(
      "--config", options.config_file, "The node's configuration, a TOML file");
  CLI::Option* const join =
      app.add_option("--join", options.join,
                     "Join the cluster of these nodes: their peer addresses, "
                     "with commas. The directory is empty, or has joined")
          ->delimiter(',');
  app.add_option("--token", options.token,
                 "The word that quoratectl node add or replace printed")
      ->needs(join);
  join->needs("--token");
  for (const auto& [name, value, what] :
       {std::tuple{"--data-dir", &options.data_dir, "The directory"},
        {"--resp", &options.addresses.resp, "Address for plain clients"},
        {"--cluster", &options.addresses.resp_cluster,
         "Address for cluster clients [the port of --resp + 100]"},
        {"--http", &options.addresses.http, "Address for HTTP"},
        {"--peer", &options.addresses.peer, "Address for other nodes"},
        {"--admin", &options.addresses.admin,
         "Address for operators [loopback, the port of --http + 100]"}}) {
    app.add_option(name, *value, what)->needs(join)->excludes(config);
  }
  app.add_flag("--allow-non-loopback", options.addresses.allow_non_loopback,
               "As listen.allow_non_loopback, in place of a file")
      ->needs(join)
      ->excludes(config);
  AddWordsOfDirectory(&app, config, join, &options);
  app.add_option("--log-level", options.log_level,
                 "Least severity of messages on standard error")
      ->transform(CLI::Validator(TakeSeverity, ""))
      ->option_text("debug|info|warning|error [info]");
  app.add_flag("--exit-with-parent{-1}", options.exit_with_parent,
               "End when the process that started this one ends");
  try {
    app.parse(argc, argv);
    if (options.config_file.empty() && options.join.empty()) {
      throw CLI::RequiredError("--config");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : quorate::net::kExitUsage;
  }
  return quorate::net::RunDaemon(options);
}

}  // namespace

int main(int argc, char** argv) {
  return quorate::RunProgram(argc, argv, [&] { return Main(argc, argv); });
}
