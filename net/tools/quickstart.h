// net/tools/quickstart.h: starts a cluster of quorated processes on loopback,
// reports its events, and stops it.
#ifndef QUORATE_NET_TOOLS_QUICKSTART_H_
#define QUORATE_NET_TOOLS_QUICKSTART_H_

#include <string>

#include "absl/status/statusor.h"
#include "net/tools/quickstart_plan.h"

namespace quorate::net {

// Returns the default directory: quorate/quickstart under $XDG_CACHE_HOME, or
// under .cache of the home directory.
absl::StatusOr<std::string> DefaultQuickstartDirectory();

// Runs until SIGINT or SIGTERM. Returns the exit status: 0; 1 if the cluster
// could not be started; 2 if the options are wrong.
int RunQuickstart(const QuickstartOptions& options);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_QUICKSTART_H_
