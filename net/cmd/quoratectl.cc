// quoratectl: shows the status of a running cluster, and reads and writes keys.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "net/tools/control.h"

int main(int argc, char** argv) {
  using quorate::net::ControlAnswer;
  quorate::net::ControlOptions options;
  int64_t timeout_ms = options.timeout.ms();
  std::string key;
  std::string value;
  std::vector<std::string> keys;
  CLI::App app(
      "quoratectl: status and keys of a running Quorate cluster.\n"
      "Exit status: 0 on success, 1 on failure (no such key, no node at "
      "the address), 2 if the command line is wrong.\n"
      "`status` exits with 3 if a node does not answer, or if the node at the "
      "address refuses a node. It also does so if a replica is halted, fenced, "
      "stopped or refused, or if slots have no leader.");
  app.add_option("--address", options.address,
                 "Address for cluster clients (resp_cluster) of any node")
      ->capture_default_str();
  app.add_option("--timeout-ms", timeout_ms,
                 "Timeout for each node, in milliseconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 3'600'000));
  app.add_flag("--json", options.json, "Print JSON");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_subcommand("status", "Nodes, groups, leaders and slots");
  CLI::App* const get = app.add_subcommand("get", "Print a key's value");
  get->add_option("key", key)->required();
  CLI::App* const set = app.add_subcommand("set", "Set a key");
  set->add_option("key", key)->required();
  set->add_option("value", value)->required();
  CLI::App* const del = app.add_subcommand("del", "Delete keys");
  del->add_option("key", keys)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> words = app.remaining();
    if (error.get_exit_code() == 0 || !app.get_subcommands().empty() ||
        words.empty() || words.front().starts_with('-')) {
      return app.exit(error) == 0 ? 0 : 2;
    }
    std::fprintf(stderr,
                 "quoratectl: there is no command '%s'; the commands are "
                 "status, get, set and del\n",
                 words.front().c_str());
    return 2;
  }
  options.timeout = quorate::Milliseconds(timeout_ms);
  ControlAnswer answer;
  if (get->parsed()) {
    answer = RunGet(options, key);
  } else if (set->parsed()) {
    answer = RunSet(options, key, value);
  } else if (del->parsed()) {
    answer = RunDelete(options, keys);
  } else {
    answer = RunStatus(options);
  }
  std::fwrite(answer.out.data(), 1, answer.out.size(), stdout);
  if (!answer.error.empty()) {
    std::fprintf(stderr, "quoratectl: %s\n", answer.error.c_str());
  }
  return answer.exit_status;
}
