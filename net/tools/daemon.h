// net/tools/daemon.h: one node as a process: configuration file in, exit status out.
// The main of quorated is this and its command line.
#ifndef QUORATE_NET_TOOLS_DAEMON_H_
#define QUORATE_NET_TOOLS_DAEMON_H_

#include <string>

#include "env/tracer.h"

namespace quorate::net {

struct DaemonOptions {
  std::string config_file;
  // Found a new store in an empty data directory, as node.bootstrap does.
  bool bootstrap = false;
  env::Severity log_level = env::Severity::kInfo;
  // The process whose end kills this one; -1: the parent at the start; 0: none.
  // A parent that may die at any moment gives its own id, since the child sees
  // only who the parent is by then.
  int exit_with_parent = 0;
};

// Exit statuses.
inline constexpr int kExitClean = 0;
// The node could not start: the directory, an address, another process.
inline constexpr int kExitFailed = 1;
// The command line or the configuration is wrong.
inline constexpr int kExitUsage = 2;

// Runs until SIGTERM or SIGINT, which stop it cleanly; a second one at once.
// When it serves it says so in one line on standard output:
//   ready: resp 127.0.0.1:7001 http 127.0.0.1:8001 peer 127.0.0.1:17001
// What is wrong goes to standard error.
int RunDaemon(const DaemonOptions& options);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_DAEMON_H_
