// net/tools/quickstart.h: starts a cluster of quorated processes on loopback,
// reports its events, and stops it.
#ifndef QUORATE_NET_TOOLS_QUICKSTART_H_
#define QUORATE_NET_TOOLS_QUICKSTART_H_

#include <string>

#include "net/tools/member_verbs.h"
#include "net/tools/quickstart_plan.h"

namespace quorate::net {

// Runs until SIGINT or SIGTERM. Returns the exit status: 0; 1 if the cluster
// could not be started; 2 if the options are wrong.
int RunQuickstart(const QuickstartOptions& options);

// Adds a node to the quickstart that runs with this directory, and becomes its
// process, which ends with SIGINT or SIGTERM. Returns the exit status if it
// cannot: 1, or that of a refusal (member_verbs.h).
int RunQuickstartAdd(const std::string& data_dir, const NodeSettings& settings);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_QUICKSTART_H_
