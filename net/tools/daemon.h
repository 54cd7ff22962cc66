// net/tools/daemon.h: runs one node as a process: configuration file in, exit
// status out. The main of quorated adds only its command line.
#ifndef QUORATE_NET_TOOLS_DAEMON_H_
#define QUORATE_NET_TOOLS_DAEMON_H_

#include <string>
#include <vector>

#include "env/tracer.h"
#include "node/config/config.h"

namespace quorate::net {

struct DaemonOptions {
  // Empty: `addresses` and `data_dir` are all that is configured. Only for a
  // node that joins.
  std::string config_file;
  // Peer addresses of nodes of a cluster, and the token that it gave. Empty:
  // the node does not join.
  std::vector<std::string> join;
  std::string token;
  std::string data_dir;
  node::ListenConfig addresses;
  // Bootstrap a new store in an empty data directory.
  bool bootstrap = false;
  // A file with one row may found a cluster.
  bool alone = false;
  // Make the directory, a copy, one of another cluster.
  bool restore_as_new_cluster = false;
  // The nodes of the cluster have other addresses than at the last start.
  bool moved = false;
  env::Severity log_level = env::Severity::kInfo;
  // The process whose end kills this one; -1: the parent at the start; 0: none.
  // A parent that may die at any moment passes its own id, since the child
  // might already have another parent.
  int exit_with_parent = 0;
};

// Exit statuses.
inline constexpr int kExitClean = 0;
// The node could not start because of its directory, an address or another
// process. Or it could not stop cleanly: a second signal came, or a system call
// on a file has not returned.
inline constexpr int kExitFailed = 1;
// The command line or the configuration is wrong.
inline constexpr int kExitUsage = 2;

// Runs until SIGTERM, SIGINT or SIGHUP, which stop the node cleanly; a second
// signal ends it at once. A node with a certificate reads its files again on
// SIGHUP instead. A disk that hangs delays the end by 5 s at most. When
// the node serves clients it prints one line on standard output:
int RunDaemon(const DaemonOptions& options);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_DAEMON_H_
