#include <errno.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "env/host_port.h"
#include "net/disk/posix_file.h"
#include "net/tools/child_process.h"
#include "net/tools/daemon.h"
#include "net/tools/listen_check.h"
#include "net/tools/member_verbs.h"
#include "net/tools/quickstart.h"
#include "net/tools/quickstart_files.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

absl::StatusOr<node::Config> ConfigIn(const QuickstartNode& node) {
  return node::ParseConfig(ReadText(node.config_file), node.config_file);
}

// The ports of a quickstart follow from those of its first node.
QuickstartOptions OptionsOf(const std::string& directory,
                            const node::Config& first) {
  const auto port = [](const std::string& address) {
    const absl::StatusOr<HostPort> at = ParseHostPort(address);
    return at.ok() ? static_cast<int>(at->port) : 0;
  };
  const node::NodeConfig& node = first.nodes.front();
  return {.data_dir = directory,
          .port = port(node.resp),
          .cluster_port = port(node.resp_cluster),
          .http_port = port(node.http)};
}

}  // namespace

int RunQuickstartAdd(const std::string& data_dir,
                     const NodeSettings& settings) {
  const absl::StatusOr<std::string> directory = QuickstartDirectory(data_dir);
  if (!directory.ok())
    return PrintQuickstartError(directory.status(), kExitUsage);
  const absl::StatusOr<std::string> program = FindProgram("quorated");
  if (!program.ok()) return PrintQuickstartError(program.status(), kExitFailed);
  const std::vector<QuickstartNode> known = KnownNodes(*directory);
  ControlAnswer answer{.exit_status = kExitFailed};
  for (const QuickstartNode& node : known) {
    answer =
        AddNode({.control = {.addresses = {node.resp_cluster}, .json = true},
                 .say = [](const std::string&) {},
                 .progress = [](const std::string&) {},
                 .interrupted = [] { return false; }},
                settings);
    // Another node may be up.
    if (answer.exit_status != kExitFailed) break;
  }
  if (answer.exit_status != 0) {
    const std::string why =
        !answer.error.empty()
            ? answer.error
            : "there is no quickstart in " + *directory +
                  "; start one first: ./bazelw run //:quickstart";
    return PrintQuickstartError(absl::UnavailableError(why),
                                answer.exit_status);
  }
  const auto json = nlohmann::json::parse(answer.out);
  const NodeId id(json["id"].get<uint32_t>());
  const absl::StatusOr<node::Config> first = ConfigIn(known.front());
  if (!first.ok()) return PrintQuickstartError(first.status(), kExitFailed);
  const QuickstartNode node =
      QuickstartNodeOf(OptionsOf(*directory, *first), id);
  absl::Status ready = CheckListenAddresses(
      {node.resp, node.resp_cluster, node.http, node.peer, node.admin});
  if (ready.ok()) {
    ready = WriteText(node.config_file, AddedNodeToml(node, first->cluster));
  }
  if (!ready.ok()) return PrintQuickstartError(ready, kExitFailed);
  const std::vector<std::string> seeds = json["seeds"];
  std::printf(
      "node %u  redis %s  cluster %s  http http://%s  peers %s\n"
      "Ctrl-C stops it. From then on it starts with the quickstart, or with:\n"
      "  %s --config %s\n\n",
      id.value(), node.resp.c_str(), node.resp_cluster.c_str(),
      node.http.c_str(), node.peer.c_str(), program->c_str(),
      node.config_file.c_str());
  std::fflush(stdout);
  const std::string joined = absl::StrJoin(seeds, ",");
  const std::string token = json["token"];
  execl(program->c_str(), program->c_str(), "--config",
        node.config_file.c_str(), "--join", joined.c_str(), "--token",
        token.c_str(), static_cast<char*>(nullptr));
  return PrintQuickstartError(FileError(errno, "starting", *program),
                              kExitFailed);
}

}  // namespace quorate::net
