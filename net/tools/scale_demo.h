// net/tools/scale_demo.h: shows a cluster that grows from three nodes to five
// while clients go on.
#ifndef QUORATE_NET_TOOLS_SCALE_DEMO_H_
#define QUORATE_NET_TOOLS_SCALE_DEMO_H_

#include "net/tools/quickstart_plan.h"

namespace quorate::net {

// Starts a quickstart in a directory that is removed at the end, with the ports
// of `options`, and clients that increment counters. Adds two nodes, creates
// two groups, and waits for the moves of their slots. Prints what happens, and
// at the end what the clients saw. Returns the exit status: 0; 1 if something
// failed, or a request or a counter was wrong; 2 if the options are wrong.
int RunScaleDemo(const QuickstartOptions& options);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_SCALE_DEMO_H_
